// A number a device: one for all, one each, or drawn once each from a distribution.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/fleet/population.hpp"

namespace mqttwin::fleet {

/// What a parameter may be; every value must be finite besides.
struct Range {
    double low = std::numeric_limits<double>::lowest();
    double high = std::numeric_limits<double>::max();
    bool above_low = false;  // low itself is not allowed

    static constexpr Range any() { return {}; }
    static constexpr Range positive() { return {0.0, std::numeric_limits<double>::max(), true}; }
    static constexpr Range not_negative() { return {0.0, std::numeric_limits<double>::max()}; }
    static constexpr Range between(double low, double high) { return {low, high}; }

    [[nodiscard]] bool holds(double x) const {
        return x <= high && (above_low ? x > low : x >= low);  // false for NaN
    }
    [[nodiscard]] std::string text() const;  // "must be > 0"
};

/// A parameter of a behaviour. A distribution is a function of the device (a counter-based draw),
/// so it takes no memory and a device's value never depends on how many others there are.
class Column {
   public:
    Column(double scalar = 0.0) : a_(scalar) {}  // NOLINT(google-explicit-constructor)

    /// One value a device; the length must be the fleet's.
    static Column values(std::vector<double> one_a_device);
    /// Uniform in [low, high).
    static Column uniform(double low, double high);
    static Column normal(double mean, double sd);
    /// median * exp(sigma * Z): sigma is the standard deviation of the logarithm.
    static Column lognormal(double median, double sigma);
    static Column exponential(double mean);
    /// One of some values, with equal chances or in proportion to `weights`.
    static Column choice(std::vector<double> values, const std::vector<double>& weights = {});

    /// This column for the devices of a fleet: checked, and keyed by (seed, fleet, purpose).
    /// `parameter` is the name for error messages. A distribution that reaches beyond `range` is
    /// truncated to it (drawn again); one whose centre lies outside is refused.
    [[nodiscard]] Column bound(const Population& population, std::string_view purpose,
                               std::string_view parameter, Range range = Range::any()) const;
    /// The part of the checks that needs no fleet.
    void check(std::string_view parameter, Range range = Range::any()) const;

    [[nodiscard]] bool is_scalar() const { return kind_ == Kind::scalar; }
    [[nodiscard]] bool is_drawn() const { return kind_ > Kind::values; }
    /// The value of a device. Precondition: bound, or a scalar.
    [[nodiscard]] double at(Device device) const {
        if (kind_ == Kind::scalar) return a_;
        if (kind_ == Kind::values) return (*values_)[device];
        return draw(device);
    }
    void prefetch(Device device) const {
        if (kind_ == Kind::values) mqttwin::prefetch(values_->data() + device);
    }
    /// Of a description; one that is bound stays bound.
    void archive(Archive& a) { a(kind_, a_, b_, key_, range_, values_, cumulative_); }

   private:
    enum class Kind : std::uint8_t {
        scalar,
        values,
        uniform,
        normal,
        lognormal,
        exponential,
        choice
    };
    Column(Kind kind, double a, double b) : kind_(kind), a_(a), b_(b) {}
    [[nodiscard]] double draw(Device device) const;
    [[nodiscard]] double shape(std::uint64_t word) const;
    [[nodiscard]] double centre() const;
    void check_values(std::string_view parameter, Range range) const;

    Kind kind_ = Kind::scalar;
    double a_ = 0;
    double b_ = 0;
    StreamKey key_{};
    Range range_{};
    std::shared_ptr<const std::vector<double>> values_;      // values, or what choice chooses from
    std::shared_ptr<const std::vector<double>> cumulative_;  // choice with weights
};

/// A duration a device. A scalar is exact; columns and distributions are in seconds and are
/// rounded to whole nanoseconds.
class DurationColumn {
   public:
    // NOLINTNEXTLINE(google-explicit-constructor)
    DurationColumn(Duration scalar = {}) : scalar_(scalar) {}
    static DurationColumn in_seconds(Column seconds);

    /// As Column::bound; `low` is the least that is allowed (or not, with above_low).
    [[nodiscard]] DurationColumn bound(const Population& population, std::string_view purpose,
                                       std::string_view parameter, Range seconds_range) const;
    void check(std::string_view parameter, Range seconds_range) const;

    [[nodiscard]] bool is_scalar() const { return !per_device_; }
    [[nodiscard]] bool is_drawn() const { return per_device_ && seconds_.is_drawn(); }
    [[nodiscard]] Duration at(Device device) const {
        return per_device_ ? from_seconds(seconds_.at(device)) : scalar_;
    }
    void prefetch(Device device) const { seconds_.prefetch(device); }

    /// Durations beyond this are refused: a hundred years.
    static constexpr double kMaximumSeconds = 3'155'760'000.0;
    /// Seconds to the nearest nanosecond, halves away from zero.
    static Duration from_seconds(double seconds);
    void archive(Archive& a) { a(per_device_, scalar_, seconds_); }

   private:
    bool per_device_ = false;
    Duration scalar_;
    Column seconds_;
};

}  // namespace mqttwin::fleet
