// The virtual network: connections between devices and brokers, in virtual time.
//
// A connection ("flow") is a pair of byte streams over a link, between two TCP machines
// (tcp_*.hpp): what a link loses is sent again, so loss turns into delay, or into a broken
// connection, never into a hole in the stream. Links decide the fate of each packet
// (link_table.hpp).
//
// Nothing costs an event that need not: an idle connection has none, an acknowledgement that
// changes nothing is noted and told later, and a small segment on an idle connection is settled
// when it arrives (network_quiet.cpp). docs/tcp-model.md says why that is the same.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/layers.hpp"
#include "mqttwin/net/link.hpp"
#include "mqttwin/net/link_table.hpp"
#include "mqttwin/net/names.hpp"
#include "mqttwin/net/shared_capacity.hpp"
#include "mqttwin/net/tcp_machine.hpp"
#include "mqttwin/sim/event_queue.hpp"

namespace mqttwin::net {

using FlowId = std::uint32_t;
inline constexpr FlowId kNoFlow = 0xFFFF'FFFFU;

/// The two ends of a flow. A lane is named by the end that sends into it.
using End = Side;

/// Kinds of events in the queue that belong to the network: 0 to 15 are reserved for it.
enum class FlowEvent : std::uint8_t {
    arrival_up = 1,    // the head of the client's lane arrives at the server
    arrival_down = 2,  // the head of the server's lane arrives at the client
    timer_client = 3,  // a deadline of the client's TCP
    timer_server = 4,
    think_client = 5,  // the client has computed what its handshake above TCP says next
    think_server = 6,
    lookup = 7,  // a question to the name server, its answer, or the end of patience
    nudge = 8,   // something outside of the exchange is to be looked at: a fault, reading on,
                 // patience with a handshake
    last = 15,
};

enum class Ending : std::uint8_t {
    orderly,   // FIN from the other end
    reset,     // RST from the other end, or nobody listens there
    time_out,  // retransmitted for too long
};

/// Packets and bytes on the IP level, lost ones included; retransmissions are among them.
struct Traffic {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t lost = 0;
    std::uint64_t lost_bytes = 0;
    std::uint64_t retransmitted = 0;
    std::uint64_t payload_bytes = 0;  // MQTT bytes handed to TCP

    void send(std::uint32_t size) {
        ++packets;
        bytes += size;
    }
    void lose(std::uint32_t size) {
        ++lost;
        lost_bytes += size;
    }
};

/// Who hears of what arrives. Called from `handle_event` only; may call every command.
class Sink {
   public:
    virtual ~Sink() = default;
    /// A connection request reached the server's host. False: nobody listens, refuse it.
    virtual bool on_request(Instant now, FlowId flow) = 0;
    /// This end sees the connection established.
    virtual void on_opened(Instant now, FlowId flow, End end) = 0;
    /// What one `send` put in, whole.
    virtual void on_bytes(Instant now, FlowId flow, End receiver, ByteView bytes,
                          const Stamp& stamp) = 0;
    /// The connection is over for this end, which did not end it itself.
    virtual void on_closed(Instant now, FlowId flow, End end, Ending how) = 0;
    /// What one `send` put in will never arrive. Also from within commands.
    virtual void on_discarded(Instant now, FlowId flow, End receiver, ByteView bytes,
                              const Stamp& stamp) = 0;
};

/// Who looks at what crosses links: captures, tests. Only looks.
class Tap {
   public:
    virtual ~Tap() = default;
    /// A segment leaves `sender`'s host, and what the link makes of it.
    virtual void on_packet(Instant now, FlowId flow, End sender, const tcp::Segment& segment,
                           const Passage& passage) = 0;
    /// Bytes were put into a stream, from position `begin` on. Retain what is to be kept.
    virtual void on_written(Instant now, FlowId flow, End sender, std::uint32_t begin, BlobId head,
                            BlobId body) = 0;
    /// The same where no blob holds them: the view lives until this returns.
    virtual void on_written(Instant now, FlowId flow, End sender, std::uint32_t begin,
                            ByteView bytes) = 0;
    virtual void on_flow_freed(FlowId flow) = 0;
};

/// What befalls a connection when one end has read so many bytes of it. Of a write that is cut in
/// the middle a stalled reader gets nothing before it reads on.
struct Fault {
    enum class Kind : std::uint8_t {
        reset,       // somebody on the way resets both ends
        black_hole,  // nothing passes any more, in either direction
        stall,       // the reader reads no more
    };
    Kind kind = Kind::reset;
    End sender = End::client;       // of the bytes that count
    std::uint64_t after_bytes = 0;  // payload of TCP; 0: at once
};

class Network {
   public:
    Network(sim::EventQueue& queue, BlobPool& pool, std::uint64_t seed)
        : queue_(&queue), pool_(&pool), seed_(seed) {}

