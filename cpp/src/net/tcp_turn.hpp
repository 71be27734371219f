// One call into the machine: the connection, its flight, the instant, and where results go.
// Its methods are the mechanisms, one source file each.
#pragma once

#include <algorithm>

#include "mqttwin/net/tcp_machine.hpp"
#include "mqttwin/net/tcp_wheel.hpp"

namespace mqttwin::net::tcp {

/// What an ACK has brought; the mechanisms add to it as it passes them.
struct AckNews {
    bool data = false;           // the segment carries data
    bool advanced = false;       // SND.UNA has moved
    bool window_update = false;  // only the window has
    bool data_acked = false;     // segments left the queue
    bool sacked = false;         // new SACK information
    bool dsack = false;
    bool dsack_of_probe = false;
    bool original = false;           // something sent once, before the episode, has arrived
    bool again_acked = false;        // a retransmission, or what had one, was acknowledged
    bool rearm = false;              // the timer is to be set again
    bool lost_again = false;         // a retransmission was lost
    std::int64_t first_sacked = -1;  // us, sent when
    std::int64_t last_sacked = -1;
    std::uint32_t delivered = 0;
    std::uint32_t lowest_late = 0;  // sequence of the lowest segment that came late
    bool late = false;
    std::uint32_t highest_sack = 0;  // before this ACK
    bool had_sack = false;

