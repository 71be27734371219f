// Authentication by the world: user names and passwords, and exchanges of AUTH packets (4.12).
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

Options asking() {
    Options options;
    options.authenticate = true;
    return options;
}

class Authentication : public BothVersions {
   protected:
    Bench bench{asking()};
};
MQTTWIN_BOTH_VERSIONS(Authentication);

TEST_P(Authentication, TheWorldIsAskedWhoThatIs) {
    Party& ann = bench.open_with(Hello(version(), "ann").user("anna", "secret"));
    ann.hears({"who?"});
    const Credentials shown = ann.shows();
    EXPECT_EQ(shown.client_id, "ann");
    EXPECT_TRUE(shown.has_user_name);
    EXPECT_EQ(shown.user_name, "anna");
    EXPECT_TRUE(shown.has_password);
    EXPECT_EQ(as_text(shown.password), "secret");
    EXPECT_TRUE(shown.method.empty());
    EXPECT_TRUE(shown.first);
    EXPECT_FALSE(shown.again);
    EXPECT_EQ(bench.broker.counts().connections, 0U);
    ann.is_vouched_for();
    EXPECT_TRUE(ann.heard().at(0).starts_with("CONNACK fresh"));
    EXPECT_EQ(bench.broker.counts().connections, 1U);
    ann.says(pingreq());
    ann.hears({"PINGRESP"});
}

TEST_P(Authentication, AnonymousIsForTheWorldToDecide) {
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.hears({"who?"});
    EXPECT_FALSE(ann.shows().has_user_name);
    EXPECT_FALSE(ann.shows().has_password);
    ann.is_rejected(wire::reason::not_authorized);
    ann.hears({v5() ? "CONNACK 87" : "CONNACK 05", "close"});
}

TEST_P(Authentication, AWrongPasswordIsNamed) {
    Party& ann = bench.open_with(Hello(version(), "ann").user("anna", "wrong"));
    ann.hears({"who?"});
    ann.is_rejected(wire::reason::bad_user_name_or_password, "no");
    ann.hears({v5() ? "CONNACK 86" : "CONNACK 04", "close"});
    EXPECT_EQ(ann.reasons, v5() ? Lines{"no"} : Lines{});
    EXPECT_EQ(bench.witness.take({"close", "fault", "connect"}), (Lines{"close 0 refused 86"}));
    EXPECT_EQ(bench.broker.counts().sessions, 0U);
}

TEST_P(Authentication, OnePeerAloneMayHaveToShowItself) {
    Bench open_to_all;
    Peer peer;
    peer.authenticate = true;
    Party& ann = open_to_all.open(version(), peer);
    ann.says(connect(Hello(version(), "ann")));
    ann.hears({"who?"});
    open_to_all.join("bob", version());
}

// [MQTT-3.1.4-5]: what comes behind CONNECT is not handled before the client is known.
TEST_P(Authentication, WhatCameMeanwhileIsHandledAfterwardsInOrder) {
    for (const std::size_t chunk : {0U, 1U, 7U}) {
        Bench pieces(asking());
        pieces.chunk = chunk;
        Party& ann = pieces.open(version());
        ann.says(connect(Hello(version(), "ann")) + subscribe(version(), 1, {{"a"}}));
        ann.says(publish(version(), "a", "x", QoS::at_most_once), Stamp{pieces.now, 7, 3});
        ann.says(pingreq());
        ann.hears({"who?"});
        ann.is_vouched_for();
        const Lines lines = ann.heard();
        ASSERT_EQ(lines.size(), 4U);
        EXPECT_EQ(lines[1], "SUBACK 1 00");
        EXPECT_EQ(lines[2], "PUBLISH q0 a=x");
        EXPECT_EQ(lines[3], "PINGRESP");
        EXPECT_EQ(ann.stamps.at(0).origin, 7U);  // the stamp is still the one of its send
    }
}

TEST_P(Authentication, WhatCameMeanwhileFallsWithARefusal) {
    Party& bob = bench.open_with(Hello(version(), "bob"));
    bob.is_vouched_for();
    bob.subscribes(1, {{"#"}});
    bob.heard();
    Party& eve = bench.open(version());
    eve.says(connect(Hello(version(), "eve")) + publish(version(), "a", "x", QoS::at_most_once));
    eve.is_rejected(wire::reason::not_authorized);
    bob.hears_nothing();
}

