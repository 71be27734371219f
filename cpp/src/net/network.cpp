// Flows and what their owners may do with them.
#include "mqttwin/net/network.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace mqttwin::net {

namespace {

constexpr std::uint64_t kPhases = 3'600'000'000;  // us: a host's ticks stand anywhere in an hour

std::uint32_t phase_of(StreamKey key, std::uint64_t host) {
    return static_cast<std::uint32_t>(mix64(key.value ^ mix64(host)) % kPhases);
}

void set_options(tcp::Profile& p, const TcpOptions& options) {
    p.user_timeout = options.user_timeout;
    p.keep_alive_idle = options.keep_alive_idle;
    p.keep_alive_interval = options.keep_alive_interval;
    p.keep_alive_probes = options.keep_alive_count;
}

/// What runs on a device.
tcp::Profile device_profile(const LinkSpec& link) {
    tcp::Profile p = link.tcp.profile == TcpProfileKind::embedded ? tcp::embedded_profile()
                                                                  : tcp::linux_profile();
    p.mtu = static_cast<std::uint16_t>(std::min<std::uint32_t>(p.mtu, link.mtu));
    set_options(p, link.tcp);
    return p;
}

/// Linux, after both ends have said in the handshake what they can.
tcp::Profile broker_profile(const LinkSpec& link) {
    const tcp::Profile device = device_profile(link);
    tcp::Profile p = tcp::linux_profile();
    p.mtu = device.mtu;
    p.timestamps = device.timestamps;
    p.sack = device.sack;
    set_options(p, link.tcp);
    return p;
}

}  // namespace

// --- Description ---------------------------------------------------------------------------------

void Network::add_population(std::uint16_t population, std::string_view name, std::uint32_t base,
                             std::uint32_t count, const LinkSpec& link, const Reach& reach,
                             const LayersSpec& layers) {
    check(layers, "");
    if (link.shared != kNotShared && link.shared >= shared_.size()) {
        throw std::invalid_argument("shared must be a medium of this world");
    }
    if (populations_.size() <= population) populations_.resize(population + std::size_t{1});
    Population& p = populations_[population];
    p.base = base;
    p.links = LinkTable(link, seed_, name, count);
    p.phases = StreamKey::of(seed_, name, "timer phase");
    p.layers = layers;
    p.scripts = StreamKey::of(seed_, name, "handshakes");
    if (layers.tls && layers.tls->resumption) p.session.assign(count, false);
    p.reach = reach;
    if (reach.kind == Reach::Kind::name) p.cache.assign(count, {});
    p.quiet_path = link.nat.idle_timeout.ns == 0 && link.sleep.kind == SleepSpec::Kind::off;
    p.newest.assign(count, kNoFlow);
    p.attempts.assign(count, 0);
    p.machine = {machine_for(device_profile(link), End::client),
                 machine_for(broker_profile(link), End::server)};
}

std::uint32_t Network::machine_for(const tcp::Profile& profile, End end) {
    for (std::size_t i = 0; i < machines_.size(); ++i) {
        if (machines_[i].end == end && machines_[i].tcp.profile() == profile) {
            return static_cast<std::uint32_t>(i);
        }
    }
    machines_.push_back({tcp::Machine(profile), end});
    return static_cast<std::uint32_t>(machines_.size() - 1);
}

void Network::set_rank(std::uint16_t population, std::uint16_t rank) {
    if (populations_.size() <= population) populations_.resize(population + std::size_t{1});
    populations_[population].rank = rank;
}

// --- Commands ------------------------------------------------------------------------------------

FlowId Network::open(Instant now, std::uint16_t population, std::uint32_t index,
                     std::uint32_t broker) {
    const FlowId id = flows_.take();
    Population& p = populations_[population];
    Flow& flow = flows_[id];
    flow.index = index;
    flow.population = population;
    flow.broker = broker;
    flow.plain = p.on_demand;
    flow.attempt = static_cast<std::uint8_t>(++p.attempts[index]);
    flow.older = p.newest[index];
    p.newest[index] = id;
    flow.end[0].phase = phase_of(p.phases, index);
    flow.end[1].phase = phase_of(StreamKey::of(seed_, "brokers", "timer phase"), broker);
    meet_fault(id);
    engage(now, id);
    dial(now, id);
    return id;
}

