// Receiving: order (head-of-line blocking), when to acknowledge, and how much window to offer.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

// --- Acknowledging
// --------------------------------------------------------------------------------

void Turn::schedule_ack() { f_.ack_due = true; }

void Turn::quick_acks() {
    constexpr std::uint32_t kMost = 16;
    const std::uint32_t quick =
        std::clamp(e_.window / (2U * std::max<std::uint32_t>(e_.peer_mss, 1)), 2U, kMost);
    if (quick > e_.quick_acks) e_.quick_acks = quick & 31U;
}

void Turn::enter_quick_acks() {
    quick_acks();
    e_.ping_pong = false;
    e_.ack_delay = ticks_of(p_.delayed_ack_min, p_.jiffy) & 63U;
}

void Turn::report(Range duplicate) {
    f_.duplicate = duplicate;
    f_.report_duplicate = true;
}

/// Called when the segment has been taken: now, or with a delay.
void Turn::delayed_ack() {
    const bool much = after(e_.expected, f_.acked_to + e_.peer_mss);
    const bool quick = e_.quick_acks > 0 && !e_.ping_pong;
    if (much || quick || f_.ack_now || !f_.gaps_after.empty()) {
        send_ack();
        return;
    }
    std::uint32_t delay = std::max<std::uint32_t>(e_.ack_delay, 1);
    const std::uint32_t least = ticks_of(p_.delayed_ack_min, p_.jiffy);
    if (delay > least) {
        std::uint32_t most = ticks_of(p_.delayed_ack_max, p_.jiffy);
        if (e_.rtt.known()) most = std::min(most, std::max(ticks_of_us(e_.rtt.mean()), least));
        delay = std::min(delay, most);
    }
    const Instant at = fires_at(now_, delay, p_.jiffy, phase(), p_.wheel);
    f_.ack_at = min(f_.ack_at, at);
}

/// The application has taken everything: unless it tends to answer, that is worth an ACK.
void Turn::on_read() {
    if (!e_.reading) return;
    const std::uint32_t taken = f_.unread;
    f_.unread = 0;
    out_.delivered += taken;
    if (taken > 0) grow_buffer();
    if (f_.ack_due) {
        const bool much = after(e_.expected, f_.acked_to + e_.peer_mss);
        const bool drained = taken > 0 && (f_.pushed > 1 || (f_.pushed > 0 && !e_.ping_pong));
        if (much || drained) {
            send_ack();
            return;
        }
    }
    // A window that was nearly closed has opened.
    const std::uint32_t offered = f_.edge - e_.expected;
    if (taken > 0 && 2 * offered <= e_.window) send_ack();
}

// --- Data
// -----------------------------------------------------------------------------------------

void Turn::note_arrival(const Segment& segment) {
    schedule_ack();
    const std::uint32_t len = segment.length;
    if (len >= e_.peer_mss) {
        e_.peer_mss = static_cast<std::uint16_t>(std::min(len, p_.mss()));
        if (segment.push) f_.pushed = std::max<std::uint8_t>(f_.pushed, 1);
    } else {
        f_.pushed = f_.pushed > 0 ? 2 : 1;
    }
    const std::uint32_t least = ticks_of(p_.delayed_ack_min, p_.jiffy);
    if (e_.ack_delay == 0) {
        quick_acks();
        e_.ack_delay = least & 63U;
    } else {
        const std::uint32_t gap = ticks() - e_.last_received;
        const std::uint32_t half = e_.ack_delay >> 1U;
        if (gap <= least / 2) {
            e_.ack_delay = (half + least / 2) & 63U;
        } else if (gap < e_.ack_delay) {
            e_.ack_delay = std::min({half + gap, e_.rto, 63U}) & 63U;
        } else if (gap > e_.rto) {
            quick_acks();
        }
    }
    e_.last_received = ticks();
    if (len >= p_.mss() && f_.tuning.buffer == 0) begin_tuning();
    if (f_.tuning.buffer != 0) measure_receive_rtt(segment);
}

void Turn::on_data(const Segment& segment) {
    if (segment.fin && !f_.fin_seen) {
        f_.fin_seen = true;
        f_.fin_at = segment.end() - 1;
    }
    const std::uint32_t data_end = segment.seq + segment.length;
    if (segment.length > 0 && after(data_end, f_.tuning.highest)) {
        f_.tuning.highest = data_end;
        f_.tuning.whole = segment.push;
    }
    if (segment.seq == e_.expected ||
        (before(segment.seq, e_.expected) && after(segment.end(), e_.expected))) {
        if (before(segment.seq, e_.expected)) {
            report({segment.seq, e_.expected});
            enter_quick_acks();
        }
        if (data_end != e_.expected) take_in_order(segment);
    } else if (!after(segment.end(), e_.expected)) {
        report({segment.seq, segment.end()});
        enter_quick_acks();
        schedule_ack();
        return;
    } else {
        take_out_of_order(segment);
    }
    if (f_.fin_seen && e_.expected == f_.fin_at) {
        f_.fin_seen = false;
        f_.ack_now = f_.ack_now && !f_.gaps_after.empty();
        on_fin();
    }
}

