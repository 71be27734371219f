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
#include <cassert>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/ring.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/flow_event.hpp"
#include "mqttwin/net/lane_lists.hpp"
#include "mqttwin/net/layers.hpp"
#include "mqttwin/net/link.hpp"
#include "mqttwin/net/link_table.hpp"
#include "mqttwin/net/listeners.hpp"
#include "mqttwin/net/names.hpp"
#include "mqttwin/net/network_records.hpp"
#include "mqttwin/net/shared_capacity.hpp"
#include "mqttwin/net/tcp_machine.hpp"
#include "mqttwin/net/timer_phases.hpp"
#include "mqttwin/sim/event_queue.hpp"

namespace mqttwin::net {

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
        : queue_(&queue),
          pool_(&pool),
          seed_(seed),
          broker_phases_(StreamKey::of(seed, "brokers", "timer phase")) {}
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    ~Network() = default;

    // Description.

    /// A population of devices with entity tags `base`, `base`+1, ... `rank`: see EventKey.
    void add_population(std::uint16_t population, std::string_view name, std::uint32_t base,
                        std::uint32_t count, const LinkSpec& link, const Reach& reach = {},
                        const LayersSpec& layers = {});
    void set_rank(std::uint16_t population, std::uint16_t rank);

    /// A medium that populations share; `LinkSpec::shared` names it by this number.
    std::uint32_t add_shared(const SharedSpec& spec);
    [[nodiscard]] std::size_t shared_count() const { return shared_.size(); }
    [[nodiscard]] const SharedSpec& shared(std::size_t medium) const {
        return shared_[medium].spec();
    }
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
    /// The references of `head` and `body`, which hold so many `bytes`, become the network's.
    void send(Instant now, FlowId flow, End sender, BlobId head, BlobId body, std::size_t bytes,
              const Stamp& stamp);
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

    /// During Sink::on_bytes: the blob that holds just these bytes, if one does.
    [[nodiscard]] BlobId delivered() const { return delivered_; }

    // Looking.
    [[nodiscard]] std::uint32_t tag(FlowId flow) const { return tag(flows_[flow]); }
    [[nodiscard]] std::uint32_t tag(const Flow& flow) const {
        return populations_[flow.population].base + flow.index;
    }
    /// For several looks at one.
    [[nodiscard]] const Flow& flow(FlowId id) const { return flows_[id]; }
    [[nodiscard]] std::uint16_t population(FlowId flow) const { return flows_[flow].population; }
    [[nodiscard]] std::uint32_t index(FlowId flow) const { return flows_[flow].index; }
    [[nodiscard]] std::uint32_t broker(FlowId flow) const {
        const std::uint16_t broker = flows_[flow].broker;
        return broker == Flow::kNoBroker ? kNoHost : broker;
    }
    [[nodiscard]] const LayersSpec& layers(FlowId flow) const {
        static const LayersSpec kNoLayers;
        return flows_[flow].bare ? kNoLayers : populations_[flows_[flow].population].layers;
    }
    /// What this end has written waits for room in its send buffer; when there is some, an event
    /// of the flow has just been handled.
    [[nodiscard]] bool congested(FlowId flow, End end) const;
    /// A number that the server's owner keeps with the flow (its connection slot).
    [[nodiscard]] Slot server_slot(FlowId flow) const { return flows_[flow].server_slot; }
    void set_server_slot(FlowId flow, Slot slot) { flows_[flow].server_slot = slot; }
    [[nodiscard]] bool ended(FlowId flow, End end) const {
        return flows_[flow].end[side(end)].done;
    }

