// Hostile peers: whatever they send, they alone are closed, and nothing grows.
#include <array>
#include <utility>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/encode.hpp"

#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

using wire::PacketType;

class Hostile : public BothVersions {
   protected:
    [[nodiscard]] Lines told(const char* code) const {
        return v5() ? Lines{std::string("DISCONNECT ") + code, "close"} : Lines{"close"};
    }
};
MQTTWIN_BOTH_VERSIONS(Hostile);

Bytes of(std::initializer_list<unsigned> values) {
    Bytes bytes;
    for (const unsigned value : values) bytes.push_back(static_cast<std::uint8_t>(value));
    return bytes;
}

TEST_P(Hostile, AClaimOf256MegabytesMovesNoMemory) {
    Bench bench;
    Party& eve = bench.open(version());
    const std::size_t before = bench.pool.footprint();
    eve.says(of({0x10, 0xFF, 0xFF, 0xFF, 0x7F}) + Bytes(100, 0));
    eve.hears({"close"});
    EXPECT_EQ(bench.witness.faults.at(0).reason, wire::reason::packet_too_large);
    Party& bob = bench.join("bob", version());
    bob.says(of({0x30, 0xFF, 0xFF, 0xFF, 0x7F}));
    bob.hears(told("95"));
    EXPECT_LT(bench.pool.footprint() - before, 2'000'000U);
}

TEST_P(Hostile, LengthsThatAreNone) {
    for (const Bytes& bytes : {of({0x30, 0xFF, 0xFF, 0xFF, 0xFF}), of({0x30, 0x80, 0x80, 0x00}),
                               of({0x30, 0x82, 0x00}), of({0x00, 0x00})}) {
        Bench bench;
        Party& eve = bench.join("eve", version());
        eve.says(bytes);
        eve.hears(told("81"));
    }
}

TEST_P(Hostile, PacketsThatOnlyServersSend) {
    for (const unsigned type : {2U, 9U, 11U, 13U}) {
        Bench bench;
        Party& eve = bench.join("eve", version());
        eve.says(of({type << 4, 3, 0, 1, 0}));
        eve.hears(told("82"));
    }
    Bench bench;
    Party& eve = bench.join("eve", version());
    eve.says(of({0xF0, 0}));
    eve.hears(told("82"));
}

TEST_P(Hostile, ReservedFlags) {
    for (const Bytes& bytes :
         {of({0xC1, 0}), of({0x60, 2, 0, 1}), of({0x41, 2, 0, 1}),
          of({0x80, 6, 0, 1, 0, 1, 'a', 0}), of({0xA0, 5, 0, 1, 0, 1, 'a'}), of({0xE1, 0}),
          of({0x36, 5, 0, 1, 'a', 0, 1}), of({0x38, 3, 0, 1, 'a'})}) {
        Bench bench;
        Party& eve = bench.join("eve", version());
        eve.says(bytes);
        EXPECT_TRUE(eve.closed());
        EXPECT_EQ(bench.witness.faults.size(), 1U);
    }
}

TEST_P(Hostile, AFaultTouchesNobodyElse) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& eve = bench.join("eve", version());
    ann.publishes("a", "1", QoS::at_least_once, {.id = 1});
    ann.heard();
    eve.says(of({0x30, 0x02, 0x00, 0x09}));
    eve.hears(told("81"));
    ann.hears_nothing();
    ann.pubacks(1);
    ann.says(pingreq());
    ann.hears({"PINGRESP"});
}

