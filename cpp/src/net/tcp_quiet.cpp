// Where a quiet exchange ends: what is under way goes back to the machine.
#include "mqttwin/net/tcp_quiet.hpp"

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

Segment Machine::take_back(Endpoint& e, const Undo& undo) {
    Segment ack;
    ack.seq = e.expected;
    ack.ack = e.acked;
    ack.has_ack = true;
    ack.window = e.peer_window;
    ack.timestamp = undo.timestamp;
    ack.ts_value = undo.ts_value;
    ack.ts_echo = undo.ts_echo;
    e.acked = undo.acked;
    e.peer_window = undo.peer_window;
    e.ts_recent = undo.ts_recent;
    e.rack_rtt_or_flight = undo.rack_rtt;
    e.rto = undo.rto;
    e.rtt = undo.rtt;
    e.reorder_steps = undo.reorder_steps;
    e.round_over = undo.round_over;
    return ack;
}

void Machine::resume(Endpoint& e, Moment sent, std::uint32_t bytes) {
    Output nothing;
    Turn turn(*this, e, sent, nothing);
    turn.resume(bytes);
}

Instant Machine::owed_until(Moment at, const Endpoint& e) const {
    const std::uint32_t delay = delay_of_ack(e);
    const std::int64_t us = at.now.microseconds() + at.phase;
    const auto current = static_cast<std::int64_t>(tick_.passed(us));
    return Instant{fires_at_tick(current, delay, profile_.wheel) * profile_.jiffy.ns -
                   microseconds(at.phase).ns};
}

void Machine::resume_owing(Moment now, Endpoint& e, std::uint32_t received, Instant until) {
    Output nothing;
    Turn turn(*this, e, now, nothing);
    turn.resume_owing(received, until);
}

Machine::Told Machine::resumed(const Endpoint& e) const {
    const Flight& f = pool_[e.flight()];
    // Sent once, since nothing was out: the flight knows no others.
    const bool once = f.plain && f.out() == 1 && f.order == 1 && f.timer == Timer::probe;
    if (!once || f.ack_due || f.widest != 0 || f.acked_to != e.expected || e.cwnd < 2 || !quiet_) {
        return {};
    }
    if (f.edge != e.expected + e.window) return {};
    const Sent& sent = f.queue.front();
    return {Instant{} + microseconds(sent.at), sent.end - sent.begin};
}

Machine::Told Machine::resumed_owing(const Endpoint& e) const {
    const Flight& f = pool_[e.flight()];
    const bool owes = f.plain && f.out() == 0 && f.order == 0 && f.ack_due;
    if (!owes || f.widest != 0 || f.pushed != 1 || f.edge != f.acked_to + e.window) return {};
    return {f.ack_at, e.expected - f.acked_to};
}

void Turn::resume(std::uint32_t bytes) {
    Sent s;
    s.begin = e_.acked;
    s.end = e_.acked + bytes;
    s.at = us();
    s.order = ++f_.order;
    f_.queue.push_back(s);
    f_.next = f_.written = f_.filled = f_.usage_mark = s.end;
    f_.most_out = 1;
    schedule_probe(false);
}

void Turn::resume_owing(std::uint32_t received, Instant until) {
    f_.acked_to = e_.expected - received;
    f_.edge = f_.acked_to + e_.window;
    f_.ack_due = true;
    f_.pushed = 1;
    f_.ack_at = until;
}

}  // namespace mqttwin::net::tcp
