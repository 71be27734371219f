// What the network keeps: a little for each connection, more for those that have something under
// way. Plain data, index-based: a world that is copied copies its network.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/layers.hpp"
#include "mqttwin/net/link_table.hpp"
#include "mqttwin/net/names.hpp"
#include "mqttwin/net/tcp_machine.hpp"

namespace mqttwin::net {

using FlowId = std::uint32_t;
inline constexpr FlowId kNoFlow = 0xFFFF'FFFFU;

/// The two ends of a flow. A lane is named by the end that sends into it.
using End = Side;

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

/// What one write put into a stream, until it has been read at the other end.
struct Unit {
    enum class Kind : std::uint8_t { data, script, goodbye };
    Stamp stamp;
    BlobId head = BlobId::none;
    BlobId body = BlobId::none;
    std::uint32_t next = ChunkedSlab<Unit>::kNone;
    std::uint32_t end = 0;    // of the stream, with this
    std::uint32_t bytes = 0;  // of the stream
    Kind kind = Kind::data;
};

/// A segment on its way.
struct Packet {
    Instant arrives;
    tcp::Segment segment;
    std::uint32_t next = ChunkedSlab<Packet>::kNone;
    bool tells = false;  // needs an event
    bool held = false;   // until the device listens
};

/// One direction of a flow that has something under way.
struct Lane {
    static constexpr std::uint32_t kNone = ChunkedSlab<Unit>::kNone;

    std::uint32_t units = kNone;  // not read yet, in order
    std::uint32_t last_unit = kNone;
    std::uint32_t packets = kNone;  // by arrival
    std::uint32_t last_packet = kNone;
    std::uint32_t telling = 0;  // packets that need an event; the others are mere ACKs
    std::uint32_t read = 0;     // position in the stream up to which it has been read
    std::uint32_t written = 0;

    // The sender's quiet exchange.
    bool promised = false;              // an ACK of `out` arrives before any timer fires
    std::uint32_t out = 0;              // bytes sent and not acknowledged
    std::uint32_t owing = 0;            // bytes whose ACK is owed ...
    Instant ack_at = Instant::never();  // ... and sent then, unless something carries it before
    Instant first = Instant::never();   // arrival of the first packet
    Instant arrival_event = Instant::never();  // the pending one that counts
    Instant timer_event = Instant::never();    // of the sender
    Instant sent;                              // when `out` was
    /// Settled beforehand: an ACK arrives then, and the sender is already what it makes of it.
    Instant settled{-1};
    tcp::Undo undo;  // what it is until then
    /// While `settled` lies ahead: the bytes of the first of the two segments that the ACK covers,
    /// 0 if it covers one; and when that was sent.
    std::uint32_t earlier = 0;
    Instant earlier_sent;

    void begin(std::uint32_t position, std::uint32_t position_read);
};

/// The working record of a flow that has something under way.
struct Busy {
    FlowId flow = kNoFlow;
    std::uint32_t ticket = 0;              // of its place among those that only settle
    std::array<std::uint32_t, 2> phase{};  // of the hosts' clocks, us
    std::array<Lane, 2> lane;
};

/// When the ACKs have arrived for which its ends were settled beforehand.
inline Instant settled_at(const Busy& busy) {
    return max(busy.lane[0].settled, busy.lane[1].settled);
}

/// All that there is of most exchanges: a small segment under way on a connection that has nothing
/// else to do, and then its acknowledgement. What cannot be done with it alone unfolds it into a
/// working record (network_lone.hpp).
struct alignas(64) Lone {
    enum class State : std::uint8_t {
        coming,     // arrives at `at`
        following,  // the same, behind one that has been read and is not acknowledged yet
        reading,    // is being read, and an answer may carry its acknowledgement
        owed,       // has been read; so may a later answer, or it is sent at `at`
        settling,   // has been read, and its acknowledgement arrives at `at`
    };
    Instant at;
    Instant sent;
    Stamp stamp;
    std::uint32_t bytes = 0;      // of the stream
    std::uint32_t timestamp = 0;  // of the segment
    BlobId head = BlobId::none;
    BlobId body = BlobId::none;
    /// Sent before it and not acknowledged: by the other end, if this is an answer; by the same
    /// end, if it is the second of a pair.
    std::uint32_t earlier = 0;
    End sender = End::client;
    State state = State::coming;
    bool promised = false;  // it acknowledges them before any timer of theirs fires
    bool pair = false;
    Instant earlier_sent;
    Instant owed_until;  // the first of a pair
    tcp::Undo undo;      // what the sender is until its acknowledgement arrives

