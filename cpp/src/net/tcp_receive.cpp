// Receiving: order (head-of-line blocking), when to acknowledge, and how much window to offer.
#include <algorithm>

#include "mqttwin/net/tcp_quiet.hpp"

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

// --- Acknowledging ------------------------------------------------------------------------------

void Turn::schedule_ack() { f_.ack_due = true; }

void Turn::quick_acks() {
    e_.quick_acks = std::max<std::uint32_t>(quiet::quick_acks_for(e_), e_.quick_acks) & 31U;
}

void Turn::enter_quick_acks() {
    quick_acks();
    e_.ping_pong = false;
    e_.ack_delay = m_.delayed_ack_min_ & 63U;
}

void Turn::report(Range duplicate) {
    f_.duplicate = duplicate;
    f_.report_duplicate = true;
}

/// Called when the segment has been taken: now, or with a delay.
void Turn::delayed_ack() {
    // What waits to be read may hold the window back: then the read acknowledges.
    const bool much =
        after(e_.expected, f_.acked_to + e_.peer_mss) && offer() >= f_.edge - f_.acked_to;
    const bool quick = e_.quick_acks > 0 && !e_.ping_pong;
    if (much || quick || f_.ack_now || !f_.gaps_after.empty()) {
        send_ack();
        return;
    }
    f_.ack_at = min(f_.ack_at, fires_after(m_.delay_of_ack(e_)));
}

