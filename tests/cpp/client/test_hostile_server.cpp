// Servers that break the protocol: that connection ends, with the reason, and nobody else's.
#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketType;
using wire::QoS;

struct Attack {
    std::string name;
    Bytes bytes;
    std::uint8_t reason;       // that is told to the listener
    std::uint8_t told_reason;  // that a 5.0 client says in its DISCONNECT
};

std::vector<Attack> attacks(bool v5) {
    std::vector<Attack> out = {
        {"connect", {0x10, 0x02, 0x00, 0x00}, 0x82, 0x82},
        {"second connack", v5 ? Bytes{0x20, 3, 0, 0, 0} : Bytes{0x20, 2, 0, 0}, 0x82, 0x82},
        {"subscribe", {0x82, 0x06, 0, 1, 0, 1, 'a', 0}, 0x82, 0x82},
        {"unsubscribe", {0xA2, 0x05, 0, 1, 0, 1, 'a'}, 0x82, 0x82},
        {"pingreq", {0xC0, 0}, 0x82, 0x82},
        {"auth", {0xF0, 0}, 0x82, 0x82},
        {"reserved type", {0x00, 0}, 0x81, 0x81},
        {"pingresp with a body", {0xD0, 1, 0}, 0x81, 0x81},
        {"pingresp with flags", {0xD1, 0}, 0x81, 0x81},
        {"pubrel with wrong flags", {0x60, 2, 0, 1}, 0x81, 0x81},
        {"puback with flags", {0x42, 2, 0, 1}, 0x81, 0x81},
        {"puback without identifier", {0x40, 1, 0}, 0x81, 0x81},
        {"suback for nothing", v5 ? Bytes{0x90, 4, 0, 9, 0, 0} : Bytes{0x90, 3, 0, 9, 0}, 0x82,
         0x82},
        {"unsuback for nothing", v5 ? Bytes{0xB0, 4, 0, 9, 0, 0} : Bytes{0xB0, 2, 0, 9}, 0x82,
         0x82},
        {"QoS 3", {0x36, 5, 0, 1, 't', 0, 1}, 0x81, 0x81},
        {"DUP at QoS 0", {0x38, 4, 0, 1, 't', 0}, 0x81, 0x81},
        {"topic longer than the packet", {0x30, 4, 0xFF, 0xFF, 't', 0}, 0x81, 0x81},
        {"topic with a wildcard", {0x30, 4, 0, 1, '#', 0}, 0x90, 0x90},
        {"topic with U+0000", {0x30, 4, 0, 1, 0, 0}, 0x81, 0x81},
        {"topic with a surrogate", {0x30, 6, 0, 3, 0xED, 0xA0, 0x80, 0}, 0x81, 0x81},
        {"identifier 0", {0x32, 6, 0, 1, 't', 0, 0, 0}, 0x82, 0x82},
        {"length of five bytes", {0x30, 0x80, 0x80, 0x80, 0x80, 1}, 0x81, 0x81},
        {"packet over our maximum", {0x30, 0xFF, 0xFF, 0xFF, 0x7F}, 0x95, 0x95},
    };
    if (v5) {
        out.push_back({"topic alias", {0x30, 7, 0, 1, 't', 3, 0x23, 0, 1}, 0x94, 0x94});
        out.push_back({"unknown property", {0x30, 5, 0, 1, 't', 1, 0x7F}, 0x81, 0x81});
        out.push_back({"puback with a strange reason", {0x40, 3, 0, 1, 0x42}, 0x82, 0x82});
    } else {
        out.push_back({"disconnect", {0xE0, 0}, 0x82, 0x82});
    }
    return out;
}

class Hostile : public BothVersions {
   protected:
    [[nodiscard]] Options small() const {
        Options chosen = options();
        chosen.maximum_packet_size = 1 << 20;
        return chosen;
    }
    void expect_ended(Bench& bench, const Attack& attack, Slot client) {
        const auto told =
            wire::Version::v5 == GetParam()
                ? Lines{describe(bench.options.version, Bytes{0xE0, 1, attack.told_reason}),
                        "close"}
                : Lines{"abort"};
        EXPECT_EQ(bench.take(client), told) << attack.name;
        const Lines heard = bench.heard.take(client);
        ASSERT_EQ(heard.size(), 1U) << attack.name;
        EXPECT_EQ(heard[0].substr(0, heard[0].size() - 3), "disconnected protocol_fault")
            << attack.name;
        ASSERT_EQ(bench.heard.faults.size(), 1U);
        EXPECT_EQ(bench.heard.faults[0].reason, attack.reason) << attack.name;
        EXPECT_FALSE(bench.heard.faults[0].clause.empty()) << attack.name;
        EXPECT_FALSE(bench.heard.faults[0].what.empty()) << attack.name;
        bench.heard.faults.clear();
        EXPECT_EQ(bench.clients.phase(client), Phase::backing_off);
    }
};
MQTTWIN_BOTH_VERSIONS(Hostile);

// [MQTT-4.13.1-1], [MQTT-4.8.0-1]
TEST_P(Hostile, EveryWrongPacketEndsItsConnectionAndNoOther) {
    for (const Attack& attack : attacks(v5())) {
        Bench bench(small(), 3);
        for (Slot client = 0; client < 3; ++client) bench.go_online(client);
        bench.publish("t", "x", QoS::exactly_once, 1, 0);
        bench.publish("t", "x", QoS::exactly_once, 1, 1);
        bench.take(0);
        bench.take(1);
        bench.receive(attack.bytes + bench.message("a", "after", QoS::at_most_once), 1);
        expect_ended(bench, attack, 1);
        for (const Slot other : {0U, 2U}) {
            EXPECT_EQ(bench.clients.phase(other), Phase::online);
            EXPECT_EQ(bench.take(other), Lines{});
            EXPECT_EQ(bench.heard.take(other), Lines{});
        }
        bench.expect_no_leak();
    }
}

