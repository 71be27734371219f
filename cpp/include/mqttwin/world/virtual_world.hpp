// The virtual world: fleets, links and brokers in one process, driven by one event queue.
//
// Real clients and servers may join it through a Gate: their connections end at the same engines.
// Without a gate everything is a function of the description and the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/auth/authenticator.hpp"
#include "mqttwin/base/archive.hpp"
#include "mqttwin/broker/broker.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/fleet/profile.hpp"
#include "mqttwin/fleet/publish.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/sim/event_queue.hpp"
#include "mqttwin/trace/capture.hpp"
#include "mqttwin/world/events.hpp"
#include "mqttwin/world/gate.hpp"
#include "mqttwin/world/raw_end.hpp"
#include "mqttwin/world/recorder.hpp"
#include "mqttwin/world/script.hpp"
#include "mqttwin/world/sockets.hpp"

namespace mqttwin::world {

class WorldCapture;

struct WorldOptions {
    std::uint64_t seed = 0;
    RecorderOptions recorder;
};

struct FleetSpec {
    fleet::PopulationSpec population;  // its seed is the world's
    std::uint32_t broker = 0;
    net::LinkSpec link;
    net::LayersSpec layers;  // between TCP and MQTT
    net::Reach::Kind reach = net::Reach::Kind::known;
    Duration resolver = net::Reach{}.resolver;  // what a name server takes to answer
    client::Options client;
    fleet::ProfileSpec profile;
    Duration start{0};  // from the moment when the fleet is added
    /// Devices are switched on at instants drawn uniformly over this.
    Duration ramp{0};
    /// Received messages that are kept with topic and payload: a bound on their number.
    std::uint32_t keep = 0;
    /// Whose code the devices run. None: they are declared, and connect when they are switched on.
    std::shared_ptr<Script> script;

    /// All but the script.
    void archive(Archive& a) {
        a(population, broker, link, layers, reach, resolver, client, profile, start, ramp, keep);
    }
};

/// Whose code the devices of some fleets run, by the name of the fleet.
using Scripts = std::map<std::string, std::shared_ptr<Script>, std::less<>>;

/// A whole run in virtual time. Not thread-safe: one world is one thread.
///
/// Descriptions are checked where they enter: std::invalid_argument names the parameter.
class VirtualWorld final : private net::Sink {
   public:
    explicit VirtualWorld(const WorldOptions& options);
    ~VirtualWorld() override;
    VirtualWorld(const VirtualWorld&) = delete;
    VirtualWorld& operator=(const VirtualWorld&) = delete;

    /// Written: the world, which changes nothing in it. Throws std::invalid_argument, see
    /// `not_archivable`. Read: into a fresh world with the options that `options_of` has read
    /// before; it goes on as the one that was written would. Throws ArchiveError, or what a
    /// description throws that cannot be; the world is then good for nothing.
    ///
    /// Fleets whose devices run somebody's code are written without it: `scripts` gives it back,
    /// by the name of the fleet.
    void archive(Archive& a, const Scripts& scripts = {});
    static WorldOptions options_of(Archive& a);
    /// Why this world cannot be an archive; empty: it can.
    [[nodiscard]] std::string not_archivable() const;

    // Description; also between runs.
    std::uint32_t add_broker(std::string name, const broker::Options& options);
    std::uint32_t add_fleet(const FleetSpec& spec);
    void add_publish(std::uint32_t fleet, const fleet::PublishSpec& spec);
    void add_subscribe(std::uint32_t fleet, const fleet::SubscriptionSpec& spec);

    /// A medium that devices of any fleet compete for: LinkSpec::shared.
    std::uint32_t add_shared(const net::SharedSpec& spec);
    /// A name for a broker's host, found by fleets whose `reach` is `name`.
    std::uint32_t name_broker(std::uint32_t broker, std::string_view hostname, Duration ttl);
    void set_ttl(std::uint32_t broker, Duration ttl);

    /// Raw ends in virtual time, for whoever speaks bytes: `count` clients of a broker ...
    std::uint32_t add_peers(std::string_view name, std::uint32_t count, std::uint32_t broker,
                            const net::LinkSpec& link);
    /// ... and a server, whose number stands wherever a broker's does.
    std::uint32_t add_listener(std::string name);
    /// A broker of somebody else's, beyond the gate; its number stands wherever a broker's does.
    std::uint32_t add_remote(std::string name, std::string host, std::uint16_t port);

