// Enhanced authentication [MQTT-4.12.0-1] to [MQTT-4.12.1-2], as a client sees it.
#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::Property;
using wire::QoS;

/// A client that comes with method "M" and answers every question with "answer".
class Authenticating : public ::testing::Test {
   protected:
    Authenticating() : Authenticating(Options{}) {}
    explicit Authenticating(const Options& options) : bench(options) {
        bench.profile.method = "M";
        bench.profile.data = "first";
        bench.heard.when_authenticate = [this](Instant now, Slot client, const wire::Auth& packet) {
            if (packet.reason != wire::reason::continue_authentication || silent) return;
            EXPECT_TRUE(bench.clients.authenticate(now, client, as_bytes("answer")));
        };
    }

    void say_connect() {
        bench.connect();
        bench.open();
        EXPECT_EQ(bench.take(), (Lines{"open", "CONNECT v5 clean id=c0 keep=60 auth=M:first"}));
    }
    Bytes accepted() {
        return bench.connack(false, 0, with_text(Property::authentication_method, "M"));
    }
    void go_online() {
        say_connect();
        bench.receive(accepted());
        ASSERT_EQ(bench.clients.phase(0), Phase::online);
        bench.heard.take(0);
    }
    // The last packet was the end of the connection, by this clause.
    void expect_fault(std::string_view clause) {
        EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
        ASSERT_EQ(bench.heard.faults.size(), 1U);
        EXPECT_EQ(bench.heard.faults[0].clause, clause);
        bench.expect_no_leak();
    }

    Bench bench;
    bool silent = false;
};

// [MQTT-4.12.0-3]: AUTH is answered by AUTH with 0x18, as often as the server asks.
TEST_F(Authenticating, AnswersUntilConnack) {
    say_connect();
    for (int round = 0; round < 2; ++round) {
        bench.receive(bench.auth(0x18, "M", "question"));
        EXPECT_EQ(bench.take(), (Lines{"AUTH 18 M:answer"}));
        EXPECT_EQ(bench.heard.take(0), (Lines{"auth 18 M:question"}));
        EXPECT_EQ(bench.clients.phase(0), Phase::awaiting_connack);
    }
    bench.receive(accepted());
    EXPECT_EQ(bench.heard.take(0), (Lines{"connected fresh"}));
    bench.expect_no_leak();
}

TEST_F(Authenticating, AnswersLaterToo) {
    silent = true;
    say_connect();
    bench.receive(bench.auth(0x18, "M", "question"));
    EXPECT_EQ(bench.take(), Lines{});
    EXPECT_TRUE(bench.clients.authenticate(bench.now, 0, as_bytes("late"), with_user_property()));
    EXPECT_EQ(bench.take(), (Lines{"AUTH 18 M:late kind:test"}));
    // Once, and nobody has asked again.
    EXPECT_FALSE(bench.clients.authenticate(bench.now, 0, as_bytes("later")));
    EXPECT_EQ(bench.take(), Lines{});
}

TEST_F(Authenticating, HasAsLongAsAnyConnect) {
    say_connect();
    bench.wait(seconds(29));
    bench.receive(bench.auth(0x18, "M", "question"));
    bench.take();
    bench.wait(seconds(1));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0).back(), "disconnected connect_timeout 00");
    bench.expect_no_leak();
}

