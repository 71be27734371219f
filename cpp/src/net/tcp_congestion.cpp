// How much may be under way: slow start with HyStart, CUBIC (RFC 9438), proportional rate
// reduction (RFC 6937), and taking a reduction back that was not warranted.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

namespace {

constexpr std::uint32_t kBeta = 717;      // of 1024: what a loss leaves of the window
constexpr std::uint32_t kLowWindow = 16;  // segments; HyStart sleeps below
constexpr std::uint32_t kRoundSamples = 8;
// 1/1024 s in the cube, and 0.4 segments a cubic second: CUBIC's C, in the kernel's fixed point.
constexpr std::uint64_t kScale = 410;
constexpr std::uint64_t kCube = (std::uint64_t{1} << 40) / kScale;

std::uint32_t cubic_root(std::uint64_t a) {
    std::uint64_t root = 0;
    for (int bit = 20; bit >= 0; --bit) {
        const std::uint64_t tried = root | (std::uint64_t{1} << bit);
        if (tried * tried * tried <= a) root = tried;
    }
    return static_cast<std::uint32_t>(root);
}

std::uint16_t segments(std::uint32_t n) { return static_cast<std::uint16_t>(std::min(n, 0xFFFEU)); }

}  // namespace

// --- Reductions and their undoing
// -----------------------------------------------------------------

std::uint16_t Turn::current_threshold() const {
    if (reducing()) return e_.ssthresh;
    return std::max(e_.ssthresh, segments((e_.cwnd >> 1U) + (e_.cwnd >> 2U)));
}

std::uint16_t Turn::cubic_threshold() {
    f_.epoch = -1;
    // Fast convergence: a flow that did not get back to where it was leaves room for others.
    e_.last_max = e_.cwnd < e_.last_max ? segments(e_.cwnd * (1024 + kBeta) / 2048) : e_.cwnd;
    return std::max(segments(e_.cwnd * kBeta / 1024), std::uint16_t{2});
}

void Turn::begin_undo() {
    f_.undo_possible = true;
    f_.undo_mark = e_.acked;
    f_.undo_again = static_cast<std::int32_t>(f_.again_out);
    if (f_.probing && f_.probe_again) ++f_.undo_again;
    if (f_.undo_again == 0) f_.undo_again = -1;  // until there is one
}

void Turn::begin_reduction() {
    f_.high = f_.next;
    f_.probing = false;
    f_.cwnd_count = 0;
    f_.prior_cwnd = e_.cwnd;
    f_.prr_delivered = f_.prr_out = 0;
    e_.ssthresh = cubic_threshold();
}

void Turn::end_reduction() {
    if (e_.ssthresh < kNoThreshold && (f_.congestion == Congestion::reduced || f_.undo_possible)) {
        e_.cwnd = e_.ssthresh;
    }
}

void Turn::enter_recovery() {
    f_.prior_ssthresh = 0;
    begin_undo();
    if (!reducing()) {
        f_.prior_ssthresh = current_threshold();
        begin_reduction();
    }
    f_.congestion = Congestion::recovery;
    ++m_.counters_.recoveries;
}

void Turn::reduce(std::uint32_t delivered, bool newly_lost, bool advanced) {
    if (delivered == 0 || f_.prior_cwnd == 0) return;
    f_.prr_delivered += delivered;
    const auto out = static_cast<std::int64_t>(f_.in_flight());
    const std::int64_t room = e_.ssthresh - out;
    std::int64_t send = 0;
    const auto ahead = std::int64_t{f_.prr_delivered} - std::int64_t{f_.prr_out};
    if (room < 0) {
        const std::int64_t share = std::int64_t{e_.ssthresh} * f_.prr_delivered + f_.prior_cwnd - 1;
        send = share / f_.prior_cwnd - f_.prr_out;
    } else {
        send = std::max(ahead, std::int64_t{delivered});
        if (advanced && !newly_lost) ++send;
        send = std::min(room, send);
    }
    send = std::max<std::int64_t>(send, f_.prr_out > 0 ? 0 : 1);
    e_.cwnd = segments(static_cast<std::uint32_t>(std::max<std::int64_t>(out + send, 1)));
}

/// The retransmissions were all unnecessary (D-SACK), or the ACK is older than the first (Eifel).
bool Turn::may_undo(const Segment* segment) const {
    if (!f_.undo_possible) return false;
    if (f_.undo_again == 0) return true;
    return segment != nullptr && segment->timestamp && f_.first_again >= 0 &&
           before(segment->ts_echo, static_cast<std::uint32_t>(f_.first_again));
}

void Turn::undo(bool forget_losses) {
    ++m_.counters_.undone;
    if (forget_losses) {
        for (Sent& sent : f_.queue) sent.lost = false;
        f_.lost_out = 0;
    }
    if (f_.prior_ssthresh > 0) {
        e_.cwnd = std::max(e_.cwnd, f_.prior_cwnd);
        e_.ssthresh = std::max(e_.ssthresh, f_.prior_ssthresh);
    }
    f_.undo_possible = false;
    f_.rack_advanced = true;
}

// --- Growth
// ---------------------------------------------------------------------------------------

/// Only a window that was full says anything about the path.
void Turn::validate_window(bool limited) {
    if (!before(e_.acked, f_.usage_mark) || limited ||
        (!f_.cwnd_limited && f_.out() > f_.most_out)) {
        f_.cwnd_limited = limited;
        f_.most_out = segments(f_.out());
        f_.usage_mark = f_.next;
    }
}