// One of each packet that a client sends.
std::vector<Bytes> repertoire(Version version) {
    Hello hello(version, "eve");
    hello.will("w", "x", QoS::at_least_once, true, 3).expires(10).receive_maximum(5);
    hello.packet.has_user_name = true;
    hello.packet.user_name = "eve";
    hello.packet.has_password = true;
    hello.packet.password = as_bytes("secret");
    Extra extra;
    extra.id = 3;
    extra.expiry = 60;
    extra.format = 1;
    extra.content_type = "text/plain";
    extra.response_topic = "r";
    extra.correlation = "42";
    extra.user_name = "k";
    extra.user_value = "v";
    return {
        connect(hello),
        publish(version, "a/b", "x", QoS::at_most_once),
        publish(version, "a/b", "x", QoS::at_least_once, extra),
        publish(version, "a/b", "x", QoS::exactly_once, extra),
        subscribe(version, 4, {{"a/+"}, {"#", QoS::exactly_once}}, version == Version::v5 ? 9 : 0),
        unsubscribe(version, 5, {"a/+", "b"}),
        ack(version, PacketType::puback, 1),
        ack(version, PacketType::pubrec, 1),
        ack(version, PacketType::pubrel, 3),
        ack(version, PacketType::pubcomp, 1),
        pingreq(),
        disconnect(version, 0, version == Version::v5 ? 5 : -1)};
}

TEST_P(Hostile, EveryPacketTruncatedAtEveryByte) {
    for (const Bytes& packet : repertoire(version())) {
        for (std::size_t size = 0; size < packet.size(); ++size) {
            Bench bench;
            Party& ann = bench.join("ann", version());
            Party& eve =
                (packet[0] & 0xF0) == 0x10 ? bench.open(version()) : bench.join("eve", version());
            eve.says(Bytes(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size)));
            eve.hears_nothing();  // not yet a packet
            eve.vanishes();
            ann.hears_nothing();
        }
    }
}

// The length says less than there is, or more: what is inside does not fit.
TEST_P(Hostile, EveryPacketWithAWrongLength) {
    for (const Bytes& packet : repertoire(version())) {
        for (std::size_t length = 0; length < packet.size() + 3; ++length) {
            if (length > 127) continue;
            Bytes wrong = packet;
            wrong.resize(length + 2, 0x01);
            if (packet[1] > 127) continue;
            wrong[1] = static_cast<std::uint8_t>(length);
            Bench bench;
            Party& eve =
                (packet[0] & 0xF0) == 0x10 ? bench.open(version()) : bench.join("eve", version());
            eve.reads = false;
            eve.says(wrong);
        }
    }
}

TEST_P(Hostile, EveryBitOfEveryPacketFlipped) {
    for (const Bytes& packet : repertoire(version())) {
        for (std::size_t bit = 0; bit < packet.size() * 8; ++bit) {
            Bytes wrong = packet;
            wrong[bit / 8] = static_cast<std::uint8_t>(wrong[bit / 8] ^ (1U << (bit % 8)));
            Bench bench;
            Party& ann = bench.join("ann", version());
            Party& eve =
                (packet[0] & 0xF0) == 0x10 ? bench.open(version()) : bench.join("eve", version());
            eve.reads = false;
            eve.says(wrong + pingreq());
            EXPECT_FALSE(ann.closed());
        }
    }
}

TEST_P(Hostile, RandomBytes) {
    Stream stream(StreamKey::of(7, "hostile", "bytes"), 0);
    for (int round = 0; round < 300; ++round) {
        Bench bench;
        const std::vector<Bytes> packets = repertoire(version());
        Party& eve = bench.join("eve", version());
        eve.reads = false;
        for (int i = 0; i < 20 && !eve.closed(); ++i) {
            Bytes bytes = packets[1 + stream.below(packets.size() - 1)];
            if (stream.chance(0.3)) {
                const std::size_t at = stream.below(bytes.size());
                bytes[at] = static_cast<std::uint8_t>(stream.below(256));
            }
            eve.says(bytes);
        }
    }
}

