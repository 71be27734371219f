// CONNECT and CONNACK: who is let in, as whom, and what it is told.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Connecting : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Connecting);

TEST_P(Connecting, AClientIsWelcomed) {
    Bench bench;
    Party& ann = bench.open(version());
    ann.hears_nothing();
    ann.says(connect(Hello(version(), "ann")));
    ann.hears({v5() ? "CONNACK fresh receive=1024 size=1048576 aliases=16" : "CONNACK fresh"});
    EXPECT_EQ(bench.witness.take({"connect", "fault"}), (Lines{"connect 0 ann fresh"}));
    EXPECT_EQ(bench.broker.counts().connections, 1U);
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
}

TEST_P(Connecting, ByteByByteIsTheSame) {
    Bench bench;
    bench.chunk = 1;
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a/+", QoS::at_least_once}});
    ann.publishes("a/b", "hello", QoS::at_least_once, {.id = 4});
    ann.hears({"SUBACK 1 01", "PUBLISH q1 id=1 a/b=hello", "PUBACK 4"});
}

TEST_P(Connecting, SeveralPacketsAtOnceAreTakenInOrder) {
    Bench bench;
    Party& ann = bench.open(version());
    ann.says(connect(Hello(version(), "ann")) + subscribe(version(), 1, {{"a"}}) + pingreq() +
             publish(version(), "a", "x", QoS::at_most_once) + disconnect(version()) + pingreq());
    const Lines lines = ann.heard();
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[1], "SUBACK 1 00");
    EXPECT_EQ(lines[2], "PINGRESP");
    EXPECT_EQ(lines[3], "PUBLISH q0 a=x");
    EXPECT_EQ(lines[4], "close");  // and nothing for what stood behind DISCONNECT
}

// [MQTT-3.1.0-1]
TEST_P(Connecting, TheFirstPacketMustBeConnect) {
    for (const Bytes& first :
         {pingreq(), publish(version(), "a", "x", QoS::at_most_once), disconnect(version()),
          subscribe(version(), 1, {{"a"}}), ack(version(), wire::PacketType::puback, 1)}) {
        Bench bench;
        Party& eve = bench.open(version());
        eve.says(first);
        eve.hears({"close"});
        EXPECT_EQ(bench.witness.faults.at(0).clause, "MQTT-3.1.0-1");
    }
}

// [MQTT-3.1.0-2]
TEST_P(Connecting, ASecondConnectIsAProtocolError) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.says(connect(Hello(version(), "ann")));
    ann.hears(v5() ? Lines{"DISCONNECT 82", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.faults.at(0).clause, "MQTT-3.1.0-2");
}

TEST_P(Connecting, WhoSaysNothingIsClosedAfterAWhile) {
    Bench bench;
    Party& eve = bench.open(version());
    bench.after(seconds(29));
    eve.hears_nothing();
    bench.after(seconds(1));
    eve.hears({"close"});
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 connect_timeout 00"}));
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
}

// [MQTT-3.1.2-2]
TEST(ConnectingVersions, AnUnknownProtocolLevelIsNamed) {
    Bench bench;
    Bytes old = connect(Hello(Version::v311, "ann"));
    old[8] = 2;
    Party& ann = bench.open(Version::v311);
    ann.says(old);
    ann.hears({"CONNACK 01", "close"});

    Bytes young = connect(Hello(Version::v5, "bob"));
    young[8] = 6;
    Party& bob = bench.open(Version::v5);
    bob.says(young);
    bob.hears({"CONNACK 84", "close"});
}

TEST(ConnectingVersions, Mqtt31IsServed) {
    Bench bench;
    Party& old = bench.join("old", Version::v3);
    old.subscribes(1, {{"a", QoS::at_least_once}});
    old.publishes("a", "x", QoS::at_least_once, {.id = 2});
    old.hears({"SUBACK 1 01", "PUBLISH q1 id=1 a=x", "PUBACK 2"});
    Party& nameless = bench.open_with(Hello(Version::v3, ""));
    nameless.hears({"CONNACK 02", "close"});
}

