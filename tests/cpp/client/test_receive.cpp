// Messages from the server, in any chunking, and listeners that act on them.
#include <algorithm>

#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketType;
using wire::QoS;

class Receiving : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Receiving);

// [MQTT-4.3.2-4], [MQTT-4.3.3-8], [MQTT-4.3.3-11]
TEST_P(Receiving, HandsOnAndAnswersByQos) {
    Bench bench(options());
    bench.go_online();
    bench.receive(bench.message("a", "0", QoS::at_most_once));
    EXPECT_EQ(bench.take(), Lines{});
    bench.receive(bench.message("a", "1", QoS::at_least_once, 7));
    EXPECT_EQ(bench.take(), (Lines{"PUBACK 7"}));
    bench.receive(bench.message("a", "2", QoS::exactly_once, 8));
    EXPECT_EQ(bench.take(), (Lines{"PUBREC 8"}));
    bench.receive(bench.ack(PacketType::pubrel, 8));
    EXPECT_EQ(bench.take(), (Lines{"PUBCOMP 8"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q0 a=0", "message q1 a=1", "message q2 a=2"}));
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST_P(Receiving, PassesTheStampOn) {
    Bench bench(options());
    bench.go_online();
    Stamp stamp;
    stamp.published = Instant{5};
    stamp.origin = 6;
    stamp.sequence = 7;
    bench.receive(bench.message("a", "0", QoS::at_most_once), 0, stamp);
    ASSERT_EQ(bench.heard.message_stamps.size(), 1U);
    EXPECT_EQ(bench.heard.message_stamps[0].published, Instant{5});
    EXPECT_EQ(bench.heard.message_stamps[0].origin, 6U);
    EXPECT_EQ(bench.heard.message_stamps[0].sequence, 7U);
}

TEST_P(Receiving, HandsOnARepeatedQos1MessageAgain) {
    Bench bench(options());
    bench.go_online();
    bench.receive(bench.message("a", "1", QoS::at_least_once, 7));
    bench.receive(bench.message("a", "1", QoS::at_least_once, 7, true));
    EXPECT_EQ(bench.heard.take(0).size(), 2U);
    EXPECT_EQ(bench.take(), (Lines{"PUBACK 7", "PUBACK 7"}));
}

// [MQTT-4.3.3-10], [MQTT-4.3.3-12]
TEST_P(Receiving, HandsOnAQos2MessageOnceUntilItIsReleased) {
    Bench bench(options());
    bench.go_online();
    for (int n = 0; n < 1000; ++n) {
        bench.receive(bench.message("a", "1", QoS::exactly_once, 7, n > 0));
    }
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q2 a=1"}));
    EXPECT_EQ(bench.take().size(), 1000U);
    EXPECT_EQ(bench.pool.live(), 1U);
    bench.receive(bench.ack(PacketType::pubrel, 7));
    bench.receive(bench.message("a", "2", QoS::exactly_once, 7));
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q2 a=2"}));
    bench.expect_no_leak();
}

TEST_P(Receiving, AnswersAPubrelForNothing) {
    Bench bench(options());
    bench.go_online();
    bench.receive(bench.ack(PacketType::pubrel, 9));
    EXPECT_EQ(bench.take(), (Lines{v5() ? "PUBCOMP 9 92" : "PUBCOMP 9"}));
}

TEST_P(Receiving, AnswersInTheOrderOfArrival) {  // [MQTT-4.6.0-2], [MQTT-4.6.0-3]
    Bench bench(options());
    bench.go_online();
    bench.receive(bench.message("a", "", QoS::at_least_once, 5) +
                  bench.message("a", "", QoS::exactly_once, 3) +
                  bench.message("a", "", QoS::at_least_once, 4) +
                  bench.message("a", "", QoS::exactly_once, 1));
    EXPECT_EQ(bench.take(), (Lines{"PUBACK 5", "PUBREC 3", "PUBACK 4", "PUBREC 1"}));
    bench.expect_no_leak();
}

TEST_P(Receiving, UnderstandsBytesInAnyChunking) {
    const auto run = [&](std::size_t chunk) {
        Options chosen = options();
        chosen.clean_start = false;
        Bench bench(chosen);
        bench.profile.subscriptions = {{"a", QoS::exactly_once}};
        bench.connect();
        bench.open();
        const Bytes stream = bench.connack(true) + bench.suback(1, {2}) +
                             bench.message("a", "0", QoS::at_most_once) +
                             bench.message("long", std::string(1000, 'x'), QoS::at_least_once, 1) +
                             bench.pingresp() + bench.message("a", "2", QoS::exactly_once, 2) +
                             bench.ack(PacketType::pubrel, 2) +
                             bench.message("a", "end", QoS::at_least_once, 3);
        for (std::size_t at = 0; at < stream.size(); at += chunk) {
            const std::size_t end = std::min(at + chunk, stream.size());
            bench.receive(Bytes(stream.begin() + static_cast<std::ptrdiff_t>(at),
                                stream.begin() + static_cast<std::ptrdiff_t>(end)));
        }
        Lines out = bench.take();
        for (const std::string& line : bench.heard.take(0)) out.push_back(line);
        bench.expect_no_leak();
        return out;
    };
    const Lines whole = run(100'000);
    EXPECT_EQ(whole.size(), 13U);
    for (std::size_t chunk = 1; chunk < 40; ++chunk) EXPECT_EQ(run(chunk), whole) << chunk;
    EXPECT_EQ(run(500), whole);
}

TEST_P(Receiving, ForgetsHalfAPacketWithItsConnection) {
    Bench bench(options());
    bench.go_online();
    Bytes half = bench.message("a", "0", QoS::at_most_once);
    half.pop_back();
    bench.receive(half);
    bench.closed();
    bench.go_online();
    bench.receive(bench.message("a", "1", QoS::at_most_once));
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q0 a=1"}));
    bench.expect_no_leak();
}

TEST_P(Receiving, IgnoresBytesWithoutAConnection) {
    Bench bench(options());
    const Bytes bytes = bench.message("a", "0", QoS::at_most_once);
    bench.receive(bytes);
    bench.connect();
    bench.receive(bytes);
    bench.closed();
    bench.receive(bytes);
    EXPECT_EQ(bench.take(), (Lines{"open"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected connect_failed 00"}));
}

// --- listeners that do something -----------------------------------------------------------------

TEST_P(Receiving, ListenerMayPublishWhatItReceives) {
    Bench bench(options());
    bench.go_online();
    bench.heard.when_message = [&](Instant now, Slot client, const wire::Publish& packet) {
        wire::Publish echo;
        echo.topic = "echo";
        echo.payload = packet.payload;
        echo.qos = packet.qos;
        for (int n = 0; n < 40; ++n) bench.clients.publish(now, client, echo, {});
    };
    // In pieces, so that the message lives in the pool while the echo is made there.
    const Bytes message = bench.message("a", std::string(500, 'x'), QoS::exactly_once, 1);
    bench.receive(Bytes(message.begin(), message.begin() + 100));
    bench.receive(Bytes(message.begin() + 100, message.end()));
    const Lines sent = bench.take();
    ASSERT_EQ(sent.size(), 21U);  // the window is 20
    EXPECT_EQ(sent[0], "PUBLISH q2 id=1 echo=" + std::string(500, 'x'));
    EXPECT_EQ(sent[20], "PUBREC 1");
    EXPECT_EQ(bench.clients.queued(0), 20U);
    bench.expect_no_leak();
}

TEST_P(Receiving, ListenerMayDisconnectOnAMessage) {
    for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
        Bench bench(options());
        bench.go_online();
        bench.heard.when_message = [&](Instant now, Slot client, const wire::Publish&) {
            bench.clients.disconnect(now, client);
        };
        const wire::PacketId id = qos == QoS::at_most_once ? 0 : 1;
        const Bytes message = bench.message("a", std::string(100, 'x'), qos, id);
        Bytes more = message + message;
        more.pop_back();
        bench.receive(Bytes(more.begin(), more.begin() + 5));
        bench.receive(Bytes(more.begin() + 5, more.end()));
        EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
        EXPECT_EQ(bench.heard.take(0).size(), 2U);
        bench.expect_no_leak();
    }
}

TEST_P(Receiving, ListenerMayDisconnectAnotherClient) {
    Bench bench(options(), 2);
    bench.go_online(0);
    bench.go_online(1);
    Bytes half = bench.message("a", "half", QoS::at_most_once);
    half.resize(4);
    bench.receive(half, 1);
    bench.heard.when_message = [&](Instant now, Slot, const wire::Publish&) {
        bench.clients.disconnect(now, 1);
    };
    bench.receive(bench.message("a", "x", QoS::at_least_once, 1), 0);
    EXPECT_EQ(bench.take(0), (Lines{"PUBACK 1"}));
    EXPECT_EQ(bench.take(1), (Lines{"DISCONNECT 00", "close"}));
    bench.expect_no_leak();
}

TEST_P(Receiving, ListenerMayActWhenConnectedAndSubscribed) {
    Bench bench(options());
    bench.profile.subscriptions = {{"a", QoS::at_least_once}};
    bench.heard.when_connected = [&](Instant now, Slot client) {
        const wire::SubscriptionRequest more{"b", {}};
        bench.clients.subscribe(now, client, {&more, 1});
        bench.publish("t", "hello", QoS::at_least_once);
    };
    bench.heard.when_subscribed = [&](Instant, Slot) {
        bench.publish("t", "ready", QoS::at_most_once);
    };
    bench.publish("t", "waited", QoS::at_least_once);
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack());
    EXPECT_EQ(bench.take(), (Lines{"SUBSCRIBE 1 a:q1", "PUBLISH q1 id=2 t=waited",
                                   "SUBSCRIBE 3 b:q0", "PUBLISH q1 id=4 t=hello"}));
    bench.receive(bench.suback(1, {1}));
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 t=ready"}));
    bench.expect_no_leak();
}

TEST_P(Receiving, ListenerMayDisconnectWhenConnected) {
    Bench bench(options());
    bench.heard.when_connected = [&](Instant now, Slot client) {
        bench.clients.disconnect(now, client);
    };
    bench.connect();
    bench.open();
    bench.take();
    bench.receive(bench.connack() + bench.message("a", "x", QoS::at_least_once, 1));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 00", "close"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::idle);
    bench.expect_no_leak();
}

}  // namespace
}  // namespace mqttwin::client
