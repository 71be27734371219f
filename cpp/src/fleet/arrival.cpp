#include "mqttwin/fleet/arrival.hpp"

#include <algorithm>
#include <limits>

#include "mqttwin/base/prefetch.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

constexpr Range kPositive = Range::positive();
constexpr Range kNotNegative = Range::not_negative();

// t + d for d >= 0; never() where 64 bits end.
Instant later(Instant t, Duration d) {
    return d.ns < Instant::never().ns - t.ns ? t + d : Instant::never();
}

// Uniform in [0, bound): the high half of the product, whole nanoseconds and no rounding.
Duration share_of(std::uint64_t word, Duration bound) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(word) * static_cast<std::uint64_t>(bound.ns);
    return {static_cast<std::int64_t>(product >> 64)};
}

std::string purpose_of(std::string_view purpose, std::string_view parameter) {
    return join({purpose, "/", parameter});
}

void check_process(const Periodic& p) {
    p.every.check("every", kPositive);
    if (p.phase) p.phase->check("phase", kNotNegative);
    p.jitter.check("jitter", kNotNegative);
    if (p.every.is_scalar() && p.jitter.is_scalar() && p.jitter.at(0) > p.every.at(0)) {
        refuse("jitter in seconds",
               {number_text(p.jitter.at(0).seconds()), " is not allowed (must be <= every, ",
                number_text(p.every.at(0).seconds()), ")"});
    }
}

void check_process(const Poisson& p) {
    if (p.rate) {
        p.rate->check("rate per second", Range{0.0, 1e9, true});
    } else {
        p.mean.check("mean", kPositive);
    }
}

void check_process(const ReplayedInstants& p) {
    if (!p.instants || p.instants->empty()) refuse("instants", {"there must be at least one"});
    const std::vector<Duration>& instants = *p.instants;
    if (instants.size() > std::numeric_limits<std::uint32_t>::max()) {
        refuse("instants", {"there are too many (at most 4294967295)"});
    }
    if (instants.front() < Duration{0}) refuse("instants", {"the first one is before the start"});
    const auto later_one = std::is_sorted_until(instants.begin(), instants.end());
    if (later_one != instants.end()) {
        refuse("instants",
               {"number ", number_text(later_one - instants.begin()), " (counted from 0), ",
                number_text(later_one->seconds()), " s, is before the one in front of it"});
    }
    p.offset.check("offset", kNotNegative);
    const double last = instants.back().seconds();
    DurationColumn(instants.back()).check("instants", kNotNegative);
    if (p.loop) DurationColumn(p.span).check("span", Range{last, kPositive.high, true});
}

void check_process(const Once& p) { p.at.check("at", kNotNegative); }

// Where a device's own numbers are given, none may ask for more jitter than its period.
void check_jitter(const DurationColumn& every, const DurationColumn& jitter,
                  const Population& population) {
    if (every.is_drawn() || jitter.is_drawn()) return;
    const std::uint32_t count = every.is_scalar() && jitter.is_scalar() ? 1 : population.count();
    for (Device device = 0; device < count; ++device) {
        if (jitter.at(device) > every.at(device)) {
            refuse("jitter in seconds",
                   {number_text(jitter.at(device).seconds()), " (device ", number_text(device),
                    ") is not allowed (must be <= every, ", number_text(every.at(device).seconds()),
                    ")"});
        }
    }
}

}  // namespace

void check(const ArrivalSpec& spec) {
    std::visit([](const auto& process) { check_process(process); }, spec.process);
    if (spec.from < Instant{0}) refuse("from", {"must not be before the start of the world"});
    if (spec.until <= spec.from) refuse("until", {"must be later than from"});
}

Arrival::Arrival(const ArrivalSpec& spec, const Population& population, std::string_view purpose)
    : from_(spec.from), until_(spec.until), key_(population.key(purpose)) {
    check(spec);
    const auto bind = [&](const DurationColumn& column, std::string_view parameter, Range range) {
        return column.bound(population, purpose_of(purpose, parameter), parameter, range);
    };
    if (const auto* periodic = std::get_if<Periodic>(&spec.process)) {
        kind_ = Kind::periodic;
        every_ = bind(periodic->every, "every", kPositive);
        jitter_ = bind(periodic->jitter, "jitter", kNotNegative);
        check_jitter(every_, jitter_, population);
        has_jitter_ = !jitter_.is_scalar() || jitter_.at(0) > Duration{0};
        drawn_phase_ = !periodic->phase;
        phase_key_ = population.key(purpose_of(purpose, "phase"));
        if (periodic->phase) offset_ = bind(*periodic->phase, "phase", kNotNegative);
    } else if (const auto* poisson = std::get_if<Poisson>(&spec.process)) {
        kind_ = Kind::poisson;
        if (poisson->rate) {
            rate_ = poisson->rate->bound(population, purpose_of(purpose, "rate"), "rate per second",
                                         Range{0.0, 1e9, true});
        } else {
            every_ = bind(poisson->mean, "mean", kPositive);
        }
    } else if (const auto* replay = std::get_if<ReplayedInstants>(&spec.process)) {
        kind_ = Kind::replay;
        instants_ = replay->instants;
        loop_ = replay->loop;
        span_ = replay->span;
        offset_ = bind(replay->offset, "offset", kNotNegative);
        find_positions(population);
    } else {
        kind_ = Kind::once;
        offset_ = bind(std::get<Once>(spec.process).at, "at", kNotNegative);
    }
}

