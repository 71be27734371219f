// The plain case of a connection under way, in the spirit of header prediction (Van Jacobson,
// 1990): small segments in order, nothing lost, nothing out of order, the windows wide enough.
//
// What `write` and `receive` do by way of every mechanism is done here in one go, to the same
// effect: tests/cpp/net/test_network_quiet.cpp plays random traffic with and without it.
#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

/// Nothing that any mechanism would have to look at. Asked after everything that is not plain:
/// what is plain leaves it so.
bool Turn::is_plain() const {
    return e_.state == State::established && f_.congestion == Congestion::open && p_.sack &&
           !p_.nagle && p_.send_buffer > 0 && !f_.fin_written && !f_.unsent() && !f_.waiting() &&
           f_.sacked_out == 0 && f_.lost_out == 0 && f_.again_out == 0 && !f_.probing &&
           !f_.dsack_seen && f_.timer != Timer::reorder && f_.timer != Timer::window_probe &&
           f_.gaps_after.empty() && f_.news.empty() && !f_.report_duplicate && !f_.ack_now &&
           f_.unread == 0 && !f_.fin_seen && f_.tuning.buffer == 0 &&
           f_.keep_alive == Instant::never();
}

bool Machine::write_plainly(Moment now, Endpoint& end, std::uint32_t bytes, Segment& segment) {
    if (!pool_[end.flight()].plain) return false;
    Output nothing;
    return Turn(*this, end, now, nothing).write_plainly(bytes, segment);
}

bool Machine::receive_plainly(Moment now, Endpoint& end, const Segment& segment, Output& out) {
    if (!pool_[end.flight()].plain) return false;
    return Turn(*this, end, now, out).receive_plainly(segment);
}

/// False: nothing was done.
bool Turn::write_plainly(std::uint32_t bytes, Segment& s) {
    stays_plain_ = true;
    const std::uint32_t out = f_.out();
    const std::uint32_t end = f_.next + bytes;
    if (bytes >= p_.mss() || after(end, e_.acked + e_.peer_window)) return false;
    if (out > 0 && out >= std::min(e_.cwnd, p_.window_cap)) return false;
    if (f_.send_buffer == 0) expand_send_buffer();
    if (memory() >= f_.send_buffer) return false;
    if (out == 0) restart_after_idle();
    Sent& sent = f_.queue.emplace_back();
    sent.begin = f_.next;
    sent.end = end;
    sent.at = us();
    sent.order = ++f_.order;
    f_.next = f_.written = f_.filled = end;
    s = Segment{};
    fill(s, sent.begin, bytes, advertise(e_.window));  // nothing waits to be read
    s.push = true;
    emit(s);
    ++m_.counters_.data_segments;
    validate_window(out + 1 >= std::min(e_.cwnd, p_.window_cap));
    arm_probe(false);
    return true;
}

/// How many whole segments, each sent once, an ACK covers; none if there are others.
std::size_t Turn::covered(std::uint32_t ack) const {
    std::size_t count = 0;
    for (const Sent& sent : f_.queue) {
        if (after(sent.end, ack)) return before(sent.begin, ack) ? 0 : count;
        if (sent.ever_again) return 0;
        ++count;
    }
    return count;
}

/// False: nothing was done.
bool Turn::receive_plainly(const Segment& s) {
    stays_plain_ = true;
    if (s.syn || s.fin || s.reset || !s.has_ack || s.sacks > 0 || s.seq != e_.expected ||
        !e_.reading || s.length >= p_.mss() || before(s.ack, e_.acked) || after(s.ack, f_.next)) {
        return false;
    }
    const bool advanced = s.ack != e_.acked;
    if (!advanced && s.length == 0) return false;
    const std::size_t gone = advanced ? covered(s.ack) : 0;
    if (advanced && gone == 0) return false;

    if (s.timestamp && !after(s.seq, f_.acked_to) && !before(s.ts_value, e_.ts_recent)) {
        e_.ts_recent = s.ts_value;
    }
    if (advanced || s.window > e_.peer_window || s.window == 0) {
        e_.peer_window = s.window;
        f_.widest = std::max(f_.widest, s.window);
    }
    if (!f_.queue.empty() && e_.reorder_persist == 0) e_.reorder_steps = 1;
    if (advanced) acknowledge_plainly(s.ack, gone);
    if (s.length > 0) {
        e_.expected += s.length;
        if (after(e_.expected, f_.tuning.highest)) {
            f_.tuning.highest = e_.expected;
            f_.tuning.whole = s.push;
        }
        note_arrival(s);
        f_.unread = s.length;
    }
    if (f_.out() >= std::min(e_.cwnd, p_.window_cap)) validate_window(true);
    if (f_.ack_due) delayed_ack();
    if (s.length > 0) on_read();
    return true;
}

void Turn::acknowledge_plainly(std::uint32_t ack, std::size_t gone) {
    f_.retransmits = 0;
    e_.acked = ack;
    const std::int64_t rtt = us() - f_.queue.front().at;
    const Sent& latest = f_.queue[gone - 1];
    const std::int64_t recent = us() - latest.at;
    rack_advance(latest);
    f_.queue.pop_front(gone);
    take_sample(rtt, recent);
    if (recent > 0) hystart(static_cast<std::uint32_t>(recent));
    if (f_.queue.empty()) {
        disarm();
    } else {
        arm_probe(true);
    }
    grow(static_cast<std::uint32_t>(gone));
}

}  // namespace mqttwin::net::tcp
