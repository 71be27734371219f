#include <gtest/gtest.h>

#include "tcp_wire.hpp"

namespace mqttwin::net::tcp {
namespace {

TEST(TcpFlow, AnIdleConnectionHasNoDeadline) {
    Wire wire;
    wire.establish();
    wire.write(0, 100);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.machine.flights(), 0U);
    EXPECT_EQ(wire.end[0].flight(), kNoFlight);
    EXPECT_EQ(wire.end[1].flight(), kNoFlight);
}

TEST(TcpFlow, AMessageTakesHalfARoundTripAndIsAcknowledgedAtOnce) {
    Wire wire;
    wire.establish();
    const Instant sent = wire.now;
    wire.write(0, 100);
    wire.run_for(milliseconds(100));
    EXPECT_EQ(wire.delivered[1], 100U);
    EXPECT_EQ(wire.delivered_at[1] - sent, milliseconds(50));
    EXPECT_EQ(wire.pure_acks(1), 1U);
    EXPECT_EQ(wire.machine.counters().delayed_acks, 0U);
}

TEST(TcpFlow, AnswersCarryTheAcknowledgementsOnceThereWasOne) {
    Wire wire;
    wire.establish();
    for (int i = 0; i < 5; ++i) {
        wire.write(0, 100);
        wire.run_for(milliseconds(50));
        wire.write(1, 4);
        wire.run_for(seconds(1));
    }
    EXPECT_EQ(wire.pure_acks(1), 1U);  // of the first
}

TEST(TcpFlow, WithoutAnAnswerAPingPongerAcknowledgesAfter40Milliseconds) {
    Wire wire;
    wire.establish();
    wire.write(0, 100);
    wire.run_for(milliseconds(50));
    wire.write(1, 4);  // the server tends to answer
    wire.run_for(milliseconds(300));
    const std::size_t before = wire.pure_acks(1);
    wire.write(0, 100);
    wire.run_for(milliseconds(51));
    EXPECT_EQ(wire.pure_acks(1), before);
    wire.run_for(milliseconds(50));
    EXPECT_EQ(wire.pure_acks(1), before + 1);
    EXPECT_EQ(wire.machine.counters().delayed_acks, 1U);
}

TEST(TcpFlow, ABlockedWindowMakesMessagesShareASegment) {
    Wire wire;
    wire.establish();
    wire.end[0].cwnd = 1;
    wire.end[0].ssthresh = 2;
    for (int i = 0; i < 4; ++i) wire.write(0, 100);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.delivered[1], 400U);
    const auto data = wire.data(0);
    ASSERT_EQ(data.size(), 2U);
    EXPECT_EQ(data[1].segment.length, 300U);
}

TEST(TcpFlow, NagleWaitsForTheAcknowledgement) {
    Profile profile = embedded_profile();
    Wire wire(milliseconds(50), profile);
    wire.establish();
    wire.write(0, 10);
    wire.write(0, 10);
    wire.write(0, 10);
    wire.run_for(seconds(2));
    const auto data = wire.data(0);
    ASSERT_EQ(data.size(), 2U);
    EXPECT_EQ(data[1].segment.length, 20U);
    EXPECT_EQ(wire.delivered[1], 30U);
}