/// The application has taken everything: unless it tends to answer, that is worth an ACK.
void Turn::on_read() {
    if (!e_.reading) return;
    const std::uint32_t taken = f_.unread;
    f_.unread = 0;
    out_.delivered += taken;
    if (taken > 0) grow_buffer(taken);
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

// --- Data ---------------------------------------------------------------------------------------

void Turn::note_arrival(const Segment& segment) {
    schedule_ack();
    const std::uint32_t len = segment.length;
    if (len >= e_.peer_mss) {
        e_.peer_mss = static_cast<std::uint16_t>(std::min(len, p_.mss()));
        if (segment.push) f_.pushed = std::max<std::uint8_t>(f_.pushed, 1);
    } else {
        f_.pushed = f_.pushed > 0 ? 2 : 1;
    }
    const std::uint32_t now = ticks();
    quiet::Acknowledging acks(e_);
    acks.see_segment(e_, now, m_.delayed_ack_min_);
    acks.store(e_);
    e_.last_received = now;
    if (len >= p_.mss() && f_.tuning.buffer == 0) begin_tuning();
    if (f_.tuning.buffer == 0) return;
    measure_receive_rtt(segment);
    if (len >= p_.mss()) open_window(len);
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
    if (f_.tuning.buffer == 0) return;
    enlarge(f_.tuning.space);
    if (segment.length >= p_.mss()) open_window(segment.length);
}

// --- Window -------------------------------------------------------------------------------------

/// Bytes that wait, in order or not: they take of the buffer what the window promised.
std::uint32_t Turn::held() const {
    std::uint32_t bytes = f_.unread;
    for (const Range& r : f_.gaps_after) bytes += r.end - r.begin;
    return bytes;
}

std::uint32_t Turn::offer() const {
    const std::uint32_t held_bytes = held();
    const std::uint32_t space = std::max(e_.window, f_.tuning.clamp);
    const std::uint32_t room = space > held_bytes ? std::min(space - held_bytes, e_.window) : 0;
    return room < p_.mss() && room < e_.window / 2 ? 0 : room;  // no silly windows
}

namespace {

/// What of a receive buffer can be promised, when a full segment takes this much more memory than
/// it has bytes. The kernel keeps the share in 256ths.
std::uint32_t window_of(std::uint32_t buffer, std::uint32_t mss) {
    constexpr std::uint32_t kOverhead = 856;
    const std::uint64_t share = 256 * mss / (mss + kOverhead);
    return static_cast<std::uint32_t>(std::uint64_t{buffer} * share >> 8U);
}

}  // namespace

/// Linux grows the receive buffer of transfers that would otherwise be limited by it: the window
/// opens by two segments for each full one, up to what the buffer holds, and the buffer follows
/// what the application reads in a round trip.
void Turn::begin_tuning() {
    Tuning& t = f_.tuning;
    t.buffer = std::max(p_.receive_buffer, std::min(e_.window, p_.receive_buffer_max));
    while (window_of(t.buffer, p_.mss()) < e_.window && t.buffer < p_.receive_buffer_max) {
        t.buffer = std::min(t.buffer * 2, p_.receive_buffer_max);  // of an earlier transfer
    }
    t.clamp = window_of(t.buffer, p_.mss());
    t.space = std::min<std::uint32_t>(e_.window, 10 * (p_.mtu - 40U));
    t.seq = e_.expected - f_.unread;
    t.since = us();
}

/// Each full segment opens the window a little; and while it opens, it is acknowledged at once.
void Turn::open_window(std::uint32_t length) {
    const Tuning& t = f_.tuning;
    const std::uint32_t held_bytes = held();
    const std::uint32_t space = t.clamp > held_bytes ? t.clamp - held_bytes : 0;
    if (space <= e_.window) return;
    e_.window += std::min(space - e_.window, 2 * std::max(p_.mtu - 40U, length));
    e_.quick_acks = (e_.quick_acks | 1U) & 31U;
}

void Turn::measure_receive_rtt(const Segment& segment) {
    Tuning& t = f_.tuning;
    if (!segment.timestamp || segment.ts_echo == t.last_echo) return;
    t.last_echo = segment.ts_echo;
    const auto ms = static_cast<std::int32_t>(stamp() - segment.ts_echo);
    if (segment.length < e_.peer_mss || ms <= 0) return;
    const std::uint32_t rtt = static_cast<std::uint32_t>(ms) * 1'000;
    if (t.rtt8 == 0 || 8 * rtt < t.rtt8) {
        t.rtt8 = 8 * rtt;
    } else if (f_.unread == 0) {
        t.rtt8 += rtt - t.rtt8 / 8;
    }
}

/// `copied`: what the application has read in a round trip.
void Turn::enlarge(std::uint32_t copied) {
    Tuning& t = f_.tuning;
    const std::uint32_t before_it = std::max(t.space, 1U);
    t.space = copied;
    std::uint64_t window = 2 * std::uint64_t{copied};
    window += 2 * window * (copied - std::min(copied, before_it)) / before_it;
    if (!f_.gaps_after.empty()) window += f_.gaps_after.back().end - e_.expected;
    const std::uint64_t most = window_of(p_.receive_buffer_max, p_.mss());
    if (window <= t.clamp || most <= t.clamp) return;
    window = std::min(window, most);
    t.buffer = static_cast<std::uint32_t>(window * t.buffer / t.clamp);
    t.clamp = static_cast<std::uint32_t>(window);
}

/// Looked at when the first segment of those that waited has been taken; the others have not been
/// read within this round trip, so they count against it.
void Turn::grow_buffer(std::uint32_t taken) {
    Tuning& t = f_.tuning;
    if (t.buffer == 0) return;
    const bool over = t.whole && f_.gaps_after.empty();
    if (t.rtt8 > 0 && us() - t.since >= std::int64_t{t.rtt8 / 8}) {
        const std::uint32_t first = std::min(taken, p_.mss());
        const std::uint32_t waiting = taken - first;
        const std::uint32_t at = e_.expected - waiting;
        const std::uint32_t copied = at - t.seq;
        if (copied > t.space + waiting) enlarge(copied - waiting);
        t.seq = at;
        t.since = us();
    }
    if (!over) return;
    // The end of a write: the window keeps what it has won.
    const std::uint32_t highest = t.highest;
    t = Tuning{};
    t.highest = highest;
}

}  // namespace mqttwin::net::tcp
