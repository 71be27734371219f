// Real clients in a world whose virtual time runs faster: their timers follow the wall clock.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

Party& open_real(Bench& bench, const Hello& hello) {
    Peer peer;
    peer.real = true;
    Party& party = bench.open(hello.packet.version, peer);
    party.says(connect(hello));
    return party;
}

TEST(Pace, AKeepAliveIsInSecondsOfTheWall) {
    Bench bench;
    bench.broker.set_pace(bench.now, 10);
    Party& real = open_real(bench, Hello(Version::v5, "real").keep_alive(10));
    Party& device = bench.enter(Hello(Version::v5, "device").keep_alive(10));
    real.heard();
    bench.after(seconds(15));
    device.hears({"DISCONNECT 8d", "close"});
    bench.after(seconds(134));
    real.hears_nothing();
    bench.after(seconds(1));
    real.hears({"DISCONNECT 8d", "close"});
}

TEST(Pace, SoIsTheConnectTimeout) {
    Bench bench;
    bench.broker.set_pace(bench.now, 100);
    Peer peer;
    peer.real = true;
    Party& real = bench.open(Version::v5, peer);
    bench.after(seconds(2999));
    real.hears_nothing();
    bench.after(seconds(1));
    real.hears({"close"});
}

TEST(Pace, SoAreSessionExpiryAndWillDelay) {
    Bench bench;
    bench.broker.set_pace(bench.now, 10);
    Party& watcher = bench.join("watcher");
    watcher.subscribes(1, {{"w"}});
    watcher.heard();
    Party& real = open_real(
        bench,
        Hello(Version::v5, "real").expires(60).will("w", "gone", QoS::at_most_once, false, 30));
    real.vanishes();
    bench.after(seconds(299));
    watcher.hears_nothing();
    bench.after(seconds(1));
    watcher.hears({"PUBLISH q0 w=gone"});
    bench.after(seconds(299));
    EXPECT_EQ(bench.broker.counts().sessions, 2U);
    bench.after(seconds(1));
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
}

TEST(Pace, AChangeStretchesWhatIsUnderWay) {
    Bench bench;
    Party& watcher = bench.join("watcher");
    watcher.subscribes(1, {{"w"}});
    watcher.heard();
    Party& gone = open_real(
        bench,
        Hello(Version::v5, "gone").expires(60).will("w", "gone", QoS::at_most_once, false, 30));
    gone.vanishes();
    Party& here = open_real(bench, Hello(Version::v5, "here").keep_alive(20));
    here.heard();
    bench.after(seconds(10));
    bench.broker.set_pace(bench.now, 10);  // 20 s of the delay are left, 50 of the session's
    bench.after(seconds(199));
    watcher.hears_nothing();
    here.hears_nothing();
    bench.after(seconds(1));
    watcher.hears({"PUBLISH q0 w=gone"});
    here.hears({"DISCONNECT 8d", "close"});
    bench.broker.set_pace(bench.now, 1);  // 30 s of the session are left
    bench.after(seconds(29));
    EXPECT_EQ(bench.broker.counts().sessions, 2U);
    bench.after(seconds(1));
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
}

TEST(Pace, BackToASlowerOneDeadlinesComeForward) {
    Bench bench;
    bench.broker.set_pace(bench.now, 1000);
    Party& real = open_real(bench, Hello(Version::v5, "real").keep_alive(100));
    real.heard();
    bench.broker.set_pace(bench.now, 1);
    bench.after(seconds(149));
    real.hears_nothing();
    bench.after(seconds(1));
    real.hears({"DISCONNECT 8d", "close"});
}

TEST(Pace, TheEndOfTimeIsFarEnough) {
    Bench bench;
    bench.broker.set_pace(bench.now, 1e6);
    Party& real = open_real(bench, Hello(Version::v5, "real").expires(0xFFFF'FFFE));
    real.vanishes();
    bench.after(hours(1'000'000));
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
    bench.broker.set_pace(bench.now, 1);
    EXPECT_EQ(bench.broker.counts().sessions, 1U);
}

}  // namespace
}  // namespace mqttwin::broker
