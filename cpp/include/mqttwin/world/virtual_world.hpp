// The virtual world: fleets, links and brokers in one process, driven by one event queue.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/broker/broker.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/fleet/profile.hpp"
#include "mqttwin/fleet/publish.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/sim/event_queue.hpp"
#include "mqttwin/world/events.hpp"
#include "mqttwin/world/recorder.hpp"

namespace mqttwin::world {

struct WorldOptions {
    std::uint64_t seed = 0;
    RecorderOptions recorder;
};

struct FleetSpec {
    fleet::PopulationSpec population;  // its seed is the world's
    std::uint32_t broker = 0;
    net::LinkSpec link;
    client::Options client;
    fleet::ProfileSpec profile;
    Duration start{0};  // from the moment when the fleet is added
    /// Devices are switched on at instants drawn uniformly over this.
    Duration ramp{0};
    /// Received messages that are kept with topic and payload: a bound on their number.
    std::uint32_t keep = 0;
};

/// A whole run in virtual time. Not thread-safe: one world is one thread.
///
/// Descriptions are checked where they enter: std::invalid_argument names the parameter.
class VirtualWorld final : private net::Sink {
   public:
    explicit VirtualWorld(const WorldOptions& options);
    ~VirtualWorld() override;
    VirtualWorld(const VirtualWorld&) = delete;
    VirtualWorld& operator=(const VirtualWorld&) = delete;

    // Description; also between runs.
    std::uint32_t add_broker(std::string name, const broker::Options& options);
    std::uint32_t add_fleet(const FleetSpec& spec);
    void add_publish(std::uint32_t fleet, const fleet::PublishSpec& spec);
    void add_subscribe(std::uint32_t fleet, const fleet::SubscriptionSpec& spec);

    /// Handles every event up to and including `until`, or until `keep_going` (asked now and then)
    /// says no. True when `until` was reached. Where a run is split makes no difference to it.
    bool run(Instant until, const std::function<bool()>& keep_going);

    // Commands, at the present instant.
    void broker_restart(std::uint32_t broker, bool keep_sessions);
    void broker_down(std::uint32_t broker);
    void broker_up(std::uint32_t broker);
    void broker_publish(std::uint32_t broker, const wire::Publish& message);
    /// Breaks a device's connection: both ends see a reset, or (silent) only the device notices.
    void cut(std::uint32_t fleet, std::uint32_t device, bool silent);
    void connect(std::uint32_t fleet, std::uint32_t device);
    void disconnect(std::uint32_t fleet, std::uint32_t device);

    // Looking.
    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] std::uint32_t online(std::uint32_t fleet) const;
    [[nodiscard]] std::uint32_t fleet_size(std::uint32_t fleet) const;
    [[nodiscard]] client::Phase phase(std::uint32_t fleet, std::uint32_t device) const;
    [[nodiscard]] broker::Counts broker_counts(std::uint32_t broker) const;
    [[nodiscard]] const net::Traffic& traffic(net::End sender) const {
        return network_.traffic(sender);
    }
    [[nodiscard]] Recorder& recorder() { return *recorder_; }
    /// What is owed to subscribers and has neither arrived nor been dropped, found by looking into
    /// every queue and link.
    [[nodiscard]] std::uint64_t count_in_flight() const;
    /// Own messages of devices that wait or await their acknowledgement, and QoS 0 under way.
    [[nodiscard]] std::uint64_t count_unsent() const;
    struct Memory {
        std::size_t pool = 0;
        std::size_t queue = 0;
        std::size_t network = 0;
    };
    [[nodiscard]] Memory memory() const;
    [[nodiscard]] std::size_t live_blobs() const { return pool_.live(); }

   private:
    struct BrokerHost;
    struct FleetHost;
    // net::Sink
    bool on_request(Instant now, net::FlowId flow) override;
    void on_opened(Instant now, net::FlowId flow, net::End end) override;
    void on_bytes(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                  const Stamp& stamp) override;
    void on_closed(Instant now, net::FlowId flow, net::End end, net::Ending how) override;
    void on_discarded(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                      const Stamp& stamp) override;

    void dispatch(const sim::Event& event);
    void look_ahead() const;
    void behave(FleetHost& fleet, std::uint32_t device, std::uint8_t behaviour);
    void drain(FleetHost& fleet);
    void drain(BrokerHost& broker);
    void detach_client(FleetHost& fleet, std::uint32_t device);
    void free_slot(BrokerHost& broker, Slot slot);
    void arm(FleetHost& fleet);
    void arm(BrokerHost& broker);
    std::uint16_t add_population(std::string_view name);
    [[nodiscard]] sim::Event event(Instant at, std::uint16_t population, std::uint32_t index,
                                   EventKind kind, std::uint8_t detail = 0) const;
    FleetHost& fleet_of(net::FlowId flow);
    FleetHost& fleet_at(std::uint32_t fleet);
    BrokerHost& broker_at(std::uint32_t broker);
    [[nodiscard]] std::uint32_t checked_device(const FleetHost& fleet, std::uint32_t device) const;

    std::uint64_t seed_;
    Instant now_{0};
    std::uint64_t events_ = 0;
    BlobPool pool_;
    sim::EventQueue queue_;
    net::Network network_;
    std::unique_ptr<Recorder> recorder_;
    std::vector<std::unique_ptr<BrokerHost>> brokers_;
    std::vector<std::unique_ptr<FleetHost>> fleets_;

    /// A fleet or a broker, in the order of their addition; ranks are in the order of their names.
    struct Population {
        std::string name;
        std::uint16_t rank = 0;
        FleetHost* fleet = nullptr;
        BrokerHost* broker = nullptr;
    };
    std::vector<Population> populations_;
    std::vector<std::uint16_t> by_rank_;  // population of a rank
    std::uint32_t next_tag_ = 0;          // each device has a tag: a number in this world
};

}  // namespace mqttwin::world
