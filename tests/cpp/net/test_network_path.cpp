// What is on the way: middleboxes, partitions, shared media, sleeping modems, faults at a byte.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

constexpr Duration kWay = milliseconds(50);
constexpr Duration kIdle = seconds(60);

LinkSpec behind_nat(bool reset) {
    LinkSpec link = plain(kWay);
    link.nat.idle_timeout = kIdle;
    link.nat.reset = reset;
    return link;
}

void expect_all_freed(const Bench& bench) {
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

// --- Middleboxes ---------------------------------------------------------------------------------

TEST(NetworkPath, AnIdleFlowIsForgottenSilently) {
    Bench bench(behind_nat(false));
    const FlowId flow = bench.open();
    bench.run_for(kIdle + seconds(1));
    const Instant sent = bench.clock;
    bench.send(flow, End::client, "too late");
    bench.run();
    EXPECT_EQ(bench.at_server, "");
    EXPECT_EQ(bench.log.back(), "client timed out");
    EXPECT_GT(bench.closed_at - sent, minutes(10));  // TCP tries fifteen times
    EXPECT_EQ(bench.discarded, "too late");
    EXPECT_EQ(bench.network.flows(), 1U);  // the server does not know
    bench.network.abort(bench.clock, flow, End::server);
    bench.run();
    expect_all_freed(bench);
}

TEST(NetworkPath, AMiddleboxMayTellTheDevice) {
    Bench bench(behind_nat(true));
    const FlowId flow = bench.open();
    bench.run_for(kIdle + seconds(1));
    const Instant sent = bench.clock;
    bench.send(flow, End::client, "too late");
    bench.run();
    EXPECT_EQ(bench.log.back(), "client reset");
    EXPECT_EQ((bench.closed_at - sent).ns, (2 * kWay).ns);
}

TEST(NetworkPath, AMiddleboxMayTellTheBroker) {
    Bench bench(behind_nat(true));
    const FlowId flow = bench.open();
    bench.run_for(kIdle + seconds(1));
    const Instant sent = bench.clock;
    bench.send(flow, End::server, "too late");
    bench.run();
    EXPECT_EQ(bench.log.back(), "server reset");
    EXPECT_LT(bench.closed_at - sent, milliseconds(1));
}

TEST(NetworkPath, TrafficInTimeKeepsAFlowAlive) {
    for (const End sender : {End::client, End::server}) {
        Bench bench(behind_nat(false));
        const FlowId flow = bench.open();
        bench.run_for(seconds(1));
        for (int i = 0; i < 100; ++i) {
            bench.send(flow, sender, "x");
            bench.run_for(kIdle - seconds(1));
        }
        EXPECT_EQ(bench.at_server.size() + bench.at_client.size(), 100U);
    }
}

TEST(NetworkPath, ASynAgainIsNewToAMiddlebox) {
    LinkSpec link = behind_nat(false);
    link.nat.idle_timeout = milliseconds(500);  // less than a SYN takes to be sent again
    link.outages = {{Instant{0}, Instant{seconds(10).ns}}};
    link.up.latency = link.down.latency = milliseconds(20);
    Bench bench(link);
    bench.open();
    bench.run_for(seconds(30));
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client open", "server open"}));
}

// --- Partitions, and links that are down ---------------------------------------------------------

TEST(NetworkPath, APartitionHoldsUpWhatIsSentUntilItHeals) {
    Bench bench(plain(kWay));
    const FlowId flow = bench.open();
    bench.run();
    bench.network.set_partition(0, 0, true);
    const Instant sent = bench.clock;
    bench.send(flow, End::client, "up");
    bench.send(flow, End::server, "down");
    bench.run_for(seconds(10));
    EXPECT_EQ(bench.at_server + bench.at_client, "");
    bench.network.set_partition(0, 0, false);
    bench.run();
    EXPECT_EQ(bench.at_server, "up");
    EXPECT_EQ(bench.at_client, "down");
    EXPECT_GT(bench.arrivals.front() - sent, seconds(10));
    EXPECT_LT(bench.arrivals.back() - sent, seconds(30));  // a doubled time-out at most
    EXPECT_EQ(bench.log.size(), 2U);
}

TEST(NetworkPath, NobodyConnectsThroughAPartition) {
    Bench bench(plain(kWay));
    bench.network.set_partition(0, 0, true);
    bench.network.set_partition(0, 7, true);  // another broker does not matter
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, std::vector<std::string>{"client timed out"});
    bench.network.set_partition(0, 0, false);
    bench.log.clear();
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client open", "server open"}));
}

