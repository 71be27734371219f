// What one end of a TCP connection remembers: little while it is idle, more while something is in
// flight. Plain data, index-based: a world that is copied copies its connections.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/tcp_rtt.hpp"
#include "mqttwin/net/tcp_segment.hpp"

namespace mqttwin::net::tcp {

enum class State : std::uint16_t {
    closed,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
};

inline constexpr std::uint32_t kNoFlight = 0xFFFF'FFFFU;
inline constexpr std::uint16_t kNoThreshold = 0xFFFF;
inline constexpr std::uint8_t kReordering = 3;  // segments of reordering that are no loss

/// An instant as a host counts it: its clock and its ticks stand at `phase` (us) at instant 0.
struct Moment {
    Instant now;
    std::uint32_t phase = 0;
};

/// One end of a connection.
struct Endpoint {
    // In the order of Undo, which is copied from here.
    std::uint32_t acked = 0;  // first byte not acknowledged by the peer (SND.UNA)
    std::uint32_t peer_window = 0;
    std::uint32_t ts_recent = 0;  // the timestamp to echo
    /// Of the segment delivered last, us; while there is a flight, which keeps that then, its
    /// number.
    std::uint32_t rack_rtt_or_flight = 0;
    RttEstimator rtt;

    std::uint32_t expected = 0;       // first byte not received in order (RCV.NXT)
    std::uint32_t window = 0;         // what may be advertised
    std::uint32_t last_sent = 0;      // ticks
    std::uint32_t last_received = 0;  // ticks
    std::uint16_t rto = 0;            // ticks, backed off or not
    std::uint16_t cwnd = 0;           // segments
    std::uint16_t ssthresh = kNoThreshold;
    std::uint16_t last_max = 0;  // CUBIC's window before the last reduction
    std::uint16_t peer_mss = 0;  // estimated size of the peer's full segments
    std::uint16_t ack_delay : 6 = 0;
    std::uint16_t quick_acks : 5 = 0;
    std::uint16_t reorder_persist : 5 = 0;
    std::uint8_t reordering = kReordering;
    std::uint8_t reorder_steps = 1;
    // No bools: of these a compiler asks several at once.
    using Flag = std::uint16_t;
    State state : 4 = State::closed;
    Flag flying : 1 = 0;  // there is a flight
    Flag reordering_seen : 1 = 0;
    Flag ping_pong : 1 = 0;   // answers carry the acknowledgements
    Flag round_over : 1 = 0;  // see RttEstimator::sample
    Flag reading : 1 = 1;     // the application takes what arrives
    Flag no_timestamps : 1 = 0;
    Flag probe_open : 1 = 0;  // whether the last probe was needed is not known yet
    // Of the caller, who has no better place for them.
    Flag done : 1 = 0;    // its owner has ended it, or has been told of the end
    Flag silent : 1 = 0;  // it answers nothing any more
    Flag opened : 1 = 0;  // its owner knows of it

    [[nodiscard]] std::uint32_t flight() const { return flying ? rack_rtt_or_flight : kNoFlight; }
};
static_assert(sizeof(Endpoint) == 68);

/// A segment that has been sent and not acknowledged.
struct Sent {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::int64_t at = 0;      // us, of the last transmission
    std::uint32_t order = 0;  // among all transmissions: `at` may be the same for many
    bool sacked = false;
    bool lost = false;
    bool again = false;       // a retransmission is under way
    bool ever_again = false;  // there was one
    bool fin = false;
};

/// What has been sent and not acknowledged, in the order of the stream. Segments leave at the front
/// without those behind them being moved, but now and then.
class SentQueue {
   public:
    [[nodiscard]] bool empty() const { return first_ == sent_.size(); }
    [[nodiscard]] std::size_t size() const { return sent_.size() - first_; }
    Sent* begin() { return sent_.data() + first_; }
    Sent* end() { return sent_.data() + sent_.size(); }
    [[nodiscard]] const Sent* begin() const { return sent_.data() + first_; }
    [[nodiscard]] const Sent* end() const { return sent_.data() + sent_.size(); }
    Sent& front() { return sent_[first_]; }
    Sent& back() { return sent_.back(); }
    Sent& operator[](std::size_t index) { return sent_[first_ + index]; }
    [[nodiscard]] const Sent& front() const { return sent_[first_]; }
    [[nodiscard]] const Sent& operator[](std::size_t index) const { return sent_[first_ + index]; }

