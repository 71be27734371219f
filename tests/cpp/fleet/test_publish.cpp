#include <algorithm>

#include <gtest/gtest.h>

#include "mqttwin/fleet/publish.hpp"

#include "fleet_test.hpp"
#include "tiny_json.hpp"

namespace mqttwin::fleet {
namespace {

struct Sent {
    Instant at;
    std::string topic;
    std::string payload;
    friend bool operator==(const Sent&, const Sent&) = default;
};

std::vector<Sent> play(PublishBehaviour& behaviour, Device device, Instant from, std::size_t most) {
    std::vector<Sent> sent;
    wire::Publish message;
    for (Instant due = from; due < Instant::never() && sent.size() < most;) {
        const Instant next = behaviour.fire(device, due, message);
        sent.push_back({due, std::string(message.topic), std::string(as_text(message.payload))});
        due = next;
    }
    return sent;
}

std::vector<Sent> play(PublishBehaviour& behaviour, Device device, std::size_t most) {
    return play(behaviour, device, behaviour.first(device, Instant{0}), most);
}

PublishSpec readings() {
    PublishSpec spec;
    spec.topic = "site/{group}/{id}";
    Periodic process;
    process.every = minutes(15);
    process.jitter = seconds(60);
    spec.arrival.process = process;
    spec.payload = PayloadSpec::json(
        {{"t", {gen::OrnsteinUhlenbeck{21, Column::uniform(0.2, 0.6), hours(1)}, 2}},
         {"walk", {gen::RandomWalk{}}},
         {"seq", {gen::Counter{}}}});
    spec.qos = wire::QoS::at_least_once;
    spec.retain = true;
    return spec;
}

std::string refused(const PublishSpec& spec) {
    return refusal([&] { PublishBehaviour(spec, fleet_of(10)); });
}

TEST(PublishBehaviour, FillsTheMessage) {
    PublishBehaviour behaviour(readings(), fleet_of(1000));
    wire::Publish message;
    message.dup = true;
    message.packet_id = 5;
    message.properties.mark(wire::Property::content_type);
    const Instant due = behaviour.first(123, Instant{0});
    EXPECT_TRUE(due >= Instant{0} && due < Instant{0} + minutes(16));
    const Instant next = behaviour.fire(123, due, message);
    EXPECT_EQ(message.topic, "site/1/meter-123");
    EXPECT_EQ(message.qos, wire::QoS::at_least_once);
    EXPECT_TRUE(message.retain);
    EXPECT_FALSE(message.dup);
    EXPECT_EQ(message.packet_id, 0);
    EXPECT_TRUE(message.properties.empty());
    const TinyJson json(as_text(message.payload));
    EXPECT_NEAR(json.number("t"), 21, 4);
    EXPECT_EQ(json["seq"], "0");
    EXPECT_TRUE(next > due + minutes(14) && next < due + minutes(16));
    behaviour.fire(123, next, message);
    EXPECT_EQ(TinyJson(as_text(message.payload))["seq"], "1");
    EXPECT_EQ(behaviour.fired(123), 2U);
    EXPECT_EQ(behaviour.fired(122), 0U);
    EXPECT_EQ(behaviour.name(), "site/{group}/{id}");
}

TEST(PublishBehaviour, AConstantTopicIsNotRendered) {
    PublishSpec spec = readings();
    spec.topic = "all";
    PublishBehaviour behaviour(spec, fleet_of(10));
    EXPECT_EQ(play(behaviour, 3, 1)[0].topic, "all");
}

TEST(PublishBehaviour, SendsProperties) {
    PublishSpec spec = readings();
    spec.message_expiry = 90;
    spec.content_type = "application/json";
    spec.user_properties = {{"unit", "C"}, {"v", "1"}};
    PublishBehaviour original(spec, fleet_of(10));
    PublishBehaviour behaviour = original;
    wire::Publish message;
    behaviour.fire(0, Instant{0}, message);
    EXPECT_TRUE(message.properties.has(wire::Property::message_expiry_interval));
    EXPECT_EQ(message.properties.message_expiry_interval, 90U);
    EXPECT_EQ(message.properties.content_type, "application/json");
    EXPECT_EQ(message.properties.user_property_count, 2U);
    wire::UserProperties walk(message.properties.user_properties);
    EXPECT_EQ(walk.next().pair.value, "C");
    EXPECT_EQ(walk.next().pair.name, "v");
    EXPECT_FALSE(walk.next().found);
}

TEST(PublishBehaviour, EndsWhenItsArrivalsEnd) {
    PublishSpec spec = readings();
    spec.arrival.until = Instant{0} + hours(2);
    PublishBehaviour behaviour(spec, fleet_of(10));
    EXPECT_EQ(play(behaviour, 0, 1000).size(), 8U);
    spec.arrival.process = Once{seconds(5)};
    PublishBehaviour once(spec, fleet_of(10));
    EXPECT_EQ(play(once, 0, 1000).size(), 1U);
}

TEST(PublishBehaviour, AddingDevicesLeavesOthersAlone) {
    PublishBehaviour few(readings(), fleet_of(5));
    PublishBehaviour many(readings(), fleet_of(5000));
    play(many, 4999, 30);
    EXPECT_EQ(play(few, 4, 100), play(many, 4, 100));
}

TEST(PublishBehaviour, BehavioursFleetsAndSeedsDiffer) {
    PublishSpec renamed = readings();
    renamed.name = "second";
    PublishBehaviour a(readings(), fleet_of(5));
    PublishBehaviour b(renamed, fleet_of(5));
    PublishBehaviour c(readings(), fleet_of(5, 43));
    const auto sent = play(a, 0, 3);
    EXPECT_NE(sent, play(b, 0, 3));
    EXPECT_NE(sent, play(c, 0, 3));
}

TEST(PublishBehaviour, CopiesGoOnAloneAndAlike) {
    PublishBehaviour original(readings(), fleet_of(5));
    const auto before = play(original, 2, 10);
    PublishBehaviour fork = original;
    const Instant due = before.back().at + minutes(15);
    const auto forked = play(fork, 2, due, 10);
    EXPECT_EQ(original.fired(2), 10U);
    EXPECT_EQ(play(original, 2, due, 10), forked);
}

TEST(PublishBehaviour, ItsStateIsAllThatAContinuationNeeds) {
    PublishBehaviour original(readings(), fleet_of(5));
    const auto before = play(original, 2, 10);
    PublishBehaviour restored(readings(), fleet_of(5));
    const auto from = original.state();
    const auto to = restored.state();
    ASSERT_EQ(from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
        ASSERT_EQ(from[i].size(), to[i].size());
        std::copy(from[i].begin(), from[i].end(), to[i].begin());
    }
    const Instant due = before.back().at + minutes(15);
    EXPECT_EQ(play(original, 2, due, 10), play(restored, 2, due, 10));
}

TEST(PublishBehaviour, RefusesWithOneClearLine) {
    PublishSpec spec = readings();
    spec.topic = "a/+/b";
    EXPECT_NE(refused(spec).find("topic \"a/+/b\": is not a valid topic name"), std::string::npos);
    spec.topic = "a/{x}";
    EXPECT_NE(refused(spec).find("unknown field \"x\""), std::string::npos);
    spec = readings();
    spec.qos = static_cast<wire::QoS>(3);
    EXPECT_EQ(refused(spec), "qos: 3 is not allowed (must be 0, 1 or 2)");
    spec = readings();
    spec.arrival.process = Periodic{seconds(-1), {}, {}};
    EXPECT_EQ(refused(spec), "every in seconds: -1 is not allowed (must be > 0 and <= 3155760000)");
    spec = readings();
    spec.content_type = "\xFF";
    EXPECT_EQ(refused(spec), "content_type: must be UTF-8 without U+0000");
    spec = readings();
    spec.user_properties = {{"a", std::string(65'536, 'x')}};
    EXPECT_EQ(refused(spec), "user property: 65536 bytes are not allowed (must be <= 65535)");
}

}  // namespace
}  // namespace mqttwin::fleet
