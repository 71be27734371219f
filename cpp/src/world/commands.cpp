// What the owner of a virtual world does to it between events, and how it looks into it.

#include <stdexcept>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

VirtualWorld::FleetHost& VirtualWorld::fleet_at(std::uint32_t fleet) {
    if (fleet >= fleets_.size()) throw std::invalid_argument("fleet: there is no such one");
    return *fleets_[fleet];
}

VirtualWorld::BrokerHost& VirtualWorld::broker_at(std::uint32_t broker) {
    if (broker >= brokers_.size()) throw std::invalid_argument("broker: there is no such one");
    return *brokers_[broker];
}

std::uint32_t VirtualWorld::checked_device(const FleetHost& fleet, std::uint32_t device) const {
    if (device >= fleet.who.count()) {
        throw std::invalid_argument("device: must be below " + std::to_string(fleet.who.count()) +
                                    ", not " + std::to_string(device));
    }
    return device;
}

void VirtualWorld::broker_restart(std::uint32_t broker, bool keep_sessions) {
    BrokerHost& host = broker_at(broker);
    host.engine.restart(now_, keep_sessions);
    drain(host);
}

void VirtualWorld::broker_down(std::uint32_t broker) {
    BrokerHost& host = broker_at(broker);
    host.down = true;
    host.engine.restart(now_, true);
    drain(host);
}

void VirtualWorld::broker_up(std::uint32_t broker) { broker_at(broker).down = false; }

void VirtualWorld::broker_refuse(std::uint32_t broker, std::uint8_t reason) {
    if (reason != 0 &&
        (reason < 0x80 || !wire::reason_allowed(wire::PacketType::connack, reason))) {
        throw std::invalid_argument("reason: must be an error of a CONNACK");
    }
    broker_at(broker).engine.set_refusal(reason);
}

bool VirtualWorld::broker_has(std::uint32_t broker, std::string_view client_id) const {
    return const_cast<VirtualWorld*>(this)->broker_at(broker).engine.is_connected(client_id);
}

void VirtualWorld::broker_publish(std::uint32_t broker, const wire::Publish& message) {
    BrokerHost& host = broker_at(broker);
    host.engine.publish(now_, message, {now_, Stamp::kNobody, 0});
    drain(host);
}

void VirtualWorld::cut(std::uint32_t fleet, std::uint32_t device, bool silent) {
    FleetHost& host = fleet_at(fleet);
    const net::FlowId flow = flow_of(host, checked_device(host, device));
    if (flow == net::kNoFlow) return;
    recorder_->ended(now_, host.tag(device), net::End::client, Recorder::EndedBy::fault);
    if (is_real(flow)) {
        host.real[device] = net::kNoFlow;
        capture_real_end(flow & ~kReal, net::End::client, true);
        real_[flow & ~kReal] = {};
        gate_->abort(flow & ~kReal);
    } else if (silent) {
        network_.vanish(now_, flow, net::End::client);
    } else {
        network_.abort(now_, flow, net::End::client);
    }
    host.clients.handle_closed(now_, device);
    drain(host);
}

void VirtualWorld::connect(std::uint32_t fleet, std::uint32_t device) {
    FleetHost& host = fleet_at(fleet);
    host.clients.connect(now_, checked_device(host, device));
    drain(host);
}

void VirtualWorld::disconnect(std::uint32_t fleet, std::uint32_t device) {
    FleetHost& host = fleet_at(fleet);
    host.clients.disconnect(now_, checked_device(host, device));
    drain(host);
}

std::uint32_t VirtualWorld::online(std::uint32_t fleet) const {
    return const_cast<VirtualWorld*>(this)->fleet_at(fleet).online;
}

net::Traffic VirtualWorld::traffic(std::uint32_t fleet, net::End sender) const {
    return network_.traffic(const_cast<VirtualWorld*>(this)->fleet_at(fleet).population, sender);
}

std::uint32_t VirtualWorld::fleet_size(std::uint32_t fleet) const {
    return const_cast<VirtualWorld*>(this)->fleet_at(fleet).who.count();
}

client::Phase VirtualWorld::phase(std::uint32_t fleet, std::uint32_t device) const {
    const FleetHost& host = const_cast<VirtualWorld*>(this)->fleet_at(fleet);
    return host.clients.phase(checked_device(host, device));
}

broker::Counts VirtualWorld::broker_counts(std::uint32_t broker) const {
    return const_cast<VirtualWorld*>(this)->broker_at(broker).engine.counts();
}

std::uint64_t VirtualWorld::count_in_flight() const {
    std::uint64_t pending = 0;
    for (const auto& broker : brokers_) {
        broker->engine.for_each_pending(
            [&](std::uint32_t subscriber, const Stamp& stamp, wire::QoS) {
                if (recorder_->still_owed(subscriber, stamp)) ++pending;
            });
    }
    network_.for_each_in_transit(
        [&](std::uint32_t tag, net::End receiver, ByteView bytes, const Stamp& stamp) {
            if (!recorder_->is_device(tag)) return;
            if (receiver == net::End::client && Recorder::counts_as_qos0(bytes, stamp)) ++pending;
        });
    return pending;
}

std::uint64_t VirtualWorld::count_unsent() const {
    std::uint64_t pending = 0;
    for (const auto& fleet : fleets_) {
        for (std::uint32_t device = 0; device < fleet->who.count(); ++device) {
            pending += fleet->clients.in_flight(device) + fleet->clients.queued(device);
        }
    }
    network_.for_each_in_transit(
        [&](std::uint32_t tag, net::End receiver, ByteView bytes, const Stamp& stamp) {
            if (!recorder_->is_device(tag)) return;
            if (receiver == net::End::server && Recorder::counts_as_qos0(bytes, stamp)) ++pending;
        });
    return pending;
}

VirtualWorld::Memory VirtualWorld::memory() const {
    return {pool_.footprint(), queue_.footprint(), network_.footprint()};
}

// --- What the clients of a fleet say -------------------------------------------------------------

void VirtualWorld::FleetHost::on_connected(Instant now, Slot device, bool session_present) {
    ++online;
    is_online[device] = true;
    world.recorder_->online(now, tag(device), session_present);
    if (started[device]) return;
    started[device] = true;
    for (std::size_t b = 0; b < behaviours.size(); ++b) {
        const Instant first = behaviours[b].first(device, now);
        if (first == Instant::never()) continue;
        world.queue_.push(world.event(first, population, device, EventKind::behaviour,
                                      static_cast<std::uint8_t>(b)));
    }
}

void VirtualWorld::FleetHost::on_disconnected(Instant now, Slot device,
                                              client::DisconnectCause cause, std::uint8_t reason) {
    const bool was_online = is_online[device];
    if (was_online) --online;
    is_online[device] = false;
    world.recorder_->offline(now, tag(device), was_online, cause, reason);
}

void VirtualWorld::FleetHost::on_message(Instant now, Slot device, const wire::Publish& message,
                                         const Stamp& stamp) {
    world.recorder_->received(now, tag(device), message, stamp);
}

void VirtualWorld::FleetHost::on_acknowledged(Instant now, Slot device, const Stamp& stamp,
                                              wire::QoS qos, const wire::Ack& packet) {
    world.recorder_->acknowledged(now, tag(device), stamp, qos, packet.reason);
}

void VirtualWorld::FleetHost::on_dropped(Instant now, Slot device, const Stamp& stamp,
                                         wire::QoS qos, client::PublishOutcome outcome) {
    world.recorder_->dropped_by_device(now, tag(device), stamp, qos, outcome);
}

}  // namespace mqttwin::world
