// What befalls links, names and the way between hosts.

#include <stdexcept>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

std::uint32_t VirtualWorld::add_shared(const net::SharedSpec& spec) {
    return network_.add_shared(spec);
}

std::uint32_t VirtualWorld::name_broker(std::uint32_t broker, std::string_view hostname,
                                        Duration ttl) {
    BrokerHost& host = broker_at(broker);
    if (host.dns_name != kUnnamed) throw std::invalid_argument("hostname: the broker has one");
    host.dns_name = network_.names().add(hostname, network_.names().address_of(broker), ttl);
    return host.dns_name;
}

void VirtualWorld::set_ttl(std::uint32_t broker, Duration ttl) {
    const BrokerHost& host = broker_at(broker);
    if (host.dns_name == kUnnamed) throw std::invalid_argument("ttl: the broker has no hostname");
    if (ttl.ns < 0) throw std::invalid_argument("ttl must be at least 0 s");
    network_.names().set_ttl(host.dns_name, ttl);
}

net::Reach VirtualWorld::reach_of(const FleetSpec& spec) const {
    net::Reach reach;
    reach.kind = spec.reach;
    reach.resolver = spec.resolver;
    if (spec.resolver.ns < 0) throw std::invalid_argument("resolver must be at least 0 s");
    const BrokerHost& host = *brokers_[spec.broker];
    if (spec.reach == net::Reach::Kind::name) {
        if (host.dns_name == kUnnamed) {
            throw std::invalid_argument("reach: the broker \"" + host.name + "\" has no hostname");
        }
        reach.name = host.dns_name;
    }
    if (spec.reach == net::Reach::Kind::address) {
        reach.address = network_.names().address_of(spec.broker);
    }
    return reach;
}

void VirtualWorld::broker_move(std::uint32_t broker, bool keep_sessions, bool update_name) {
    BrokerHost& host = broker_at(broker);
    // The old host is gone without a word: clients learn of it from their own timers.
    for (Slot slot = 0; slot < host.flow.size(); ++slot) {
        const net::FlowId flow = host.flow[slot];
        if (flow == net::kNoFlow || is_real(flow)) continue;
        recorder_->ended(now_, network_.tag(flow), net::End::server, Recorder::EndedBy::fault);
        free_slot(host, slot);
        network_.vanish(now_, flow, net::End::server);
    }
    network_.move_host(now_, broker, ++last_address_);
    if (update_name && host.dns_name != kUnnamed) {
        network_.names().set(host.dns_name, last_address_);
    }
    host.engine.restart(now_, keep_sessions);
    drain(host);
}

void VirtualWorld::set_link_down(std::uint32_t fleet, std::uint32_t device, bool down) {
    const FleetHost& host = fleet_at(fleet);
    network_.set_link_down(host.population, checked_device(host, device), down);
}

void VirtualWorld::set_partition(std::uint32_t fleet, std::uint32_t broker, bool apart) {
    (void)broker_at(broker);
    network_.set_partition(fleet_at(fleet).population, broker, apart);
}

void VirtualWorld::set_fault(std::uint32_t fleet, std::uint32_t device, const net::Fault& fault) {
    const FleetHost& host = fleet_at(fleet);
    network_.set_fault(now_, host.population, checked_device(host, device), fault);
}

void VirtualWorld::clear_fault(std::uint32_t fleet, std::uint32_t device) {
    const FleetHost& host = fleet_at(fleet);
    network_.clear_fault(host.population, checked_device(host, device));
}

void VirtualWorld::resume_reading(std::uint32_t fleet, std::uint32_t device, net::End reader) {
    const FleetHost& host = fleet_at(fleet);
    network_.resume_reading(now_, host.population, checked_device(host, device), reader);
}

}  // namespace mqttwin::world
