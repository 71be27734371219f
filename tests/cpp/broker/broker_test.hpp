// A broker and those who talk to it: tests read as a conversation.
//
//     Bench bench;
//     Party& ann = bench.join("ann");                 // CONNECT, CONNACK
//     ann.says(subscribe(1, {{"a/+", QoS::at_least_once}}));
//     ann.hears({"SUBACK 1 01"});
//     bench.after(seconds(90));
//     ann.hears({"DISCONNECT 8d", "close"});
//
// `hears` is everything that reached this party since it was last asked, in order.
#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/broker/broker.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::broker {

using wire::QoS;
using wire::Version;
using Bytes = std::vector<std::uint8_t>;
using Lines = std::vector<std::string>;

inline Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// --- What clients say ----------------------------------------------------------------------------

/// A CONNECT, to be changed field by field. Strings in it must be literals.
struct Hello {
    Hello(Version version, std::string_view client_id) {
        packet.version = version;
        packet.client_id = client_id;
    }
    Hello& resume() { return packet.clean_start = false, *this; }
    Hello& expires(std::uint32_t seconds);
    Hello& keep_alive(std::uint16_t seconds) { return packet.keep_alive = seconds, *this; }
    Hello& receive_maximum(std::uint16_t n);
    Hello& topic_aliases(std::uint16_t n);
    Hello& user(std::string_view name, std::string_view password);
    Hello& method(std::string_view method, std::string_view data = {});
    Hello& without_problem_information();
    Hello& maximum_packet_size(std::uint32_t bytes);
    Hello& will(std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once,
                bool retain = false, std::uint32_t delay = 0);

    wire::Connect packet;
};

struct Ask {
    std::string_view filter;
    QoS qos = QoS::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    wire::RetainHandling retain_handling = wire::RetainHandling::send;
};

/// What makes a PUBLISH more than topic, payload and QoS.
struct Extra {
    wire::PacketId id = 0;
    bool retain = false;
    bool dup = false;
    std::uint32_t expiry = 0;  // 0: none
    std::uint16_t alias = 0;   // 0: none
    std::string_view user_name = {};
    std::string_view user_value = {};
    std::string_view content_type = {};
    std::string_view response_topic = {};
    std::string_view correlation = {};
    int format = -1;
};

Bytes connect(const Hello& hello);
Bytes subscribe(Version version, wire::PacketId id, std::initializer_list<Ask> asks,
                std::uint32_t identifier = 0);
Bytes unsubscribe(Version version, wire::PacketId id,
                  std::initializer_list<std::string_view> filters);
Bytes publish(Version version, std::string_view topic, std::string_view payload, QoS qos,
              const Extra& extra = {});
Bytes ack(Version version, wire::PacketType type, wire::PacketId id, std::uint8_t reason = 0);
Bytes pingreq();
Bytes disconnect(Version version, std::uint8_t reason = 0, std::int64_t expiry = -1);
Bytes auth(std::uint8_t reason, std::string_view method, std::string_view data = {});

/// One packet from a broker as text, such as "PUBLISH q1 id=7 dup a/b=21.5" or "CONNACK resumed".
std::string describe(Version version, ByteView packet);
/// The reason string of a packet, or nothing.
std::string reason_string(Version version, ByteView packet);

// --- The surroundings ----------------------------------------------------------------------------

/// Everything an observer hears, as lines: "expected 7 q1", "drop 7 q1 queue_full", ...
class Witness : public Observer {
   public:
    void on_connect(Instant now, Slot connection, std::uint32_t tag, std::string_view client_id,
                    bool session_present) override;
    void on_close(Instant now, Slot connection, std::uint32_t tag, CloseCause cause,
                  std::uint8_t reason) override;
    void on_publish(Instant now, std::uint32_t publisher, const Stamp& stamp,
                    const wire::Publish& message, std::uint32_t matched) override;
    void on_expected(Instant now, std::uint32_t subscriber, const Stamp& stamp, QoS qos) override;
    void on_drop(Instant now, std::uint32_t subscriber, const Stamp& stamp, QoS qos,
                 DropReason reason) override;
    void on_rerouted(Instant now, std::uint32_t from, std::uint32_t to, const Stamp& stamp,
                     QoS qos) override;
    void on_fault(Instant now, Slot connection, std::uint32_t tag, const Fault& fault) override;

    /// The lines since the last time that begin with one of these words; the others are gone.
    Lines take(std::initializer_list<std::string_view> words);

    std::vector<Fault> faults;
    std::vector<Stamp> published;  // of on_publish
    std::uint64_t expected = 0;
    std::uint64_t dropped = 0;

   private:
    Lines lines_;
};

