#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/capture.hpp"

#include "memory_sink.hpp"

namespace mqttwin::trace {
namespace {

using Fate = CapturedPacket::Fate;
using Point = Capture::Point;

constexpr std::size_t kFrame = 28;  // in an enhanced packet block

/// What a reader sees of a packet.
struct Seen {
    std::uint32_t interface = 0;
    std::int64_t at = 0;  // ns since the epoch of the capture
    bool outbound = false;
    std::uint16_t identification = 0;
    unsigned client = 0;  // last byte of its address
    std::string comment;

    friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> packets_of(const std::string& file, std::int64_t epoch = Capture::kEpoch) {
    std::vector<Seen> packets;
    for (const Block& block : blocks_of(file)) {
        if (block.type != 6) continue;
        const std::uint32_t size = block.word(20);
        auto options = block.options(kFrame + (size + 3) / 4 * 4);
        Seen seen;
        seen.interface = block.word(8);
        seen.at = static_cast<std::int64_t>(std::uint64_t{block.word(12)} << 32 | block.word(16));
        seen.at -= epoch;
        seen.outbound = options.at(2)[0] == 2;
        const auto byte = [&](std::size_t at) {
            return static_cast<unsigned char>(block.content[kFrame + 14 + at]);
        };
        seen.identification = static_cast<std::uint16_t>(byte(4) << 8 | byte(5));
        seen.client = byte(12) == 10 ? byte(15) : byte(19);
        seen.comment = options.count(1) != 0 ? options.at(1) : "";
        packets.push_back(seen);
    }
    return packets;
}

CapturedPacket packet(Direction direction, std::int64_t sent, std::int64_t arrives,
                      Fate fate = Fate::arrives, std::uint32_t client = 0) {
    CapturedPacket p;
    p.flow.client = client_address(client);
    p.flow.server = server_address(0);
    p.flow.client_port = 50'000;
    p.direction = direction;
    p.sent = Instant{sent};
    p.arrives = Instant{arrives};
    p.fate = fate;
    p.has_ack = true;
    return p;
}

Capture::Options at(Point point) {
    Capture::Options options;
    options.at = point;
    return options;
}

class CaptureTest : public testing::Test {
   protected:
    /// A request that arrives, an answer that is lost, and the answer again.
    std::vector<Seen> exchange(Point point) {
        std::string file;
        Capture capture(std::make_unique<MemorySink>(file), 1, at(point));
        capture.record(packet(Direction::up, 100, 150));
        capture.record(packet(Direction::down, 150, 0, Fate::lost));
        capture.record(packet(Direction::down, 400, 450));
        capture.advance(Instant{450});
        capture.close();
        EXPECT_EQ(capture.problem(), "");
        return packets_of(file);
    }
    std::string file_;
};

TEST_F(CaptureTest, AtTheClientWhatIsLostOnItsWayThereIsNotSeen) {
    EXPECT_EQ(exchange(Point::client), (std::vector<Seen>{
                                           {0, 100, true, 0, 1, ""},
                                           {0, 450, false, 1, 1, ""},
                                       }));
}

TEST_F(CaptureTest, AtTheServerItIsAndSaysWhatBecameOfIt) {
    EXPECT_EQ(exchange(Point::server), (std::vector<Seen>{
                                           {0, 150, false, 0, 1, ""},
                                           {0, 150, true, 0, 1, "lost on the link"},
                                           {0, 400, true, 1, 1, ""},
                                       }));
}

TEST_F(CaptureTest, BothIsAnInterfaceEach) {
    EXPECT_EQ(exchange(Point::both), (std::vector<Seen>{
                                         {0, 100, true, 0, 1, ""},
                                         {1, 150, false, 0, 1, ""},
                                         {1, 150, true, 0, 1, "lost on the link"},
                                         {1, 400, true, 1, 1, ""},
                                         {0, 450, false, 1, 1, ""},
                                     }));
}

TEST_F(CaptureTest, ArrivalsComeInTheirOwnOrderAndInTheirTime) {
    Capture capture(std::make_unique<MemorySink>(file_), 1, at(Point::client));
    capture.record(packet(Direction::down, 0, 300));  // overtaken
    capture.record(packet(Direction::down, 10, 200));
    capture.record(packet(Direction::down, 20, 200));
    capture.advance(Instant{100});
    capture.flush();
    EXPECT_TRUE(packets_of(file_).empty());
    capture.record(packet(Direction::up, 200, 250));  // answers what has arrived
    capture.flush();
    EXPECT_EQ(packets_of(file_).size(), 3U);
    capture.record(packet(Direction::down, 290, 350));  // still under way at the end
    capture.advance(Instant{300});
    capture.close();
    EXPECT_EQ(packets_of(file_), (std::vector<Seen>{
                                     {0, 200, false, 1, 1, ""},
                                     {0, 200, false, 2, 1, ""},
                                     {0, 200, true, 0, 1, ""},
                                     {0, 300, false, 0, 1, ""},
                                 }));
    EXPECT_EQ(capture.left_out(), 0U);
}

TEST_F(CaptureTest, EveryFateHasAName) {
    Capture capture(std::make_unique<MemorySink>(file_), 1, at(Point::client));
    for (const Fate fate :
         {Fate::lost, Fate::queue_full, Fate::too_big, Fate::black_hole, Fate::outage}) {
        capture.record(packet(Direction::up, 1, 1, fate));
    }
    CapturedPacket noted = packet(Direction::up, 1, 1, Fate::black_hole);
    noted.note = "the carrier has forgotten the flow";
    capture.record(noted);
    capture.close();
    std::vector<std::string> comments;
    for (const Seen& seen : packets_of(file_)) comments.push_back(seen.comment);
    EXPECT_EQ(comments, (std::vector<std::string>{
                            "lost on the link",
                            "dropped by a full queue",
                            "dropped: larger than the MTU",
                            "swallowed by a black hole",
                            "lost in an outage",
                            "swallowed by a black hole; the carrier has forgotten the flow",
                        }));
}

TEST_F(CaptureTest, OnlyTheClientsThatWereAskedFor) {
    Capture::Options options;
    options.clients = {{client_address(7), client_address(9)},
                       {client_address(2), client_address(3)},
                       {client_address(3), client_address(4)}};
    Capture capture(std::make_unique<MemorySink>(file_), 1, options);
    for (std::uint32_t client = 0; client < 12; ++client) {
        const bool wanted = (client >= 2 && client <= 4) || (client >= 7 && client <= 9);
        EXPECT_EQ(capture.wants(client_address(client)), wanted) << client;
        capture.record(packet(Direction::up, client, client + 1, Fate::arrives, client));
    }
    capture.close();
    std::vector<unsigned> seen;
    for (const Seen& one : packets_of(file_)) seen.push_back(one.client - 1);
    EXPECT_EQ(seen, (std::vector<unsigned>{2, 3, 4, 7, 8, 9}));
    EXPECT_EQ(capture.left_out(), 0U);
}

TEST_F(CaptureTest, InstantZeroIsAsTold) {
    Capture::Options options;
    options.epoch = 5;
    Capture capture(std::make_unique<MemorySink>(file_), 1, options);
    capture.record(packet(Direction::up, 7, 8));
    capture.close();
    EXPECT_EQ(packets_of(file_, 0).at(0).at, 12);
}

TEST_F(CaptureTest, AtItsBoundItStopsAndCountsOn) {
    Capture::Options options = at(Point::both);
    options.max_bytes = Capture::kLeastBytes;
    Capture capture(std::make_unique<MemorySink>(file_), 1, options);
    for (int i = 0; i < 100; ++i) capture.record(packet(Direction::up, i, i + 1));
    capture.advance(Instant{200});
    EXPECT_TRUE(capture.stopped());
    EXPECT_EQ(capture.packets() + capture.left_out(), 200U);
    capture.close();
    EXPECT_EQ(capture.problem(), "");
    EXPECT_LE(file_.size(), Capture::kLeastBytes);
    EXPECT_EQ(packets_of(file_).size(), capture.packets());
}

TEST_F(CaptureTest, WhatIsUnderWayIsBounded) {
    Capture::Options options;
    options.max_pending_bytes = 1'000;
    Capture capture(std::make_unique<MemorySink>(file_), 1, options);
    for (int i = 0; i < 100; ++i) capture.record(packet(Direction::down, i, 1'000));
    EXPECT_TRUE(capture.stopped());
    EXPECT_NE(capture.problem().find("1000 bytes"), std::string::npos);
    capture.advance(Instant{1'000});
    EXPECT_EQ(capture.left_out(), 100U);
    EXPECT_EQ(capture.packets(), 0U);
}

TEST_F(CaptureTest, ADiskThatIsFullIsAProblem) {
    Capture::Options options;
    options.buffer_bytes = 500;
    Capture capture(std::make_unique<MemorySink>(file_, 2'000), 1, options);
    for (int i = 0; i < 100; ++i) capture.record(packet(Direction::up, i, i + 1));
    EXPECT_TRUE(capture.stopped());
    EXPECT_EQ(capture.problem(), "no room");
    blocks_of(file_);
}

TEST_F(CaptureTest, WrongOptionsAreRefusedByName) {
    const auto refusal = [this](const Capture::Options& options) -> std::string {
        try {
            Capture capture(std::make_unique<MemorySink>(file_), 1, options);
        } catch (const std::invalid_argument& refused) {
            return refused.what();
        }
        return "";
    };
    Capture::Options options;
    options.max_bytes = 4'095;
    EXPECT_EQ(refusal(options), "max_bytes must be 0 or at least 4096");
    options = {};
    options.window_scale = 15;
    EXPECT_EQ(refusal(options), "window_scale must be within 0 and 14");
    options = {};
    options.epoch = -1;
    EXPECT_EQ(refusal(options), "epoch must not be before 1970");
    options = {};
    options.clients = {{2, 1}};
    EXPECT_EQ(refusal(options), "clients must be ranges whose last is not before first");
}

}  // namespace
}  // namespace mqttwin::trace