TEST_P(Authentication, WhatComesMeanwhileIsBounded) {
    Options options = asking();
    options.max_early_bytes = 1000;
    for (const std::size_t chunk : {0U, 1U}) {
        Bench small(options);
        small.chunk = chunk;
        Party& eve = small.open_with(Hello(version(), "eve"));
        eve.hears({"who?"});
        for (int i = 0; i < 500 && !eve.closed(); ++i) {
            eve.says(pingreq(), Stamp{small.now, 1, 0});
        }
        eve.hears_nothing();
        eve.says(pingreq(), Stamp{small.now, 1, 0});
        eve.hears({v5() ? "CONNACK 97" : "CONNACK 03", "close"});
        eve.is_vouched_for();  // too late
        eve.hears_nothing();
    }
}

TEST_P(Authentication, EachSendCountsAgainstTheBound) {
    Options options = asking();
    options.max_early_bytes = 1000;
    Bench small(options);
    Party& eve = small.open_with(Hello(version(), "eve"));
    int sends = 0;
    while (!eve.closed() && sends < 1000) {
        eve.says({0xC0}, Stamp{small.now, 1, static_cast<std::uint32_t>(++sends)});
    }
    EXPECT_LT(sends, 50);
}

TEST_P(Authentication, TheConnectTimeoutCoversAllOfIt) {
    Party& ann = bench.open(version());
    bench.after(seconds(20));
    ann.says(connect(Hello(version(), "ann")));
    ann.hears({"who?"});
    bench.after(seconds(9));
    ann.says(pingreq());
    bench.after(seconds(1));
    ann.hears({"close"});
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 connect_timeout 00"}));
    ann.is_vouched_for();
    ann.hears_nothing();
}

TEST_P(Authentication, AStaleAnswerIsIgnored) {
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.hears({"who?"});
    const Verdict yes{Verdict::Kind::success, 0, {}, {}};
    bench.broker.handle_authenticated(bench.now, ann.slot(), 99, yes);
    bench.broker.handle_authenticated(bench.now, 77, 1, yes);
    EXPECT_TRUE(bench.broker.outbox().empty());
    ann.is_vouched_for();
    EXPECT_EQ(ann.heard().size(), 1U);
    ann.is_vouched_for();  // twice
    ann.hears_nothing();
}

// [MQTT-3.1.4-3]: only who may come in takes over.
TEST_P(Authentication, AnImpostorTakesNothingOver) {
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.is_vouched_for();
    ann.heard();
    Party& eve = bench.open_with(Hello(version(), "ann"));
    eve.hears({"who?"});
    ann.hears_nothing();
    eve.is_rejected(wire::reason::banned);
    eve.hears({v5() ? "CONNACK 8a" : "CONNACK 05", "close"});
    ann.says(pingreq());
    ann.hears({"PINGRESP"});
}

TEST_P(Authentication, ClosingMeanwhileIsHeeded) {
    Party& ann = bench.open_with(Hello(version(), "ann"));
    ann.vanishes();
    ann.heard();
    ann.is_vouched_for();
    ann.hears_nothing();
    Party& bob = bench.open_with(Hello(version(), "bob"));
    bench.broker.restart(bench.now, true);
    bench.drain();
    bob.hears({"who?", "abort"});
}

TEST_P(Authentication, AForkedBrokerWaitsForItsOwnAnswer) {
    Party& ann = bench.open_with(Hello(version(), "ann").user("u", "p"));
    ann.hears({"who?"});
    BlobPool pool = bench.pool;
    Witness witness;
    {
        Broker fork(bench.broker, pool, witness);
        EXPECT_EQ(fork.credentials(ann.slot()).user_name, "u");
        fork.handle_authenticated(bench.now, ann.slot(), 1, {Verdict::Kind::success, 0, {}, {}});
        EXPECT_EQ(fork.counts().connections, 1U);
    }
    EXPECT_EQ(bench.broker.counts().connections, 0U);
    ann.is_vouched_for();
    EXPECT_EQ(ann.heard().size(), 1U);
}

// --- Exchanges of AUTH packets ------------------------------------------------------------------

