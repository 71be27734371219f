#include "look_ahead.hpp"

#include <utility>

#include "mqttwin/base/prefetch.hpp"

namespace mqttwin::world {

namespace {

// How many events before its own a scout is sent. With a hundred thousand devices nearly everything
// that an event touches is out of the cache; loaded early and side by side it costs a fraction of
// what it costs one after the other. Where messages are acknowledged, more events go by between two
// of a kind, and so between two steps of a scout.
constexpr std::size_t kAhead = 23;
constexpr std::size_t kFarAhead = 35;
static_assert(kFarAhead < sim::EventQueue::kMostForeseen);

// So many messages go to somebody whom the cache has not before trails are kept: a few consumers
// that take turns are there already, and a trail would only be one thing more to load.
constexpr std::uint32_t kWorthTrails = 1'000;

}  // namespace

void VirtualWorld::LookAhead::leave_trail(const net::Flow& flow, BrokerHost& broker) {
    if (world_.queue_.size() < kEventsWorthTrails) return;
    const broker::Broker::Trail trail = broker.engine.trail();
    if (trail.to == flow.server_slot || trail.to >= broker.flow.size()) return;
    if (std::exchange(broker.served[trail.to % broker.served.size()], trail.to) == trail.to) return;
    FleetHost* const fleet = world_.populations_[flow.population].fleet;
    if (fleet == nullptr) return;  // a raw client
    if (++strays_ < kWorthTrails) return;
    if (fleet->trails.empty()) fleet->trails.resize(fleet->who.count());
    fleet->trails[flow.index] = trail;
}

// An event that is put among those that have a scout already gets none.
void VirtualWorld::LookAhead::step() {
    const std::size_t ahead = world_.acknowledged_ ? kFarAhead : kAhead;
    world_.queue_.foresee(ahead + 1);
    const auto coming = world_.queue_.upcoming(ahead + 1);
    if (coming.size() <= ahead) return;
    const auto [rank, device, kind, detail] = sim::EventKey::unpack(coming[ahead].key);
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

void VirtualWorld::LookAhead::find_flow(Scout& scout) const {
    const net::Network& network = world_.network_;
    scout.flow = network.sight(network.newest(scout.fleet->population, scout.device));
    network.prefetch_flow(scout.flow);
}

/// A device publishes, say.
void VirtualWorld::LookAhead::act(const FleetHost& fleet, std::uint32_t device, std::uint8_t kind,
                                  std::uint8_t detail) {
    const net::Network& network = world_.network_;
    acting_.send(fleet, device);
    network.prefetch_device(fleet.population, device);
    world_.recorder_->prefetch_totals(fleet.base + device);
    fleet.clients.prefetch(device);
    if (kind == static_cast<std::uint8_t>(EventKind::behaviour)) {
        fleet.behaviours[detail].prefetch(device);
        if (world_.acknowledged_) mqttwin::prefetch(&fleet.numbered[device]);
    }
    if (!acting_.full()) return;
    find_flow(acting_.before(1));
    network.prefetch_work(acting_.before(2).flow, false);
}

/// Something arrives at the broker.
void VirtualWorld::LookAhead::rise(const FleetHost& fleet, std::uint32_t device) {
    const net::Network& network = world_.network_;
    const Recorder& recorder = *world_.recorder_;
    const bool acknowledged = world_.acknowledged_;
    RisingScout& fresh = rising_.send(fleet, device);
    fresh.broker = world_.brokers_[fleet.broker].get();
    fresh.to = kNoSlot;
    fresh.onward = {};
    network.prefetch_device(fleet.population, device);
    recorder.prefetch_entity(fleet.base + device);
    if (acknowledged) recorder.prefetch_totals(fleet.base + device);  // it is answered
    if (!fleet.trails.empty()) mqttwin::prefetch(&fleet.trails[device]);
    if (!rising_.full()) return;
    {
        RisingScout& scout = rising_.before(1);
        find_flow(scout);
        if (!scout.fleet->trails.empty()) {
            const broker::Broker::Trail trail = scout.fleet->trails[scout.device];
            if (trail.to < scout.broker->flow.size()) {
                scout.to = trail.to;
                scout.broker->engine.prefetch_trail(trail);
                mqttwin::prefetch(&scout.broker->flow[trail.to]);
            }
        }
    }
    {
        RisingScout& scout = rising_.before(2);
        network.prefetch_work(scout.flow, true);
        scout.slot = scout.flow.flow != nullptr ? scout.flow.flow->server_slot : kNoSlot;
        scout.broker->engine.prefetch(scout.slot);
        if (scout.to != kNoSlot) {
            scout.broker->engine.prefetch_session(scout.to);
            scout.onward = network.sight(scout.broker->flow[scout.to]);
            network.prefetch_server(scout.onward);
        }
        if (acknowledged && scout.slot < scout.broker->flow.size()) {
            mqttwin::prefetch(&scout.broker->flow[scout.slot]);
        }
    }
    {
        const RisingScout& scout = rising_.before(3);
        network.prefetch_unit(scout.flow, net::End::client);
        scout.broker->engine.prefetch_session(scout.slot);
        if (scout.onward.flow != nullptr) {
            network.prefetch_work(scout.onward, false);
            recorder.prefetch_totals(network.prefetch_link(scout.onward));
        }
    }
    {
        const RisingScout& scout = rising_.before(4);
        network.prefetch_bytes(scout.flow, net::End::client, 0);
        if (acknowledged) scout.broker->engine.prefetch_traffic(scout.slot);
    }
    if (acknowledged) {
        const RisingScout& scout = rising_.before(5);
        scout.broker->engine.prefetch_window(scout.slot);
    }
}

/// Something arrives at a device.
void VirtualWorld::LookAhead::fall(const FleetHost& fleet, std::uint32_t device) {
    const net::Network& network = world_.network_;
    const Recorder& recorder = *world_.recorder_;
    const bool acknowledged = world_.acknowledged_;
    falling_.send(fleet, device);
    network.prefetch_device(fleet.population, device);
    recorder.prefetch_entity(fleet.base + device);
    fleet.clients.prefetch(device);
    if (acknowledged) recorder.prefetch_totals(fleet.base + device);  // it answers
    if (!falling_.full()) return;
    find_flow(falling_.before(1));
    {
        const Scout& scout = falling_.before(2);
        network.prefetch_work(scout.flow, true);
        if (acknowledged) scout.fleet->clients.prefetch_flow(scout.device);
    }
    network.prefetch_unit(falling_.before(3).flow, net::End::server);
    {
        const Scout& scout = falling_.before(4);
        // Somebody who gets many messages has several on their way here.
        std::uint32_t behind = 0;
        for (std::size_t i = 5; i < 7; ++i)
            behind += falling_.before(i).flow.id == scout.flow.id ? 1 : 0;
        // Its bytes, and whose it is.
        recorder.prefetch_entity(network.prefetch_bytes(scout.flow, net::End::server, behind));
        if (acknowledged) scout.fleet->clients.prefetch_window(scout.device);
    }
}

}  // namespace mqttwin::world