    // Description.

    /// A population of devices with entity tags `base`, `base`+1, ... `rank`: see EventKey.
    void add_population(std::uint16_t population, std::string_view name, std::uint32_t base,
                        std::uint32_t count, const LinkSpec& link, const Reach& reach = {},
                        const LayersSpec& layers = {});
    void set_rank(std::uint16_t population, std::uint16_t rank);

    /// A medium that populations share; `LinkSpec::shared` names it by this number.
    std::uint32_t add_shared(const SharedSpec& spec);
    [[nodiscard]] std::size_t shared_count() const { return shared_.size(); }
    Names& names() { return names_; }
    [[nodiscard]] const Names& names() const { return names_; }

    // What happens to the network itself.

    /// A device's link: while it is down nothing passes.
    void set_link_down(std::uint16_t population, std::uint32_t index, bool down);
    /// No packet between these devices and that broker, in either direction.
    void set_partition(std::uint16_t population, std::uint32_t broker, bool apart);
    /// On the device's present connection, or on the next one if it has none; one at a time.
    void set_fault(Instant now, std::uint16_t population, std::uint32_t index, const Fault& fault);
    void clear_fault(std::uint16_t population, std::uint32_t index);
    /// A reader that stalled reads again.
    void resume_reading(Instant now, std::uint16_t population, std::uint32_t index, End reader);
    /// The broker's host is somewhere else from now on; nobody is where it was. Its ends of flows
    /// have vanished: the owner forgets them.
    void move_host(Instant now, std::uint32_t broker, Address to);

    // Commands. Those that name an end speak for its owner.

    /// Starts a connection of a device. Sink::on_opened follows at both ends, or on_closed here.
    /// `broker` kNoHost: an address where nobody is, and nobody says so.
    FlowId open(Instant now, std::uint16_t population, std::uint32_t index, std::uint32_t broker);
    /// The references of `head` and `body` become the network's.
    void send(Instant now, FlowId flow, End sender, BlobId head, BlobId body, const Stamp& stamp);
    /// In good order: what was sent before arrives first. The end hears no more of the flow.
    void close(Instant now, FlowId flow, End end);
    /// The same, but the end still hears what comes: shutdown(2) of one direction.
    void finish(Instant now, FlowId flow, End end);
    /// With a reset: what this end has under way may still arrive before it.
    void abort(Instant now, FlowId flow, End end);
    /// Without a word (power lost, out of coverage): the other end does not learn of it here.
    void vanish(Instant now, FlowId flow, End end);

    /// An owner that does not read lets its window close; what waited for one that reads again
    /// comes in an event.
    void set_reading(Instant now, FlowId flow, End end, bool reading);
    /// The layers of that population begin when `secure` says so, not with the connection.
    void layer_on_demand(std::uint16_t population) { populations_[population].on_demand = true; }
    /// Their handshake, now: Sink::on_opened follows once more at both ends.
    void secure(Instant now, FlowId flow);
    /// A datagram of so many bytes on the IP level over a device's link, past whoever minds flows.
    Passage datagram(Instant now, std::uint16_t population, std::uint32_t index, End sender,
                     std::uint32_t bytes);

    /// An event whose key has kind FlowEvent. `population`/`index` as unpacked by the world.
    void handle_event(Instant now, FlowEvent kind, std::uint8_t generation,
                      std::uint16_t population, std::uint32_t index, Sink& sink);

