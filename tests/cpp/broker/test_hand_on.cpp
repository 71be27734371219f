// A message that is handed on as it came, in the very blob: nobody sees a difference.
#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

/// What everybody gets of some messages, byte for byte.
std::vector<Bytes> conversation(bool in_blobs, std::size_t chunk) {
    Bench bench;
    Party& plain = bench.join("plain");
    plain.subscribes(1, {{"#", QoS::at_most_once}});
    Party& older = bench.join("older", Version::v311);
    older.subscribes(1, {{"#", QoS::exactly_once}});
    Party& numbered = bench.join("numbered");
    numbered.subscribes(1, {{"#", QoS::at_most_once, false, true}}, 7);
    Party& aliased = bench.enter(Hello(Version::v5, "aliased").topic_aliases(2));
    aliased.subscribes(1, {{"#", QoS::at_least_once}});
    Party& absent = bench.return_as("absent", Version::v5, false);
    absent.subscribes(1, {{"#", QoS::at_least_once}});
    Party& ann = bench.join("ann");
    Party& bob = bench.join("bob", Version::v311);

    bench.in_blobs = in_blobs;
    bench.chunk = chunk;
    const std::string long_text(300, 'x');
    for (Party* from : {&ann, &bob}) {
        from->publishes("a/b", "21.5");
        from->publishes("a/b", "");
        from->publishes("a/c", long_text);
        from->publishes("a/b", "kept", QoS::at_most_once, {.retain = true});
        from->publishes("a/b", "sure", QoS::at_least_once, {.id = 5});
        from->publishes("a/b", "once", QoS::exactly_once, {.id = 6});
        from->pubrels(6);
    }
    ann.publishes("a/b", "more", QoS::at_most_once, {.user_name = "n", .user_value = "v"});
    ann.publishes("a/b", "soon", QoS::at_most_once, {.expiry = 60});
    ann.publishes("a/d", "first", QoS::at_most_once, {.alias = 1});
    ann.publishes("", "again", QoS::at_most_once, {.alias = 1});
    // Two packets in one blob.
    ann.says(publish(Version::v5, "a/b", "1", QoS::at_most_once) +
             publish(Version::v5, "a/b", "2", QoS::at_most_once));
    // Kept as they came, for who is away; what was not acknowledged is sent again.
    absent.vanishes();
    ann.publishes("a/b", "missed", QoS::at_least_once, {.id = 7});
    ann.publishes("a/b", "twice", QoS::exactly_once, {.id = 8});
    ann.pubrels(8);
    ann.publishes("a/b", "kept and missed", QoS::at_least_once, {.id = 9, .retain = true});
    ann.publishes("a/c", long_text, QoS::at_least_once, {.id = 10});
    bench.in_blobs = false;
    bench.chunk = 0;
    Party& back = bench.return_as("absent", Version::v5, true);
    Party& late = bench.join("late");
    late.subscribes(1, {{"#", QoS::at_least_once}});
    std::vector<Bytes> got;
    for (const Party* party :
         {&plain, &older, &numbered, &aliased, &absent, &back, &late, &ann, &bob}) {
        got.push_back(party->bytes);
    }
    EXPECT_FALSE(ann.closed());
    EXPECT_GT(back.bytes.size(), 400U);
    return got;
}

TEST(HandOn, EverybodyGetsTheSameBytes) {
    const std::vector<Bytes> expected = conversation(false, 0);
    EXPECT_GT(expected[0].size(), 100U);
    EXPECT_EQ(conversation(true, 0), expected);
    EXPECT_EQ(conversation(true, 5), expected);
}

TEST(HandOn, APlainMessageGoesOnInItsBlob) {
    Bench bench;
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"#", QoS::at_most_once}});
    Party& bob = bench.join("bob", Version::v311);
    bob.subscribes(1, {{"#", QoS::at_most_once}});
    bench.in_blobs = true;
    ann.heads.clear();
    bob.heads.clear();
    ann.publishes("a/b", "21.5");
    ASSERT_EQ(ann.heads.size(), 1U);
    EXPECT_EQ(ann.heads[0], bench.said);
    EXPECT_NE(bob.heads.at(0), bench.said);
    // What has to be changed on the way is another packet.
    ann.publishes("a/b", "kept", QoS::at_most_once, {.retain = true});
    EXPECT_NE(ann.heads.at(1), bench.said);
    bob.publishes("a/b", "in another version");
    EXPECT_NE(ann.heads.at(2), bench.said);
}

}  // namespace
}  // namespace mqttwin::broker