// [MQTT-4.12.0-2], [MQTT-4.12.0-3], [MQTT-4.12.0-5]
TEST(EnhancedAuthentication, QuestionsAndAnswersGoToAndFro) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("SCRAM", "hello"));
    ann.hears({"who?"});
    EXPECT_EQ(ann.shows().method, "SCRAM");
    EXPECT_EQ(as_text(ann.shows().data), "hello");
    ann.is_challenged("nonce", "prove it");
    ann.hears({"AUTH 18 method=SCRAM data=nonce"});
    EXPECT_EQ(ann.reasons, (Lines{"prove it"}));
    ann.says(auth(0x18, "SCRAM", "proof"));
    ann.hears({"who?"});
    EXPECT_EQ(as_text(ann.shows().data), "proof");
    EXPECT_FALSE(ann.shows().first);
    EXPECT_FALSE(ann.shows().again);
    ann.is_vouched_for("signature");
    ann.hears({"CONNACK fresh receive=1024 size=1048576 aliases=16 method=SCRAM data=signature"});
}

TEST(EnhancedAuthentication, ReasonStringsAreLeftOutForWhoDoesNotWantThem) {
    Bench bench(asking());
    Party& ann =
        bench.open_with(Hello(Version::v5, "ann").method("X").without_problem_information());
    ann.is_challenged("nonce", "prove it");
    ann.hears({"who?", "AUTH 18 method=X data=nonce"});
    EXPECT_EQ(ann.reasons, Lines{});
}

// [MQTT-4.12.0-4]
TEST(EnhancedAuthentication, AFailureEndsIt) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
    ann.is_challenged("nonce");
    ann.says(auth(0x18, "X", "guess"));
    ann.is_rejected(0x87);
    ann.hears({"who?", "AUTH 18 method=X data=nonce", "who?", "CONNACK 87", "close"});
}

TEST(EnhancedAuthentication, AVerdictWithoutReasonIsNotAuthorized) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
    ann.is_rejected(0);
    ann.hears({"who?", "CONNACK 87", "close"});
}

// [MQTT-3.1.2-30]
TEST(EnhancedAuthentication, NothingButAuthAndDisconnectMayComeBetween) {
    for (const Bytes& packet :
         {pingreq(), publish(Version::v5, "a", "x", QoS::at_most_once),
          subscribe(Version::v5, 1, {{"a"}}), connect(Hello(Version::v5, "ann"))}) {
        Bench bench(asking());
        Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
        ann.is_challenged("nonce");
        ann.heard();
        ann.says(packet);
        ann.hears({"CONNACK 82", "close"});  // [MQTT-3.14.0-1]: no DISCONNECT before CONNACK
        EXPECT_EQ(bench.witness.faults.at(0).clause, "MQTT-3.1.2-30");
    }
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
    ann.is_challenged("nonce");
    ann.heard();
    ann.leaves();
    ann.hears({"close"});
    EXPECT_EQ(bench.witness.take({"close", "fault"}), (Lines{"close 0 client_disconnect 00"}));
}

TEST(EnhancedAuthentication, TheMethodStaysTheSame) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
    ann.is_challenged("nonce");
    ann.heard();
    ann.says(auth(0x18, "Y", "proof"));
    ann.hears({"CONNACK 82", "close"});
    EXPECT_EQ(bench.witness.faults.at(0).clause, "MQTT-4.12.0-5");
}

TEST(EnhancedAuthentication, EachSideTakesItsTurn) {
    for (const int reason : {0x00, 0x19}) {  // [MQTT-4.12.0-3]
        Bench bench(asking());
        Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X"));
        ann.is_challenged("nonce");
        ann.heard();
        ann.says(auth(static_cast<std::uint8_t>(reason), "X"));
        ann.hears({"CONNACK 82", "close"});
    }
}

// [MQTT-4.12.0-7]
TEST(EnhancedAuthentication, WithoutAMethodThereIsNoAuth) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann"));
    ann.is_vouched_for();
    ann.heard();
    ann.says(auth(0x19, "X"));
    ann.hears({"DISCONNECT 82", "close"});
    EXPECT_EQ(bench.witness.faults.at(0).clause, "MQTT-4.12.0-7");
    // [MQTT-4.12.0-6]: nor from the server, whatever the world says.
    Party& bob = bench.open_with(Hello(Version::v5, "bob"));
    bob.is_challenged("nonce");
    bob.hears({"who?", "CONNACK 83", "close"});
}