    // Looking.
    [[nodiscard]] std::uint32_t tag(FlowId flow) const {
        const Flow& f = flows_[flow];
        return populations_[f.population].base + f.index;
    }
    [[nodiscard]] std::uint16_t population(FlowId flow) const { return flows_[flow].population; }
    [[nodiscard]] std::uint32_t index(FlowId flow) const { return flows_[flow].index; }
    [[nodiscard]] std::uint32_t broker(FlowId flow) const { return flows_[flow].broker; }
    [[nodiscard]] const LayersSpec& layers(FlowId flow) const {
        static const LayersSpec kNoLayers;
        return flows_[flow].plain ? kNoLayers : populations_[flows_[flow].population].layers;
    }
    /// What this end has written waits for room in its send buffer; when there is some, an event
    /// of the flow has just been handled.
    [[nodiscard]] bool congested(FlowId flow, End end) const;
    /// A number that the server's owner keeps with the flow (its connection slot).
    [[nodiscard]] Slot server_slot(FlowId flow) const { return flows_[flow].server_slot; }
    void set_server_slot(FlowId flow, Slot slot) { flows_[flow].server_slot = slot; }
    [[nodiscard]] bool ended(FlowId flow, End end) const { return flows_[flow].done[side(end)]; }

    [[nodiscard]] Traffic traffic(End sender) const;
    /// Of one population; machines, which count retransmissions, are shared, so these are 0.
    [[nodiscard]] const Traffic& traffic(std::uint16_t population, End sender) const {
        return populations_[population].traffic[side(sender)];
    }
    [[nodiscard]] std::size_t flows() const { return flows_.live(); }
    [[nodiscard]] std::size_t footprint() const;
    /// Everything that is under way: for the census of a run.
    void for_each_in_transit(const std::function<void(std::uint32_t tag, End receiver,
                                                      ByteView bytes, const Stamp&)>& visit) const;
    /// Loads what an event of this device will touch, in steps from afar to near: each reads what
    /// the one before has loaded. The last two also return the device's flow.
    void prefetch_device(std::uint16_t population, std::uint32_t index) const;
    void prefetch_flow(std::uint16_t population, std::uint32_t index) const;
    FlowId prefetch_unit(std::uint16_t population, std::uint32_t index, End sender) const;
    FlowId prefetch_bytes(std::uint16_t population, std::uint32_t index, End sender) const;

    /// After a copy of the world: the queue and pool of the copy.
    void rebind(sim::EventQueue& queue, BlobPool& pool) {
        queue_ = &queue;
        pool_ = &pool;
    }
    void set_tap(Tap* tap) { tap_ = tap; }
    /// For a tap that comes late: on_written for what is in the streams and has not been read.
    void tell_streams(Instant now, Tap& tap) const;
    /// Up to where in the stream of `end` its peer has acknowledged, as far as it knows.
    [[nodiscard]] std::uint32_t acknowledged(Instant now, FlowId flow, End end) const;
    [[nodiscard]] const tcp::Profile& profile(FlowId flow, End end) const {
        return machines_[populations_[flows_[flow].population].machine[side(end)]].tcp.profile();
    }
    /// For tests: every segment goes through the machine, event by event.
    void set_quiet(bool quiet) { quiet_ = quiet; }

   private:
    static constexpr std::uint32_t kNone = Slab<int>::kNone;
    static constexpr std::size_t side(End end) { return static_cast<std::size_t>(end); }

    enum class UnitKind : std::uint8_t { data, script, goodbye };
    /// What one write put into a stream, until it has been read at the other end.
    struct Unit {
        Stamp stamp;
        BlobId head = BlobId::none;
        BlobId body = BlobId::none;
        std::uint32_t next = kNone;
        std::uint32_t end = 0;    // of the stream, with this
        std::uint32_t bytes = 0;  // of the stream
        UnitKind kind = UnitKind::data;
    };
    /// A segment on its way.
    struct Packet {
        Instant arrives;
        tcp::Segment segment;
        std::uint32_t next = kNone;
        bool tells = false;  // needs an event
        bool held = false;   // until the device listens
    };
    /// One direction of a flow that has something under way.
    struct Lane {
        std::uint32_t units = kNone;  // not read yet, in order
        std::uint32_t last_unit = kNone;
        std::uint32_t packets = kNone;  // by arrival
        std::uint32_t last_packet = kNone;
        std::uint32_t telling = 0;  // packets that need an event; the others are mere ACKs
        std::uint32_t read = 0;     // position in the stream up to which it has been read
        std::uint32_t written = 0;
        Instant arrival_event = Instant::never();  // the pending one that counts
        Instant timer_event = Instant::never();    // of the sender

        // The sender's quiet exchange.
        std::uint32_t out = 0;    // bytes sent and not acknowledged
        std::uint32_t owing = 0;  // bytes whose ACK is owed, in this very instant
        bool promised = false;    // an ACK of `out` arrives before any timer fires
        Instant sent;
        // Settled beforehand: `before` was the sender until `settled`, when `ack` arrives.
        Instant settled{-1};
        tcp::Endpoint before;
        tcp::Segment ack;