    /// Handles every event up to and including `until`, or until `keep_going` (asked now and then)
    /// says no. True when `until` was reached. Where a run is split makes no difference to it.
    /// Returns early where sockets have news for their owner.
    bool run(Instant until, const std::function<bool()>& keep_going);

    // Commands, at the present instant.
    void broker_restart(std::uint32_t broker, bool keep_sessions);
    void broker_down(std::uint32_t broker);
    void broker_up(std::uint32_t broker);
    /// See broker::Broker::set_refusal.
    void broker_refuse(std::uint32_t broker, std::uint8_t reason);
    [[nodiscard]] bool broker_has(std::uint32_t broker, std::string_view client_id) const;
    void broker_publish(std::uint32_t broker, const wire::Publish& message);
    /// Breaks a device's connection: both ends see a reset, or (silent) only the device notices.
    void cut(std::uint32_t fleet, std::uint32_t device, bool silent);
    /// The broker goes on at another address, and its old host is gone without a word.
    void broker_move(std::uint32_t broker, bool keep_sessions, bool update_name);
    void set_link_down(std::uint32_t fleet, std::uint32_t device, bool down);
    /// No packet between that fleet and that broker, until they are together again.
    void set_partition(std::uint32_t fleet, std::uint32_t broker, bool apart);
    /// What befalls a device's connection at a byte: see net::Fault.
    void set_fault(std::uint32_t fleet, std::uint32_t device, const net::Fault& fault);
    void clear_fault(std::uint32_t fleet, std::uint32_t device);
    /// A reader that a fault has stalled goes on.
    void resume_reading(std::uint32_t fleet, std::uint32_t device, net::End reader);
    void connect(std::uint32_t fleet, std::uint32_t device);
    void disconnect(std::uint32_t fleet, std::uint32_t device);

    // Devices with a script.
    void set_alarm(std::uint32_t fleet, std::uint32_t device, Instant at);
    void connect(std::uint32_t fleet, std::uint32_t device, ScriptedConnect said);
    /// See client::Clients::disconnect.
    bool disconnect(std::uint32_t fleet, std::uint32_t device, const wire::Disconnect& packet);
    [[nodiscard]] Fault check_publish(std::uint32_t fleet, std::uint32_t device,
                                      const wire::Publish& message);
    ScriptedPublish publish(std::uint32_t fleet, std::uint32_t device,
                            const wire::Publish& message);
    /// The engine of a fleet with scripts; what it is told to do is done by `perform`.
    [[nodiscard]] client::Clients& clients(std::uint32_t fleet, std::uint32_t device);
    void perform(std::uint32_t fleet);
    /// Without a word to anybody; session, queue and alarms are gone.
    void power_off(std::uint32_t fleet, std::uint32_t device);
    /// Own messages that wait or await their acknowledgement.
    [[nodiscard]] std::uint32_t outbox(std::uint32_t fleet, std::uint32_t device);
    /// From within a script: `run` returns false when the present event is over.
    void halt();
    /// Where a broker's, or a listener's, host is.
    [[nodiscard]] net::Address address_of(std::uint32_t broker) const {
        return network_.names().address_of(broker);
    }
    /// Hosts whose owner speaks to sockets.
    Sockets& sockets();

    // Raw ends. A listener's connections are numbered from 0 in the order of their arrival.
    void peer_open(std::uint32_t peers, std::uint32_t index);
    void raw_send(RawEnd& end, ByteView bytes);
    void raw_close(RawEnd& end);
    void raw_abort(RawEnd& end);
    /// Without a word: power lost, out of coverage.
    void raw_vanish(RawEnd& end);
    RawEnd& peer(std::uint32_t peers, std::uint32_t index);
    RawEnd& accepted(std::uint32_t listener, std::uint32_t connection);
    [[nodiscard]] std::uint32_t accepted_count(std::uint32_t listener) const;

    /// Who comes in to a broker from now on, among virtual or among real clients.
    void set_doorman(std::uint32_t broker, bool real, auth::Users users,
                     const auth::Policy& policy);

    /// Writes what crosses links from now on; real connections do not. Throws
    /// std::invalid_argument: there is one already, or see trace::Capture.
    void start_capture(std::unique_ptr<trace::LogSink> sink,
                       const trace::Capture::Options& options);
    [[nodiscard]] bool capturing() const { return capture_ != nullptr; }
    struct Captured {
        std::uint64_t packets = 0;
        std::uint64_t left_out = 0;
        std::uint64_t bytes = 0;
        std::string problem;  // empty if nothing went wrong
    };
    /// Without a capture: nothing.
    Captured stop_capture();
    /// What devices `first` to `last` (included) of a fleet have in captures.
    [[nodiscard]] trace::Capture::Clients addresses(std::uint32_t fleet, std::uint32_t first,
                                                    std::uint32_t last);