class Bench;

/// A connection as its other end sees it.
class Party {
   public:
    Party(Bench& bench, Slot slot, Version version)
        : bench_(bench), slot_(slot), version_(version) {}

    void says(const Bytes& bytes, const Stamp& stamp = {});
    /// The network drops it.
    void vanishes();
    void hears(const Lines& lines);
    void hears_nothing() { hears({}); }
    /// Everything since the last time.
    Lines heard() { return std::exchange(lines_, {}); }

    // In this party's version.
    void subscribes(wire::PacketId id, std::initializer_list<Ask> asks,
                    std::uint32_t identifier = 0);
    void unsubscribes(wire::PacketId id, std::initializer_list<std::string_view> filters);
    void publishes(std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once,
                   const Extra& extra = {});
    void acks(wire::PacketType type, wire::PacketId id, std::uint8_t reason = 0);
    void pubacks(wire::PacketId id) { acks(wire::PacketType::puback, id); }
    void pubrecs(wire::PacketId id) { acks(wire::PacketType::pubrec, id); }
    void pubrels(wire::PacketId id) { acks(wire::PacketType::pubrel, id); }
    void pubcomps(wire::PacketId id) { acks(wire::PacketType::pubcomp, id); }
    void leaves(std::uint8_t reason = 0, std::int64_t expiry = -1);

    // What the world says when it was asked about this party ("who?").
    [[nodiscard]] Credentials shows() const;
    void is_vouched_for(std::string_view data = {});
    void is_challenged(std::string_view data, std::string_view explanation = {});
    void is_rejected(std::uint8_t reason, std::string_view explanation = {});
    /// The transport cannot keep up with what is sent to it, or can again.
    void is_congested(bool congested);

    [[nodiscard]] bool closed() const { return closed_; }
    [[nodiscard]] bool aborted() const { return aborted_; }
    [[nodiscard]] Slot slot() const { return slot_; }
    [[nodiscard]] Version version() const { return version_; }

    /// False: it need not be able to read what it gets, which may be in another version.
    bool reads = true;
    Lines reasons;              // the reason strings that it got
    std::vector<Stamp> stamps;  // of the PUBLISHes
    Bytes bytes;                // all of them
    std::vector<BlobId> heads;  // for comparison only: the blobs are given back
    std::vector<BlobId> bodies;

   private:
    friend class Bench;
    void is_answered(const Verdict& verdict);
    Bench& bench_;
    Slot slot_;
    Version version_;
    Lines lines_;
    std::uint32_t question_ = 0;
    bool closed_ = false;
    bool aborted_ = false;
};

/// A broker, its network and its clock.
class Bench {
   public:
    explicit Bench(const Options& options = {});
    ~Bench();

    /// A connection that has said nothing yet. The peer's tag is its slot, unless given.
    Party& open(Version version = Version::v5, std::uint32_t tag = Stamp::kNobody - 1);
    Party& open(Version version, const Peer& peer);
    /// A connection that has said this; what it heard is still to be asked for.
    Party& open_with(const Hello& hello);
    /// A client that is in: clean, without expiry. It has heard its CONNACK.
    Party& join(std::string_view client_id, Version version = Version::v5);
    /// A client that is in with a session that lasts; `present` is what CONNACK must say.
    Party& return_as(std::string_view client_id, Version version, bool present);
    Party& enter(const Hello& hello, bool present = false);

    /// Lets time pass; wakes the broker as often as it asks.
    void after(Duration duration);

    /// Performs the outbox.
    void drain();

    /// Bytes to a party arrive in pieces of this size; 0 is whole.
    std::size_t chunk = 0;
    /// They lie in blobs of the pool, as in a virtual world.
    bool in_blobs = false;
    BlobId said = BlobId::none;  // the last one; for comparison only

    BlobPool pool;
    Witness witness;
    Broker broker;
    Instant now{1'000'000'000};

   private:
    std::deque<Party> parties_;
    std::vector<Party*> by_slot_;
};

/// A fixture for what holds in both versions.
class BothVersions : public ::testing::TestWithParam<Version> {
   protected:
    [[nodiscard]] Version version() const { return GetParam(); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::v5; }
};

#define MQTTWIN_BOTH_VERSIONS(suite)                                                          \
    INSTANTIATE_TEST_SUITE_P(                                                                 \
        Version, suite,                                                                       \
        ::testing::Values(::mqttwin::wire::Version::v311, ::mqttwin::wire::Version::v5),      \
        [](const auto& tested) {                                                              \
            return std::string(tested.param == ::mqttwin::wire::Version::v5 ? "v5" : "v311"); \
        })

}  // namespace mqttwin::broker