TEST(EnhancedAuthentication, AnswersInAdvanceWaitForTheQuestion) {
    Bench bench(asking());
    Party& ann = bench.open(Version::v5);
    ann.says(connect(Hello(Version::v5, "ann").method("X")) + auth(0x18, "X", "proof") + pingreq());
    ann.is_challenged("nonce");
    ann.hears({"who?", "AUTH 18 method=X data=nonce", "who?"});
    EXPECT_EQ(as_text(ann.shows().data), "proof");
    ann.is_vouched_for();
    EXPECT_EQ(ann.heard().at(1), "PINGRESP");
}

TEST(EnhancedAuthentication, AChallengeFitsTheClient) {
    Bench bench(asking());
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X").maximum_packet_size(40));
    ann.is_challenged(std::string(100, 'n'));
    ann.hears({"who?", "CONNACK 95", "close"});
}

// --- Re-authentication --------------------------------------------------------------------------

class Reauthentication : public ::testing::Test {
   protected:
    void SetUp() override {
        ann.is_vouched_for();
        ann.heard();
    }
    Bench bench{asking()};
    Party& ann = bench.open_with(Hello(Version::v5, "ann").method("X", "first"));
};

// [MQTT-4.12.1-1]
TEST_F(Reauthentication, OtherPacketsFlowOnMeanwhile) {
    ann.says(auth(0x19, "X", "again"));
    ann.hears({"who?"});
    const Credentials shown = ann.shows();
    EXPECT_EQ(shown.client_id, "ann");
    EXPECT_EQ(shown.method, "X");
    EXPECT_EQ(as_text(shown.data), "again");
    EXPECT_TRUE(shown.first);
    EXPECT_TRUE(shown.again);
    ann.subscribes(1, {{"a"}});
    ann.publishes("a", "1");
    ann.hears({"SUBACK 1 00", "PUBLISH q0 a=1"});
    ann.is_challenged("nonce");
    ann.hears({"AUTH 18 method=X data=nonce"});
    ann.publishes("a", "2");
    ann.says(auth(0x18, "X", "proof"));
    ann.hears({"PUBLISH q0 a=2", "who?"});
    EXPECT_FALSE(ann.shows().first);
    ann.is_vouched_for("done");
    ann.hears({"AUTH 00 method=X data=done"});
    ann.says(auth(0x19, "X"));  // and once more
    ann.hears({"who?"});
    ann.is_vouched_for();
    ann.hears({"AUTH 00 method=X"});
}

// [MQTT-4.12.1-2]
TEST_F(Reauthentication, AFailureEndsTheConnection) {
    ann.says(auth(0x19, "X", "again"));
    ann.is_rejected(wire::reason::not_authorized, "not any more");
    ann.hears({"who?", "DISCONNECT 87", "close"});
    EXPECT_EQ(ann.reasons, (Lines{"not any more"}));
    EXPECT_EQ(bench.witness.take({"close"}), (Lines{"close 0 refused 87"}));
}

TEST_F(Reauthentication, TheMethodStaysTheSame) {
    ann.says(auth(0x19, "Y"));
    ann.hears({"DISCONNECT 82", "close"});
}

TEST_F(Reauthentication, ItBeginsWithReauthenticate) {
    ann.says(auth(0x18, "X"));
    ann.hears({"DISCONNECT 82", "close"});
}

// The world hears the question and then the close: by then there is nothing to look at any more.
TEST_F(Reauthentication, AQuestionMayBeOverBeforeItIsHeard) {
    ann.says(auth(0x19, "X", "again") + Bytes{0x00, 0x00});
    ann.hears({"who?", "DISCONNECT 81", "close"});
    EXPECT_TRUE(ann.shows().client_id.empty());
    ann.is_vouched_for();
    ann.hears_nothing();
}

TEST_F(Reauthentication, OneAtATime) {
    ann.says(auth(0x19, "X"));
    ann.says(auth(0x19, "X"));
    ann.hears({"who?", "DISCONNECT 82", "close"});
}

}  // namespace
}  // namespace mqttwin::broker
