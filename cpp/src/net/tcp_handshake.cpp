// Opening, closing, and which mechanism a segment goes to.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

// --- Client -------------------------------------------------------------------------------------

void Turn::connect() {
    e_.state = State::syn_sent;
    e_.acked = 0;
    e_.window = p_.receive_window;
    e_.cwnd = p_.initial_window;
    e_.no_timestamps = !p_.timestamps;
    e_.peer_mss = static_cast<std::uint16_t>(std::min(536U, p_.mss()));
    bound_rto(m_.initial_rto_);
    f_.next = f_.written = f_.filled = f_.usage_mark = 1;
    f_.round_mark = 0;
    f_.edge = e_.window;
    f_.sent_first = us();
    f_.first_again = stamp();
    send_syn();
    arm(Timer::retransmit, e_.rto);
}

void Turn::send_syn() {
    Segment s;
    s.syn = true;
    s.timestamp = p_.timestamps;
    s.ts_value = stamp();
    s.window = e_.window;
    out_.segments.push_back(s);
}

void Turn::on_syn_timer() {
    const unsigned most = p_.syn_retries + p_.syn_linear_timeouts;
    if (f_.total_timeouts >= most || (p_.user_timeout.ns > 0 && timed_out(p_.syn_retries, true))) {
        finish(Over::time_out);
        return;
    }
    ++f_.total_timeouts;
    ++f_.retransmits;
    ++m_.counters_.timeouts;
    ++m_.counters_.retransmissions;
    send_syn();
    if (f_.total_timeouts > p_.syn_linear_timeouts) back_off();
    arm(Timer::retransmit, e_.rto);
}

void Turn::on_syn_ack(const Segment& segment) {
    if (!segment.syn || !segment.has_ack || segment.ack != f_.next) return;
    e_.expected = segment.seq + 1;
    e_.ts_recent = segment.ts_value;
    e_.no_timestamps = e_.no_timestamps || !segment.timestamp;
    e_.peer_window = segment.window;
    e_.acked = segment.ack;
    f_.edge = e_.expected + e_.window;
    f_.acked_to = f_.tuning.highest = e_.expected;

    const bool again = f_.total_timeouts > 0;
    AckNews news;
    news.data_acked = true;
    const std::int64_t rtt = again ? -1 : us() - f_.sent_first;
    sample_rtt(segment, rtt, -1, rtt, news);
    // A SYN that was lost twice tells of a congested path, unless the first one did arrive.
    const bool first_arrived =
        segment.timestamp && segment.ts_echo == static_cast<std::uint32_t>(f_.first_again);
    if (f_.total_timeouts > 1 && !first_arrived) e_.cwnd = 1;
    f_.retransmits = f_.total_timeouts = f_.backoff = 0;
    f_.first_again = -1;
    disarm();
    e_.state = State::established;
    e_.last_received = ticks();
    e_.last_sent = ticks();
    out_.established = true;
    begin_keep_alive();
    send_ack();
    push(false);  // what was written meanwhile
}

// --- Server -------------------------------------------------------------------------------------

void Turn::accept(const Segment& syn) {
    e_.state = State::syn_received;
    e_.acked = 0;
    e_.expected = syn.seq + 1;
    e_.window = p_.receive_window;
    e_.cwnd = p_.initial_window;
    e_.no_timestamps = !p_.timestamps || !syn.timestamp;
    e_.peer_mss = static_cast<std::uint16_t>(std::min(536U, p_.mss()));
    e_.peer_window = syn.window;
    e_.ts_recent = syn.ts_value;
    bound_rto(m_.initial_rto_);
    f_.next = f_.written = f_.filled = f_.usage_mark = 1;
    f_.round_mark = 0;
    f_.acked_to = f_.tuning.highest = e_.expected;
    f_.edge = e_.expected + e_.window;
    f_.sent_first = us();
    f_.first_again = -1;
    send_syn_ack();
    arm(Timer::retransmit, e_.rto);
}

void Turn::send_syn_ack() {
    Segment s;
    s.syn = s.has_ack = true;
    s.ack = e_.expected;
    s.timestamp = !e_.no_timestamps;
    s.ts_value = stamp();
    s.ts_echo = e_.ts_recent;  // of the first SYN, whichever is answered
    s.window = e_.window;
    out_.segments.push_back(s);
}

void Turn::on_syn_ack_timer() {
    if (f_.total_timeouts >= p_.synack_retries) {
        finish(Over::time_out);
        return;
    }
    ++f_.total_timeouts;
    ++f_.retransmits;
    ++m_.counters_.retransmissions;
    send_syn_ack();
    back_off();
    arm(Timer::retransmit, e_.rto);
}

void Turn::on_syn_received(const Segment& segment) {
    if (segment.syn) {
        // Answered at once; the timer starts again, but is not backed off.
        ++f_.retransmits;
        ++m_.counters_.retransmissions;
        send_syn_ack();
        arm(Timer::retransmit, e_.rto);
        return;
    }
    if (!segment.has_ack || segment.ack != f_.next || before(segment.seq, e_.expected)) return;
    establish_server(segment);
    on_synchronised(segment);
}

