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
}

void Network::set_partition(std::uint16_t population, std::uint32_t broker, bool apart) {
    std::vector<bool>& all = populations_[population].apart;
    if (all.size() <= broker) all.resize(broker + std::size_t{1});
    all[broker] = apart;
    if (std::find(all.begin(), all.end(), true) == all.end()) all.clear();
}

// --- Packets -------------------------------------------------------------------------------------

Passage Network::offer(Instant now, FlowId id, End sender, std::uint32_t bytes) {
    const Flow& flow = flows_[id];
    Population& p = populations_[flow.population];
    Traffic& traffic = p.traffic[side(sender)];
    traffic.send(bytes);
    SharedCapacity* shared = nullptr;
    if (p.links.spec().shared != kNotShared) shared = &shared_[p.links.spec().shared];
    Passage passage = p.links.offer(now, flow.index, sender == End::client, bytes, shared);
    const bool minded = flow.forgotten || !p.quiet_path || !p.apart.empty();
    if (minded && passage.fate == Passage::Fate::arrives && !forwarded(now, id, sender)) {
        passage.fate = Passage::Fate::no_way;
    }
    if (passage.fate != Passage::Fate::arrives) traffic.lose(bytes);
    if (passage.woke) release_held(now, flow.population, flow.index);
    return passage;
}

/// Whether those on the way pass a packet of this flow on.
bool Network::forwarded(Instant now, FlowId id, End sender) {
    Flow& flow = flows_[id];
    const Population& p = populations_[flow.population];
    if (!p.apart.empty() && flow.broker < p.apart.size() && p.apart[flow.broker]) return false;
    const Duration patience = p.links.spec().nat.idle_timeout;
    if (patience.ns > 0 && !flow.forgotten) {
        const auto seen = last_packet_.emplace(id, now).first;
        // Only the device's side makes an entry, and only by a SYN: the first, or another.
        const bool asks = sender == End::client && flow.end[0].state == tcp::State::syn_sent;
        if (now - seen->second > patience && !asks) flow.forgotten = true;
        seen->second = now;
    }
    return !flow.forgotten;
}

/// The middlebox has forgotten the flow, and says so to who still uses it.
void Network::reset_by_middlebox(Instant now, FlowId id, End sender, const tcp::Segment& segment) {
    const LinkSpec& link = populations_[flows_[id].population].links.spec();
    tcp::Segment answer;
    if (!flows_[id].forgotten || flows_[id].hole || !link.nat.reset) return;
    if (!tcp::Machine::refuse(segment, answer)) return;
    // It stands behind the radio: a device hears of it after a round trip, a broker at once.
    const Duration way =
        sender == End::client ? link.up.latency + link.down.latency : microseconds(1);
    put(id, other(sender), now + way, answer);
    schedule_arrival(id, other(sender));
}

