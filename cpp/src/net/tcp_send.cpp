// Sending: segmentation, what the windows allow, retransmission, tail-loss and window probes.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

void Turn::write(std::uint32_t bytes) {
    if (e_.state == State::closed || f_.fin_written) return;
    if (f_.queue.empty() && !f_.unsent()) restart_after_idle();
    f_.written += bytes;
    fill();
    if (e_.state == State::syn_sent || e_.state == State::syn_received) return;
    push(false);
}

// --- Segments -----------------------------------------------------------------------------------

/// The next one to leave; `emit` says so.
Segment& Turn::make(std::uint32_t seq, std::uint32_t length) {
    Segment& s = out_.segments.emplace_back();
    fill(s, seq, length);
    return s;
}

void Turn::fill(Segment& s, std::uint32_t seq, std::uint32_t length) {
    fill(s, seq, length, advertise(offer()));
    if (!p_.sack) return;
    if (f_.report_duplicate) {
        s.sack[s.sacks++] = f_.duplicate;
        s.duplicate = true;
        f_.report_duplicate = false;
    }
    for (const Range& block : f_.news) {
        if (s.sacks == Segment::kMaxSacks) break;
        s.sack[s.sacks++] = block;
    }
}

void Turn::emit(const Segment& segment) {
    if (f_.ack_due && e_.quick_acks > 0) {
        e_.quick_acks = (e_.quick_acks - 1U) & 31U;
        if (e_.quick_acks == 0) e_.ack_delay = m_.delayed_ack_min_ & 63U;
    }
    f_.ack_due = f_.ack_now = false;
    f_.pushed = 0;
    f_.ack_at = Instant::never();
    f_.acked_to = e_.expected;
    if (segment.length > 0) {
        // An answer so soon after a question: the next acknowledgement can ride on one.
        const std::uint32_t now = ticks();
        if (now - e_.last_received < e_.ack_delay) e_.ping_pong = true;
        e_.last_sent = now;
    }
}

void Turn::send_ack() {
    Segment& s = make(f_.next, 0);
    emit(s);
}

void Turn::send_reset() {
    Segment& s = make(f_.next, 0);
    s.reset = true;
    s.sacks = 0;
    emit(s);
}

void Turn::transmit(Sent& sent) {
    sent.at = us();
    sent.order = ++f_.order;
    const std::uint32_t length = sent.end - sent.begin - (sent.fin ? 1U : 0U);
    Segment& s = make(sent.begin, length);
    s.fin = sent.fin;
    s.push = length > 0 && !before(sent.end, f_.written);  // the end of a write
    emit(s);
}

// --- New data -----------------------------------------------------------------------------------

bool Turn::window_open() const {
    const std::uint32_t length = std::min(p_.mss(), f_.filled - f_.next);
    return !after(f_.next + length, e_.acked + e_.peer_window);
}

/// What the windows allow; a probe may go beyond the congestion window. How many were sent.
std::uint32_t Turn::push(bool probe) {
    if (e_.state == State::syn_sent || e_.state == State::syn_received) return 0;
    if (!f_.unsent() && f_.in_flight() < std::min(e_.cwnd, p_.window_cap)) return 0;
    std::uint32_t sent = 0;
    bool limited = false;
    bool due = false;
    const std::uint32_t most = std::min(e_.cwnd, p_.window_cap);
    while (f_.unsent()) {
        if (f_.in_flight() >= most && !probe) {
            limited = true;
            break;
        }
        if (!window_open()) break;
        Sent s;
        s.begin = f_.next;
        const std::uint32_t length = std::min(p_.mss(), f_.filled - f_.next);
        s.fin = f_.fin_written && f_.next + length == f_.written;
        s.end = s.begin + length + (s.fin ? 1U : 0U);
        if (p_.nagle && !probe && length < p_.mss() && !s.fin && !f_.queue.empty()) break;
        const bool first = f_.queue.empty();
        f_.queue.push_back(s);
        f_.next = s.end;
        transmit(f_.queue.back());
        ++m_.counters_.data_segments;
        ++sent;
        due = due || first || f_.timer == Timer::probe || f_.timer == Timer::window_probe;
        if (probe) break;
    }
    limited = limited || f_.in_flight() >= most;
    if (sent > 0 || limited) validate_window(limited);
    if (sent > 0) {
        if (reducing()) f_.prr_out += sent;
        // The probe's timer takes the place of the time-out's.
        if ((probe || !schedule_probe(false)) && due) rearm();
    } else if (f_.queue.empty() && f_.unsent() && f_.timer == Timer::none) {
        arm(Timer::window_probe, e_.rto);
    }
    return sent;
}

