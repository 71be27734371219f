#include "mqttwin/net/network.hpp"

#include <cassert>
#include <stdexcept>
#include <string>

#include "mqttwin/net/path.hpp"

namespace mqttwin::net {

namespace {

constexpr FlowEvent arrival_event(End sender) {
    return sender == End::client ? FlowEvent::arrival_up : FlowEvent::arrival_down;
}
constexpr FlowEvent give_up_event(End sender) {
    return sender == End::client ? FlowEvent::give_up_up : FlowEvent::give_up_down;
}

// The n-th draw of the m-th connection of a device, in its own stream: 2^32 draws a connection.
constexpr std::uint64_t draw_number(std::uint32_t attempt, std::uint32_t draw) {
    return (std::uint64_t{attempt} << 32) | draw;
}

}  // namespace

struct Network::Passage {
    Instant arrival;
    bool given_up = false;
    Instant give_up_at;
};

void Network::add_population(std::uint16_t population, std::string_view name, std::uint32_t base,
                             std::uint32_t count, const LinkSpec& link) {
    if (populations_.size() <= population) populations_.resize(population + std::size_t{1});
    Population& p = populations_[population];
    p.base = base;
    p.link = link;
    p.stream = {StreamKey::of(seed_, name, "link up"), StreamKey::of(seed_, name, "link down")};
    p.newest.assign(count, kNoFlow);
    p.attempts.assign(count, 0);
}

void Network::set_rank(std::uint16_t population, std::uint16_t rank) {
    if (populations_.size() <= population) populations_.resize(population + std::size_t{1});
    populations_[population].rank = rank;
}

// --- The path ------------------------------------------------------------------------------------

Network::Passage Network::travel(Instant now, Flow& flow, End sender, std::uint32_t bytes,
                                 bool handshake) {
    const Population& population = populations_[flow.population];
    const LinkSpec& link = population.link;
    const PipeSpec& direction = sender == End::client ? link.up : link.down;
    Lane& lane = flow.lane[side(sender)];
    Traffic& traffic = traffic_[side(sender)];

    const std::uint32_t packets = segments_of(bytes, link.mtu);
    const std::uint32_t header = kIpTcpHeader + kTimestampOption;
    const std::uint64_t on_wire = bytes + std::uint64_t{packets} * header;
    traffic.packets += packets;
    traffic.bytes += on_wire;

    Passage passage;
    Duration delay = direction.latency;
    Instant start = now;
    if (direction.bandwidth > 0.0) {
        if (lane.free_at > start) start = lane.free_at;
        const auto bits = static_cast<double>(on_wire) * 8.0;
        const Duration sending{static_cast<std::int64_t>(bits / direction.bandwidth * 1e9)};
        if (direction.queue_bytes != kUnbounded) {
            // Over the bound, the packet is dropped at the tail and sent again a time-out later.
            const double waiting =
                static_cast<double>((start - now).ns) * 1e-9 * direction.bandwidth / 8.0;
            if (waiting + static_cast<double>(on_wire) >
                    static_cast<double>(direction.queue_bytes) &&
                start > now) {
                start = start + kMinimumRtoSlack;
                ++traffic.lost;
                ++traffic.retransmitted;
                ++traffic.packets;
                traffic.bytes += on_wire / packets;
            }
        }
        start = start + sending;
        lane.free_at = start;
    }
    if (direction.loss > 0.0 || direction.jitter_kind != PipeJitter::none) {
        const auto words = draw128(population.stream[side(sender)], flow.index,
                                   draw_number(flow.attempt, lane.draws++));
        const Duration round_trip = link.up.latency + link.down.latency;
        const Fate fate = fate_of(unit_from(words[0]), direction.loss, packets,
                                  handshake ? kSynTimeout : round_trip + kMinimumRtoSlack,
                                  handshake ? kSynRetries : kDataRetries);
        if (fate.losses > 0) {
            traffic.lost += fate.losses;
            traffic.retransmitted += fate.losses;
            traffic.packets += fate.losses;
            traffic.bytes += fate.losses * (on_wire / packets);
        }
        delay += fate.delay;
        passage.given_up = fate.given_up;
        passage.give_up_at = now + fate.delay;
        delay += jitter_from(direction, words[1]);
        delay = max(delay, Duration{0});
    }
    passage.arrival = max(start + delay, lane.last_arrival);
    return passage;
}

// --- Events --------------------------------------------------------------------------------------

void Network::push_event(const Flow& flow, Instant at, FlowEvent kind) {
    const sim::EventKey key{populations_[flow.population].rank, flow.index,
                            static_cast<std::uint8_t>(kind),
                            static_cast<std::uint8_t>(flow.attempt)};
    queue_->push({at.ns, key.pack()});
}

void Network::schedule_head(FlowId id, End sender) {
    const Flow& flow = flows_[id];
    const Lane& lane = flow.lane[side(sender)];
    if (lane.head == kNone || lane.stalled) return;
    push_event(flow, units_[lane.head].arrival, arrival_event(sender));
}

void Network::enqueue(Instant now, FlowId id, End sender, UnitKind kind, BlobId head, BlobId body,
                      const Stamp& stamp, std::uint32_t bytes) {
    Flow& flow = flows_[id];
    const std::uint32_t index = units_.take();
    Unit& unit = units_[index];
    unit.kind = kind;
    unit.head = head;
    unit.body = body;
    unit.stamp = stamp;
    Lane& lane = flow.lane[side(sender)];
    const bool was_empty = lane.head == kNone;
    if (was_empty) {
        lane.head = index;
    } else {
        units_[lane.tail].next = index;
    }
    lane.tail = index;
    if (lane.stalled) return;  // waits for the give-up with the rest
    const bool handshake = kind == UnitKind::syn || kind == UnitKind::syn_ack;
    const Passage passage = travel(now, flow, sender, bytes, handshake);
    unit.arrival = passage.arrival;
    if (passage.given_up) {
        lane.stalled = true;
        // What is ahead in the lane still arrives: schedule_head stops at `stalled`, so the
        // units before this one keep their event, and this one ends the lane.
        unit.arrival = Instant::never();
        push_event(flow, passage.give_up_at, give_up_event(sender));
        return;
    }
    lane.last_arrival = passage.arrival;
    if (was_empty) schedule_head(id, sender);
}

// --- Commands ------------------------------------------------------------------------------------

FlowId Network::open(Instant now, std::uint16_t population, std::uint32_t index,
                     std::uint32_t broker) {
    const FlowId id = flows_.take();
    Population& p = populations_[population];
    Flow& flow = flows_[id];
    flow.tag = p.base + index;
    flow.index = index;
    flow.population = population;
    flow.broker = broker;
    flow.attempt = ++p.attempts[index];
    flow.older = p.newest[index];
    p.newest[index] = id;
    enqueue(now, id, End::client, UnitKind::syn, BlobId::none, BlobId::none, {}, 0);
    return id;
}

void Network::send(Instant now, FlowId id, End sender, BlobId head, BlobId body,
                   const Stamp& stamp) {
    const std::size_t bytes = pool_->bytes(head).size() + pool_->bytes(body).size();
    Flow& flow = flows_[id];
    assert(!flow.done[side(sender)]);
    (void)flow;
    traffic_[side(sender)].payload_bytes += bytes;
    // The acknowledgement that the other side's kernel sends, alone in its packet.
    Traffic& back = traffic_[side(other(sender))];
    ++back.packets;
    back.bytes += kIpTcpHeader + kTimestampOption;
    enqueue(now, id, sender, UnitKind::data, head, body, stamp, static_cast<std::uint32_t>(bytes));
}

void Network::close(Instant now, FlowId id, End end) {
    Flow& flow = flows_[id];
    if (flow.done[side(end)]) return;
    flow.done[side(end)] = true;
    enqueue(now, id, end, UnitKind::fin, BlobId::none, BlobId::none, {}, 0);
}

void Network::abort(Instant now, FlowId id, End end) {
    Flow& flow = flows_[id];
    if (flow.done[side(end)]) return;
    flow.done[side(end)] = true;
    enqueue(now, id, end, UnitKind::reset, BlobId::none, BlobId::none, {}, 0);
}

void Network::vanish(Instant /*now*/, FlowId id, End end) {
    Flow& flow = flows_[id];
    flow.done[side(end)] = true;
    flow.silent[side(end)] = true;
    if (id != handling_) free_if_over(id);
}

// --- What arrives --------------------------------------------------------------------------------

void Network::handle_event(Instant now, FlowEvent kind, std::uint8_t generation,
                           std::uint16_t population, std::uint32_t index, Sink& sink) {
    FlowId id = populations_[population].newest[index];
    while (id != kNoFlow && static_cast<std::uint8_t>(flows_[id].attempt) != generation) {
        id = flows_[id].older;
    }
    if (id == kNoFlow) return;  // over since
    handling_ = id;
    switch (kind) {
        case FlowEvent::arrival_up:
            arrive(now, id, End::client, sink);
            break;
        case FlowEvent::arrival_down:
            arrive(now, id, End::server, sink);
            break;
        case FlowEvent::give_up_up:
            give_up(now, id, End::client, sink);
            break;
        case FlowEvent::give_up_down:
            give_up(now, id, End::server, sink);
            break;
        case FlowEvent::last:
            break;
    }
    handling_ = kNoFlow;
    free_if_over(id);
}

void Network::arrive(Instant now, FlowId id, End sender, Sink& sink) {
    for (;;) {
        const Lane& lane = flows_[id].lane[side(sender)];
        const std::uint32_t index = lane.head;
        if (index == kNone) return;
        if (units_[index].arrival > now) break;
        const Unit unit = units_[index];
        Lane& taken = flows_[id].lane[side(sender)];
        taken.head = unit.next;
        if (unit.next == kNone) taken.tail = kNone;
        units_.give_back(index);
        deliver(now, id, other(sender), unit, sink);
    }
    // Also in a stalled lane: what was sent before the fatal packet still arrives.
    const Flow& flow = flows_[id];
    const std::uint32_t head = flow.lane[side(sender)].head;
    if (head != kNone && units_[head].arrival != Instant::never()) {
        push_event(flow, units_[head].arrival, arrival_event(sender));
    }
}

ByteView Network::whole(const Unit& unit) {
    const ByteView head = pool_->bytes(unit.head);
    if (unit.body == BlobId::none) return head;
    const ByteView body = pool_->bytes(unit.body);
    scratch_.assign(head.begin(), head.end());
    scratch_.insert(scratch_.end(), body.begin(), body.end());
    return scratch_;
}

void Network::deliver(Instant now, FlowId id, End receiver, const Unit& unit, Sink& sink) {
    const End sender = other(receiver);
    const bool deaf = flows_[id].done[side(receiver)];
    switch (unit.kind) {
        case UnitKind::syn:
            if (!sink.on_request(now, id)) {
                flows_[id].silent[side(End::server)] = true;
                abort(now, id, End::server);
                return;
            }
            enqueue(now, id, End::server, UnitKind::syn_ack, BlobId::none, BlobId::none, {}, 0);
            return;
        case UnitKind::syn_ack:
            if (deaf) break;
            flows_[id].opened[side(End::client)] = true;
            enqueue(now, id, End::client, UnitKind::ack, BlobId::none, BlobId::none, {}, 0);
            sink.on_opened(now, id, End::client);
            return;
        case UnitKind::ack:
            if (deaf) return;
            flows_[id].opened[side(End::server)] = true;
            sink.on_opened(now, id, End::server);
            return;
        case UnitKind::fin:
        case UnitKind::reset:
            if (!deaf) {
                flows_[id].done[side(receiver)] = true;
                const bool known = flows_[id].opened[side(receiver)] || receiver == End::client;
                if (known) {
                    sink.on_closed(now, id, receiver,
                                   unit.kind == UnitKind::fin ? Ending::orderly : Ending::reset);
                }
            }
            return;
        case UnitKind::data:
            if (deaf) break;
            {
                // One buffer serves all deliveries; nobody delivers while somebody is handling.
                const ByteView bytes = whole(unit);
                sink.on_bytes(now, id, receiver, bytes, unit.stamp);
            }
            pool_->release(unit.head);
            pool_->release(unit.body);
            return;
    }
    // Nobody is there for it. A host that is up answers with a reset; a silent one does not.
    if (unit.kind == UnitKind::data) discard(now, id, receiver, unit, &sink);
    Flow& flow = flows_[id];
    if (!flow.silent[side(receiver)] && !flow.done[side(sender)]) {
        flow.silent[side(receiver)] = true;  // one is enough
        enqueue(now, id, receiver, UnitKind::reset, BlobId::none, BlobId::none, {}, 0);
    }
}

void Network::give_up(Instant now, FlowId id, End sender, Sink& sink) {
    discard_lane(now, id, sender, &sink);
    Flow& flow = flows_[id];
    if (!flow.opened[side(End::server)]) {
        flow.done[side(End::server)] = true;  // it never had an owner there
    }
    if (flow.done[side(sender)]) return;
    flow.done[side(sender)] = true;
    flow.silent[side(sender)] = true;
    const bool known = flow.opened[side(sender)] || sender == End::client;
    if (known) sink.on_closed(now, id, sender, Ending::time_out);
}

void Network::discard(Instant now, FlowId id, End receiver, const Unit& unit, Sink* sink) {
    if (sink != nullptr) sink->on_discarded(now, id, receiver, whole(unit), unit.stamp);
    pool_->release(unit.head);
    pool_->release(unit.body);
}

void Network::discard_lane(Instant now, FlowId id, End sender, Sink* sink) {
    std::uint32_t index = flows_[id].lane[side(sender)].head;
    Lane& lane = flows_[id].lane[side(sender)];
    lane.head = kNone;
    lane.tail = kNone;
    while (index != kNone) {
        const Unit unit = units_[index];
        units_.give_back(index);
        index = unit.next;
        if (unit.kind == UnitKind::data) discard(now, id, other(sender), unit, sink);
    }
}

void Network::free_if_over(FlowId id) {
    const Flow& flow = flows_[id];
    if (!flow.done[0] || !flow.done[1]) return;
    if (flow.lane[0].head != kNone || flow.lane[1].head != kNone) return;
    FlowId* link = &populations_[flow.population].newest[flow.index];
    while (*link != id) link = &flows_[*link].older;
    *link = flow.older;
    flows_.give_back(id);
}

// --- Looking -------------------------------------------------------------------------------------

std::size_t Network::footprint() const {
    std::size_t bytes = flows_.capacity() * sizeof(Flow) + units_.capacity() * sizeof(Unit);
    for (const Population& p : populations_) {
        bytes += p.newest.capacity() * (sizeof(FlowId) + sizeof(std::uint32_t));
    }
    return bytes;
}

void Network::for_each_in_transit(
    const std::function<void(std::uint32_t, End, ByteView, const Stamp&)>& visit) const {
    for (const Population& p : populations_) {
        for (FlowId id : p.newest) {
            for (; id != kNoFlow; id = flows_[id].older) {
                const Flow& flow = flows_[id];
                for (const End sender : {End::client, End::server}) {
                    std::uint32_t index = flow.lane[side(sender)].head;
                    for (; index != kNone; index = units_[index].next) {
                        const Unit& unit = units_[index];
                        if (unit.kind != UnitKind::data) continue;
                        visit(flow.tag, other(sender), pool_->bytes(unit.head), unit.stamp);
                    }
                }
            }
        }
    }
}

void Network::prefetch_device(std::uint16_t population, std::uint32_t index) const {
    __builtin_prefetch(&populations_[population].newest[index]);
}

void Network::prefetch_flow(std::uint16_t population, std::uint32_t index) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow) return;
    const auto* flow = reinterpret_cast<const char*>(&flows_[id]);
    __builtin_prefetch(flow);
    __builtin_prefetch(flow + 64);
}

FlowId Network::prefetch_unit(std::uint16_t population, std::uint32_t index, End sender) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow) return kNoFlow;
    const std::uint32_t unit = flows_[id].lane[side(sender)].head;
    if (unit != kNone) {
        __builtin_prefetch(&units_[unit]);
    }
    return id;
}

FlowId Network::prefetch_bytes(std::uint16_t population, std::uint32_t index, End sender) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow) return kNoFlow;
    const std::uint32_t unit = flows_[id].lane[side(sender)].head;
    if (unit != kNone) pool_->prefetch(units_[unit].head);
    return id;
}

}  // namespace mqttwin::net