        void begin(std::uint32_t position, std::uint32_t position_read);
    };
    struct Busy {
        FlowId flow = kNoFlow;
        std::uint32_t ticket = 0;  // of its place among those that only settle
        std::array<Lane, 2> lane;
    };
    struct Flow {
        std::array<tcp::Endpoint, 2> end;
        std::uint32_t index = 0;
        std::uint32_t broker = 0;
        Slot server_slot = kNoSlot;
        FlowId older = kNoFlow;  // of the same device
        std::uint32_t busy = kNone;
        std::uint16_t population = 0;
        std::uint8_t attempt = 0;
        std::array<bool, 2> done{};    // this end has ended, or has been told
        std::array<bool, 2> silent{};  // this end answers nothing any more
        std::array<bool, 2> opened{};
        bool accepted : 1 = false;   // the server's TCP has taken it up
        bool forgotten : 1 = false;  // nobody on the way knows it any more
        bool hole : 1 = false;       // and nobody says so
        bool faulty : 1 = false;     // there is a `Fault` for it
        bool plain : 1 = false;      // without the layers of its population
        std::uint32_t talk = kNone;
    };
    /// The handshake above TCP, until it is over.
    struct Talk {
        Script script;
        Instant gives_up = Instant::never();  // the server, while it is not open
        Progress progress;
        std::array<bool, 2> thinking{};
    };
    struct Lookup {
        Instant asked;
        bool answered = false;  // the answer is under way, else the question
        bool lost = false;      // one of them is: the event is the end of patience
        std::uint32_t tries = 0;
    };
    struct Population {
        std::uint16_t rank = 0;
        std::uint32_t base = 0;
        StreamKey phases;
        LinkTable links;
        LayersSpec layers;
        StreamKey scripts;
        Reach reach;
        std::vector<NameCache> cache;            // by index, if it asks for names
        std::vector<bool> session;               // by index: it has a TLS session to resume
        std::vector<bool> apart;                 // by broker
        bool on_demand = false;                  // layers are
        bool quiet_path = true;                  // nothing on the way minds when it saw a flow last
        std::array<std::uint32_t, 2> machine{};  // of devices, and of brokers towards them
        std::vector<FlowId> newest;              // by index
        std::vector<std::uint32_t> attempts;     // by index
        std::array<Traffic, 2> traffic{};        // by sender
    };
    struct Host {
        tcp::Machine tcp;
        End end = End::client;
    };
    struct Settling {
        Instant at;
        std::uint32_t busy = 0;
        std::uint32_t ticket = 0;
    };

    // network.cpp
    std::uint32_t machine_for(const tcp::Profile& profile, End end);
    tcp::Machine& machine(const Flow& flow, End end) {
        return machines_[populations_[flow.population].machine[side(end)]].tcp;
    }
    [[nodiscard]] bool reorders(const Flow& flow, End sender) const {
        const LinkSpec& link = populations_[flow.population].links.spec();
        return (sender == End::client ? link.up : link.down).reorder;
    }
    tcp::Endpoint& endpoint(FlowId id, End end) { return flows_[id].end[side(end)]; }
    /// At the door of every command and event: the flow has its working record.
    void engage(Instant now, FlowId id);
    Lane& lane(FlowId id, End sender) { return busy_[flows_[id].busy].lane[side(sender)]; }
    void release_busy(FlowId id);
    /// `shown`: what a capture sees of it, where that is not in the unit's blobs.
    void append_unit(Instant now, FlowId id, End sender, const Unit& unit, std::uint32_t bytes,
                     ByteView shown = {});
    void write(Instant now, FlowId id, End sender, std::uint32_t bytes);
    void discard_units(Instant now, FlowId id, End sender);
    void discard(Instant now, FlowId id, End receiver, const Unit& unit);
    void rest(Instant now, FlowId id);
    void bury(Instant now, FlowId id);
    void free_flow(FlowId id);
    ByteView whole(const Unit& unit);