TEST_P(Connecting, AMalformedConnectIsRefused) {
    Bench bench;
    Bytes bytes = connect(Hello(version(), "ann"));
    bytes[9] |= 0x01;  // [MQTT-3.1.2-3]: the reserved flag
    Party& ann = bench.open(version());
    ann.says(bytes);
    ann.hears(v5() ? Lines{"CONNACK 81", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.take({"close", "fault"}),
              (Lines{"fault 0 81", "close 0 protocol_fault 81"}));
}

// [MQTT-3.1.3-6] [MQTT-3.2.2-16]
TEST(ConnectingV5, AClientWithoutANameGetsOne) {
    Bench bench;
    Party& ann = bench.open_with(Hello(Version::v5, "").expires(100));
    const std::string line = ann.heard().at(0);
    const std::size_t at = line.find("id=auto-");
    ASSERT_NE(at, std::string::npos) << line;
    const std::string name = line.substr(at + 3);
    ann.vanishes();
    // It may come back under that name.
    Hello hello(Version::v5, name);
    bench.enter(hello.resume(), true);
    // Another one gets another name.
    Party& bob = bench.open_with(Hello(Version::v5, ""));
    EXPECT_EQ(bob.heard().at(0).find(name), std::string::npos);
}

// [MQTT-3.1.3-7], [MQTT-3.1.3-8] of 3.1.1
TEST(ConnectingV311, AClientWithoutANameMustBeClean) {
    Bench bench;
    bench.join("", Version::v311);
    Hello hello(Version::v311, "");
    Party& ann = bench.open_with(hello.resume());
    ann.hears({"CONNACK 02", "close"});
    EXPECT_EQ(bench.witness.take({"close", "fault"}), (Lines{"close 1 refused 85"}));
}

TEST(ConnectingV5, ConnackSaysWhatDiffers) {
    Options options;
    options.max_session_expiry = 60;
    options.maximum_qos = QoS::at_least_once;
    options.retain_available = false;
    options.topic_alias_maximum = 7;
    options.server_keep_alive = 33;
    options.receive_maximum = 65535;
    options.maximum_packet_size = 5000;
    Bench bench(options);
    Party& ann = bench.open_with(Hello(Version::v5, "ann").expires(1000));
    ann.hears({"CONNACK fresh expiry=60 qos=1 retain=0 size=5000 aliases=7 keep=33"});
}

TEST_P(Connecting, AWillBeyondWhatIsServedIsRefused) {
    Options options;
    options.maximum_qos = QoS::at_least_once;
    options.retain_available = false;
    Bench bench(options);
    Party& ann = bench.open_with(Hello(version(), "ann").will("w", "x", QoS::exactly_once));
    ann.hears({v5() ? "CONNACK 9b" : "CONNACK 03", "close"});  // [MQTT-3.2.2-12]
    Party& bob = bench.open_with(Hello(version(), "bob").will("w", "x", QoS::at_most_once, true));
    bob.hears({v5() ? "CONNACK 9a" : "CONNACK 03", "close"});  // [MQTT-3.2.2-13]
}

TEST_P(Connecting, StrangersStayOutWhenTheyMust) {
    Options options;
    options.allow_anonymous = false;
    Bench bench(options);
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.hears({v5() ? "CONNACK 87" : "CONNACK 05", "close"});
    Hello hello(version(), "bob");
    hello.packet.has_user_name = true;
    hello.packet.user_name = "bob";
    Party& bob = bench.open_with(hello);
    bob.hears({v5() ? "CONNACK 86" : "CONNACK 04", "close"});
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
}

// [MQTT-4.12.0-1]
TEST(ConnectingV5, AnUnknownAuthenticationMethodIsRefused) {
    Bench bench;
    Hello hello(Version::v5, "ann");
    hello.packet.properties.authentication_method = "KERBEROS";
    hello.packet.properties.mark(wire::Property::authentication_method);
    Party& ann = bench.open_with(hello);
    ann.hears({"CONNACK 8c", "close"});
}

TEST_P(Connecting, ARefusedClientTakesNothingOver) {
    Options options;
    options.maximum_qos = QoS::at_most_once;
    Bench bench(options);
    Party& ann = bench.join("ann", version());
    Party& eve = bench.open_with(Hello(version(), "ann").will("w", "x", QoS::exactly_once));
    eve.heard();
    ann.hears_nothing();
    ann.says(pingreq());
    ann.hears({"PINGRESP"});
}

TEST_P(Connecting, SessionsAreBounded) {
    Options options;
    options.max_sessions = 2;
    Bench bench(options);
    bench.join("ann", version());
    Party& bob = bench.join("bob", version());
    Party& eve = bench.open_with(Hello(version(), "eve"));
    eve.hears({v5() ? "CONNACK 97" : "CONNACK 03", "close"});
    bob.leaves();
    bench.join("eve", version());
}

// [MQTT-3.1.2-24]
TEST(ConnectingV5, AClientThatTakesNoPacketIsClosed) {
    Bench bench;
    Party& ann = bench.open_with(Hello(Version::v5, "ann").maximum_packet_size(4));
    ann.hears({"close"});  // not even DISCONNECT: nothing goes before CONNACK [MQTT-3.2.0-1]
}

TEST_P(Connecting, LateBytesAreIgnored) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    ann.leaves();
    ann.hears({"close"});
    bench.broker.handle_bytes(bench.now, ann.slot(), pingreq(), {});
    bench.broker.handle_closed(bench.now, ann.slot());
    bench.broker.handle_bytes(bench.now, 99, pingreq(), {});
    EXPECT_TRUE(bench.broker.outbox().empty());
}

}  // namespace
}  // namespace mqttwin::broker
