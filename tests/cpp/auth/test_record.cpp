#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/auth/record.hpp"

#include "base64.hpp"
#include "crypto.hpp"

namespace mqttwin::auth {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSalt = "0123456789abcdef";

// What PostgreSQL keeps for the password and salt of RFC 7677, section 3.
const std::string kPencil =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

std::string refusal(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

TEST(Base64, KnowsOneSpellingForEachValue) {
    // RFC 4648, section 10.
    const std::pair<std::string_view, std::string_view> vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [plain, encoded] : vectors) {
        EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
        EXPECT_EQ(from_base64(encoded), plain);
    }
    for (const std::string_view wrong :
         {"Zg", "Zg=", "Zh==", "Zm9=", "=", "====", "A===", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_"}) {
        EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
    }
}

TEST(Record, IsWhatPostgresqlKeeps) {
    const Record record = parse_record(kPencil);
    EXPECT_EQ(record.iterations, 4096U);
    EXPECT_EQ(record.salt.size(), 16U);
    EXPECT_EQ(to_text(record), kPencil);
    EXPECT_EQ(make_record("pencil", record.salt, 4096), record);
}

TEST(Record, VerifiesThePasswordAndNoOther) {
    const Record record = make_record("p\u00E4ss", kSalt, kMinIterations);
    EXPECT_TRUE(verify_password(record, "p\u00E4ss"));
    EXPECT_TRUE(verify_password(record, "pa\u0308ss"));  // the same, typed otherwise
    for (const std::string_view wrong : {"", "pass", "p\u00E4s", "p\u00E4ss ", "\xFF", "\x07"}) {
        EXPECT_FALSE(verify_password(record, wrong)) << wrong;
    }
    EXPECT_FALSE(verify_password(record, std::string(100'000, 'x')));
}

TEST(Record, RefusesToBeMadeOfWhatIsOutOfBounds) {
    const auto make = [](std::string_view password, std::size_t salt, std::uint32_t iterations) {
        return refusal([&] { make_record(password, std::string(salt, 's'), iterations); });
    };
    EXPECT_EQ(make("", 16, 4096), "the password is empty");
    EXPECT_EQ(make("\u00AD", 16, 4096), "the password is empty");
    EXPECT_EQ(make("a\nb", 16, 4096), "the password has a prohibited character");
    EXPECT_EQ(make("\xFF", 16, 4096), "the password is not UTF-8");
    EXPECT_THAT(make("p", 7, 4096), HasSubstr("the salt must have from 8 to 64 bytes"));
    EXPECT_THAT(make("p", 65, 4096), HasSubstr("the salt must"));
    EXPECT_THAT(make("p", 16, 4095), HasSubstr("iterations must be from 4096 to 600000"));
    EXPECT_THAT(make("p", 16, 600'001), HasSubstr("iterations must"));
}

TEST(Record, SaysWhatIsWrongWithAText) {
    const std::string key = to_base64(Key{});
    const auto parse = [](const std::string& text) { return refusal([&] { parse_record(text); }); };
    EXPECT_EQ(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc=$" + key + ":" + key), "");
    EXPECT_THAT(parse("md5deadbeef"), HasSubstr("does not begin with SCRAM-SHA-256$"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096"), HasSubstr("is not SCRAM-SHA-256$<iterations>"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc="), HasSubstr("is not SCRAM"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc=$" + key), HasSubstr("is not SCRAM"));
    for (const char* number :
         {"", "0", "-4096", "+4096", "04096", "4096x", "99999999999", "4 096"}) {
        EXPECT_EQ(
            parse("SCRAM-SHA-256$" + std::string(number) + ":MDEyMzQ1Njc=$" + key + ":" + key),
            "iterations are not a number");
    }
    EXPECT_THAT(parse("SCRAM-SHA-256$9:MDEyMzQ1Njc=$" + key + ":" + key), HasSubstr("iterations"));
    EXPECT_EQ(parse("SCRAM-SHA-256$4096:?$" + key + ":" + key), "the salt is not base64");
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:$" + key + ":" + key), HasSubstr("the salt must"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc=$MDE=:" + key),
                HasSubstr("StoredKey is not"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc=$" + key + ":"), HasSubstr("ServerKey is"));
    EXPECT_THAT(parse("SCRAM-SHA-256$4096:MDEyMzQ1Njc=$" + key + ":" + key + " "),
                HasSubstr("ServerKey"));
}

TEST(Record, OfNobodyIsStableAndLooksLikeAnyOther) {
    const Key secret = sha256(as_bytes("secret"));
    const Record made_up = made_up_record(secret, "nobody", 5000);
    EXPECT_EQ(made_up, made_up_record(secret, "nobody", 5000));
    EXPECT_EQ(parse_record(to_text(made_up)), made_up);
    EXPECT_EQ(made_up.salt.size(), kDefaultSaltSize);
    EXPECT_NE(made_up.salt, made_up_record(secret, "anybody", 5000).salt);
    EXPECT_NE(made_up.salt, made_up_record(Key{}, "nobody", 5000).salt);
    EXPECT_NE(made_up.stored_key, made_up.server_key);
    EXPECT_FALSE(verify_password(made_up, "nobody"));
}

}  // namespace
}  // namespace mqttwin::auth
