// One direction of a link, packet by packet: latency, jitter, loss, bandwidth, queue, MTU.
//
// A pipe decides the fate of a packet at the instant it is offered; it keeps no packets and needs
// no events of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"

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
};

struct PipeSpec {
    Duration latency = milliseconds(1);
    Duration jitter{0};
    PipeJitter jitter_kind = PipeJitter::none;
    bool reorder = false;  // a later packet may overtake
    double loss = 0.0;     // independent, in [0, 1]
    GilbertElliott bursts;
    double bandwidth = 0.0;           // bit/s on the IP level; 0 is unlimited
    std::uint32_t queue_packets = 0;  // waiting or in service; 0 is unbounded
    std::uint32_t queue_bytes = 0;
    std::uint32_t mtu = 1500;  // bytes; a larger packet is dropped
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const PipeSpec& spec, std::string_view where);

struct Passage {
    enum class Fate : std::uint8_t { arrives, lost, queue_full, too_big };
    Fate fate = Fate::arrives;
    Instant departs;  // from the queue, also when it is lost later
    Instant arrives;
};

/// State of one pipe.
class Pipe {
   public:
    Pipe() = default;
    explicit Pipe(Stream stream) : stream_(stream) {}

    Passage offer(Instant now, std::uint32_t bytes, const PipeSpec& spec);

   private:
    bool lost(Instant now, const PipeSpec& spec);
    Duration delay(const PipeSpec& spec);

    Stream stream_;
    Instant free_;          // the bandwidth is taken until then
    Instant last_arrival_;  // without reordering nothing arrives before
    Instant seen_;          // when `bad_` was true or not
    bool begun_ = false;
    bool bad_ = false;
    std::uint64_t waiting_bytes_ = 0;
    struct Waiting {
        Instant departs;
        std::uint32_t bytes = 0;
    };
    std::deque<Waiting> waiting_;  // only where a queue is bounded
};

}  // namespace mqttwin::net