void Network::send(Instant now, FlowId id, End sender, BlobId head, BlobId body,
                   const Stamp& stamp) {
    assert(!flows_[id].done[side(sender)]);
    const std::size_t bytes = pool_->bytes(head).size() + pool_->bytes(body).size();
    Population& p = populations_[flows_[id].population];
    p.traffic[side(sender)].payload_bytes += bytes;
    Unit unit;
    unit.head = head;
    unit.body = body;
    unit.stamp = stamp;
    const LayersSpec& layers = this->layers(id);
    const auto on_tcp =
        static_cast<std::uint32_t>(layers.none() ? bytes : sealed(layers, sender, bytes));
    engage(now, id);
    const bool look = tap_ != nullptr && !layers.none();
    append_unit(now, id, sender, unit, on_tcp, look ? shown_sealed(id, sender, unit) : ByteView{});
    write(now, id, sender, on_tcp);
    if (id != handling_) rest(now, id);
}

void Network::append_unit(Instant now, FlowId id, End sender, const Unit& unit, std::uint32_t bytes,
                          ByteView shown) {
    Lane& l = lane(id, sender);
    const std::uint32_t index = units_.take();
    units_[index] = unit;
    if (tap_ != nullptr && shown.empty()) {
        tap_->on_written(now, id, sender, l.written, unit.head, unit.body);
    } else if (tap_ != nullptr) {
        tap_->on_written(now, id, sender, l.written, shown);
    }
    l.written += bytes;
    units_[index].end = l.written;
    units_[index].bytes = bytes;
    if (l.units == kNone) {
        l.units = index;
    } else {
        units_[l.last_unit].next = index;
    }
    l.last_unit = index;
}

void Network::write(Instant now, FlowId id, End sender, std::uint32_t bytes) {
    catch_up(now, id, sender);
    if (quiet_ && write_quietly(now, id, sender, bytes)) return;
    rouse(now, id, sender);
    out_.clear();
    machine(flows_[id], sender).write(now, endpoint(id, sender), bytes, out_);
    follow(now, id, sender);
}

void Network::close(Instant now, FlowId id, End end) {
    if (flows_[id].done[side(end)]) return;
    engage(now, id);
    if (lookups_.erase(id) > 0) {  // it does not even know where to
        flows_[id].done[side(end)] = true;
        if (id != handling_) rest(now, id);
        return;
    }
    say_goodbye(now, id, end, end);
    flows_[id].done[side(end)] = true;
    wake(now, id, end);
    out_.clear();
    machine(flows_[id], end).close(now, endpoint(id, end), out_);
    follow(now, id, end);
    if (id != handling_) rest(now, id);
}

void Network::finish(Instant now, FlowId id, End end) {
    if (flows_[id].done[side(end)]) return;
    engage(now, id);
    say_goodbye(now, id, end, end);
    wake(now, id, end);
    out_.clear();
    machine(flows_[id], end).close(now, endpoint(id, end), out_);
    follow(now, id, end);
    if (id != handling_) rest(now, id);
}

void Network::abort(Instant now, FlowId id, End end) {
    if (flows_[id].done[side(end)]) return;
    flows_[id].done[side(end)] = true;
    engage(now, id);
    lookups_.erase(id);
    wake(now, id, end);
    out_.clear();
    machine(flows_[id], end).abort(now, endpoint(id, end), out_);
    follow(now, id, end);
    if (id != handling_) rest(now, id);
}

void Network::vanish(Instant now, FlowId id, End end) {
    engage(now, id);
    catch_up(now, id, end);
    Flow& flow = flows_[id];
    flow.done[side(end)] = true;
    flow.silent[side(end)] = true;
    if (end == End::client) lookups_.erase(id);
    Lane& l = lane(id, end);
    l.settled = Instant{-1};
    l.out = 0;
    l.owing = 0;
    machine(flow, end).vanish(endpoint(id, end));
    schedule_arrival(id, other(end));
    if (id != handling_) rest(now, id);
}

// --- What a flow that has something under way needs ----------------------------------------------

void Network::engage(Instant now, FlowId id) {
    Flow& flow = flows_[id];
    if (flow.busy != kNone) {
        busy_[flow.busy].ticket = 0;  // more than settling
        return;
    }
    // Of those whose last ACK was under way, the oldest have it by now.
    constexpr int kAtOnce = 4;
    for (int i = 0; i < kAtOnce && !settling_.empty() && settling_.front().at <= now; ++i) {
        const Settling old = settling_.front();
        settling_.pop_front();
        if (busy_[old.busy].ticket == old.ticket) release_busy(busy_[old.busy].flow);
    }
    std::uint32_t index = 0;
    if (free_busy_.empty()) {
        busy_.emplace_back();
        index = static_cast<std::uint32_t>(busy_.size() - 1);
    } else {
        index = free_busy_.back();
        free_busy_.pop_back();
    }
    flow.busy = index;
    Busy& b = busy_[index];
    b.flow = id;
    b.ticket = 0;
    for (const End end : {End::client, End::server}) {
        b.lane[side(end)].begin(flow.end[side(end)].acked, flow.end[side(other(end))].expected);
    }
}