void Turn::establish_server(const Segment& segment) {
    e_.acked = segment.ack;
    e_.peer_window = segment.window;
    if (segment.timestamp && segment.seq == e_.expected) e_.ts_recent = segment.ts_value;
    AckNews news;
    news.data_acked = true;
    const std::int64_t rtt = f_.retransmits > 0 ? -1 : us() - f_.sent_first;
    sample_rtt(segment, rtt, -1, rtt, news);
    if (f_.total_timeouts > 1) e_.cwnd = 1;
    f_.retransmits = f_.total_timeouts = f_.backoff = 0;
    disarm();
    e_.state = State::established;
    e_.last_received = ticks();
    e_.last_sent = ticks();
    out_.established = true;
    begin_keep_alive();
}

// --- Segments and deadlines ---------------------------------------------------------------------

void Turn::receive(const Segment& segment) {
    current_ = &segment;
    if (segment.reset) {
        if (e_.state == State::syn_sent) {
            if (segment.has_ack && segment.ack == f_.next) finish(Over::refused);
        } else if (!before(segment.seq, e_.expected) && !after(segment.seq, f_.edge)) {
            finish(Over::reset);
        }
        return;
    }
    switch (e_.state) {
        case State::closed:
            return;
        case State::syn_sent:
            on_syn_ack(segment);
            return;
        case State::syn_received:
            on_syn_received(segment);
            return;
        default:
            on_synchronised(segment);
    }
}

void Turn::on_synchronised(const Segment& segment) {
    if (segment.syn || after(segment.seq, f_.edge)) {
        send_ack();
        return;
    }
    if (before(segment.end(), f_.acked_to)) {
        // Wholly old: discarded before its timestamp and acknowledgement are looked at.
        if (segment.end() != segment.seq && before(segment.seq, e_.expected)) {
            enter_quick_acks();
            report({segment.seq, segment.end()});
        }
        send_ack();
        return;
    }
    if (segment.timestamp && !after(segment.seq, f_.acked_to) &&
        !before(segment.ts_value, e_.ts_recent)) {
        e_.ts_recent = segment.ts_value;
    }
    if (segment.has_ack) on_ack(segment);
    if (e_.state == State::closed) return;
    if (segment.length > 0 || segment.fin) on_data(segment);
    if (e_.state == State::closed) return;
    push(false);
    on_space();
    if (f_.ack_due) delayed_ack();
    if (segment.length > 0) on_read();
}

void Turn::after_ack() {
    const bool own_fin_acked = f_.fin_written && !f_.unsent() && f_.queue.empty();
    if (!own_fin_acked) return;
    if (e_.state == State::fin_wait_1) {
        e_.state = State::fin_wait_2;
    } else if (e_.state == State::closing || e_.state == State::last_ack) {
        finish(Over::orderly);
    }
}

void Turn::on_fin() {
    ++e_.expected;
    out_.peer_closed = true;
    schedule_ack();
    switch (e_.state) {
        case State::established:
            e_.state = State::close_wait;
            e_.ping_pong = true;  // the answer is likely to be a FIN, and near
            break;
        case State::fin_wait_1:
            send_ack();
            e_.state = State::closing;
            break;
        case State::fin_wait_2:
            send_ack();
            finish(Over::orderly);
            break;
        default:
            break;
    }
}

void Turn::close() {
    if (e_.state == State::established || e_.state == State::syn_received) {
        e_.state = State::fin_wait_1;
    } else if (e_.state == State::close_wait) {
        e_.state = State::last_ack;
    } else {
        if (e_.state == State::syn_sent) finish(Over::no);
        return;
    }
    f_.fin_written = true;
    push(false);
}

void Turn::finish(Over how) {
    e_.state = State::closed;
    disarm();
    f_.ack_due = false;
    f_.ack_at = f_.keep_alive = Instant::never();
    out_.over = how;
}

void Turn::on_deadline() {
    if (f_.ack_at <= now_) {
        f_.ack_at = Instant::never();
        if (f_.ack_due) {
            // It was missed: the application answers more slowly than thought, or not at all.
            if (e_.ping_pong) {
                e_.ping_pong = false;
                e_.ack_delay = m_.delayed_ack_min_ & 63U;
            } else {
                const std::uint32_t longer =
                    std::min({e_.ack_delay * 2U, std::uint32_t{e_.rto}, 63U});
                e_.ack_delay = longer & 63U;
            }
            ++m_.counters_.delayed_acks;
            send_ack();
        }
    }
    if (f_.keep_alive <= now_) on_keep_alive();
    if (f_.fires > now_) return;
    const Timer which = f_.timer;
    disarm();
    switch (which) {
        case Timer::none:
            break;
        case Timer::retransmit:
            if (e_.state == State::syn_sent) {
                on_syn_timer();
            } else if (e_.state == State::syn_received) {
                on_syn_ack_timer();
            } else {
                on_retransmission_timer();
            }
            break;
        case Timer::probe:
            send_probe();
            break;
        case Timer::reorder:
            on_reorder_timer();
            break;
        case Timer::window_probe:
            on_window_probe();
            break;
    }
}

void Turn::arm(Timer timer, std::uint32_t delay) {
    f_.timer = timer;
    f_.fires = fires_after(delay);
    // The kernel shortens the wait rather than overstay the user's time-out.
    if (p_.user_timeout.ns > 0 && timer == Timer::retransmit && f_.retransmits > 0 &&
        f_.first_again >= 0) {
        const std::int64_t elapsed = (stamp() - static_cast<std::uint32_t>(f_.first_again));
        const Duration left = p_.user_timeout - milliseconds(elapsed);
        const std::uint32_t rest = left.ns <= 0 ? 1 : ticks_of(left, p_.jiffy);
        if (rest < delay) f_.fires = fires_after(rest);
    }
}

}  // namespace mqttwin::net::tcp
