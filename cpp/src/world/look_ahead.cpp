#include "look_ahead.hpp"

#include <utility>

#include "mqttwin/base/prefetch.hpp"

namespace mqttwin::world {

namespace {

// How many events before its own a scout is sent. With a hundred thousand devices nearly everything
// that an event touches is out of the cache; loaded early and side by side it costs a fraction of
// what it costs one after the other.
constexpr std::size_t kAhead = sim::EventQueue::kUpcoming - 1;

}  // namespace

void VirtualWorld::LookAhead::leave_trail(net::FlowId flow, BrokerHost& broker) {
    if (world_.queue_.size() < kEventsWorthIt) return;
    const broker::Broker::Trail trail = broker.engine.trail();
    if (trail.to == world_.network_.server_slot(flow) || trail.to >= broker.flow.size()) return;
    if (std::exchange(broker.served[trail.to % broker.served.size()], trail.to) == trail.to) return;
    FleetHost* const fleet = world_.populations_[world_.network_.population(flow)].fleet;
    if (fleet == nullptr) return;  // a raw client
    if (fleet->trails.empty()) fleet->trails.resize(fleet->flow.size());
    fleet->trails[world_.network_.index(flow)] = trail;
}

// An event that is put among those that have a scout already gets none.
void VirtualWorld::LookAhead::step() {
    const auto coming = world_.queue_.upcoming(kAhead + 1);
    if (coming.size() <= kAhead) return;
    const auto [rank, device, kind, detail] = sim::EventKey::unpack(coming[kAhead].key);
    const FleetHost* const fleet = world_.populations_[world_.by_rank_[rank]].fleet;
    if (fleet == nullptr || stays_in_the_cache(*fleet)) return;
    if (kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_up)) {
        rise(*fleet, device);
    } else if (kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_down)) {
        fall(*fleet, device);
    } else {
        act(*fleet, device, kind, detail);
    }
}

// Consumers that share what a fleet sends, say; unless there are many such fleets.
bool VirtualWorld::LookAhead::stays_in_the_cache(const FleetHost& fleet) const {
    return fleet.who.count() < kFewDevices && world_.devices_of_small_fleets_ < kEventsWorthIt;
}

void VirtualWorld::LookAhead::load_device(const FleetHost& fleet, std::uint32_t device) const {
    const Recorder& recorder = *world_.recorder_;
    recorder.prefetch_entity(fleet.base + device);
    recorder.prefetch_totals(fleet.base + device);
    fleet.clients.prefetch(device);
}

void VirtualWorld::LookAhead::find_flow(Scout& scout) const {
    scout.flow = world_.network_.newest(scout.fleet->population, scout.device);
    world_.network_.prefetch_flow(scout.flow);
}

/// Its bytes, and whose it is.
void VirtualWorld::LookAhead::load_message(const Scout& scout, net::End sender,
                                           std::uint32_t behind) const {
    const std::uint32_t origin = world_.network_.prefetch_bytes(scout.flow, sender, behind);
    if (sender == net::End::client || origin == Stamp::kNobody) return;
    world_.recorder_->prefetch_entity(origin);
    world_.recorder_->prefetch_totals(origin);
}

/// A device publishes, say.
void VirtualWorld::LookAhead::act(const FleetHost& fleet, std::uint32_t device, std::uint8_t kind,
                                  std::uint8_t detail) {
    const net::Network& network = world_.network_;
    acting_.send(fleet, device);
    network.prefetch_device(fleet.population, device);
    load_device(fleet, device);
    mqttwin::prefetch(&fleet.flow[device]);
    if (kind == static_cast<std::uint8_t>(EventKind::behaviour)) {
        fleet.behaviours[detail].prefetch(device);
        if (world_.acknowledged_) mqttwin::prefetch(&fleet.numbered[device]);
    }
    if (Scout* const scout = acting_.before(1)) find_flow(*scout);
    if (const Scout* const scout = acting_.before(2)) network.prefetch_work(scout->flow, false);
}

