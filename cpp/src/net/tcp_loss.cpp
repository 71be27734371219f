// Which segments are lost (RACK, RFC 8985; time-outs; F-RTO, RFC 5682) and what follows from it.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

// --- RACK ---------------------------------------------------------------------------------------

void Turn::rack_advance(const Sent& sent) {
    const std::int64_t rtt = us() - sent.at;
    // Too fast to be the retransmission's: the original was only late.
    if (sent.ever_again && rtt < std::int64_t{e_.rtt.minimum}) return;
    f_.rack_advanced = true;
    f_.rack_rtt = static_cast<std::uint32_t>(std::min<std::int64_t>(rtt, 0x7FFF'FFFF));
    if (after(sent.order, f_.rack_order)) f_.rack_order = sent.order;
}

void Turn::mark_lost(Sent& sent, AckNews* news) {
    if (sent.sacked) return;
    if (!sent.lost) {
        sent.lost = true;
        ++f_.lost_out;
        return;
    }
    if (!sent.again) return;
    sent.again = false;
    --f_.again_out;
    ++m_.counters_.lost_retransmissions;
    if (news != nullptr) news->lost_again = true;
}

/// Marks what was sent long enough before something that has arrived. How long until more of it
/// would be marked, us; 0: nothing waits.
std::uint32_t Turn::rack_scan(AckNews* news) {
    if (f_.rack_order == 0) return 0;
    std::int64_t settle = 0;  // what reordering may delay
    const bool at_once = !e_.reordering_seen &&
                         (f_.congestion >= Congestion::recovery || f_.sacked_out >= e_.reordering);
    if (!at_once && e_.rtt.minimum != RttEstimator::kNone) {
        settle = std::min(std::int64_t{e_.rtt.minimum >> 2} * e_.reorder_steps,
                          std::int64_t{e_.rtt.mean()});
    }
    std::int64_t longest = 0;
    for (Sent& sent : f_.queue) {
        if (sent.sacked || (sent.lost && !sent.again)) continue;
        if (!before(sent.order, f_.rack_order)) continue;
        const std::int64_t rest = std::int64_t{f_.rack_rtt} + settle - (us() - sent.at);
        if (rest <= 0) {
            mark_lost(sent, news);
        } else {
            longest = std::max(longest, rest);
        }
    }
    return static_cast<std::uint32_t>(longest);
}

/// True: a timer now waits for reordering to settle.
bool Turn::rack_mark() {
    constexpr std::uint32_t kLeast = 2'000;  // us
    if (!f_.rack_advanced) return false;
    f_.rack_advanced = false;
    const std::uint32_t wait = rack_scan(nullptr);
    if (wait == 0) return false;
    arm(Timer::reorder, ticks_of_us(wait + kLeast));
    return true;
}

void Turn::identify_losses(AckNews& news) {
    if (!p_.sack) {
        // RFC 6582: three duplicates, or a partial acknowledgement in recovery: the head is lost.
        const bool partial = f_.congestion == Congestion::recovery && news.advanced;
        const bool enough = f_.congestion < Congestion::recovery && f_.sacked_out >= e_.reordering;
        if ((enough || partial) && !f_.queue.empty() && !f_.queue.front().lost) {
            mark_lost(f_.queue.front(), &news);
        }
        return;
    }
    const std::uint32_t again = f_.again_out;
    if (rack_mark()) news.rearm = false;
    if (f_.again_out < again) news.lost_again = true;
}

void Turn::on_reorder_timer() {
    f_.timer = Timer::reorder;
    const std::uint32_t before_scan = f_.in_flight();
    rack_scan(nullptr);
    if (f_.in_flight() != before_scan) {
        if (f_.congestion != Congestion::recovery) {
            enter_recovery();
            reduce(1, false, false);
        }
        resend_lost();
    }
    if (f_.timer != Timer::retransmit) rearm();
}

// --- The retransmission time-out
// ------------------------------------------------------------------

/// Linux turns a number of retries into the time they would take from the first time-out's floor.
bool Turn::timed_out(unsigned boundary, bool handshake) const {
    if (f_.retransmits == 0 || f_.first_again < 0) return false;
    Duration limit = p_.user_timeout;
    if (limit.ns == 0) {
        const Duration base = handshake ? p_.initial_rto : p_.min_rto;
        Duration step = base;
        for (unsigned i = 0; i <= boundary; ++i) {
            limit += step;
            step = min(step * 2, p_.max_rto);
        }
    }
    const std::int64_t elapsed = stamp() - static_cast<std::uint32_t>(f_.first_again);
    return milliseconds(elapsed) >= limit;
}

void Turn::on_retransmission_timer() {
    if (f_.queue.empty()) return;
    if (timed_out(p_.data_retries, false)) {
        finish(Over::time_out);
        return;
    }
    enter_loss();
    ++f_.retransmits;
    ++m_.counters_.timeouts;
    retransmit(0, true);
    ++f_.backoff;
    back_off();
    arm(Timer::retransmit, e_.rto);
}

void Turn::enter_loss() {
    const bool fresh = f_.congestion < Congestion::recovery;
    for (std::size_t i = 0; i < f_.queue.size(); ++i) {
        Sent& sent = f_.queue[i];
        // What was sent within a round trip may still be on its way.
        if (i > 0 && p_.sack && sent.at + f_.rack_rtt > us()) continue;
        mark_lost(sent, nullptr);
    }
    if (f_.congestion <= Congestion::disorder || !after(f_.high, e_.acked) ||
        (f_.congestion == Congestion::loss && f_.retransmits == 0)) {
        f_.prior_ssthresh = current_threshold();
        f_.prior_cwnd = e_.cwnd;
        e_.ssthresh = cubic_threshold();
        begin_undo();
    }
    e_.cwnd = static_cast<std::uint16_t>(std::min(f_.in_flight() + 1, 0xFFFFU));
    f_.cwnd_count = 0;
    f_.epoch = -1;  // CUBIC and HyStart begin anew
    f_.delay_min = 0;
    f_.slow_start_over = false;
    e_.last_max = 0;
    f_.congestion = Congestion::loss;
    f_.high = f_.next;
    f_.probing = false;
    if (!p_.sack) f_.sacked_out = 0;
    f_.frto = p_.sack && (fresh || f_.retransmits > 0);
}

// --- What a dubious ACK leads to
// ------------------------------------------------------------------

bool Turn::any_again() const {
    return f_.again_out > 0 || (!f_.queue.empty() && f_.queue.front().ever_again);
}

void Turn::try_keep_open() {
    const bool quiet = f_.sacked_out + f_.lost_out == 0 && !any_again();
    const Congestion state = quiet ? Congestion::open : Congestion::disorder;
    if (f_.congestion == state) return;
    f_.congestion = state;
    f_.high = f_.next;
}

void Turn::try_open() {
    if (!any_again()) f_.first_again = -1;
    if (f_.congestion != Congestion::reduced) try_keep_open();
}

bool Turn::try_undo_recovery() {
    if (may_undo(current_)) {
        undo(false);
    } else if (e_.reorder_persist > 0) {
        e_.reorder_persist = (e_.reorder_persist - 1U) & 31U;
    }
    if (!p_.sack && e_.acked == f_.high && !f_.queue.empty()) {
        // Late duplicates would look like a new loss (RFC 6582): until something new is
        // acknowledged.
        if (!any_again()) f_.first_again = -1;
        return true;
    }
    f_.congestion = Congestion::open;
    return false;
}

bool Turn::try_undo_dsack() {
    if (!f_.undo_possible || f_.undo_again != 0) return false;
    e_.reorder_persist = std::min<std::uint32_t>(16, e_.reorder_persist + 1U) & 31U;
    undo(false);
    return true;
}

void Turn::process_loss(AckNews& news, Resend& resend) {
    const bool recovered = !before(e_.acked, f_.high);
    const auto reopen = [this] {
        undo(true);
        f_.retransmits = 0;
        f_.congestion = Congestion::open;
    };
    if (news.advanced && may_undo(current_)) return reopen();
    if (f_.frto) {
        // Something sent once has arrived: the time-out was too early.
        if (news.original) return reopen();
        if (after(f_.next, f_.high)) {
            if (news.sacked || news.duplicate()) f_.frto = false;
        } else if (news.advanced && !recovered) {
            f_.high = f_.next;
            // New data instead of a retransmission: its fate will tell.
            if (f_.unsent() && window_open()) {
                resend = Resend::fresh;
                return;
            }
            f_.frto = false;
        }
    }
    if (recovered) {
        try_undo_recovery();
        return;
    }
    resend = Resend::lost;
}

/// Without SACK each duplicate says that one more segment has arrived, though not which.
void Turn::count_duplicates(AckNews& news) {
    if (p_.sack) return;
    if (news.advanced) {
        // One of those acknowledged was the hole; the others were counted as duplicates came.
        const std::uint32_t others = std::max(news.delivered, 1U) - 1;
        news.delivered = news.delivered > f_.sacked_out ? news.delivered - f_.sacked_out : 1;
        f_.sacked_out -= std::min(others, f_.sacked_out);
    } else if (news.duplicate() && !f_.queue.empty()) {
        const std::uint32_t holes = std::max(f_.lost_out, 1U);
        if (f_.sacked_out + holes >= f_.out()) return;
        ++f_.sacked_out;
        ++news.delivered;
    }
}

void Turn::react(AckNews& news, std::uint32_t prior_acked, Resend& resend) {
    count_duplicates(news);
    if (f_.queue.empty()) f_.sacked_out = 0;
    if (f_.congestion == Congestion::open) {
        f_.first_again = -1;
    } else if (!before(e_.acked, f_.high)) {
        if (f_.congestion == Congestion::reduced && e_.acked != f_.high) {
            end_reduction();
            f_.congestion = Congestion::open;
        } else if (f_.congestion == Congestion::recovery) {
            if (!p_.sack) f_.sacked_out = 0;
            if (try_undo_recovery()) return;
            end_reduction();
        }
    }
    if (f_.congestion == Congestion::recovery) {
        if (news.advanced && f_.undo_possible && may_undo(current_) && f_.undo_again != 0) {
            // The original arrived before the retransmission could: it was only reordered.
            see_reordering(prior_acked, news.highest_sack);
            if (f_.again_out > 0) return;
            if (!any_again()) f_.first_again = -1;
            undo(true);
            try_keep_open();
        }
        if (try_undo_dsack()) try_open();
        identify_losses(news);
        if (f_.congestion != Congestion::recovery) {
            if (f_.lost_out == 0) return;
            enter_recovery();
        }
        resend = Resend::lost;
        return;
    }
    if (f_.congestion == Congestion::loss) {
        process_loss(news, resend);
        identify_losses(news);
        if (f_.congestion != Congestion::open && !news.lost_again) return;
    } else if (f_.congestion <= Congestion::disorder) {
        try_undo_dsack();
    }
    identify_losses(news);
    if (f_.lost_out == 0) {
        try_open();
        return;
    }
    enter_recovery();
    resend = Resend::lost;
}

}  // namespace mqttwin::net::tcp