    // Real connections: the gate's side.
    void attach(Gate* gate) { gate_ = gate; }
    /// The gate goes: every real connection is over.
    void forget_real();
    /// How many virtual seconds pass in a real one: timers of real connections follow the latter.
    void set_pace(double virtual_seconds_per_wall_second);
    /// A real client has connected to a broker. False: it is down.
    bool real_accepted(std::uint32_t connection, std::uint32_t broker, std::string_view address);
    /// What Gate::open began is established.
    void real_connected(std::uint32_t connection);
    void real_bytes(std::uint32_t connection, ByteView bytes);
    void real_closed(std::uint32_t connection, bool reset = false);
    /// The other end reads too slowly, or does no longer.
    void real_backlog(std::uint32_t connection, bool congested);
    /// What Gate::verify was asked to find out.
    void verified(Verification& check, bool right);
    /// When the next event is due.
    [[nodiscard]] Instant next_event() const {
        return queue_.empty() ? Instant::never() : Instant{queue_.top().at};
    }
    BlobPool& pool() { return pool_; }

    /// What a fleet was described as, by now.
    [[nodiscard]] FleetSpec spec(std::uint32_t fleet);
    [[nodiscard]] const fleet::Population& population(std::uint32_t fleet);
    [[nodiscard]] const std::vector<fleet::PublishSpec>& publishes(std::uint32_t fleet);

    // Looking.
    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] std::uint32_t online(std::uint32_t fleet) const;
    [[nodiscard]] std::uint32_t fleet_size(std::uint32_t fleet) const;
    [[nodiscard]] client::Phase phase(std::uint32_t fleet, std::uint32_t device) const;
    [[nodiscard]] broker::Counts broker_counts(std::uint32_t broker) const;
    [[nodiscard]] net::Traffic traffic(net::End sender) const { return network_.traffic(sender); }
    [[nodiscard]] net::Traffic traffic(std::uint32_t fleet, net::End sender) const;
    [[nodiscard]] Recorder& recorder() { return *recorder_; }
    /// The client identifier of a device by its tag; empty if there is no such one.
    [[nodiscard]] std::string client_id(std::uint32_t tag) const;
    [[nodiscard]] std::uint32_t tag_of(std::uint32_t fleet, std::uint32_t device);
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

    struct BrokerHost;  // defined in the room itself
    struct FleetHost;
    struct PeerHost;
    struct ScriptedHost;
    class LookAhead;

   private:
    friend class Sockets;

    static constexpr std::uint32_t kUnnamed = 0xFFFF'FFFFU;
    /// Addresses from here on are those of hosts that have moved; before, a broker's number is its.
    static constexpr net::Address kFirstMove = 1U << 16;
    /// A flow number with this bit is a real connection's.
    static constexpr net::FlowId kReal = 1U << 30;
    static bool is_real(net::FlowId flow) { return flow != net::kNoFlow && (flow & kReal) != 0; }
    /// The engine at this end of a real connection.
    struct RealEnd {
        BrokerHost* broker = nullptr;
        FleetHost* fleet = nullptr;
        Slot slot = kNoSlot;
        trace::Ipv4 peer = 0;  // of a broker's, for captures
        std::uint16_t port = 0;
    };
    [[nodiscard]] trace::TcpFlow real_flow(const RealEnd& end) const;
    void capture_real(std::uint32_t connection, net::End sender, ByteView head, ByteView body = {});
    void capture_real_end(std::uint32_t connection, net::End by, bool reset);
    // net::Sink
    bool on_request(Instant now, net::FlowId flow) override;
    void on_opened(Instant now, net::FlowId flow, net::End end) override;
    void on_bytes(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                  const Stamp& stamp) override;
    void on_closed(Instant now, net::FlowId flow, net::End end, net::Ending how) override;
    void on_discarded(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                      const Stamp& stamp) override;

