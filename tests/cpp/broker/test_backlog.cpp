// A client that reads too slowly: what it is sent waits, within bounds.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Backlog : public BothVersions {
   protected:
    void SetUp() override {
        slow.subscribes(1, {{"#", QoS::exactly_once}});
        slow.heard();
        fast.heard();
    }
    Bench bench;
    Party& slow = bench.return_as("slow", version(), false);
    Party& fast = bench.join("fast", version());
};
MQTTWIN_BOTH_VERSIONS(Backlog);

TEST_P(Backlog, QosIsQueuedAndTheRestDropped) {
    slow.is_congested(true);
    fast.publishes("a", "0");
    fast.publishes("a", "1", QoS::at_least_once, {.id = 1});
    fast.publishes("a", "2", QoS::exactly_once, {.id = 2});
    slow.hears_nothing();
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q0 queue_full"}));
    EXPECT_EQ(bench.broker.counts().queued, 2U);
    slow.is_congested(false);
    slow.hears({"PUBLISH q1 id=1 a=1", "PUBLISH q2 id=2 a=2"});
    fast.publishes("a", "3");
    slow.hears({"PUBLISH q0 a=3"});
}

TEST_P(Backlog, AnswersStillGo) {
    fast.publishes("a", "2", QoS::exactly_once, {.id = 2});
    slow.heard();
    slow.is_congested(true);
    slow.says(pingreq());
    slow.subscribes(2, {{"b"}});
    slow.publishes("other", "x", QoS::at_least_once, {.id = 9});
    slow.pubrecs(1);
    slow.hears({"PINGRESP", "SUBACK 2 00", "PUBACK 9", "PUBREL 1"});
    slow.is_congested(false);
    slow.hears({"PUBLISH q1 id=2 other=x"});
}

TEST_P(Backlog, AcknowledgementsDoNotLetMoreOut) {
    fast.publishes("a", "1", QoS::at_least_once, {.id = 1});
    slow.hears({"PUBLISH q1 id=1 a=1"});
    slow.is_congested(true);
    fast.publishes("a", "2", QoS::at_least_once, {.id = 2});
    slow.pubacks(1);
    slow.hears_nothing();
    slow.is_congested(false);
    slow.hears({"PUBLISH q1 id=2 a=2"});
}

TEST_P(Backlog, TheQueueIsBounded) {
    slow.is_congested(true);
    for (std::uint16_t id = 1; id <= 1001; ++id) {
        fast.publishes("a", "x", QoS::at_least_once, {.id = id});
    }
    EXPECT_EQ(bench.broker.counts().queued, 1000U);
    EXPECT_EQ(bench.witness.take({"drop"}), (Lines{"drop 0 q1 queue_full"}));
}

TEST_P(Backlog, ItEndsWithItsConnection) {
    slow.is_congested(true);
    fast.publishes("a", "1", QoS::at_least_once, {.id = 1});
    slow.vanishes();
    bench.broker.handle_backlog(bench.now, slow.slot(), false);  // late
    Party& back = bench.return_as("slow", version(), true);
    back.hears({"PUBLISH q1 id=1 a=1"});
    fast.publishes("a", "0");
    back.hears({"PUBLISH q0 a=0"});
}

TEST_P(Backlog, NobodyElseWaits) {
    Party& other = bench.join("other", version());
    other.subscribes(1, {{"a"}});
    other.heard();
    slow.is_congested(true);
    fast.publishes("a", "0");
    other.hears({"PUBLISH q0 a=0"});
    slow.hears_nothing();
}

TEST_P(Backlog, StrangeSlotsAreIgnored) {
    bench.broker.handle_backlog(bench.now, 99, true);
    Party& silent = bench.open(version());
    silent.is_congested(true);
    silent.hears_nothing();
}

// Readers that stall, however many, hold what the broker's cap allows, and everybody else is
// served.
TEST(BacklogCap, StalledReadersStayWithinTheCap) {
    Options options;
    options.max_stored_bytes = 1U << 20;
    Bench bench(options);
    constexpr int kReaders = 2000;
    for (int i = 0; i < kReaders; ++i) {
        const std::string name = "reader" + std::to_string(i);
        Party& reader = bench.enter(Hello(Version::v5, name));
        reader.subscribes(1, {{"r/" + std::to_string(i % 7), QoS::at_least_once}});
        reader.is_congested(true);
    }
    Party& healthy = bench.join("healthy");
    healthy.subscribes(1, {{"r/0"}});
    Party& source = bench.join("source");
    healthy.heard();
    const std::string payload(1000, 'x');
    int served = 0;
    for (int i = 0; i < 5000; ++i) {
        const std::string topic = "r/" + std::to_string(i % 7);
        source.publishes(topic, payload, QoS::at_least_once, {.id = 1});
        source.heard();
        served += static_cast<int>(healthy.heard().size());
        ASSERT_LE(bench.broker.counts().stored_bytes, options.max_stored_bytes + 2000);
    }
    EXPECT_EQ(served, 715);  // one in seven
    EXPECT_GT(bench.broker.counts().queued, 5000U);
}

}  // namespace
}  // namespace mqttwin::broker