    [[nodiscard]] bool arrives() const { return state <= State::following; }
};
static_assert(sizeof(Lone) == 128);

/// Whose a `Lone` is. Apart from it: flows that come back after a long time ask whether it still is
/// theirs, and mostly it is not.
struct LoneOwner {
    FlowId flow = kNoFlow;
    std::uint32_t ticket = 0;  // of its place among those that only settle
    std::array<Instant, 2> timer{Instant::never(), Instant::never()};  // as Lane::timer_event
};

/// A connection: all that there is of it while it is idle.
struct Flow {
    static constexpr std::uint16_t kNoBroker = 0xFFFF;
    static constexpr std::uint32_t kLone = 1U << 31;

    std::array<tcp::Endpoint, 2> end;
    std::uint32_t index = 0;
    Slot server_slot = kNoSlot;
    /// Its Busy, or with kLone added its Lone, if that is still this flow's.
    std::uint32_t busy = ChunkedSlab<Busy>::kNone;
    std::uint16_t population = 0;
    std::uint16_t broker = 0;
    std::uint16_t meant = 0;  // the broker that was asked for; names may have led to another one
    std::uint8_t attempt = 0;
    // As in an endpoint: several are asked at once.
    using Flag = std::uint8_t;
    Flag accepted : 1 = 0;   // the server's TCP has taken it up
    Flag forgotten : 1 = 0;  // nobody on the way knows it any more
    Flag hole : 1 = 0;       // and nobody says so
    Flag faulty : 1 = 0;     // there is a `Fault` for it
    Flag bare : 1 = 0;       // without the layers of its population
    Flag talking : 1 = 0;    // there is a `Talk` of it
    Flag reopened : 1 = 0;   // there is a `Past` of it
};

/// What has been before: of a flow whose device had, or has, another one.
struct Past {
    FlowId older = kNoFlow;     // that one, if it has not ended
    std::uint8_t attempts = 0;  // of the device up to when a newer flow ended, or this one began
};

/// By index: the newest flow of a device; or, where there is none, its attempts so far.
class Newest {
   public:
    [[nodiscard]] FlowId flow() const { return (value_ & kNobody) != 0 ? kNoFlow : value_; }
    [[nodiscard]] std::uint8_t attempts() const { return static_cast<std::uint8_t>(value_); }
    void set(FlowId flow) { value_ = flow; }
    void clear(std::uint8_t attempts) { value_ = kNobody | attempts; }

   private:
    static constexpr std::uint32_t kNobody = 1U << 31;

    std::uint32_t value_ = kNobody;
};

/// State of an idle connection: both ends, what belongs to neither, and how a device finds it.
static_assert(sizeof(Flow) + sizeof(Newest) <= 160);

/// The handshake above TCP, until it is over.
struct Talk {
    Script script;
    Instant gives_up = Instant::never();  // the server, while it is not open
    Progress progress;
    std::array<bool, 2> thinking{};
    void archive(Archive& a) { a(script, gives_up, progress, thinking); }
};

struct Lookup {
    Instant asked;
    bool answered = false;  // the answer is under way, else the question
    bool lost = false;      // one of them is: the event is the end of patience
    std::uint32_t tries = 0;
};

/// The devices of one link.
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
    bool plain = true;                       // between it and its brokers there is its link, only
    bool swift = true;                       // and that is LinkTable::swift
    bool layered = false;                    // its connections may have layers above TCP
    std::array<tcp::Machine*, 2> machine{};  // of devices, and of brokers towards them
    std::vector<Newest> newest;              // by index
    std::vector<std::uint32_t> attempts;     // by index, if it has layers, whose draws they number
    std::array<Traffic, 2> traffic{};        // by sender

    /// What changes; the rest is as it was described.
    void archive(Archive& a) {
        a(links, reach, cache, session, apart, on_demand, quiet_path, plain, newest, attempts,
          traffic);
        if (a.reading()) set_plain();
    }
    void set_plain() {
        plain = quiet_path && apart.empty() && links.spec().shared == kNotShared;
        swift = plain && links.swift();
    }
};

}  // namespace mqttwin::net
