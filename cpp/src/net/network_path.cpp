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
    ++traffic.packets;
    traffic.bytes += bytes;
    SharedCapacity* shared = nullptr;
    if (p.links.spec().shared != kNotShared) shared = &shared_[p.links.spec().shared];
    Passage passage = p.links.offer(now, flow.index, sender == End::client, bytes, shared);
    const bool minded = flow.forgotten || !p.quiet_path || !p.apart.empty();
    if (minded && passage.fate == Passage::Fate::arrives && !forwarded(now, id, sender)) {
        passage.fate = Passage::Fate::no_way;
    }
    if (passage.fate != Passage::Fate::arrives) {
        ++traffic.lost;
        traffic.lost_bytes += bytes;
    }
    if (passage.woke) release_held(now, id);
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
        // Only the device's side makes a new entry, and only by a SYN, which has a flow of its own.
        if (now - seen->second > patience) flow.forgotten = true;
        seen->second = now;
    }
    (void)sender;
    return !flow.forgotten;
}

/// The middlebox has forgotten the flow, and says so to who still uses it.
void Network::reset_by_middlebox(Instant now, FlowId id, End sender, const tcp::Segment& segment) {
    const LinkSpec& link = populations_[flows_[id].population].links.spec();
    tcp::Segment answer;
    if (!flows_[id].forgotten || !link.nat.reset) return;
    if (!tcp::Machine::refuse(segment, answer)) return;
    // It stands behind the radio: a device hears of it after a round trip, a broker at once.
    const Duration way =
        sender == End::client ? link.up.latency + link.down.latency : microseconds(1);
    put(id, other(sender), now + way, answer);
    schedule_arrival(id, other(sender));
}

/// The device has sent something: what the network kept for it while it slept comes now.
void Network::release_held(Instant now, FlowId id) {
    Population& p = populations_[flows_[id].population];
    const std::uint32_t index = flows_[id].index;
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
                ++p.traffic[side(End::server)].lost;
                p.traffic[side(End::server)].lost_bytes += segment.wire_bytes();
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
    if (fault.after_bytes == 0 && id != handling_) strike(now, id);
    if (id != handling_) rest(now, id);
}

void Network::clear_fault(std::uint16_t population, std::uint32_t index) {
    faults_.erase({population, index});
    const FlowId id = populations_[population].newest[index];
    if (id != kNoFlow) flows_[id].faulty = false;
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

void Network::strike(Instant now, FlowId id) {
    Flow& flow = flows_[id];
    const Fault fault = faults_.at({flow.population, flow.index});
    faults_.erase({flow.population, flow.index});
    flow.faulty = false;
    switch (fault.kind) {
        case Fault::Kind::black_hole:
            flow.forgotten = true;
            break;
        case Fault::Kind::stall: {
            const End reader = other(fault.sender);
            wake(now, id, reader);
            out_.clear();
            machine(flow, reader).set_reading(now, endpoint(id, reader), false, out_);
            follow(now, id, reader);
            break;
        }
        case Fault::Kind::reset:
            flow.forgotten = true;
            for (const End end : {End::client, End::server}) {
                if (endpoint(id, end).state == tcp::State::closed) continue;
                Lane& l = lane(id, end);
                l.settled = Instant{-1};
                l.out = l.owing = 0;
                machine(flows_[id], end).vanish(endpoint(id, end));
                flows_[id].silent[side(end)] = true;
                over(now, id, end, tcp::Over::reset);
            }
            schedule_arrival(id, End::client);
            schedule_arrival(id, End::server);
            break;
    }
}

void Network::resume_reading(Instant now, std::uint16_t population, std::uint32_t index,
                             End reader) {
    const FlowId id = populations_[population].newest[index];
    if (id == kNoFlow || endpoint(id, reader).state == tcp::State::closed) return;
    engage(now, id);
    wake(now, id, reader);
    out_.clear();
    machine(flows_[id], reader).set_reading(now, endpoint(id, reader), true, out_);
    const std::uint32_t delivered = out_.delivered;
    out_.delivered = 0;
    follow(now, id, reader);
    if (delivered > 0) hand_over(now, id, reader, delivered);
    if (id != handling_) rest(now, id);
}

}  // namespace mqttwin::net
