#include "mqttwin/net/tcp_machine.hpp"

#include <utility>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

void Flight::reset() {
    auto sent = std::move(queue);
    auto gaps = std::move(gaps_after);
    auto blocks = std::move(news);
    sent.clear();
    gaps.clear();
    blocks.clear();
    *this = Flight{};
    queue = std::move(sent);
    gaps_after = std::move(gaps);
    news = std::move(blocks);
}

void Flight::forget_path() {
    cwnd_count = ack_count = count = reno_cwnd = origin = k = 0;
    epoch = updated = -1;
    updated_cwnd = 0;
    delay_min = 0;
    round_start = last_ack = 0;
    round_end = round_rtt = 0;
    round_samples = 0;
    slow_start_over = false;
}

bool Flight::lost_nothing() const {
    return first_again < 0 && !undo_possible && prior_ssthresh == 0 && !frto && backoff == 0 &&
           retransmits == 0 && total_timeouts == 0;
}

void Flight::forget_usage() {
    order = rack_order = 0;
    rack_advanced = false;
    send_buffer = widest = 0;
    usage_mark = next;
    most_out = 0;
    cwnd_limited = false;
}

void Flight::archive(Archive& a) {
    a(plain, queue, next, written, filled, send_buffer, widest, fin_written, sacked_out, lost_out);
    a(again_out, timer, fires, retransmits, total_timeouts, backoff, first_again, sent_first);
    a(congestion, high, round_mark, usage_mark, undo_possible, undo_mark, undo_again, prior_cwnd);
    a(prior_ssthresh, prr_delivered, prr_out, frto, probing, probe_again, probe_high);
    a(order, rack_order, rack_advanced, dsack_seen);
    a(cwnd_count, ack_count, count, reno_cwnd, origin, k, epoch, updated, updated_cwnd, delay_min);
    a(round_start, last_ack, round_end, round_rtt, round_samples, slow_start_over);
    a(gaps_after, news, duplicate, report_duplicate, acked_to, edge, unread, ack_due, ack_now);
    a(pushed, ack_at, fin_seen, fin_at, tuning, keep_alive, heard, keep_probes);
    a(first_echo, spurious_syn, most_out, cwnd_limited, rack_rtt);
}

