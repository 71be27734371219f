// The way between two hosts: the link, what is shared, what does not forward, and faults that
// strike at a byte.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

std::uint32_t Network::add_shared(const SharedSpec& spec) {
    check(spec, "");
    shared_.emplace_back(spec);
    return static_cast<std::uint32_t>(shared_.size() - 1);
}

void Network::set_link_down(std::uint16_t population, std::uint32_t index, bool down) {
    populations_[population].links.set_down(index, down);
    populations_[population].set_plain();
}

void Network::set_partition(std::uint16_t population, std::uint32_t broker, bool apart) {
    std::vector<bool>& all = populations_[population].apart;
    if (all.size() <= broker) all.resize(broker + std::size_t{1});
    all[broker] = apart;
    if (std::find(all.begin(), all.end(), true) == all.end()) all.clear();
    populations_[population].set_plain();
}

// --- Packets -------------------------------------------------------------------------------------

/// Where more than the device's own link is to be asked.
Passage Network::offer_minded(Instant now, const Ref& r, End sender, std::uint32_t bytes) {
    const Flow& flow = *r.flow;
    Population& p = *r.p;
    Traffic& traffic = p.traffic[side(sender)];
    traffic.send(bytes);
    SharedCapacity* shared = nullptr;
    if (p.links.spec().shared != kNotShared) shared = &shared_[p.links.spec().shared];
    Passage passage = p.links.offer(now, flow.index, sender == End::client, bytes, shared);
    const bool minded = flow.forgotten || !p.quiet_path || !p.apart.empty();
    if (minded && passage.fate == Passage::Fate::arrives && !forwarded(now, r, sender)) {
        passage.fate = Passage::Fate::no_way;
    }
    if (passage.fate != Passage::Fate::arrives) traffic.lose(bytes);
    if (passage.woke) release_held(now, flow.population, flow.index);
    return passage;
}

/// Whether those on the way pass a packet of this flow on.
bool Network::forwarded(Instant now, const Ref& r, End sender) {
    Flow& flow = *r.flow;
    const Population& p = *r.p;
    if (!p.apart.empty() && flow.broker < p.apart.size() && p.apart[flow.broker]) return false;
    const Duration patience = p.links.spec().nat.idle_timeout;
    if (patience.ns > 0 && !flow.forgotten) {
        const auto seen = last_packet_.emplace(r.id, now).first;
        // Only the device's side makes an entry, and only by a SYN: the first, or another.
        const bool asks = sender == End::client && flow.end[0].state == tcp::State::syn_sent;
        if (now - seen->second > patience && !asks) flow.forgotten = true;
        seen->second = now;
    }
    return !flow.forgotten;
}

/// The middlebox has forgotten the flow, and says so to who still uses it.
void Network::reset_by_middlebox(Instant now, const Ref& r, End sender,
                                 const tcp::Segment& segment) {
    const LinkSpec& link = r.p->links.spec();
    tcp::Segment answer;
    if (!r.flow->forgotten || r.flow->hole || !link.nat.reset) return;
    if (!tcp::Machine::refuse(segment, answer)) return;
    // It stands behind the radio: a device hears of it after a round trip, a broker at once.
    const Duration way =
        sender == End::client ? link.up.latency + link.down.latency : microseconds(1);
    put(r, other(sender), now + way, answer);
    schedule_arrival(r, other(sender));
}

/// The device has sent something: what the network kept for it while it slept comes now.
void Network::release_held(Instant now, std::uint16_t population, std::uint32_t index) {
    Population& p = populations_[population];
    for (FlowId each = p.newest[index].flow(); each != kNoFlow; each = older(each)) {
        const Ref flow = look_up(each);
        if (flow.busy == nullptr) continue;
        Lane& l = flow.lane(End::server);
        std::vector<std::uint32_t> held;
        std::uint32_t* place = &l.packets;
        l.last_packet = kNone;
        while (*place != kNone) {
            const std::uint32_t packet = *place;
            if (packets_[packet].held) {
                held.push_back(packet);
                *place = packets_[packet].next;
            } else {
                l.last_packet = packet;
                place = &packets_[packet].next;
            }
        }
        l.first = l.packets == kNone ? Instant::never() : packets_[l.packets].arrives;
        for (const std::uint32_t packet : held) {
            const tcp::Segment segment = packets_[packet].segment;
            if (packets_[packet].tells) --l.telling;
            packets_.give_back(packet);
            const Passage again = p.links.offer(now, index, false, segment.wire_bytes(), nullptr);
            if (again.fate == Passage::Fate::arrives) {
                put(flow, End::server, again.arrives, segment);
            } else {
                p.traffic[side(End::server)].lose(segment.wire_bytes());
            }
        }
        if (!held.empty()) schedule_arrival(flow, End::server);
    }
}

// --- Faults --------------------------------------------------------------------------------------

void Network::set_fault(Instant now, std::uint16_t population, std::uint32_t index,
                        const Fault& fault) {
    Population& p = populations_[population];
    if (index >= p.newest.size()) throw std::invalid_argument("device must be one of the fleet's");
    clear_fault(population, index);
    Fault& placed = faults_[{population, index}];
    placed = fault;
    const FlowId id = p.newest[index].flow();
    if (id == kNoFlow || flows_[id].end[0].done) {
        ++placed.after_bytes;  // streams begin at 1
        return;
    }
    const Ref r = engage(now, id);
    placed.after_bytes += r.lane(fault.sender).read;
    r.flow->faulty = true;
    wake(now, r, End::client);
    wake(now, r, End::server);
    // Owners are called from events only.
    if (fault.after_bytes == 0) push_event(r, now, FlowEvent::nudge);
    rest_unless_handling(now, r);
}

