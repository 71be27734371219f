#include "mqttwin/net/pipe.hpp"

#include <stdexcept>
#include <string>

#include "mqttwin/base/math.hpp"

namespace mqttwin::net {

namespace {

void refuse(std::string_view where, const char* name, const char* range) {
    throw std::invalid_argument(std::string(where) + name + " must be " + range);
}

bool probability(double p) { return p >= 0.0 && p <= 1.0; }

}  // namespace

void check(const PipeSpec& spec, std::string_view where) {
    constexpr Duration kLongest = hours(1);
    if (spec.latency.ns < 0 || spec.latency > kLongest)
        refuse(where, "latency", "within 0 s to 1 h");
    if (spec.jitter.ns < 0 || spec.jitter > kLongest) refuse(where, "jitter", "within 0 s to 1 h");
    if (!probability(spec.loss)) refuse(where, "loss", "a probability in [0, 1]");
    if (!(spec.bandwidth >= 0.0 && spec.bandwidth <= 1e12)) {
        refuse(where, "bandwidth", "within 0 (unlimited) to 1e12 bit/s");
    }
    if (spec.bandwidth > 0.0 && spec.bandwidth < 1.0)
        refuse(where, "bandwidth", "at least 1 bit/s");
    if (spec.mtu < 68 || spec.mtu > 65'535) refuse(where, "mtu", "within 68 to 65535 bytes");
    if (spec.queue_bytes > 0 && spec.queue_bytes < spec.mtu) {
        refuse(where, "queue_bytes", "0 (unbounded) or at least one MTU");
    }
    const GilbertElliott& b = spec.bursts;
    if (!probability(b.loss_in_good))
        refuse(where, "bursts.loss_in_good", "a probability in [0, 1]");
    if (!probability(b.loss_in_bad)) refuse(where, "bursts.loss_in_bad", "a probability in [0, 1]");
    if (b.clock == GilbertElliott::Clock::time) {
        if (b.good.ns <= 0) refuse(where, "bursts.good", "longer than 0 s");
        if (b.bad.ns <= 0) refuse(where, "bursts.bad", "longer than 0 s");
    }
    if (b.clock == GilbertElliott::Clock::packet) {
        if (!probability(b.to_bad)) refuse(where, "bursts.to_bad", "a probability in [0, 1]");
        if (!probability(b.to_good)) refuse(where, "bursts.to_good", "a probability in [0, 1]");
    }
}

bool Pipe::lost(Instant now, const PipeSpec& spec) {
    const GilbertElliott& b = spec.bursts;
    bool gone = false;
    if (b.clock == GilbertElliott::Clock::time) {
        // Only the state at packets matters: a two-state Markov process, seen at these instants.
        const double good = b.good.seconds();
        const double bad = b.bad.seconds();
        const double share = bad / (good + bad);
        double chance = share;
        if (begun_) {
            const double rest = portable::exp(-(now - seen_).seconds() * (1.0 / good + 1.0 / bad));
            chance = share + ((bad_ ? 1.0 : 0.0) - share) * rest;
        }
        begun_ = true;
        seen_ = now;
        bad_ = stream_.chance(chance);
    } else if (b.clock == GilbertElliott::Clock::packet) {
        bad_ = bad_ ? !stream_.chance(b.to_good) : stream_.chance(b.to_bad);
    }
    if (b.clock != GilbertElliott::Clock::off) {
        const double chance = bad_ ? b.loss_in_bad : b.loss_in_good;
        gone = chance >= 1.0 || (chance > 0.0 && stream_.chance(chance));
    }
    if (spec.loss > 0.0 && stream_.chance(spec.loss)) gone = true;
    return gone;
}

Duration Pipe::delay(const PipeSpec& spec) {
    Duration extra{0};
    switch (spec.jitter_kind) {
        case PipeJitter::none:
            break;
        case PipeJitter::uniform:
            extra = scaled(spec.jitter, 2.0 * stream_.unit() - 1.0);
            break;
        case PipeJitter::normal:
            extra = scaled(spec.jitter, stream_.normal());
            break;
        case PipeJitter::exponential:
            extra = scaled(spec.jitter, stream_.exponential());
            break;
        case PipeJitter::lognormal:
            extra = scaled(spec.jitter, portable::exp(stream_.normal()));
            break;
    }
    return max(spec.latency + extra, Duration{0});
}

Passage Pipe::offer(Instant now, std::uint32_t bytes, const PipeSpec& spec) {
    Passage passage;
    passage.departs = now;
    if (bytes > spec.mtu) {
        passage.fate = Passage::Fate::too_big;
        return passage;
    }
    if (spec.bandwidth > 0.0) {
        while (!waiting_.empty() && waiting_.front().departs <= now) {
            waiting_bytes_ -= waiting_.front().bytes;
            waiting_.pop_front();
        }
        const bool bounded = spec.queue_packets > 0 || spec.queue_bytes > 0;
        if ((spec.queue_packets > 0 && waiting_.size() >= spec.queue_packets) ||
            (spec.queue_bytes > 0 && waiting_bytes_ + bytes > spec.queue_bytes)) {
            passage.fate = Passage::Fate::queue_full;
            return passage;
        }
        const Duration service = scaled(seconds(1), bytes * 8.0 / spec.bandwidth);
        passage.departs = max(now, free_) + service;
        free_ = passage.departs;
        if (bounded) {
            waiting_.push_back({passage.departs, bytes});
            waiting_bytes_ += bytes;
        }
    }
    // After the queue: what is lost in the air has used its time on it.
    if (lost(now, spec)) {
        passage.fate = Passage::Fate::lost;
        return passage;
    }
    passage.arrives = passage.departs + delay(spec);
    if (!spec.reorder) passage.arrives = max(passage.arrives, last_arrival_);
    last_arrival_ = max(last_arrival_, passage.arrives);
    return passage;
}

}  // namespace mqttwin::net
