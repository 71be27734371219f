#include "mqttwin/net/link_table.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "mqttwin/base/math.hpp"

namespace mqttwin::net {

namespace {

constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 4;

bool bounded_by_number(const PipeSpec& pipe) {
    return pipe.bandwidth > 0.0 && pipe.queue_packets != kUnbounded;
}

/// Independent loss that changes with time.
bool loss_varies(const PipeSpec& pipe) {
    return std::any_of(pipe.curve.points.begin(), pipe.curve.points.end(),
                       [](const LatencyCurve::Point& point) { return point.loss >= 0.0; });
}

bool has_bursts(const PipeSpec& pipe) { return pipe.bursts.clock != GilbertElliott::Clock::off; }

/// Where in its period a device is at instant 0.
Duration phase(StreamKey key, std::uint32_t device, Duration period) {
    const auto length = static_cast<std::uint64_t>(period.ns);
    return {static_cast<std::int64_t>(Stream(key, device).below(length))};
}

constexpr std::uint32_t low(std::int64_t word) { return static_cast<std::uint32_t>(word); }
constexpr std::uint32_t high(std::int64_t word) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(word) >> 32);
}
constexpr std::int64_t two(std::uint32_t low, std::uint32_t high) {
    return static_cast<std::int64_t>((std::uint64_t{high} << 32) | low);
}

}  // namespace

// --- Rows ----------------------------------------------------------------------------------------

LinkTable::LinkTable(const LinkSpec& spec, std::uint64_t seed, std::string_view population,
                     std::uint32_t devices)
    : spec_(spec), devices_(devices) {
    check(spec);
    const bool calm = spec.sleep.kind == SleepSpec::Kind::off && spec.outages.empty() &&
                      spec.random_outages.kind == RandomOutages::Kind::off;
    for (std::size_t side = 0; side < 2; ++side) {
        const PipeSpec& pipe = side == 0 ? spec_.up : spec_.down;
        const bool jitter = has_jitter(pipe);
        Way& way = ways_[side];
        way.simple =
            calm && !jitter && !has_bursts(pipe) && pipe.curve.empty() && !bounded_by_number(pipe);
        // Elsewhere nothing can overtake.
        way.ordered = !pipe.reorder &&
                      (jitter || !pipe.curve.empty() || spec.sleep.kind != SleepSpec::Kind::off);
        way.latency = pipe.latency;
        way.varies = loss_varies(pipe);
        if (!way.varies) way.loss = pipe.loss;
        way.loss_rate = way.loss < 1.0 ? std::max(-portable::log(1.0 - way.loss), way.loss)
                                       : std::numeric_limits<double>::infinity();
        way.lossy = way.loss > 0.0;
        way.bandwidth = pipe.bandwidth;
        way.limited = pipe.bandwidth > 0.0;
        if (pipe.bandwidth > 0.0) way.longest = longest_queue(pipe.queue_bytes, pipe.bandwidth);
        way.packets = StreamKey::of(seed, population, side == 0 ? "link up" : "link down");
        way.losses = StreamKey::of(seed, population, side == 0 ? "loss up" : "loss down");
        way.bursts = StreamKey::of(seed, population, side == 0 ? "bursts up" : "bursts down");
    }
    sleep_key_ = StreamKey::of(seed, population, "link sleep");
    outage_key_ = StreamKey::of(seed, population, "link outages");
    lay_out();
}

void LinkTable::lay_out() {
    const auto place = [this](std::uint8_t& where) { where = static_cast<std::uint8_t>(width_++); };
    bool counted = false;
    bool loses = false;
    bool flagged = false;
    bool queues = false;
    for (std::size_t side = 0; side < 2; ++side) {
        const PipeSpec& pipe = side == 0 ? spec_.up : spec_.down;
        const bool bursts = has_bursts(pipe);
        const Way& way = ways_[side];
        counted = counted || way.loss > 0.0 || way.varies || bursts || has_jitter(pipe);
        loses = loses || way.loss > 0.0;
        flagged = flagged || bursts;
        if (pipe.bandwidth > 0.0) place(layout_.free[side]);
        if (ways_[side].ordered) place(layout_.arrival[side]);
        if (bursts) place(layout_.seen[side]);
        if (bounded_by_number(pipe)) place(layout_.waiting[side]);
        queues = queues || bounded_by_number(pipe);
    }
    const bool sleeps = spec_.sleep.kind != SleepSpec::Kind::off;
    const bool random = spec_.random_outages.kind == RandomOutages::Kind::exponential;
    if (queues) place(layout_.counts);
    if (counted) place(layout_.draws);
    if (loses) place(layout_.losses);
    if (flagged || sleeps || random) place(layout_.flags);
    if (sleeps) place(layout_.last_packet);
    if (sleeps) place(layout_.held_until);
    if (random) place(layout_.turn);

    rows_.assign(std::size_t{devices_} * width_, 0);
    for (std::uint32_t device = 0; device < devices_; ++device) {
        for (std::size_t side = 0; side < 2; ++side) {
            if (layout_.seen[side] != kAbsent) word(device, layout_.seen[side]) = kLongAgo;
            if (layout_.waiting[side] != kAbsent)
                word(device, layout_.waiting[side]) = two(kNone, kNone);
        }
        if (!sleeps) continue;
        // As if its last packet had been some time ago, another one for each device.
        word(device, layout_.last_packet) = spec_.sleep.kind == SleepSpec::Kind::psm
                                                ? -phase(sleep_key_, device, spec_.sleep.period).ns
                                                : kLongAgo;
    }
}