    [[nodiscard]] Traffic traffic(End sender) const;
    /// Of one population; machines, which count retransmissions, are shared, so these are 0.
    [[nodiscard]] const Traffic& traffic(std::uint16_t population, End sender) const {
        return populations_[population].traffic[side(sender)];
    }
    [[nodiscard]] std::size_t flows() const { return flows_.live(); }
    [[nodiscard]] std::size_t footprint() const;
    /// Records of connections that have something under way, or had a moment ago.
    [[nodiscard]] std::size_t at_work() const { return busy_.live() + lones_.live(); }
    /// Everything that is under way: for the census of a run.
    void for_each_in_transit(const std::function<void(std::uint32_t tag, End receiver,
                                                      ByteView bytes, const Stamp&)>& visit) const;
    /// The latest one of a device, which may have ended.
    [[nodiscard]] FlowId newest(std::uint16_t population, std::uint32_t index) const {
        return populations_[population].newest[index].flow();
    }
    /// A flow seen from afar. It may be one that is no more, or none.
    struct Sight {
        FlowId id = kNoFlow;
        const Flow* flow = nullptr;
    };
    [[nodiscard]] Sight sight(FlowId id) const {
        return id < flows_.size() ? Sight{id, &flows_[id]} : Sight{};
    }
    /// Loads what an event of this device will touch, in steps from afar to near: each reads what
    /// the one before has loaded.
    void prefetch_device(std::uint16_t population, std::uint32_t index) const;
    void prefetch_flow(const Sight& sight) const;
    /// What its server needs to send.
    void prefetch_server(const Sight& sight) const;
    void prefetch_work(const Sight& sight, bool arrives) const;
    /// What comes from that end.
    void prefetch_unit(const Sight& sight, End sender) const;
    /// And whose message it is. `behind`: units that are read before that one.
    std::uint32_t prefetch_bytes(const Sight& sight, End sender, std::uint32_t behind) const;
    /// During Sink::on_bytes: what comes next in the same stream, and the acknowledgements on their
    /// way back; each call reads what the one before has loaded. Whose the next message is.
    std::uint32_t prefetch_following(FlowId id, const Flow& flow, End sender) const;
    /// The state of its link; the tag of its device.
    std::uint32_t prefetch_link(const Sight& sight) const;

    /// Everything under way. Reading: into a network with the same populations and media. Between
    /// two events; a tap is not part of it.
    void archive(Archive& a);
    /// Who hears of what commands discard before the first event.
    void set_sink(Sink& sink) { sink_ = &sink; }
    void set_tap(Tap* tap) { tap_ = tap; }
    /// For a tap that comes late: on_written for what is in the streams and has not been read.
    void tell_streams(Instant now, Tap& tap) const;
    /// Up to where in the stream of `end` its peer has acknowledged, as far as it knows.
    [[nodiscard]] std::uint32_t acknowledged(Instant now, FlowId flow, End end) const;
    [[nodiscard]] const tcp::Profile& profile(FlowId flow, End end) const {
        return populations_[flows_[flow].population].machine[side(end)]->profile();
    }
    /// For tests: every segment goes through every mechanism of the machine, event by event. After
    /// the populations were added.
    void set_quiet(bool quiet) {
        quiet_ = quiet;
        for (Host& host : machines_) host.tcp.set_plain(quiet);
    }

   private:
    static constexpr std::uint32_t kNone = Slab<int>::kNone;
    static constexpr std::size_t side(End end) { return static_cast<std::size_t>(end); }

    struct Host {
        tcp::Machine tcp;
        End end = End::client;
    };
    struct Settling {
        Instant at;
        std::uint32_t busy = 0;  // see Flow::busy
        std::uint32_t ticket = 0;
    };
    /// A flow in hand: looked up once for all that is done to it in one step.
    struct Ref {
        FlowId id;
        Flow* flow;
        Population* p;
        Busy* busy;  // none unless it is engaged
        [[nodiscard]] Lane& lane(End sender) const { return busy->lane[side(sender)]; }
        [[nodiscard]] tcp::Endpoint& end(End of) const { return flow->end[side(of)]; }
        [[nodiscard]] tcp::Moment at(Instant now, End of) const {
            return {now, busy->phase[side(of)]};
        }
    };

