#include <gtest/gtest.h>

#include "mqttwin/fleet/population.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

std::string refused(PopulationSpec spec) {
    if (spec.name.empty()) spec.name = "meter";
    return refusal([&] { Population population(spec); });
}

TEST(TextColumn, SharesEqualTexts) {
    const TextColumn column("site", {"north", "south", "north", "west"});
    EXPECT_EQ(column.at(0), "north");
    EXPECT_EQ(column.at(1), "south");
    EXPECT_EQ(column.at(2).data(), column.at(0).data());
    EXPECT_EQ(column.size(), 4U);
    EXPECT_EQ(column.longest(), 5U);
    EXPECT_EQ(column.representatives(), (std::vector<Device>{0, 1, 3}));
}

TEST(Population, GroupsBySizeAndByNumber) {
    PopulationSpec spec;
    spec.name = "meter";
    spec.count = 1000;
    const Population by_size(spec);
    EXPECT_EQ(by_size.group(99), 0U);
    EXPECT_EQ(by_size.group(100), 1U);
    spec.groups = 7;
    const Population by_number(spec);
    EXPECT_EQ(by_number.group(99), 99U % 7);
}

TEST(Population, RefusesNumbersOutOfBounds) {
    PopulationSpec spec;
    spec.count = 0;
    EXPECT_EQ(refused(spec),
              "fleet \"meter\", count: 0 is not allowed (must be >= 1 and <= 16777216)");
    spec.count = kMaximumDevices + 1;
    EXPECT_NE(refused(spec), "");
    spec.count = kMaximumDevices;
    EXPECT_EQ(refused(spec), "");
    spec.group_size = 0;
    EXPECT_EQ(refused(spec), "group_size: 0 is not allowed (must be >= 1)");
    spec.groups = 1;
    EXPECT_EQ(refused(spec), "");
    spec.epoch_ns = INT64_MAX;
    EXPECT_NE(refused(spec), "");
    EXPECT_EQ(refusal([] { Population population((PopulationSpec())); }),
              "fleet name: must not be empty");
}

TEST(Population, RefusesTextColumnsThatDoNotFit) {
    PopulationSpec spec;
    spec.count = 2;
    spec.texts = {TextColumn("site", {"a", "b", "c"})};
    EXPECT_EQ(refused(spec), "text column \"site\": 3 texts for 2 devices (must be one each)");
    spec.texts = {TextColumn("index", {"a", "b"})};
    EXPECT_EQ(refused(spec), "text column \"index\": this field has a meaning already");
    spec.texts = {TextColumn("my site", {"a", "b"})};
    EXPECT_EQ(refused(spec), "text column \"my site\": must be named by letters, digits and _");
    spec.texts = {TextColumn("site", {"a", "b"}), TextColumn("site", {"a", "b"})};
    EXPECT_EQ(refused(spec), "text column \"site\": there are two of this name");
}

// [MQTT-3.1.4-3]: a second connection with an identifier takes over the first one's session.
TEST(Population, RefusesIdentifiersThatAreNotUnique) {
    PopulationSpec spec;
    spec.count = 2;
    spec.id = "sensor";
    EXPECT_EQ(refused(spec),
              "id \"sensor\": gives two devices the same client identifier (use {index})");
    spec.count = 1;
    EXPECT_EQ(refused(spec), "");
    spec.count = 3;
    spec.id = "{serial}";
    spec.texts = {TextColumn("serial", {"a", "b", "a"})};
    EXPECT_NE(refused(spec), "");
    spec.texts = {TextColumn("serial", {"a", "b", "c"})};
    EXPECT_EQ(refused(spec), "");
    // "1" and device 1, "" and device 11: both would be 11.
    std::vector<std::string> serials(12, "x");
    serials[1] = "1";
    serials[11] = "";
    spec.count = 12;
    spec.id = "{serial}{index}";
    spec.texts = {TextColumn("serial", serials)};
    EXPECT_NE(refused(spec), "");
    spec.id = "{serial}-{index}";
    EXPECT_EQ(refused(spec), "");
}

TEST(Population, RefusesAnIdentifierDefinedByItself) {
    PopulationSpec spec;
    spec.id = "x{id}";
    EXPECT_EQ(refused(spec), "id \"x{id}\", column 2: {id} cannot be defined by itself");
}

TEST(Population, KeysStreamsByNameNotByCount) {
    EXPECT_EQ(fleet_of(10).key("every").value, fleet_of(20).key("every").value);
    EXPECT_NE(fleet_of(10).key("every").value, fleet_of(10).key("phase").value);
    EXPECT_NE(fleet_of(10).key("every").value, fleet_of(10, 43).key("every").value);
    EXPECT_NE(fleet_of(10).key("every").value, fleet_of(10, 42, "pump").key("every").value);
}

}  // namespace
}  // namespace mqttwin::fleet