// Looked up once, so that no message has to search the recording.
void Arrival::find_positions(const Population& population) {
    std::vector<std::uint32_t> positions(offset_.is_scalar() ? 1 : population.count());
    for (Device device = 0; device < positions.size(); ++device) {
        const Duration into = offset_into(device);
        const auto found = std::lower_bound(instants_->begin(), instants_->end(), into);
        positions[device] = static_cast<std::uint32_t>(found - instants_->begin());
    }
    positions_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(positions));
}

Duration Arrival::offset_into(Device device) const {
    const Duration offset = offset_.at(device);
    return loop_ ? Duration{offset.ns % span_.ns} : offset;
}

Duration Arrival::period(Device device) const {
    return max(every_.at(device), Duration{1});  // a drawn one may have been rounded to 0
}

// A block of 128 random bits holds the jitter of two instants, number 2k and 2k + 1.
Duration Arrival::jitter(Device device, std::uint32_t n, Duration every) const {
    const Duration bound = min(jitter_.at(device), every);
    return share_of(draw128(key_, device, n >> 1)[n & 1U], bound);
}

Duration Arrival::change_of_jitter(Device device, std::uint32_t n, Duration every) const {
    const Duration bound = min(jitter_.at(device), every);
    const auto block = draw128(key_, device, n >> 1);
    const bool same_block = (n & 1U) != 0;
    const std::uint64_t before = same_block ? block[0] : draw128(key_, device, (n >> 1) - 1)[1];
    return share_of(block[n & 1U], bound) - share_of(before, bound);
}

Duration Arrival::exponential_gap(Device device, std::uint32_t n) const {
    const double mean = rate_ ? 1e9 / rate_->at(device) : static_cast<double>(every_.at(device).ns);
    const double gap = mean * exponential_from(draw64(key_, device, n)) + 0.5;
    constexpr double kLongest = 9.2e18;
    return {gap < kLongest ? static_cast<std::int64_t>(gap) : Instant::never().ns};
}

// When, after the device's start, the instant at this position of the (repeated) recording is.
Duration Arrival::recorded(Device device, std::uint64_t position) const {
    const std::uint64_t round = position / instants_->size();
    const std::uint64_t within = position % instants_->size();
    if (round > 0 && !loop_) return {Instant::never().ns};
    const auto rounds = static_cast<std::int64_t>(round);
    if (rounds > (Instant::never().ns - span_.ns) / (span_.ns + 1)) return {Instant::never().ns};
    return (*instants_)[within] + span_ * rounds - offset_into(device);
}

std::uint64_t Arrival::first_position(Device device) const {
    return positions_->size() == 1 ? positions_->front() : (*positions_)[device];
}

Instant Arrival::first(Device device, Instant start) const {
    const Instant begin = max(start, from_);
    switch (kind_) {
        case Kind::periodic: {
            const Duration every = period(device);
            Duration delay =
                drawn_phase_ ? share_of(draw64(phase_key_, device, 0), every) : offset_.at(device);
            if (has_jitter_) delay += jitter(device, 0, every);
            return within(later(begin, delay));
        }
        case Kind::poisson:
            return within(later(begin, exponential_gap(device, 0)));
        case Kind::replay:
            return within(later(begin, recorded(device, first_position(device))));
        case Kind::once:
            return within(later(begin, offset_.at(device)));
    }
    return Instant::never();
}

Instant Arrival::next(Device device, Instant previous, std::uint32_t n) const {
    switch (kind_) {
        case Kind::periodic: {
            const Duration every = period(device);
            if (!has_jitter_) return within(later(previous, every));
            // As if the instant before had had no jitter: no drift.
            return within(later(previous, every + change_of_jitter(device, n, every)));
        }
        case Kind::poisson:
            return within(later(previous, exponential_gap(device, n)));
        case Kind::replay: {
            const std::uint64_t position = first_position(device) + n;
            const Duration now = recorded(device, position);
            if (now.ns == Instant::never().ns) return Instant::never();
            return within(later(previous, now - recorded(device, position - 1)));
        }
        case Kind::once:
            break;
    }
    return Instant::never();
}

void Arrival::prefetch(Device device) const {
    every_.prefetch(device);
    offset_.prefetch(device);
    jitter_.prefetch(device);
    if (positions_ && positions_->size() > 1) mqttwin::prefetch(positions_->data() + device);
}

}  // namespace mqttwin::fleet
