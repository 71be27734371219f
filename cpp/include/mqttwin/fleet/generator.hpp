// What a device measures: generators of field values.
//
// A value is a function of (device, message number, instant) under the field's own key, and of
// eight bytes of state where the model needs its past. No libm transcendentals, no <random>:
// the same numbers on every machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/fleet/column.hpp"
#include "mqttwin/fleet/population.hpp"
#include "mqttwin/fleet/text_template.hpp"

namespace mqttwin::fleet {

namespace gen {

/// The same for every message: a number a device, an integer, a truth value or a text.
struct Constant {
    std::variant<Column, std::int64_t, bool, std::string> value = Column{0.0};
    void archive(Archive& a) { a(value); }
};
/// start + n * step, an integer (fractions of the columns are cut off); modulo `wrap` if not 0,
/// like the 16-bit counter of a device that sends a 16-bit counter (wrap = 65536).
struct Counter {
    Column start = 0.0;
    Column step = 1.0;
    std::uint64_t wrap = 0;
    void archive(Archive& a) { a(start, step, wrap); }
};
struct Normal {
    Column mean = 0.0;
    Column sd = 1.0;
    void archive(Archive& a) { a(mean, sd); }
};
/// Uniform in [low, high).
struct Uniform {
    Column low = 0.0;
    Column high = 1.0;
    void archive(Archive& a) { a(low, high); }
};
/// x_0 = start, x_n = x_(n-1) + N(0, step), reflected at low and high where they are given.
struct RandomWalk {
    Column start = 0.0;
    Column step = 1.0;
    std::optional<Column> low;
    std::optional<Column> high;
    void archive(Archive& a) { a(start, step, low, high); }
};
/// The mean-reverting process dx = (mean - x)/tau dt + sigma sqrt(2/tau) dW, with stationary
/// standard deviation sigma and autocorrelation exp(-gap/tau), sampled exactly whatever the gaps
/// (Gillespie, Phys. Rev. E 54, 2084 (1996)). It starts in the stationary state.
struct OrnsteinUhlenbeck {
    Column mean = 0.0;
    Column sigma = 1.0;
    DurationColumn tau = hours(1);
    void archive(Archive& a) { a(mean, sigma, tau); }
};
/// mean + amplitude * cos(2 pi (hour - peak_hour) / 24) + N(0, noise), by the hour (UTC) of the
/// world's epoch.
struct Diurnal {
    Column mean = 0.0;
    Column amplitude = 1.0;
    Column peak_hour = 14.0;
    Column noise = 0.0;
    void archive(Archive& a) { a(mean, amplitude, peak_hour, noise); }
};
/// Recorded values. The position is offset + n * stride, or, with `step` > 0, offset +
/// stride * (whole steps of world time); `offset` is a whole number of values. Beyond the end it
/// begins again (loop) or stays at the last value. NaN in a recording is a missing value.
struct Replay {
    std::shared_ptr<const std::vector<double>> values;
    Column offset = 0.0;
    std::uint32_t stride = 1;
    Duration step{0};
    bool loop = true;
    bool integers = false;  // the values are whole numbers and are sent as such
    void archive(Archive& a) { a(values, offset, stride, step, loop, integers); }
};
/// One of some numbers or of some texts, with equal chances or in proportion to `weights`.
struct Choice {
    std::vector<double> numbers;
    std::vector<std::string> texts;
    std::vector<double> weights;
    bool integers = false;
    void archive(Archive& a) { a(numbers, texts, weights, integers); }
};
/// The instant of the message: since the Unix epoch (`absolute`, by the population's epoch), or
/// since the start of the world. `iso8601` is text, in milliseconds: 2025-01-01T00:00:00.000Z.
struct Timestamp {
    enum class Unit : std::uint8_t { seconds, milliseconds, microseconds, nanoseconds, iso8601 };
    Unit unit = Unit::milliseconds;
    bool absolute = true;
    void archive(Archive& a) { a(unit, absolute); }
};
struct DeviceIndex {};
/// A template (see TextTemplate), rendered for the device.
struct Text {
    std::string text;
    void archive(Archive& a) { a(text); }
};
struct Boolean {
    Column probability = 0.5;
    void archive(Archive& a) { a(probability); }
};

using Model = std::variant<Constant, Counter, Normal, Uniform, RandomWalk, OrnsteinUhlenbeck,
                           Diurnal, Replay, Choice, Timestamp, DeviceIndex, Text, Boolean>;

}  // namespace gen

struct GeneratorSpec {
    gen::Model model = gen::Constant{};
    /// Real numbers are rounded to this many decimals, 0 to 9 (halves away from zero) and are
    /// written with all of them in text; -1 leaves them as they are.
    int digits = -1;
    void archive(Archive& a) { a(model, digits); }
};

/// Refuses what no fleet could make right. `field` is the name for error messages.
void check(const GeneratorSpec& spec, std::string_view field);

/// One value of a field; `kind` says which member counts.
struct Value {
    enum class Kind : std::uint8_t { missing, real, integer, boolean, text };
    Kind kind = Kind::missing;
    std::int8_t digits = -1;  // of a rounded real: real == integer / 10^digits
    double real = 0;
    std::int64_t integer = 0;  // boolean: 0 or 1
    std::string_view text;     // valid until the generator's next call
};

/// What a generator may look at.
struct Moment {
    Device device = 0;
    std::uint32_t n = 0;  // number of the message, from 0; asked for in order
    Instant now;
    Duration gap;  // since the device's message before (0 for the first)
};

class Generator {
   public:
    static constexpr std::size_t kIso8601Size = 24;

    /// `purpose` keys the draws; `field` is the name for error messages.
    Generator(const GeneratorSpec& spec, const Population& population, std::string_view purpose,
              std::string_view field);

    Value next(const Moment& moment);

    [[nodiscard]] Value::Kind kind() const;  // of every value that is not missing
    /// Whether `Moment::gap` is looked at.
    [[nodiscard]] bool needs_gap() const;
    /// No text that it gives is longer.
    [[nodiscard]] std::size_t maximum_text() const;
    /// The state, one double a device; empty where the model has none.
    [[nodiscard]] std::span<double> state() { return state_; }
    void prefetch(Device device) const;

   private:
    Value produce(const gen::Constant& g, const Moment& m) const;
    Value produce(const gen::Counter& g, const Moment& m) const;
    Value produce(const gen::Normal& g, const Moment& m) const;
    Value produce(const gen::Uniform& g, const Moment& m) const;
    Value produce(const gen::RandomWalk& g, const Moment& m);
    Value produce(const gen::OrnsteinUhlenbeck& g, const Moment& m);
    Value produce(const gen::Diurnal& g, const Moment& m) const;
    Value produce(const gen::Replay& g, const Moment& m) const;
    Value produce(const gen::Choice& g, const Moment& m) const;
    Value produce(const gen::Timestamp& g, const Moment& m);
    Value produce(const gen::DeviceIndex& g, const Moment& m) const;
    Value produce(const gen::Text& g, const Moment& m);
    Value produce(const gen::Boolean& g, const Moment& m) const;
    [[nodiscard]] Value rounded(double x) const;

    gen::Model model_;  // its columns are bound
    StreamKey key_{};
    int digits_ = -1;
    std::int64_t epoch_ns_ = 0;
    TextTemplate template_;
    std::vector<double> cumulative_;  // choice
    std::vector<double> state_;
    std::string scratch_;
};

}  // namespace mqttwin::fleet
