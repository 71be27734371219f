// Loads what the next events will touch: early, and side by side.
//
// Nothing depends on it but how long a run takes: it reads what is there, and what it expects may
// be wrong.
#include <utility>

#include "mqttwin/base/prefetch.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

namespace {

// How many events ahead each step of the look-ahead is. With a hundred thousand devices nearly
// everything that an event touches is out of the cache; loaded early and side by side it costs a
// fraction of what it costs one after the other.
constexpr std::size_t kFar = sim::EventQueue::kUpcoming - 1;
constexpr std::size_t kNear = 8;
constexpr std::size_t kSoon = 6;
constexpr std::size_t kSooner = 5;
constexpr std::size_t kNext = 4;
constexpr std::size_t kThen = 3;
constexpr std::size_t kLast = 2;
constexpr std::size_t kVeryLast = 1;

bool arrives(const sim::EventKey& key) {
    return key.kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_up) ||
           key.kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_down);
}
/// At the broker.
bool rises(const sim::EventKey& key) {
    return key.kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_up);
}
net::End sender_of(const sim::EventKey& arrival) {
    return arrival.kind == static_cast<std::uint8_t>(net::FlowEvent::arrival_up) ? net::End::client
                                                                                 : net::End::server;
}

}  // namespace

/// Where the message went that the broker has just taken from a device.
void VirtualWorld::leave_trail(net::FlowId flow, BrokerHost& broker) {
    if (queue_.size() < kEventsWorthLookingAhead) return;
    const broker::Broker::Trail trail = broker.engine.trail();
    if (trail.to == network_.server_slot(flow) || trail.to >= broker.flow.size()) return;
    if (std::exchange(broker.served[trail.to % broker.served.size()], trail.to) == trail.to) return;
    FleetHost* const fleet = populations_[network_.population(flow)].fleet;
    if (fleet == nullptr) return;  // a raw client
    if (fleet->trails.empty()) fleet->trails.resize(fleet->flow.size());
    fleet->trails[network_.index(flow)] = trail;
}

void VirtualWorld::look_ahead() const {
    const auto coming = queue_.upcoming(kFar + 1);
    // Where what a device has sent will go, if it is like the last.
    const auto trail_of = [](const FleetHost& fleet, const BrokerHost& broker,
                             const sim::EventKey& key) -> const broker::Broker::Trail* {
        if (!rises(key) || fleet.trails.empty()) return nullptr;
        const broker::Broker::Trail& trail = fleet.trails[key.entity];
        return trail.to < broker.flow.size() ? &trail : nullptr;
    };
    const auto step = [&](std::size_t ahead, auto&& load) {
        if (ahead >= coming.size()) return;
        const sim::EventKey key = sim::EventKey::unpack(coming[ahead].key);
        const Population& who = populations_[by_rank_[key.population]];
        if (who.fleet != nullptr) load(*who.fleet, key);
    };
    step(kFar, [&](const FleetHost& fleet, const sim::EventKey& key) {
        network_.prefetch_device(fleet.population, key.entity);
        recorder_->prefetch_entity(fleet.base + key.entity);
        const bool rising = rises(key);  // then the device itself is not touched
        if (!rising || acknowledged_) recorder_->prefetch_totals(fleet.base + key.entity);
        if (rising && !fleet.trails.empty()) mqttwin::prefetch(&fleet.trails[key.entity]);
        if (rising) return;
        fleet.clients.prefetch(key.entity);
        mqttwin::prefetch(&fleet.flow[key.entity]);
        if (key.kind == static_cast<std::uint8_t>(EventKind::behaviour)) {
            fleet.behaviours[key.detail].prefetch(key.entity);
            if (acknowledged_) mqttwin::prefetch(&fleet.numbered[key.entity]);
        }
    });
    step(kNear, [&](const FleetHost& fleet, const sim::EventKey& key) {
        network_.prefetch_flow(fleet.population, key.entity);
    });
    step(kSoon, [&](const FleetHost& fleet, const sim::EventKey& key) {
        network_.prefetch_work(fleet.population, key.entity, arrives(key));
    });
    step(kSooner, [&](const FleetHost& fleet, const sim::EventKey& key) {
        const BrokerHost& broker = *brokers_[fleet.broker];
        const auto* trail = trail_of(fleet, broker, key);
        if (trail == nullptr) return;
        broker.engine.prefetch_trail(*trail);
        mqttwin::prefetch(&broker.flow[trail->to]);
    });
    step(kNext, [&](const FleetHost& fleet, const sim::EventKey& key) {
        if (!arrives(key)) return;
        const net::FlowId flow =
            network_.prefetch_unit(fleet.population, key.entity, sender_of(key));
        if (!rises(key)) {
            if (acknowledged_) fleet.clients.prefetch_flow(key.entity);
            return;
        }
        const BrokerHost& broker = *brokers_[fleet.broker];
        const Slot slot = flow == net::kNoFlow ? kNoSlot : network_.server_slot(flow);
        if (slot < broker.flow.size()) {
            broker.engine.prefetch(slot);
            if (acknowledged_) mqttwin::prefetch(&broker.flow[slot]);
        }
        const auto* trail = trail_of(fleet, broker, key);
        if (trail == nullptr) return;
        broker.engine.prefetch_trail_end(*trail);
        network_.prefetch_flow(broker.flow[trail->to]);
    });
    // The broker's side, by the connection of the device from which something comes.
    const auto slot_of = [&](const FleetHost& fleet, const sim::EventKey& key) {
        const net::FlowId flow = network_.newest(fleet.population, key.entity);
        return flow == net::kNoFlow ? kNoSlot : network_.server_slot(flow);
    };
    step(kThen, [&](const FleetHost& fleet, const sim::EventKey& key) {
        if (!rises(key)) return;
        const BrokerHost& broker = *brokers_[fleet.broker];
        broker.engine.prefetch_session(slot_of(fleet, key));
        if (const auto* trail = trail_of(fleet, broker, key)) {
            recorder_->prefetch_totals(network_.prefetch_link(broker.flow[trail->to]));
        }
    });
    step(kLast, [&](const FleetHost& fleet, const sim::EventKey& key) {
        if (!arrives(key)) return;
        // Somebody who gets many messages has several arrivals here.
        std::uint32_t behind = 0;
        for (std::size_t i = 0; i < kLast; ++i) behind += coming[i].key == key.pack() ? 1 : 0;
        const std::uint32_t origin =
            network_.prefetch_bytes(fleet.population, key.entity, sender_of(key), behind);
        if (rises(key)) {
            if (acknowledged_) {
                brokers_[fleet.broker]->engine.prefetch_traffic(slot_of(fleet, key));
            }
            return;
        }
        if (acknowledged_) fleet.clients.prefetch_window(key.entity);
        if (origin == Stamp::kNobody) return;
        recorder_->prefetch_entity(origin);
        recorder_->prefetch_totals(origin);
    });
    if (!acknowledged_) return;
    step(kVeryLast, [&](const FleetHost& fleet, const sim::EventKey& key) {
        if (!rises(key)) return;
        brokers_[fleet.broker]->engine.prefetch_window(slot_of(fleet, key));
    });
}

}  // namespace mqttwin::world
