// Loads what the next events will touch: early, and side by side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hosts.hpp"

namespace mqttwin::world {

/// Each event is given a scout a while before it happens, who finds out step by step what it will
/// touch: where one step has loaded something, the next one reads it. Nothing depends on scouts but
/// how long a run takes: they read what is there, and what they expect may be wrong.
///
/// A scout takes a step when another one of its kind sets out. So there is one decision an event,
/// about its kind, which a processor cannot foresee; what a kind does then is the same each time.
class VirtualWorld::LookAhead {
   public:
    explicit LookAhead(VirtualWorld& world) : world_(world) {}

    /// Before an event is taken from the queue.
    void step();
    /// A broker is about to see what a device has sent.
    void before_routing(const net::Flow& flow, const BrokerHost& broker) const {
        if (world_.queue_.size() >= kEventsWorthIt) return;  // a scout was there
        broker.engine.prefetch(flow.server_slot);
        const FleetHost* const fleet = world_.populations_[flow.population].fleet;
        if (fleet == nullptr || fleet->trails.empty()) return;
        const broker::Broker::Trail trail = fleet->trails[flow.index];
        if (trail.to >= broker.flow.size()) return;
        broker.engine.prefetch_trail(trail);
        world_.network_.prefetch_server(world_.network_.sight(broker.flow[trail.to]));
    }
    /// A device is about to read. Of what is under way to it behind that, only the first has an
    /// event: somebody who gets many messages at a time is seen coming by no scout.
    void before_reading(net::FlowId id, const net::Flow& flow) const {
        if (flow.busy >= net::Flow::kLone || world_.queue_.size() < kEventsWorthIt) return;
        world_.recorder_->prefetch_entity(
            world_.network_.prefetch_following(id, flow, net::End::server));
    }
    /// Where the message went that the broker has just taken from a device.
    void leave_trail(const net::Flow& flow, BrokerHost& broker);
    /// With fewer pending events than this scouts cost more than they save.
    static constexpr std::size_t kEventsWorthIt = 5'000;
    /// And fewer than this belong to a world that the nearest cache holds anyway.
    static constexpr std::size_t kEventsWorthTrails = 500;
    static constexpr std::uint32_t kFewDevices = 256;  // of a fleet

   private:
    /// For an event of a device: something that it does, or that arrives at it or from it.
    struct Scout {
        const FleetHost* fleet = nullptr;
        std::uint32_t device = 0;
        net::Network::Sight flow;
    };
    /// For what arrives at a broker.
    struct RisingScout : Scout {
        const BrokerHost* broker = nullptr;
        Slot slot = kNoSlot;  // what the broker calls it
        Slot to = kNoSlot;    // where the trail leads
        net::Network::Sight onward;
    };
    /// Those of one kind that were sent last.
    template <typename Kind>
    class Column {
       public:
        /// A new one; it has in it what an older one had.
        Kind& send(const FleetHost& fleet, std::uint32_t device) {
            Kind& scout = scouts_[++sent_ % kLength];
            scout.fleet = &fleet;
            scout.device = device;
            return scout;
        }
        /// All places are taken: until then nobody takes a step.
        [[nodiscard]] bool full() const { return sent_ >= kLength; }
        /// The one that was sent so many before the newest. Precondition: full.
        [[nodiscard]] Kind& before(std::size_t n) { return scouts_[(sent_ - n) % kLength]; }

       private:
        static constexpr std::size_t kLength = 8;
        std::array<Kind, kLength> scouts_{};
        std::size_t sent_ = 0;
    };

    void act(const FleetHost& fleet, std::uint32_t device, std::uint8_t kind, std::uint8_t detail);
    void rise(const FleetHost& fleet, std::uint32_t device);
    void fall(const FleetHost& fleet, std::uint32_t device);
    void find_flow(Scout& scout) const;
    [[nodiscard]] bool stays_in_the_cache(const FleetHost& fleet) const;

    VirtualWorld& world_;
    Column<Scout> acting_;
    Column<RisingScout> rising_;
    Column<Scout> falling_;
    std::uint32_t strays_ = 0;  // messages to somebody whom the cache had not
};

}  // namespace mqttwin::world
