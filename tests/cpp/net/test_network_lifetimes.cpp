// However flows end, nothing is left of them: each message arrives or is given up, once; each end
// is told once; flows and blobs go back.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

constexpr std::uint32_t kDevices = 3;

/// A flow as the owners of its ends know it: by when it was opened, for numbers of flows are given
/// again as soon as the network has done with them, which is its own affair.
struct Known {
    FlowId id = 0;
    std::array<bool, 2> opened{};
    std::array<bool, 2> ended{};
};

class Owners : public Sink {
   public:
    Owners(const LinkSpec& link, std::uint64_t seed, bool quiet)
        : random(StreamKey::of(seed, "lifetimes", "choices"), 0), network(queue, pool, seed) {
        network.add_population(0, "meter", 0, kDevices, link);
        network.set_rank(0, 0);
        network.set_quiet(quiet);
    }

    bool on_request(Instant, FlowId) override { return !random.chance(0.1); }
    void on_opened(Instant now, FlowId id, End end) override {
        Known& flow = at(id);
        tell(now, id, end, "opened");
        EXPECT_FALSE(flow.opened[side(end)]);
        EXPECT_FALSE(flow.ended[side(end)]);
        flow.opened[side(end)] = true;
        if (random.chance(0.5)) send(id, end);
    }
    void on_bytes(Instant now, FlowId id, End end, ByteView bytes, const Stamp& stamp) override {
        Known& flow = at(id);
        tell(now, id, end,
             "got " + std::to_string(stamp.sequence) + "+" + std::to_string(bytes.size()));
        EXPECT_TRUE(flow.opened[side(end)]);
        EXPECT_FALSE(flow.ended[side(end)]);
        EXPECT_EQ(under_way.erase(stamp.sequence), 1U) << "arrived twice, or given up before";
        if (random.chance(0.4)) act(id, end);
    }
    void on_closed(Instant now, FlowId id, End end, Ending how) override {
        Known& flow = at(id);
        tell(now, id, end, "closed " + std::to_string(static_cast<int>(how)));
        EXPECT_FALSE(flow.ended[side(end)]);
        EXPECT_TRUE(end == End::client || flow.opened[side(end)]);
        flow.ended[side(end)] = true;
    }
    void on_discarded(Instant, FlowId, End, ByteView, const Stamp& stamp) override {
        EXPECT_EQ(under_way.erase(stamp.sequence), 1U) << "given up twice, or after it arrived";
    }

    void open(std::uint32_t device) {
        const FlowId id = network.open(clock, 0, device, 0);
        if (latest.size() <= id) latest.resize(id + std::size_t{1});
        latest[id] = flows.size();
        flows.emplace_back();
        flows.back().id = id;
    }
    void send(FlowId id, End end) {
        const std::uint64_t most = random.chance(0.1) ? 5'000 : 120;
        const std::string text(1 + random.below(most), 'x');
        const Stamp stamp{clock, 0, ++sent};
        under_way.insert(sent);
        network.send(clock, id, end, pool.make(as_bytes(text)), BlobId::none, text.size(), stamp);
    }
    /// What an owner may do with an end that has not ended.
    void act(FlowId id, End end) {
        if (at(id).ended[side(end)]) return;
        const std::uint64_t choice = random.below(20);
        if (choice >= 4) {
            if (at(id).opened[side(end)]) send(id, end);
            return;
        }
        if (end == End::server && !at(id).opened[1]) return;  // it knows of none yet
        at(id).ended[side(end)] = true;
        if (choice == 0) network.vanish(clock, id, end);
        if (choice == 1) network.abort(clock, id, end);
        if (choice >= 2) network.close(clock, id, end);
    }
    void act_at_random() {
        if (flows.empty()) return;
        // One of the last few, for most others have ended.
        const std::uint64_t back = random.below(std::min<std::size_t>(flows.size(), 8));
        const Known& flow = flows[flows.size() - 1 - back];
        const End end = random.chance(0.5) ? End::client : End::server;
        if (latest[flow.id] == flows.size() - 1 - back) act(flow.id, end);
    }
    void end_all() {
        for (FlowId id = 0; id < latest.size(); ++id) {
            for (const End end : {End::client, End::server}) {
                if (at(id).ended[side(end)]) continue;
                if (end == End::server && !at(id).opened[1]) continue;
                at(id).ended[side(end)] = true;
                network.close(clock, id, end);
            }
        }
    }
    void run(Instant until) {
        while (!queue.empty() && queue.top().at <= until.ns) {
            const sim::Event event = queue.pop();
            ASSERT_GE(event.at, clock.ns)
                << "kind " << static_cast<unsigned>(sim::EventKey::unpack(event.key).kind);
            clock = {event.at};
            const auto key = sim::EventKey::unpack(event.key);
            network.handle_event(clock, static_cast<FlowEvent>(key.kind), key.detail, 0, key.entity,
                                 *this);
            ASSERT_LT(++events, 1'000'000) << "it never comes to rest";
        }
        clock = max(clock, until);
    }
    std::size_t in_transit() const {
        std::size_t count = 0;
        network.for_each_in_transit([&](std::uint32_t, End, ByteView, const Stamp&) { ++count; });
        return count;
    }

