#include "mqttwin/net/pipe.hpp"

#include "mqttwin/base/math.hpp"

#include "refuse.hpp"

namespace mqttwin::net {

namespace {

void check(const GilbertElliott& b, std::string_view where) {
    constexpr std::string_view kProbability = "a probability in [0, 1]";
    if (!is_probability(b.loss_in_good)) refuse(where, "bursts.loss_in_good", kProbability);
    if (!is_probability(b.loss_in_bad)) refuse(where, "bursts.loss_in_bad", kProbability);
    if (b.clock == GilbertElliott::Clock::time) {
        if (b.good.ns <= 0) refuse(where, "bursts.good", "longer than 0 s");
        if (b.bad.ns <= 0) refuse(where, "bursts.bad", "longer than 0 s");
    }
    if (b.clock == GilbertElliott::Clock::packet) {
        if (!is_probability(b.to_bad)) refuse(where, "bursts.to_bad", kProbability);
        if (!is_probability(b.to_good)) refuse(where, "bursts.to_good", kProbability);
    }
}

}  // namespace

void check(const PipeSpec& spec, std::string_view where) {
    if (spec.latency.ns < 0 || spec.latency > kLongestDelay)
        refuse(where, "latency", "within 0 s to 1 h");
    if (spec.jitter.ns < 0 || spec.jitter > kLongestDelay)
        refuse(where, "jitter", "within 0 s to 1 h");
    if (!is_probability(spec.loss)) refuse(where, "loss", "a probability in [0, 1]");
    if (!(spec.bandwidth == 0.0 || (spec.bandwidth >= 1.0 && spec.bandwidth <= 1e12))) {
        refuse(where, "bandwidth", "0 (unlimited) or within 1 to 1e12 bit/s");
    }
    if (spec.queue_packets == 0) refuse(where, "queue_packets", "at least 1");
    if (spec.queue_bytes == 0) refuse(where, "queue_bytes", "at least one MTU");
    check(spec.bursts, where);
    check(spec.curve, std::string(where) + "curve.");
}

double GilbertElliott::chance_of_bad() const {
    if (clock == Clock::packet) return to_bad;  // good before the first
    return bad.seconds() / (good.seconds() + bad.seconds());
}

double GilbertElliott::chance_of_bad(bool was_bad, Duration since) const {
    if (clock == Clock::packet) return was_bad ? 1.0 - to_good : to_bad;
    // Only the state at packets matters: a two-state Markov process, seen at these instants.
    const double share = chance_of_bad();
    const double rest =
        portable::exp(-since.seconds() * (1.0 / good.seconds() + 1.0 / bad.seconds()));
    return share + ((was_bad ? 1.0 : 0.0) - share) * rest;
}

Duration jitter_from(const PipeSpec& spec, std::uint64_t word) {
    switch (spec.jitter_kind) {
        case PipeJitter::none:
            break;
        case PipeJitter::uniform:
            return scaled(spec.jitter, 2.0 * unit_from(word) - 1.0);
        case PipeJitter::normal:
            return scaled(spec.jitter, normal_from(word));
        case PipeJitter::exponential:
            return scaled(spec.jitter, exponential_from(word));
        case PipeJitter::lognormal:
            return scaled(spec.jitter, portable::exp(normal_from(word)));
    }
    return {};
}

bool Pipe::lost(Instant now, double independent, const GilbertElliott& b) {
    bool gone = false;
    if (b.clock != GilbertElliott::Clock::off) {
        bad_ = stream_.chance(begun_ ? b.chance_of_bad(bad_, now - seen_) : b.chance_of_bad());
        begun_ = true;
        seen_ = now;
        const double chance = bad_ ? b.loss_in_bad : b.loss_in_good;
        gone = chance >= 1.0 || (chance > 0.0 && stream_.chance(chance));
    }
    if (independent > 0.0 && stream_.chance(independent)) gone = true;
    return gone;
}

bool Pipe::queue(Instant now, std::uint32_t bytes, const PipeSpec& spec) {
    const bool counted = spec.queue_packets != kUnbounded;
    if (counted) {
        while (!departures_.empty() && departures_.front() <= now) departures_.pop_front();
        if (departures_.size() >= spec.queue_packets) return false;
    }
    if (!queue_up(now, sending_time(bytes, spec.bandwidth),
                  longest_queue(spec.queue_bytes, spec.bandwidth), free_)) {
        return false;
    }
    if (counted) departures_.push_back(free_);
    return true;
}

Passage Pipe::offer(Instant now, std::uint32_t bytes, const PipeSpec& spec) {
    Passage passage;
    passage.departs = now;
    if (spec.bandwidth > 0.0) {
        if (!queue(now, bytes, spec)) {
            passage.fate = Passage::Fate::queue_full;
            return passage;
        }
        passage.departs = free_;
    }
    Duration latency = spec.latency;
    double independent = spec.loss;
    if (!spec.curve.empty()) {
        const LatencyCurve::Point point = spec.curve.look(passage.departs, hint_);
        latency = point.latency;
        if (point.loss >= 0.0) independent = point.loss;
    }
    // After the queue: what is lost in the air has used its time on it.
    if (lost(now, independent, spec.bursts)) {
        passage.fate = Passage::Fate::lost;
        return passage;
    }
    if (has_jitter(spec)) latency += jitter_from(spec, stream_.next());
    passage.arrives = passage.departs + max(latency, Duration{0});
    if (!spec.reorder) passage.arrives = max(passage.arrives, last_arrival_);
    last_arrival_ = max(last_arrival_, passage.arrives);
    return passage;
}

}  // namespace mqttwin::net
