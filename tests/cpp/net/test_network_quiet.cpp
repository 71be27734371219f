// The quiet exchange is a shortcut: nobody can tell that it is taken.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

/// Every packet, with its numbers and its fate.
class Log : public Tap {
   public:
    void on_packet(Instant now, FlowId, End sender, const tcp::Segment& s,
                   const Passage& passage) override {
        story += std::to_string(now.ns) + (sender == End::client ? " >" : " <") +
                 (s.syn ? "S" : "") + (s.fin ? "F" : "") + (s.reset ? "R" : "") + " " +
                 std::to_string(s.seq) + "+" + std::to_string(s.length) + " ack " +
                 std::to_string(s.ack) + " win " + std::to_string(s.window) + " ts " +
                 std::to_string(s.ts_value) + "/" + std::to_string(s.ts_echo) + " sack " +
                 std::to_string(s.sacks) +
                 (passage.fate == Passage::Fate::arrives ? "\n" : " lost\n");
    }
    void on_written(Instant, FlowId, End, std::uint32_t, BlobId, BlobId) override {}
    void on_written(Instant, FlowId, End, std::uint32_t, ByteView) override {}
    void on_flow_freed(FlowId) override {}
    std::string story;
};

/// The same for each flow: what two of them do at one instant has no order.
class PacketsByFlow : public Tap {
   public:
    explicit PacketsByFlow(std::size_t flows) : of(flows) {}
    void on_packet(Instant now, FlowId flow, End sender, const tcp::Segment& segment,
                   const Passage& passage) override {
        of[flow].on_packet(now, flow, sender, segment, passage);
    }
    void on_written(Instant, FlowId, End, std::uint32_t, BlobId, BlobId) override {}
    void on_written(Instant, FlowId, End, std::uint32_t, ByteView) override {}
    void on_flow_freed(FlowId) override {}
    std::vector<Log> of;
};

struct Seen {
    std::string story;
    std::uint64_t events = 0;
};

/// What was sent, when all is over and nothing is left.
std::string sum_up(const Bench& bench, std::uint64_t seed) {
    EXPECT_EQ(bench.pool.live(), 0U) << "seed " << seed;
    EXPECT_EQ(bench.network.flows(), 0U) << "seed " << seed;
    std::string story;
    for (const End end : {End::client, End::server}) {
        const Traffic t = bench.network.traffic(end);
        story += std::to_string(t.packets) + " " + std::to_string(t.bytes) + " " +
                 std::to_string(t.lost) + " " + std::to_string(t.retransmitted) + "\n";
    }
    return story;
}