TEST(NetworkPath, ALinkIsDownForOneDeviceOnly) {
    Bench bench(plain(kWay), 1, 2);
    const FlowId first = bench.open(0);
    const FlowId second = bench.open(1);
    bench.run();
    bench.network.set_link_down(0, 0, true);
    bench.send(first, End::client, "0");
    bench.send(second, End::client, "1");
    bench.run_for(seconds(5));
    EXPECT_EQ(bench.at_server, "1");
    bench.network.set_link_down(0, 0, false);
    bench.run();
    EXPECT_EQ(bench.at_server, "10");
}

// --- Shared media --------------------------------------------------------------------------------

TEST(NetworkPath, TwoPopulationsCompeteForAMedium) {
    SharedSpec medium;
    medium.up.bandwidth = 8000.0;  // a thousand bytes a second
    const auto when_the_other_arrives = [&](bool share) {
        Bench bench(plain(kWay));
        LinkSpec link = plain(kWay);
        link.shared = bench.network.add_shared(medium);
        bench.add(1, link);
        bench.add(2, share ? link : plain(kWay));
        const FlowId one = bench.network.open(bench.clock, 1, 0, 0);
        const FlowId two = bench.network.open(bench.clock, 2, 0, 0);
        bench.run();
        bench.run_for(seconds(10));
        const Instant start = bench.clock;
        bench.arrivals.clear();
        bench.send(one, End::client, std::string(948, 'x'));  // 1000 bytes with headers
        bench.send(two, End::client, std::string(948, 'y'));
        bench.run();
        EXPECT_EQ(bench.arrivals.size(), 2U);
        return bench.arrivals.back() - start;
    };
    EXPECT_EQ(when_the_other_arrives(false).ns, (seconds(1) + kWay).ns);
    EXPECT_EQ(when_the_other_arrives(true).ns, (seconds(2) + kWay).ns);
}

TEST(NetworkPath, AMediumOfAnotherWorldIsRefused) {
    Bench bench(plain(kWay));
    LinkSpec link = plain(kWay);
    link.shared = 0;
    EXPECT_THROW(bench.add(1, link), std::invalid_argument);
}

// --- Modems that sleep ---------------------------------------------------------------------------

TEST(NetworkPath, WhatWaitsForASleepingDeviceComesWhenItSends) {
    LinkSpec link = plain(kWay);
    link.sleep.kind = SleepSpec::Kind::psm;
    link.sleep.active = seconds(10);
    link.sleep.window = seconds(2);
    link.sleep.period = hours(1);
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run_for(minutes(5));
    bench.send(flow, End::server, "command");
    bench.run_for(minutes(5));
    EXPECT_EQ(bench.at_client, "");
    const Instant woke = bench.clock;
    bench.send(flow, End::client, "reading");
    bench.run_for(seconds(1));
    EXPECT_EQ(bench.at_client, "command");
    EXPECT_EQ(bench.at_server, "reading");
    EXPECT_LE(*std::max_element(bench.arrivals.begin(), bench.arrivals.end()) - woke, 2 * kWay);
    bench.run();
    EXPECT_EQ(bench.at_client, "command");  // once
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(NetworkPath, ASleepingDeviceHearsAtItsPeriodicUpdate) {
    LinkSpec link = plain(kWay);
    link.sleep.kind = SleepSpec::Kind::psm;
    link.sleep.active = seconds(10);
    link.sleep.window = seconds(2);
    link.sleep.period = minutes(5);
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run_for(minutes(1));
    bench.send(flow, End::server, "command");
    bench.run();
    EXPECT_EQ(bench.at_client, "command");
    EXPECT_GT(bench.arrivals.front(), Instant{} + minutes(5));
    EXPECT_LT(bench.arrivals.front(), Instant{} + minutes(5) + seconds(2));
}

// --- Faults at a byte ----------------------------------------------------------------------------

const std::vector<std::string> kUp{"ab", "cde", "f", "ghij"};
const std::vector<std::string> kDown{"ABC", "D", "EF"};

std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (const std::string& part : parts) all += part;
    return all;
}

/// What of `parts` fits into `bytes` whole.
std::string whole_parts(const std::vector<std::string>& parts, std::size_t bytes) {
    std::string all;
    for (const std::string& part : parts) {
        if (all.size() + part.size() > bytes) break;
        all += part;
    }
    return all;
}

