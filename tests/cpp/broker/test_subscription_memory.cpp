// What the subscription index remembers of earlier topics makes no difference.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "subscription_reference.hpp"

namespace mqttwin::broker {
namespace {

// Whoever asks with a hint is told the same, whatever was asked with it before and changed since.
TEST(SubscriptionMemory, AHintMakesNoDifference) {
    const StreamKey key = StreamKey::of(1, "test", "hints");
    int hit = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        SCOPED_TRACE(seed);
        Stream stream(key, seed);
        Subject subject;
        std::vector<std::uint32_t> hints{kNone, kNone, kNone, 77};
        std::vector<std::string> topics;
        for (int i = 0; i < 6; ++i) topics.push_back(random_topic(stream));
        topics.push_back(topics[0] + std::string(60, 'x'));  // not in the filter's own line
        topics.push_back(topics[0] + "y");
        for (int step = 0; step < 2'000; ++step) {
            const auto session = static_cast<std::uint32_t>(stream.below(3));
            const std::uint64_t action = stream.below(60);
            if (action < 6) {
                // Filters with wildcards, and the topics themselves.
                const std::string filter =
                    action < 2 ? random_filter(stream) : topics[stream.below(topics.size())];
                subject.index.subscribe(filter, session, data_with(subject.number_of(filter), 0),
                                        subject.head(session));
            } else if (action < 8) {
                const std::string& filter = topics[stream.below(topics.size())];
                subject.index.unsubscribe(filter, session, subject.head(session));
            } else if (action < 9) {
                subject.index.remove_session(subject.head(session));
            } else {
                const std::string& topic = topics[stream.below(topics.size())];
                std::uint32_t& hint = hints[stream.below(hints.size())];
                if (subject.index.is_alone(hint, topic)) ++hit;
                ASSERT_EQ(subject.matches(topic, &hint), subject.matches(topic)) << topic;
            }
        }
        for (auto& [session, head] : subject.heads) subject.index.remove_session(head);
    }
    EXPECT_GT(hit, 5'000);
}

// Few filters, which come and go: mostly the beginning of a topic decides what it matches, and many
// in a row begin alike.
TEST(SubscriptionMemory, ABeginningThatDecidesDoesSoUntilFiltersChange) {
    const StreamKey key = StreamKey::of(1, "test", "beginnings");
    const std::vector<std::string> filters{
        "#", "plant/#", "plant/+", "plant/a/b", "site/one/#", "a-long-level-of-a-topic/x/#", "p/#"};
    const std::vector<std::string> topics{"plant/a/b",
                                          "plant/b",
                                          "plant/",
                                          "plant",
                                          "plants/a",
                                          "site/one",
                                          "site/one/x",
                                          "site/two/xyz",
                                          "$SYS/plant/all",
                                          "p/eight/and/more",
                                          "p",
                                          "p/1",
                                          "$plant/a/b/c",
                                          "plant/a/b/c",
                                          "a-long-level-of-a-topic/x/y",
                                          "plant/a/c",
                                          "//////////",
                                          "site/one/two",
                                          "a-long-level-of-a-topic/y/x"};
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        SCOPED_TRACE(seed);
        Stream stream(key, seed);
        Subject subject;
        Reference reference;
        for (int step = 0; step < 1'000; ++step) {
            const auto session = static_cast<std::uint32_t>(stream.below(2));
            const std::string& filter = filters[stream.below(filters.size())];
            const std::uint64_t action = stream.below(30);
            if (action == 0) {
                const SubscriptionData data = data_with(subject.number_of(filter), 0);
                subject.index.subscribe(filter, session, data, subject.head(session));
                reference.subscribe(filter, session, data);
            } else if (action < 3) {
                subject.index.unsubscribe(filter, session, subject.head(session));
                reference.unsubscribe(filter, session, 0);
            } else {
                const std::string& topic = topics[stream.below(topics.size())];
                Reference::List found = subject.matches(topic);
                Reference::sort_by_filter(found);
                ASSERT_EQ(found, reference.matches(topic)) << topic;
            }
        }
        for (auto& [session, head] : subject.heads) subject.index.remove_session(head);
    }
}

TEST(SubscriptionMemory, KnowsWhenOneGroupIsAllThatMatches) {
    Subject subject;
    const auto subscribe = [&](std::uint32_t session, std::uint32_t group,
                               const std::string& filter) {
        subject.index.subscribe(filter, session, data_with(subject.number_of(filter), group),
                                subject.head(session));
    };
    const auto group = [&] {
        std::vector<std::uint32_t> sessions;
        subject.index.match("a/b");
        for (const auto& entry : subject.index.sole_group()) sessions.push_back(entry.session);
        return sessions;
    };
    const std::vector<std::uint32_t> nobody;
    subscribe(1, 7, "a/#");
    EXPECT_EQ(group(), nobody);  // one is no list
    subscribe(2, 7, "a/#");
    subscribe(3, 7, "a/#");
    EXPECT_EQ(group(), (std::vector<std::uint32_t>{1, 2, 3}));
    subscribe(4, 0, "+/b");  // another filter
    EXPECT_EQ(group(), nobody);
    subject.index.remove_session(subject.head(4));
    subscribe(4, 8, "a/#");  // another group
    EXPECT_EQ(group(), nobody);
    subject.index.remove_session(subject.head(4));
    subject.index.remove_session(subject.head(2));
    subject.index.remove_session(subject.head(3));
    subject.index.remove_session(subject.head(1));
    // Holes are closed when it is asked for, however long the list is.
    std::vector<std::uint32_t> expected;
    for (std::uint32_t session = 0; session < 300; ++session) {
        subscribe(session, 9, "a/#");
        if (session % 3 != 0) expected.push_back(session);
    }
    for (std::uint32_t session = 0; session < 300; session += 3) {
        subject.index.remove_session(subject.head(session));
    }
    EXPECT_EQ(group(), expected);
    for (auto& [session, head] : subject.heads) subject.index.remove_session(head);
    EXPECT_EQ(subject.index.size(), 0U);
}

}  // namespace
}  // namespace mqttwin::broker
