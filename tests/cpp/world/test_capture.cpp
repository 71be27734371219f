#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"

#include "capture.hpp"
#include "worlds.hpp"

namespace mqttwin::world {
namespace {

using net::End;

class TextSink final : public trace::LogSink {
   public:
    explicit TextSink(std::string& text) : text_(&text) {}
    void write(ByteView block) override { text_->append(as_text(block)); }
    void close() override {}
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    std::string* text_;
    std::string error_;
};

std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
        ++found;
    }
    return found;
}

/// A fleet on bad links whose broker restarts and whose devices vanish.
void describe_storm(VirtualWorld& world, std::uint64_t seed) {
    Stream random(StreamKey::of(seed, "storm", "shape"), 0);
    world.add_broker("broker", {});
    FleetSpec meters = fleet_of("meter", 6);
    meters.link = lossy(0.1);
    meters.link.up.reorder = meters.link.down.reorder = random.chance(0.5);
    if (random.chance(0.3)) meters.link.up.bandwidth = meters.link.down.bandwidth = 50'000;
    meters.link.tcp.profile =
        random.chance(0.3) ? net::TcpProfileKind::embedded : net::TcpProfileKind::linux_like;
    const auto fleet = world.add_fleet(meters);
    for (int qos = 0; qos < 3; ++qos) {
        world.add_publish(fleet, publishing(static_cast<wire::QoS>(qos), milliseconds(900 + qos),
                                            "t" + std::to_string(qos) + "/{index}"));
    }
    world.add_subscribe(fleet, subscribing("t1/#", wire::QoS::exactly_once));
}