TEST_P(Hostile, EveryWrongPacketDoesSoByteByByte) {
    for (const Attack& attack : attacks(v5())) {
        Bench bench(small());
        bench.go_online();
        for (const std::uint8_t byte : attack.bytes) bench.receive({byte});
        expect_ended(bench, attack, 0);
        bench.expect_no_leak();
    }
}

// [MQTT-3.2.0-1]
TEST_P(Hostile, AnythingBeforeConnackEndsTheConnectionWithoutAWord) {
    Bench bench(small());
    std::vector<Bytes> starts = {bench.message("a", "x", QoS::at_most_once),
                                 bench.pingresp(),
                                 bench.ack(PacketType::puback, 1),
                                 {0xE0, 0},
                                 {0xF0, 0},
                                 {0x00, 0},
                                 {0x20, 1, 0},
                                 {0x20, 2, 2, 0},
                                 {'H', 'T', 'T', 'P', '/', '1', '.', '1', ' ', '4'}};
    for (const Bytes& start : starts) {
        bench.connect();
        bench.open();
        bench.take();
        bench.receive(start);
        EXPECT_EQ(bench.take(), (Lines{"abort"}));
        EXPECT_EQ(bench.clients.phase(0), Phase::backing_off);
        bench.closed();
        EXPECT_EQ(bench.heard.take(0).size(), 1U);
    }
    bench.expect_no_leak();
}

TEST_P(Hostile, AnAcknowledgementOfTheWrongKindIsAFault) {
    Bench bench(small());
    const auto expect_fault = [&](QoS qos, const Bytes& bytes) {
        bench.go_online();
        bench.publish("t", "x", qos);
        bench.take();
        bench.receive(bytes);
        EXPECT_EQ(bench.take().back(), v5() ? "close" : "abort");
        EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
        bench.clients.reset(bench.now, 0);
        bench.closed();
        bench.heard.take(0);
    };
    expect_fault(QoS::at_least_once, bench.ack(PacketType::pubrec, 1));
    expect_fault(QoS::at_least_once, bench.ack(PacketType::pubcomp, 1));
    expect_fault(QoS::exactly_once, bench.ack(PacketType::puback, 1));
    expect_fault(QoS::exactly_once, bench.ack(PacketType::pubcomp, 1));
    expect_fault(QoS::at_least_once, bench.suback(1, {0}));
    bench.expect_no_leak();
}

// [MQTT-3.8.4-6], [MQTT-3.11.3-1]
TEST_P(Hostile, AnAnswerWithTooFewOrTooManyReasonsIsAFault) {
    Bench bench(small());
    bench.profile.subscriptions = {{"a", QoS::at_least_once}, {"b", QoS::at_least_once}};
    for (const Bytes& reasons : {Bytes{0}, Bytes{0, 0, 0}}) {
        bench.go_online();
        bench.receive(bench.suback(1, reasons));
        EXPECT_EQ(bench.take().back(), v5() ? "close" : "abort");
        bench.clients.reset(bench.now, 0);
        bench.closed();
    }
    bench.expect_no_leak();
}

// [MQTT-3.3.4-9]
TEST(HostileV5, MoreQos2MessagesThanTheReceiveMaximumAreAFault) {
    Options options;
    options.receive_maximum = 3;
    Bench bench(options);
    bench.go_online();
    for (wire::PacketId id = 1; id <= 3; ++id) {
        bench.receive(bench.message("a", "x", QoS::exactly_once, id));
    }
    bench.receive(bench.message("a", "x", QoS::exactly_once, 3, true));
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    bench.take();
    bench.receive(bench.message("a", "x", QoS::exactly_once, 4));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 93", "close"}));
    bench.expect_no_leak();
}

TEST(HostileV5, AMaximumPacketSizeThatNothingFitsIsAFault) {
    Bench bench;
    bench.connect();
    bench.open();
    bench.take();
    wire::Properties properties;
    properties.mark(wire::Property::maximum_packet_size);
    properties.maximum_packet_size = 4;
    bench.receive(bench.connack(false, 0, properties));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 95"}));
}

TEST_P(Hostile, AClaimOfMuchDataCostsNoMemory) {
    Options chosen = options();  // no limit but MQTT's own
    Bench bench(chosen);
    bench.go_online();
    bench.receive({0x30, 0xFF, 0xFF, 0xFF, 0x7F});
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    bench.receive(Bytes(10, 'x'));
    EXPECT_LT(bench.pool.footprint(), 1U << 22);
    bench.expect_no_leak();
}

TEST_P(Hostile, OneIdentifierAMillionTimesWithoutPubrelCostsNoMemory) {
    Bench bench(small());
    bench.go_online();
    const Bytes message = bench.message("a", "x", QoS::exactly_once, 1, true);
    bench.receive(message);
    bench.take_sent();
    const std::size_t footprint = bench.pool.footprint();
    for (int n = 0; n < 100'000; ++n) {
        bench.receive(message);
        bench.take_sent();
    }
    EXPECT_EQ(bench.pool.footprint(), footprint);
    EXPECT_EQ(bench.heard.take(0).size(), 1U);
    bench.expect_no_leak();
}

}  // namespace
}  // namespace mqttwin::client