    static constexpr std::size_t side(End end) { return static_cast<std::size_t>(end); }
    Known& at(FlowId id) { return flows.at(latest.at(id)); }
    void tell(Instant now, FlowId id, End end, const std::string& what) {
        story += std::to_string(now.ns) + " flow " + std::to_string(latest.at(id)) +
                 (end == End::client ? " client " : " server ") + what + "\n";
    }

    Stream random;
    Instant clock{0};
    BlobPool pool;
    sim::EventQueue queue;
    Network network;
    std::vector<Known> flows;
    std::vector<std::size_t> latest;  // of each number: the last of `flows` that had it
    std::set<std::uint64_t> under_way;
    std::uint32_t sent = 0;
    int events = 0;
    std::string story;
};

LinkSpec some_link(Stream& random) {
    LinkSpec link = plain(milliseconds(1 + static_cast<std::int64_t>(random.below(300))));
    if (random.chance(0.7)) link.up.loss = link.down.loss = 0.3 * random.unit();
    if (random.chance(0.3)) {
        link.up.jitter = link.down.jitter = milliseconds(40);
        link.up.jitter_kind = link.down.jitter_kind = PipeJitter::uniform;
        link.up.reorder = link.down.reorder = random.chance(0.5);
    }
    if (random.chance(0.2)) link.up.bandwidth = link.down.bandwidth = 30'000;
    if (random.chance(0.2)) link.tcp.profile = TcpProfileKind::embedded;
    return link;
}

std::string live(std::uint64_t seed, bool quiet) {
    Stream random(StreamKey::of(seed, "lifetimes", "shape"), 0);
    Owners world(some_link(random), seed, quiet);
    for (int i = 0; i < 150; ++i) {
        if (random.chance(0.15)) world.open(static_cast<std::uint32_t>(random.below(kDevices)));
        world.act_at_random();
        const std::uint64_t most = random.chance(0.2) ? 20'000 : 500;
        world.run(world.clock + milliseconds(static_cast<std::int64_t>(random.below(most))));
        EXPECT_EQ(world.in_transit(), world.under_way.size()) << world.clock.ns;
        if (testing::Test::HasFailure()) return world.story;
    }
    world.end_all();
    world.run(world.clock + hours(2));
    world.end_all();  // a server that was opened since
    world.run(world.clock + hours(2));
    EXPECT_TRUE(world.queue.empty());
    EXPECT_TRUE(world.under_way.empty());
    EXPECT_EQ(world.pool.live(), 0U);
    EXPECT_EQ(world.network.flows(), 0U);
    return world.story;
}

// A write that meets nobody is repeated until TCP gives up, also when it was a quiet one.
TEST(NetworkLifetimes, AQuietWriteToAnEndThatVanishedTimesOut) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.run(bench.clock + minutes(1));
    bench.network.vanish(bench.clock, flow, End::client);
    bench.send(flow, End::server, "hello?");
    bench.run();
    EXPECT_EQ(bench.log.back(), "server timed out");
    EXPECT_GT(bench.network.traffic(End::server).retransmitted, 10U);
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_TRUE(bench.queue.empty());
}

// Whoever closed need not wait for the FIN of an end that timed out or vanished.
TEST(NetworkLifetimes, AClosedEndDoesNotWaitForOneThatIsGone) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.network.close(bench.clock, flow, End::client);
    bench.run(bench.clock + milliseconds(75));  // the FIN has arrived, its ACK is on the way
    EXPECT_EQ(bench.log.back(), "server closed");
    bench.network.vanish(bench.clock, flow, End::server);
    bench.run();
    EXPECT_EQ(bench.network.flows(), 0U);
}

TEST(NetworkLifetimes, NothingIsLeftHoweverFlowsEnd) {
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const std::string story = live(seed, true);
        if (HasFailure())
            FAIL() << story.substr(story.size() - std::min<std::size_t>(story.size(), 1500));
        ASSERT_EQ(story, live(seed, false));
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace mqttwin::net