/// The device has sent something: what the network kept for it while it slept comes now.
void Network::release_held(Instant now, std::uint16_t population, std::uint32_t index) {
    Population& p = populations_[population];
    for (FlowId each = p.newest[index]; each != kNoFlow; each = flows_[each].older) {
        if (flows_[each].busy == kNone) continue;
        Lane& l = lane(each, End::server);
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
        for (const std::uint32_t packet : held) {
            const tcp::Segment segment = packets_[packet].segment;
            if (packets_[packet].tells) --l.telling;
            packets_.give_back(packet);
            const Passage again = p.links.offer(now, index, false, segment.wire_bytes(), nullptr);
            if (again.fate == Passage::Fate::arrives) {
                put(each, End::server, again.arrives, segment);
            } else {
                p.traffic[side(End::server)].lose(segment.wire_bytes());
            }
        }
        if (!held.empty()) schedule_arrival(each, End::server);
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
    const FlowId id = p.newest[index];
    if (id == kNoFlow || flows_[id].done[0]) {
        ++placed.after_bytes;  // streams begin at 1
        return;
    }
    engage(now, id);
    placed.after_bytes += lane(id, fault.sender).read;
    flows_[id].faulty = true;
    wake(now, id, End::client);
    wake(now, id, End::server);
    // Owners are called from events only.
    if (fault.after_bytes == 0) push_event(flows_[id], now, FlowEvent::nudge);
    if (id != handling_) rest(now, id);
}

void Network::clear_fault(std::uint16_t population, std::uint32_t index) {
    Population& p = populations_[population];
    if (index >= p.newest.size()) throw std::invalid_argument("device must be one of the fleet's");
    faults_.erase({population, index});
    for (FlowId id = p.newest[index]; id != kNoFlow; id = flows_[id].older) {
        flows_[id].faulty = false;
    }
}

/// A new flow takes up the fault that waits for it; one of an older flow is over with that.
void Network::meet_fault(FlowId id) {
    if (faults_.empty()) return;
    Flow& flow = flows_[id];
    for (FlowId old = flow.older; old != kNoFlow; old = flows_[old].older) {
        if (flows_[old].faulty) clear_fault(flow.population, flow.index);
    }
    flow.faulty = faults_.count({flow.population, flow.index}) > 0;
}

/// How many of the `bytes` that are about to be read come before the fault strikes.
std::uint32_t Network::until_fault(FlowId id, End sender, std::uint32_t bytes) {
    const Flow& flow = flows_[id];
    if (!flow.faulty) return bytes;
    const Fault& fault = faults_.at({flow.population, flow.index});
    if (fault.sender != sender) return bytes;
    const auto at = static_cast<std::uint32_t>(fault.after_bytes);
    const std::uint32_t read = lane(id, sender).read;
    if (tcp::after(at, read + bytes)) return bytes;
    return tcp::after(at, read) ? at - read : 0;
}

/// So many bytes of `sender` have been read that the fault strikes.
bool Network::at_fault(FlowId id, End sender) {
    const Flow& flow = flows_[id];
    if (!flow.faulty) return false;
    const Fault& fault = faults_.at({flow.population, flow.index});
    const auto at = static_cast<std::uint32_t>(fault.after_bytes);
    return fault.sender == sender && !tcp::after(at, lane(id, sender).read);
}

void Network::strike(Instant now, FlowId id) {
    const std::pair<std::uint16_t, std::uint32_t> whose{flows_[id].population, flows_[id].index};
    const Fault fault = faults_.at(whose);
    faults_.erase(whose);
    flows_[id].faulty = false;
    if (fault.kind == Fault::Kind::stall) {
        const End reader = other(fault.sender);
        wake(now, id, reader);
        out_.clear();
        machine(flows_[id], reader).set_reading(now, endpoint(id, reader), false, out_);
        return;
    }
    swallow(now, id);
    if (fault.kind == Fault::Kind::reset) reset_both(now, id);
}

/// Nothing of the flow passes any more, what is on its way included.
void Network::swallow(Instant now, FlowId id) {
    wake(now, id, End::client);
    wake(now, id, End::server);
    flows_[id].forgotten = flows_[id].hole = true;
    for (const End sender : {End::client, End::server}) {
        Traffic& traffic = populations_[flows_[id].population].traffic[side(sender)];
        Lane& l = lane(id, sender);
        while (l.packets != kNone) {
            traffic.lose(packets_[l.packets].segment.wire_bytes());
            pop_packet(l);
        }
        l.arrival_event = Instant::never();
    }
}

void Network::reset_both(Instant now, FlowId id) {
    for (const End end : {End::client, End::server}) {
        if (endpoint(id, end).state == tcp::State::closed) continue;
        Lane& l = lane(id, end);
        l.settled = Instant{-1};
        l.out = l.owing = 0;
        machine(flows_[id], end).vanish(endpoint(id, end));
        flows_[id].silent[side(end)] = true;
        over(now, id, end, tcp::Over::reset);
    }
}

/// What is to be done besides the exchange, where the owners of the ends may be told.
void Network::handle_nudge(Instant now, FlowId id) {
    for (const End sender : {End::client, End::server}) {
        // Before there is a connection the first byte has to come.
        if (endpoint(id, End::client).state != tcp::State::closed && at_fault(id, sender)) {
            strike(now, id);
        }
    }
    read_on(now, id, End::client);
    read_on(now, id, End::server);
    give_up_talk(now, id);
}

void Network::resume_reading(Instant now, std::uint16_t population, std::uint32_t index,
                             End reader) {
    Population& p = populations_[population];
    if (index >= p.newest.size()) throw std::invalid_argument("device must be one of the fleet's");
    const FlowId id = p.newest[index];
    if (id != kNoFlow) set_reading(now, id, reader, true);
}

void Network::set_reading(Instant now, FlowId id, End end, bool reading) {
    if (endpoint(id, end).reading == reading) return;
    if (endpoint(id, end).state == tcp::State::closed) return;
    engage(now, id);
    wake(now, id, end);
    out_.clear();
    machine(flows_[id], end).set_reading(now, endpoint(id, end), reading, out_);
    out_.delivered = 0;  // the event hands it over
    follow(now, id, end);
    if (reading) push_event(flows_[id], now, FlowEvent::nudge);
    if (id != handling_) rest(now, id);
}

/// Hands over what has been waiting for a reader, and the end of the stream if that was waiting.
void Network::read_on(Instant now, FlowId id, End reader) {
    const End sender = other(reader);
    const auto waits = [&] {
        const tcp::Endpoint& e = endpoint(id, reader);
        return e.reading && e.state != tcp::State::closed;
    };
    if (!waits()) return;
    const Lane& l = lane(id, sender);
    // A FIN counts as one more than was written.
    const std::uint32_t expected = endpoint(id, reader).expected;
    const std::uint32_t come = tcp::after(expected, l.written) ? l.written : expected;
    if (tcp::after(come, l.read)) hand_over(now, id, reader, come - l.read);
    if (waits() && endpoint(id, reader).state == tcp::State::close_wait &&
        !flows_[id].done[side(reader)]) {
        peer_closed(now, id, reader);
    }
}

}  // namespace mqttwin::net