/// A random conversation, told.
Seen converse(std::uint64_t seed, bool quiet) {
    Stream random(StreamKey::of(seed, "conversation", "shape"), 0);
    LinkSpec link = plain(milliseconds(1 + static_cast<std::int64_t>(random.below(400))));
    link.down.latency = milliseconds(1 + static_cast<std::int64_t>(random.below(400)));
    if (random.chance(0.6)) link.up.loss = link.down.loss = 0.15 * random.unit();
    if (random.chance(0.4)) {
        link.up.jitter = link.down.jitter =
            milliseconds(static_cast<std::int64_t>(random.below(60)));
        link.up.jitter_kind = link.down.jitter_kind = PipeJitter::uniform;
        link.up.reorder = link.down.reorder = random.chance(0.5);
    }
    if (random.chance(0.3)) link.up.bandwidth = link.down.bandwidth = 20'000;
    Bench bench(link, seed);
    Log packets;
    bench.network.set_tap(&packets);
    bench.network.set_quiet(quiet);

    const std::uint64_t answering = random.below(5);
    const std::int64_t pause = 1 + static_cast<std::int64_t>(random.below(3'000));
    std::string& story = packets.story;
    bench.received = [&](FlowId flow, End end, const std::string& text) {
        story += std::to_string(bench.clock.ns) + (end == End::server ? " got " : " heard ") +
                 std::to_string(text.size()) + "\n";
        if (text[0] != '?' || text.size() % 4 >= answering) return;
        bench.send(flow, end, "!" + std::string(text.size() % 90, 'a'));
        if (text.size() % 7 == 0) bench.send(flow, end, "!and more");
    };
    const FlowId flow = bench.open();
    bench.run(bench.clock + seconds(20));
    for (int i = 0; i < 60; ++i) {
        const End end = random.chance(0.7) ? End::client : End::server;
        const std::string kind = random.chance(0.6) ? "?" : ".";
        const std::uint64_t most = random.chance(0.05) ? 6'000 : 200;
        const std::string text = kind + std::string(random.below(most), 'x');
        const bool soon = random.chance(0.2);
        const std::uint64_t wait = random.below(soon ? 20 : static_cast<std::uint64_t>(pause));
        // Several in a row while an answer to an earlier one may be under way.
        for (int left = random.chance(0.15) ? 3 : 1; left > 0; --left) {
            const bool open = bench.log.size() == 2 && !bench.network.ended(flow, end);
            if (open) bench.send(flow, end, text);
            bench.run(bench.clock + milliseconds(static_cast<std::int64_t>(random.below(30))));
        }
        bench.run(bench.clock + milliseconds(static_cast<std::int64_t>(wait)));
    }
    bench.run(bench.clock + minutes(30));
    // Also one whose server has given up, for no ACK of its SYN came through.
    if (!bench.network.ended(flow, End::client)) {
        bench.network.close(bench.clock, flow, End::client);
    }
    bench.run();
    for (const std::string& line : bench.log) story += line + "\n";
    story += sum_up(bench, seed);
    return {story, bench.events};
}

using Play = Seen(std::uint64_t seed, bool quiet);

/// The same with the shortcut as without it, for at most that share of the events.
void expect_nobody_can_tell(Play& play, std::uint64_t seeds, std::uint64_t most_percent) {
    std::uint64_t quiet_events = 0;
    std::uint64_t loud_events = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const Seen quiet = play(seed, true);
        const Seen loud = play(seed, false);
        ASSERT_EQ(quiet.story, loud.story) << "seed " << seed;
        quiet_events += quiet.events;
        loud_events += loud.events;
    }
    EXPECT_LT(quiet_events * 100, loud_events * most_percent);
}

TEST(NetworkQuiet, NobodyCanTell) {
    expect_nobody_can_tell(converse, 400, 90);
    // The first in which a flight once remembered the path while only an ACK was owed.
    constexpr std::uint64_t kRare = 30'632;
    EXPECT_EQ(converse(kRare, true).story, converse(kRare, false).story);
}

/// A stream of small messages to a device nearby, closer together than a timer's tick, told.
Seen stream(std::uint64_t seed, bool quiet) {
    Stream random(StreamKey::of(seed, "stream", "shape"), 0);
    LinkSpec link = plain(microseconds(50 + static_cast<std::int64_t>(random.below(8'000))));
    link.up.latency = microseconds(50 + static_cast<std::int64_t>(random.below(8'000)));
    if (random.chance(0.5)) link.up.loss = link.down.loss = 0.1 * random.unit();
    Bench bench(link, seed);
    Log packets;
    bench.network.set_tap(&packets);
    bench.network.set_quiet(quiet);
    const FlowId flow = bench.open();
    bench.run(bench.clock + seconds(5));
    const std::uint64_t pause = 1 + random.below(4'000);
    const std::uint64_t burst = 20 + random.below(200);
    for (int i = 0; i < 400; ++i) {
        const bool open = bench.log.size() == 2 && !bench.network.ended(flow, End::server);
        if (open) bench.send(flow, End::server, std::string(1 + random.below(200), 'x'));
        const bool over = random.below(burst) == 0;  // time for timers
        const std::uint64_t wait = random.below(over ? 500'000 : pause);
        bench.run(bench.clock + microseconds(static_cast<std::int64_t>(wait)));
    }
    bench.run(bench.clock + minutes(30));
    std::string story = packets.story;
    for (const std::string& line : bench.log) story += line + "\n";
    return {story, bench.events};
}

TEST(NetworkQuiet, NobodyCanTellOfAStream) { expect_nobody_can_tell(stream, 200, 75); }

/// Requests a few milliseconds apart, and answers at once, told: an ACK that is owed is mostly
/// carried by the next request.
Seen dialogue(std::uint64_t seed, bool quiet) {
    Stream random(StreamKey::of(seed, "dialogue", "shape"), 0);
    const auto latency = [&] {
        const std::uint64_t most = random.chance(0.5) ? 1 : random.chance(0.5) ? 3'000 : 60'000;
        return microseconds(static_cast<std::int64_t>(random.below(most)));
    };
    LinkSpec link = plain(latency());
    link.down.latency = latency();
    if (random.chance(0.3)) link.up.loss = link.down.loss = 0.03 * random.unit();
    if (random.chance(0.2)) {
        link.up.jitter = link.down.jitter =
            microseconds(static_cast<std::int64_t>(random.below(50'000)));
        link.up.jitter_kind = link.down.jitter_kind = PipeJitter::uniform;
    }
    Bench bench(link, seed);
    Log packets;
    bench.network.set_tap(&packets);
    bench.network.set_quiet(quiet);
    const double answering = random.chance(0.5) ? 1.0 : random.unit();
    const End asking = random.chance(0.5) ? End::server : End::client;
    bench.received = [&](FlowId flow, End end, const std::string& text) {
        packets.story += std::to_string(bench.clock.ns) +
                         (end == End::server ? " got " : " heard ") + std::to_string(text.size()) +
                         "\n";
        if (end == asking || !random.chance(answering)) return;
        bench.send(flow, end, std::string(random.chance(0.9) ? 4 : 4'000, 'a'));
    };
    const FlowId flow = bench.open();
    bench.run(bench.clock + seconds(5));
    const std::uint64_t pause = random.chance(0.5) ? 20'000 : 90'000;
    for (int i = 0; i < 300; ++i) {
        const End end = random.chance(0.03) ? other(asking) : asking;
        const bool open = bench.log.size() == 2 && !bench.network.ended(flow, end);
        const std::uint64_t size = random.chance(0.02) ? 5'000 : 1 + random.below(200);
        if (open) bench.send(flow, end, std::string(size, 'q'));
        const std::uint64_t wait = random.below(random.chance(0.03) ? 500'000 : pause);
        bench.run(bench.clock + microseconds(static_cast<std::int64_t>(wait)));
    }
    if (random.chance(0.3) && !bench.network.ended(flow, asking)) {
        bench.network.close(bench.clock, flow, asking);
    }
    bench.run(bench.clock + minutes(30));
    std::string story = packets.story;
    for (const std::string& line : bench.log) story += line + "\n";
    return {story, bench.events};
}

TEST(NetworkQuiet, NobodyCanTellOfADialogue) { expect_nobody_can_tell(dialogue, 400, 85); }

/// Many devices at once and a few for long, told connection by connection: they take over each
/// other's records, and now and then somebody pulls the plug of one.
Seen crowd(std::uint64_t seed, bool quiet) {
    constexpr std::uint32_t kDevices = 40;
    Stream random(StreamKey::of(seed, "crowd", "shape"), 0);
    LinkSpec link = plain(milliseconds(1 + static_cast<std::int64_t>(random.below(120))));
    link.up.latency = milliseconds(1 + static_cast<std::int64_t>(random.below(120)));
    if (random.chance(0.5)) link.up.loss = link.down.loss = 0.05 * random.unit();
    if (random.chance(0.3)) link.up.bandwidth = link.down.bandwidth = 50'000;
    Bench bench(link, seed, kDevices);
    PacketsByFlow packets(kDevices);
    bench.network.set_tap(&packets);
    bench.network.set_quiet(quiet);
    bench.received = [&](FlowId flow, End end, const std::string& text) {
        packets.of[flow].story += std::to_string(bench.clock.ns) +
                                  (end == End::server ? " got " : " heard ") +
                                  std::to_string(text.size()) + "\n";
        if (text.size() % 3 == 0) bench.send(flow, end, std::string(4, 'a'));
    };
    for (std::uint32_t device = 0; device < kDevices; ++device) (void)bench.open(device);
    bench.run(bench.clock + seconds(20));
    const auto say = [&](std::uint32_t device) {
        const End end = random.chance(0.7) ? End::client : End::server;
        const std::string text(1 + random.below(120), 'x');
        const FlowId flow = bench.network.newest(0, device);
        if (flow != kNoFlow && !bench.network.ended(flow, end)) bench.send(flow, end, text);
    };
    for (int i = 0; i < 400; ++i) {
        const bool everybody = random.chance(0.03);
        for (std::uint32_t device = 0; everybody && device < kDevices; ++device) say(device);
        say(static_cast<std::uint32_t>(random.below(random.chance(0.5) ? 3 : kDevices)));
        if (random.chance(0.05)) {
            const auto victim = static_cast<std::uint32_t>(random.below(kDevices));
            bench.network.set_link_down(0, victim, random.chance(0.4));
        }
        const std::uint64_t wait = random.below(random.chance(0.1) ? 2'000 : 60);
        bench.run(bench.clock + milliseconds(static_cast<std::int64_t>(wait)));
    }
    bench.run(bench.clock + minutes(30));
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        bench.network.set_link_down(0, device, false);
        const FlowId flow = bench.network.newest(0, device);
        // A server may not have heard yet that its client has given up.
        for (const End end : {End::client, End::server}) {
            if (flow == kNoFlow || bench.network.ended(flow, end)) continue;
            bench.network.close(bench.clock, flow, end);
        }
    }
    bench.run();
    std::string story;
    for (const Log& log : packets.of) story += log.story + "\n";
    story += sum_up(bench, seed);
    return {story, bench.events};
}

TEST(NetworkQuiet, NobodyCanTellOfACrowd) { expect_nobody_can_tell(crowd, 60, 80); }

/// The device comes nearer, and is sent so many messages at once; and so many when the first ACK is
/// on its way, of which the last two are lost.
std::string approach(std::int64_t first, std::int64_t more, bool quiet) {
    constexpr Duration kFar = milliseconds(200);
    constexpr Duration kNear = milliseconds(1);
    constexpr Duration kPause = microseconds(20);
    constexpr Duration kFirst = milliseconds(10'200);
    constexpr Duration kMore = kFirst + microseconds(1'500);
    LinkSpec link = plain(kNear);
    link.down.curve.points = {
        {seconds(0), kFar, 0.0},
        {seconds(10), kNear, 0.0},
        {kMore + kPause * (more - 2), kNear, 1.0},
        {milliseconds(10'210), kNear, 0.0},
    };
    Bench bench(link, 1);
    Log packets;
    bench.network.set_tap(&packets);
    bench.network.set_quiet(quiet);
    const FlowId flow = bench.open();
    const auto send = [&](Duration at, std::string_view text) {
        bench.run(Instant{at.ns});
        bench.send(flow, End::server, text);
    };
    for (int i = 1; i < 9; ++i) send(seconds(i), "how far");
    send(seconds(9), std::string(60'000, 'f'));  // its window is wide then
    for (std::int64_t i = 0; i < first; ++i) send(kFirst + kPause * i, "near");
    for (std::int64_t i = 0; i < more; ++i) send(kMore + kPause * i, "near");
    bench.run(bench.clock + minutes(1));
    return packets.story;
}

TEST(NetworkQuiet, AcknowledgementsMakeTimersSooner) {
    for (const auto& [first, more] : {std::pair{0, 3}, {0, 9}, {0, 18}, {3, 15}, {9, 9}}) {
        const std::string quiet = approach(first, more, true);
        EXPECT_EQ(quiet, approach(first, more, false)) << first << " and " << more;
        EXPECT_NE(quiet.find(" lost"), std::string::npos) << first << " and " << more;
    }
}

/// Each uses its own record again, long after the last time and soon after it.
TEST(NetworkQuiet, WhatHasSettledIsForgotten) {
    constexpr std::uint32_t kDevices = 12;
    Bench bench(plain(), 1, kDevices);
    for (std::uint32_t device = 0; device < kDevices; ++device) (void)bench.open(device);
    bench.run(bench.clock + seconds(1));
    const auto say = [&](int rounds) {
        for (int i = 0; i < rounds; ++i) {
            for (std::uint32_t device = 0; device < kDevices; ++device) {
                bench.send(bench.network.newest(0, device), End::client, "twenty-one degrees");
                bench.run(bench.clock + microseconds(9'100));
            }
        }
    };
    say(3);
    const std::size_t before = bench.network.footprint();
    say(2'000);
    EXPECT_EQ(bench.network.footprint(), before);
}

/// Who comes after a crowd needs a few records, also if each uses its own again.
TEST(NetworkQuiet, ACrowdLeavesFewRecords) {
    constexpr std::uint32_t kDevices = 100;
    Bench bench(plain(), 1, kDevices);
    for (std::uint32_t device = 0; device < kDevices; ++device) (void)bench.open(device);
    bench.run(bench.clock + seconds(1));
    const auto send = [&](std::uint32_t device) {
        bench.send(bench.network.newest(0, device), End::client, "twenty-one degrees");
    };
    for (std::uint32_t device = 0; device < kDevices; ++device) send(device);
    EXPECT_EQ(bench.network.at_work(), kDevices);
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        bench.run(bench.clock + seconds(1));
        send(device);
    }
    EXPECT_LE(bench.network.at_work(), 16U);
}

TEST(NetworkQuiet, AMessageOnAnIdleConnectionCostsOneEvent) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    for (int i = 0; i < 20; ++i) {
        bench.run(bench.clock + seconds(10));
        const std::uint64_t before = bench.events;
        bench.send(flow, End::client, "twenty-one degrees");
        bench.run();
        EXPECT_EQ(bench.events - before, 1U);
    }
    EXPECT_EQ(bench.network.traffic(End::server).packets, 21U);  // SYN-ACK, and an ACK for each
}

}  // namespace
}  // namespace mqttwin::net
