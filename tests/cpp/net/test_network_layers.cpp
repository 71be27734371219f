// TLS and WebSocket over the network: round trips, bytes, and what goes wrong on the way.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "network_bench.hpp"

namespace mqttwin::net {
namespace {

constexpr Duration kWay = milliseconds(50);

LayersSpec tls(TlsVersion version, bool resumption = false) {
    LayersSpec layers;
    layers.tls = TlsSpec{};
    layers.tls->version = version;
    layers.tls->resumption = resumption;
    return layers;
}

LayersSpec websocket() {
    LayersSpec layers;
    layers.websocket = WebSocketSpec{};
    return layers;
}

LayersSpec both() {
    LayersSpec layers = tls(TlsVersion::v1_3);
    layers.websocket = WebSocketSpec{};
    return layers;
}

/// Bytes of each end's stream, counted once.
class Meter : public Tap {
   public:
    void on_packet(Instant, FlowId flow, End sender, const tcp::Segment& segment,
                   const Passage&) override {
        if (flow != last) end_ = {1, 1};
        last = flow;
        const std::uint32_t end = segment.seq + segment.length;
        std::uint32_t& seen = end_[index_of(sender)];
        if (segment.length == 0 || !tcp::after(end, seen)) return;
        bytes[index_of(sender)] += end - seen;
        seen = end;
    }
    void on_written(Instant, FlowId, End, std::uint32_t, ByteView, ByteView) override {}
    void on_flow_freed(FlowId flow) override {
        if (flow == last) last = kNoFlow;
    }

    std::array<std::uint64_t, 2> bytes{};
    FlowId last = kNoFlow;

   private:
    std::array<std::uint32_t, 2> end_{1, 1};
};

class LayersBench : public Bench {
   public:
    explicit LayersBench(const LayersSpec& layers, const LinkSpec& link = plain(kWay),
                         std::uint64_t seed = 1, std::uint32_t devices = 1)
        : Bench(link, seed, devices, {}, layers), layers_(layers), seed_(seed) {
        network.set_tap(&meter);
    }
    [[nodiscard]] Script script(std::uint64_t attempt, bool resumed) const {
        Stream draws(StreamKey::of(seed_, "meter", "handshakes"), 0, attempt << 20U);
        return opening_script(layers_, resumed, draws);
    }
    void expect_all_freed() {
        EXPECT_EQ(network.flows(), 0U);
        EXPECT_EQ(pool.live(), 0U);
    }

    Meter meter;

   private:
    LayersSpec layers_;
    std::uint64_t seed_;
};

struct Case {
    const char* name;
    LayersSpec layers;
    bool second;  // connection of the device
    int client;   // ways of a packet until it may speak
    int server;
};

class Opening : public testing::TestWithParam<Case> {};

TEST_P(Opening, TakesItsRoundTripsAndTheBytesOfItsScript) {
    const Case& c = GetParam();
    LayersBench bench(c.layers);
    if (c.second) {
        const FlowId first = bench.open();
        bench.run();
        bench.network.close(bench.clock, first, End::client);
        bench.run();
        bench.meter.bytes = {};
        bench.log.clear();
    }
    const Instant start = bench.clock;
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log.size(), 2U);
    EXPECT_EQ((bench.opened_at[0] - start).ns, c.client * kWay.ns);
    EXPECT_EQ((bench.opened_at[1] - start).ns, c.server * kWay.ns);
    const Script script = bench.script(c.second ? 2 : 1, c.second);
    EXPECT_EQ(bench.meter.bytes[0], script.bytes(End::client));
    EXPECT_EQ(bench.meter.bytes[1], script.bytes(End::server));
}

INSTANTIATE_TEST_SUITE_P(
    Layers, Opening,
    testing::Values(Case{"Tls13", tls(TlsVersion::v1_3), false, 4, 5},
                    Case{"Tls13Resumed", tls(TlsVersion::v1_3, true), true, 4, 5},
                    Case{"Tls12", tls(TlsVersion::v1_2), false, 6, 5},
                    Case{"Tls12Resumed", tls(TlsVersion::v1_2, true), true, 4, 5},
                    Case{"WebSocket", websocket(), false, 4, 3},
                    Case{"WebSocketOverTls", both(), false, 6, 5}),
    [](const testing::TestParamInfo<Case>& which) { return which.param.name; });

TEST(NetworkLayers, ComputingDelaysWhatFollows) {
    LayersSpec layers = tls(TlsVersion::v1_3);
    layers.tls->compute_full.server_flight = milliseconds(7);
    layers.tls->compute_full.client_flight = milliseconds(3);
    LayersBench bench(layers);
    bench.open();
    bench.run();
    EXPECT_EQ(bench.opened_at[0].ns, (milliseconds(200) + milliseconds(10)).ns);
    EXPECT_EQ(bench.opened_at[1].ns, (milliseconds(250) + milliseconds(10)).ns);
}

TEST(NetworkLayers, WhatAnApplicationSendsIsSealed) {
    for (const LayersSpec& layers : {tls(TlsVersion::v1_3), websocket(), both()}) {
        LayersBench bench(layers);
        const FlowId flow = bench.open();
        bench.run();
        bench.meter.bytes = {};
        bench.send(flow, End::client, std::string(100, 'u'));
        bench.send(flow, End::server, std::string(300, 'd'));
        bench.run();
        EXPECT_EQ(bench.at_server, std::string(100, 'u'));
        EXPECT_EQ(bench.at_client, std::string(300, 'd'));
        EXPECT_EQ(bench.meter.bytes[0], sealed(layers, End::client, 100));
        EXPECT_EQ(bench.meter.bytes[1], sealed(layers, End::server, 300));
        EXPECT_EQ(bench.network.traffic(End::client).payload_bytes, 100U);
    }
}

TEST(NetworkLayers, AWriteBesideTheTicketsArrives) {
    LayersBench bench(tls(TlsVersion::v1_3, true));
    bench.opened = [&](FlowId flow, End end) {
        bench.send(flow, end, end == End::client ? "first" : "answer");
    };
    bench.open();
    bench.run();
    EXPECT_EQ(bench.at_server, "first");
    EXPECT_EQ(bench.at_client, "answer");
    EXPECT_EQ(bench.pool.live(), 0U);
}

TEST(NetworkLayers, BothSidesSayGoodbye) {
    for (const End initiator : {End::client, End::server}) {
        for (const LayersSpec& layers : {tls(TlsVersion::v1_2), websocket(), both()}) {
            LayersBench bench(layers);
            const FlowId flow = bench.open();
            bench.run();
            bench.meter.bytes = {};
            bench.network.close(bench.clock, flow, initiator);
            bench.run();
            const Script last = closing_script(layers, initiator);
            EXPECT_EQ(bench.meter.bytes[0], last.bytes(End::client));
            EXPECT_EQ(bench.meter.bytes[1], last.bytes(End::server));
            EXPECT_EQ(bench.log.back(),
                      initiator == End::client ? "server closed" : "client closed");
            bench.expect_all_freed();
        }
    }
}

TEST(NetworkLayers, LossOnlyDelaysAHandshake) {
    LinkSpec link = plain(kWay);
    link.up.loss = link.down.loss = 0.15;
    int delayed = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        LayersBench bench(both(), link, seed);
        bench.opened = [&](FlowId flow, End end) {
            if (end == End::client) bench.send(flow, end, "hello");
        };
        const FlowId flow = bench.open();
        bench.run();
        ASSERT_EQ(bench.log.size(), 2U);
        EXPECT_EQ(bench.at_server, "hello");
        EXPECT_GE(bench.opened_at[0].ns, milliseconds(300).ns);
        delayed += bench.opened_at[0].ns > milliseconds(300).ns ? 1 : 0;
        const Script script = bench.script(1, false);
        EXPECT_EQ(bench.meter.bytes[1], script.bytes(End::server));
        bench.network.close(bench.clock, flow, End::server);
        bench.run();
        bench.expect_all_freed();
    }
    EXPECT_GT(delayed, 100);
    EXPECT_LT(delayed, 200);
}

