#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/network.hpp"
#include "mqttwin/net/path.hpp"

namespace mqttwin::net {
namespace {

/// One device, one broker, and a log of what both ends see.
class Bench : public Sink {
   public:
    explicit Bench(const LinkSpec& link, std::uint64_t seed = 1, std::uint32_t devices = 1)
        : network(queue, pool, seed) {
        network.add_population(0, "meter", 0, devices, link);
        network.set_rank(0, 0);
    }

    bool on_request(Instant, FlowId) override { return listening; }
    void on_opened(Instant now, FlowId, End end) override {
        log.push_back(std::string(end == End::client ? "client" : "server") + " open");
        opened_at[static_cast<std::size_t>(end)] = now;
    }
    void on_bytes(Instant now, FlowId, End receiver, ByteView bytes, const Stamp& stamp) override {
        (receiver == End::server ? at_server : at_client) += as_text(bytes);
        arrivals.push_back(now);
        stamps.push_back(stamp);
    }
    void on_closed(Instant now, FlowId, End end, Ending how) override {
        const char* names[] = {"closed", "reset", "timed out"};
        log.push_back(std::string(end == End::client ? "client " : "server ") +
                      names[static_cast<std::size_t>(how)]);
        closed_at = now;
    }
    void on_discarded(Instant, FlowId, End, ByteView bytes, const Stamp&) override {
        discarded += as_text(bytes);
    }

    void run(Instant until = Instant::never()) {
        while (!queue.empty() && queue.top().at <= until.ns) {
            const sim::Event event = queue.pop();
            clock = {event.at};
            const auto key = sim::EventKey::unpack(event.key);
            network.handle_event(clock, static_cast<FlowEvent>(key.kind), key.detail, 0, key.entity,
                                 *this);
        }
    }
    void send(FlowId flow, End sender, std::string_view text) {
        network.send(clock, flow, sender, pool.make(as_bytes(text)), BlobId::none, {clock, 7, 0});
    }
    FlowId open(std::uint32_t device = 0) { return network.open(clock, 0, device, 0); }

