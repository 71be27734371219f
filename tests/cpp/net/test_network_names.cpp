// Names: what a lookup costs, how long it is believed, and hosts that are not where they were.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

constexpr Duration kWay = milliseconds(50);
constexpr Duration kLookup = milliseconds(105);  // there, the server, and back
constexpr Duration kConnect = milliseconds(100);
const std::string kName = "mqtt.example.com";

using Log = std::vector<std::string>;

class NamesBench : public Bench {
   public:
    explicit NamesBench(Reach::Kind kind = Reach::Kind::name, const LinkSpec& link = plain(kWay))
        : Bench(link, 1, 1, reach(kind)) {
        name = network.names().add(kName, 0, minutes(10));
    }
    static Reach reach(Reach::Kind kind) {
        Reach reach;
        reach.kind = kind;
        return reach;
    }
    /// How long the next connect takes; -1: it fails.
    Duration connect() {
        const Instant start = clock;
        log.clear();
        const FlowId flow = open();
        run_for(minutes(4));
        if (log != Log{"client open", "server open"}) return Duration{-1};
        network.close(clock, flow, End::client);
        run_for(minutes(4));
        return opened_at[0] - start;
    }
    void move_to(Address address, bool update = true) {
        network.move_host(clock, 0, address);
        if (update) network.names().set(name, address);
    }

    std::uint32_t name = 0;
};

TEST(NetworkNames, ALookupCostsARoundTripAndBytes) {
    NamesBench bench;
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
    NamesBench known(Reach::Kind::known);
    EXPECT_EQ(known.connect().ns, kConnect.ns);
    const auto more = [&](End sender) {
        return bench.network.traffic(sender).bytes - known.network.traffic(sender).bytes;
    };
    // IP, UDP, a header of 12, the name with a length for each label and a root, type and class.
    const std::uint64_t question = 20 + 8 + 12 + (kName.size() + 2) + 4;
    EXPECT_EQ(more(End::client), question);
    EXPECT_EQ(more(End::server), question + 16);
}

TEST(NetworkNames, AnAnswerIsBelievedForItsTimeToLive) {
    NamesBench bench;
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);  // and takes 8 min
    EXPECT_EQ(bench.connect().ns, kConnect.ns);
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
    bench.network.names().set_ttl(bench.name, Duration{0});
    bench.run_for(minutes(10));
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
}

TEST(NetworkNames, ALostQuestionIsAskedAgain) {
    NamesBench bench;
    bench.network.set_link_down(0, 0, true);
    bench.open();
    bench.run_for(seconds(1));
    bench.network.set_link_down(0, 0, false);
    bench.run();
    EXPECT_EQ(bench.opened_at[0].ns, (Names::kPatience + kLookup + kConnect).ns);
}

TEST(NetworkNames, ALostAnswerIsMissedAsLongAfterTheQuestion) {
    NamesBench bench;
    bench.open();
    bench.run_for(milliseconds(20));  // the question has left
    bench.network.set_link_down(0, 0, true);
    bench.run_for(seconds(1));
    bench.network.set_link_down(0, 0, false);
    bench.run();
    EXPECT_EQ(bench.opened_at[0].ns, (Names::kPatience + kLookup + kConnect).ns);
}

TEST(NetworkNames, AnAnswerThatComesTooLateIsNone) {
    LinkSpec link = plain(kWay);
    link.down.latency = seconds(6);
    NamesBench bench(Reach::Kind::name, link);
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, Log{"client timed out"});
    EXPECT_EQ(bench.closed_at.ns, 2 * Names::kPatience.ns);
}

TEST(NetworkNames, WithoutAnAnswerTheConnectFails) {
    NamesBench bench;
    bench.network.set_link_down(0, 0, true);
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, Log{"client timed out"});
    EXPECT_EQ(bench.closed_at.ns, 2 * Names::kPatience.ns);
    EXPECT_EQ(bench.network.flows(), 0U);
    bench.network.set_link_down(0, 0, false);
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
}

TEST(NetworkNames, WhoBelievesAnOldAnswerConnectsToNobody) {
    NamesBench bench;
    EXPECT_GT(bench.connect().ns, 0);  // asked at 0, takes 8 min
    bench.move_to(1);
    EXPECT_EQ(bench.connect().ns, -1);  // still believes
    bench.run_for(minutes(10));
    EXPECT_EQ(bench.connect().ns, (kLookup + kConnect).ns);
}

