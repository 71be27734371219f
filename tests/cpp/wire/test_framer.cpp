#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/framer.hpp"

#include "wire_support.hpp"

namespace mqttwin::wire {
namespace {

constexpr std::uint32_t kNoLimit = kMaximumPacketSize;

struct Seen {
    std::vector<std::string> frames;  // "first header_length body"
    Fault fault;
    std::size_t fault_after = 0;  // bytes fed when the fault came up

    bool operator==(const Seen& other) const {
        return frames == other.frames && fault.reason == other.fault.reason &&
               fault.clause == other.fault.clause && fault.what == other.fault.what &&
               fault.offset == other.fault.offset;
    }
};

// Feeds a stream in chunks whose sizes `next_size` gives, each in memory of exactly its size.
template <class NextSize>
Seen feed(ByteView stream, std::uint32_t limit, NextSize next_size) {
    Seen seen;
    BlobPool pool;
    FramerState state;
    std::size_t fed = 0;
    while (fed < stream.size() && !seen.fault) {
        const std::size_t size = std::min<std::size_t>(next_size(), stream.size() - fed);
        const auto chunk = std::make_unique<std::uint8_t[]>(size);
        std::copy_n(stream.begin() + static_cast<long>(fed), size, chunk.get());
        fed += size;
        FrameReader reader(pool, state, {chunk.get(), size}, limit);
        Frame frame;
        while (reader.next(frame)) {
            EXPECT_FALSE(reader.fault());
            seen.frames.push_back(hex_of(Bytes{frame.first}) + " " +
                                  std::to_string(frame.header_length) + " " + hex_of(frame.body));
        }
        EXPECT_FALSE(reader.next(frame));  // still false
        seen.fault = reader.fault();
        seen.fault_after = fed;
    }
    release_framer(pool, state);
    EXPECT_EQ(pool.live(), 0U);
    return seen;
}

Seen feed_whole(ByteView stream, std::uint32_t limit = kNoLimit) {
    return feed(stream, limit, [&] { return stream.size(); });
}

Bytes long_stream() {
    Bytes stream;
    for (const Sample& sample : samples()) {
        const Packet packet(sample.first, sample.body);
        stream.insert(stream.end(), packet.bytes().begin(), packet.bytes().end());
    }
    for (const std::size_t size : {127, 128, 200, 5000, 16'383, 16'384, 40'000}) {
        const Packet packet(0x30,
                            bytes_of("0001't'") + Bytes(size, static_cast<std::uint8_t>(size)));
        stream.insert(stream.end(), packet.bytes().begin(), packet.bytes().end());
    }
    return stream + bytes_of("C000 C000 E000");
}

TEST(Framer, AConnectionCostsEightBytes) { EXPECT_EQ(sizeof(FramerState), 8U); }

TEST(Framer, CutsAStreamIntoItsPackets) {
    const Seen seen = feed_whole(bytes_of("C000 30 04 0001'tx' D000 E0 02 0000"));
    EXPECT_EQ(seen.frames,
              (std::vector<std::string>{"C0 2 ", "30 2 00 01 74 78", "D0 2 ", "E0 2 00 00"}));
    EXPECT_FALSE(seen.fault);
}

TEST(Framer, GivesTheSameFramesInAnyChunking) {
    const Bytes stream = long_stream();
    const Seen whole = feed_whole(stream);
    EXPECT_EQ(whole.frames.size(), samples().size() + 10);
    EXPECT_FALSE(whole.fault);
    for (const std::size_t size : {1, 2, 3, 5, 7, 64, 1000, 4096}) {
        EXPECT_EQ(feed(stream, kNoLimit, [&] { return size; }), whole) << size;
    }
    Stream random(StreamKey::of(1, "test", "chunks"), 0);
    for (int round = 0; round < 50; ++round) {
        const std::uint64_t most = 1 + random.below(300);
        EXPECT_EQ(feed(stream, kNoLimit, [&] { return 1 + random.below(most); }), whole);
    }
}

TEST(Framer, GivesTheSameFramesCutAnywhere) {
    const Bytes stream =
        bytes_of("C000 30 8101") + Bytes(129, 7) + bytes_of("E000 40 02 0001 30 04 0001'tx'");
    const Seen whole = feed_whole(stream);
    ASSERT_EQ(whole.frames.size(), 5U);
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
        bool first = true;
        EXPECT_EQ(feed(stream, kNoLimit,
                       [&] { return std::exchange(first, false) ? cut : stream.size(); }),
                  whole)
            << cut;
    }
}

TEST(Framer, FindsTheSameFaultInAnyChunking) {
    const Bytes good = bytes_of("C000 30 04 0001'tx'");
    const struct {
        std::string_view bytes;
        std::uint8_t reason;
        std::string_view clause;
        std::uint32_t offset;
        std::size_t noticed_at;  // bytes of the bad packet that tell
    } bad[] = {
        {"30 FFFFFFFF 7F 00", reason::malformed_packet, "MQTT-4.13.1-1", 1, 5},
        {"30 80808080 01 00", reason::malformed_packet, "MQTT-4.13.1-1", 1, 5},
        {"30 8000 00", reason::malformed_packet, "MQTT-1.5.5-1", 1, 3},
        {"30 FF00 00", reason::malformed_packet, "MQTT-1.5.5-1", 1, 3},
        {"30 FF8000 00", reason::malformed_packet, "MQTT-1.5.5-1", 1, 4},
        {"30 80808000 00", reason::malformed_packet, "MQTT-1.5.5-1", 1, 5},
        {"00 00", reason::malformed_packet, "MQTT-4.13.1-1", 0, 1},
        {"0F 05 00", reason::malformed_packet, "MQTT-4.13.1-1", 0, 1},
        {"30 63 00", reason::packet_too_large, "MQTT-3.2.2-15", 1, 2},
        {"30 FFFFFF7F 00", reason::packet_too_large, "MQTT-3.2.2-15", 1, 5},
    };
    for (const auto& one : bad) {
        const Bytes stream = good + bytes_of(one.bytes) + good;
        const Seen whole = feed_whole(stream, 100);
        EXPECT_EQ(whole.fault.reason, one.reason) << one.bytes;
        EXPECT_EQ(whole.fault.clause, one.clause) << one.bytes;
        EXPECT_EQ(whole.fault.offset, one.offset) << one.bytes;
        EXPECT_EQ(whole.frames.size(), 2U);
        for (std::size_t size = 1; size <= 12; ++size) {
            EXPECT_EQ(feed(stream, 100, [&] { return size; }), whole) << one.bytes << " " << size;
        }
        const Seen slow = feed(stream, 100, [] { return 1; });
        EXPECT_EQ(slow.fault_after, good.size() + one.noticed_at) << one.bytes;
    }
}

TEST(Framer, LimitsTheWholePacket) {
    const Bytes body(98, 1);
    const Packet fits(0x30, body);
    EXPECT_EQ(fits.bytes().size(), 100U);
    EXPECT_FALSE(feed_whole(fits.bytes(), 100).fault);
    EXPECT_EQ(feed_whole(fits.bytes(), 99).fault.reason, reason::packet_too_large);
    EXPECT_EQ(feed(fits.bytes(), 99, [] { return 1; }).fault.reason, reason::packet_too_large);
    const Packet longer(0x30, Bytes(200, 1));
    EXPECT_FALSE(feed_whole(longer.bytes(), 203).fault);
    EXPECT_EQ(feed_whole(longer.bytes(), 202).fault.reason, reason::packet_too_large);
}

TEST(Framer, AcceptsTheLargestLengthThereIs) {
    BlobPool pool;
    FramerState state;
    const Bytes start = bytes_of("30 FFFFFF7F 0001't'");
    FrameReader reader(pool, state, start, kMaximumPacketSize);
    Frame frame;
    EXPECT_FALSE(reader.next(frame));
    EXPECT_FALSE(reader.fault());
    EXPECT_EQ(state.filled, start.size());
    release_framer(pool, state);
}

TEST(Framer, GivesWholeFramesWithoutACopy) {
    BlobPool pool;
    FramerState state;
    const Bytes stream = bytes_of("30 04 0001'tx' C000") + bytes_of("30 8101") + Bytes(129, 7);
    FrameReader reader(pool, state, stream, kNoLimit);
    Frame frame;
    while (reader.next(frame)) {
        EXPECT_GE(frame.body.data(), stream.data());
        EXPECT_LE(frame.body.data() + frame.body.size(), stream.data() + stream.size());
    }
    EXPECT_EQ(pool.footprint(), 0U);
}

TEST(Framer, MemoryFollowsWhatArrivedNotWhatIsClaimed) {
    BlobPool pool;
    FramerState state;
    const Bytes claim = bytes_of("30 FFFFFF7F");  // 256 MB
    const Bytes chunk(1000, 0x55);
    Frame frame;
    std::size_t arrived = 0;
    const auto arrive = [&](ByteView bytes) {
        FrameReader reader(pool, state, bytes, kNoLimit);
        EXPECT_FALSE(reader.next(frame));
        EXPECT_FALSE(reader.fault());
        arrived += bytes.size();
        EXPECT_EQ(state.filled, arrived);
        EXPECT_LE(pool.bytes(state.partial).size(), 2 * arrived);
    };
    arrive(claim);
    EXPECT_LE(pool.footprint(), std::size_t{1} << 18);  // one chunk of the pool
    for (int i = 0; i < 5000; ++i) arrive(chunk);
    EXPECT_EQ(pool.live(), 1U);
    // All chunks of small blocks that it grew through, and twice 5 MB.
    EXPECT_LE(pool.footprint(), 2 * arrived + (std::size_t{22} << 18));
    release_framer(pool, state);
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(state.filled, 0U);
}

TEST(Framer, AnAssembledFrameLivesUntilTheNextIsAskedFor) {
    BlobPool pool;
    FramerState state;
    const Bytes stream = bytes_of("30 04 0001'tx' C000");
    Frame frame;
    {
        FrameReader reader(pool, state, ByteView(stream).first(3), kNoLimit);
        EXPECT_FALSE(reader.next(frame));
    }
    EXPECT_EQ(pool.live(), 1U);
    FrameReader reader(pool, state, ByteView(stream).subspan(3), kNoLimit);
    ASSERT_TRUE(reader.next(frame));
    EXPECT_EQ(state.partial, BlobId::none);
    EXPECT_EQ(hex_of(frame.body), "00 01 74 78");
    EXPECT_EQ(pool.live(), 1U);
    ASSERT_TRUE(reader.next(frame));
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(frame.type(), PacketType::pingreq);
}

TEST(Framer, AbandoningEndsTheLoopAndDropsEverything) {
    BlobPool pool;
    FramerState state;
    const Bytes stream = bytes_of("30 04 0001'tx' C000 30 04 00");
    Frame frame;
    {
        FrameReader reader(pool, state, ByteView(stream).first(3), kNoLimit);
        EXPECT_FALSE(reader.next(frame));
    }
    {
        FrameReader reader(pool, state, ByteView(stream).subspan(3), kNoLimit);
        ASSERT_TRUE(reader.next(frame));
        reader.abandon();
        EXPECT_EQ(hex_of(frame.body), "00 01 74 78");  // still ours to read
        EXPECT_FALSE(reader.next(frame));
        EXPECT_FALSE(reader.fault());
    }
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(state.partial, BlobId::none);
    {
        FrameReader reader(pool, state, ByteView(stream).subspan(8), kNoLimit);
        while (reader.next(frame)) {
        }
        EXPECT_NE(state.partial, BlobId::none);
        reader.abandon();
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST(Framer, LeavingTheLoopDropsTheRestAndTouchesNoState) {
    BlobPool pool;
    auto state = std::make_unique<FramerState>();
    const Bytes stream = bytes_of("30 04 0001'tx' C000 30 04 00");
    Frame frame;
    {
        FrameReader reader(pool, *state, ByteView(stream).first(3), kNoLimit);
        EXPECT_FALSE(reader.next(frame));
    }
    {
        FrameReader reader(pool, *state, ByteView(stream).subspan(3), kNoLimit);
        ASSERT_TRUE(reader.next(frame));
        state.reset();  // the connection is gone, slot and all
    }
    EXPECT_EQ(pool.live(), 0U);
}

TEST(Framer, NothingComesOfNothing) {
    BlobPool pool;
    FramerState state;
    FrameReader reader(pool, state, {}, kNoLimit);
    Frame frame;
    EXPECT_FALSE(reader.next(frame));
    EXPECT_FALSE(reader.fault());
    EXPECT_EQ(pool.footprint(), 0U);
}

}  // namespace
}  // namespace mqttwin::wire