    void push_back(const Sent& sent) { sent_.push_back(sent); }
    Sent& emplace_back() { return sent_.emplace_back(); }
    void clear() {
        sent_.clear();
        first_ = 0;
    }
    /// The first `count` leave.
    void pop_front(std::size_t count) {
        first_ += count;
        if (first_ == sent_.size()) {
            clear();
        } else if (first_ >= kFew && 2 * first_ >= sent_.size()) {
            close_up();
        }
    }
    /// Those from `from` to before `to` leave.
    void erase(std::size_t from, std::size_t to) {
        const auto begin = sent_.begin() + static_cast<std::ptrdiff_t>(first_);
        sent_.erase(begin + static_cast<std::ptrdiff_t>(from),
                    begin + static_cast<std::ptrdiff_t>(to));
    }
    void archive(Archive& a) {
        close_up();
        a(sent_);
    }

   private:
    static constexpr std::size_t kFew = 16;

    void close_up() {
        sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }

    std::vector<Sent> sent_;
    std::size_t first_ = 0;
};

enum class Timer : std::uint8_t { none, retransmit, probe, reorder, window_probe };
enum class Congestion : std::uint8_t { open, disorder, reduced, recovery, loss };

/// The receive buffer's automatic growth, for bulk transfers only.
struct Tuning {
    std::uint32_t buffer = 0;  // bytes; 0: not begun
    std::uint32_t clamp = 0;
    std::uint32_t space = 0;  // read in the round trip before
    std::uint32_t seq = 0;
    std::int64_t since = 0;  // us
    std::uint32_t rtt8 = 0;  // us, 8 times the round trip as the receiver sees it; 0: unknown
    std::uint32_t last_echo = 0;
    std::uint32_t highest = 0;  // end of what was received
    bool whole = false;         // which is the end of a write
};

/// State that exists only while something is under way.
struct Flight {
    bool plain = false;  // nothing out of the ordinary is known: see tcp_plain.cpp

    // Sending.
    SentQueue queue;
    std::uint32_t next = 0;         // SND.NXT
    std::uint32_t written = 0;      // end of what the application has written or wants to
    std::uint32_t filled = 0;       // end of what the send buffer has taken of it
    std::uint32_t send_buffer = 0;  // bytes of memory; 0: not begun
    std::uint32_t widest = 0;       // largest window that the peer has offered
    bool fin_written = false;       // a FIN follows it
    std::uint32_t sacked_out = 0;
    std::uint32_t lost_out = 0;
    std::uint32_t again_out = 0;

    Timer timer = Timer::none;
    Instant fires = Instant::never();
    std::uint8_t retransmits = 0;  // in a row
    std::uint8_t total_timeouts = 0;
    std::uint8_t backoff = 0;
    std::int64_t first_again = -1;  // ms, first retransmission of this episode; -1: none
    std::int64_t sent_first = -1;   // us, the SYN or SYN-ACK that is measured

    Congestion congestion = Congestion::open;
    std::uint32_t high = 0;        // SND.NXT when the episode began
    std::uint32_t round_mark = 0;  // the estimator's round trip ends here
    std::uint32_t usage_mark = 0;  // and the one of `most_out` here
    std::uint16_t most_out = 0;    // most segments out in this round trip
    bool cwnd_limited = false;     // which were all that the window allowed
    bool undo_possible = false;
    std::uint32_t undo_mark = 0;
    std::int32_t undo_again = 0;
    std::uint16_t prior_cwnd = 0;
    std::uint16_t prior_ssthresh = 0;  // 0: nothing to go back to
    std::uint32_t prr_delivered = 0;
    std::uint32_t prr_out = 0;
    bool frto = false;
    bool probing = false;  // a tail-loss probe is out
    bool probe_again = false;
    std::uint32_t probe_high = 0;

