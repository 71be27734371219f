// Loads what the next events will touch: early, and side by side.
//
// Each event is given a scout when it is twelfth in the queue, who finds out step by step what it
// will touch: where one step has loaded something, the next one reads it. Nothing depends on them
// but how long a run takes: they read what is there, and what they expect may be wrong.
#include <algorithm>
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

constexpr std::uint8_t kArrivalUp = static_cast<std::uint8_t>(net::FlowEvent::arrival_up);
constexpr std::uint8_t kArrivalDown = static_cast<std::uint8_t>(net::FlowEvent::arrival_down);

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

// An event that is put among those that a scout is ahead of has none, and the others are a step
// earlier for it.
void VirtualWorld::look_ahead() {
    if (scouted_ + kFar == scouts_.size()) {
        std::copy(scouts_.end() - kFar, scouts_.end(), scouts_.begin());
        scouted_ = 0;
    }
    Scout* const scouts = scouts_.data() + scouted_++;  // of the next event, and so on
    send(scouts[kFar]);
    const auto step = [scouts](std::size_t ahead, auto&& load) {
        Scout& scout = scouts[ahead];
        if (scout.fleet != nullptr) load(scout, *scout.fleet);
    };
    step(kFar, [this](const Scout& scout, const FleetHost& fleet) {
        network_.prefetch_device(fleet.population, scout.device);
        recorder_->prefetch_entity(fleet.base + scout.device);
        // What rises does not touch the device itself.
        if (!scout.rises || acknowledged_) recorder_->prefetch_totals(fleet.base + scout.device);
        if (scout.rises) {
            if (!fleet.trails.empty()) mqttwin::prefetch(&fleet.trails[scout.device]);
            return;
        }
        fleet.clients.prefetch(scout.device);
        mqttwin::prefetch(&fleet.flow[scout.device]);
        if (scout.arrives || scout.behaviour == kNoBehaviour) return;
        fleet.behaviours[scout.behaviour].prefetch(scout.device);
        if (acknowledged_) mqttwin::prefetch(&fleet.numbered[scout.device]);
    });
    step(kNear, [this](Scout& scout, const FleetHost& fleet) {
        scout.flow = network_.newest(fleet.population, scout.device);
        network_.prefetch_flow(scout.flow);
    });
    step(kSoon, [this](const Scout& scout, const FleetHost& /*fleet*/) {
        network_.prefetch_work(scout.flow, scout.arrives);
    });
    step(kSooner, [this](Scout& scout, const FleetHost& fleet) {
        if (!scout.rises || fleet.trails.empty()) return;
        const BrokerHost& broker = *brokers_[fleet.broker];
        scout.trail = fleet.trails[scout.device];
        if (scout.trail.to >= broker.flow.size()) return;
        broker.engine.prefetch_trail(scout.trail);
        mqttwin::prefetch(&broker.flow[scout.trail.to]);
    });
    step(kNext, [this](Scout& scout, const FleetHost& fleet) {
        if (!scout.arrives) return;
        network_.prefetch_unit(scout.flow, scout.sender());
        if (!scout.rises) {
            if (acknowledged_) fleet.clients.prefetch_flow(scout.device);
            return;
        }
        const BrokerHost& broker = *brokers_[fleet.broker];
        if (scout.flow != net::kNoFlow) scout.slot = network_.server_slot(scout.flow);
        broker.engine.prefetch(scout.slot);
        if (acknowledged_ && scout.slot < broker.flow.size()) {
            mqttwin::prefetch(&broker.flow[scout.slot]);
        }
        if (scout.trail.to >= broker.flow.size()) return;
        broker.engine.prefetch_session(scout.trail.to);
        scout.onward = broker.flow[scout.trail.to];
        network_.prefetch_flow(scout.onward);
    });
    step(kThen, [this](const Scout& scout, const FleetHost& fleet) {
        if (!scout.rises) return;
        brokers_[fleet.broker]->engine.prefetch_session(scout.slot);
        if (scout.onward != net::kNoFlow) {
            recorder_->prefetch_totals(network_.prefetch_link(scout.onward));
        }
    });
    step(kLast, [this, scouts](const Scout& scout, const FleetHost& fleet) {
        if (!scout.arrives) return;
        // Somebody who gets many messages has several arrivals here.
        std::uint32_t behind = 0;
        for (std::size_t i = 0; i < kLast; ++i) behind += scouts[i].key == scout.key ? 1 : 0;
        const std::uint32_t origin = network_.prefetch_bytes(scout.flow, scout.sender(), behind);
        if (scout.rises) {
            if (acknowledged_) brokers_[fleet.broker]->engine.prefetch_traffic(scout.slot);
            return;
        }
        if (acknowledged_) fleet.clients.prefetch_window(scout.device);
        if (origin == Stamp::kNobody) return;
        recorder_->prefetch_entity(origin);
        recorder_->prefetch_totals(origin);
    });
    if (acknowledged_) {
        step(kVeryLast, [this](const Scout& scout, const FleetHost& fleet) {
            if (scout.rises) brokers_[fleet.broker]->engine.prefetch_window(scout.slot);
        });
    }
}

// Consumers that share what a fleet sends, say; unless there are many such fleets.
bool VirtualWorld::stays_in_the_cache(const FleetHost& fleet) const {
    return fleet.who.count() < kFewDevices && devices_of_small_fleets_ < kEventsWorthLookingAhead;
}

void VirtualWorld::send(Scout& scout) const {
    scout = {};
    const auto coming = queue_.upcoming(kFar + 1);
    if (coming.size() <= kFar) return;
    scout.key = coming[kFar].key;
    const auto [rank, device, kind, detail] = sim::EventKey::unpack(scout.key);
    const FleetHost* const fleet = populations_[by_rank_[rank]].fleet;
    if (fleet == nullptr || stays_in_the_cache(*fleet)) return;
    scout.fleet = fleet;
    scout.device = device;
    scout.rises = kind == kArrivalUp;
    scout.arrives = scout.rises || kind == kArrivalDown;
    if (kind == static_cast<std::uint8_t>(EventKind::behaviour)) scout.behaviour = detail;
}

}  // namespace mqttwin::world