    Instant clock{0};
    BlobPool pool;
    sim::EventQueue queue;
    Network network;
    bool listening = true;
    std::vector<std::string> log;
    std::vector<Instant> arrivals;
    std::vector<Stamp> stamps;
    Instant opened_at[2];
    Instant closed_at;
    std::string at_server;
    std::string at_client;
    std::string discarded;
};

LinkSpec plain(Duration latency = milliseconds(50)) {
    LinkSpec link;
    link.up.latency = latency;
    link.down.latency = latency;
    return link;
}

TEST(Network, HandshakeTakesARoundTripForTheClientAndOneAndAHalfForTheServer) {
    Bench bench(plain());
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client open", "server open"}));
    EXPECT_EQ(bench.opened_at[0].ns, milliseconds(100).ns);
    EXPECT_EQ(bench.opened_at[1].ns, milliseconds(150).ns);
}

TEST(Network, BytesArriveInOrderWholeAndWithTheirStamp) {
    LinkSpec link = plain();
    link.up.jitter = milliseconds(40);
    link.up.jitter_kind = PipeJitter::uniform;
    link.up.loss = 0.2;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    std::string expected;
    for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(i) + ",";
        expected += text;
        bench.send(flow, End::client, text);
        bench.run(bench.clock + milliseconds(10));
    }
    bench.run();
    EXPECT_EQ(bench.at_server, expected);
    for (std::size_t i = 1; i < bench.arrivals.size(); ++i) {
        EXPECT_LE(bench.arrivals[i - 1], bench.arrivals[i]);
    }
    EXPECT_EQ(bench.stamps.front().origin, 7U);
    EXPECT_GT(bench.network.traffic(End::client).lost, 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, LossBecomesDelay) {
    LinkSpec link = plain();
    link.up.loss = 0.5;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    bool delayed = false;
    for (int i = 0; i < 50; ++i) {
        const Instant sent = bench.clock;
        bench.send(flow, End::client, "x");
        bench.run();
        const Duration took = bench.arrivals.back() - sent;
        EXPECT_GE(took, milliseconds(50));
        // 50 ms, or after 300 ms, 900 ms, 2.1 s ... of retransmission time-outs.
        if (took > milliseconds(50)) {
            delayed = true;
            EXPECT_EQ((took - milliseconds(50)).ns % milliseconds(300).ns, 0);
        }
    }
    EXPECT_TRUE(delayed);
    EXPECT_EQ(bench.at_server.size(), 50U);
}

TEST(Network, ALinkThatLosesEverythingFailsTheConnect) {
    LinkSpec dead = plain();
    dead.up.loss = 0.999999999;
    Bench lossy(dead);
    lossy.open();
    lossy.run();
    EXPECT_EQ(lossy.log, (std::vector<std::string>{"client timed out"}));
    // SYN at 0, 1, 3, 7, 15, 31, 63 s; given up 64 s after the last.
    EXPECT_EQ(lossy.closed_at.ns, seconds(127).ns);
    EXPECT_EQ(lossy.network.flows(), 0U);
}

TEST(Network, WhatCannotGetThroughForLongBreaksTheConnection) {
    LinkSpec link = plain();
    link.up.loss = 0.95;  // some handshake makes it, and some write does not
    bool seen = false;
    for (std::uint64_t seed = 0; seed < 400 && !seen; ++seed) {
        Bench bench(link, seed);
        const FlowId flow = bench.open();
        bench.run();
        if (bench.log.size() < 2 || bench.log[1] != "server open") continue;
        for (int i = 0; i < 20 && !seen; ++i) {
            if (bench.network.ended(flow, End::client)) break;
            bench.send(flow, End::client, "x");
            bench.send(flow, End::client, "y");
            bench.run();
            if (bench.log.back() != "client timed out") continue;
            seen = true;
            EXPECT_FALSE(bench.discarded.empty());
            EXPECT_EQ(bench.pool.live(), 0U);
            EXPECT_EQ(bench.network.flows(), 1U);  // half-open: the server does not know
        }
    }
    EXPECT_TRUE(seen);
}

TEST(Network, FinArrivesAfterWhatWasSentBefore) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.send(flow, End::client, "last words");
    bench.network.close(bench.clock, flow, End::client);
    bench.run();
    EXPECT_EQ(bench.at_server, "last words");
    EXPECT_EQ(bench.log.back(), "server closed");
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, WhatIsSentToAnEndThatVanishedIsDiscardedWithoutAnAnswer) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.network.vanish(bench.clock, flow, End::client);
    bench.send(flow, End::server, "hello?");
    bench.run();
    EXPECT_EQ(bench.discarded, "hello?");
    EXPECT_EQ(bench.log.size(), 2U);  // nobody was told
    EXPECT_EQ(bench.network.flows(), 1U);
    bench.network.abort(bench.clock, flow, End::server);
    bench.run();
    EXPECT_EQ(bench.network.flows(), 0U);
}

TEST(Network, DataForAClosedEndIsAnsweredWithAReset) {
    Bench bench(plain());
    const FlowId flow = bench.open();
    bench.run();
    bench.network.abort(bench.clock, flow, End::client);
    bench.send(flow, End::server, "late");
    bench.run();
    EXPECT_EQ(bench.discarded, "late");
    EXPECT_EQ(bench.log.back(), "server reset");
    EXPECT_EQ(bench.network.flows(), 0U);
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(Network, AHostWhereNobodyListensRefuses) {
    Bench bench(plain());
    bench.listening = false;
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log, (std::vector<std::string>{"client reset"}));
    EXPECT_EQ(bench.closed_at.ns, milliseconds(100).ns);
    EXPECT_EQ(bench.network.flows(), 0U);
}