TEST(TcpFlow, SlowStartDoublesEachRoundTrip) {
    Wire wire;
    wire.establish();
    const Instant sent = wire.now;
    wire.write(0, 200'000);
    wire.run_for(seconds(5));
    EXPECT_EQ(wire.delivered[1], 200'000U);
    // 10, 20, 40, 69 segments.
    EXPECT_EQ(wire.delivered_at[1] - sent, milliseconds(350));
    EXPECT_EQ(wire.data(0).size(), 139U);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpFlow, TheWindowIsNeverOverrunAndOneThatIsShutIsProbed) {
    Wire wire;
    wire.establish();
    const std::uint32_t window = wire.end[1].window;
    wire.set_reading(1, false);
    wire.write(0, 500'000);
    wire.run_for(seconds(30));
    EXPECT_EQ(wire.delivered[1], 0U);
    for (const auto& one : wire.data(0)) {
        EXPECT_FALSE(after(one.segment.end(), 1 + 500'000U));
    }
    EXPECT_GE(window, 60'000U);
    EXPECT_NE(wire.machine.deadline(wire.end[0]), Instant::never());
    EXPECT_EQ(wire.over[0], Over::no);
    wire.set_reading(1, true);
    wire.run_for(seconds(60));
    EXPECT_EQ(wire.delivered[1], 500'000U);
}

TEST(TcpFlow, AfterALongSilenceTheWindowIsTheInitialOne) {
    Wire wire;
    wire.establish();
    wire.write(0, 400'000);
    wire.run_for(seconds(10));
    EXPECT_GT(wire.end[0].cwnd, 10);
    wire.run_for(minutes(5));
    wire.write(0, 200'000);
    EXPECT_EQ(wire.end[0].cwnd, 10);
}

TEST(TcpFlow, ClosingIsOrderlyAndFreesBothEnds) {
    Wire wire;
    wire.establish();
    wire.write(0, 100);
    wire.close(0);
    wire.run_for(milliseconds(60));
    EXPECT_TRUE(wire.peer_closed[1]);
    EXPECT_EQ(wire.delivered[1], 100U);
    wire.close(1);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.over[0], Over::orderly);
    EXPECT_EQ(wire.over[1], Over::orderly);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpFlow, ALostFinIsRepeated) {
    Wire wire;
    wire.establish();
    wire.lose = [done = false](int, const Segment& s, std::size_t) mutable {
        return s.fin && !std::exchange(done, true);
    };
    wire.close(0);
    wire.run_for(seconds(2));
    EXPECT_TRUE(wire.peer_closed[1]);
}

TEST(TcpFlow, ALastAckThatWasLostIsGivenAgainByAHostThatHasForgotten) {
    Wire wire;
    wire.establish();
    wire.close(0);
    wire.run_for(milliseconds(60));
    wire.close(1);
    wire.lose = [done = false](int side, const Segment& s, std::size_t) mutable {
        return side == 0 && !s.fin && !std::exchange(done, true);
    };
    wire.run_for(seconds(5));
    EXPECT_EQ(wire.over[1], Over::orderly);
}

TEST(TcpFlow, AbortResetsThePeer) {
    Wire wire;
    wire.establish();
    wire.abort(0);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.over[1], Over::reset);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpFlow, DataForAPeerThatHasForgottenIsAnsweredWithAReset) {
    Wire wire;
    wire.establish();
    wire.machine.vanish(wire.end[1]);
    wire.listening = false;
    wire.write(0, 100);
    wire.run_for(seconds(1));
    EXPECT_EQ(wire.over[0], Over::reset);
}

TEST(TcpFlow, SequenceNumbersMayWrap) {
    Wire wire;
    wire.establish();
    constexpr std::uint32_t kNearEnd = 0xFFFF'FF00U;
    wire.end[0].acked = wire.end[1].expected = kNearEnd;
    for (int i = 0; i < 10; ++i) {
        wire.write(0, 100);
        wire.run_for(milliseconds(200));
    }
    EXPECT_EQ(wire.delivered[1], 1'000U);
    EXPECT_EQ(wire.machine.counters().retransmissions, 0U);
}

TEST(TcpFlow, EveryByteArrivesOnceThroughHeavyLossBothWays) {
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        Wire wire(milliseconds(1 + 10 * (seed % 7)));
        std::uint64_t state = seed;
        wire.lose = [&state](int, const Segment&, std::size_t) {
            state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
            return (state >> 33) % 10 < 2;
        };
        wire.delay = [&state](int, const Segment&) {
            return milliseconds(static_cast<std::int64_t>((state >> 40) % 30));
        };
        wire.connect();
        wire.run_for(seconds(20));
        if (!wire.established[1]) continue;
        for (int i = 0; i < 60; ++i) {
            wire.write(0, i % 7 == 0 ? 5'000 : 90);
            if (i % 3 == 0) wire.write(1, 4);
            wire.run_for(milliseconds(40));
        }
        wire.run_for(seconds(600));
        EXPECT_EQ(wire.delivered[1], 9U * 5'000 + 51U * 90) << seed;
        EXPECT_EQ(wire.delivered[0], 20U * 4) << seed;
        EXPECT_EQ(wire.machine.flights(), 0U) << seed;
    }
}

TEST(TcpFlow, BothMayCloseAtOnce) {
    Wire wire;
    wire.establish();
    wire.close(0);
    wire.close(1);
    wire.run_for(seconds(2));
    EXPECT_EQ(wire.over[0], Over::orderly);
    EXPECT_EQ(wire.over[1], Over::orderly);
    EXPECT_EQ(wire.machine.flights(), 0U);
}

TEST(TcpFlow, TheEmbeddedStackDeliversThroughLossWithTwoSegmentsAtMost) {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        Wire wire(milliseconds(40), embedded_profile());
        std::uint64_t state = seed;
        wire.lose = [&state](int, const Segment&, std::size_t) {
            state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
            return (state >> 33) % 10 == 0;
        };
        wire.connect();
        wire.run_for(seconds(60));
        if (!wire.established[1]) continue;
        for (int i = 0; i < 20; ++i) {
            wire.write(0, 400);
            if (const Flight* f = wire.machine.flight_of(wire.end[0])) {
                EXPECT_LE(f->in_flight(), 2U);
            }
            wire.run_for(seconds(1));
        }
        wire.run_for(seconds(900));
        EXPECT_EQ(wire.delivered[1], 20U * 400) << seed;
        for (const auto& one : wire.data(0)) EXPECT_EQ(one.segment.sacks, 0);
        EXPECT_EQ(wire.machine.flights(), 0U) << seed;
    }
}

TEST(TcpFlow, BulkArrivesThroughLossAndReordering) {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        Wire wire(milliseconds(30));
        wire.establish();
        std::uint64_t state = seed;
        wire.lose = [&state](int, const Segment&, std::size_t) {
            state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
            return (state >> 33) % 50 == 0;
        };
        wire.delay = [&state](int, const Segment&) {
            return milliseconds(static_cast<std::int64_t>((state >> 40) % 20));
        };
        wire.write(0, 400'000);
        wire.close(0);
        wire.run_for(seconds(200));
        EXPECT_EQ(wire.delivered[1], 400'000U) << seed;
        EXPECT_TRUE(wire.peer_closed[1]) << seed;
    }
}

TEST(TcpFlow, TheSameInputsGiveTheSameSegments) {
    const auto run = [] {
        Wire wire;
        wire.lose = [](int, const Segment&, std::size_t n) { return n % 6 == 5; };
        wire.connect();
        wire.run_for(seconds(5));
        for (int i = 0; i < 30; ++i) {
            wire.write(0, 100);
            wire.run_for(milliseconds(100));
        }
        wire.run_for(seconds(60));
        std::vector<std::int64_t> digest;
        for (const auto& one : wire.seen) {
            digest.push_back(one.at.ns);
            digest.push_back(one.segment.seq);
            digest.push_back(one.segment.ack);
        }
        return digest;
    };
    EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace mqttwin::net::tcp