void Network::clear_fault(std::uint16_t population, std::uint32_t index) {
    Population& p = populations_[population];
    if (index >= p.newest.size()) throw std::invalid_argument("device must be one of the fleet's");
    faults_.erase({population, index});
    for (FlowId id = p.newest[index].flow(); id != kNoFlow; id = older(id)) {
        flows_[id].faulty = false;
    }
}

/// A new flow takes up the fault that waits for it; one of an older flow is over with that.
void Network::meet_fault(FlowId id) {
    if (faults_.empty()) return;
    Flow& flow = flows_[id];
    for (FlowId old = older(id); old != kNoFlow; old = older(old)) {
        if (flows_[old].faulty) clear_fault(flow.population, flow.index);
    }
    flow.faulty = faults_.count({flow.population, flow.index}) > 0;
}

/// How many of the `bytes` that are about to be read come before the fault strikes.
std::uint32_t Network::until_fault(const Ref& r, End sender, std::uint32_t bytes) {
    const Flow& flow = *r.flow;
    if (!flow.faulty) return bytes;
    const Fault& fault = faults_.at({flow.population, flow.index});
    if (fault.sender != sender) return bytes;
    const auto at = static_cast<std::uint32_t>(fault.after_bytes);
    const std::uint32_t read = r.lane(sender).read;
    if (tcp::after(at, read + bytes)) return bytes;
    return tcp::after(at, read) ? at - read : 0;
}

/// So many bytes of `sender` have been read that the fault strikes.
bool Network::at_fault(const Ref& r, End sender) {
    const Flow& flow = *r.flow;
    if (!flow.faulty) return false;
    const Fault& fault = faults_.at({flow.population, flow.index});
    const auto at = static_cast<std::uint32_t>(fault.after_bytes);
    return fault.sender == sender && !tcp::after(at, r.lane(sender).read);
}

void Network::strike(Instant now, const Ref& r) {
    const std::pair<std::uint16_t, std::uint32_t> whose{r.flow->population, r.flow->index};
    const Fault fault = faults_.at(whose);
    faults_.erase(whose);
    r.flow->faulty = false;
    if (fault.kind == Fault::Kind::stall) {
        const End reader = other(fault.sender);
        wake(now, r, reader);
        out_.clear();
        tcp(r, reader).set_reading(r.at(now, reader), r.end(reader), false, out_);
        return;
    }
    swallow(now, r);
    if (fault.kind == Fault::Kind::reset) reset_both(now, r);
}

/// Nothing of the flow passes any more, what is on its way included.
void Network::swallow(Instant now, const Ref& r) {
    wake(now, r, End::client);
    wake(now, r, End::server);
    r.flow->forgotten = r.flow->hole = true;
    for (const End sender : {End::client, End::server}) {
        Traffic& traffic = r.p->traffic[side(sender)];
        Lane& l = r.lane(sender);
        while (l.packets != kNone) {
            traffic.lose(packets_[l.packets].segment.wire_bytes());
            packets_.pop(l);
        }
        l.arrival_event = Instant::never();
    }
}

void Network::reset_both(Instant now, const Ref& r) {
    for (const End end : {End::client, End::server}) {
        if (r.end(end).state == tcp::State::closed) continue;
        Lane& l = r.lane(end);
        l.settled = Instant{-1};
        l.out = l.owing = 0;
        l.ack_at = Instant::never();
        tcp(r, end).vanish(r.end(end));
        r.end(end).silent = true;
        over(now, r, end, tcp::Over::reset);
    }
}

/// What is to be done besides the exchange, where the owners of the ends may be told.
void Network::handle_nudge(Instant now, const Ref& r) {
    for (const End sender : {End::client, End::server}) {
        // Before there is a connection the first byte has to come.
        if (r.end(End::client).state != tcp::State::closed && at_fault(r, sender)) {
            strike(now, r);
        }
    }
    read_on(now, r, End::client);
    read_on(now, r, End::server);
    give_up_talk(now, r);
}

void Network::resume_reading(Instant now, std::uint16_t population, std::uint32_t index,
                             End reader) {
    Population& p = populations_[population];
    if (index >= p.newest.size()) throw std::invalid_argument("device must be one of the fleet's");
    const FlowId id = p.newest[index].flow();
    if (id != kNoFlow) set_reading(now, id, reader, true);
}

void Network::set_reading(Instant now, FlowId id, End end, bool reading) {
    const tcp::Endpoint& e = flows_[id].end[side(end)];
    if (e.reading == reading || e.state == tcp::State::closed) return;
    const Ref r = engage(now, id);
    wake(now, r, end);
    out_.clear();
    tcp(r, end).set_reading(r.at(now, end), r.end(end), reading, out_);
    out_.delivered = 0;  // the event hands it over
    follow(now, r, end);
    if (reading) push_event(r, now, FlowEvent::nudge);
    rest_unless_handling(now, r);
}

/// Hands over what has been waiting for a reader, and the end of the stream if that was waiting.
void Network::read_on(Instant now, const Ref& r, End reader) {
    if (r.flow->hole) return;  // what a fault has kept from the reader stays with it
    const End sender = other(reader);
    const auto waits = [&] {
        const tcp::Endpoint& e = r.end(reader);
        return e.reading && e.state != tcp::State::closed;
    };
    if (!waits()) return;
    const Lane& l = r.lane(sender);
    // A FIN counts as one more than was written.
    const std::uint32_t expected = r.end(reader).expected;
    const std::uint32_t come = tcp::after(expected, l.written) ? l.written : expected;
    if (tcp::after(come, l.read)) hand_over(now, r, reader, come - l.read);
    if (waits() && r.end(reader).state == tcp::State::close_wait && !r.end(reader).done) {
        peer_closed(now, r, reader);
    }
}

}  // namespace mqttwin::net