std::int64_t LinkTable::Flags::pack() const {
    const unsigned bits = (bad[0] ? 1U : 0U) | (bad[1] ? 2U : 0U) | (down ? 4U : 0U) |
                          (begun ? 8U : 0U) | (unsigned{held} << 16);
    return two(bits, changes);
}

LinkTable::Flags LinkTable::Flags::unpack(std::int64_t word) {
    const std::uint32_t bits = low(word);
    Flags out;
    out.bad = {(bits & 1U) != 0, (bits & 2U) != 0};
    out.down = (bits & 4U) != 0;
    out.begun = (bits & 8U) != 0;
    out.held = static_cast<std::uint16_t>(bits >> 16);
    out.changes = high(word);
    return out;
}

std::size_t LinkTable::footprint() const {
    std::size_t curves = 0;
    for (const PipeSpec* pipe : {&spec_.up, &spec_.down})
        curves += pipe->curve.points.capacity() * sizeof(LatencyCurve::Point);
    return rows_.capacity() * sizeof(std::int64_t) + down_.capacity() * sizeof(std::uint64_t) +
           waiting_.capacity() * (sizeof(Waiting) + sizeof(std::uint32_t)) +
           spec_.outages.capacity() * sizeof(Outage) + curves;
}

// --- A packet ------------------------------------------------------------------------------------

Passage LinkTable::pass(Instant now, std::uint32_t device, bool up, std::uint32_t bytes,
                        SharedCapacity* shared) {
    const std::size_t side = up ? 0 : 1;
    const PipeSpec& pipe = up ? spec_.up : spec_.down;
    Way& way = ways_[side];
    Passage passage;
    passage.departs = now;
    const auto end = [&passage](Passage::Fate fate) {
        passage.fate = fate;
        return passage;
    };
    if (bytes > spec_.mtu) return end(Passage::Fate::too_big);
    if (!this->up(now, device)) return end(Passage::Fate::outage);
    if (shared != nullptr) {
        passage = shared->offer(now, up, bytes);
        if (passage.fate != Passage::Fate::arrives) return passage;
    }
    const Instant offered = passage.departs;
    const bool sleeps = layout_.last_packet != kAbsent;
    if (sleeps && !find_awake(offered, device, up, passage)) return end(Passage::Fate::asleep);
    if (pipe.bandwidth > 0.0 && !queue(passage.departs, device, side, bytes, passage))
        return end(Passage::Fate::queue_full);

    Duration latency = way.latency;
    double loss = way.varies ? pipe.loss : 0.0;  // to be drawn
    if (!pipe.curve.empty()) {
        const LatencyCurve::Point point = pipe.curve.look(passage.departs, way.hint);
        latency = point.latency;
        if (point.loss >= 0.0) loss = point.loss;
    }
    // After the queue: what is lost in the air has used its time on it.
    const bool jitter = has_jitter(pipe);
    const bool bursts = has_bursts(pipe);
    std::array<std::uint64_t, 2> words{};
    if (loss > 0.0 || way.loss > 0.0 || jitter || bursts) {
        std::int64_t* const row = row_of(device);
        const std::uint32_t number = take_number(row, up);
        bool lost = way.lossy && loses(row, device, up, number);  // counts every packet
        if (bursts && lost_in_burst(offered, device, side, number)) lost = true;
        if (!lost && (loss > 0.0 || jitter)) words = draw128(way.packets, device, number);
        if (lost || (loss > 0.0 && unit_from(words[0]) < loss)) return end(Passage::Fate::lost);
    }
    if (jitter) latency = max(latency + jitter_from(pipe, words[1]), Duration{0});
    passage.arrives = passage.departs + latency;
    if (way.ordered) {
        std::int64_t& last = word(device, layout_.arrival[side]);
        passage.arrives.ns = last = std::max(passage.arrives.ns, last);
    }
    if (sleeps && !up && !passage.held) {
        std::int64_t& last = word(device, layout_.last_packet);
        last = std::max(last, passage.arrives.ns);
    }
    return passage;
}

