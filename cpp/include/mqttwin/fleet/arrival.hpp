// When a device acts: arrival processes as functions of (device, number), without state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/fleet/column.hpp"
#include "mqttwin/fleet/population.hpp"

namespace mqttwin::fleet {

/// Instant n is start + phase + n * every + U, U uniform in [0, jitter): jitter delays, never
/// hastens, and does not add up. jitter may not exceed every (a drawn one is cut to it).
struct Periodic {
    DurationColumn every = seconds(60);
    /// None: uniform in [0, every), drawn for each device. 0: the fleet acts in step.
    std::optional<DurationColumn> phase;
    DurationColumn jitter = Duration{0};
    void archive(Archive& a) { a(every, phase, jitter); }
};

/// Exponential gaps with this mean, or with this rate per second where one is given; the first
/// gap begins at the start.
struct Poisson {
    DurationColumn mean = seconds(60);
    std::optional<Column> rate;
    void archive(Archive& a) { a(mean, rate); }
};

/// Recorded instants, in ascending order, relative to the beginning of the recording. A device
/// starts `offset` into it and then acts at every recorded instant from there on. With `loop`,
/// the recording begins again every `span` (which must exceed the last instant).
struct ReplayedInstants {
    std::shared_ptr<const std::vector<Duration>> instants;
    DurationColumn offset = Duration{0};
    bool loop = false;
    Duration span{0};
    void archive(Archive& a) { a(instants, offset, loop, span); }
};

/// Once, this long after the start.
struct Once {
    DurationColumn at = Duration{0};
    void archive(Archive& a) { a(at); }
};

/// A process, and the window of world time in which it is heard: from `from`, before `until`.
/// The process starts at the later of the device's start and `from`.
struct ArrivalSpec {
    std::variant<Periodic, Poisson, ReplayedInstants, Once> process = Periodic{};
    Instant from{0};
    Instant until = Instant::never();
    void archive(Archive& a) { a(process, from, until); }
};

/// Refuses what no fleet could make right.
void check(const ArrivalSpec& spec);

/// An arrival process for one fleet. Instants never go backwards; `Instant::never()` when there
/// are no more. Draws are keyed by (purpose, device, number).
class Arrival {
   public:
    Arrival(const ArrivalSpec& spec, const Population& population, std::string_view purpose);

    /// Instant number 0 of a device that starts at `start`.
    [[nodiscard]] Instant first(Device device, Instant start) const;
    /// Instant number `n` >= 1, where `previous` is number n - 1 exactly as it was returned (a
    /// live world that woke up late passes the instant that was due, or the process would drift).
    [[nodiscard]] Instant next(Device device, Instant previous, std::uint32_t n) const;

    void prefetch(Device device) const;

   private:
    enum class Kind : std::uint8_t { periodic, poisson, replay, once };
    [[nodiscard]] Duration jitter(Device device, std::uint32_t n, Duration every) const;
    [[nodiscard]] Duration change_of_jitter(Device device, std::uint32_t n, Duration every) const;
    [[nodiscard]] Duration exponential_gap(Device device, std::uint32_t n) const;
    [[nodiscard]] Duration recorded(Device device, std::uint64_t position) const;
    [[nodiscard]] std::uint64_t first_position(Device device) const;
    [[nodiscard]] Duration offset_into(Device device) const;
    [[nodiscard]] Duration period(Device device) const;
    void find_positions(const Population& population);
    [[nodiscard]] Instant within(Instant t) const { return t < until_ ? t : Instant::never(); }

    Kind kind_ = Kind::periodic;
    bool loop_ = false;
    bool drawn_phase_ = false;
    bool has_jitter_ = false;
    Instant from_{0};
    Instant until_ = Instant::never();
    DurationColumn every_;   // periodic: period; poisson: mean gap
    DurationColumn offset_;  // periodic: phase; replay: offset; once: the delay
    DurationColumn jitter_;
    std::optional<Column> rate_;
    StreamKey key_{};
    StreamKey phase_key_{};
    std::shared_ptr<const std::vector<Duration>> instants_;
    /// Replay: the position in the recording at which each device starts (one for all where the
    /// offset is a scalar).
    std::shared_ptr<const std::vector<std::uint32_t>> positions_;
    Duration span_{0};
};

}  // namespace mqttwin::fleet