    // network.cpp
    tcp::Machine* machine_for(const tcp::Profile& profile, End end);
    static tcp::Machine& tcp(const Ref& r, End end) { return *r.p->machine[side(end)]; }
    [[nodiscard]] static bool reorders(const Ref& r, End sender) {
        const LinkSpec& link = r.p->links.spec();
        return (sender == End::client ? link.up : link.down).reorder;
    }
    static constexpr std::uint32_t kLone = Flow::kLone;
    static constexpr int kAtOnce = 4;           // of those that have settled
    static constexpr std::size_t kSettled = 8;  // so many wait to be taken
    [[nodiscard]] bool engaged(FlowId id) const { return engaged(id, flows_[id]); }
    [[nodiscard]] bool engaged(FlowId id, const Flow& flow) const {
        return flow.busy < kLone && busy_[flow.busy].flow == id;
    }
    /// The number of its lone segment, if it has one.
    [[nodiscard]] std::uint32_t lone_of(FlowId id, const Flow& flow) const {
        if (flow.busy < kLone || flow.busy == kNone) return kNone;
        const std::uint32_t lone = flow.busy - kLone;
        return lone_owners_[lone].flow == id ? lone : kNone;
    }
    /// One for a flow that has none; in it is what an earlier one has left.
    std::uint32_t take_lone_record(Instant now, const Ref& r) {
        std::uint32_t lone = take_settled(now);
        if (lone == kNone) {
            lone = lones_.take_used();
            if (lone == lone_owners_.size()) lone_owners_.emplace_back();
        }
        lone_owners_[lone] = {.flow = r.id};
        r.flow->busy = kLone + lone;
        return lone;
    }
    [[nodiscard]] Ref look_up(FlowId id) {
        Flow& flow = flows_[id];
        return {id, &flow, &populations_[flow.population], busy_of(id, flow)};
    }
    [[nodiscard]] Busy* busy_of(FlowId id, const Flow& flow) {
        return flow.busy < kLone && busy_[flow.busy].flow == id ? &busy_[flow.busy] : nullptr;
    }
    /// At the door of every command and event: the flow has its working record.
    Ref engage(Instant now, FlowId id) {
        Ref r = look_up(id);
        engage(now, r);
        return r;
    }
    void engage(Instant now, Ref& r) {
        if (r.busy != nullptr) {
            r.busy->ticket = 0;  // more than settling
        } else {
            begin(now, r);
        }
    }
    void begin(Instant now, Ref& r);
    /// The lone record of the flow that has settled first, if there is one that has by now; it
    /// still says whose it was. Working records before it are released; of places that do not count
    /// any more a few are passed by.
    std::uint32_t take_settled(Instant now) {
        for (int i = 0; i < kAtOnce && !settling_.empty() && settling_.front().at <= now; ++i) {
            const Settling old = settling_.front();
            settling_.pop_front();
            if (old.busy < kLone) {
                if (busy_[old.busy].ticket == old.ticket) release_busy(old.busy);
            } else if (lone_owners_[old.busy - kLone].ticket == old.ticket) {
                return old.busy - kLone;
            }
        }
        return kNone;
    }
    /// Who settled first is released first; not all at once.
    void release_settled(Instant now);
    /// After a crowd: a few records are enough for those who send next, and stay in the cache.
    void release_crowd(Instant now) {
        if (settling_.size() > kSettled && settling_[kSettled].at <= now) [[unlikely]] {
            release_settled(now);
        }
    }
    /// What has settled then is released, unless there is more to do before.
    void let_settle(Instant now, Instant at, std::uint32_t busy, std::uint32_t& ticket) {
        assert(ticket == 0);  // so it is not released here
        if (settling_.full()) [[unlikely]]
            release_settled(now);
        ticket = tickets_ += 2;
        settling_.push_back({at, busy, ticket});
    }
    /// Where the clock of the host at that end stands at instant 0, us: anywhere in an hour.
    [[nodiscard]] std::uint32_t phase(const Ref& r, End end) {
        if (end == End::client) return TimerPhases::of(r.p->phases, r.flow->index);
        return broker_phases_.of_broker(r.flow->meant);
    }
    /// Of the same device, the one before.
    [[nodiscard]] FlowId older(FlowId id) const {
        return flows_[id].reopened ? past_.at(id).older : kNoFlow;
    }
    [[nodiscard]] std::uint8_t attempts(FlowId newest) const;
    void release_busy(std::uint32_t index);
    /// `shown`: what a capture sees of it, where that is not in the unit's blobs.
    Unit& append_unit(Instant now, const Ref& r, End sender, Unit::Kind kind, BlobId head,
                      BlobId body, std::uint32_t bytes, ByteView shown = {}) {
        Lane& l = r.lane(sender);
        if (tap_ != nullptr && shown.empty()) {
            tap_->on_written(now, r.id, sender, l.written, head, body);
        } else if (tap_ != nullptr) {
            tap_->on_written(now, r.id, sender, l.written, shown);
        }
        return units_.append(l, kind, head, body, bytes);
    }
    void write(Instant now, const Ref& r, End sender, std::uint32_t bytes);
    void discard_units(Instant now, const Ref& r, End sender);
    void discard(Instant now, const Ref& r, End receiver, const Unit& unit);
    void rest(Instant now, const Ref& r);
    /// After a command: unless the flow's event is being handled, which does it afterwards.
    void rest_unless_handling(Instant now, const Ref& r) {
        if (r.id != handling_) rest(now, r);
    }
    // Apart, so that `rest` saves no registers for what it seldom does.
    [[gnu::noinline]] void give_up_record(Instant now, const Ref& r);
    [[gnu::noinline]] void bury(Instant now, const Ref& r);
    void free_flow(FlowId id);
    ByteView whole(BlobId head, BlobId body) {
        return body == BlobId::none ? pool_->bytes(head) : joined(head, body);
    }
    ByteView joined(BlobId head, BlobId body);