    [[nodiscard]] bool duplicate() const { return !data && !window_update && !data_acked; }
};

/// For an end that has none.
Flight& take_flight(FlightPool& pool, Endpoint& end);

enum class Resend : std::uint8_t { nothing, lost, fresh };

class Turn {
   public:
    Turn(Machine& machine, Endpoint& end, Moment at, Output& out)
        : m_(machine),
          p_(machine.profile_),
          e_(end),
          f_(end.flying ? machine.pool_[end.flight()] : take_flight(machine.pool_, end)),
          now_(at.now),
          us_(at.now.microseconds()),
          phase_(at.phase),
          out_(out) {}
    ~Turn() {
        if (!stays_plain_ || f_.queue.empty()) leave();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // tcp_handshake.cpp
    void connect();
    void accept(const Segment& syn);
    void receive(const Segment& segment);
    void on_deadline();
    void close();
    void finish(Over how);

    // tcp_send.cpp
    void write(std::uint32_t bytes);
    std::uint32_t push(bool probe);
    void rearm();
    bool schedule_probe(bool advancing);
    void send_probe();
    void retransmit(std::size_t index, bool counted);
    void resend_lost();
    void send_reset();
    void send_ack();

    // tcp_plain.cpp
    bool write_plainly(std::uint32_t bytes, Segment& segment);
    bool receive_plainly(const Segment& segment);

    // tcp_ack.cpp
    void on_ack(const Segment& segment);

    // tcp_send_buffer.cpp
    void fill();
    void on_space();

    // tcp_keep_alive.cpp
    void begin_keep_alive();
    void heard();
    void on_keep_alive();

    // tcp_loss.cpp
    void on_retransmission_timer();
    void on_reorder_timer();
    void rack_advance(const Sent& sent);
    bool rack_mark();
    void react(AckNews& news, std::uint32_t prior_acked, Resend& resend);
    bool timed_out(unsigned boundary, bool handshake) const;

    // tcp_congestion.cpp
    void begin_undo();
    void begin_reduction();
    void end_reduction();
    void reduce(std::uint32_t delivered, bool newly_lost, bool advanced);
    void enter_recovery();
    bool may_undo(const Segment* segment) const;
    void undo(bool forget_losses);
    std::uint16_t current_threshold() const;
    std::uint16_t cubic_threshold();
    void grow(std::uint32_t delivered);
    void hystart(std::uint32_t rtt);
    void validate_window(bool limited);
    void restart_after_idle();

    // tcp_receive.cpp
    void on_data(const Segment& segment);
    void on_read();
    void delayed_ack();
    void grow_buffer(std::uint32_t taken);

    // tcp_quiet.cpp
    void resume(std::uint32_t bytes);
    void resume_owing(std::uint32_t received, Instant until);

   private:
    /// The flight may not be needed any more, or be plain from now on.
    void leave();

    // Clocks of this host.
    [[nodiscard]] std::int64_t us() const { return us_; }
    [[nodiscard]] Duration phase() const { return microseconds(phase_); }
    [[nodiscard]] std::int64_t long_ticks() const {
        return static_cast<std::int64_t>(m_.tick_.passed(us_ + phase_));
    }
    [[nodiscard]] std::uint32_t ticks() const { return static_cast<std::uint32_t>(long_ticks()); }
    [[nodiscard]] std::uint32_t stamp() const {
        return static_cast<std::uint32_t>(static_cast<std::uint64_t>(us_ + phase_) / 1'000);
    }
    [[nodiscard]] std::uint32_t ticks_of_us(std::int64_t us) const { return m_.tick_.cover(us); }
    [[nodiscard]] Instant fires_after(std::uint32_t delay) const {
        const std::int64_t at = fires_at_tick(long_ticks(), std::max(delay, 1U), p_.wheel);
        return Instant{at * p_.jiffy.ns - phase().ns};
    }
    [[nodiscard]] std::int64_t us_of_ticks(std::uint32_t n) const {
        return m_.tick_.microseconds(n);
    }
    [[nodiscard]] std::uint32_t rto_floor() const { return m_.min_rto_; }
    [[nodiscard]] std::uint32_t max_rto() const { return m_.max_rto_; }

    void arm(Timer timer, std::uint32_t delay);
    void arm_keep_alive(std::uint32_t delay);
    void disarm() {
        f_.timer = Timer::none;
        f_.fires = Instant::never();
    }

    // Handshake.
    void send_syn();
    void send_syn_ack();
    void on_syn_timer();
    void on_syn_ack_timer();
    void on_syn_ack(const Segment& segment);
    void establish_server(const Segment& segment);
    void on_syn_received(const Segment& segment);
    void on_synchronised(const Segment& segment);
    void after_ack();
    void on_fin();

    // Sending.
    void fill(Segment& segment, std::uint32_t seq, std::uint32_t length);
    /// All but SACK blocks.
    void fill(Segment& s, std::uint32_t seq, std::uint32_t length, std::uint32_t window) const {
        s.seq = seq;
        s.length = length;
        s.has_ack = true;
        s.ack = e_.expected;
        s.window = window;
        s.timestamp = !e_.no_timestamps;
        if (s.timestamp) {
            s.ts_value = stamp();
            s.ts_echo = e_.ts_recent;
        }
    }
    Segment& make(std::uint32_t seq, std::uint32_t length);
    void emit(const Segment& segment);
    void transmit(Sent& sent);
    void collapse(std::size_t index);
    [[nodiscard]] std::int64_t until_rto() const {
        return f_.queue.front().at + us_of_ticks(e_.rto) - us();
    }
    void arm_probe(bool advancing);
    [[nodiscard]] bool window_open() const;
    void on_window_probe();

    void expand_send_buffer();
    [[nodiscard]] std::uint32_t piece() const;
    [[nodiscard]] std::uint32_t memory() const;

    // The plain case.
    [[nodiscard]] bool is_plain() const;
    [[nodiscard]] std::size_t covered(std::uint32_t ack) const;
    void acknowledge_plainly(std::uint32_t ack, std::size_t gone);

    // Acknowledgements.
    void take_sample(std::int64_t rtt, std::int64_t recent) {
        constexpr std::int64_t kLongest = 0x7FFF'FFFF;
        if (recent >= 0) {
            e_.rtt.see_minimum(static_cast<std::uint32_t>(std::min(recent, kLongest)));
        }
        const bool over = after(e_.acked, f_.round_mark);
        const auto sample = static_cast<std::uint32_t>(std::min(rtt, kLongest));
        if (e_.rtt.sample(sample, rto_floor(), over)) f_.round_mark = f_.next;
        f_.backoff = 0;
        set_rto();
    }
    void set_rto() { bound_rto(ticks_of_us(e_.rtt.timeout())); }
    void back_off() { bound_rto(2U * e_.rto); }
    void bound_rto(std::uint32_t ticks) {
        e_.rto = static_cast<std::uint16_t>(std::min(ticks, max_rto()));
    }
    void take_sacks(const Segment& segment, AckNews& news);
    void take_dsack(const Segment& segment, AckNews& news, std::uint32_t prior_acked);
    void mark_sacked(Sent& sent, AckNews& news);
    void clean(const Segment& segment, AckNews& news);
    bool sample_rtt(const Segment& segment, std::int64_t rtt, std::int64_t sack_rtt,
                    std::int64_t recent_rtt, const AckNews& news);
    void on_probe_ack(const Segment& segment, const AckNews& news);
    void see_reordering(std::uint32_t low, std::uint32_t high);

    // Losses.
    void mark_lost(Sent& sent, AckNews* news);
    std::uint32_t rack_scan(AckNews* news);
    void identify_losses(AckNews& news);
    void enter_loss();
    void process_loss(AckNews& news, Resend& resend);
    void try_keep_open();
    void try_open();
    bool try_undo_recovery();
    bool try_undo_dsack();
    [[nodiscard]] bool any_again() const;
    [[nodiscard]] bool reducing() const {
        return f_.congestion == Congestion::reduced || f_.congestion == Congestion::recovery;
    }
    void count_duplicates(AckNews& news);

    // Congestion control.
    void cubic_update(std::uint32_t acked);

    // Receiving.
    void schedule_ack();
    void quick_acks();
    void enter_quick_acks();
    void note_arrival(const Segment& segment);
    void take_out_of_order(const Segment& segment);
    void take_in_order(const Segment& segment);
    void report(Range duplicate);
    [[nodiscard]] std::uint32_t held() const;
    [[nodiscard]] std::uint32_t offer() const;
    /// So much room; what was offered once is not taken back.
    std::uint32_t advertise(std::uint32_t room) {
        if (after(f_.edge, e_.expected + room)) room = f_.edge - e_.expected;
        f_.edge = e_.expected + room;
        return room;
    }
    void open_window(std::uint32_t length);
    void enlarge(std::uint32_t copied);
    void begin_tuning();
    void measure_receive_rtt(const Segment& segment);

    Machine& m_;
    const Profile& p_;
    Endpoint& e_;
    Flight& f_;
    Instant now_;
    std::int64_t us_;
    std::uint32_t phase_;
    Output& out_;
    const Segment* current_ = nullptr;  // the segment being handled
    bool stays_plain_ = false;          // what was plain before the call still is
};

/// RFC 8985, section 7.2: twice the round trip, and time for a delayed ACK if it is one segment.
inline void Turn::arm_probe(bool advancing) {
    std::int64_t wait = us_of_ticks(m_.initial_rto_);
    if (e_.rtt.known()) {
        const std::int64_t slack =
            f_.out() == 1 ? std::int64_t{rto_floor()} : Machine::kLeastProbeSlack;
        wait = std::int64_t{e_.rtt.mean8 >> 2} + slack;
    }
    if (advancing) {
        wait = std::min(wait, us_of_ticks(e_.rto));
    } else if (const std::int64_t rto = until_rto(); rto > 0) {
        wait = std::min(wait, rto);
    }
    f_.timer = Timer::probe;
    f_.fires = fires_after(ticks_of_us(wait));
}

}  // namespace mqttwin::net::tcp