void Network::release_busy(FlowId id) {
    Flow& flow = flows_[id];
    busy_[flow.busy].flow = kNoFlow;
    busy_[flow.busy].ticket = 0;
    free_busy_.push_back(flow.busy);
    flow.busy = kNone;
}

void Network::Lane::begin(std::uint32_t position, std::uint32_t position_read) {
    units = last_unit = packets = last_packet = kNone;
    telling = 0;
    written = position;
    read = position_read;
    arrival_event = timer_event = Instant::never();
    out = owing = 0;
    promised = false;
    settled = Instant{-1};
}

/// After everything that was done to a flow: what it does not need any more is given back.
void Network::rest(Instant now, FlowId id) {
    const Flow& flow = flows_[id];
    if (flow.end[0].state == tcp::State::closed || flow.end[1].state == tcp::State::closed) {
        bury(now, id);
        return;
    }
    if (flow.busy == kNone) return;
    Busy& b = busy_[flow.busy];
    const Lane& up = b.lane[0];
    const Lane& down = b.lane[1];
    static_assert(kNone == tcp::kNoFlight && kNone == ~std::uint32_t{0});
    if ((up.units & up.packets & down.units & down.packets & flow.end[0].flight &
         flow.end[1].flight) != kNone ||
        (up.out | down.out) != 0) {
        return;
    }
    const Instant settled = max(up.settled, down.settled);
    if (settled <= now) {
        release_busy(id);
        return;
    }
    if (++tickets_ == 0) ++tickets_;
    b.ticket = tickets_;
    settling_.push_back({settled, flow.busy, tickets_});
}

/// A flow of which one end is closed, or not yet open: what nobody will read is discarded, and when
/// both are closed and nothing is on its way, it is over.
void Network::bury(Instant now, FlowId id) {
    const Flow& flow = flows_[id];
    // A FIN that will never come, for there is nobody who could send it (tcp_fin_timeout).
    const auto nobody = [&](End end) {
        return flow.end[side(end)].state == tcp::State::closed ||
               (flow.end[side(end)].state == tcp::State::fin_wait_2 &&
                flow.end[side(other(end))].state == tcp::State::closed);
    };
    const bool over = nobody(End::client) && nobody(End::server) && lookups_.count(id) == 0;
    if (flow.busy != kNone) {
        bool idle = true;
        for (const End sender : {End::client, End::server}) {
            const bool nobody_sends = flow.end[side(sender)].state == tcp::State::closed;
            const bool nobody_reads =
                flow.accepted && flow.end[side(other(sender))].state == tcp::State::closed;
            const Lane& l = lane(id, sender);
            if (l.units != kNone && ((nobody_sends && l.packets == kNone) || nobody_reads)) {
                discard_units(now, id, sender);
            }
            idle = idle && l.units == kNone && l.packets == kNone && l.out == 0 &&
                   flow.end[side(sender)].flight == tcp::kNoFlight;
        }
        if (!idle) return;
        const Busy& b = busy_[flow.busy];
        if (!over && max(b.lane[0].settled, b.lane[1].settled) > now) return;
        release_busy(id);
    }
    if (over) free_flow(id);
}

void Network::free_flow(FlowId id) {
    const Flow& flow = flows_[id];
    FlowId* link = &populations_[flow.population].newest[flow.index];
    while (*link != id) link = &flows_[*link].older;
    *link = flow.older;
    if (flow.talk != kNone) talks_.give_back(flow.talk);
    if (flow.faulty) faults_.erase({flow.population, flow.index});
    last_packet_.erase(id);
    if (tap_ != nullptr) tap_->on_flow_freed(id);
    flows_.give_back(id);
}

void Network::discard_units(Instant now, FlowId id, End sender) {
    Lane& l = lane(id, sender);
    std::uint32_t index = l.units;
    l.units = l.last_unit = kNone;
    while (index != kNone) {
        const Unit unit = units_[index];
        units_.give_back(index);
        index = unit.next;
        discard(now, id, other(sender), unit);
    }
}

void Network::discard(Instant now, FlowId id, End receiver, const Unit& unit) {
    if (unit.kind != UnitKind::data) return;
    if (sink_ != nullptr) sink_->on_discarded(now, id, receiver, whole(unit), unit.stamp);
    pool_->release(unit.head);
    pool_->release(unit.body);
}