    // network_path.cpp
    /// Into a new passage, as by `LinkTable::offer`.
    void offer(Instant now, const Ref& r, End sender, std::uint32_t bytes, Passage& passage) {
        if (!r.p->plain || r.flow->forgotten) {
            passage = offer_minded(now, r, sender, bytes);
            return;
        }
        Traffic& traffic = r.p->traffic[side(sender)];
        traffic.send(bytes);
        r.p->links.offer(now, r.flow->index, sender == End::client, bytes, nullptr, passage);
        if (passage.fate != Passage::Fate::arrives) traffic.lose(bytes);
    }
    /// The same of a quiet exchange, whose packets are small and of a flow that nobody has
    /// forgotten.
    void offer_small(Instant now, const Ref& r, End sender, std::uint32_t bytes, Passage& passage) {
        if (!r.p->swift) [[unlikely]] {
            offer(now, r, sender, bytes, passage);
            return;
        }
        Traffic& traffic = r.p->traffic[side(sender)];
        traffic.send(bytes);
        r.p->links.offer_swiftly(now, r.flow->index, sender == End::client, bytes, passage);
        if (passage.fate != Passage::Fate::arrives) [[unlikely]]
            traffic.lose(bytes);
    }
    Passage offer_minded(Instant now, const Ref& r, End sender, std::uint32_t bytes);
    bool forwarded(Instant now, const Ref& r, End sender);
    void reset_by_middlebox(Instant now, const Ref& r, End sender, const tcp::Segment& segment);
    void release_held(Instant now, std::uint16_t population, std::uint32_t index);
    void meet_fault(FlowId id);
    [[nodiscard]] std::uint32_t until_fault(const Ref& r, End sender, std::uint32_t bytes);
    [[nodiscard]] bool at_fault(const Ref& r, End sender);
    void strike(Instant now, const Ref& r);
    void swallow(Instant now, const Ref& r);
    void reset_both(Instant now, const Ref& r);
    void handle_nudge(Instant now, const Ref& r);
    void read_on(Instant now, const Ref& r, End reader);

    // network_layers.cpp
    void begin_talk(const Ref& r);
    void talk(Instant now, const Ref& r);
    void say(Instant now, const Ref& r, End end);
    void established(Instant now, const Ref& r, End end);
    void tell_opened(Instant now, const Ref& r, End end);
    ByteView shown_script(const Ref& r, End sender, const Script& script, std::size_t step);
    ByteView shown_sealed(const Ref& r, End sender, BlobId head, BlobId body);
    void give_up_talk(Instant now, const Ref& r);
    void say_goodbye(Instant now, const Ref& r, End end, End initiator);