/// Something arrives at the broker.
void VirtualWorld::LookAhead::rise(const FleetHost& fleet, std::uint32_t device) {
    const net::Network& network = world_.network_;
    RisingScout& fresh = rising_.send(fleet, device);
    fresh.to = kNoSlot;
    fresh.onward = net::kNoFlow;
    network.prefetch_device(fleet.population, device);
    world_.recorder_->prefetch_entity(fleet.base + device);
    // What rises does not touch the device itself.
    if (world_.acknowledged_) world_.recorder_->prefetch_totals(fleet.base + device);
    if (!fleet.trails.empty()) mqttwin::prefetch(&fleet.trails[device]);
    if (RisingScout* const scout = rising_.before(1)) {
        find_flow(*scout);
        const BrokerHost& broker = *world_.brokers_[scout->fleet->broker];
        if (!scout->fleet->trails.empty()) {
            const broker::Broker::Trail trail = scout->fleet->trails[scout->device];
            if (trail.to < broker.flow.size()) {
                scout->to = trail.to;
                broker.engine.prefetch_trail(trail);
                mqttwin::prefetch(&broker.flow[trail.to]);
            }
        }
    }
    if (RisingScout* const scout = rising_.before(2)) {
        network.prefetch_work(scout->flow, true);
        const BrokerHost& broker = *world_.brokers_[scout->fleet->broker];
        scout->slot = scout->flow != net::kNoFlow ? network.server_slot(scout->flow) : kNoSlot;
        broker.engine.prefetch(scout->slot);
        if (scout->to != kNoSlot) {
            broker.engine.prefetch_session(scout->to);
            scout->onward = broker.flow[scout->to];
            network.prefetch_server(scout->onward);
        }
        if (world_.acknowledged_ && scout->slot < broker.flow.size()) {
            mqttwin::prefetch(&broker.flow[scout->slot]);
        }
    }
    if (const RisingScout* const scout = rising_.before(3)) {
        network.prefetch_unit(scout->flow, net::End::client);
        world_.brokers_[scout->fleet->broker]->engine.prefetch_session(scout->slot);
        if (scout->onward != net::kNoFlow) {
            network.prefetch_work(scout->onward, false);
            world_.recorder_->prefetch_totals(network.prefetch_link(scout->onward));
        }
    }
    if (const RisingScout* const scout = rising_.before(4)) {
        load_message(*scout, net::End::client, 0);
        if (world_.acknowledged_) {
            world_.brokers_[scout->fleet->broker]->engine.prefetch_traffic(scout->slot);
        }
    }
    if (!world_.acknowledged_) return;
    if (const RisingScout* const scout = rising_.before(5)) {
        world_.brokers_[scout->fleet->broker]->engine.prefetch_window(scout->slot);
    }
}

/// Something arrives at a device.
void VirtualWorld::LookAhead::fall(const FleetHost& fleet, std::uint32_t device) {
    const net::Network& network = world_.network_;
    falling_.send(fleet, device);
    network.prefetch_device(fleet.population, device);
    load_device(fleet, device);
    if (world_.acknowledged_) mqttwin::prefetch(&fleet.flow[device]);
    if (Scout* const scout = falling_.before(1)) find_flow(*scout);
    if (const Scout* const scout = falling_.before(2)) {
        network.prefetch_work(scout->flow, true);
        if (world_.acknowledged_) scout->fleet->clients.prefetch_flow(scout->device);
    }
    if (const Scout* const scout = falling_.before(3)) {
        network.prefetch_unit(scout->flow, net::End::server);
    }
    if (const Scout* const scout = falling_.before(4)) {
        // Somebody who gets many messages has several on their way here.
        std::uint32_t behind = 0;
        for (std::size_t i = 5; i < 7; ++i) {
            const Scout* const other = falling_.before(i);
            behind += other != nullptr && other->flow == scout->flow ? 1 : 0;
        }
        load_message(*scout, net::End::server, behind);
        if (world_.acknowledged_) scout->fleet->clients.prefetch_window(scout->device);
    }
}

}  // namespace mqttwin::world