std::uint32_t FlightPool::take() {
    if (free_.empty()) {
        flights_.emplace_back();
        return static_cast<std::uint32_t>(flights_.size() - 1);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    flights_[index].reset();
    return index;
}

Flight& take_flight(FlightPool& pool, Endpoint& end) {
    const std::uint32_t index = pool.take();
    Flight& f = pool[index];
    f.rack_rtt = end.rack_rtt_or_flight;
    end.rack_rtt_or_flight = index;
    end.flying = true;
    f.next = f.written = f.filled = f.high = f.usage_mark = end.acked;
    f.round_mark = end.round_over ? end.acked - 1 : end.acked;
    f.acked_to = end.expected;
    f.probing = f.probe_again = end.probe_open;
    f.probe_high = end.acked;
    f.edge = end.expected + end.window;
    f.tuning.highest = end.expected;
    return f;
}

namespace {

bool nothing_under_way(const Endpoint& end, const Flight& f) {
    if (end.state == State::closed) return true;
    if (end.state == State::syn_sent || end.state == State::syn_received) return false;
    const bool own_fin_out = end.state != State::established && end.state != State::close_wait &&
                             end.state != State::fin_wait_2;
    return f.queue.empty() && !f.unsent() && !f.waiting() && !own_fin_out && f.gaps_after.empty() &&
           !f.ack_due && f.timer == Timer::none && f.unread == 0 && f.tuning.buffer == 0 &&
           !f.fin_seen && f.keep_alive == Instant::never();
}

}  // namespace

void Turn::leave() {
    if (!stays_plain_) f_.plain = m_.plain_ && is_plain();
    if (nothing_under_way(e_, f_)) {
        m_.ground(e_);
    } else if ((f_.order | f_.widest) != 0 && f_.queue.empty() && !f_.unsent() && !f_.waiting()) {
        // One that stays for what is received only remembers no more of the path than a new one.
        // How it has sent is forgotten where all is plain and nothing was lost, of which more may
        // come to light: then it can be told as a quiet exchange again.
        f_.forget_path();
        if (is_plain() && f_.lost_nothing()) f_.forget_usage();
    }
}

void Machine::ground(Endpoint& end) {
    const std::uint32_t flight = end.flight();
    const Flight& f = pool_[flight];
    end.round_over = after(end.acked, f.round_mark);
    end.probe_open = f.probing && f.probe_again && f.probe_high == end.acked;
    end.rack_rtt_or_flight = f.rack_rtt;
    end.flying = false;
    pool_.give_back(flight);
}

void Machine::connect(Moment now, Endpoint& end, Output& out) {
    Turn(*this, end, now, out).connect();
}

void Machine::accept(Moment now, Endpoint& end, const Segment& syn, Output& out) {
    Turn(*this, end, now, out).accept(syn);
}

void Machine::write(Moment now, Endpoint& end, std::uint32_t bytes, Output& out) {
    if (bytes == 0) return;
    Turn(*this, end, now, out).write(bytes);
}

void Machine::close(Moment now, Endpoint& end, Output& out) { Turn(*this, end, now, out).close(); }

void Machine::abort(Moment now, Endpoint& end, Output& out) {
    if (end.state == State::closed) return;
    Turn turn(*this, end, now, out);
    if (end.state != State::syn_sent) turn.send_reset();
    turn.finish(Over::no);
}

void Machine::vanish(Endpoint& end) {
    if (end.flying) pool_.give_back(end.flight());
    end.flying = false;
    end.state = State::closed;
}

void Machine::set_reading(Moment now, Endpoint& end, bool reading, Output& out) {
    end.reading = reading;
    if (reading && end.state != State::closed) Turn(*this, end, now, out).on_read();
}

void Machine::receive(Moment now, Endpoint& end, const Segment& segment, Output& out) {
    if (end.state == State::closed) return;
    Turn(*this, end, now, out).receive(segment);
}

void Machine::handle_deadline(Moment now, Endpoint& end, Output& out) {
    if (!end.flying || deadline(end) > now.now) return;
    Turn(*this, end, now, out).on_deadline();
}

bool Machine::wants_acks_now(const Endpoint& end, const Flight& f) {
    return end.state != State::established || f.unsent() || f.waiting() ||
           f.congestion != Congestion::open || f.timer == Timer::window_probe ||
           f.timer == Timer::reorder || f.sacked_out > 0;
}

/// A probe comes two round trips after an ACK. By each one the estimate loses an eighth at most,
/// and there are no more of them than segments are out; and no timer fires within a tick of being
/// set. With each of them an ACK that is owed waits anew, if that is shorter (delayed_ack).
Duration Machine::least_timer(const Endpoint& end) const {
    constexpr std::uint32_t kMost = 32;  // leave a hundredth of the estimate
    Duration trips = microseconds(end.rtt.mean8 >> 2U);
    if (trips > profile_.jiffy) {
        const std::uint32_t acks = end.flying ? pool_[end.flight()].out() : 0;
        if (acks > kMost) trips = Duration{0};
        for (std::uint32_t i = 0; i < acks && trips > profile_.jiffy; ++i) trips = trips * 7 / 8;
    }
    Duration least = min(trips, profile_.min_rto / 2);
    if (end.flying && pool_[end.flight()].ack_due) {
        least =
            min(least, profile_.jiffy * std::min<std::int64_t>(end.ack_delay, delayed_ack_min_));
    }
    return max(least, tick());
}

bool Machine::refuse(const Segment& segment, Segment& answer) {
    if (segment.reset) return false;
    answer = Segment{};
    answer.seq = segment.has_ack ? segment.ack : 0;
    answer.ack = segment.end();
    answer.has_ack = !segment.has_ack || segment.fin;
    // A FIN again is what a host in TIME-WAIT hears when its last ACK was lost.
    answer.reset = !segment.fin;
    return true;
}

}  // namespace mqttwin::net::tcp