    // network_names.cpp
    void dial(Instant now, const Ref& r);
    void ask(Instant now, const Ref& r);
    void handle_lookup(Instant now, const Ref& r);

    // network_drive.cpp
    void follow(Instant now, const Ref& r, End end);
    void put(const Ref& r, End sender, Instant arrives, const tcp::Segment& segment,
             bool held = false);
    void put(const Ref& r, End sender, Instant arrives, std::uint32_t packet, bool held);
    void schedule_arrival(const Ref& r, End sender) {
        const Lane& l = r.lane(sender);
        if (l.first < l.arrival_event && behind_ != r.id) find_arrival(r, sender);
    }
    // Apart, so that asking whether there is something to find saves no registers.
    [[gnu::noinline]] void find_arrival(const Ref& r, End sender);
    void schedule_timer(const Ref& r, End end) {
        const Lane& l = r.lane(end);
        const bool flying = r.end(end).flying;
        if ((!flying && l.owing == 0) || behind_ == r.id) return;
        Instant deadline = l.ack_at;
        if (flying) deadline = min(deadline, tcp(r, end).deadline(r.end(end)));
        // Deadlines mostly move away: the event that is there looks again.
        if (deadline < l.timer_event) set_timer(r, end, deadline);
    }
    void set_timer(const Ref& r, End end, Instant deadline);
    void push_event(const Ref& r, Instant at, FlowEvent kind) {
        const sim::EventKey key{r.p->rank, r.flow->index, static_cast<std::uint8_t>(kind),
                                r.flow->attempt};
        queue_->push({at.ns, key.pack()});
    }
    void handle_other_event(Instant now, FlowEvent kind, FlowId id);
    void arrive(Instant now, const Ref& r, End sender);
    /// Acknowledgements that have arrived without an event, as of when they did.
    void catch_up(Instant now, const Ref& r, End end) {
        if (r.lane(other(end)).first <= now) take_acks(now, r, end);
    }
    void take_acks(Instant now, const Ref& r, End end);
    void take(Instant now, const Ref& r, End receiver, const tcp::Segment& segment);
    void request(Instant now, const Ref& r, const tcp::Segment& segment);
    void answer_for_nobody(Instant now, const Ref& r, End end, const tcp::Segment& segment);
    /// One buffer serves all deliveries; nobody delivers while somebody is handling.
    void deliver(Instant now, const Ref& r, End receiver, const Unit& unit) {
        deliver(now, r.id, receiver, unit.head, unit.body, unit.stamp);
    }
    void deliver(Instant now, FlowId id, End receiver, BlobId head, BlobId body,
                 const Stamp& stamp) {
        delivered_ = body == BlobId::none ? head : BlobId::none;
        sink_->on_bytes(now, id, receiver, whole(head, body), stamp);
        delivered_ = BlobId::none;
        pool_->release(head);
        pool_->release(body);
    }
    /// The next `bytes` of the stream have been read at `receiver`.
    void hand_over(Instant now, const Ref& r, End receiver, std::uint32_t bytes) {
        if (!hand_over_one(now, r, receiver, bytes)) hand_over_many(now, r, receiver, bytes);
    }
    /// Its only unit has been read, whole: what most segments bring. False: there is more to it.
    bool hand_over_one(Instant now, const Ref& r, End receiver, std::uint32_t bytes) {
        Lane& l = r.lane(other(receiver));
        const std::uint32_t index = l.units;
        if (index == kNone || r.flow->faulty || r.end(receiver).done) return false;
        const Unit& unit = units_[index];
        if (unit.end != l.read + bytes || unit.bytes != bytes || unit.kind != Unit::Kind::data) {
            return false;
        }
        l.read = unit.end;
        l.units = unit.next;
        if (unit.next == kNone) l.last_unit = kNone;
        deliver(now, r, receiver, unit);
        units_.give_back(index);
        return true;
    }
    void hand_over_many(Instant now, const Ref& r, End receiver, std::uint32_t bytes);
    void hand_over_part(Instant now, const Ref& r, End receiver);
    void deny(Instant now, const Ref& r, End receiver);
    void peer_closed(Instant now, const Ref& r, End end);
    void over(Instant now, const Ref& r, End end, tcp::Over how);

