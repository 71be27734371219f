// Devices whose behaviour is somebody else's code, here C++.
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "worlds.hpp"

namespace mqttwin::world {
namespace {

/// Connects when it is switched on, publishes every second, and listens to itself.
class Sender final : public Script {
   public:
    Instant on_alarm(Instant now, Slot device) override {
        ++alarms;
        if (fail_at == now) throw std::runtime_error("of the script");
        if (halt_at == now) world->halt();
        if (connects == 0) {
            ScriptedConnect said;
            said.terms = {30, true, 60};
            said.will = ScriptedConnect::Will{"gone", "x", wire::QoS::at_least_once, false, 0};
            world->connect(fleet, device, said);
            ++connects;
        }
        if (world->phase(fleet, device) == client::Phase::online) {
            wire::Publish message;
            message.topic = "own";
            message.qos = wire::QoS::exactly_once;
            published.push_back(world->publish(fleet, device, message).number);
        }
        return now + seconds(1);
    }
    void act(Instant) override { ++acts; }
    void on_connected(Instant now, Slot device, bool) override {
        ++connected;
        const wire::SubscriptionRequest request{"own", {wire::QoS::exactly_once}};
        world->clients(fleet, device).subscribe(now, device, {&request, 1});
    }
    void on_message(Instant, Slot, const wire::Publish& message, const Stamp&) override {
        received.emplace_back(message.topic);
    }
    void on_acknowledged(Instant, Slot, const Stamp& stamp, wire::QoS, const wire::Ack&) override {
        acknowledged.push_back(stamp.sequence);
    }

    VirtualWorld* world = nullptr;
    std::uint32_t fleet = 0;
    Instant fail_at = Instant::never();
    Instant halt_at = Instant::never();
    int alarms = 0;
    int acts = 0;
    int connects = 0;
    int connected = 0;
    std::vector<std::uint32_t> published;
    std::vector<std::uint32_t> acknowledged;
    std::vector<std::string> received;
};

struct Scripted : ::testing::Test {
    Scripted() {
        world.add_broker("broker", {});
        FleetSpec spec = fleet_of("device", 1);
        spec.script = script;
        script->world = &world;
        script->fleet = world.add_fleet(spec);
    }
    VirtualWorld world{{}};
    std::shared_ptr<Sender> script = std::make_shared<Sender>();
};

TEST_F(Scripted, ActsOnAlarmsAndHearsWhatHappens) {
    EXPECT_TRUE(world.run(Instant{0} + milliseconds(10'500), forever));
    EXPECT_EQ(script->alarms, 11);
    EXPECT_EQ(script->connected, 1);
    EXPECT_EQ(script->published.size(), 10U);
    EXPECT_EQ(script->published, script->acknowledged);
    EXPECT_EQ(script->received.size(), 10U);
    EXPECT_GT(script->acts, 20);
    EXPECT_EQ(world.outbox(script->fleet, 0), 0U);
}

TEST_F(Scripted, AnEarlierAlarmTakesTheLatersPlace) {
    world.run(Instant{0} + milliseconds(500), forever);
    world.set_alarm(script->fleet, 0, Instant{0} + milliseconds(700));
    world.set_alarm(script->fleet, 0, Instant{0} + milliseconds(800));  // is looked at again then
    const int before = script->alarms;
    world.run(Instant{0} + milliseconds(1'699), forever);
    EXPECT_EQ(script->alarms, before + 1);
    world.run(Instant{0} + milliseconds(1'700), forever);
    EXPECT_EQ(script->alarms, before + 2);
}

TEST_F(Scripted, WhatItThrowsEndsTheRunAtThatInstant) {
    script->fail_at = Instant{0} + seconds(3);
    EXPECT_THROW(world.run(Instant{0} + seconds(10), forever), std::runtime_error);
    EXPECT_EQ(world.now(), Instant{0} + seconds(3));
    EXPECT_TRUE(world.run(Instant{0} + seconds(10), forever));
    EXPECT_EQ(script->alarms, 4);  // nobody has set another one
}

TEST_F(Scripted, HaltEndsTheRunAfterTheEvent) {
    script->halt_at = Instant{0} + seconds(3);
    EXPECT_FALSE(world.run(Instant{0} + seconds(10), forever));
    EXPECT_EQ(world.now(), Instant{0} + seconds(3));
    EXPECT_TRUE(world.run(Instant{0} + seconds(10), forever));
    EXPECT_EQ(script->alarms, 11);
}

TEST_F(Scripted, APowerCutTellsNobody) {
    world.run(Instant{0} + milliseconds(2'500), forever);
    world.power_off(script->fleet, 0);
    const int before = script->alarms;
    world.run(Instant{0} + seconds(40), forever);  // until keep-alive: 1.5 * 30 s
    EXPECT_EQ(script->alarms, before);
    EXPECT_EQ(world.phase(script->fleet, 0), client::Phase::idle);
    EXPECT_EQ(world.broker_counts(0).connections, 1U);
    world.run(Instant{0} + seconds(50), forever);
    EXPECT_EQ(world.broker_counts(0).connections, 0U);
    script->connects = 0;
    world.set_alarm(script->fleet, 0, world.now());
    world.run(Instant{0} + seconds(55), forever);
    EXPECT_EQ(script->connected, 2);
}

TEST_F(Scripted, OnlyFleetsWithAScriptHaveOne) {
    const auto declared = world.add_fleet(fleet_of("declared", 1));
    EXPECT_THROW(world.set_alarm(declared, 0, world.now()), std::invalid_argument);
    EXPECT_THROW(world.power_off(script->fleet, 1), std::invalid_argument);
}

}  // namespace
}  // namespace mqttwin::world
