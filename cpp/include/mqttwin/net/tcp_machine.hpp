// TCP as Linux does it, as a state machine without clock, socket or bytes.
//
// It is told what happens (a segment arrived, the application wrote so many bytes, the deadline has
// come) and says what follows: segments to send, bytes to deliver. What is between two machines is
// somebody else's (pipe.hpp). Mechanisms and their sources: docs/tcp-model.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/net/tcp_endpoint.hpp"
#include "mqttwin/net/tcp_profile.hpp"
#include "mqttwin/net/tcp_wheel.hpp"

namespace mqttwin::net::tcp {

enum class Over : std::uint8_t { no, orderly, reset, refused, time_out };

/// What follows from one call; the caller clears it before.
struct Output {
    std::vector<Segment> segments;  // all leave now, in this order
    std::uint32_t delivered = 0;    // bytes, in order, that the application has taken
    bool established = false;       // the handshake is complete at this end
    bool peer_closed = false;       // the peer's FIN is next in its stream
    Over over = Over::no;           // the connection is gone

    void clear() {
        segments.clear();
        delivered = 0;
        established = peer_closed = false;
        over = Over::no;
    }
};

/// What a quiet acknowledgement changes of an endpoint, as it was before; and the acknowledgement
/// itself, as far as the endpoint does not tell it afterwards.
struct Undo {
    std::uint32_t acked = 0;
    std::uint32_t peer_window = 0;
    std::uint32_t ts_recent = 0;
    std::uint32_t rack_rtt = 0;
    RttEstimator rtt;
    std::uint32_t ts_value = 0;
    std::uint32_t ts_echo = 0;
    std::uint16_t rto = 0;
    std::uint8_t reorder_steps = 1;
    bool round_over = false;
    bool timestamp = false;
};

/// Counts of all connections of a machine.
struct Counters {
    std::uint64_t data_segments = 0;  // first transmissions
    std::uint64_t retransmissions = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t probes = 0;  // tail-loss probes
    std::uint64_t recoveries = 0;
    std::uint64_t lost_retransmissions = 0;
    std::uint64_t undone = 0;
    std::uint64_t delayed_acks = 0;
};

/// All connections of one kind of host.
class Machine {
   public:
    explicit Machine(const Profile& profile)
        : profile_(profile),
          tick_(profile.jiffy),
          delayed_ack_min_(ticks_of(profile.delayed_ack_min, profile.jiffy)),
          delayed_ack_max_(ticks_of(profile.delayed_ack_max, profile.jiffy)),
          initial_rto_(ticks_of(profile.initial_rto, profile.jiffy)),
          max_rto_(ticks_of(profile.max_rto, profile.jiffy)),
          min_rto_(static_cast<std::uint32_t>(profile.min_rto.ns / 1'000)),
          mss_(profile.mss()),
          quiet_(profile.sack && profile.window_cap >= 2) {}

    // Commands of the application. `end` is the caller's; what it needs besides is in the pool.
    void connect(Moment now, Endpoint& end, Output& out);
    /// A SYN for a port where somebody listens; `end` is fresh.
    void accept(Moment now, Endpoint& end, const Segment& syn, Output& out);
    void write(Moment now, Endpoint& end, std::uint32_t bytes, Output& out);
    /// A FIN after what was written.
    void close(Moment now, Endpoint& end, Output& out);
    /// A reset, and nothing more.
    void abort(Moment now, Endpoint& end, Output& out);
    /// An application that does not read lets the window close.
    void set_reading(Moment now, Endpoint& end, bool reading, Output& out);
    /// Without a word.
    void vanish(Endpoint& end);

    void receive(Moment now, Endpoint& end, const Segment& segment, Output& out);
    /// To be called at `deadline`; earlier calls do nothing.
    void handle_deadline(Moment now, Endpoint& end, Output& out);
    [[nodiscard]] Instant deadline(const Endpoint& end) const {
        if (!end.flying) return Instant::never();
        const Flight& f = pool_[end.flight()];
        return min(f.fires, min(f.ack_at, f.keep_alive));
    }

    // The quiet exchange (tcp_quiet.hpp): the same on endpoints that have nothing under way,
    // without a flight. The caller remembers that `bytes` are out since `sent`, and gives the
    // machine the whole picture by `resume` as soon as anything else happens.
    [[nodiscard]] bool can_write_quietly(const Endpoint& e, std::uint32_t bytes) const {
        return at_rest(e) && bytes < mss_ && bytes <= e.peer_window && e.cwnd >= 2 && quiet_;
    }
    /// `owing`: what `receive_quietly` left to be acknowledged.
    void write_quietly(Moment now, Endpoint& end, std::uint32_t bytes, bool owing,
                       Segment& segment);
    /// The same segment again, as long as nothing else has happened to the endpoint.
    [[nodiscard]] Segment quiet_segment(const Endpoint& end, std::uint32_t bytes,
                                        std::uint32_t timestamp) const;
    [[nodiscard]] std::uint32_t quiet_wire_bytes(const Endpoint& end, std::uint32_t bytes) const {
        return 40 + (end.no_timestamps ? 0 : 12) + bytes;
    }
    /// `out`: what this end has sent quietly, and the segment acknowledges.
    [[nodiscard]] bool can_receive_quietly(const Endpoint& e, std::uint32_t out,
                                           const Segment& s) const {
        return at_rest(e) && s.length > 0 && s.length < mss_ && s.seq == e.expected && s.push &&
               s.has_ack && !s.fin && !s.syn && !s.reset && s.sacks == 0 &&
               s.ack == e.acked + out && 4 * s.length <= e.window && profile_.sack;
    }
    /// The application has taken it all. True: `ack` is to be sent; false: an ACK is owed, until
    /// `owed_until`. `owing`: one is owed already.
    bool receive_quietly(Moment now, Endpoint& end, const Segment& segment, bool owing,
                         Segment& ack);
    [[nodiscard]] Instant owed_until(Moment now, const Endpoint& end) const;
    [[nodiscard]] static bool can_acknowledge_quietly(const Endpoint& e, std::uint32_t out,
                                                      const Segment& s) {
        return at_rest(e) && s.ack == e.acked + out && s.has_ack && s.seq == e.expected && !s.syn &&
               !s.reset && !s.fin && s.sacks == 0 && e.cwnd >= 2;
    }
    /// What it acknowledges was sent at `first`, if there are two of them the second at `last`.
    void acknowledge_quietly(Instant now, Endpoint& end, Instant first, Instant last, bool owing,
                             const Segment& segment);
    /// The endpoint before an acknowledgement, and what was taken back of one.
    static void remember(const Endpoint& end, const Segment& ack, Undo& undo);
    static Segment take_back(Endpoint& end, const Undo& undo);
    /// No timer of a quiet segment fires sooner after it was sent.
    [[nodiscard]] Duration patience(const Endpoint& e) const {
        const Duration rto = profile_.jiffy * e.rto;
        if (!e.rtt.known()) return min(profile_.initial_rto, rto);
        return min(microseconds(std::int64_t{e.rtt.mean8 >> 2}) + profile_.min_rto, rto);
    }
    /// A second segment while the first has been read and is not acknowledged: no limit is near.
    [[nodiscard]] bool can_write_second_quietly(const Endpoint& e, std::uint32_t first,
                                                std::uint32_t bytes) const {
        return can_write_quietly(e, first + bytes) && std::min(e.cwnd, profile_.window_cap) >= 4 &&
               e.rtt.known() && !profile_.nagle && profile_.send_buffer >= 4 * mss_;
    }
    /// From when the second was sent, that long after the first.
    [[nodiscard]] Duration patience_with_two(const Endpoint& e, Duration apart) const {
        const std::int64_t probe = std::int64_t{e.rtt.mean8 >> 2} + kLeastProbeSlack;
        return min(microseconds(probe), profile_.jiffy * e.rto - apart);
    }
    void resume(Endpoint& end, Moment sent, std::uint32_t bytes);
    void resume_owing(Moment now, Endpoint& end, std::uint32_t received, Instant until);
    /// The other way round: if all that the flight knows is what `resume` would tell it, what that
    /// is; of a flight of another kind no bytes.
    struct Told {
        Instant at;  // sent then, in whole us, or owed until then
        std::uint32_t bytes = 0;
    };
    [[nodiscard]] Told resumed(const Endpoint& end) const;
    [[nodiscard]] Told resumed_owing(const Endpoint& end) const;
    /// And then it is given up.
    void ground(Endpoint& end);

    // The plain exchange (tcp_plain.cpp): the same while more is under way, as long as nothing is
    // out of the ordinary. False: nothing was done.
    bool write_plainly(Moment now, Endpoint& end, std::uint32_t bytes, Segment& segment);
    bool receive_plainly(Moment now, Endpoint& end, const Segment& segment, Output& out);

    /// An acknowledgement would change what is sent next; otherwise it may be told later, before
    /// anything else.
    [[nodiscard]] bool wants_acks(const Endpoint& end) const {
        if (!end.flying) return false;
        const Flight& f = pool_[end.flight()];
        return !f.plain && wants_acks_now(end, f);  // else there is nothing of it: Turn::is_plain
    }
    /// After this one nothing is out, and no ACK of one's own is owed, which it could bring
    /// forward. (Who owes one without a flight has nothing out that could be acknowledged.)
    [[nodiscard]] bool needs_no_timer(const Endpoint& end, const Segment& ack) const {
        if (!end.flying) return true;
        const Flight& f = pool_[end.flight()];
        return ack.ack == f.next && !f.ack_due;
    }
    /// After the first of the acknowledgements under way no timer that one of them sets fires
    /// sooner.
    [[nodiscard]] Duration least_timer(const Endpoint& end) const;
    /// Nor does any timer fire within a tick of being set.
    [[nodiscard]] Duration tick() const { return profile_.jiffy; }

    /// What a host without that connection answers; false: nothing.
    static bool refuse(const Segment& segment, Segment& answer);

    /// For tests: every call goes through every mechanism.
    void set_plain(bool plain) { plain_ = plain; }

    [[nodiscard]] const Profile& profile() const { return profile_; }
    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] std::size_t flights() const { return pool_.live(); }
    [[nodiscard]] std::size_t footprint() const { return pool_.footprint(); }
    [[nodiscard]] const Flight* flight_of(const Endpoint& end) const {
        return end.flying ? &pool_[end.flight()] : nullptr;
    }
    /// Its connections, not its profile.
    void archive(Archive& a) { a(counters_, pool_); }

    /// Of a tail-loss probe with several segments out, beside two round trips, us (RFC 8985, 7.2).
    static constexpr std::int64_t kLeastProbeSlack = 2'000;

   private:
    friend class Turn;

    static bool wants_acks_now(const Endpoint& end, const Flight& flight);
    /// How long an ACK waits for something to carry it, ticks.
    [[nodiscard]] std::uint32_t delay_of_ack(const Endpoint& e) const {
        const std::uint32_t delay = e.ack_delay > 0 ? e.ack_delay : 1U;
        const std::uint32_t least = delayed_ack_min_;
        if (delay <= least) return delay;
        std::uint32_t most = delayed_ack_max_;
        if (e.rtt.known()) most = std::min(most, std::max(tick_.cover(e.rtt.mean()), least));
        return std::min(delay, most);
    }
    static bool at_rest(const Endpoint& e) {
        return e.state == State::established && !e.flying && !e.probe_open && e.reading &&
               !e.done && !e.silent;
    }

    Profile profile_;
    Tick tick_;
    std::uint32_t delayed_ack_min_;  // ticks, these four
    std::uint32_t delayed_ack_max_;
    std::uint32_t initial_rto_;
    std::uint32_t max_rto_;
    std::uint32_t min_rto_;  // us
    std::uint32_t mss_;
    bool quiet_;  // the profile allows of quiet exchanges
    bool plain_ = true;
    Counters counters_;
    FlightPool pool_;
};

}  // namespace mqttwin::net::tcp
