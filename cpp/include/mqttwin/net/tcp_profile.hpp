// What one TCP implementation does differently from another: constants, not mechanisms.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::net::tcp {

/// A profile is shared by all connections of a kind of host.
struct Profile {
    Duration jiffy = milliseconds(4);  // the tick in which timers count
    bool wheel = true;                 // timers beyond 63 ticks fire in coarser buckets, late

    Duration initial_rto = seconds(1);
    Duration min_rto = milliseconds(200);  // floor of the variance term, not of the sum
    Duration max_rto = seconds(120);
    unsigned syn_retries = 6;          // doubling ones, after the linear ones
    unsigned syn_linear_timeouts = 4;  // retransmissions of a SYN at the initial time-out
    unsigned synack_retries = 5;
    unsigned data_retries = 15;  // makes a time, not a count: see Machine::timed_out
    Duration user_timeout{0};    // 0: none

    Duration keep_alive_idle{0};  // SO_KEEPALIVE: silence before the first probe; 0: off
    Duration keep_alive_interval = seconds(75);
    unsigned keep_alive_probes = 9;  // unanswered ones; with a user time-out that decides instead

    std::uint16_t mtu = 1500;
    std::uint16_t initial_window = 10;      // segments
    std::uint16_t window_cap = 0xFFFF;      // segments in flight at most
    std::uint32_t receive_window = 65'160;  // bytes offered at first; Linux: half of the buffer
    std::uint32_t receive_buffer = 131'072;
    std::uint32_t receive_buffer_max = 33'554'432;

    std::uint32_t send_buffer = 16'384;  // at first; 0: whatever is written fits
    std::uint32_t send_buffer_max = 4'194'304;

    Duration delayed_ack_min = milliseconds(40);
    Duration delayed_ack_max = milliseconds(200);

    bool nagle = false;
    bool timestamps = true;
    bool sack = true;  // with it RACK and tail-loss probes
    bool slow_start_after_idle = true;

    friend bool operator==(const Profile&, const Profile&) = default;

    /// Payload of a full segment.
    [[nodiscard]] constexpr std::uint32_t mss() const { return mtu - (timestamps ? 52U : 40U); }
};

/// Linux 6.x at HZ=250 with TCP_NODELAY: validated by the fidelity benchmark.
constexpr Profile linux_profile() { return {}; }

/// A small stack of a microcontroller, in the spirit of lwIP and uIP with their usual settings.
/// Unvalidated: no measurement stands behind it.
constexpr Profile embedded_profile() {
    Profile p;
    p.jiffy = milliseconds(250);
    p.wheel = false;
    p.initial_rto = seconds(3);
    p.min_rto = milliseconds(500);
    p.max_rto = seconds(60);
    p.syn_retries = 6;
    p.syn_linear_timeouts = 0;
    p.data_retries = 12;
    p.mtu = 576;
    p.initial_window = 1;
    p.window_cap = 2;
    p.receive_window = 4'288;
    p.receive_buffer = 4'288;
    p.receive_buffer_max = 4'288;
    p.send_buffer = 0;
    p.delayed_ack_min = milliseconds(250);
    p.delayed_ack_max = milliseconds(250);
    p.nagle = true;
    p.timestamps = false;
    p.sack = false;
    return p;
}

}  // namespace mqttwin::net::tcp