void Turn::take_in_order(const Segment& segment) {
    const std::uint32_t from = e_.expected;
    e_.expected = segment.seq + segment.length;
    note_arrival(segment);
    const bool gap = !f_.gaps_after.empty();
    while (!f_.gaps_after.empty() && !after(f_.gaps_after.front().begin, e_.expected)) {
        if (after(f_.gaps_after.front().end, e_.expected)) {
            e_.expected = f_.gaps_after.front().end;
        }
        f_.gaps_after.erase(f_.gaps_after.begin());
    }
    if (gap) {
        if (f_.gaps_after.empty()) f_.ack_now = true;
        const auto filled = [this](const Range& r) { return !after(r.end, e_.expected); };
        f_.news.erase(std::remove_if(f_.news.begin(), f_.news.end(), filled), f_.news.end());
    }
    f_.unread += e_.expected - from;
}

void Turn::take_out_of_order(const Segment& segment) {
    // In the sender's interest: what is missing should be known at once.
    schedule_ack();
    Range block{segment.seq, segment.seq + segment.length};
    for (const Range& r : f_.gaps_after) {
        if (!before(block.begin, r.begin) && !after(block.end, r.end)) {
            report(block);
            enter_quick_acks();
            return;
        }
    }
    if (block.begin == block.end) return;  // a FIN alone: it will come again
    const auto touches = [&block](const Range& r) {
        return !before(block.end, r.begin) && !before(r.end, block.begin);
    };
    const auto merge = [&](const Range& r) {
        if (!touches(r)) return false;
        if (before(r.begin, block.begin)) block.begin = r.begin;
        if (after(r.end, block.end)) block.end = r.end;
        return true;
    };
    f_.gaps_after.erase(std::remove_if(f_.gaps_after.begin(), f_.gaps_after.end(), merge),
                        f_.gaps_after.end());
    const auto at = std::find_if(f_.gaps_after.begin(), f_.gaps_after.end(),
                                 [&block](const Range& r) { return after(r.begin, block.begin); });
    f_.gaps_after.insert(at, block);
    f_.news.erase(std::remove_if(f_.news.begin(), f_.news.end(), touches), f_.news.end());
    f_.news.insert(f_.news.begin(), block);
    constexpr std::size_t kRemembered = 4;
    if (f_.news.size() > kRemembered) f_.news.resize(kRemembered);
}

// --- Window
// ---------------------------------------------------------------------------------------

std::uint32_t Turn::advertise() {
    std::uint32_t room = e_.window > f_.unread ? e_.window - f_.unread : 0;
    if (room < p_.mss() && room < e_.window / 2) room = 0;  // no silly windows
    // What was offered once is not taken back.
    if (after(f_.edge, e_.expected + room)) room = f_.edge - e_.expected;
    f_.edge = e_.expected + room;
    return room;
}

/// Linux grows the receive buffer of transfers that would otherwise be limited by it: the window
/// opens by two segments for each full one, up to what the buffer holds, and the buffer follows
/// what the application reads in a round trip.
void Turn::begin_tuning() {
    constexpr std::uint32_t kOverhead = 856;  // bytes of bookkeeping for each full segment
    Tuning& t = f_.tuning;
    const std::uint32_t held =
        static_cast<std::uint32_t>(std::uint64_t{e_.window} * (p_.mss() + kOverhead) / p_.mss());
    t.buffer = std::max(p_.receive_buffer, std::min(held, p_.receive_buffer_max));
    t.clamp =
        static_cast<std::uint32_t>(std::uint64_t{t.buffer} * p_.mss() / (p_.mss() + kOverhead));
    t.space = std::min<std::uint32_t>(e_.window, 10 * p_.mss());
    t.seq = e_.expected - f_.unread;
    t.since = us();
}

void Turn::measure_receive_rtt(const Segment& segment) {
    Tuning& t = f_.tuning;
    if (segment.length >= p_.mss()) {
        if (e_.window < t.clamp) e_.window = std::min(t.clamp, e_.window + 2 * p_.mss());
    }
    if (!segment.timestamp || segment.ts_echo == t.last_echo) return;
    t.last_echo = segment.ts_echo;
    const auto ms = static_cast<std::int32_t>(stamp() - segment.ts_echo);
    if (segment.length < e_.peer_mss || ms <= 0) return;
    const std::uint32_t rtt = static_cast<std::uint32_t>(ms) * 1'000;
    t.rtt = t.rtt == 0 ? rtt : std::min(t.rtt, rtt);
}

void Turn::grow_buffer() {
    Tuning& t = f_.tuning;
    if (t.buffer == 0) return;
    const bool over = t.whole && f_.gaps_after.empty();
    if (t.rtt > 0 && us() - t.since >= std::int64_t{t.rtt}) {
        const std::uint32_t copied = e_.expected - t.seq;
        if (copied > t.space) {
            std::uint64_t window = 2 * std::uint64_t{copied};
            window += 2 * (window * (copied - t.space) / std::max(t.space, 1U));
            const std::uint64_t most = std::uint64_t{p_.receive_buffer_max} * t.clamp / t.buffer;
            window = std::min(window, most);
            t.space = copied;
            if (window > t.clamp) {
                t.buffer = static_cast<std::uint32_t>(window * t.buffer / t.clamp);
                t.clamp = static_cast<std::uint32_t>(window);
            }
        }
        t.seq = e_.expected;
        t.since = us();
    }
    if (!over) return;
    // The end of a write: the window keeps what it has won.
    const std::uint32_t highest = t.highest;
    t = Tuning{};
    t.highest = highest;
}

}  // namespace mqttwin::net::tcp