/// Both ends speak: two writes at once, the others apart.
void exchange(Bench& bench, FlowId flow) {
    for (std::size_t i = 0; i < std::max(kUp.size(), kDown.size()); ++i) {
        if (i < kUp.size() && !bench.network.ended(flow, End::client)) {
            bench.send(flow, End::client, kUp[i]);
        }
        if (i < kDown.size() && !bench.network.ended(flow, End::server)) {
            bench.send(flow, End::server, kDown[i]);
        }
        if (i > 0) bench.run_for(milliseconds(70));
    }
    bench.run();
}

struct Strike {
    Fault::Kind kind;
    End sender;
    bool waiting;  // set before there is a connection
};

class Faults : public testing::TestWithParam<Strike> {
   public:
    [[nodiscard]] static const std::vector<std::string>& parts(End sender) {
        return sender == End::client ? kUp : kDown;
    }
    [[nodiscard]] static const std::string& at(const Bench& bench, End receiver) {
        return receiver == End::server ? bench.at_server : bench.at_client;
    }
};

TEST_P(Faults, StrikeAtTheirByteAndLeaveNothingBehind) {
    const Strike& how = GetParam();
    const std::string all = joined(parts(how.sender));
    for (std::size_t n = 0; n <= all.size() + 1; ++n) {
        SCOPED_TRACE("after " + std::to_string(n));
        Bench bench(plain(kWay));
        Fault fault;
        fault.kind = how.kind;
        fault.sender = how.sender;
        fault.after_bytes = n;
        if (how.waiting) bench.network.set_fault(bench.clock, 0, 0, fault);
        const FlowId flow = bench.open();
        bench.run();
        if (!how.waiting) bench.network.set_fault(bench.clock, 0, 0, fault);
        bench.run_for(Duration{0});
        const bool there = bench.network.flows() > 0;
        if (there) exchange(bench, flow);

        const std::string& got = at(bench, other(how.sender));
        if (how.kind == Fault::Kind::stall) {
            EXPECT_EQ(got, whole_parts(parts(how.sender), n));
            EXPECT_EQ(at(bench, how.sender), joined(parts(other(how.sender))));
            EXPECT_EQ(bench.log.size(), 2U);
            bench.network.resume_reading(bench.clock, 0, 0, other(how.sender));
            bench.run();
            EXPECT_EQ(got, all);
        } else {
            EXPECT_EQ(got, all.substr(0, n));
        }
        if (how.kind == Fault::Kind::reset && n <= all.size()) {
            ASSERT_EQ(bench.log.size(), 4U);
            EXPECT_EQ(bench.log[2], "client reset");
            EXPECT_EQ(bench.log[3], "server reset");
            expect_all_freed(bench);
            continue;
        }
        for (const End end : {End::client, End::server}) {
            if (bench.network.flows() > 0) bench.network.abort(bench.clock, flow, end);
        }
        bench.run();
        expect_all_freed(bench);
        // The next connection is a good one.
        if (n > all.size()) bench.network.clear_fault(0, 0);
        bench.log.clear();
        const FlowId next = bench.open();
        bench.run();
        bench.send(next, End::client, "next");
        bench.run();
        EXPECT_EQ(bench.at_server.substr(bench.at_server.size() - 4), "next");
    }
}

std::string name_of(const testing::TestParamInfo<Strike>& which) {
    const char* const kinds[] = {"Reset", "BlackHole", "Stall"};
    const Strike& s = which.param;
    return std::string(kinds[static_cast<std::size_t>(s.kind)]) +
           (s.sender == End::client ? "Up" : "Down") + (s.waiting ? "Waiting" : "Now");
}

