// A broker that takes nobody for a while, and who is connected.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Refusing : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Refusing);

TEST_P(Refusing, NewcomersAreRefusedAndOthersStay) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    bench.broker.set_refusal(wire::reason::server_unavailable);
    Party& bob = bench.open_with(Hello(version(), "bob"));
    bob.hears({v5() ? "CONNACK 88" : "CONNACK 03", "close"});
    EXPECT_TRUE(bench.broker.is_connected("ann"));
    EXPECT_FALSE(bench.broker.is_connected("bob"));
    ann.hears_nothing();
    bench.broker.set_refusal(0);
    bench.join("bob", version());
    EXPECT_TRUE(bench.broker.is_connected("bob"));
}

TEST_P(Refusing, ASessionWithoutAConnectionIsNotConnected) {
    Bench bench;
    EXPECT_FALSE(bench.broker.is_connected("ann"));
    Party& ann = bench.join("ann", version());
    ann.vanishes();
    EXPECT_FALSE(bench.broker.is_connected("ann"));
}

}  // namespace
}  // namespace mqttwin::broker