/// Moves passage.departs to where the packet has left the queue. False: the queue is full.
bool LinkTable::queue(Instant now, std::uint32_t device, std::size_t side, std::uint32_t bytes,
                      Passage& passage) {
    const PipeSpec& pipe = side == 0 ? spec_.up : spec_.down;
    // What is held for a sleeping device is bounded by a buffer of its own.
    const bool counted = layout_.waiting[side] != kAbsent && !passage.held;
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
    if (counted) {
        std::int64_t& ends = word(device, layout_.waiting[side]);
        std::int64_t& counts = word(device, layout_.counts);
        first = low(ends);
        last = high(ends);
        while (first != kNone && waiting_[first].departs <= now) {
            const std::uint32_t gone = first;
            first = waiting_[gone].next;
            waiting_.give_back(gone);
            take_half(counts, side == 0, 0xFFFF'FFFFU);
        }
        if (first == kNone) last = kNone;
        ends = two(first, last);
        const std::uint32_t count = half(counts, side == 0);
        if (count >= pipe.queue_packets) return false;
    }
    Instant free{word(device, layout_.free[side])};
    if (!queue_up(now, sending_time(bytes, pipe.bandwidth), ways_[side].longest, free))
        return false;
    word(device, layout_.free[side]) = free.ns;
    passage.departs = free;
    if (!counted) return true;
    const std::uint32_t mine = waiting_.take();
    waiting_[mine].departs = free;
    if (last != kNone) waiting_[last].next = mine;
    word(device, layout_.waiting[side]) = two(first == kNone ? mine : first, mine);
    take_half(word(device, layout_.counts), side == 0, 1);
    return true;
}

/// The packet with that number is the one that was to be lost next, or the first of all, for which
/// nothing has been drawn yet. Draws when the next one is.
bool LinkTable::meet_loss(std::uint32_t device, bool up, std::uint32_t number) {
    const Way& way = ways_[up ? 0 : 1];
    const auto words = draw128(way.losses, device, number);
    const auto packets = [&way](std::uint64_t drawn) {
        // Geometric: the whole part of an exponential one. Rarer than one in 2^32 is so rare.
        constexpr double kMost = 0xFFFF'FFFEU;
        return static_cast<std::uint32_t>(std::min(exponential_from(drawn) / way.loss_rate, kMost));
    };
    std::uint32_t next = number;
    if (number == 0) next += packets(words[1]);
    const bool lost = next == number;
    if (lost) next += 1 + packets(words[0]);
    std::int64_t& both = word(device, layout_.losses);
    both = up ? two(next, high(both)) : two(low(both), next);
    return lost;
}

bool LinkTable::lost_in_burst(Instant now, std::uint32_t device, std::size_t side,
                              std::uint32_t number) {
    const GilbertElliott& bursts = side == 0 ? spec_.up.bursts : spec_.down.bursts;
    const auto words = draw128(ways_[side].bursts, device, number);
    Flags flags = Flags::unpack(word(device, layout_.flags));
    std::int64_t& seen = word(device, layout_.seen[side]);
    const double chance = seen == kLongAgo
                              ? bursts.chance_of_bad()
                              : bursts.chance_of_bad(flags.bad[side], now - Instant{seen});
    seen = now.ns;
    const bool bad = unit_from(words[0]) < chance;
    flags.bad[side] = bad;
    word(device, layout_.flags) = flags.pack();
    return unit_from(words[1]) < (bad ? bursts.loss_in_bad : bursts.loss_in_good);
}

// --- Outages -------------------------------------------------------------------------------------

void LinkTable::set_down(std::uint32_t device, bool down) {
    assert(device < devices_);
    if (down_.empty()) down_.assign((std::size_t{devices_} + 63) / 64, 0);
    std::uint64_t& bits = down_[device / 64];
    const std::uint64_t bit = std::uint64_t{1} << (device % 64);
    if (((bits & bit) != 0) == down) return;
    bits ^= bit;
    any_down_ += down ? 1U : 0xFFFF'FFFFU;
}

bool LinkTable::up(Instant now, std::uint32_t device) {
    if (is_down(device)) return false;
    if (!spec_.outages.empty() && in_scheduled_outage(now)) return false;
    return spec_.random_outages.kind == RandomOutages::Kind::off || !in_random_outage(now, device);
}

bool LinkTable::in_scheduled_outage(Instant now) {
    // The first that has not ended; time mostly goes on, so it is seldom another one.
    const std::vector<Outage>& all = spec_.outages;
    const bool same = (outage_hint_ == all.size() || now < all[outage_hint_].to) &&
                      (outage_hint_ == 0 || all[outage_hint_ - 1].to <= now);
    if (!same) {
        const auto found =
            std::upper_bound(all.begin(), all.end(), now,
                             [](Instant at, const Outage& outage) { return at < outage.to; });
        outage_hint_ = static_cast<std::size_t>(found - all.begin());
    }
    return outage_hint_ < all.size() && all[outage_hint_].from <= now;
}

bool LinkTable::in_random_outage(Instant now, std::uint32_t device) {
    const RandomOutages& random = spec_.random_outages;
    if (random.kind == RandomOutages::Kind::fixed) {
        const Duration cycle = random.up + random.down;
        const Instant into = now + phase(outage_key_, device, cycle);
        return into.ns % cycle.ns >= random.up.ns;
    }
    Flags flags = Flags::unpack(word(device, layout_.flags));
    Instant turn{word(device, layout_.turn)};
    if (flags.begun && now < turn) return flags.down;
    if (!flags.begun) {
        // As it is at any instant: down with its share of time; what remains of an exponential
        // time has the same distribution as all of it.
        flags.begun = true;
        const double share = random.down.seconds() / (random.up.seconds() + random.down.seconds());
        const auto words = draw128(outage_key_, device, flags.changes++);
        flags.down = unit_from(words[0]) < share;
        turn = Instant{} + scaled(flags.down ? random.down : random.up, exponential_from(words[1]));
    }
    while (turn <= now) {
        flags.down = !flags.down;
        const double length = exponential_from(draw64(outage_key_, device, flags.changes++));
        turn = turn + max(scaled(flags.down ? random.down : random.up, length), Duration{1});
    }
    word(device, layout_.flags) = flags.pack();
    word(device, layout_.turn) = turn.ns;
    return flags.down;
}

// --- Sleep ---------------------------------------------------------------------------------------

Instant LinkTable::next_window(Instant now, std::uint32_t device, Instant last) const {
    const SleepSpec& sleep = spec_.sleep;
    if (now - last < sleep.active) return now;
    const Duration since = sleep.kind == SleepSpec::Kind::psm
                               ? now - last
                               : (now - Instant{}) + phase(sleep_key_, device, sleep.period);
    const Duration into{since.ns % sleep.period.ns};
    return into < sleep.window ? now : now - into + sleep.period;
}

Instant LinkTable::listens_at(Instant now, std::uint32_t device) {
    if (layout_.last_packet == kAbsent) return now;
    return next_window(now, device, Instant{word(device, layout_.last_packet)});
}

/// Moves passage.departs to when the device can send or listens. False: it sleeps, and the network
/// keeps no more for it.
bool LinkTable::find_awake(Instant now, std::uint32_t device, bool up, Passage& passage) {
    std::int64_t& last = word(device, layout_.last_packet);
    std::int64_t& held_until = word(device, layout_.held_until);
    Flags flags = Flags::unpack(word(device, layout_.flags));
    if (flags.held > 0 && held_until <= now.ns) {
        // It has heard what was held for it, as it listened by itself.
        last = std::max(last, held_until);
        flags.held = 0;
    }
    const Instant listens = next_window(now, device, Instant{last});
    if (up) {
        if (listens > now) {
            passage.departs = now + spec_.sleep.wake_up;
            passage.woke = true;
            // What was held is offered again now, so it has not used the bandwidth yet.
            if (flags.held > 0) {
                for (const std::uint8_t which : {layout_.free[1], layout_.arrival[1]}) {
                    if (which == kAbsent) continue;
                    word(device, which) = std::min(word(device, which), now.ns);
                }
                flags.held = 0;
            }
        }
        last = std::max(last, passage.departs.ns);
    } else if (listens > now) {
        if (flags.held >= spec_.sleep.buffered) return false;
        ++flags.held;
        held_until = listens.ns;
        passage.held = true;
        passage.departs = listens;
    }
    word(device, layout_.flags) = flags.pack();
    return true;
}

}  // namespace mqttwin::net