std::vector<Strike> strikes() {
    std::vector<Strike> all;
    for (const auto kind : {Fault::Kind::reset, Fault::Kind::black_hole, Fault::Kind::stall}) {
        for (const End sender : {End::client, End::server}) {
            for (const bool waiting : {false, true}) all.push_back({kind, sender, waiting});
        }
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(NetworkPath, Faults, testing::ValuesIn(strikes()), name_of);

TEST(NetworkPath, AStalledReaderClosesItsWindow) {
    Bench bench(plain(kWay));
    const FlowId flow = bench.open();
    bench.run();
    Fault stall;
    stall.kind = Fault::Kind::stall;
    bench.network.set_fault(bench.clock, 0, 0, stall);
    const std::string much(20'000, 'x');
    for (int i = 0; i < 20; ++i) bench.send(flow, End::client, much);
    bench.run_for(minutes(2));
    EXPECT_EQ(bench.at_server, "");
    const std::uint64_t sent = bench.network.traffic(End::client).bytes;
    EXPECT_GT(sent, 20'000U);
    EXPECT_LT(sent, 200'000U);  // the window, and probes
    bench.network.resume_reading(bench.clock, 0, 0, End::server);
    bench.run();
    EXPECT_EQ(bench.at_server.size(), 20 * much.size());
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(NetworkPath, AStalledReaderHearsOfTheEndWhenItReadsOn) {
    Bench bench(plain(kWay));
    const FlowId flow = bench.open();
    bench.run();
    Fault stall;
    stall.kind = Fault::Kind::stall;
    stall.sender = End::server;
    bench.network.set_fault(bench.clock, 0, 0, stall);
    bench.run_for(Duration{0});
    bench.send(flow, End::server, "last words");
    bench.network.close(bench.clock, flow, End::server);
    bench.run_for(minutes(1));
    EXPECT_EQ(bench.log.size(), 2U);
    bench.network.resume_reading(bench.clock, 0, 0, End::client);
    bench.run();
    EXPECT_EQ(bench.at_client, "last words");
    EXPECT_EQ(bench.log.back(), "client closed");
    expect_all_freed(bench);
}

TEST(NetworkPath, ABlackHoleIsBlackBehindAMiddleboxThatTells) {
    Bench bench(behind_nat(true));
    const FlowId flow = bench.open();
    bench.run_for(seconds(1));
    Fault hole;
    hole.kind = Fault::Kind::black_hole;
    bench.network.set_fault(bench.clock, 0, 0, hole);
    bench.run_for(Duration{0});
    bench.send(flow, End::client, "x");
    bench.run();
    EXPECT_EQ(bench.log.back(), "client timed out");
}

TEST(NetworkPath, AFaultGoesWithItsConnection) {
    Bench bench(plain(kWay));
    const FlowId first = bench.open();
    bench.run();
    Fault fault;
    fault.after_bytes = 3;
    bench.network.set_fault(bench.clock, 0, 0, fault);
    bench.send(first, End::client, "ab");
    bench.run();
    bench.network.vanish(bench.clock, first, End::client);  // half-open at the server
    const FlowId second = bench.open();
    bench.run();
    bench.send(second, End::client, "cdefgh");
    bench.run();
    EXPECT_EQ(bench.at_server, "abcdefgh");
}

TEST(NetworkPath, AFaultMayBeTakenBack) {
    Bench bench(plain(kWay));
    Fault fault;
    fault.after_bytes = 1;
    bench.network.set_fault(bench.clock, 0, 0, fault);
    const FlowId flow = bench.open();
    bench.run();
    bench.network.clear_fault(0, 0);
    bench.send(flow, End::client, "whole");
    bench.run();
    EXPECT_EQ(bench.at_server, "whole");
    EXPECT_THROW(bench.network.set_fault(bench.clock, 0, 1, fault), std::invalid_argument);
    EXPECT_THROW(bench.network.clear_fault(0, 1), std::invalid_argument);
}

TEST(NetworkPath, AFaultAtOnceMayBeSetBeforeAnythingHasHappened) {
    Bench bench(plain(kWay));
    bench.open();
    bench.network.set_fault(bench.clock, 0, 0, Fault{});
    bench.run();
    EXPECT_EQ(bench.log, std::vector<std::string>{"client reset"});
    expect_all_freed(bench);
}

/// TLS on top: the bytes of its handshake count, and what was hidden in a record is nothing.
TEST(NetworkPath, FaultsCountTheBytesOfTls) {
    LayersSpec layers;
    layers.tls = TlsSpec{};
    Stream draws(StreamKey::of(1, "meter", "handshakes"), 0, std::uint64_t{1} << 20U);
    const std::uint64_t handshake = opening_script(layers, false, draws).bytes(End::client);
    const std::uint64_t record = sealed(layers, End::client, 5);
    for (std::uint64_t n = 0; n <= handshake + record; n += n < handshake - 3 ? 17 : 1) {
        SCOPED_TRACE("after " + std::to_string(n));
        Bench bench(plain(kWay), 1, 1, {}, layers);
        bench.opened = [&](FlowId flow, End end) {
            if (end == End::client) bench.send(flow, end, "hello");
        };
        Fault fault;
        fault.after_bytes = n;
        bench.network.set_fault(bench.clock, 0, 0, fault);
        bench.open();
        bench.run();
        EXPECT_EQ(bench.at_server, n < handshake + record ? "" : "hello");
        const auto& log = bench.log;
        const bool opened = std::find(log.begin(), log.end(), "server open") != log.end();
        const bool told = std::find(log.begin(), log.end(), "server reset") != log.end();
        EXPECT_EQ(opened, n >= handshake);
        EXPECT_EQ(told, opened);
        expect_all_freed(bench);
    }
}

}  // namespace
}  // namespace mqttwin::net