ByteView Network::whole(const Unit& unit) {
    const ByteView head = pool_->bytes(unit.head);
    if (unit.body == BlobId::none) return head;
    const ByteView body = pool_->bytes(unit.body);
    scratch_.assign(head.begin(), head.end());
    scratch_.insert(scratch_.end(), body.begin(), body.end());
    return scratch_;
}

// --- Looking -------------------------------------------------------------------------------------

Traffic Network::traffic(End sender) const {
    Traffic traffic;
    for (const Population& p : populations_) {
        const Traffic& part = p.traffic[side(sender)];
        traffic.packets += part.packets;
        traffic.bytes += part.bytes;
        traffic.lost += part.lost;
        traffic.lost_bytes += part.lost_bytes;
        traffic.payload_bytes += part.payload_bytes;
    }
    for (const Host& host : machines_) {
        if (host.end == sender) traffic.retransmitted += host.tcp.counters().retransmissions;
    }
    return traffic;
}

std::size_t Network::footprint() const {
    std::size_t bytes = flows_.capacity() * sizeof(Flow) + units_.capacity() * sizeof(Unit) +
                        busy_.capacity() * sizeof(Busy) + packets_.capacity() * sizeof(Packet);
    for (const Host& host : machines_) bytes += host.tcp.footprint();
    for (const Population& p : populations_) {
        bytes += p.newest.capacity() * sizeof(FlowId) + p.attempts.capacity();
        bytes += p.links.footprint();
    }
    return bytes;
}

void Network::for_each_in_transit(
    const std::function<void(std::uint32_t, End, ByteView, const Stamp&)>& visit) const {
    for (const Busy& b : busy_) {
        if (b.flow == kNoFlow) continue;
        for (const End sender : {End::client, End::server}) {
            std::uint32_t index = b.lane[side(sender)].units;
            for (; index != kNone; index = units_[index].next) {
                const Unit& unit = units_[index];
                if (unit.kind != UnitKind::data) continue;
                visit(tag(b.flow), other(sender), pool_->bytes(unit.head), unit.stamp);
            }
        }
    }
}

void Network::tell_streams(Instant now, Tap& tap) const {
    for (const Busy& b : busy_) {
        if (b.flow == kNoFlow) continue;
        for (const End sender : {End::client, End::server}) {
            std::uint32_t index = b.lane[side(sender)].units;
            for (; index != kNone; index = units_[index].next) {
                const Unit& unit = units_[index];
                // What TLS made of a unit before anybody looked is not known.
                if (!layers(b.flow).none()) continue;
                tap.on_written(now, b.flow, sender, unit.end - unit.bytes, unit.head, unit.body);
            }
        }
    }
}

bool Network::congested(FlowId id, End end) const {
    const Flow& flow = flows_[id];
    const tcp::Endpoint& e = flow.end[side(end)];
    const tcp::Machine& tcp = machines_[populations_[flow.population].machine[side(end)]].tcp;
    const tcp::Flight* flight = tcp.flight_of(e);
    return flight != nullptr && flight->waiting();
}

std::uint32_t Network::acknowledged(Instant now, FlowId id, End end) const {
    const Flow& flow = flows_[id];
    if (flow.busy != kNone) {
        const Lane& l = busy_[flow.busy].lane[side(end)];
        if (l.settled > now) return l.before.acked;  // the ACK is under way
    }
    return flow.end[side(end)].acked;
}

void Network::prefetch_device(std::uint16_t population, std::uint32_t index) const {
    __builtin_prefetch(&populations_[population].newest[index]);
}

void Network::prefetch_flow(std::uint16_t population, std::uint32_t index) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow) return;
    const auto* flow = reinterpret_cast<const char*>(&flows_[id]);
    for (std::size_t line = 0; line < sizeof(Flow); line += 64) __builtin_prefetch(flow + line);
}

FlowId Network::prefetch_unit(std::uint16_t population, std::uint32_t index, End sender) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow || flows_[id].busy == kNone) return id;
    const Lane& l = busy_[flows_[id].busy].lane[side(sender)];
    if (l.units != kNone) __builtin_prefetch(&units_[l.units]);
    if (l.packets != kNone) __builtin_prefetch(&packets_[l.packets]);
    return id;
}

FlowId Network::prefetch_bytes(std::uint16_t population, std::uint32_t index, End sender) const {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow || flows_[id].busy == kNone) return id;
    const std::uint32_t unit = busy_[flows_[id].busy].lane[side(sender)].units;
    if (unit != kNone) pool_->prefetch(units_[unit].head);
    return id;
}

}  // namespace mqttwin::net
