// Packet identifiers used up, and packets that come from the wrong side.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Identifiers : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Identifiers);

// Before 5.0 no receive maximum stands in the way: all identifiers may be in use at once.
TEST(IdentifiersV311, AClientMayUseAllOfThem) {
    Bench bench;
    Party& ann = bench.join("ann", Version::v311);
    for (std::uint32_t id = 1; id <= 65535; ++id) {
        ann.publishes("a", "x", QoS::exactly_once, {.id = static_cast<wire::PacketId>(id)});
    }
    EXPECT_EQ(ann.heard().size(), 65535U);
    EXPECT_EQ(bench.witness.published.size(), 65535U);
    ann.publishes("a", "x", QoS::exactly_once, {.id = 65535});
    ann.hears({"PUBREC 65535"});
    for (std::uint32_t id = 1; id <= 65535; ++id) ann.pubrels(static_cast<wire::PacketId>(id));
    EXPECT_EQ(ann.heard().size(), 65535U);
}

// [MQTT-3.3.4-7]
TEST(IdentifiersV5, TheReceiveMaximumHolds) {
    Options options;
    options.receive_maximum = 3;
    Bench bench(options);
    Party& ann = bench.join("ann");
    for (std::uint16_t id = 1; id <= 3; ++id) {
        ann.publishes("a", "x", QoS::exactly_once, {.id = id});
    }
    ann.publishes("a", "x", QoS::exactly_once, {.id = 2});  // a duplicate counts once
    EXPECT_EQ(ann.heard().size(), 4U);
    ann.publishes("a", "x", QoS::exactly_once, {.id = 4});
    ann.hears({"DISCONNECT 93", "close"});
}

// [MQTT-2.2.1-3]: with all identifiers in use towards a client, the next message waits.
TEST_P(Identifiers, WhatHasNoIdentifierWaits) {
    Options options;
    options.max_in_flight = 65535;
    options.max_queued = 10;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    wire::Publish message;
    message.topic = "a";
    message.qos = QoS::at_least_once;
    for (std::uint32_t i = 0; i < 65536; ++i) bench.broker.publish(bench.now, message, {});
    ann.reads = false;
    bench.drain();
    EXPECT_EQ(ann.stamps.size(), 65535U);
    EXPECT_EQ(bench.broker.counts().in_flight, 65535U);
    EXPECT_EQ(bench.broker.counts().queued, 1U);
    ann.reads = true;
    ann.heard();
    ann.pubacks(40000);
    ann.hears({"PUBLISH q1 id=40000 a="});
    EXPECT_EQ(bench.broker.counts().in_flight, 65535U);
}

// --- From the wrong side ------------------------------------------------------------------------

// CONNACK, SUBACK, UNSUBACK, PINGRESP as a server would send them, and packet types that do not
// exist.
std::vector<Bytes> from_servers(Version version) {
    std::vector<Bytes> packets = {{0xD0, 0x00}, {0x00, 0x00}};
    if (version == Version::v5) {
        packets.push_back({0x20, 0x03, 0x00, 0x00, 0x00});
        packets.push_back({0x90, 0x04, 0x00, 0x01, 0x00, 0x00});
        packets.push_back({0xB0, 0x04, 0x00, 0x01, 0x00, 0x00});
        packets.push_back(auth(0x00, "X"));
        packets.push_back(auth(0x18, "X"));
    } else {
        packets.push_back({0x20, 0x02, 0x00, 0x00});
        packets.push_back({0x90, 0x03, 0x00, 0x01, 0x00});
        packets.push_back({0xB0, 0x02, 0x00, 0x01});
        packets.push_back({0xF0, 0x00});
    }
    return packets;
}

TEST_P(Identifiers, PacketsFromTheWrongSideCloseInEveryState) {
    Options options;
    Options asks = options;
    asks.authenticate = true;
    for (const Bytes& packet : from_servers(version())) {
        Bench bench(options);
        Party& bystander = bench.join("bystander", version());
        Party& silent = bench.open(version());
        silent.says(packet);
        silent.hears({"close"});

        Party& ann = bench.return_as("ann", version(), false);
        ann.says(packet);
        const Lines lines = ann.heard();
        EXPECT_EQ(lines.back(), "close");
        EXPECT_EQ(lines.size(), v5() ? 2U : 1U);

        // With something under way in both directions.
        Party& bob = bench.join("bob", version());
        bob.subscribes(1, {{"a", QoS::exactly_once}});
        bob.publishes("a", "x", QoS::exactly_once, {.id = 1});
        bob.says(packet);
        EXPECT_TRUE(bob.closed());
        bystander.says(pingreq());
        bystander.hears({"PINGRESP"});
        EXPECT_EQ(bench.witness.faults.size(), 3U);

        Bench asking(asks);
        Party& waits = asking.open_with(Hello(version(), "waits"));
        waits.says(packet);
        waits.hears({"who?"});  // not looked at yet
        waits.is_vouched_for();
        EXPECT_TRUE(waits.closed());
    }
}

TEST(IdentifiersV5, PacketsFromTheWrongSideEndAnAuthentication) {
    Options options;
    options.authenticate = true;
    for (const Bytes& packet : from_servers(Version::v5)) {
        if (packet[0] == 0xF0 && packet[2] == 0x18) continue;  // that is its turn
        Bench bench(options);
        Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
        ann.is_challenged("nonce");
        ann.heard();
        ann.says(packet);
        const Lines lines = ann.heard();
        ASSERT_EQ(lines.size(), 2U);
        EXPECT_TRUE(lines[0].starts_with("CONNACK 8")) << lines[0];
        EXPECT_EQ(lines[1], "close");
    }
}

}  // namespace
}  // namespace mqttwin::broker