enum class How { close, abort, vanish };

/// An end ends at any millisecond of the handshake: nobody is told of what it never saw, and what
/// is left can be freed.
TEST(NetworkLayers, AHandshakeMayBreakOffAnywhere) {
    for (const LayersSpec& layers : {tls(TlsVersion::v1_3), tls(TlsVersion::v1_2), both()}) {
        for (const How how : {How::close, How::abort, How::vanish}) {
            for (int ms = 0; ms < 400; ms += 5) {
                SCOPED_TRACE(std::to_string(static_cast<int>(how)) + " at " + std::to_string(ms));
                LayersBench bench(layers);
                const FlowId flow = bench.open();
                bench.run_for(milliseconds(ms) + microseconds(1));
                if (how == How::close) bench.network.close(bench.clock, flow, End::client);
                if (how == How::abort) bench.network.abort(bench.clock, flow, End::client);
                if (how == How::vanish) bench.network.vanish(bench.clock, flow, End::client);
                bench.run();
                bool open = false;
                for (const std::string& line : bench.log) {
                    if (line == "server open") open = true;
                    const bool over = line == "server closed" || line == "server reset";
                    EXPECT_TRUE(open || !over);
                }
                if (how == How::vanish && bench.network.flows() > 0) {
                    bench.network.abort(bench.clock, flow, End::server);
                    bench.run();
                }
                bench.expect_all_freed();
            }
        }
    }
}

TEST(NetworkLayers, AServerThatClosesAtOnceIsHeard) {
    LayersBench bench(both());
    bench.opened = [&](FlowId flow, End end) {
        if (end == End::server) bench.network.close(bench.clock, flow, end);
    };
    bench.open();
    bench.run();
    EXPECT_EQ(bench.log.back(), "client closed");
    bench.expect_all_freed();
}

TEST(NetworkLayers, AHandshakeIsTheSameWhateverOthersDo) {
    LinkSpec link = plain(kWay);
    link.up.loss = link.down.loss = 0.2;
    const auto alone = [&](std::uint32_t devices) {
        LayersBench bench(tls(TlsVersion::v1_3), link, 7, devices);
        std::optional<Instant> when;
        bench.opened = [&](FlowId flow, End end) {
            if (bench.network.index(flow) == 0 && end == End::server) when = bench.clock;
        };
        for (std::uint32_t device = devices; device-- > 0;) bench.open(device);
        bench.run();
        return when;
    };
    EXPECT_TRUE(alone(1).has_value());
    EXPECT_EQ(alone(1), alone(20));
}

}  // namespace
}  // namespace mqttwin::net
