// Flows and what their owners may do with them.
#include "mqttwin/net/network.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

#include "mqttwin/base/prefetch.hpp"

#include "network_lone.hpp"

namespace mqttwin::net {

namespace {

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
    p.layered = !layers.none();
    p.scripts = StreamKey::of(seed_, name, "handshakes");
    if (layers.tls && layers.tls->resumption) p.session.assign(count, false);
    p.reach = reach;
    if (reach.kind == Reach::Kind::name) p.cache.assign(count, {});
    p.quiet_path = link.nat.idle_timeout.ns == 0 && link.sleep.kind == SleepSpec::Kind::off;
    p.set_plain();
    p.newest.assign(count, {});
    if (!layers.none()) p.attempts.assign(count, 0);
    p.machine = {machine_for(device_profile(link), End::client),
                 machine_for(broker_profile(link), End::server)};
}

tcp::Machine* Network::machine_for(const tcp::Profile& profile, End end) {
    for (Host& host : machines_) {
        if (host.end == end && host.tcp.profile() == profile) return &host.tcp;
    }
    return &machines_.emplace_back(Host{tcp::Machine(profile), end}).tcp;
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
    assert(broker < Flow::kNoBroker || broker == kNoHost);
    flow.index = index;
    flow.population = population;
    flow.broker = flow.meant = static_cast<std::uint16_t>(broker);
    flow.bare = p.on_demand;
    Newest& newest = p.newest[index];
    const FlowId before = newest.flow();
    const std::uint8_t attempts_before = before == kNoFlow ? newest.attempts() : attempts(before);
    flow.attempt = static_cast<std::uint8_t>(attempts_before + 1U);
    if (!p.attempts.empty()) ++p.attempts[index];
    if (before != kNoFlow) {
        past_[id] = {before, flow.attempt};
        flow.reopened = true;
    }
    newest.set(id);
    meet_fault(id);
    dial(now, engage(now, id));
    return id;
}

void Network::send(Instant now, FlowId id, End sender, BlobId head, BlobId body, std::size_t bytes,
                   const Stamp& stamp) {
    Ref r = look_up(id);
    assert(!r.end(sender).done);
    assert(bytes == pool_->bytes(head).size() + pool_->bytes(body).size());
    r.p->traffic[side(sender)].payload_bytes += bytes;
    ByteView shown;
    if (r.p->layered && !r.flow->bare) {
        bytes = sealed(r.p->layers, sender, bytes);
        if (tap_ != nullptr) {
            engage(now, r);
            shown = shown_sealed(r, sender, head, body);
        }
    }
    const auto on_tcp = static_cast<std::uint32_t>(bytes);
    // Nobody else may have sent since: then it has not been released yet.
    if (r.busy != nullptr && r.busy->ticket != 0 && settled_at(*r.busy) <= now) {
        release_busy(r.flow->busy);
        r.busy = nullptr;
    }
    if (r.busy == nullptr && send_lone(now, r, sender, head, body, on_tcp, stamp)) return;
    engage(now, r);
    append_unit(now, r, sender, Unit::Kind::data, head, body, on_tcp, shown).stamp = stamp;
    write(now, r, sender, on_tcp);
    rest_unless_handling(now, r);
}

void Network::write(Instant now, const Ref& r, End sender, std::uint32_t bytes) {
    catch_up(now, r, sender);
    if (quiet_ && (r.end(sender).flying ? write_plainly(now, r, sender, bytes)
                                        : write_quietly(now, r, sender, bytes))) {
        return;
    }
    rouse(now, r, sender);
    out_.clear();
    tcp(r, sender).write(r.at(now, sender), r.end(sender), bytes, out_);
    follow(now, r, sender);
}

void Network::close(Instant now, FlowId id, End end) {
    if (flows_[id].end[side(end)].done) return;
    const Ref r = engage(now, id);
    if (lookups_.erase(id) > 0) {  // it does not even know where to
        r.end(end).done = true;
        rest_unless_handling(now, r);
        return;
    }
    say_goodbye(now, r, end, end);
    r.end(end).done = true;
    wake(now, r, end);
    out_.clear();
    tcp(r, end).close(r.at(now, end), r.end(end), out_);
    follow(now, r, end);
    rest_unless_handling(now, r);
}

void Network::finish(Instant now, FlowId id, End end) {
    if (flows_[id].end[side(end)].done) return;
    const Ref r = engage(now, id);
    say_goodbye(now, r, end, end);
    wake(now, r, end);
    out_.clear();
    tcp(r, end).close(r.at(now, end), r.end(end), out_);
    follow(now, r, end);
    rest_unless_handling(now, r);
}

void Network::abort(Instant now, FlowId id, End end) {
    if (flows_[id].end[side(end)].done) return;
    const Ref r = engage(now, id);
    r.end(end).done = true;
    lookups_.erase(id);
    wake(now, r, end);
    out_.clear();
    tcp(r, end).abort(r.at(now, end), r.end(end), out_);
    follow(now, r, end);
    rest_unless_handling(now, r);
}

void Network::vanish(Instant now, FlowId id, End end) {
    const Ref r = engage(now, id);
    catch_up(now, r, end);
    r.end(end).done = true;
    r.end(end).silent = true;
    if (end == End::client) lookups_.erase(id);
    Lane& l = r.lane(end);
    l.settled = Instant{-1};
    l.out = 0;
    l.owing = 0;
    l.ack_at = Instant::never();
    tcp(r, end).vanish(r.end(end));
    schedule_arrival(r, other(end));
    rest_unless_handling(now, r);
}

// --- What a flow that has something under way needs ----------------------------------------------

/// Of the device whose newest flow this is.
std::uint8_t Network::attempts(FlowId newest) const {
    const Flow& flow = flows_[newest];
    return flow.reopened ? past_.at(newest).attempts : flow.attempt;
}

void Network::release_settled(Instant now) {
    for (int i = 0; i < kAtOnce; ++i) {
        const std::uint32_t lone = take_settled(now);
        if (lone == kNone) return;
        release_lone(lone);
    }
}

/// The flow gets a working record.
void Network::begin(Instant now, Ref& r) {
    release_settled(now);
    const std::uint32_t lone = lone_of(r.id, *r.flow);
    r.flow->busy = busy_.take_used();
    r.busy = &busy_[r.flow->busy];
    r.busy->flow = r.id;
    r.busy->ticket = 0;
    r.busy->phase = {phase(r, End::client), phase(r, End::server)};
    for (const End end : {End::client, End::server}) {
        r.lane(end).begin(r.end(end).acked, r.end(other(end)).expected);
    }
    if (lone != kNone) unfold(now, r, lone);
}

/// The flow is not touched: it finds that the record is not its own any more.
void Network::release_busy(std::uint32_t index) {
    busy_[index].flow = kNoFlow;
    busy_[index].ticket = 0;
    busy_.give_back(index);
}

void Lane::begin(std::uint32_t position, std::uint32_t position_read) {
    units = last_unit = packets = last_packet = kNone;
    telling = 0;
    written = position;
    read = position_read;
    first = arrival_event = timer_event = ack_at = Instant::never();
    out = owing = earlier = 0;
    promised = false;
    settled = Instant{-1};
}

/// After everything that was done to a flow: what it does not need any more is given back.
void Network::rest(Instant now, const Ref& r) {
    const Flow& flow = *r.flow;
    const auto closed = [](const tcp::Endpoint& e) {
        return static_cast<unsigned>(e.state == tcp::State::closed);
    };
    if ((closed(flow.end[0]) | closed(flow.end[1])) != 0) {
        bury(now, r);
        return;
    }
    if (r.busy == nullptr) return;
    const Lane& up = r.busy->lane[0];
    const Lane& down = r.busy->lane[1];
    static_assert(kNone == ~std::uint32_t{0});
    if ((up.units & up.packets & down.units & down.packets) != kNone) return;
    if ((up.out | down.out | up.owing | down.owing) != 0 || flow.end[0].flying ||
        flow.end[1].flying) {
        fold(now, r);
    } else {
        give_up_record(now, r);
    }
}

/// Nothing is under way but an ACK whose effect is there already, if that.
void Network::give_up_record(Instant now, const Ref& r) {
    const Instant settled = settled_at(*r.busy);
    if (settled <= now) {
        release_busy(r.flow->busy);
        return;
    }
    let_settle(now, settled, r.flow->busy, r.busy->ticket);
}

/// A flow of which one end is closed, or not yet open: what nobody will read is discarded, and when
/// both are closed and nothing is on its way, it is over.
void Network::bury(Instant now, const Ref& r) {
    const Flow& flow = *r.flow;
    // A FIN that will never come, for there is nobody who could send it (tcp_fin_timeout).
    const auto nobody = [&](End end) {
        return r.end(end).state == tcp::State::closed ||
               (r.end(end).state == tcp::State::fin_wait_2 &&
                r.end(other(end)).state == tcp::State::closed);
    };
    const bool over = nobody(End::client) && nobody(End::server) && lookups_.count(r.id) == 0;
    // Such an end may hold data behind a gap that nobody will fill.
    const auto at_rest = [&](End end) {
        const tcp::Endpoint& e = r.end(end);
        return !e.flying || (over && tcp(r, end).deadline(e) == Instant::never());
    };
    if (r.busy != nullptr) {
        bool idle = true;
        for (const End sender : {End::client, End::server}) {
            const bool nobody_sends = r.end(sender).state == tcp::State::closed;
            const bool nobody_reads =
                flow.accepted && r.end(other(sender)).state == tcp::State::closed;
            const Lane& l = r.lane(sender);
            if (l.units != kNone && ((nobody_sends && l.packets == kNone) || nobody_reads)) {
                discard_units(now, r, sender);
            }
            idle = idle && l.units == kNone && l.packets == kNone && l.out == 0 && l.owing == 0 &&
                   at_rest(sender);
        }
        if (!idle) return;
        if (!over && settled_at(*r.busy) > now) return;
        release_busy(flow.busy);
    }
    if (!over) return;
    for (const End end : {End::client, End::server}) tcp(r, end).vanish(r.end(end));
    free_flow(r.id);
}

void Network::free_flow(FlowId id) {
    const Flow& flow = flows_[id];
    Newest& newest = populations_[flow.population].newest[flow.index];
    const FlowId before = older(id);
    if (newest.flow() == id && before == kNoFlow) {
        newest.clear(attempts(id));
    } else if (newest.flow() == id) {
        newest.set(before);
        past_[before] = {older(before), attempts(id)};
        flows_[before].reopened = true;
    } else {
        FlowId newer = newest.flow();
        while (older(newer) != id) newer = older(newer);
        past_[newer].older = before;
    }
    if (flow.reopened) past_.erase(id);
    if (flow.talking) talks_.erase(id);
    if (flow.faulty) faults_.erase({flow.population, flow.index});
    last_packet_.erase(id);
    if (tap_ != nullptr) tap_->on_flow_freed(id);
    flows_.give_back(id);
}

void Network::discard_units(Instant now, const Ref& r, End sender) {
    Lane& l = r.lane(sender);
    std::uint32_t index = l.units;
    l.units = l.last_unit = kNone;
    while (index != kNone) {
        const Unit& unit = units_[index];
        const std::uint32_t next = unit.next;
        discard(now, r, other(sender), unit);
        units_.give_back(index);
        index = next;
    }
}

void Network::discard(Instant now, const Ref& r, End receiver, const Unit& unit) {
    if (unit.kind != Unit::Kind::data) return;
    if (sink_ != nullptr) {
        sink_->on_discarded(now, r.id, receiver, whole(unit.head, unit.body), unit.stamp);
    }
    pool_->release(unit.head);
    pool_->release(unit.body);
}

ByteView Network::joined(BlobId head, BlobId body) {
    const ByteView first = pool_->bytes(head);
    const ByteView second = pool_->bytes(body);
    scratch_.assign(first.begin(), first.end());
    scratch_.insert(scratch_.end(), second.begin(), second.end());
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
    std::size_t bytes = flows_.footprint() + units_.footprint() + busy_.footprint() +
                        packets_.footprint() + lones_.footprint() +
                        lone_owners_.capacity() * sizeof(LoneOwner) + settling_.footprint() +
                        broker_phases_.footprint();
    for (const Host& host : machines_) bytes += host.tcp.footprint();
    for (const Population& p : populations_) {
        bytes +=
            p.newest.capacity() * sizeof(Newest) + p.attempts.capacity() * sizeof(p.attempts[0]);
        bytes += p.links.footprint();
    }
    return bytes;
}

void Network::for_each_in_transit(
    const std::function<void(std::uint32_t, End, ByteView, const Stamp&)>& visit) const {
    for (std::uint32_t i = 0; i < busy_.size(); ++i) {
        const Busy& b = busy_[i];
        if (b.flow == kNoFlow) continue;
        for (const End sender : {End::client, End::server}) {
            std::uint32_t index = b.lane[side(sender)].units;
            for (; index != kNone; index = units_[index].next) {
                const Unit& unit = units_[index];
                if (unit.kind != Unit::Kind::data) continue;
                visit(tag(b.flow), other(sender), pool_->bytes(unit.head), unit.stamp);
            }
        }
    }
    for (std::uint32_t i = 0; i < lones_.size(); ++i) {
        const Lone& one = lones_[i];
        const FlowId flow = lone_owners_[i].flow;
        if (flow == kNoFlow || !one.arrives()) continue;
        visit(tag(flow), other(one.sender), pool_->bytes(one.head), one.stamp);
    }
}

void Network::tell_streams(Instant now, Tap& tap) const {
    for (std::uint32_t i = 0; i < busy_.size(); ++i) {
        const Busy& b = busy_[i];
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
    for (std::uint32_t i = 0; i < lones_.size(); ++i) {
        const Lone& one = lones_[i];
        const FlowId flow = lone_owners_[i].flow;
        if (flow == kNoFlow || !one.arrives()) continue;
        if (!layers(flow).none()) continue;
        std::uint32_t begin = flows_[flow].end[side(one.sender)].acked;
        if (one.pair) begin += one.earlier;
        tap.on_written(now, flow, one.sender, begin, one.head, one.body);
    }
}

bool Network::congested(FlowId id, End end) const {
    const Flow& flow = flows_[id];
    const tcp::Endpoint& e = flow.end[side(end)];
    const tcp::Machine& tcp = *populations_[flow.population].machine[side(end)];
    const tcp::Flight* flight = tcp.flight_of(e);
    return flight != nullptr && flight->waiting();
}

std::uint32_t Network::acknowledged(Instant now, FlowId id, End end) const {
    const Flow& flow = flows_[id];
    if (engaged(id)) {
        const Lane& l = busy_[flow.busy].lane[side(end)];
        if (l.settled > now) return l.undo.acked;  // the ACK is under way
    } else if (const std::uint32_t lone = lone_of(id, flow); lone != kNone) {
        const Lone& one = lones_[lone];
        const bool settling = one.state == Lone::State::settling && one.at > now;
        if (settling && one.sender == end) return one.undo.acked;
    }
    return flow.end[side(end)].acked;
}

void Network::prefetch_device(std::uint16_t population, std::uint32_t index) const {
    mqttwin::prefetch(&populations_[population].newest[index]);
    populations_[population].links.prefetch(index);
}

void Network::prefetch_flow(const Sight& sight) const {
    if (sight.flow != nullptr) prefetch_all(*sight.flow);
}

void Network::prefetch_server(const Sight& sight) const {
    if (sight.flow == nullptr) return;
    const auto* const begin = reinterpret_cast<const char*>(&sight.flow->end[side(End::server)]);
    const auto* const end = reinterpret_cast<const char*>(sight.flow + 1);
    mqttwin::prefetch(begin);
    mqttwin::prefetch(begin + 64);
    mqttwin::prefetch(end - 1);
}

std::uint32_t Network::prefetch_link(const Sight& sight) const {
    if (sight.flow == nullptr) return Stamp::kNobody;
    populations_[sight.flow->population].links.prefetch(sight.flow->index);
    return tag(*sight.flow);
}

void Network::prefetch_work(const Sight& sight, bool arrives) const {
    if (sight.flow == nullptr) return;
    if (const std::uint32_t lone = lone_of(sight.id, *sight.flow); lone != kNone) {
        prefetch_all(lones_[lone]);
    } else if (const std::uint32_t busy = sight.flow->busy; busy < kLone && arrives) {
        prefetch_all(busy_[busy]);
    } else if (busy < kLone) {
        mqttwin::prefetch(&busy_[busy]);  // to see that it is not the flow's any more
    }
}

void Network::prefetch_unit(const Sight& sight, End sender) const {
    if (sight.flow == nullptr || !engaged(sight.id, *sight.flow)) return;
    const Lane& l = busy_[sight.flow->busy].lane[side(sender)];
    if (l.units != kNone) prefetch_all(units_[l.units]);
    if (l.packets != kNone) prefetch_all(packets_[l.packets]);
}

std::uint32_t Network::prefetch_bytes(const Sight& sight, End sender, std::uint32_t behind) const {
    if (sight.flow == nullptr) return Stamp::kNobody;
    if (const std::uint32_t lone = lone_of(sight.id, *sight.flow); lone != kNone) {
        if (!lones_[lone].arrives()) return Stamp::kNobody;
        pool_->prefetch(lones_[lone].head);
        return lones_[lone].stamp.origin;
    }
    if (!engaged(sight.id, *sight.flow)) return Stamp::kNobody;
    std::uint32_t unit = busy_[sight.flow->busy].lane[side(sender)].units;
    for (; behind > 0 && unit != kNone; --behind) unit = units_[unit].next;
    if (unit == kNone) return Stamp::kNobody;
    pool_->prefetch(units_[unit].head);
    return units_[unit].stamp.origin;
}

std::uint32_t Network::prefetch_following(FlowId id, const Flow& flow, End sender) const {
    if (!engaged(id, flow)) return Stamp::kNobody;
    const Busy& busy = busy_[flow.busy];
    for (const Lane& l : busy.lane) {  // where the first one arrives, the lane knows
        if (l.packets == kNone) continue;
        if (const std::uint32_t next = packets_[l.packets].next; next != kNone) {
            prefetch_all(packets_[next]);
        }
    }
    const std::uint32_t first = busy.lane[side(sender)].units;
    if (first == kNone) return Stamp::kNobody;
    const Unit& unit = units_[first];
    if (unit.next != kNone) prefetch_all(units_[unit.next]);
    pool_->prefetch(unit.head);
    return unit.stamp.origin;
}

void Network::archive(Archive& a) {
    a.section("network");
    a.same_count(populations_.size(), "other populations");
    for (Population& p : populations_) {
        const std::size_t devices = p.newest.size();
        a(p);
        if (p.newest.size() != devices) a.fail("a population of another size");
    }
    a.same_count(machines_.size(), "other profiles of TCP");
    for (Host& host : machines_) a(host.tcp);
    a.same_count(shared_.size(), "other media");
    for (SharedCapacity& medium : shared_) a(medium);
    a(flows_, busy_, lones_, lone_owners_, units_, packets_, talks_, names_, lookups_);
    a(last_packet_, faults_, settling_, tickets_, past_);
    if (lone_owners_.size() != lones_.size()) a.fail("lone segments without owners");
}

}  // namespace mqttwin::net