void Turn::grow(std::uint32_t delivered) {
    const bool slow_start = e_.cwnd < e_.ssthresh;
    if (!f_.cwnd_limited && !(slow_start && e_.cwnd < 2U * f_.most_out)) return;
    if (slow_start) {
        const auto step = std::min<std::uint32_t>(delivered, e_.ssthresh - e_.cwnd);
        e_.cwnd = segments(e_.cwnd + step);
        delivered -= step;
        if (delivered == 0) return;
    }
    cubic_update(delivered);
    const std::uint32_t each = std::max(1U, f_.count);
    if (f_.cwnd_count >= each) {
        f_.cwnd_count = 0;
        e_.cwnd = segments(e_.cwnd + 1U);
    }
    f_.cwnd_count += delivered;
    if (f_.cwnd_count >= each) {
        e_.cwnd = segments(e_.cwnd + f_.cwnd_count / each);
        f_.cwnd_count %= each;
    }
}

/// After how many acknowledged segments the window grows by one.
void Turn::cubic_update(std::uint32_t acked) {
    const std::uint32_t cwnd = e_.cwnd;
    const std::int64_t jiffy = long_ticks();
    const std::int64_t second = seconds(1).ns / p_.jiffy.ns;
    f_.ack_count += acked;
    if (f_.updated_cwnd == e_.cwnd && f_.updated >= 0 && jiffy - f_.updated <= second / 32) return;
    const bool same_tick = f_.epoch >= 0 && jiffy == f_.updated;
    f_.updated_cwnd = e_.cwnd;
    f_.updated = jiffy;
    if (!same_tick) {
        if (f_.epoch < 0) {
            f_.epoch = jiffy;
            f_.ack_count = acked;
            f_.reno_cwnd = cwnd;
            f_.k = e_.last_max > cwnd ? cubic_root(kCube * (e_.last_max - cwnd)) : 0;
            f_.origin = std::max<std::uint32_t>(e_.last_max, cwnd);
        }
        std::uint64_t t = static_cast<std::uint64_t>(jiffy - f_.epoch);
        if (f_.delay_min > 0) t += ticks_of_us(f_.delay_min);
        t = t * 1024 / static_cast<std::uint64_t>(second);
        const std::uint64_t offset = t < f_.k ? f_.k - t : t - f_.k;
        const std::uint64_t delta =
            offset > (1U << 18U) ? 0xFFFF : ((kScale * offset * offset >> 10U) * offset >> 30U);
        const std::uint64_t target =
            t < f_.k ? f_.origin - std::min<std::uint64_t>(delta, f_.origin) : f_.origin + delta;
        f_.count = target > cwnd ? static_cast<std::uint32_t>(cwnd / (target - cwnd)) : 100 * cwnd;
        if (e_.last_max == 0) f_.count = std::min(f_.count, 20U);
    }
    // Not slower than Reno would be with the same reduction.
    constexpr std::uint32_t kRenoScale = 8 * (1024 + kBeta) / 3 / (1024 - kBeta);
    const std::uint32_t per_segment = std::max(cwnd * kRenoScale >> 3U, 1U);
    f_.reno_cwnd += f_.ack_count / per_segment;
    f_.ack_count %= per_segment;
    if (f_.reno_cwnd > cwnd) f_.count = std::min(f_.count, cwnd / (f_.reno_cwnd - cwnd));
    f_.count = std::max(f_.count, 2U);
}

/// Leaves slow start when round trips grow, or when a train of ACKs fills half of one.
void Turn::hystart(std::uint32_t rtt) {
    if (f_.epoch >= 0 && long_ticks() - f_.epoch < seconds(1).ns / p_.jiffy.ns) return;
    if (f_.delay_min == 0 || rtt < f_.delay_min) f_.delay_min = rtt;
    if (e_.cwnd >= e_.ssthresh || f_.slow_start_over) return;
    if (after(e_.acked, f_.round_end)) {
        f_.round_start = f_.last_ack = us();
        f_.round_end = f_.next;
        f_.round_rtt = 0xFFFF'FFFFU;
        f_.round_samples = 0;
    }
    if (e_.cwnd < kLowWindow) return;
    constexpr std::int64_t kTrain = 2'000;  // us between ACKs
    bool leave = false;
    if (us() - f_.last_ack <= kTrain) {
        f_.last_ack = us();
        leave = us() - f_.round_start > std::int64_t{f_.delay_min / 2};
    }
    f_.round_rtt = std::min(f_.round_rtt, rtt);
    if (f_.round_samples < kRoundSamples) {
        ++f_.round_samples;
    } else if (f_.round_rtt > f_.delay_min + std::clamp(f_.delay_min >> 3U, 4'000U, 16'000U)) {
        leave = true;
    }
    if (!leave) return;
    f_.slow_start_over = true;
    e_.ssthresh = e_.cwnd;
}

/// RFC 2861: what was known of the path is halved for each time-out of silence.
void Turn::restart_after_idle() {
    if (!p_.slow_start_after_idle) return;
    std::int64_t idle = ticks() - e_.last_sent;
    if (idle <= e_.rto) return;
    e_.ssthresh = current_threshold();
    const std::uint16_t least = std::min(p_.initial_window, e_.cwnd);
    while ((idle -= e_.rto) > 0 && e_.cwnd > least) e_.cwnd = e_.cwnd >> 1U;
    e_.cwnd = std::max(e_.cwnd, least);
    f_.epoch = -1;
}

}  // namespace mqttwin::net::tcp