    void dispatch(const sim::Event& event);
    ScriptedPublish publish(FleetHost& fleet, std::uint32_t device, const wire::Publish& message);
    void behave(FleetHost& fleet, std::uint32_t device, std::uint8_t behaviour);
    void send(net::FlowId flow, net::End sender, std::uint32_t tag, BlobId head, BlobId body,
              const Stamp& stamp);
    void drain(FleetHost& fleet);
    void drain(BrokerHost& broker);
    void authenticate(BrokerHost& broker, const Output& question);
    void answer(BrokerHost& broker, Slot slot, std::uint32_t token, const auth::Decision& decision);
    void settle(Verification& check, bool right);
    static bool has_doorman(const BrokerHost& host, bool real);
    void perform_real(FleetHost& fleet, const Output& out);
    void perform_real(const Output& out, std::uint32_t connection);
    Slot take_slot(BrokerHost& broker, net::FlowId flow);
    RealEnd real_end(std::uint32_t connection) const;
    /// The client end of this flow is no device.
    [[nodiscard]] bool is_stranger(net::FlowId flow) const {
        const Population& who = populations_[network_.population(flow)];
        return who.peers != nullptr || who.has_sockets;
    }
    /// The raw end at this side of a flow; none if an engine is there.
    RawEnd* raw_end(net::FlowId flow, net::End end);
    void detach_client(FleetHost& fleet, std::uint32_t device);
    void free_slot(BrokerHost& broker, Slot slot);
    void set_alarm(FleetHost& fleet, std::uint32_t device, Instant at);
    void wake(FleetHost& fleet, std::uint32_t device);
    bool attend();
    ScriptedHost& scripted_at(std::uint32_t fleet, std::uint32_t device);
    void arm(FleetHost& fleet);
    void arm(BrokerHost& broker);
    std::uint16_t add_population(std::string_view name);
    [[nodiscard]] net::Reach reach_of(const FleetSpec& spec) const;
    [[nodiscard]] sim::Event event(Instant at, std::uint16_t population, std::uint32_t index,
                                   EventKind kind, std::uint8_t detail = 0) const;
    FleetHost& fleet_of(net::FlowId flow);
    [[nodiscard]] net::FlowId flow_of(const FleetHost& fleet, std::uint32_t device) const;
    FleetHost& fleet_at(std::uint32_t fleet);
    BrokerHost& broker_at(std::uint32_t broker);
    PeerHost& peers_at(std::uint32_t peers);
    [[nodiscard]] std::uint32_t checked_device(const FleetHost& fleet, std::uint32_t device) const;

    void archive_description(Archive& a, const Scripts& scripts);
    void archive_broker(Archive& a, BrokerHost* broker);
    void archive_fleet(Archive& a, FleetHost* fleet, const Scripts& scripts);
    void archive_state(Archive& a);
    static FleetSpec spec_of(const FleetHost& fleet);

    WorldOptions options_;
    Instant now_{0};
    std::uint64_t events_ = 0;
    BlobPool pool_;
    sim::EventQueue queue_;
    net::Network network_;
    std::unique_ptr<Recorder> recorder_;
    std::vector<std::unique_ptr<BrokerHost>> brokers_;
    std::vector<std::unique_ptr<FleetHost>> fleets_;
    std::vector<std::unique_ptr<PeerHost>> peers_;
    std::size_t devices_of_small_fleets_ = 0;
    bool has_raw_ = false;  // peers, or a broker that only listens
    Gate* gate_ = nullptr;
    double pace_ = 1.0;
    std::vector<RealEnd> real_;  // by connection

    /// A fleet or a broker, in the order of their addition; ranks are in the order of their names.
    struct Population {
        std::string name;
        std::uint16_t rank = 0;
        FleetHost* fleet = nullptr;
        BrokerHost* broker = nullptr;
        PeerHost* peers = nullptr;
        bool has_sockets = false;
    };
    std::vector<Population> populations_;
    std::vector<std::uint16_t> by_rank_;  // population of a rank
    net::Address last_address_ = kFirstMove;
    std::uint32_t next_tag_ = 0;  // each device has a tag: a number in this world
    std::unique_ptr<WorldCapture> capture_;
    std::vector<ScriptedHost*> stirred_;  // have notes to act upon
    bool attention_ = false;              // somebody has, or wants the run to halt
    bool acknowledged_ = false;           // somebody has published at QoS 1 or 2
    bool halted_ = false;
    wire::Publish outgoing_;  // of the behaviour that acts; made anew each time
    std::unique_ptr<Sockets> sockets_;
    std::unique_ptr<LookAhead> look_ahead_;
};

}  // namespace mqttwin::world
