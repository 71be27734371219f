// Bounds and constants that the writer and the reader of the event log share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mqttwin::trace::format {

inline constexpr std::string_view kMagic = "mqttwin-trace";
inline constexpr std::uint64_t kVersion = 1;

inline constexpr std::size_t kMaxText = 65'535;          // bytes of a name, a topic or a note
inline constexpr std::size_t kMaxRecord = 4 * kMaxText;  // encoded; what is longer is no record
inline constexpr std::size_t kMaxBlock = 64U << 20;      // from one check record to the next
inline constexpr std::uint32_t kMaxFields = 13;          // of a record
inline constexpr std::uint32_t kNoTopicId = 0xFFFF'FFFFU;

}  // namespace mqttwin::trace::format