TEST_P(Hostile, TopicsAtTheEdges) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    const std::string longest(65'535, 'x');
    ann.subscribes(1, {{longest}});
    ann.publishes(longest, "1");
    ann.hears({"SUBACK 1 00", "PUBLISH q0 " + longest + "=1"});

    std::string deep;
    for (int i = 0; i < 32'000; ++i) deep += "/";
    ann.subscribes(2, {{deep}});
    ann.hears({v5() ? "SUBACK 2 8f" : "SUBACK 2 80"});
    ann.publishes(deep, "1");
    ann.hears(told("90"));

    Party& eve = bench.join("eve", version());
    eve.says(of({0x30, 3, 0, 1, '+'}) + (v5() ? of({0}) : Bytes{}));
    EXPECT_TRUE(eve.closed());
    Party& nobody = bench.join("nobody", version());
    nobody.says(v5() ? of({0x30, 3, 0, 0, 0}) : of({0x30, 2, 0, 0}));
    EXPECT_TRUE(nobody.closed());
}

TEST(HostileV5, ThousandsOfUserPropertiesPass) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"a"}});
    ann.heard();
    Bytes users;
    for (int i = 0; i < 5000; ++i) wire::append_user_property(users, "name", "value");
    BlobPool pool;
    wire::Publish packet;
    packet.topic = "a";
    packet.properties.user_properties = users;
    packet.properties.user_property_count = 5000;
    const BlobId blob = wire::encode(pool, Version::v5, packet);
    const ByteView view = pool.bytes(blob);
    ann.says(Bytes(view.begin(), view.end()));
    const Lines lines = ann.heard();
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].size(), std::string("PUBLISH q0 a=").size() + 5000 * 11);
}

TEST(HostileV5, AuthNobodyAskedFor) {
    Bench bench;
    Party& eve = bench.join("eve");
    eve.says(of({0xF0, 0}));
    EXPECT_TRUE(eve.closed());
}

TEST_P(Hostile, IdentifiersRunOut) {
    Options options;
    options.max_in_flight = 1'000'000;
    options.max_queued = 3;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    Party& bob = bench.join("bob", version());
    const Bytes message = publish(version(), "a", "x", QoS::at_least_once, {.id = 1});
    const auto settle = [&] {
        std::size_t count = 0;
        for (const Output& out : bench.broker.outbox()) {
            if (out.is_publish) ++count;
            bench.pool.release(out.head);
            bench.pool.release(out.body);
        }
        bench.broker.outbox().clear();
        return count;
    };
    std::size_t sent = 0;
    for (int i = 0; i < 65'540; ++i) {
        bench.broker.handle_bytes(bench.now, bob.slot(), message, {});
        sent += settle();
    }
    EXPECT_EQ(sent, 65'535U);
    EXPECT_EQ(bench.broker.counts().in_flight, 65'535U);
    EXPECT_EQ(bench.broker.counts().queued, 3U);
    EXPECT_EQ(bench.witness.dropped, 2U);
    bench.broker.handle_bytes(bench.now, ann.slot(), ack(version(), PacketType::puback, 1), {});
    EXPECT_EQ(settle(), 1U);
}

TEST(HostileMany, BadConnectionsLeaveNothing) {
    Bench bench;
    const Bytes claims = of({0x10, 0xFF, 0xFF, 0x7F, 0, 4, 'M', 'Q', 'T', 'T', 5});
    const Bytes nonsense = of({0x30, 0x00});
    std::size_t footprint = 0;
    for (int i = 0; i < 300'000; ++i) {
        Peer peer;
        peer.tag = static_cast<std::uint32_t>(i);
        bench.broker.handle_open(bench.now, 0, peer);
        bench.broker.handle_bytes(bench.now, 0, i % 2 == 0 ? claims : nonsense, {});
        if (bench.broker.outbox().empty()) bench.broker.handle_closed(bench.now, 0);
        bench.broker.outbox().clear();
        if (i == 1000) footprint = bench.pool.footprint();
        bench.now = bench.now + milliseconds(1);
        if (bench.broker.next_deadline() <= bench.now) bench.broker.handle_timeout(bench.now);
    }
    EXPECT_EQ(bench.pool.footprint(), footprint);
    EXPECT_EQ(bench.pool.live(), 0U);
}

}  // namespace
}  // namespace mqttwin::broker