// --- Timers -------------------------------------------------------------------------------------

void Turn::rearm() {
    if (f_.queue.empty()) {
        disarm();
        return;
    }
    std::uint32_t delay = e_.rto;
    // These two took the place of the time-out, which counts from the head's transmission.
    if (f_.timer == Timer::reorder || f_.timer == Timer::probe) {
        delay = ticks_of_us(std::max<std::int64_t>(until_rto(), 1));
    }
    arm(Timer::retransmit, delay);
}

bool Turn::schedule_probe(bool advancing) {
    if (!p_.sack || f_.queue.empty()) return false;
    if (f_.congestion != Congestion::open && f_.congestion != Congestion::reduced) return false;
    arm_probe(advancing);
    return true;
}

void Turn::send_probe() {
    f_.timer = Timer::probe;
    if (!f_.queue.empty() && !f_.probing) {
        f_.probe_again = false;
        bool sent = false;
        if (f_.unsent() && window_open()) {
            sent = push(true) > 0;
        } else {
            retransmit(f_.queue.size() - 1, false);
            f_.probe_again = sent = true;
        }
        if (sent) {
            f_.probing = true;
            f_.probe_high = f_.next;
            ++m_.counters_.probes;
            f_.timer = Timer::none;  // the time-out counts from now
        }
    }
    rearm();
}

/// A window that stays closed is asked about for ever: the peer answers, so it lives.
void Turn::on_window_probe() {
    if (!f_.queue.empty() || !f_.unsent()) return;
    if (push(false) > 0) return;
    const bool silent = f_.backoff > p_.data_retries;
    if (silent) {
        finish(Over::time_out);
        return;
    }
    Segment& s = make(e_.acked - 1, 0);
    emit(s);
    const std::uint32_t shift = std::min<std::uint32_t>(++f_.backoff, 16);
    arm(Timer::window_probe, std::min(std::uint32_t{e_.rto} << shift, max_rto()));
}

// --- Retransmissions ----------------------------------------------------------------------------

/// Small neighbours travel in one segment.
void Turn::collapse(std::size_t index) {
    Sent& head = f_.queue[index];
    std::size_t last = index + 1;
    while (!head.fin && last < f_.queue.size()) {
        const Sent& next = f_.queue[last];
        if (next.sacked || next.end - head.begin > p_.mss()) break;
        head.end = next.end;
        head.fin = next.fin;
        head.ever_again = head.ever_again || next.ever_again;
        if (next.lost) --f_.lost_out;
        if (next.again) --f_.again_out;
        ++last;
    }
    f_.queue.erase(index + 1, last);
}

/// `counted`: as part of a recovery; a tail-loss probe is not.
void Turn::retransmit(std::size_t index, bool counted) {
    collapse(index);
    Sent& sent = f_.queue[index];
    sent.ever_again = true;
    ++m_.counters_.retransmissions;
    if (counted) {
        if (!sent.again) ++f_.again_out;
        sent.again = true;
        if (f_.first_again < 0) f_.first_again = stamp();
        f_.undo_again = std::max(f_.undo_again, 0) + 1;
    }
    transmit(sent);
}

/// What is marked lost, as far as the window allows.
void Turn::resend_lost() {
    bool head = false;
    for (std::size_t i = 0; i < f_.queue.size(); ++i) {
        if (f_.in_flight() >= std::min(e_.cwnd, p_.window_cap)) break;
        if (f_.again_out >= f_.lost_out) break;
        const Sent& sent = f_.queue[i];
        if (!sent.lost || sent.sacked || sent.again) continue;
        retransmit(i, true);
        if (reducing()) ++f_.prr_out;
        if (i == 0 && f_.timer != Timer::reorder) head = true;
    }
    if (head) arm(Timer::retransmit, e_.rto);
}

}  // namespace mqttwin::net::tcp
