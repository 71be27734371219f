#include <string>

#include <gtest/gtest.h>

#include "mqttwin/auth/authenticator.hpp"

namespace mqttwin::auth {
namespace {

using Kind = Decision::Kind;

const Record kAnn = make_record("ann's password", "saltsalt", kMinIterations);
const Record kBob = make_record("bob's password", "pepperpepper", kMinIterations);
const Key kSecret{1, 2, 3};

Users some_users() {
    Users users;
    users.add("ann", kAnn);
    users.add("b\u00F6b", kBob);
    return users;
}

// Counts, so that a nonce never comes twice.
Authenticator::NonceSource counter() {
    return [n = std::uint8_t{0}](std::uint64_t slot, std::string_view) mutable {
        Nonce out{};
        out[0] = static_cast<std::uint8_t>(slot);
        out[1] = ++n;
        return out;
    };
}

Authenticator authenticator(Policy policy = {}, Users users = some_users()) {
    return {std::move(users), policy, counter(), kSecret};
}

Request anonymous() { return {}; }

Request with_password(std::string_view name, std::string_view password) {
    Request out;
    out.has_user_name = true;
    out.user_name = name;
    out.has_password = true;
    out.password = password;
    return out;
}

Request with_scram(std::string_view data, bool first = true) {
    Request out;
    out.method = kScramMethod;
    out.data = data;
    out.first = first;
    return out;
}

// A client that logs in, and what the last decision is.
Decision log_in(Authenticator& to, std::uint64_t slot, std::string_view name,
                std::string_view password) {
    ScramClient client(name, password, "clientnonce");
    const std::string first = client.first().message;
    Decision more = to.decide(slot, with_scram(first));
    if (more.kind != Kind::more) return more;
    EXPECT_EQ(more.reason, 0x18);
    const ScramStep proof = client.next(more.data);
    EXPECT_FALSE(proof.fault);
    Decision last = to.decide(slot, with_scram(proof.message, false));
    EXPECT_EQ(last.kind == Kind::success, !client.finish(last.data));
    return last;
}

void expect_failure(const Decision& decision, std::uint8_t reason) {
    EXPECT_EQ(decision.kind, Kind::failure);
    EXPECT_EQ(decision.reason, reason) << decision.what;
    EXPECT_NE(decision.what, "");
    EXPECT_EQ(decision.user_name, "");
}

TEST(Authenticator, LetsAnonymousClientsInWhenTold) {
    expect_failure(authenticator().decide(1, anonymous()), 0x87);
    Authenticator open = authenticator({.allow_anonymous = true});
    const Decision decision = open.decide(1, anonymous());
    EXPECT_EQ(decision.kind, Kind::success);
    EXPECT_EQ(decision.reason, 0);
    EXPECT_EQ(decision.user_name, "");
    // Who says a name has to prove it all the same.
    EXPECT_EQ(open.decide(1, with_password("nobody", "x")).kind, Kind::verify);
    Request half = with_password("ann", "");
    half.has_password = false;
    expect_failure(open.decide(1, half), 0x86);
}

TEST(Authenticator, WithoutUsersTakesNamesForNothing) {
    Authenticator open = authenticator({.allow_anonymous = true}, {});
    const Decision decision = open.decide(1, with_password("ann", "anything"));
    EXPECT_EQ(decision.kind, Kind::success);
    EXPECT_EQ(decision.user_name, "");
    EXPECT_EQ(authenticator({}, {}).decide(1, with_password("ann", "x")).kind, Kind::verify);
}

TEST(Authenticator, HasPasswordsVerifiedElsewhere) {
    Authenticator closed = authenticator();
    const Decision right = closed.decide(1, with_password("bo\u0308b", "bob's password"));
    EXPECT_EQ(right.kind, Kind::verify);
    EXPECT_EQ(right.reason, 0x86);
    EXPECT_EQ(right.user_name, "b\u00F6b");
    EXPECT_TRUE(verify_password(right.record, right.password));
    const Decision wrong = closed.decide(1, with_password("ann", "bob's password"));
    EXPECT_EQ(wrong.kind, Kind::verify);
    EXPECT_FALSE(verify_password(wrong.record, wrong.password));
}

TEST(Authenticator, RefusesCredentialsThatNobodyCanHave) {
    Authenticator closed = authenticator();
    expect_failure(closed.decide(1, with_password("", "x")), 0x86);
    expect_failure(closed.decide(1, with_password("\n", "x")), 0x86);
    expect_failure(closed.decide(1, with_password(std::string(300, 'a'), "x")), 0x86);
    expect_failure(closed.decide(1, with_password("ann", std::string(kMaxPassword + 1, 'x'))),
                   0x86);
    Request password_only = with_password("", "x");
    password_only.has_user_name = false;
    expect_failure(closed.decide(1, password_only), 0x86);
}

TEST(Authenticator, SpeaksScram) {
    Authenticator closed = authenticator();
    const Decision decision = log_in(closed, 1, "ann", "ann's password");
    EXPECT_EQ(decision.kind, Kind::success);
    EXPECT_EQ(decision.reason, 0);
    EXPECT_EQ(decision.user_name, "ann");
    EXPECT_EQ(closed.exchanges(), 0U);
    const Decision wrong = log_in(closed, 2, "ann", "bob's password");
    expect_failure(wrong, 0x87);
    EXPECT_EQ(wrong.data, "e=invalid-proof");
    EXPECT_EQ(closed.exchanges(), 0U);
}

// [MQTT-4.12.0-1]
TEST(Authenticator, KnowsNoOtherMethod) {
    Authenticator closed = authenticator();
    for (const std::string_view method : {"SCRAM-SHA-1", "scram-sha-256", "SCRAM-SHA-256-PLUS"}) {
        Request request = with_scram("n,,n=ann,r=abc");
        request.method = method;
        expect_failure(closed.decide(1, request), 0x8C);
    }
    EXPECT_EQ(closed.exchanges(), 0U);
}

TEST(Authenticator, TellsNobodyWhoExists) {
    Authenticator closed = authenticator();
    // A password: one more hash either way.
    const Decision nobody = closed.decide(1, with_password("nobody", "x"));
    const Decision ann = closed.decide(1, with_password("ann", "x"));
    EXPECT_EQ(nobody.kind, ann.kind);
    EXPECT_EQ(nobody.reason, ann.reason);
    EXPECT_EQ(nobody.record.iterations, ann.record.iterations);
    EXPECT_FALSE(verify_password(nobody.record, nobody.password));

    // SCRAM: a challenge like any other, the same salt every time, the same failure at the end.
    const auto salt = [&](std::string_view name) {
        const Decision more = closed.decide(1, with_scram("n,,n=" + std::string(name) + ",r=abc"));
        EXPECT_EQ(more.kind, Kind::more);
        return more.data.substr(more.data.find(",s="));
    };
    EXPECT_EQ(salt("nobody"), salt("nobody"));
    EXPECT_NE(salt("nobody"), salt("anybody"));
    const Decision failed = log_in(closed, 2, "nobody", "x");
    const Decision wrong = log_in(closed, 3, "ann", "x");
    expect_failure(failed, wrong.reason);
    EXPECT_EQ(failed.data, wrong.data);
    EXPECT_EQ(failed.what, wrong.what);
}

TEST(Authenticator, ReauthenticatesTheSameUserOnly) {
    Authenticator closed = authenticator();
    ASSERT_EQ(log_in(closed, 1, "ann", "ann's password").kind, Kind::success);
    EXPECT_EQ(log_in(closed, 1, "ann", "ann's password").kind, Kind::success);
    expect_failure(log_in(closed, 1, "ann", "wrong"), 0x87);
    expect_failure(log_in(closed, 1, "b\u00F6b", "bob's password"), 0x87);
    // Another connection, and this slot's next.
    EXPECT_EQ(log_in(closed, 2, "b\u00F6b", "bob's password").kind, Kind::success);
    closed.forget(1);
    EXPECT_EQ(log_in(closed, 1, "b\u00F6b", "bob's password").kind, Kind::success);
}

TEST(Authenticator, TakesOneNameFromAConnect) {
    Authenticator closed = authenticator();
    Request request = with_scram("n,,n=ann,r=abc");
    request.has_user_name = true;
    request.user_name = "ann";
    EXPECT_EQ(closed.decide(1, request).kind, Kind::more);
    request.user_name = "b\u00F6b";
    expect_failure(closed.decide(1, request), 0x87);
}

TEST(Authenticator, RefusesWhatIsOutOfOrder) {
    Authenticator closed = authenticator();
    expect_failure(closed.decide(1, with_scram("c=biws,r=abc,p=", false)), 0x82);
    ASSERT_EQ(closed.decide(1, with_scram("n,,n=ann,r=abc")).kind, Kind::more);
    expect_failure(closed.decide(1, with_scram("nonsense", false)), 0x87);
    // An exchange ends with its first fault.
    expect_failure(closed.decide(1, with_scram("nonsense", false)), 0x82);
    expect_failure(closed.decide(1, with_scram("")), 0x87);
    expect_failure(closed.decide(1, with_scram("n,,m=x,n=ann,r=abc")), 0x87);
    // [MQTT-4.12.0-5]
    ASSERT_EQ(closed.decide(1, with_scram("n,,n=ann,r=abc")).kind, Kind::more);
    Request other = with_scram("c=biws", false);
    other.method = "GS2-KRB5";
    expect_failure(closed.decide(1, other), 0x82);
    EXPECT_EQ(closed.exchanges(), 0U);
}

TEST(Authenticator, BoundsItsExchanges) {
    Authenticator closed = authenticator({.max_exchanges = 2});
    const Request first = with_scram("n,,n=ann,r=abc");
    EXPECT_EQ(closed.decide(1, first).kind, Kind::more);
    EXPECT_EQ(closed.decide(2, first).kind, Kind::more);
    expect_failure(closed.decide(3, first), 0x89);
    // Whoever begins again takes no second place; whoever leaves, makes one.
    EXPECT_EQ(closed.decide(2, first).kind, Kind::more);
    closed.forget(1);
    EXPECT_EQ(closed.decide(3, first).kind, Kind::more);
    EXPECT_EQ(closed.exchanges(), 2U);
}

TEST(Authenticator, EndsAnExchangeWithTheUsersThatItBeganWith) {
    Authenticator closed = authenticator();
    ScramClient client("ann", "ann's password", "abc");
    const std::string first = client.first().message;
    const Decision more = closed.decide(1, with_scram(first));
    closed.replace_users({});
    const ScramStep proof = client.next(more.data);
    EXPECT_EQ(closed.decide(1, with_scram(proof.message, false)).kind, Kind::success);
    expect_failure(log_in(closed, 2, "ann", "ann's password"), 0x87);
}

TEST(Authenticator, GivesTheClientToTheSourceOfNonces) {
    std::string seen;
    Authenticator closed(
        some_users(), {},
        [&seen](std::uint64_t slot, std::string_view client_id) {
            seen = std::to_string(slot) + " " + std::string(client_id);
            return Nonce{};
        },
        kSecret);
    Request request = with_scram("n,,n=ann,r=abc");
    request.client_id = "meter-7";
    const Decision more = closed.decide(9, request);
    EXPECT_EQ(seen, "9 meter-7");
    EXPECT_TRUE(more.data.starts_with("r=abc" + nonce_text({}) + ",s="));
}

}  // namespace
}  // namespace mqttwin::auth