void run_storm(VirtualWorld& world, std::uint64_t seed) {
    Stream random(StreamKey::of(seed, "storm", "course"), 0);
    for (int i = 0; i < 12; ++i) {
        const auto wait = static_cast<std::int64_t>(1 + random.below(20'000));
        world.run(world.now() + milliseconds(wait), forever);
        const auto device = static_cast<std::uint32_t>(random.below(6));
        if (random.chance(0.3)) {
            world.broker_restart(0, random.chance(0.5));
        } else {
            world.cut(0, device, random.chance(0.5));
        }
    }
}

TEST(WorldCapture, EveryByteIsKnownAndTheRunIsTheSame) {
    std::size_t lost = 0;
    for (const std::uint64_t seed : seeds(60)) {
        SCOPED_TRACE(replay(seed));
        std::string text;
        std::string with;
        std::string without;
        for (const bool captured : {false, true}) {
            VirtualWorld world({.seed = seed, .recorder = {}});
            describe_storm(world, seed);
            if (captured) {
                trace::Capture::Options options;
                options.at = trace::Capture::Point::both;
                world.start_capture(std::make_unique<TextSink>(text), options);
            }
            run_storm(world, seed);
            (captured ? with : without) = world.recorder().digest();
            const std::size_t held = world.live_blobs();
            const auto told = world.stop_capture();
            EXPECT_LE(world.live_blobs(), held);
            EXPECT_EQ(told.problem, "");
            EXPECT_EQ(told.bytes, captured ? text.size() : 0U);
        }
        EXPECT_EQ(with, without);
        // Not acknowledged is what its sender may still repeat: none of it is gone too early.
        EXPECT_EQ(count(text, "written as zeros"), 0U);
        lost += count(text, "lost on the link");
    }
    EXPECT_GT(lost, 1'000U);
}

TEST(WorldCapture, KeepsNoBlobAndAsFewBytesAsTheNetwork) {
    std::vector<std::size_t> live;
    for (const bool captured : {false, true}) {
        VirtualWorld world({.seed = 7, .recorder = {}});
        describe_storm(world, 7);
        std::string text;
        if (captured) {
            trace::Capture::Options options;
            options.max_bytes = 20'000;  // soon at its bound: nothing is kept from then on
            world.start_capture(std::make_unique<TextSink>(text), options);
        }
        run_storm(world, 7);
        live.push_back(world.live_blobs());
        if (captured) {
            const auto told = world.stop_capture();
            EXPECT_LE(told.bytes, 20'000U);
            EXPECT_GT(told.left_out, 1'000U);
        }
    }
    EXPECT_EQ(live[0], live[1]);
}

TEST(WorldCapture, WhatIsUnderWayWhenItBeginsIsKnown) {
    VirtualWorld world({.seed = 1, .recorder = {}});
    world.add_broker("broker", {});
    FleetSpec meters = fleet_of("meter", 1);
    meters.link.up.bandwidth = meters.link.down.bandwidth = 20'000;
    const auto fleet = world.add_fleet(meters);
    fleet::PublishSpec large = publishing(wire::QoS::at_least_once, minutes(1));
    large.payload = fleet::PayloadSpec::constant(std::vector<std::uint8_t>(60'000, 'x'));
    world.add_publish(fleet, large);
    bool caught = false;
    for (int second = 1; second < 70; ++second) {
        world.run({seconds(second).ns}, forever);
        std::string text;
        world.start_capture(std::make_unique<TextSink>(text), {});
        world.run({seconds(second).ns + milliseconds(900).ns}, forever);
        world.stop_capture();
        EXPECT_EQ(count(text, "written as zeros"), 0U) << second;
        caught = caught || count(text, std::string(1'000, 'x')) > 0;
    }
    EXPECT_TRUE(caught);
}

/// A flow that nobody drives: what a capture is told comes from the test.
class Told : public testing::Test {
   protected:
    Told() : network_(queue_, pool_, 1) {
        network_.add_population(0, "meter", 0, 1, {});
        network_.set_rank(0, 0);
        flow_ = network_.open({}, 0, 0, 0);
        capture_ = std::make_unique<WorldCapture>(
            std::make_unique<TextSink>(text_), 1, trace::Capture::Options{}, network_, pool_,
            WorldCapture::Names{[](net::FlowId) { return "meter/0"; },
                                [](net::FlowId) { return "broker"; }});
    }
    void send(std::uint32_t begin, std::uint32_t length) {
        net::tcp::Segment segment;
        segment.seq = begin;
        segment.length = length;
        net::Passage passage;
        capture_->on_packet({}, flow_, End::client, segment, passage);
        capture_->finish({});
    }

    sim::EventQueue queue_;
    BlobPool pool_;
    net::Network network_;
    net::FlowId flow_ = net::kNoFlow;
    std::string text_;
    std::unique_ptr<WorldCapture> capture_;
};

TEST_F(Told, BytesThatNoBlobHoldsAreCopied) {
    {
        std::string record = "a record of TLS";
        capture_->on_written({}, flow_, End::client, 1, as_bytes(record));
        record.assign(record.size(), '-');
    }
    EXPECT_EQ(capture_->kept_bytes(), 15U);
    send(3, 13);
    EXPECT_EQ(count(text_, "record of TLS"), 1U);
    EXPECT_EQ(count(text_, "written as zeros"), 0U);
    capture_->on_flow_freed(flow_);
    EXPECT_EQ(capture_->kept_bytes(), 0U);
    EXPECT_EQ(pool_.live(), 0U);
}

TEST_F(Told, WhatItCannotKnowIsSaid) {
    send(1, 200);
    EXPECT_EQ(count(text_, "200 bytes from before the capture are written as zeros"), 1U);
}

TEST_F(Told, WhatIsNeverAcknowledgedHasABound) {
    const BlobId blob = pool_.reserve(1U << 20);
    std::uint32_t begin = 1;
    while (!capture_->file().stopped() && begin < (1U << 30)) {
        capture_->on_written({}, flow_, End::client, begin, blob, BlobId::none);
        begin += 1U << 20;
    }
    EXPECT_EQ(begin, WorldCapture::kMaxKeptBytes + (1U << 20) + 1);
    EXPECT_NE(capture_->file().problem(), "");
    EXPECT_EQ(capture_->kept_bytes(), 0U);
    EXPECT_EQ(pool_.references(blob), 1U);
    pool_.release(blob);
}

TEST(WorldCapture, OneAtATime) {
    VirtualWorld world({.seed = 1, .recorder = {}});
    std::string text;
    world.start_capture(std::make_unique<TextSink>(text), {});
    EXPECT_THROW(world.start_capture(std::make_unique<TextSink>(text), {}), std::invalid_argument);
    world.stop_capture();
    EXPECT_EQ(world.stop_capture().bytes, 0U);
}

}  // namespace
}  // namespace mqttwin::world
