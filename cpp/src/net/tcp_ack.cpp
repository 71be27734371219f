// What an acknowledgement tells: which segments have arrived, how long that took, and whether a
// tail-loss probe was needed.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

namespace {

std::uint32_t highest_sacked(const Flight& f, std::uint32_t acked) {
    if (f.sacked_out == 0) return acked;
    for (std::size_t i = f.queue.size(); i > 0; --i) {
        if (f.queue[i - 1].sacked) return f.queue[i - 1].begin;
    }
    return acked;
}

}  // namespace

void Turn::on_ack(const Segment& segment) {
    const std::uint32_t prior = e_.acked;
    if (after(segment.ack, f_.next)) return;
    AckNews news;
    news.data = segment.length > 0 || segment.fin;
    news.highest_sack = highest_sacked(f_, prior);
    news.lowest_late = f_.next;
    Resend resend = Resend::nothing;

    if (before(segment.ack, prior)) {  // old, but its SACK blocks may be news
        if (segment.sacks == 0) return;
        take_sacks(segment, news);
        react(news, prior, resend);
        if (resend == Resend::lost) resend_lost();
        return;
    }
    heard();
    news.advanced = after(segment.ack, prior);
    if (news.advanced) f_.retransmits = 0;
    news.window_update = segment.window > e_.peer_window || news.advanced;
    if (news.advanced || segment.window > e_.peer_window || segment.window == 0) {
        e_.peer_window = segment.window;
        f_.widest = std::max(f_.widest, segment.window);
    }
    if (segment.sacks > 0) take_sacks(segment, news);
    e_.acked = segment.ack;

    if (f_.queue.empty()) {
        if (f_.timer == Timer::window_probe) {
            f_.backoff = 0;
            if (window_open()) disarm();
        }
        if (f_.probing) on_probe_ack(segment, news);
        return;
    }
    const std::uint32_t lost_before = f_.lost_out;
    clean(segment, news);
    if (f_.dsack_seen) {
        e_.reorder_steps = static_cast<std::uint8_t>(std::min(0xFF, e_.reorder_steps + 1));
        e_.reorder_persist = 16;
        f_.dsack_seen = false;
    } else if (e_.reorder_persist == 0) {
        e_.reorder_steps = 1;
    }
    if (f_.probing) on_probe_ack(segment, news);
    const bool dubious =
        news.duplicate() || news.sacked || news.dsack || f_.congestion != Congestion::open;
    if (dubious) react(news, prior, resend);
    if (news.rearm && !schedule_probe(true)) rearm();
    const bool newly_lost = f_.lost_out > lost_before;
    if (reducing()) {
        reduce(news.delivered, newly_lost, news.advanced);
    } else if (news.data_acked || (e_.reordering > kReordering && news.sacked)) {
        grow(news.delivered);
    }
    if (resend == Resend::lost) resend_lost();
    after_ack();
}

// --- SACK ---------------------------------------------------------------------------------------

void Turn::mark_sacked(Sent& sent, AckNews& news) {
    rack_advance(sent);
    if (sent.again) {
        // Whether the original or the retransmission arrived, one of them is still out there.
        if (sent.lost) {
            sent.lost = sent.again = false;
            --f_.lost_out;
            --f_.again_out;
        }
    } else {
        if (!sent.ever_again) {
            if (before(sent.begin, news.highest_sack) && before(sent.begin, news.lowest_late)) {
                news.lowest_late = sent.begin;
            }
            if (!after(sent.end, f_.high)) news.original = true;
            if (news.first_sacked < 0) news.first_sacked = sent.at;
            news.last_sacked = sent.at;
        }
        if (sent.lost) {
            sent.lost = false;
            --f_.lost_out;
        }
    }
    sent.sacked = true;
    ++f_.sacked_out;
    ++news.delivered;
    news.sacked = true;
}

void Turn::take_dsack(const Segment& segment, AckNews& news, std::uint32_t prior_acked) {
    const Range block = segment.sack[0];
    news.dsack = true;
    if (f_.probing && f_.probe_again && block.end == f_.probe_high) {
        news.dsack_of_probe = true;
    } else if (e_.reordering_seen) {
        f_.dsack_seen = true;
    }
    const bool of_episode = f_.undo_possible && f_.undo_again > 0;
    if (of_episode && !after(block.end, prior_acked) && after(block.end, f_.undo_mark)) {
        --f_.undo_again;
    }
    for (Sent& sent : f_.queue) {
        if (before(sent.begin, block.begin) || after(sent.end, block.end)) continue;
        if (of_episode && sent.ever_again && after(sent.end, f_.undo_mark) && f_.undo_again > 0 &&
            after(sent.end, prior_acked)) {
            --f_.undo_again;
        }
    }
}

