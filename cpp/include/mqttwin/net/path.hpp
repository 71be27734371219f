// The simple path: what TCP makes of one write over a link, in closed form.
//
// Each packet may be lost; a loss costs one retransmission time-out, a second one twice that, and
// so on, as on a chatty flow whose tail has nothing behind it that could trigger a fast
// retransmission. Windows, fast recovery and the exact timers of a kernel are not modelled here.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"
#include "mqttwin/net/link.hpp"

namespace mqttwin::net {

inline constexpr std::uint32_t kIpTcpHeader = 40;      // IPv4 + TCP, bytes
inline constexpr std::uint32_t kTimestampOption = 12;  // on every segment but SYNs

// Retransmission time-outs as Linux has them by default.
inline constexpr Duration kMinimumRtoSlack = milliseconds(200);
inline constexpr Duration kMaximumRto = seconds(120);
inline constexpr Duration kSynTimeout = seconds(1);
inline constexpr unsigned kSynRetries = 6;    // tcp_syn_retries
inline constexpr unsigned kDataRetries = 15;  // tcp_retries2

/// What happens to one write.
struct Fate {
    Duration delay{0};      // beyond an unhindered passage
    unsigned losses = 0;    // of its unluckiest packet
    bool given_up = false;  // `delay` is then the time until the sender gives up
};

/// `unit` in [0, 1) decides how often the unluckiest of `packets` packets is lost.
Fate fate_of(double unit, double loss, std::uint32_t packets, Duration first_timeout,
             unsigned retries);

/// Segments that a write of so many bytes takes.
constexpr std::uint32_t segments_of(std::uint32_t bytes, std::uint32_t mtu) {
    const std::uint32_t mss = mtu - kIpTcpHeader - kTimestampOption;
    return bytes == 0 ? 1 : (bytes + mss - 1) / mss;
}

}  // namespace mqttwin::net
