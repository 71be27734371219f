#include <gtest/gtest.h>

#include "mqttwin/fleet/profile.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

ProfileSpec pumps() {
    ProfileSpec spec;
    wire::SubscriptionOptions options;
    options.qos = wire::QoS::exactly_once;
    options.no_local = true;
    spec.subscriptions = {{"pump/{index}/cmd", options}, {"all/#", {}}};
    WillSpec will;
    will.topic = "pump/{index}/status";
    will.payload = "{id} is off";
    will.qos = wire::QoS::at_least_once;
    will.retain = true;
    will.delay_interval = 30;
    spec.will = will;
    spec.user_name = "u{index}";
    spec.password = "secret";
    return spec;
}

std::string refused(const ProfileSpec& spec) {
    return refusal([&] { FleetProfile(spec, fleet_of(10)); });
}

TEST(FleetProfile, NamesItsClients) {
    const FleetProfile profile({}, fleet_of(10));
    std::string id = "what was there";
    profile.client_id(7, id);
    EXPECT_EQ(id, "meter-7");
    EXPECT_EQ(profile.subscription_count(7), 0U);
}

TEST(FleetProfile, Subscribes) {
    const FleetProfile profile(pumps(), fleet_of(10));
    ASSERT_EQ(profile.subscription_count(7), 2U);
    std::string filter = "what was there";
    const wire::SubscriptionOptions options = profile.subscription(7, 0, filter);
    EXPECT_EQ(filter, "pump/7/cmd");
    EXPECT_EQ(options.qos, wire::QoS::exactly_once);
    EXPECT_TRUE(options.no_local);
    profile.subscription(7, 1, filter);
    EXPECT_EQ(filter, "all/#");
}

TEST(FleetProfile, CompletesTheConnectPacket) {
    const FleetProfile profile(pumps(), fleet_of(10));
    std::vector<std::string> scratch = {"what was there"};
    for (const Slot client : {7U, 3U}) {
        const std::string index = std::to_string(client);
        wire::Connect packet;
        profile.complete(client, packet, scratch);
        ASSERT_TRUE(packet.has_will);
        EXPECT_EQ(packet.will.topic, "pump/" + index + "/status");
        EXPECT_EQ(as_text(packet.will.payload), "meter-" + index + " is off");
        EXPECT_EQ(packet.will.qos, wire::QoS::at_least_once);
        EXPECT_TRUE(packet.will.retain);
        EXPECT_TRUE(packet.will.properties.has(wire::Property::will_delay_interval));
        EXPECT_EQ(packet.will.properties.will_delay_interval, 30U);
        ASSERT_TRUE(packet.has_user_name && packet.has_password);
        EXPECT_EQ(packet.user_name, "u" + index);
        EXPECT_EQ(as_text(packet.password), "secret");
    }
}

TEST(FleetProfile, LeavesOutWhatIsNotThere) {
    const FleetProfile profile({}, fleet_of(10));
    std::vector<std::string> scratch;
    wire::Connect packet;
    profile.complete(0, packet, scratch);
    EXPECT_FALSE(packet.has_will || packet.has_user_name || packet.has_password);
}

TEST(FleetProfile, AWillOfBytesIsNoTemplate) {
    ProfileSpec spec = pumps();
    spec.will->payload = std::string("{\0\xFF", 3);
    spec.will->payload_is_bytes = true;
    const FleetProfile profile(spec, fleet_of(10));
    std::vector<std::string> scratch;
    wire::Connect packet;
    profile.complete(0, packet, scratch);
    EXPECT_EQ(as_text(packet.will.payload), std::string("{\0\xFF", 3));
}

TEST(FleetProfile, RefusesWithOneClearLine) {
    ProfileSpec spec = pumps();
    spec.subscriptions[0].filter = "a/#/b";
    EXPECT_NE(refused(spec).find("filter \"a/#/b\": is not a valid topic filter"),
              std::string::npos);
    spec = pumps();
    spec.subscriptions[0].options.qos = static_cast<wire::QoS>(3);
    EXPECT_EQ(refused(spec), "subscription qos: 3 is not allowed (must be 0, 1 or 2)");
    spec = pumps();
    spec.will->topic = "a/#";
    EXPECT_NE(refused(spec).find("will topic \"a/#\": is not a valid topic name"),
              std::string::npos);
    spec = pumps();
    spec.will->payload = std::string(65'536, 'x');
    EXPECT_EQ(refused(spec), "will payload: 65536 bytes are not allowed (must be <= 65535)");
    spec = pumps();
    spec.user_name = "\xFF";
    EXPECT_EQ(refused(spec), "user name: must be UTF-8 without U+0000");
    spec = pumps();
    spec.password = "{nope}";
    EXPECT_NE(refused(spec), "");
}

}  // namespace
}  // namespace mqttwin::fleet
