// What a test looks at while a world runs: messages at the brokers, packets at both ends.
//
// It hears what the Recorder hears, changes nothing in a run, and keeps a bounded part of it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/direction.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::world {

/// Who is at the client's end: a device or a raw peer by its tag, a real client by its connection.
struct Who {
    std::uint32_t number = 0;
    bool real = false;

    [[nodiscard]] std::uint64_t key() const { return (std::uint64_t{real} << 32) | number; }
};

/// A message, as its publisher made it or as a broker routed it.
struct WatchedMessage {
    Instant at;                       // here
    Instant published{-1};            // by the application; before 0: unknown
    std::uint32_t publisher = 0;      // tag; Stamp::kNobody: no device
    std::string client;               // of a real client: its identifier
    std::vector<std::uint8_t> bytes;  // a PUBLISH of MQTT 5.0; its packet identifier says nothing
};

/// Messages in the order of their coming, until somebody takes them; the oldest give way.
class WatchedMessages {
   public:
    WatchedMessages(std::size_t max_messages, std::size_t max_bytes)
        : max_messages_(max_messages), max_bytes_(max_bytes) {}
    void add(WatchedMessage message);
    /// All that there are; they are gone then.
    std::vector<WatchedMessage> take();
    /// So many were dropped because of the bounds.
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }

   private:
    std::size_t max_messages_;
    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t left_out_ = 0;
    std::deque<WatchedMessage> messages_;
};

/// A packet on a connection, or what became of the connection itself.
struct WatchedPacket {
    enum class Kind : std::uint8_t { packet, opened, ended };
    enum class Fate : std::uint8_t { under_way, arrived, in_part, lost };

    Kind kind = Kind::packet;
    Fate fate = Fate::under_way;
    trace::Direction direction = trace::Direction::up;  // opened, ended: down at the client's end
    wire::Version version = wire::Version::v5;
    std::uint8_t ended_by = 0;  // Recorder::EndedBy
    Who who;
    Instant sent{-1};     // before 0: nobody told
    Instant arrived{-1};  // before 0: it has not
    std::uint32_t size = 0;
    std::uint32_t arrived_bytes = 0;
    std::vector<std::uint8_t> bytes;  // the first of them, at most Watch::kKeptBytes
};

class Watch {
   public:
    /// Of a packet; more of a payload than this is shown by nobody.
    static constexpr std::size_t kKeptBytes = 1024;
    static constexpr std::size_t kMaxPackets = 1'000'000;
    static constexpr std::size_t kMaxSpies = 1'000;
    /// Packets of a connection and direction that are followed until they arrive.
    static constexpr std::size_t kMaxUnderWay = 4096;

    /// Messages that brokers route and that match; its number. Throws std::invalid_argument for
    /// a filter that is none, or shared.
    std::uint32_t add_spy(std::string_view filter, std::size_t max_messages, std::size_t max_bytes);
    [[nodiscard]] WatchedMessages& spy(std::uint32_t number) { return spies_.at(number).messages; }
    /// What applications publish.
    void keep_published(std::size_t max_messages, std::size_t max_bytes);
    [[nodiscard]] WatchedMessages& published() { return published_; }

    /// Keeps the last so many packets; 0: none.
    void keep_packets(std::size_t count);
    /// Oldest first.
    [[nodiscard]] std::vector<const WatchedPacket*> packets() const;
    [[nodiscard]] std::uint64_t packets_seen() const { return seen_; }
    /// The client identifier of a CONNECT that was seen; empty if none was.
    [[nodiscard]] std::string_view client_id(Who who) const;

    // From the recorder.
    void on_published(Instant now, std::uint32_t tag, const wire::Publish& message);
    void on_routed(Instant now, std::uint32_t publisher, const Stamp& stamp,
                   const wire::Publish& message);
    void on_opened(Instant now, Who who, trace::Direction receiving);
    void on_sent(Instant now, Who who, trace::Direction direction, ByteView head, ByteView body);
    void on_delivered(Instant now, Who who, trace::Direction direction, ByteView bytes);
    void on_ended(Instant now, Who who, trace::Direction receiving, std::uint8_t by);
    /// What is routed from now on comes from this real client; false: from nobody.
    void handling(Who who, bool begins);

   private:
    struct Spy {
        std::string filter;
        WatchedMessages messages;
    };
    struct Peer {
        wire::Version version = wire::Version::v5;
        std::string client_id;
        std::deque<std::uint64_t> under_way[2];  // numbers of packets, by direction
        wire::FramerState framer[2];
    };

    WatchedMessage message_of(Instant now, const wire::Publish& message);
    WatchedPacket& next(Instant now, Who who, trace::Direction direction);
    /// Nothing if it has given way.
    WatchedPacket* find(std::uint64_t number);
    Peer& peer(Who who) { return peers_[who.key()]; }
    void look_at_connect(Peer& peer, ByteView bytes);
    void lose_under_way(Peer& peer, trace::Direction direction);
    void split(Instant now, Who who, Peer& peer, trace::Direction direction, ByteView bytes);

    std::vector<Spy> spies_;
    bool keeps_published_ = false;
    WatchedMessages published_{0, 0};
    std::vector<WatchedPacket> ring_;  // packet n at n % size
    std::uint64_t seen_ = 0;
    std::unordered_map<std::uint64_t, Peer> peers_;
    BlobPool pool_;  // its own: what it does with blobs is nobody's business
    Who handled_;
    bool handling_ = false;
    std::vector<std::uint8_t> scratch_;
};

}  // namespace mqttwin::world