TEST(Network, ADeviceMayHaveAnOldConnectionBesideItsNewOne) {
    Bench bench(plain());
    const FlowId first = bench.open();
    bench.run();
    bench.send(first, End::client, "old ");
    bench.network.vanish(bench.clock, first, End::client);
    const FlowId second = bench.open();
    bench.run();
    bench.send(second, End::client, "new");
    bench.run();
    EXPECT_EQ(bench.at_server, "old new");
    EXPECT_EQ(bench.network.flows(), 2U);
}

TEST(Network, BandwidthSpacesPacketsOut) {
    LinkSpec link = plain();
    link.up.bandwidth = 8000.0;  // a thousand bytes a second
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    bench.clock = bench.clock + seconds(10);
    const Instant start = bench.clock;
    bench.arrivals.clear();
    bench.send(flow, End::client, std::string(948, 'x'));  // 1000 bytes with headers
    bench.send(flow, End::client, std::string(948, 'y'));
    bench.run();
    ASSERT_EQ(bench.arrivals.size(), 2U);
    EXPECT_EQ((bench.arrivals[0] - start).ns, (seconds(1) + milliseconds(50)).ns);
    EXPECT_EQ((bench.arrivals[1] - start).ns, (seconds(2) + milliseconds(50)).ns);
}

TEST(Network, AFullQueueCostsARetransmission) {
    LinkSpec link = plain();
    link.up.bandwidth = 8000.0;
    link.up.queue_bytes = 2500;
    Bench bench(link);
    const FlowId flow = bench.open();
    bench.run();
    bench.clock = bench.clock + seconds(10);
    for (int i = 0; i < 3; ++i) bench.send(flow, End::client, std::string(948, 'x'));
    bench.run();
    EXPECT_EQ(bench.at_server.size(), 3U * 948U);
    EXPECT_EQ(bench.network.traffic(End::client).lost, 1U);
}

TEST(Network, DrawsOfADeviceDoNotDependOnOthers) {
    LinkSpec link = plain();
    link.up.loss = 0.3;
    link.up.jitter = milliseconds(20);
    link.up.jitter_kind = PipeJitter::normal;
    const auto arrivals_of_device_zero = [&](std::uint32_t devices) {
        Bench bench(link, 42, devices);
        const FlowId flow = bench.open(0);
        if (devices > 1) bench.open(1);
        bench.run();
        std::vector<std::int64_t> out;
        for (int i = 0; i < 100; ++i) {
            const Instant sent = bench.clock;
            bench.send(flow, End::client, "x");
            bench.run();
            out.push_back((bench.arrivals.back() - sent).ns);
        }
        return out;
    };
    EXPECT_EQ(arrivals_of_device_zero(1), arrivals_of_device_zero(2));
}

TEST(Path, TheUnluckiestOfManyPacketsIsLostMoreOften) {
    EXPECT_EQ(fate_of(0.6, 0.5, 1, seconds(1), 15).losses, 0U);
    EXPECT_EQ(fate_of(0.3, 0.5, 1, seconds(1), 15).losses, 1U);
    EXPECT_EQ(fate_of(0.2, 0.5, 1, seconds(1), 15).losses, 2U);
    EXPECT_EQ(fate_of(0.2, 0.5, 1, seconds(1), 15).delay, seconds(3));
    EXPECT_GT(fate_of(0.3, 0.5, 100, seconds(1), 15).losses, 1U);
    EXPECT_TRUE(fate_of(0.0, 0.5, 1, seconds(1), 6).given_up);
    EXPECT_EQ(fate_of(0.0, 0.5, 1, seconds(1), 6).delay, seconds(127));
    EXPECT_FALSE(fate_of(0.0, 0.0, 1, seconds(1), 6).given_up);
}

TEST(Path, SegmentsCountWholePackets) {
    EXPECT_EQ(segments_of(0, 1500), 1U);
    EXPECT_EQ(segments_of(1448, 1500), 1U);
    EXPECT_EQ(segments_of(1449, 1500), 2U);
}

}  // namespace
}  // namespace mqttwin::net
