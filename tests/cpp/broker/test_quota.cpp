// What the broker keeps is bounded in bytes, each message counted once.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

Options small() {
    Options options;
    options.max_stored_bytes = 5000;
    return options;
}

class Quota : public BothVersions {
   protected:
    Bench bench{small()};
    const std::string big = std::string(1000, 'x');
};
MQTTWIN_BOTH_VERSIONS(Quota);

TEST_P(Quota, QueuedMessagesAreCountedOnceForAll) {
    for (const char* name : {"ann", "bob", "cat"}) {
        Party& reader = bench.return_as(name, version(), false);
        reader.subscribes(1, {{"a", QoS::at_least_once}});
        reader.vanishes();
    }
    Party& source = bench.join("source", version());
    for (std::uint16_t id = 1; id <= 6; ++id) {
        source.publishes("a", big, QoS::at_least_once, {.id = id});
    }
    const Counts counts = bench.broker.counts();
    EXPECT_EQ(counts.stored_messages, 4U);
    EXPECT_EQ(counts.queued, 12U);
    EXPECT_GT(counts.stored_bytes, 4000U);
    EXPECT_LE(counts.stored_bytes, 5000U);
    EXPECT_EQ(bench.witness.take({"drop"}).size(), 6U);
    Party& ann = bench.return_as("ann", version(), true);
    EXPECT_EQ(ann.heard().size(), 4U);
    EXPECT_EQ(bench.broker.counts().stored_messages, 4U);
}

TEST_P(Quota, WhatCannotBeKeptIsNotSentEither) {
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"a", QoS::at_least_once}});
    ann.heard();
    Party& source = bench.join("source", version());
    for (std::uint16_t id = 1; id <= 6; ++id) {
        source.publishes("a", big, QoS::at_least_once, {.id = id});
    }
    EXPECT_EQ(ann.heard().size(), 4U);
    EXPECT_EQ(bench.witness.take({"drop"}),
              (Lines{"drop 0 q1 queue_full", "drop 0 q1 queue_full"}));
    source.publishes("a", big);  // QoS 0 is not kept
    EXPECT_EQ(ann.heard().size(), 1U);
    ann.pubacks(1);
    source.publishes("a", big, QoS::at_least_once, {.id = 7});
    EXPECT_EQ(ann.heard().size(), 1U);
}

TEST_P(Quota, AFullStoreTakesNoRetainedMessage) {
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"r/9"}});
    ann.heard();
    for (int i = 0; i < 4; ++i) {
        ann.publishes("r/" + std::to_string(i), big, QoS::at_least_once, {.id = 1, .retain = true});
    }
    EXPECT_EQ(bench.broker.counts().retained, 4U);
    ann.heard();
    ann.publishes("r/9", big, QoS::at_least_once, {.id = 2, .retain = true});
    EXPECT_EQ(bench.broker.counts().retained, 4U);
    if (v5()) {
        ann.hears({"PUBACK 2 97"});
        EXPECT_EQ(ann.reasons, (Lines{"no room for another retained message"}));
        ann.publishes("r/9", big, QoS::exactly_once, {.id = 3, .retain = true});
        ann.hears({"PUBREC 3 97"});
    } else {
        ann.hears({"close"});  // nothing else would tell it: 3.1.1 [MQTT-4.8.0-2]
        Party& eve = bench.join("eve", version());
        eve.publishes("r/9", big, QoS::exactly_once, {.id = 3, .retain = true});
        eve.hears({"close"});
    }
}

TEST_P(Quota, AtQoS0AMessageGoesOnAllTheSame) {
    Party& ann = bench.join("ann", version());
    ann.subscribes(1, {{"r/9"}});
    for (int i = 0; i < 4; ++i) {
        ann.publishes("r/" + std::to_string(i), big, QoS::at_least_once, {.id = 1, .retain = true});
    }
    ann.heard();
    ann.publishes("r/9", big, QoS::at_most_once, {.retain = true});
    ann.hears({"PUBLISH q0 r/9=" + big});
    EXPECT_EQ(bench.broker.counts().retained, 4U);
    // A topic never shows a value that holds no more.
    ann.publishes("r/1", big, QoS::at_most_once, {.retain = true});
    EXPECT_EQ(bench.broker.counts().retained, 3U);
    ann.publishes("r/2", "", QoS::at_least_once, {.id = 4, .retain = true});
    EXPECT_EQ(bench.broker.counts().retained, 2U);
}

TEST_P(Quota, TheNumberOfRetainedMessagesIsBoundedAlike) {
    Options options;
    options.max_retained = 1;
    Bench few(options);
    Party& ann = few.join("ann", version());
    ann.publishes("a", "1", QoS::at_least_once, {.id = 1, .retain = true});
    ann.publishes("a", "2", QoS::at_least_once, {.id = 2, .retain = true});
    ann.publishes("b", "1", QoS::at_least_once, {.id = 3, .retain = true});
    ann.hears(v5() ? Lines{"PUBACK 1 10", "PUBACK 2 10", "PUBACK 3 97"}
                   : Lines{"PUBACK 1", "PUBACK 2", "close"});
    EXPECT_EQ(few.broker.counts().retained, 1U);
}

TEST_P(Quota, EverythingIsGivenBack) {
    {
        Party& ann = bench.return_as("ann", version(), false);
        ann.subscribes(1, {{"#", QoS::exactly_once}});
        ann.vanishes();
        Party& source = bench.join("source", version());
        for (std::uint16_t id = 1; id <= 4; ++id) {
            source.publishes("a", id % 2 ? big : "small", QoS::exactly_once,
                             {.id = id, .retain = true});
        }
        EXPECT_GT(bench.broker.counts().stored_bytes, 2000U);
    }
    bench.enter(Hello(version(), "ann"));
    Party& source = bench.join("source2", version());
    source.publishes("a", "", QoS::at_most_once, {.retain = true});
    EXPECT_EQ(bench.broker.counts().stored_bytes, 0U);
    EXPECT_EQ(bench.broker.counts().stored_messages, 0U);
}

}  // namespace
}  // namespace mqttwin::broker
