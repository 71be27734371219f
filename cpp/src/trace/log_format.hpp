// Bounds and constants that the writer and the reader of the event log share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/hash.hpp"

namespace mqttwin::trace::format {

inline constexpr std::string_view kMagic = "mqttwin-trace";
inline constexpr std::uint64_t kVersion = 2;  // 1: a check was hash_bytes of its block

inline constexpr std::size_t kMaxText = 65'535;          // bytes of a name, a topic or a note
inline constexpr std::size_t kMaxRecord = 4 * kMaxText;  // encoded; what is longer is no record
inline constexpr std::size_t kMaxBlock = 64U << 20;      // from one check record to the next
inline constexpr std::uint32_t kMaxFields = 13;          // of a record
inline constexpr std::uint32_t kNoTopicId = 0xFFFF'FFFFU;

/// The check of a block after one whose check was `chain`. Four stretches of it side by side: each
/// step of a hash waits for the one before.
inline std::uint64_t check_of(ByteView block, std::uint64_t chain) {
    std::uint64_t lanes[4] = {1, 2, 3, 4};
    const std::size_t stretch = block.size() / 64 * 16;
    for (std::size_t i = 0; i < stretch; i += 16) {
        for (std::size_t lane = 0; lane < 4; ++lane) {
            lanes[lane] = hash_step(lanes[lane], block.data() + lane * stretch + i);
        }
    }
    for (const std::uint64_t lane : lanes) chain = mix64(chain + lane);
    return hash_bytes(block.subspan(4 * stretch), chain);
}

}  // namespace mqttwin::trace::format
