// Wills: published when a connection ends badly, and only then.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Wills : public BothVersions {
   protected:
    Hello ann(QoS qos = QoS::at_most_once, bool retain = false) {
        return Hello(version(), "ann").will("w/ann", "gone", qos, retain);
    }
};
MQTTWIN_BOTH_VERSIONS(Wills);

Party& listener(Bench& bench) {
    Party& spy = bench.join("spy");
    spy.subscribes(1, {{"w/#", QoS::exactly_once}});
    spy.heard();
    return spy;
}

// [MQTT-3.1.2-8]
TEST_P(Wills, TheNetworkFails) {
    Bench bench;
    Party& spy = listener(bench);
    Party& party = bench.enter(ann(QoS::at_least_once));
    bench.after(seconds(5));
    const Instant death = bench.now;
    bench.witness.take({});
    party.vanishes();
    spy.hears({"PUBLISH q1 id=1 w/ann=gone"});
    EXPECT_EQ(spy.stamps.at(0).origin, party.slot());
    EXPECT_EQ(spy.stamps.at(0).published, death);
    EXPECT_EQ(bench.witness.take({"close", "publish", "expected"}),
              (Lines{"close 1 network 00", "publish 1 q1 w/ann to 1", "expected 0 q1"}));
    bench.after(hours(1));
    spy.hears_nothing();
}

// [MQTT-3.1.2-10], [MQTT-3.14.4-3]
TEST_P(Wills, ADisconnectTakesTheWillAway) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(ann()).leaves();
    spy.hears_nothing();
}

TEST_P(Wills, KeepAliveRunsOut) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(ann().keep_alive(10));
    bench.after(seconds(15));
    spy.hears({"PUBLISH q0 w/ann=gone"});
}

TEST_P(Wills, TheClientBreaksTheProtocol) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(ann()).says({0x10, 0x00});
    spy.hears({"PUBLISH q0 w/ann=gone"});
}

TEST_P(Wills, ARetainedWillIsKept) {
    Bench bench;
    bench.enter(ann(QoS::at_most_once, true)).vanishes();
    Party& late = bench.join("late");
    late.subscribes(1, {{"w/ann"}});
    late.hears({"SUBACK 1 00", "PUBLISH q0 retain w/ann=gone"});
}

TEST_P(Wills, AnotherConnectionTakesOver) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(ann());
    bench.join("ann", version());
    spy.hears({"PUBLISH q0 w/ann=gone"});
}

TEST_P(Wills, ANewConnectMakesANewWill) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(ann()).leaves();
    bench.enter(Hello(version(), "ann").will("w/ann", "second")).vanishes();
    bench.join("ann", version()).vanishes();
    spy.hears({"PUBLISH q0 w/ann=second"});
}

TEST_P(Wills, ALargeWillArrivesWhole) {
    Bench bench;
    Party& spy = listener(bench);
    const std::string large(5000, 'x');
    bench.enter(Hello(version(), "ann").will("w/ann", large, QoS::at_least_once)).vanishes();
    spy.hears({"PUBLISH q1 id=1 w/ann=" + large});
}

// --- 5.0 -----------------------------------------------------------------------------------------

TEST(WillsV5, DisconnectWithWillMeansIt) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(Hello(Version::v5, "ann").will("w/ann", "gone"))
        .leaves(wire::reason::disconnect_with_will);
    spy.hears({"PUBLISH q0 w/ann=gone"});
}

Hello delayed(std::uint32_t delay, std::uint32_t expiry) {
    Hello hello(Version::v5, "ann");
    hello.resume().expires(expiry).will("w/ann", "gone", QoS::at_most_once, false, delay);
    return hello;
}

// [MQTT-3.1.3-9]
TEST(WillsV5, ADelayedWillWaits) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(delayed(10, 100)).vanishes();
    bench.after(milliseconds(9'999));
    spy.hears_nothing();
    bench.after(milliseconds(1));
    spy.hears({"PUBLISH q0 w/ann=gone"});
    EXPECT_EQ(spy.stamps.at(0).published, bench.now);
    bench.after(seconds(1000));
    spy.hears_nothing();
}

TEST(WillsV5, ComingBackInTimeTakesTheWillAway) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(delayed(10, 100)).vanishes();
    bench.after(seconds(9));
    Hello back(Version::v5, "ann");
    bench.enter(back.resume().expires(100), true);
    bench.after(seconds(1000));
    spy.hears_nothing();
}

TEST(WillsV5, ADelayedWillSurvivesATakeover) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(delayed(10, 100));
    bench.enter(delayed(10, 100), true);
    spy.hears_nothing();
}

TEST(WillsV5, TheEndOfTheSessionComesFirst) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(delayed(100, 10)).vanishes();
    bench.after(seconds(9));
    spy.hears_nothing();
    bench.after(seconds(1));
    spy.hears({"PUBLISH q0 w/ann=gone"});
    EXPECT_EQ(bench.broker.counts().sessions, 1U);

    bench.enter(delayed(100, 0)).vanishes();  // it ends at once
    spy.hears({"PUBLISH q0 w/ann=gone"});

    bench.enter(delayed(100, 1000)).vanishes();
    bench.join("ann");  // a clean start ends it
    spy.hears({"PUBLISH q0 w/ann=gone"});
}

TEST(WillsV5, DelayAndEndAtOneInstantMakeOneWill) {
    Bench bench;
    Party& spy = listener(bench);
    bench.enter(delayed(10, 10)).vanishes();
    bench.after(seconds(10));
    spy.hears({"PUBLISH q0 w/ann=gone"});
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
}

TEST(WillsV5, WillPropertiesAreHandedOnAndItsLifeStartsWhenItIsPublished) {
    Bench bench;
    Party& spy = listener(bench);
    Hello hello = delayed(10, 100);
    wire::Properties& p = hello.packet.will.properties;
    p.message_expiry_interval = 30;
    p.mark(wire::Property::message_expiry_interval);
    p.content_type = "text/plain";
    p.mark(wire::Property::content_type);
    bench.enter(hello).vanishes();
    bench.after(seconds(10));
    spy.hears({"PUBLISH q0 w/ann=gone expiry=30 type=text/plain"});
}

TEST(WillsV5, AWillReachesTheSessionThatLeftIt) {
    Bench bench;
    Party& ann = bench.enter(delayed(0, 100));
    ann.subscribes(1, {{"w/#", QoS::at_least_once}});
    ann.vanishes();
    Hello loud = delayed(0, 100);
    loud.packet.will.qos = QoS::at_least_once;
    Party& again = bench.enter(loud, true);
    again.hears_nothing();  // it was of QoS 0
    again.vanishes();
    bench.enter(loud, true).hears({"PUBLISH q1 id=1 w/ann=gone"});
}

}  // namespace
}  // namespace mqttwin::broker
