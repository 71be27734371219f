// The virtual network: connections between devices and brokers, in virtual time.
//
// A connection ("flow") is a pair of byte streams over a link. MQTT rides on TCP: what a link loses
// is sent again, so loss turns into delay, or into a broken connection, never into a hole in the
// stream. What is modelled per packet is in path.hpp; everybody else sees only this interface.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/link.hpp"
#include "mqttwin/sim/event_queue.hpp"

namespace mqttwin::net {

using FlowId = std::uint32_t;
inline constexpr FlowId kNoFlow = 0xFFFF'FFFFU;

/// The two ends of a flow. A lane is named by the end that sends into it.
enum class End : std::uint8_t { client = 0, server = 1 };
constexpr End other(End end) { return end == End::client ? End::server : End::client; }

/// Kinds of events in the queue that belong to the network: 0 to 15 are reserved for it.
enum class FlowEvent : std::uint8_t {
    arrival_up = 1,    // the head of the client's lane arrives at the server
    arrival_down = 2,  // the head of the server's lane arrives at the client
    give_up_up = 3,    // the client's TCP has tried for too long
    give_up_down = 4,
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
    std::uint64_t retransmitted = 0;
    std::uint64_t payload_bytes = 0;  // MQTT bytes handed to TCP
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
    /// What one `send` put in will never arrive.
    virtual void on_discarded(Instant now, FlowId flow, End receiver, ByteView bytes,
                              const Stamp& stamp) = 0;
};

class Network {
   public:
    Network(sim::EventQueue& queue, BlobPool& pool, std::uint64_t seed)
        : queue_(&queue), pool_(&pool), seed_(seed) {}

    // Description.

    /// A population of devices with entity tags `base`, `base`+1, ... `rank`: see EventKey.
    void add_population(std::uint16_t population, std::string_view name, std::uint32_t base,
                        std::uint32_t count, const LinkSpec& link);
    void set_rank(std::uint16_t population, std::uint16_t rank);

    // Commands. Those that name an end speak for its owner.

    /// Starts a connection of a device. Sink::on_opened follows at both ends, or on_closed here.
    FlowId open(Instant now, std::uint16_t population, std::uint32_t index, std::uint32_t broker);
    /// The references of `head` and `body` become the network's.
    void send(Instant now, FlowId flow, End sender, BlobId head, BlobId body, const Stamp& stamp);
    /// In good order: what was sent before arrives first. The end hears no more of the flow.
    void close(Instant now, FlowId flow, End end);
    /// With a reset: what this end has under way may still arrive before it.
    void abort(Instant now, FlowId flow, End end);
    /// Without a word (power lost, out of coverage): the other end does not learn of it here.
    void vanish(Instant now, FlowId flow, End end);

    /// An event whose key has kind FlowEvent. `population`/`index` as unpacked by the world.
    void handle_event(Instant now, FlowEvent kind, std::uint8_t generation,
                      std::uint16_t population, std::uint32_t index, Sink& sink);

    // Looking.
    [[nodiscard]] std::uint32_t tag(FlowId flow) const { return flows_[flow].tag; }
    [[nodiscard]] std::uint16_t population(FlowId flow) const { return flows_[flow].population; }
    [[nodiscard]] std::uint32_t index(FlowId flow) const { return flows_[flow].index; }
    [[nodiscard]] std::uint32_t broker(FlowId flow) const { return flows_[flow].broker; }
    /// A number that the server's owner keeps with the flow (its connection slot).
    [[nodiscard]] Slot server_slot(FlowId flow) const { return flows_[flow].server_slot; }
    void set_server_slot(FlowId flow, Slot slot) { flows_[flow].server_slot = slot; }
    [[nodiscard]] bool ended(FlowId flow, End end) const { return flows_[flow].done[side(end)]; }

    [[nodiscard]] const Traffic& traffic(End sender) const { return traffic_[side(sender)]; }
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

   private:
    static constexpr std::uint32_t kNone = Slab<int>::kNone;
    static constexpr std::size_t side(End end) { return static_cast<std::size_t>(end); }

    enum class UnitKind : std::uint8_t { data, syn, syn_ack, ack, fin, reset };
    /// One thing under way in a lane.
    struct Unit {
        Instant arrival;
        Stamp stamp;
        BlobId head = BlobId::none;
        BlobId body = BlobId::none;
        std::uint32_t next = kNone;
        UnitKind kind = UnitKind::data;
    };
    /// One direction of a flow.
    struct Lane {
        Instant last_arrival;        // in order: nothing arrives before this
        Instant free_at;             // the bandwidth is taken until then
        std::uint32_t head = kNone;  // units, in order
        std::uint32_t tail = kNone;
        std::uint32_t draws = 0;
        bool stalled = false;  // given up: nothing arrives any more
    };
    struct Flow {
        std::uint32_t tag = 0;
        std::uint32_t index = 0;
        std::uint32_t broker = 0;
        Slot server_slot = kNoSlot;
        FlowId older = kNoFlow;  // of the same device
        std::uint32_t attempt = 0;
        std::uint16_t population = 0;
        std::array<bool, 2> done{};    // this end has ended, or has been told
        std::array<bool, 2> silent{};  // this end answers nothing any more
        std::array<bool, 2> opened{};
        std::array<Lane, 2> lane;
    };
    struct Population {
        std::uint16_t rank = 0;
        std::uint32_t base = 0;
        std::array<StreamKey, 2> stream;
        LinkSpec link;
        std::vector<FlowId> newest;           // by index
        std::vector<std::uint32_t> attempts;  // by index
    };
    struct Passage;

    Passage travel(Instant now, Flow& flow, End sender, std::uint32_t bytes, bool handshake);
    void enqueue(Instant now, FlowId id, End sender, UnitKind kind, BlobId head, BlobId body,
                 const Stamp& stamp, std::uint32_t bytes);
    void schedule_head(FlowId id, End sender);
    void push_event(const Flow& flow, Instant at, FlowEvent kind);
    void arrive(Instant now, FlowId id, End sender, Sink& sink);
    void deliver(Instant now, FlowId id, End receiver, const Unit& unit, Sink& sink);
    void give_up(Instant now, FlowId id, End sender, Sink& sink);
    void discard_lane(Instant now, FlowId id, End sender, Sink* sink);
    void discard(Instant now, FlowId id, End receiver, const Unit& unit, Sink* sink);
    void free_if_over(FlowId id);
    ByteView whole(const Unit& unit);

    sim::EventQueue* queue_;
    BlobPool* pool_;
    std::uint64_t seed_;
    std::vector<Population> populations_;
    Slab<Flow> flows_;
    Slab<Unit> units_;
    std::array<Traffic, 2> traffic_;
    std::vector<std::uint8_t> scratch_;
    FlowId handling_ = kNoFlow;  // not freed before its event has been handled
};

}  // namespace mqttwin::net
