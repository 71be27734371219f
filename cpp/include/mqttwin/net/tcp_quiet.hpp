// The quiet exchange: one small segment on an idle connection, and its acknowledgement.
//
// Most of a fleet's traffic is this. What the machine would do with a flight, two timers and a
// queue of one is done here on the endpoints alone, to the same effect:
// tests/cpp/net/test_tcp_quiet.cpp plays random traffic both ways and finds no difference. Whatever
// is not quiet any more is given back to the machine by `resume` and `resume_owing`.
#pragma once

#include <algorithm>

#include "mqttwin/net/tcp_machine.hpp"

namespace mqttwin::net::tcp {

namespace quiet {

/// Clocks of the host at one end.
struct Clock {
    Clock(const Moment& at, const Tick& tick) {
        const std::uint64_t us = static_cast<std::uint64_t>(at.now.microseconds()) + at.phase;
        ticks = static_cast<std::uint32_t>(tick.passed(us));
        stamp = static_cast<std::uint32_t>(us / 1'000);
    }
    std::uint32_t ticks;
    std::uint32_t stamp;
};

inline std::uint32_t quick_acks_for(const Endpoint& e) {
    constexpr std::uint32_t kMost = 16;
    const std::uint32_t two = 2U * std::max<std::uint32_t>(e.peer_mss, 1);
    if (e.window >= kMost * two) [[likely]] {  // without a division
        return kMost;
    }
    return std::max(e.window / two, 2U);
}

/// Of an endpoint, apart from it for a while.
struct Acknowledging {
    explicit Acknowledging(const Endpoint& e) : delay(e.ack_delay), quick(e.quick_acks) {}
    /// A segment with data arrives; `least`: the shortest delay of an acknowledgement, ticks.
    void see_segment(const Endpoint& e, std::uint32_t ticks, std::uint32_t least) {
        if (delay == 0) {
            quick = std::max(quick_acks_for(e), quick);
            delay = least;
            return;
        }
        const std::uint32_t gap = ticks - e.last_received;
        const std::uint32_t half = delay >> 1U;
        if (gap <= least / 2) {
            delay = half + least / 2;
        } else if (gap < delay) {
            delay = std::min({half + gap, std::uint32_t{e.rto}, 63U});
        } else if (gap > e.rto) {
            quick = std::max(quick_acks_for(e), quick);
        }
    }
    void spend_quick(std::uint32_t least) {
        if (quick == 0) return;
        if (--quick == 0) delay = least;
    }
    void store(Endpoint& e) const {
        e.ack_delay = delay & 63U;
        e.quick_acks = quick & 31U;
    }
    std::uint32_t delay;
    std::uint32_t quick;
};

/// Every field but the SACK blocks, of which there are none.
inline void fill(Segment& s, const Endpoint& e, std::uint32_t stamp) {
    s.seq = e.acked;
    s.length = 0;
    s.sacks = 0;
    s.duplicate = s.syn = s.fin = s.reset = s.push = false;
    s.ack = e.expected;
    s.has_ack = true;
    s.window = e.window;
    s.timestamp = !e.no_timestamps;
    s.ts_value = s.timestamp ? stamp : 0;
    s.ts_echo = s.timestamp ? e.ts_recent : 0;
}

}  // namespace quiet

inline void Machine::write_quietly(Moment now, Endpoint& e, std::uint32_t bytes, bool owing,
                                   Segment& s) {
    const quiet::Clock clock(now, tick_);
    if (profile_.slow_start_after_idle) {
        std::int64_t idle = clock.ticks - e.last_sent;
        if (idle > e.rto) {
            e.ssthresh =
                std::max(e.ssthresh, static_cast<std::uint16_t>((e.cwnd >> 1U) + (e.cwnd >> 2U)));
            if (e.cwnd > profile_.initial_window) {
                while ((idle -= e.rto) > 0 && e.cwnd > profile_.initial_window) {
                    e.cwnd = e.cwnd >> 1U;
                }
                e.cwnd = std::max(e.cwnd, profile_.initial_window);
            }
        }
    }
    quiet::fill(s, e, clock.stamp);
    s.length = bytes;
    s.push = true;
    if (owing) {
        quiet::Acknowledging acks(e);
        acks.spend_quick(delayed_ack_min_);
        acks.store(e);
    }
    if (clock.ticks - e.last_received < e.ack_delay) e.ping_pong = true;
    e.last_sent = clock.ticks;
}

inline Segment Machine::quiet_segment(const Endpoint& e, std::uint32_t bytes,
                                      std::uint32_t timestamp) const {
    Segment s;
    quiet::fill(s, e, timestamp);
    s.length = bytes;
    s.push = true;
    return s;
}

inline bool Machine::receive_quietly(Moment now, Endpoint& e, const Segment& s, bool owing,
                                     Segment& ack) {
    const quiet::Clock clock(now, tick_);
    const std::uint32_t least = delayed_ack_min_;
    // Beyond what was acknowledged last its timestamp is not taken (RFC 7323, section 4.3).
    if (!owing && s.timestamp && !before(s.ts_value, e.ts_recent)) e.ts_recent = s.ts_value;
    if (s.window > e.peer_window || s.window == 0) e.peer_window = s.window;
    e.expected += s.length;
    if (s.length >= e.peer_mss) {
        e.peer_mss = static_cast<std::uint16_t>(std::min(s.length, profile_.mss()));
    }
    quiet::Acknowledging acks(e);
    acks.see_segment(e, clock.ticks, least);
    e.last_received = clock.ticks;
    // An answer will carry it, or the timer sends it; the second segment is acknowledged at once.
    const bool at_once = !e.ping_pong || owing;
    if (at_once) {
        quiet::fill(ack, e, clock.stamp);
        if (acks.quick > 0) {
            // Sent before the application has read: that much less is on offer.
            if (!owing) ack.window -= s.length;
            acks.spend_quick(least);
        }
    }
    acks.store(e);
    return at_once;
}

inline void Machine::acknowledge_quietly(Instant now, Endpoint& e, Instant first, Instant last,
                                         bool owing, const Segment& s) {
    if (!owing && s.timestamp && !before(s.ts_value, e.ts_recent)) e.ts_recent = s.ts_value;
    e.peer_window = s.window;
    e.acked = s.ack;
    constexpr std::int64_t kLongest = 0x7FFF'FFFF;
    const auto since = [&](Instant sent) {
        const std::int64_t took = now.microseconds() - sent.microseconds();
        return static_cast<std::uint32_t>(std::min(took, kLongest));
    };
    const std::uint32_t rtt = since(first);
    e.rack_rtt_or_flight = since(last);
    e.rtt.see_minimum(e.rack_rtt_or_flight);
    // It was the whole round trip.
    e.round_over = !e.rtt.sample(rtt, min_rto_, true);
    e.rto = static_cast<std::uint16_t>(std::min(tick_.cover(e.rtt.timeout()), max_rto_));
    if (e.reorder_persist == 0) e.reorder_steps = 1;
}

inline void Machine::remember(const Endpoint& e, const Segment& ack, Undo& undo) {
    undo.acked = e.acked;
    undo.peer_window = e.peer_window;
    undo.ts_recent = e.ts_recent;
    undo.rack_rtt = e.rack_rtt_or_flight;
    undo.rto = e.rto;
    undo.rtt = e.rtt;
    undo.reorder_steps = e.reorder_steps;
    undo.round_over = e.round_over;
    undo.timestamp = ack.timestamp;
    undo.ts_value = ack.ts_value;
    undo.ts_echo = ack.ts_echo;
}

}  // namespace mqttwin::net::tcp
