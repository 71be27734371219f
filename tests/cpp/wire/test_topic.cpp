#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/topic.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {
namespace {

struct Match {
    std::string_view filter;
    std::string_view topic;
    bool matches;
};

// The examples of section 4.7, then the corners.
const Match kMatches[] = {
    {"sport/tennis/player1/#", "sport/tennis/player1", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
    {"sport/tennis/player1/#", "sport/tennis/player2", false},
    {"sport/#", "sport", true},
    {"#", "sport/tennis", true},
    {"sport/tennis/+", "sport/tennis/player1", true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
    {"sport/+", "sport", false},
    {"sport/+", "sport/", true},
    {"+", "/finance", false},
    {"/+", "/finance", true},
    {"+/+", "/finance", true},
    {"+/tennis/#", "sport/tennis", true},
    {"+/tennis/#", "sport/tennis/a/b", true},
    {"sport/+/player1", "sport/tennis/player1", true},
    {"sport/+/player1", "sport//player1", true},
    {"sport/+/player1", "sport/player1", false},
    {"ACCOUNTS", "Accounts", false},
    {"Accounts payable", "Accounts payable", true},
    {"/finance", "finance", false},
    {"finance", "/finance", false},
    {"/", "/", true},
    {"#", "/", true},
    {"/#", "/", true},
    {"+/+", "/", true},
    {"/+", "/", true},
    {"+", "/", false},
    {"a/", "a", false},
    {"a", "a/", false},
    {"a//b", "a//b", true},
    {"a/+/b", "a//b", true},
    {"a/#", "a/", true},
    {"a/#", "ab", false},
    {"a/#", "b/a", false},
    {"a/+/#", "a", false},
    {"a/+/#", "a/b", true},
    {"a/+/#", "a/", true},
    {"+/#", "a", true},
    {"a/b/c", "a/b", false},
    {"a/b", "a/b/c", false},
    {"caf\xC3\xA9/+", "caf\xC3\xA9/1", true},
    {"caf\xC3\xA9", "cafe\xCC\x81", false},  // [MQTT-4.7.3-4]: never normalised
    {"+", "\xEF\xBB\xBF", true},             // [MQTT-1.5.4-3]: U+FEFF is a character
    {"\xEF\xBB\xBF"
     "a",
     "a", false},
    // [MQTT-4.7.2-1]
    {"#", "$SYS/broker/uptime", false},
    {"+/monitor/Clients", "$SYS/monitor/Clients", false},
    {"+/#", "$SYS", false},
    {"+", "$SYS", false},
    {"$SYS/#", "$SYS/monitor/Clients", true},
    {"$SYS/#", "$SYS", true},
    {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
    {"$SYS/+/Clients", "$SYS/monitor/Clients", true},
    {"a/+", "a/$b", true},
    {"a/#", "a/$b", true},
    {"+", "a$", true},
};

TEST(Matches, AsTheStandardSays) {
    for (const Match& m : kMatches) {
        ASSERT_FALSE(check_filter(m.filter)) << m.filter;
        ASSERT_FALSE(check_topic_name(m.topic)) << m.topic;
        EXPECT_EQ(matches(m.filter, m.topic), m.matches) << m.filter << " and " << m.topic;
    }
}

TEST(Matches, ATopicMatchesItselfAsAFilter) {
    for (const Match& m : kMatches) EXPECT_TRUE(matches(m.topic, m.topic)) << m.topic;
}

TEST(Matches, DeepTopicsTakeLinearTimeAndNoStack) {
    const std::string deep(32'000, '/');
    EXPECT_TRUE(matches(deep, deep));
    EXPECT_TRUE(matches("#", deep));
    std::string pluses = "+";
    for (int i = 0; i < 32'000; ++i) pluses += "/+";
    EXPECT_TRUE(matches(pluses, deep));
    EXPECT_FALSE(matches(pluses + "/+", deep));
    EXPECT_TRUE(matches(pluses + "/#", deep));
}

TEST(TopicName, AcceptsWhatIsOne) {
    for (const std::string_view topic :
         {"a", "/", "//", " ", "a b", "$SYS/x", "$", "$share/a/b", "caf\xC3\xA9",
          "\xF0\x9F\x98\x80", "\xEF\xBF\xBF", "a/\x01\x7F", "*", "a\\b"}) {
        EXPECT_FALSE(check_topic_name(topic)) << topic;
    }
    EXPECT_FALSE(check_topic_name(std::string(65'535, 'x')));
    EXPECT_FALSE(check_topic_name(std::string(32'000, '/')));
}

struct Bad {
    std::string text;
    std::uint8_t reason;
    std::string_view clause;
    std::uint32_t offset;
};

void expect_fault(const Fault& fault, const Bad& bad) {
    EXPECT_EQ(fault.reason, bad.reason) << bad.text;
    EXPECT_EQ(fault.clause, bad.clause) << bad.text;
    EXPECT_EQ(fault.offset, bad.offset) << bad.text;
}

TEST(TopicName, RefusesWhatIsNone) {
    const std::uint8_t invalid = reason::topic_name_invalid;
    const Bad bad[] = {
        {"", invalid, "MQTT-4.7.3-1", 0},
        {"+", invalid, "MQTT-4.7.0-1", 0},
        {"a/#", invalid, "MQTT-4.7.0-1", 2},
        {"sport+", invalid, "MQTT-4.7.0-1", 5},
        {"a long topic with a #", invalid, "MQTT-4.7.0-1", 20},
        {"caf\xC3\xA9+", invalid, "MQTT-4.7.0-1", 5},
        {std::string("a\0b", 3), reason::malformed_packet, "MQTT-4.7.3-2", 1},
        {"a\xFFz", reason::malformed_packet, "MQTT-1.5.4-1", 1},
        {"\xED\xA0\x80", reason::malformed_packet, "MQTT-1.5.4-1", 0},
        {std::string(65'536, 'x'), invalid, "MQTT-4.7.3-3", 65'535},
    };
    for (const Bad& one : bad) expect_fault(check_topic_name(one.text), one);
}

TEST(Filter, AcceptsWhatIsOne) {
    for (const std::string_view filter :
         {"a", "/", "+", "#", "+/+", "/+", "+/", "a/+/b", "a/#", "/#", "+/tennis/#",
          "sport/+/player1", "$SYS/#", "$share", "$shared/x", "$SHARE/a/+b/c"}) {
        const bool plus_in_level = filter == "$SHARE/a/+b/c";
        EXPECT_EQ(static_cast<bool>(check_filter(filter)), plus_in_level) << filter;
    }
    for (const std::string_view filter :
         {"$share/g/a", "$share/g/#", "$share/g/+/a", "$share/g//a", "$share/g//", "$share/ /a",
          "$share/g/$SYS/#", "$share/g/$share/h/x", "$share/caf\xC3\xA9/+"}) {
        EXPECT_FALSE(check_filter(filter)) << filter;
    }
    EXPECT_FALSE(check_filter(std::string(65'535, 'x')));
    EXPECT_FALSE(check_filter(std::string(32'000, '/') + "#"));
}

TEST(Filter, RefusesWhatIsNone) {
    const std::uint8_t invalid = reason::topic_filter_invalid;
    const Bad bad[] = {
        {"", invalid, "MQTT-4.7.3-1", 0},
        {"sport/tennis#", invalid, "MQTT-4.7.1-1", 12},
        {"sport/tennis/#/ranking", invalid, "MQTT-4.7.1-1", 13},
        {"#/", invalid, "MQTT-4.7.1-1", 0},
        {"##", invalid, "MQTT-4.7.1-1", 0},
        {"a/#b", invalid, "MQTT-4.7.1-1", 2},
        {"+#", invalid, "MQTT-4.7.1-2", 0},
        {"sport+", invalid, "MQTT-4.7.1-2", 5},
        {"+sport", invalid, "MQTT-4.7.1-2", 0},
        {"a/b+/c", invalid, "MQTT-4.7.1-2", 3},
        {"++", invalid, "MQTT-4.7.1-2", 0},
        {"a/++/b", invalid, "MQTT-4.7.1-2", 2},
        {std::string("a\0", 2), reason::malformed_packet, "MQTT-4.7.3-2", 1},
        {"caf\xE9", reason::malformed_packet, "MQTT-1.5.4-1", 3},
        {std::string(65'536, 'x'), invalid, "MQTT-4.7.3-3", 65'535},
        {"$share/", invalid, "MQTT-4.8.2-1", 7},
        {"$share//a", invalid, "MQTT-4.8.2-1", 7},
        {"$share/g", invalid, "MQTT-4.8.2-2", 8},
        {"$share/g/", invalid, "MQTT-4.8.2-2", 9},
        {"$share/+/a", invalid, "MQTT-4.8.2-2", 7},
        {"$share/g#/a", invalid, "MQTT-4.8.2-2", 8},
        {"$share/g/a+", invalid, "MQTT-4.7.1-2", 10},
        {"$share/g/#/a", invalid, "MQTT-4.7.1-1", 9},
    };
    for (const Bad& one : bad) expect_fault(check_filter(one.text), one);
}

TEST(SharedFilters, ComeApart) {
    const SharedFilter shared = split_shared("$share/group 1/a/+/#");
    EXPECT_TRUE(shared.shared);
    EXPECT_EQ(shared.share_name, "group 1");
    EXPECT_EQ(shared.filter, "a/+/#");
    EXPECT_EQ(split_shared("$share/g//").filter, "/");
    const SharedFilter plain = split_shared("$shared/a");
    EXPECT_FALSE(plain.shared);
    EXPECT_EQ(plain.filter, "$shared/a");
    EXPECT_TRUE(plain.share_name.empty());
    EXPECT_FALSE(split_shared("$share").shared);
}

TEST(TopicLevels, IncludeTheEmptyOnes) {
    const auto levels_of = [](std::string_view topic) {
        std::vector<std::string> out;
        for (Levels levels(topic); !levels.done();) out.emplace_back(levels.next());
        return out;
    };
    using List = std::vector<std::string>;
    EXPECT_EQ(levels_of("a"), List({"a"}));
    EXPECT_EQ(levels_of("a/b"), List({"a", "b"}));
    EXPECT_EQ(levels_of("a//b"), List({"a", "", "b"}));
    EXPECT_EQ(levels_of("/"), List({"", ""}));
    EXPECT_EQ(levels_of("/a/"), List({"", "a", ""}));
}

}  // namespace
}  // namespace mqttwin::wire
