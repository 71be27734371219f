#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/auth/scram.hpp"

#include "base64.hpp"

namespace mqttwin::auth {
namespace {

constexpr std::string_view kClientNonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string kBoth = std::string(kClientNonce) + std::string(kServerNonce);

// The exchange of RFC 7677, section 3.
const std::string kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const std::string kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const std::string kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const Record& pencil() {
    static const Record record =
        make_record("pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
    return record;
}

ScramServer challenged(std::string_view first = kClientFirst) {
    ScramServer server;
    EXPECT_FALSE(server.read_first(first));
    server.challenge(pencil(), kServerNonce);
    return server;
}

ScramClient waiting(std::string_view password = "pencil") {
    ScramClient client("user", password, kClientNonce);
    EXPECT_FALSE(client.first().fault);
    return client;
}

std::string_view first_fault(std::string_view message) {
    ScramServer server;
    return server.read_first(message).token;
}

std::string_view final_fault(std::string_view message) {
    ScramServer server = challenged();
    const ScramStep step = server.read_final(message);
    EXPECT_EQ(step.message, "e=" + std::string(step.fault.token));
    return step.fault.token;
}

std::string_view next_fault(std::string_view message) {
    ScramClient client = waiting();
    const ScramStep step = client.next(message);
    EXPECT_EQ(step.message.empty(), static_cast<bool>(step.fault));
    return step.fault.what;
}

std::string_view finish_fault(std::string_view message) {
    ScramClient client = waiting();
    EXPECT_FALSE(client.next(kServerFirst).fault);
    return client.finish(message).what;
}

TEST(Scram, DoesTheExampleOfItsSpecification) {
    ScramServer server;
    ASSERT_FALSE(server.read_first(kClientFirst));
    EXPECT_EQ(server.user_name(), "user");
    EXPECT_EQ(server.challenge(pencil(), kServerNonce), kServerFirst);
    const ScramStep verdict = server.read_final(kClientFinal);
    EXPECT_FALSE(verdict.fault);
    EXPECT_EQ(verdict.message, kServerFinal);

    ScramClient client("user", "pencil", kClientNonce);
    EXPECT_EQ(client.first().message, kClientFirst);
    EXPECT_EQ(client.next(kServerFirst).message, kClientFinal);
    EXPECT_FALSE(client.finish(kServerFinal));
}

TEST(Scram, NoncesAreTextOf24Bytes) {
    Nonce nonce{};
    nonce[0] = 0xFF;
    EXPECT_EQ(nonce_text(nonce), "/wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

TEST(Scram, LetsEachPasswordInAndNoOther) {
    const Record record = make_record("tr\u00E8s secret, =quoi?", "saltsalt", kMinIterations);
    const auto log_in = [&](std::string_view user, std::string_view password) {
        ScramClient client(user, password, "client");
        ScramServer server;
        EXPECT_FALSE(server.read_first(client.first().message));
        EXPECT_EQ(server.user_name(), "a=b,c");
        const ScramStep proof = client.next(server.challenge(record, "server"));
        EXPECT_FALSE(proof.fault);
        const ScramStep verdict = server.read_final(proof.message);
        EXPECT_EQ(static_cast<bool>(verdict.fault),
                  static_cast<bool>(client.finish(verdict.message)));
        return std::string(verdict.fault.token);
    };
    EXPECT_EQ(log_in("a=b,c", "tr\u00E8s secret, =quoi?"), "");
    EXPECT_EQ(log_in("a=b,\u00ADc", "tre\u0300s secret,\u00A0=quoi?"), "");
    EXPECT_EQ(log_in("a=b,c", "tr\u00E8s secret, =quoi"), "invalid-proof");
}

TEST(ScramServer, TakesAClientThatMissesChannelBinding) {
    ScramServer server = challenged("y,,n=user,r=abc");
    // The header is signed: what the other one said does not do.
    EXPECT_EQ(server.read_final("c=biws,r=abc" + std::string(kServerNonce) + ",p=AAAA").fault.token,
              "channel-bindings-dont-match");
    server = challenged("y,,n=user,r=abc");
    const std::string proof = to_base64(Key{});
    EXPECT_EQ(
        server.read_final("c=eSws,r=abc" + std::string(kServerNonce) + ",p=" + proof).fault.token,
        "invalid-proof");
}

TEST(ScramServer, RefusesFirstMessagesThatAreNone) {
    EXPECT_EQ(first_fault("p=tls-unique,,n=user,r=abc"), "channel-binding-not-supported");
    EXPECT_EQ(first_fault("n,a=admin,n=user,r=abc"), "other-error");
    EXPECT_EQ(first_fault("n,,m=must,n=user,r=abc"), "extensions-not-supported");
    for (const std::string_view message : {"",
                                           "n",
                                           "n,",
                                           "n,,",
                                           "x,,n=user,r=abc",
                                           "n,n=user,r=abc",
                                           "n,,r=abc,n=user",
                                           "n,,n=user",
                                           "n,,n=user,",
                                           "n,,n=user,r=",
                                           "n,,n=user,r=a b",
                                           "n,,n=user,r=\u00E9",
                                           "n,,n=user,r=abc,",
                                           "n,,n=user,r=abc,x",
                                           "n,,n=user,r=abc,x=",
                                           "n,,n=user,r=abc,1=2",
                                           "n,,n=user,r=abc,r=def",
                                           "n,,n=user,r=abc,m=must",
                                           "N,,n=user,r=abc",
                                           "n,,nuser,r=abc",
                                           " n,,n=user,r=abc"}) {
        EXPECT_EQ(first_fault(message), "other-error") << message;
    }
    EXPECT_EQ(first_fault(std::string_view("n,,n=us\0r,r=abc", 15)), "invalid-encoding");
    EXPECT_EQ(first_fault("n,,n=us\xFF,r=abc"), "invalid-encoding");
    EXPECT_EQ(first_fault("n,,n=u,r=a,x=" + std::string(kMaxScramMessage, 'x')),
              "invalid-encoding");
    EXPECT_EQ(first_fault("n,,n=u,r=" + std::string(kMaxNonce, 'x')), "");
    EXPECT_EQ(first_fault("n,,n=u,r=" + std::string(kMaxNonce + 1, 'x')), "other-error");
}

TEST(ScramServer, RefusesUnusableNames) {
    for (const std::string& name :
         std::vector<std::string>{"", "=", "=2", "=2c", "=3d", "=41", "a=", "\u00AD", "\x07",
                                  "\u0627\u0031", std::string(kMaxUserName + 1, 'x')}) {
        EXPECT_EQ(first_fault("n,,n=" + name + ",r=abc"), "invalid-username-encoding") << name;
    }
    EXPECT_EQ(first_fault("n,,n=" + std::string(kMaxUserName, 'x') + ",r=abc"), "");
    ScramServer server;
    ASSERT_FALSE(server.read_first("n,,n=a=2Cb=3Dc,r=abc"));
    EXPECT_EQ(server.user_name(), "a,b=c");
}

TEST(ScramServer, IgnoresExtensionsThatAreOptional) {
    EXPECT_EQ(first_fault("n,,n=user,r=abc,x=1,Y=\u00E9=,z=3"), "");
    // Under the signature all the same.
    const std::string proof = to_base64(Key{});
    EXPECT_EQ(final_fault("c=biws,r=" + kBoth + ",x=1,p=" + proof), "invalid-proof");
}

TEST(ScramServer, RefusesFinalMessagesThatAreNone) {
    const std::string proof = kClientFinal.substr(kClientFinal.find("p="));
    for (const std::string& message : std::vector<std::string>{
             "", "c=biws", "c=biws,", "c=biws,r=" + kBoth, "c=biws,r=" + kBoth + ",",
             "r=" + kBoth + ",c=biws," + proof, "c=biws," + proof, kClientFinal + ",",
             kClientFinal + ",x=1", "c=biws,r=" + kBoth + ",p=", "c=biws,r=" + kBoth + ",p=AAAA",
             "c=biws,r=" + kBoth + "," + proof + "=", "c=biws,r=" + kBoth + ",m=1," + proof,
             "c=biws,r=" + kBoth + ",x=," + proof, "c=biws,r=x," + proof,
             "c=biws,r=" + std::string(kClientNonce) + "," + proof,
             "c=biws,r=" + kBoth + "x," + proof}) {
        EXPECT_EQ(final_fault(message), "other-error") << message;
    }
    EXPECT_EQ(final_fault("c=biws=,r=" + kBoth + "," + proof), "channel-bindings-dont-match");
    EXPECT_EQ(final_fault("c=,r=" + kBoth + "," + proof), "channel-bindings-dont-match");
    EXPECT_EQ(final_fault("c=biws,r=\xFF," + proof), "invalid-encoding");
    EXPECT_EQ(final_fault(std::string(kMaxScramMessage + 1, 'c')), "invalid-encoding");
}

TEST(ScramServer, NoticesEveryFlippedBitOfAProof) {
    const std::size_t at = kClientFinal.find("p=") + 2;
    const std::string proof = *from_base64(kClientFinal.substr(at));
    for (std::size_t bit = 0; bit < 8 * proof.size(); ++bit) {
        std::string forged = proof;
        forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << (bit % 8)));
        ASSERT_EQ(final_fault(kClientFinal.substr(0, at) + to_base64(as_bytes(forged))),
                  "invalid-proof")
            << bit;
    }
}

TEST(ScramServer, AnExchangeCannotBeReplayed) {
    ScramServer server;
    ASSERT_FALSE(server.read_first(kClientFirst));
    server.challenge(pencil(), "another");
    EXPECT_EQ(server.read_final(kClientFinal).fault.token, "other-error");
}

TEST(ScramClient, RefusesNamesAndPasswordsThatNobodyCanHave) {
    const auto fault = [](std::string_view user, std::string_view password) {
        return ScramClient(user, password, "abc").first().fault.what;
    };
    EXPECT_EQ(fault("u", "p"), "");
    for (const std::string& name :
         std::vector<std::string>{"", "\n", "\xFF", std::string(kMaxUserName + 1, 'u')}) {
        EXPECT_EQ(fault(name, "p"), "the user name cannot be used");
    }
    for (const std::string& password :
         std::vector<std::string>{"", "\n", "\xFF", std::string(kMaxUnprepared + 1, 'p')}) {
        EXPECT_EQ(fault("u", password), "the password cannot be used");
    }
}

TEST(ScramClient, RefusesChallengesThatAreNone) {
    const std::string head = "r=" + kBoth;
    for (const std::string& message : std::vector<std::string>{
             "",
             head,
             head + ",s=QUFB",
             head + ",s=QUFB,",
             head + ",i=4096",
             head + ",i=4096,s=QUFB",
             head + ",s=,i=4096",
             head + ",s=?,i=4096",
             head + ",s=QUFB,i=",
             head + ",s=QUFB,i=0",
             head + ",s=QUFB,i=04096",
             head + ",s=QUFB,i=-1",
             head + ",s=QUFB,i=4096x",
             head + ",s=QUFB,i=99999999999",
             head + ",s=QUFB,i=4096,",
             head + ",s=QUFB,i=4096,i=1",
             "r=,s=QUFB,i=4096",
             "e=other-error",
             "r=\xFF,s=QUFB,i=4096",
             head + ",s=QUFB,i=4096,x=" + std::string(kMaxScramMessage, 'x')}) {
        EXPECT_EQ(next_fault(message), "malformed message") << message;
    }
    EXPECT_EQ(next_fault("m=1," + kServerFirst), "asks for an extension (m=)");
    EXPECT_EQ(next_fault(kServerFirst + ",x=1"), "");
}

TEST(ScramClient, InsistsOnItsNonceAndALittleOfTheServers) {
    const std::string_view wrong = "the nonce is not this exchange's";
    EXPECT_EQ(next_fault("r=" + std::string(kClientNonce) + ",s=QUFB,i=4096"), wrong);
    EXPECT_EQ(next_fault("r=" + std::string(kServerNonce) + ",s=QUFB,i=4096"), wrong);
    EXPECT_EQ(next_fault("r=x" + kBoth + ",s=QUFB,i=4096"), wrong);
}

TEST(ScramClient, ComputesNeitherTooLittleNorTooMuch) {
    const auto ask = [](std::uint32_t iterations) {
        return next_fault("r=" + kBoth + ",s=QUFB,i=" + std::to_string(iterations));
    };
    EXPECT_EQ(ask(4096), "");
    EXPECT_EQ(ask(4095), "the server asks for too few iterations to be safe");
    EXPECT_EQ(ask(1), "the server asks for too few iterations to be safe");
    // Were they computed, this would take half an hour.
    EXPECT_EQ(ask(kMaxIterations + 1), "the server asks for too many iterations");
    EXPECT_EQ(ask(0xFFFF'FFFF), "the server asks for too many iterations");

    ScramClient small("user", "pencil", kClientNonce, {1, 4000});
    EXPECT_FALSE(small.first().fault);
    EXPECT_EQ(small.next(kServerFirst).fault.what, "the server asks for too many iterations");
}

TEST(ScramClient, FindsOutAServerThatDoesNotKnowThePassword) {
    EXPECT_EQ(finish_fault(kServerFinal), "");
    EXPECT_EQ(finish_fault(kServerFinal + ",x=1"), "");
    EXPECT_EQ(finish_fault("v=" + to_base64(Key{})), "the server does not know the password");
    EXPECT_EQ(finish_fault("e=invalid-proof"), "the server refuses user name and password");
    for (const std::string& message :
         std::vector<std::string>{"", "v=", "v=AAAA", "v=?", kServerFinal + ",",
                                  kServerFinal + ",v=1", "x=1", kServerFinal + "\xFF"}) {
        EXPECT_EQ(finish_fault(message), "malformed message") << message;
    }
}

// Every prefix, and every byte replaced, of each message: never success, never a crash.
TEST(Scram, SurvivesEveryDamage) {
    const auto damage = [](const std::string& whole, const auto& fails) {
        for (std::size_t i = 0; i < whole.size(); ++i) {
            EXPECT_TRUE(fails(whole.substr(0, i))) << whole.substr(0, i);
            for (const char c : {'\0', ',', '=', 'A', '\x80'}) {
                std::string changed = whole;
                changed[i] = c;
                if (changed != whole) {
                    EXPECT_TRUE(fails(changed)) << changed;
                }
            }
        }
    };
    damage(kClientFinal, [](const std::string& m) { return !final_fault(m).empty(); });
    // What is damaged and still read differs in name or nonce, and then no proof fits.
    damage(kClientFirst, [](const std::string& m) {
        ScramServer server;
        if (server.read_first(m)) return true;
        server.challenge(pencil(), kServerNonce);
        return static_cast<bool>(server.read_final(kClientFinal).fault);
    });
    ScramClient done = waiting();
    ASSERT_FALSE(done.next(kServerFirst).fault);
    damage(kServerFinal, [&](const std::string& m) {
        ScramClient client = done;
        return static_cast<bool>(client.finish(m));
    });
}

}  // namespace
}  // namespace mqttwin::auth
