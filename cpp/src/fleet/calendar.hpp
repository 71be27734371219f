// Days and dates of Unix time, in integers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mqttwin::fleet {

inline constexpr std::int64_t kDay = 86'400'000'000'000;
inline constexpr double kDayNs = 86'400e9;

inline std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    const std::int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

inline std::int64_t since_midnight_ns(std::int64_t unix_ns) {
    return unix_ns - floor_divide(unix_ns, kDay) * kDay;
}

/// Writes 24 characters, 2025-01-01T00:00:00.000Z (years 1677 to 2262, what 64 bits of
/// nanoseconds reach), by Howard Hinnant's civil_from_days ("chrono-Compatible Low-Level Date
/// Algorithms", 2013).
inline void write_iso8601(std::int64_t unix_ns, char* out) {
    const std::int64_t days = floor_divide(unix_ns, kDay);
    const auto milliseconds = static_cast<std::uint32_t>((unix_ns - days * kDay) / 1'000'000);

    const std::int64_t z = days + 719'468;  // from 0000-03-01
    const std::int64_t era = floor_divide(z, 146'097);
    const auto day_of_era = static_cast<std::uint32_t>(z - era * 146'097);
    const std::uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::uint32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::uint32_t shifted_month = (5 * day_of_year + 2) / 153;  // 0 is March
    const std::uint32_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    const std::uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    const auto year = static_cast<std::uint32_t>(era * 400) + year_of_era + (month <= 2 ? 1 : 0);

    const auto digits = [&out](std::uint32_t number, int width, char after) {
        for (int i = width - 1; i >= 0; --i) {
            out[i] = static_cast<char>('0' + number % 10);
            number /= 10;
        }
        out[width] = after;
        out += width + 1;
    };
    digits(year, 4, '-');
    digits(month, 2, '-');
    digits(day, 2, 'T');
    digits(milliseconds / 3'600'000, 2, ':');
    digits(milliseconds / 60'000 % 60, 2, ':');
    digits(milliseconds / 1000 % 60, 2, '.');
    digits(milliseconds % 1000, 3, 'Z');
}

}  // namespace mqttwin::fleet