    // network_path.cpp
    Passage offer(Instant now, FlowId id, End sender, std::uint32_t bytes);
    bool forwarded(Instant now, FlowId id, End sender);
    void reset_by_middlebox(Instant now, FlowId id, End sender, const tcp::Segment& segment);
    void release_held(Instant now, std::uint16_t population, std::uint32_t index);
    void meet_fault(FlowId id);
    [[nodiscard]] std::uint32_t until_fault(FlowId id, End sender, std::uint32_t bytes);
    [[nodiscard]] bool at_fault(FlowId id, End sender);
    void strike(Instant now, FlowId id);
    void swallow(Instant now, FlowId id);
    void reset_both(Instant now, FlowId id);
    void handle_nudge(Instant now, FlowId id);
    void read_on(Instant now, FlowId id, End reader);

    // network_layers.cpp
    void begin_talk(Instant now, FlowId id);
    void talk(Instant now, FlowId id);
    void say(Instant now, FlowId id, End end);
    void established(Instant now, FlowId id, End end);
    void tell_opened(Instant now, FlowId id, End end);
    ByteView shown_script(FlowId id, End sender, const Script& script, std::size_t step);
    ByteView shown_sealed(FlowId id, End sender, const Unit& unit);
    void give_up_talk(Instant now, FlowId id);
    void say_goodbye(Instant now, FlowId id, End end, End initiator);

    // network_names.cpp
    void dial(Instant now, FlowId id);
    void ask(Instant now, FlowId id);
    void handle_lookup(Instant now, FlowId id);

    // network_drive.cpp
    void follow(Instant now, FlowId id, End end);
    void put(FlowId id, End sender, Instant arrives, const tcp::Segment& segment,
             bool held = false);
    std::uint32_t pop_packet(Lane& lane);
    void schedule_arrival(FlowId id, End sender);
    void schedule_timer(FlowId id, End end);
    void push_event(const Flow& flow, Instant at, FlowEvent kind);
    void arrive(Instant now, FlowId id, End sender);
    void catch_up(Instant now, FlowId id, End end);
    void take(Instant now, FlowId id, End receiver, const tcp::Segment& segment);
    void request(Instant now, FlowId id, const tcp::Segment& segment);
    void answer_for_nobody(Instant now, FlowId id, End end, const tcp::Segment& segment);
    void hand_over(Instant now, FlowId id, End receiver, std::uint32_t bytes);
    void hand_over_part(Instant now, FlowId id, End receiver);
    void peer_closed(Instant now, FlowId id, End end);
    void over(Instant now, FlowId id, End end, tcp::Over how);

    // network_quiet.cpp
    bool write_quietly(Instant now, FlowId id, End sender, std::uint32_t bytes);
    bool take_quietly(Instant now, FlowId id, End receiver, const tcp::Segment& segment);
    bool settle(FlowId id, End sender, Instant arrives, const tcp::Segment& ack);
    void settle_debt(Instant now, FlowId id, End end);
    void wake(Instant now, FlowId id, End end);
    void rouse(Instant now, FlowId id, End end);
    void resume(FlowId id, End end);
    void resume_unless_promised(Instant now, FlowId id, End sender);

    sim::EventQueue* queue_;
    BlobPool* pool_;
    std::uint64_t seed_;
    std::vector<Population> populations_;
    std::vector<Host> machines_;
    Slab<Flow> flows_;
    std::vector<Busy> busy_;
    std::vector<std::uint32_t> free_busy_;
    Slab<Unit> units_;
    Slab<Packet> packets_;
    Slab<Talk> talks_;
    std::vector<SharedCapacity> shared_;
    Names names_;
    std::map<FlowId, Lookup> lookups_;
    std::map<FlowId, Instant> last_packet_;  // where a middlebox forgets
    /// By population and index; `after_bytes` is a position in the stream once it is a flow's.
    std::map<std::pair<std::uint16_t, std::uint32_t>, Fault> faults_;
    std::deque<Settling> settling_;  // flows whose last ACK is under way
    tcp::Output out_;
    const Passage* decided_ = nullptr;  // of the next segment, which was offered beforehand
    Sink* sink_ = nullptr;
    Tap* tap_ = nullptr;
    std::vector<std::uint8_t> scratch_;
    std::vector<std::uint8_t> shown_;  // made up for a tap
    FlowId handling_ = kNoFlow;        // not freed before its event has been handled
    FlowId behind_ = kNoFlow;          // is told of the past: its events are set afterwards
    std::uint32_t tickets_ = 0;
    bool quiet_ = true;
};

}  // namespace mqttwin::net
