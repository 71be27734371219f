// Instants and durations: whole nanoseconds, never a floating point clock.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace mqttwin {

/// A span of time in nanoseconds. Plain data; may be negative.
struct Duration {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(Duration, Duration) = default;
    friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
    friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
    friend constexpr Duration operator*(Duration a, std::int64_t k) { return {a.ns * k}; }
    friend constexpr Duration operator*(std::int64_t k, Duration a) { return {a.ns * k}; }
    friend constexpr Duration operator/(Duration a, std::int64_t k) { return {a.ns / k}; }
    constexpr Duration& operator+=(Duration b) {
        ns += b.ns;
        return *this;
    }
    constexpr Duration& operator-=(Duration b) {
        ns -= b.ns;
        return *this;
    }

    [[nodiscard]] constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
};

constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
constexpr Duration hours(std::int64_t n) { return seconds(n * 3600); }

/// A point in time: nanoseconds since the start of the world (virtual) or of the process (live).
struct Instant {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(Instant, Instant) = default;
    friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
    friend constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
    friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }

    /// Later than anything that happens: "no deadline".
    static constexpr Instant never() { return {std::numeric_limits<std::int64_t>::max()}; }
    /// Whole ones since the start, which it does not precede: so this is a multiplication.
    [[nodiscard]] constexpr std::int64_t microseconds() const {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(ns) / 1'000);
    }
    [[nodiscard]] constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
};

constexpr Instant min(Instant a, Instant b) { return a < b ? a : b; }
constexpr Instant max(Instant a, Instant b) { return a < b ? b : a; }
constexpr Duration max(Duration a, Duration b) { return a < b ? b : a; }
constexpr Duration min(Duration a, Duration b) { return a < b ? a : b; }

}  // namespace mqttwin
