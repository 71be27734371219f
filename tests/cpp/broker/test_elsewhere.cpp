// Server references (4.11): clients are sent to another server.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

class Elsewhere : public BothVersions {};
MQTTWIN_BOTH_VERSIONS(Elsewhere);

TEST_P(Elsewhere, ANewcomerIsSentOn) {
    Options options;
    options.server_reference = "other:1883";
    Bench bench(options);
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.hears({v5() ? "CONNACK 9c to=other:1883" : "CONNACK 03", "close"});
    bench.broker.set_server_reference("new:1883", true);
    Party& bob = bench.open_with(Hello(version(), "bob"));
    bob.hears({v5() ? "CONNACK 9d to=new:1883" : "CONNACK 03", "close"});
    bench.broker.set_server_reference({}, false);
    bench.join("bob", version());
}

TEST_P(Elsewhere, AClientThatIsInIsSentOn) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    Party& bob = bench.join("bob", version());
    bench.broker.redirect(bench.now, ann.slot(), "other", false);
    bench.broker.redirect(bench.now, bob.slot(), "other", true);
    bench.broker.redirect(bench.now, 99, "other", true);
    bench.drain();
    ann.hears(v5() ? Lines{"DISCONNECT 9c to=other", "close"} : Lines{"close"});
    bob.hears(v5() ? Lines{"DISCONNECT 9d to=other", "close"} : Lines{"close"});
    EXPECT_EQ(bench.witness.take({"close"}),
              (Lines{"close 0 administrative 9c", "close 1 administrative 9d"}));
}

TEST_P(Elsewhere, ARestartMaySayWhereToGo) {
    Bench bench;
    Party& ann = bench.join("ann", version());
    bench.broker.restart(bench.now, true, "spare");
    bench.drain();
    ann.hears(v5() ? Lines{"DISCONNECT 9c to=spare", "close"} : Lines{"abort"});
}

TEST(ElsewhereV5, AReferenceThatIsTooLongIsLeftOut) {
    Bench bench;
    Party& ann = bench.enter(Hello(Version::v5, "ann").maximum_packet_size(30));
    bench.broker.redirect(bench.now, ann.slot(), std::string(100, 'x'), false);
    bench.drain();
    ann.hears({"DISCONNECT 9c", "close"});
}

}  // namespace
}  // namespace mqttwin::broker