void Turn::take_sacks(const Segment& segment, AckNews& news) {
    if (segment.duplicate) take_dsack(segment, news, e_.acked);
    for (std::size_t i = segment.duplicate ? 1 : 0; i < segment.sacks; ++i) {
        const Range block = segment.sack[i];
        for (Sent& sent : f_.queue) {
            if (!before(sent.begin, block.end)) break;
            if (sent.sacked || before(sent.begin, block.begin) || after(sent.end, block.end)) {
                continue;
            }
            mark_sacked(sent, news);
        }
    }
    if (f_.congestion != Congestion::loss || f_.undo_possible) {
        see_reordering(news.lowest_late, highest_sacked(f_, e_.acked));
    }
}

void Turn::see_reordering(std::uint32_t low, std::uint32_t high) {
    if (!before(low, high)) return;
    const std::uint32_t metric = high - low;
    if (metric > e_.reordering * p_.mss()) {
        const std::uint32_t segments = (metric + p_.mss() - 1) / p_.mss();
        e_.reordering = static_cast<std::uint8_t>(std::min(segments, 255U));
    }
    e_.reordering_seen = true;
}

// --- Cumulative acknowledgement
// -------------------------------------------------------------------

void Turn::clean(const Segment& segment, AckNews& news) {
    const std::uint32_t prior_high = news.highest_sack;
    std::uint32_t low = f_.next;
    std::int64_t first = -1;
    std::int64_t last = -1;
    std::size_t gone = 0;
    for (Sent& sent : f_.queue) {
        if (after(sent.end, segment.ack)) {
            // A collapsed segment of which the peer had a part: it is the rest from now on.
            if (before(sent.begin, segment.ack)) sent.begin = segment.ack;
            break;
        }
        ++gone;
        if (sent.ever_again) {
            if (sent.again) --f_.again_out;
            news.again_acked = true;
        } else if (!sent.sacked) {
            if (first < 0) first = sent.at;
            last = sent.at;
            if (before(sent.begin, low)) low = sent.begin;
            if (!after(sent.end, f_.high)) news.original = true;
        }
        if (sent.sacked) {
            --f_.sacked_out;
        } else {
            ++news.delivered;
            rack_advance(sent);
        }
        if (sent.lost) --f_.lost_out;
        news.data_acked = true;
    }
    f_.queue.pop_front(gone);

    std::int64_t rtt = -1;
    std::int64_t recent = -1;
    if (first >= 0 && !news.again_acked) {
        rtt = us() - first;
        recent = us() - last;
    }
    const std::int64_t sack_rtt = news.first_sacked < 0 ? -1 : us() - news.first_sacked;
    if (news.first_sacked >= 0) recent = us() - news.last_sacked;
    const bool sampled = sample_rtt(segment, rtt, sack_rtt, recent, news);
    if (news.data_acked) {
        news.rearm = true;
        if (before(low, prior_high)) see_reordering(low, prior_high);
        if (recent > 0) hystart(static_cast<std::uint32_t>(recent));
    } else if (sampled && sack_rtt >= 0 && !f_.queue.empty() &&
               sack_rtt > us() - f_.queue.front().at) {
        news.rearm = true;
    }
}

bool Turn::sample_rtt(const Segment& segment, std::int64_t rtt, std::int64_t sack_rtt,
                      std::int64_t recent, const AckNews& news) {
    if (rtt < 0) rtt = sack_rtt;
    if (rtt < 0 && segment.timestamp && news.data_acked) {
        // The echo of a segment whose ACK was lost is old: the sample then spans the whole stall.
        const auto ms = static_cast<std::int32_t>(stamp() - segment.ts_echo);
        rtt = recent = std::max(ms, 1) * std::int64_t{1'000};
    }
    if (rtt < 0) return false;
    take_sample(rtt, recent);
    return true;
}

/// RFC 8985, section 7.4: was the probe the only one that arrived?
void Turn::on_probe_ack(const Segment& segment, const AckNews& news) {
    if (before(segment.ack, f_.probe_high)) return;
    if (!f_.probe_again || news.dsack_of_probe) {
        f_.probing = false;
    } else if (after(segment.ack, f_.probe_high)) {
        begin_reduction();
        f_.congestion = Congestion::reduced;
        end_reduction();
        try_keep_open();
    } else if (!news.advanced && news.duplicate() && !news.sacked) {
        f_.probing = false;
    }
}

}  // namespace mqttwin::net::tcp