TEST(NetworkNames, ANameThatWasNotUpdatedLeadsNowhere) {
    NamesBench bench;
    bench.move_to(1, false);
    EXPECT_EQ(bench.connect().ns, -1);
}

TEST(NetworkNames, ADeviceWithAnAddressWrittenIntoItIsLeftBehind) {
    NamesBench bench(Reach::Kind::address);
    EXPECT_EQ(bench.connect().ns, kConnect.ns);
    bench.move_to(1);
    const Instant start = bench.clock;
    bench.log.clear();
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, Log{"client timed out"});
    // SYNs at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, each a little late; 64 s after the last.
    EXPECT_GT(bench.closed_at - start, seconds(131));
    EXPECT_LT(bench.closed_at - start, seconds(138));
    EXPECT_EQ(bench.network.flows(), 0U);
    bench.move_to(0);
    EXPECT_EQ(bench.connect().ns, kConnect.ns);
}

TEST(NetworkNames, AHostThatMovesAnswersNothingAnyMore) {
    NamesBench bench;
    const FlowId flow = bench.open();
    bench.run();
    bench.move_to(1);
    bench.send(flow, End::client, "anybody?");
    bench.run();
    EXPECT_EQ(bench.log.back(), "client timed out");
    EXPECT_EQ(bench.at_server, "");
    EXPECT_EQ(bench.discarded, "anybody?");
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(NetworkNames, WhoAsksWhileTheHostMovesGoesWhereTheAnswerSays) {
    NamesBench bench;
    bench.open();
    bench.run_for(milliseconds(10));
    bench.move_to(1);
    bench.run();
    EXPECT_EQ(bench.log, (Log{"client open", "server open"}));
}

TEST(NetworkNames, AConnectMayBeGivenUpDuringItsLookup) {
    for (int ms = 0; ms < 300; ms += 5) {
        for (int how = 0; how < 3; ++how) {
            SCOPED_TRACE(std::to_string(how) + " at " + std::to_string(ms));
            NamesBench bench;
            const FlowId flow = bench.open();
            bench.run_for(milliseconds(ms));
            if (how == 0) bench.network.close(bench.clock, flow, End::client);
            if (how == 1) bench.network.abort(bench.clock, flow, End::client);
            if (how == 2) bench.network.vanish(bench.clock, flow, End::client);
            if (Instant{ms * 1'000'000LL} < Instant{} + kLookup) {
                EXPECT_EQ(bench.network.flows(), 0U);
            }
            bench.run();
            for (const std::string& line : bench.log) {
                EXPECT_TRUE(line == "client open" || line.find("server") == 0) << line;
            }
            if (bench.network.flows() > 0) {  // the server cannot know
                EXPECT_EQ(how, 2);
                bench.network.abort(bench.clock, flow, End::server);
                bench.run();
            }
            EXPECT_EQ(bench.network.flows(), 0U);
        }
    }
}

TEST(NetworkNames, StreamsAfterALookupBeginWhereOthersDo) {
    NamesBench bench;
    Fault fault;
    fault.after_bytes = 3;
    bench.network.set_fault(bench.clock, 0, 0, fault);
    const FlowId flow = bench.open();
    bench.run();
    bench.send(flow, End::client, "abcdef");
    bench.run();
    EXPECT_EQ(bench.at_server, "abc");
}

TEST(NetworkNames, WrongNamesAreRefused) {
    Names names;
    const std::string label(64, 'x');
    const std::string labels = std::string(63, 'x') + ".";
    for (const std::string& wrong :
         {std::string(), std::string("a..b"), std::string(".a"), std::string("a."),
          std::string("a b"), label, labels + labels + labels + labels + "x"}) {
        EXPECT_THROW(names.add(wrong, 0, hours(1)), std::invalid_argument) << wrong;
    }
    EXPECT_THROW(names.add("a", 0, Duration{-1}), std::invalid_argument);
    EXPECT_THROW(names.add("a", 0, hours(24 * 366)), std::invalid_argument);
    names.add("a", 0, hours(1));
    EXPECT_THROW(names.add("a", 1, hours(1)), std::invalid_argument);
}

}  // namespace
}  // namespace mqttwin::net
