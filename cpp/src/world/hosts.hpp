// What a virtual world keeps for a fleet and for a broker, beside their engines.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {

/// A fleet: its client engine and its behaviours. Which flow a device has is the network's to know.
struct VirtualWorld::FleetHost final : client::Listener {
    FleetHost(VirtualWorld& the_world, const FleetSpec& the_spec, fleet::Population population_,
              std::uint32_t first_tag, std::uint16_t population_number)
        : world(the_world),
          spec(the_spec),
          who(std::move(population_)),
          broker(the_spec.broker),
          base(first_tag),
          population(population_number),
          profile(the_spec.profile, who),
          clients(the_spec.client, profile, the_world.pool_, *this, who.count(),
                  who.key("reconnect back-off")),
          numbered(who.count(), 0),
          started(who.count(), false),
          is_online(who.count(), false) {
        spec.population = {};  // `who` has it
    }

    [[nodiscard]] std::uint32_t tag(std::uint32_t device) const { return base + device; }

    void on_connected(Instant now, Slot device, bool session_present) override;
    void on_disconnected(Instant now, Slot device, client::DisconnectCause cause,
                         std::uint8_t reason) override;
    void on_message(Instant now, Slot device, const wire::Publish& message,
                    const Stamp& stamp) override;
    void on_acknowledged(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                         const wire::Ack& packet) override;
    void on_dropped(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                    client::PublishOutcome outcome) override;

    VirtualWorld& world;
    FleetSpec spec;  // what it is by now, its population apart
    fleet::Population who;
    std::uint32_t broker;
    std::uint32_t base;  // tag of device 0
    std::uint16_t population;
    fleet::FleetProfile profile;
    client::Clients clients;
    std::vector<fleet::PublishBehaviour> behaviours;
    std::vector<fleet::PublishSpec> publishes;  // what they were made from
    std::vector<net::FlowId> real;              // by device: its connection beyond the gate
    std::vector<std::uint32_t> numbered;        // own publishes with QoS > 0 so far
    std::vector<bool> started;                  // has been online: its behaviours run
    std::vector<bool> is_online;
    std::vector<broker::Broker::Trail> trails;  // of what was sent, once there is looking ahead
    std::uint32_t online = 0;
    Instant armed = Instant::never();        // the deadline event that counts
    std::shared_ptr<ScriptedHost> scripted;  // none: declared
};

/// Which passwords were right.
class PasswordCache {
   public:
    bool check(const auth::Record& record, const std::string& password);
    void archive(Archive& a) { a(results_); }

   private:
    static constexpr std::size_t kMaximum = 1'000'000;
    std::unordered_map<std::string, bool> results_;  // looked up, never walked through
};

/// A broker: its engine, and which flow each of its connection slots stands for.
struct VirtualWorld::BrokerHost {
    BrokerHost(VirtualWorld& world, std::string the_name, const broker::Options& options,
               std::uint16_t population_number)
        : name(std::move(the_name)),
          engine(options, world.pool_, *world.recorder_,
                 StreamKey::of(world.options_.seed, name, "broker")),
          population(population_number) {}

    [[nodiscard]] bool remote() const { return !remote_host.empty(); }

    std::string name;
    broker::Broker engine;
    std::uint16_t population;
    std::uint32_t dns_name = kUnnamed;
    bool down = false;
    bool listener = false;  // a raw server stands here, not the engine
    std::vector<RawEnd> accepted;
    std::string remote_host;  // somebody else's broker, beyond the gate
    std::uint16_t remote_port = 0;
    std::unique_ptr<auth::Authenticator> doorman;  // of virtual clients
    std::unique_ptr<auth::Authenticator> real_doorman;
    PasswordCache passwords;        // of virtual clients
    std::vector<net::FlowId> flow;  // by connection slot
    std::vector<Slot> free_slots;
    std::array<Slot, 64> served{};  // who got something lately, by slot: the cache still has them
    Instant armed = Instant::never();
};

/// Raw clients of a broker.
struct VirtualWorld::PeerHost {
    std::uint16_t population = 0;
    std::uint32_t broker = 0;
    std::vector<RawEnd> ends;
};

}  // namespace mqttwin::world