    std::uint32_t rack_rtt = 0;    // of the segment delivered last, us
    std::uint32_t order = 0;       // transmissions so far
    std::uint32_t rack_order = 0;  // of the latest transmission that has arrived
    bool rack_advanced = false;
    bool dsack_seen = false;

    // CUBIC
    std::uint32_t cwnd_count = 0;
    std::uint32_t ack_count = 0;
    std::uint32_t count = 0;
    std::uint32_t reno_cwnd = 0;
    std::uint32_t origin = 0;
    std::uint32_t k = 0;
    std::int64_t epoch = -1;  // ticks
    std::int64_t updated = -1;
    std::uint16_t updated_cwnd = 0;
    std::uint32_t delay_min = 0;  // us, of data: a SYN is too small to tell what a segment takes
    // HyStart
    std::int64_t round_start = 0;
    std::int64_t last_ack = 0;
    std::uint32_t round_end = 0;
    std::uint32_t round_rtt = 0;
    std::uint8_t round_samples = 0;
    bool slow_start_over = false;

    // Receiving.
    std::vector<Range> gaps_after;  // out of order, sorted
    std::vector<Range> news;        // the same as SACK blocks, most recent first
    Range duplicate;
    bool report_duplicate = false;
    std::uint32_t acked_to = 0;  // RCV.NXT when an ACK was sent last
    std::uint32_t edge = 0;      // right edge of the window advertised
    std::uint32_t unread = 0;
    bool ack_due = false;
    bool ack_now = false;
    std::uint8_t pushed = 0;
    Instant ack_at = Instant::never();
    bool fin_seen = false;
    std::uint32_t fin_at = 0;
    Tuning tuning;

    // SO_KEEPALIVE: such a connection keeps its flight while it is idle.
    Instant keep_alive = Instant::never();
    std::uint32_t heard = 0;       // ticks, of the last acknowledgement
    std::uint8_t keep_probes = 0;  // unanswered

    // Handshake of the server.
    std::uint32_t first_echo = 0;
    bool spurious_syn = false;

    [[nodiscard]] std::uint32_t out() const { return static_cast<std::uint32_t>(queue.size()); }
    [[nodiscard]] std::uint32_t in_flight() const {
        return out() - sacked_out - lost_out + again_out;
    }
    [[nodiscard]] bool waiting() const { return filled != written; }  // for the send buffer
    [[nodiscard]] bool unsent() const {
        return next != filled + (fin_written && !waiting() ? 1U : 0U);
    }
    /// Empty again, keeping the memory of its queues.
    void reset();
    /// What CUBIC and HyStart know of the path.
    void forget_path();
    /// No segment was lost, or what is known of it is of no consequence any more.
    [[nodiscard]] bool lost_nothing() const;
    /// How it has sent so far, with nothing out.
    void forget_usage();
    void archive(Archive& a);
};

/// Flights are recycled: no allocation once the pool has seen the largest crowd.
class FlightPool {
   public:
    std::uint32_t take();
    void give_back(std::uint32_t index) { free_.push_back(index); }
    Flight& operator[](std::uint32_t index) { return flights_[index]; }
    const Flight& operator[](std::uint32_t index) const { return flights_[index]; }
    [[nodiscard]] std::size_t live() const { return flights_.size() - free_.size(); }
    /// Bytes held, without what queues have allocated.
    [[nodiscard]] std::size_t footprint() const { return flights_.capacity() * sizeof(Flight); }
    void archive(Archive& a) { a(flights_, free_); }

   private:
    std::vector<Flight> flights_;
    std::vector<std::uint32_t> free_;
};

}  // namespace mqttwin::net::tcp
