#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/auth/users.hpp"

#include "user_names.hpp"

namespace mqttwin::auth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Not made by hashing: the users of a test do not log in.
Record record(std::uint32_t iterations = kMinIterations) {
    return made_up_record(Key{}, "anybody", iterations);
}
std::string text(std::uint32_t iterations = kMinIterations) { return to_text(record(iterations)); }

std::string error_of(std::string_view file) {
    try {
        parse_users(file, "users.txt");
    } catch (const UsersError& error) {
        EXPECT_EQ(error.what(), (error.line() == 0 ? "users.txt: " + error.reason()
                                                   : "users.txt:" + std::to_string(error.line()) +
                                                         ": " + error.reason()));
        return error.what();
    }
    return "";
}

TEST(UsersFile, HasOneUserALine) {
    const std::vector<UserLine> users = parse_users(
        "#: comment\n \t\n\nann:" + text() + "\r\n  bob:" + text(5000) + " \n#\nc d:" + text());
    ASSERT_EQ(users.size(), 3U);
    EXPECT_EQ(users[0].name, "ann");
    EXPECT_EQ(users[0].number, 4U);
    EXPECT_EQ(users[0].record, record());
    EXPECT_EQ(users[1].name, "bob");
    EXPECT_EQ(users[1].number, 5U);
    EXPECT_EQ(users[1].record.iterations, 5000U);
    EXPECT_EQ(users[2].name, "c d");
    EXPECT_EQ(users[2].number, 7U);
    EXPECT_TRUE(parse_users("").empty());
}

TEST(UsersFile, QuotesWhatWouldMeanSomethingElse) {
    EXPECT_EQ(quote_name("a:b%c#d e"), "a%3Ab%25c#d e");
    EXPECT_EQ(quote_name("#"), "%23");
    EXPECT_EQ(quote_name(" a b "), "%20a b%20");
    EXPECT_EQ(quote_name(" "), "%20");
    EXPECT_EQ(unquote_name("%41%3a%3A"), "A::");
    for (const std::string_view wrong : {"%", "%4", "a%4", "%4g", "%-1", "% 1", "%+1"}) {
        EXPECT_EQ(unquote_name(wrong), std::nullopt) << wrong;
    }
    for (const std::string name : {"a:b", "#x", " x ", "100%", "\u00E9\u00E8", "=,", "%3A"}) {
        const std::string line = to_user_line(name, record());
        const std::vector<UserLine> users = parse_users(line + "\n");
        ASSERT_EQ(users.size(), 1U) << line;
        EXPECT_EQ(users[0].name, name);
    }
}

TEST(UsersFile, ErrorsNameFileAndLine) {
    EXPECT_EQ(error_of("\nann"), "users.txt:2: has no ':' after the name");
    EXPECT_EQ(error_of("bob :" + text()),
              "users.txt:1: has a blank before the ':' (%20 if it is the name's)");
    EXPECT_EQ(error_of("b ob%20:" + text()), "");
    EXPECT_EQ(error_of(":" + text()), "users.txt:1: the user name is empty");
    EXPECT_EQ(error_of("a%zz:" + text()),
              "users.txt:1: has a '%' without two hexadecimal digits in the name");
    EXPECT_EQ(error_of("a%00:" + text()), "users.txt:1: the user name has a prohibited character");
    EXPECT_EQ(error_of("\xFF:" + text()), "users.txt:1: the user name is not UTF-8");
    EXPECT_EQ(error_of(std::string(kMaxUserName, 'a') + ":" + text()), "");
    EXPECT_EQ(error_of(std::string(kMaxUserName + 1, 'a') + ":" + text()),
              "users.txt:1: the user name is longer than 255 bytes");
    EXPECT_EQ(error_of(std::string(kMaxUsersLine + 1, 'a')),
              "users.txt:1: is longer than 2048 bytes");
    EXPECT_THAT(error_of("ann:x"), HasSubstr("users.txt:1: does not begin with"));
    EXPECT_EQ(error_of("ann:" + text() + "\nbob:" + text() + "\n\nann:" + text()),
              "users.txt:4: the user is already on line 1");
    // The same name, spelled otherwise.
    EXPECT_EQ(error_of("\u00E9:" + text() + "\ne\u0301:" + text()),
              "users.txt:2: the user is already on line 1");
}

TEST(Users, AreFoundByTheirPreparedName) {
    Users users = Users::parse("ann:" + text() + "\ne\u0301:" + text(5000));
    EXPECT_EQ(users.size(), 2U);
    ASSERT_NE(users.find("ann"), nullptr);
    ASSERT_NE(users.find("\u00E9"), nullptr);
    EXPECT_EQ(users.find("\u00E9")->iterations, 5000U);
    EXPECT_EQ(users.find("e\u0301"), nullptr);
    EXPECT_EQ(users.find(""), nullptr);
    EXPECT_EQ(users.find("an"), nullptr);

    users.add("b\u00ADob", record());
    EXPECT_NE(users.find("bob"), nullptr);
    EXPECT_THROW(users.add("bob", record()), std::invalid_argument);
    EXPECT_THROW(users.add("", record()), std::invalid_argument);
    EXPECT_THROW(users.add("\n", record()), std::invalid_argument);
}

TEST(Users, KnowWhatIsUsual) {
    Users users;
    EXPECT_EQ(users.usual_iterations(), kDefaultIterations);
    users.add("a", record(9000));
    EXPECT_EQ(users.usual_iterations(), 9000U);
    users.add("b", record(5000));
    users.add("c", record(5000));
    EXPECT_EQ(users.usual_iterations(), 5000U);
}

TEST(Users, HaveASecretThatStaysWithTheFirst) {
    const Users before = Users::parse("a:" + text() + "\nb:" + text());
    const Users after = Users::parse("a:" + text() + "\nc:" + text());
    EXPECT_EQ(before.secret(), after.secret());
    EXPECT_NE(before.secret(), Users().secret());
    const Record other = made_up_record(Key{1}, "a", kMinIterations);
    EXPECT_NE(before.secret(), Users::parse(to_user_line("a", other)).secret());
}

class UsersOnDisk : public testing::Test {
   protected:
    UsersOnDisk() : path_(std::filesystem::path(testing::TempDir()) / "mqttwin_users_test") {
        std::filesystem::remove(path_);
    }
    ~UsersOnDisk() override { std::filesystem::remove(path_); }

    const std::filesystem::path path_;
};

TEST_F(UsersOnDisk, AreReadWhole) {
    std::ofstream(path_, std::ios::binary) << "ann:" << text() << "\n# end";
    EXPECT_NE(Users::read(path_).find("ann"), nullptr);
    std::ofstream(path_, std::ios::binary) << "ann\n";
    try {
        Users::read(path_);
        FAIL();
    } catch (const UsersError& error) {
        EXPECT_EQ(error.what(), path_.string() + ":1: has no ':' after the name");
    }
}

TEST_F(UsersOnDisk, MustBeAFile) {
    for (const std::filesystem::path& wrong :
         {path_, path_.parent_path(), std::filesystem::path("/dev/zero")}) {
        try {
            Users::read(wrong);
            FAIL() << wrong;
        } catch (const UsersError& error) {
            EXPECT_EQ(error.line(), 0U);
            EXPECT_THAT(error.what(), HasSubstr(wrong.string() + ": "));
        }
    }
}

}  // namespace
}  // namespace mqttwin::auth