    // network_lone.hpp
    inline bool send_lone(Instant now, Ref& r, End sender, BlobId head, BlobId body,
                          std::uint32_t bytes, const Stamp& stamp);
    inline bool take_lone(Instant now, Ref& r, std::uint32_t lone);
    inline void settle_lone(Instant now, Lone& one, std::uint32_t lone, Instant arrives);
    inline void read_lone(Instant now, Ref& r, End sender, bool acknowledged, BlobId head,
                          BlobId body, const Stamp& stamp);
    inline void leave_lone(Instant now, Ref& r, End sender);
    inline bool let_owe(Instant now, const Ref& r, std::uint32_t lone);
    inline void await_debt(const Ref& r, std::uint32_t lone);
    inline bool lone_timer(Instant now, const Ref& r, std::uint32_t lone, End end);

    // network_lone.cpp
    void unfold(Instant now, const Ref& r, std::uint32_t lone);
    [[gnu::noinline]] void fold(Instant now, const Ref& r);
    [[gnu::noinline]] bool send_second(Instant now, Ref& r, std::uint32_t lone, BlobId head,
                                       BlobId body, std::uint32_t bytes, const Stamp& stamp);
    [[gnu::noinline]] bool take_second(Instant now, Ref& r, std::uint32_t lone);
    void release_lone(std::uint32_t lone);

    // network_quiet.cpp
    void write_unquietly(Instant now, const Ref& r, End sender, std::uint32_t bytes,
                         Passage passage);
    bool write_quietly(Instant now, const Ref& r, End sender, std::uint32_t bytes);
    bool take_quietly(Instant now, const Ref& r, End receiver, const tcp::Segment& segment);
    bool write_plainly(Instant now, const Ref& r, End sender, std::uint32_t bytes);
    bool take_simply(Instant now, const Ref& r, End receiver, const tcp::Segment& segment);
    bool settle(const Ref& r, End sender, Instant arrives, const tcp::Segment& ack);
    void settle_debt(Instant now, const Ref& r, End end);
    void wake(Instant now, const Ref& r, End end);
    void rouse(Instant now, const Ref& r, End end);
    void resume(const Ref& r, End end);
    tcp::Segment resume_both(const Ref& r, End end, std::uint32_t earlier, Instant earlier_sent,
                             std::uint32_t bytes, Instant sent);
    void resume_unless_promised(Instant now, const Ref& r, End sender);

    sim::EventQueue* queue_;
    BlobPool* pool_;
    std::uint64_t seed_;
    TimerPhases broker_phases_;
    std::vector<Population> populations_;
    std::deque<Host> machines_;  // where they stay: populations know theirs
    ChunkedSlab<Flow> flows_;
    ChunkedSlab<Busy> busy_;
    ChunkedSlab<Lone> lones_;
    std::vector<LoneOwner> lone_owners_;  // by the same number
    Units units_;
    Packets packets_;
    std::map<FlowId, Talk> talks_;
    std::map<FlowId, Past> past_;
    std::vector<SharedCapacity> shared_;
    Names names_;
    std::map<FlowId, Lookup> lookups_;
    std::map<FlowId, Instant> last_packet_;  // where a middlebox forgets
    /// By population and index; `after_bytes` is a position in the stream once it is a flow's.
    std::map<std::pair<std::uint16_t, std::uint32_t>, Fault> faults_;
    Ring<Settling> settling_;  // flows whose last ACK is under way, or was
    tcp::Output out_;
    std::optional<Passage> decided_;  // of the next segment, which was offered beforehand
    Sink* sink_ = nullptr;
    Tap* tap_ = nullptr;
    std::vector<std::uint8_t> scratch_;
    std::vector<std::uint8_t> shown_;  // made up for a tap
    BlobId delivered_ = BlobId::none;
    FlowId handling_ = kNoFlow;  // not freed before its event has been handled
    FlowId behind_ = kNoFlow;    // is told of the past: its events are set afterwards
    std::uint32_t tickets_ = 1;  // odd, for 0 is none
    bool quiet_ = true;
};

}  // namespace mqttwin::net