// [MQTT-4.12.0-1]
TEST_F(Authenticating, IsRefusedByConnack) {
    say_connect();
    bench.receive(bench.connack(false, 0x8C));
    EXPECT_EQ(bench.take(), (Lines{"close"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected refused 8c"}));
    bench.expect_no_leak();
}

// [MQTT-3.1.2-30]: until CONNACK nothing but AUTH and DISCONNECT is sent.
TEST_F(Authenticating, SendsNothingElseBeforeConnack) {
    say_connect();
    bench.receive(bench.auth(0x18, "M", "question"));
    bench.take();
    EXPECT_EQ(bench.publish("t", "x", QoS::at_most_once), PublishOutcome::dropped_offline);
    EXPECT_EQ(bench.publish("t", "x", QoS::at_least_once), PublishOutcome::queued);
    const wire::SubscriptionRequest request{"a", {}};
    EXPECT_EQ(bench.clients.subscribe(bench.now, 0, {&request, 1}), 0);
    EXPECT_EQ(bench.take(), Lines{});
    bench.receive(accepted());
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q1 id=1 t=x"}));
}

TEST_F(Authenticating, LeavesAServerThatItDoesNotTrust) {
    bench.publish("t", "secret", QoS::at_least_once);
    bench.heard.when_connack = [this](Instant now, Slot client, const wire::Connack&) {
        bench.clients.disconnect(now, client);
    };
    say_connect();
    bench.receive(accepted());
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected by_command 00"}));
    bench.expect_no_leak();
}

// [MQTT-4.12.0-5]
TEST_F(Authenticating, FaultsAnotherMethodInAuth) {
    say_connect();
    bench.receive(bench.auth(0x18, "N", "question"));
    EXPECT_EQ(bench.take(), (Lines{"abort"}));
    expect_fault("MQTT-4.12.0-5");
}

// [MQTT-4.12.0-5]
TEST_F(Authenticating, FaultsAnotherMethodInConnack) {
    say_connect();
    bench.receive(bench.connack(false, 0, with_text(Property::authentication_method, "N")));
    expect_fault("MQTT-4.12.0-5");
}

// [MQTT-4.12.0-5]
TEST_F(Authenticating, FaultsConnackWithoutAMethod) {
    say_connect();
    bench.receive(bench.connack());
    expect_fault("MQTT-4.12.0-5");
}

TEST_F(Authenticating, FaultsTwoQuestionsInARow) {
    silent = true;
    say_connect();
    bench.receive(bench.auth(0x18, "M", "1"));
    bench.heard.take(0);
    bench.receive(bench.auth(0x18, "M", "2"));
    expect_fault("MQTT-4.13.1-1");
}

// [MQTT-3.15.2-1]: success is said by CONNACK here, and only clients start.
TEST_F(Authenticating, FaultsAuthThatDoesNotAsk) {
    for (const std::uint8_t reason : Bytes{0x00, 0x19}) {
        SCOPED_TRACE(static_cast<int>(reason));
        say_connect();
        bench.receive(bench.auth(reason, "M"));
        EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
        EXPECT_EQ(bench.heard.faults.back().clause, "MQTT-3.15.2-1");
        bench.clients.reset(bench.now, 0);
        bench.closed();
        bench.take();
    }
}

// [MQTT-4.12.1-1]
TEST_F(Authenticating, StartsAnew) {
    go_online();
    EXPECT_TRUE(bench.clients.reauthenticate(bench.now, 0, as_bytes("again")));
    EXPECT_EQ(bench.take(), (Lines{"AUTH 19 M:again"}));
    EXPECT_FALSE(bench.clients.reauthenticate(bench.now, 0, as_bytes("again")));
    // Life goes on meanwhile.
    bench.receive(bench.message("t", "x", QoS::at_most_once));
    bench.publish("t", "y", QoS::at_most_once);
    EXPECT_EQ(bench.take(), (Lines{"PUBLISH q0 t=y"}));
    bench.receive(bench.auth(0x18, "M", "question"));
    EXPECT_EQ(bench.take(), (Lines{"AUTH 18 M:answer"}));
    bench.receive(bench.auth(0x00, "M"));
    EXPECT_EQ(bench.heard.take(0), (Lines{"message q0 t=x", "auth 18 M:question", "auth 00 M:"}));
    EXPECT_TRUE(bench.clients.reauthenticate(bench.now, 0, as_bytes("third")));
    bench.receive({0xF0, 0});  // success without a word
    EXPECT_EQ(bench.heard.take(0), (Lines{"auth 00 :"}));
    EXPECT_EQ(bench.clients.phase(0), Phase::online);
    bench.expect_no_leak();
}

// [MQTT-4.12.1-2]
TEST_F(Authenticating, LosesTheConnectionWhenReauthenticationFails) {
    go_online();
    bench.clients.reauthenticate(bench.now, 0, as_bytes("again"));
    bench.take();
    bench.receive(bench.server_disconnect(0x87));
    EXPECT_EQ(bench.take(), (Lines{"close"}));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected by_server 87"}));
    bench.expect_no_leak();
}

TEST_F(Authenticating, IsNotAskedOutOfTheBlue) {
    go_online();
    bench.receive(bench.auth(0x18, "M", "question"));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 82", "close"}));
    expect_fault("MQTT-4.13.1-1");
}

TEST_F(Authenticating, StartsFromTheBeginningOnEveryConnection) {
    go_online();
    bench.clients.reauthenticate(bench.now, 0, as_bytes("again"));
    bench.closed();
    bench.wait(seconds(2));
    bench.take();
    bench.open();
    EXPECT_EQ(bench.take(), (Lines{"CONNECT v5 clean id=c0 keep=60 auth=M:first"}));
    EXPECT_FALSE(bench.clients.authenticate(bench.now, 0, as_bytes("stale")));
    bench.receive(accepted());
    EXPECT_TRUE(bench.clients.reauthenticate(bench.now, 0, as_bytes("again")));
}

TEST_F(Authenticating, SaysNoMoreThanTheServerTakes) {
    say_connect();
    bench.receive(bench.connack(false, 0,
                                with_number(Property::maximum_packet_size, 16,
                                            with_text(Property::authentication_method, "M"))));
    EXPECT_FALSE(bench.clients.reauthenticate(bench.now, 0, as_bytes("much too much to say")));
    EXPECT_TRUE(bench.clients.reauthenticate(bench.now, 0, as_bytes("ok")));
    EXPECT_EQ(bench.take(), (Lines{"AUTH 19 M:ok"}));
}

// [MQTT-4.12.0-6], [MQTT-4.12.0-7]
TEST(NotAuthenticating, NeitherSendsNorTakesAuth) {
    Bench bench;
    bench.go_online();
    EXPECT_FALSE(bench.clients.reauthenticate(bench.now, 0, as_bytes("x")));
    EXPECT_FALSE(bench.clients.authenticate(bench.now, 0, as_bytes("x")));
    bench.receive(bench.auth(0x18, "M", "question"));
    EXPECT_EQ(bench.take(), (Lines{"DISCONNECT 82", "close"}));
    EXPECT_EQ(bench.heard.faults.at(0).clause, "MQTT-4.12.0-6");
}

// [MQTT-4.12.0-6]
TEST(NotAuthenticating, FaultsAMethodInConnack) {
    Bench bench;
    bench.connect();
    bench.open();
    bench.receive(bench.connack(false, 0, with_text(Property::authentication_method, "M")));
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
    EXPECT_EQ(bench.heard.faults.at(0).clause, "MQTT-4.12.0-6");
}

// [MQTT-3.2.0-1]
TEST(NotAuthenticating, FaultsAuthBeforeConnackAtItsFirstByte) {
    Bench bench;
    bench.connect();
    bench.open();
    bench.receive({0xF0});
    EXPECT_EQ(bench.heard.take(0), (Lines{"disconnected protocol_fault 82"}));
}

}  // namespace
}  // namespace mqttwin::client
