#include <gtest/gtest.h>

#include "tcp_wire.hpp"

namespace mqttwin::net::tcp {
namespace {

constexpr std::uint32_t kMuch = 200'000;
constexpr std::uint32_t kFullSegment = 1'448;

TEST(TcpSendBuffer, TakesWholePiecesUntilItIsFullAndTheRestLater) {
    Wire wire;
    wire.establish();
    wire.write(0, kMuch);
    const Flight* flight = wire.machine.flight_of(wire.end[0]);
    ASSERT_NE(flight, nullptr);
    // 46,080 bytes at first: a piece of half the window (22 segments) fits, a second is begun.
    EXPECT_EQ(flight->filled - wire.end[0].acked, 2 * 22 * kFullSegment);
    EXPECT_EQ(flight->written - wire.end[0].acked, kMuch);
    wire.run_for(seconds(2));
    EXPECT_EQ(wire.delivered[1], kMuch);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpSendBuffer, GrowsOnlyWhileTheWindowIsNotFull) {
    Wire wire;
    wire.establish();
    wire.write(0, kMuch);
    const std::uint32_t first = wire.machine.flight_of(wire.end[0])->send_buffer;
    wire.run_for(milliseconds(120));  // one round of acknowledgements, each answered with data
    EXPECT_EQ(wire.machine.flight_of(wire.end[0])->send_buffer, first);
    wire.run_for(milliseconds(100));  // in the second one the buffer ran dry
    EXPECT_GT(wire.machine.flight_of(wire.end[0])->send_buffer, first);
}

TEST(TcpSendBuffer, AFinWaitsForWhatItHasNotTaken) {
    Wire wire;
    wire.establish();
    wire.write(0, kMuch);
    wire.close(0);
    wire.run_for(seconds(2));
    EXPECT_EQ(wire.delivered[1], kMuch);
    EXPECT_TRUE(wire.peer_closed[1]);
    for (const Wire::Seen& one : wire.seen) {
        if (one.sender == 0 && one.segment.fin) {
            EXPECT_EQ(one.segment.end(), 1 + kMuch + 1);
        }
    }
}

TEST(TcpSendBuffer, WithoutOneEverythingIsTaken) {
    Profile profile;
    profile.send_buffer = 0;
    Wire wire(milliseconds(50), profile);
    wire.establish();
    wire.write(0, kMuch);
    const Flight* flight = wire.machine.flight_of(wire.end[0]);
    EXPECT_EQ(flight->filled, flight->written);
}

TEST(TcpNagle, ATailLossProbeDoesNotWaitForAnAcknowledgement) {
    Profile profile;
    profile.nagle = true;
    Wire wire(milliseconds(50), profile);
    wire.establish();
    wire.lose = [](int side, const Segment& s, std::size_t) { return side == 0 && s.seq == 1; };
    wire.write(0, 100);
    wire.write(0, 100);
    ASSERT_EQ(wire.data(0).size(), 1U);  // the second waits for the first's acknowledgement
    wire.run_for(milliseconds(450));
    ASSERT_GE(wire.data(0).size(), 2U);
    EXPECT_EQ(wire.data(0)[1].segment.seq, 101U);
}

}  // namespace
}  // namespace mqttwin::net::tcp
