// One direction of a link, packet by packet: latency, jitter, loss, bandwidth, queue.
//
// The fate of a packet is decided at the instant at which it is offered: nothing keeps packets or
// needs events of its own. A `Pipe` is one on its own; link_table.hpp has those of a population.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/latency_curve.hpp"

namespace mqttwin::net {

/// What is added to the latency. The total is never below zero.
enum class PipeJitter : std::uint8_t {
    none,
    uniform,      // within +- spread
    normal,       // standard deviation `spread`
    exponential,  // mean `spread`, never negative
    lognormal,    // median `spread`, sigma 1: a long tail, never negative
};

/// Loss in bursts: two states with loss probabilities of their own. An assumption, not a fact, of
/// any technology: no published parameters are known to us.
struct GilbertElliott {
    enum class Clock : std::uint8_t {
        off,
        time,    // exponential sojourns of mean `good` and `bad`: a fading radio
        packet,  // changes at a packet with probability `to_bad`, `to_good`
    };
    Clock clock = Clock::off;
    Duration good{0};
    Duration bad{0};
    double to_bad = 0.0;
    double to_good = 0.0;
    double loss_in_good = 0.0;
    double loss_in_bad = 1.0;

    /// Probability of the bad state at a packet `since` after the one at which it was `bad`.
    [[nodiscard]] double chance_of_bad(bool bad, Duration since) const;
    /// The same at the first packet.
    [[nodiscard]] double chance_of_bad() const;
};

/// A bound that is none.
inline constexpr std::uint32_t kUnbounded = 0xFFFF'FFFFU;

struct PipeSpec {
    Duration latency = milliseconds(1);  // propagation, one way
    Duration jitter{0};                  // "spread" above
    PipeJitter jitter_kind = PipeJitter::none;
    bool reorder = false;  // a later packet may overtake
    double loss = 0.0;     // independent, in [0, 1]
    GilbertElliott bursts;
    double bandwidth = 0.0;                    // bit/s on the IP level; 0 is unlimited
    std::uint32_t queue_packets = kUnbounded;  // waiting for the bandwidth or on it
    std::uint32_t queue_bytes = kUnbounded;
    LatencyCurve curve;  // in place of `latency` (and of `loss`, where it says so)

    void archive(Archive& a) {
        a(latency, jitter, jitter_kind, reorder, loss, bursts, bandwidth, queue_packets);
        a(queue_bytes, curve);
    }
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const PipeSpec& spec, std::string_view where);

struct Passage {
    enum class Fate : std::uint8_t {
        arrives,
        lost,
        queue_full,
        too_big,  // for the MTU
        outage,   // the link was down
        asleep,   // the network keeps no more for a device that does not listen
        no_way,   // nobody forwards it: a partition, a middlebox that has forgotten the flow
    };
    Fate fate = Fate::arrives;
    /// The network keeps it until the device listens. Should the device send before, offer it
    /// again at that instant and forget this passage: see `woke`.
    bool held = false;
    bool woke = false;  // this packet of the device has released what was held for it
    Instant departs;    // from the queue, also when it is lost later
    Instant arrives;
};

inline bool has_jitter(const PipeSpec& spec) {
    return spec.jitter_kind != PipeJitter::none && spec.jitter.ns > 0;
}
/// What one word of randomness makes of the jitter.
Duration jitter_from(const PipeSpec& spec, std::uint64_t word);

/// How long `bytes` take.
inline Duration sending_time(std::uint32_t bytes, double bandwidth) {
    return scaled(seconds(1), bytes * 8.0 / bandwidth);
}

/// Puts a packet behind what waits for a bandwidth that is taken until `free`, and moves that.
/// Bytes leave evenly, so the time until then tells how many wait: `longest` is that of a full
/// queue. False: it does not fit.
inline bool queue_up(Instant now, Duration sending, Duration longest, Instant& free) {
    const Instant done = max(now, free) + sending;
    if (done - now > longest) return false;
    free = done;
    return true;
}

/// The longest that a queue of so many bytes can last.
inline Duration longest_queue(std::uint32_t queue_bytes, double bandwidth) {
    return queue_bytes == kUnbounded ? Instant::never() - Instant{}
                                     : sending_time(queue_bytes, bandwidth);
}

/// State of one pipe. Time never goes backwards.
class Pipe {
   public:
    Pipe() = default;
    explicit Pipe(Stream stream) : stream_(stream) {}

    Passage offer(Instant now, std::uint32_t bytes, const PipeSpec& spec);

   private:
    bool lost(Instant now, double independent, const GilbertElliott& bursts);
    bool queue(Instant now, std::uint32_t bytes, const PipeSpec& spec);

    Stream stream_;
    Instant free_;          // the bandwidth is taken until then
    Instant last_arrival_;  // without reordering nothing arrives before
    Instant seen_;          // when `bad_` was true or not
    bool begun_ = false;
    bool bad_ = false;
    std::size_t hint_ = 0;
    std::deque<Instant> departures_;  // of what waits, only where its number is bounded
};

}  // namespace mqttwin::net
