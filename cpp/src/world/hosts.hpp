// What a virtual world keeps for a fleet and for a broker, beside their engines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {

/// A fleet: its client engine, its behaviours, and which flow each device has.
struct VirtualWorld::FleetHost final : client::Listener {
    FleetHost(VirtualWorld& the_world, const FleetSpec& spec, fleet::Population population_,
              std::uint32_t first_tag, std::uint16_t population_number)
        : world(the_world),
          who(std::move(population_)),
          broker(spec.broker),
          base(first_tag),
          population(population_number),
          profile_spec(spec.profile),
          profile(profile_spec, who),
          clients(spec.client, profile, the_world.pool_, *this, who.count(),
                  who.key("reconnect back-off")),
          flow(who.count(), net::kNoFlow),
          numbered(who.count(), 0),
          started(who.count(), false),
          is_online(who.count(), false) {}

    [[nodiscard]] std::uint32_t tag(std::uint32_t device) const { return base + device; }

    void on_connected(Instant now, Slot device, bool session_present) override;
    void on_disconnected(Instant now, Slot device, client::DisconnectCause cause,
                         std::uint8_t reason) override;
    void on_message(Instant now, Slot device, const wire::Publish& message,
                    const Stamp& stamp) override;
    void on_acknowledged(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                         std::uint8_t reason) override;
    void on_dropped(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                    client::PublishOutcome outcome) override;

    VirtualWorld& world;
    fleet::Population who;
    std::uint32_t broker;
    std::uint32_t base;  // tag of device 0
    std::uint16_t population;
    fleet::ProfileSpec profile_spec;
    fleet::FleetProfile profile;
    client::Clients clients;
    std::vector<fleet::PublishBehaviour> behaviours;
    std::vector<net::FlowId> flow;        // the device's present connection
    std::vector<std::uint32_t> numbered;  // own publishes with QoS > 0 so far
    std::vector<bool> started;            // has been online: its behaviours run
    std::vector<bool> is_online;
    std::uint32_t online = 0;
    Instant armed = Instant::never();  // the deadline event that counts
};

/// A broker: its engine, and which flow each of its connection slots stands for.
struct VirtualWorld::BrokerHost {
    BrokerHost(VirtualWorld& world, std::string the_name, const broker::Options& options,
               std::uint16_t population_number)
        : name(std::move(the_name)),
          engine(options, world.pool_, *world.recorder_,
                 StreamKey::of(world.seed_, name, "broker")),
          population(population_number) {}

    std::string name;
    broker::Broker engine;
    std::uint16_t population;
    bool down = false;
    std::vector<net::FlowId> flow;  // by connection slot
    std::vector<Slot> free_slots;
    Instant armed = Instant::never();
};

}  // namespace mqttwin::world
