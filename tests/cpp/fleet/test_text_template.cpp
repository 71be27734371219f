#include <gtest/gtest.h>

#include "mqttwin/fleet/text_template.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

Population stations() {
    PopulationSpec spec;
    spec.name = "station";
    spec.count = 12'345;
    spec.id = "{site}-{index:05}";
    spec.texts = {TextColumn("site", [] {
        std::vector<std::string> sites;
        for (int i = 0; i < 12'345; ++i) sites.push_back(i % 2 == 0 ? "even" : "odd");
        return sites;
    }())};
    return Population(spec);
}

std::string rendered(std::string_view text, Device device) {
    return TextTemplate(text, stations(), "topic").text(device);
}

std::string refused(std::string_view text) {
    return refusal([&] { TextTemplate(text, stations(), "topic"); });
}

TEST(TextTemplate, RendersItsFields) {
    EXPECT_EQ(rendered("site/{group}/{id}", 1234), "site/12/even-01234");
    EXPECT_EQ(rendered("{index}", 0), "0");
    EXPECT_EQ(rendered("{index}", 12'344), "12344");
    EXPECT_EQ(rendered("{index:03}{group:04d}", 7), "0070000");
    EXPECT_EQ(rendered("{index:03}", 12'344), "12344");
    EXPECT_EQ(rendered("{index:020}", 7), "00000000000000000007");
    EXPECT_EQ(rendered("{fleet}/{site}/x", 1), "station/odd/x");
    EXPECT_EQ(rendered("", 1), "");
    EXPECT_EQ(rendered("{{{index}}}", 5), "{5}");
    EXPECT_EQ(rendered("{{\"a\":{index}}}", 5), "{\"a\":5}");
}

// Of every length that there is.
TEST(TextTemplate, RendersEveryNumber) {
    PopulationSpec spec;
    spec.name = "m";
    spec.count = kMaximumDevices;
    const TextTemplate text("{index}", Population(spec), "topic");
    const TextTemplate padded("{index:09}", Population(spec), "topic");
    const auto check = [&](std::uint32_t n) {
        const std::string expected = std::to_string(n);
        ASSERT_EQ(text.text(n), expected);
        ASSERT_EQ(padded.text(n), std::string(9 - expected.size(), '0') + expected);
    };
    for (std::uint32_t n = 0; n < 20'000; ++n) check(n);
    for (std::uint32_t n = 20'000; n < kMaximumDevices; n += 997) check(n);
    for (std::uint32_t power = 10; power < kMaximumDevices; power *= 10) {
        check(power - 1);
        check(power);
    }
    check(kMaximumDevices - 1);
}

TEST(TextTemplate, DefaultIdentifierIsFleetAndIndex) {
    EXPECT_EQ(TextTemplate("{id}", fleet_of(100), "id").text(42), "meter-42");
}

TEST(TextTemplate, GroupsByNumber) {
    PopulationSpec spec;
    spec.name = "m";
    spec.count = 100;
    spec.groups = 7;
    EXPECT_EQ(TextTemplate("{group}", Population(spec), "topic").text(20), "6");
}

TEST(TextTemplate, AppendsWithoutTouchingWhatIsThere) {
    const TextTemplate text("/{index}/", fleet_of(100), "topic");
    std::string out = "before";
    text.render(42, out);
    EXPECT_EQ(out, "before/42/");
    std::vector<char> buffer(text.room());
    EXPECT_EQ(std::string(buffer.data(), text.render(9, buffer.data())), "/9/");
    const TextTemplate long_one("a literal that is longer than a block/{index}/", fleet_of(9), "t");
    EXPECT_EQ(long_one.text(8), "a literal that is longer than a block/8/");
    EXPECT_EQ(TextTemplate().text(8), "");
}

TEST(TextTemplate, KnowsThatItIsConstant) {
    const TextTemplate constant("{fleet}/all", fleet_of(100), "topic");
    EXPECT_TRUE(constant.is_constant());
    EXPECT_EQ(constant.rendered_constant(), "meter/all");
    EXPECT_EQ(constant.text(5), "meter/all");
    EXPECT_FALSE(TextTemplate("{index}", fleet_of(100), "topic").is_constant());
    EXPECT_TRUE(TextTemplate().is_constant());
}

TEST(TextTemplate, BoundsItsSize) {
    const TextTemplate text("ab{index}{group:03}{site}", stations(), "topic");
    EXPECT_EQ(text.maximum_size(), 2U + 5 + 3 + 4);
    for (Device d = 0; d < 12'345; ++d) EXPECT_LE(text.text(d).size(), text.maximum_size());
    EXPECT_EQ(refused(std::string(kMaximumText, 'a')), "");
    EXPECT_NE(refused(std::string(kMaximumText - 4, 'a') + "{index}"), "");
}

TEST(TextTemplate, SaysWhatIsWrongAndWhere) {
    EXPECT_EQ(refused("a/{grp}"),
              "topic \"a/{grp}\", column 3: unknown field \"grp\" "
              "(there are id, index, group, fleet, site)");
    EXPECT_EQ(refused("a/{index"),
              "topic \"a/{index\", column 3: \"{\" is never closed (write \"{{\" for a brace)");
    EXPECT_EQ(refused("a}b"),
              "topic \"a}b\", column 2: \"}\" without \"{\" (write \"}}\" for a brace)");
    EXPECT_EQ(refused("{index:5}"),
              "topic \"{index:5}\", column 1: \":5\" is not a format "
              "(zero padding is, :01 to :020)");
    for (const char* text : {"{index:}", "{index:0}", "{index:00}", "{index:021}", "{index:0x5}",
                             "{index:05f}", "{index:0-5}", "{index:d}", "{index:0999}"}) {
        EXPECT_NE(refused(text).find("is not a format"), std::string::npos) << text;
    }
    EXPECT_EQ(refused("{site:05}"),
              "topic \"{site:05}\", column 1: only {index} and {group} take a format");
    EXPECT_NE(refused("{id:05}"), "");
    EXPECT_NE(refused("{}"), "");
    EXPECT_NE(refused("{ index }"), "");
    EXPECT_NE(refused("{a{index}}"), "");
}

TEST(TextTemplate, TellsWhetherTheIndexMakesItUnique) {
    const auto distinct = [](std::string_view text) {
        return TextTemplate(text, stations(), "topic").distinct_by_index();
    };
    EXPECT_TRUE(distinct("a{index}b"));
    EXPECT_TRUE(distinct("{group}/{index}"));
    EXPECT_FALSE(distinct("{group}{index}"));
    EXPECT_FALSE(distinct("{group}1{index}"));
    EXPECT_FALSE(distinct("{site}{index}"));
    EXPECT_FALSE(distinct("{group}"));
    EXPECT_FALSE(distinct("a"));
}

TEST(TextTemplate, ChecksTopicsOfEveryKindOfDevice) {
    PopulationSpec spec;
    spec.name = "m";
    spec.count = 3;
    spec.texts = {TextColumn("site", {"a", "b#", "a"})};
    const Population population(spec);
    const auto topic = [&](std::string_view text) {
        return refusal([&] { check_topics(TextTemplate(text, population, "topic"), "topic"); });
    };
    EXPECT_EQ(topic("a/{index}"), "");
    EXPECT_NE(topic("x/{site}").find("topic \"x/b#\" (device 1): is not a valid topic name"),
              std::string::npos)
        << topic("x/{site}");
    EXPECT_NE(topic("a/+/b").find("topic \"a/+/b\": is not a valid topic name"), std::string::npos)
        << topic("a/+/b");
    EXPECT_NE(topic(""), "");
    EXPECT_NE(topic("a\xFF"), "");
    const auto filter = [&](std::string_view text) {
        return refusal([&] { check_filters(TextTemplate(text, population, "filter"), "filter"); });
    };
    EXPECT_EQ(filter("a/+/{index}/#"), "");
    EXPECT_NE(filter("a/#/b"), "");
    EXPECT_NE(filter("x/{site}"), "");
}

}  // namespace
}  // namespace mqttwin::fleet
