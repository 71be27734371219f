#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/pipe.hpp"

namespace mqttwin::net {
namespace {

Pipe pipe_with(std::uint64_t seed) { return Pipe(Stream(StreamKey::of(seed, "test", "pipe"), 0)); }

constexpr Instant at_ms(std::int64_t ms) { return Instant{milliseconds(ms).ns}; }

TEST(Pipe, LatencyAlone) {
    Pipe pipe = pipe_with(1);
    PipeSpec spec;
    spec.latency = milliseconds(50);
    const Passage passage = pipe.offer(at_ms(7), 100, spec);
    EXPECT_EQ(passage.fate, Passage::Fate::arrives);
    EXPECT_EQ(passage.arrives, at_ms(57));
}

TEST(Pipe, BandwidthMakesPacketsQueueAndAFullQueueDrops) {
    Pipe pipe = pipe_with(1);
    PipeSpec spec;
    spec.bandwidth = 8'000;  // a byte a millisecond
    spec.latency = milliseconds(10);
    spec.queue_packets = 3;
    EXPECT_EQ(pipe.offer(at_ms(0), 100, spec).arrives, at_ms(110));
    EXPECT_EQ(pipe.offer(at_ms(0), 100, spec).arrives, at_ms(210));
    EXPECT_EQ(pipe.offer(at_ms(50), 100, spec).arrives, at_ms(310));
    EXPECT_EQ(pipe.offer(at_ms(50), 100, spec).fate, Passage::Fate::queue_full);
    EXPECT_EQ(pipe.offer(at_ms(100), 100, spec).arrives, at_ms(410));
}

TEST(Pipe, AQueueMayBeBoundedInBytes) {
    Pipe pipe = pipe_with(1);
    PipeSpec spec;
    spec.bandwidth = 8'000;
    spec.queue_bytes = 150;
    EXPECT_EQ(pipe.offer(at_ms(0), 100, spec).fate, Passage::Fate::arrives);
    EXPECT_EQ(pipe.offer(at_ms(0), 51, spec).fate, Passage::Fate::queue_full);
    EXPECT_EQ(pipe.offer(at_ms(0), 50, spec).fate, Passage::Fate::arrives);
}

TEST(Pipe, IndependentLossHasItsProbability) {
    Pipe pipe = pipe_with(2);
    PipeSpec spec;
    spec.loss = 0.05;
    int lost = 0;
    for (int i = 0; i < 100'000; ++i) {
        lost += pipe.offer(at_ms(i), 100, spec).fate == Passage::Fate::lost ? 1 : 0;
    }
    EXPECT_NEAR(lost, 5'000, 300);
}

TEST(Pipe, BurstsAreClockedByTime) {
    PipeSpec spec;
    spec.bursts.clock = GilbertElliott::Clock::time;
    spec.bursts.good = milliseconds(950);
    spec.bursts.bad = milliseconds(50);
    // Whatever the spacing, a twentieth is lost; the closer, the more come in a row.
    const std::int64_t spacings[] = {1, 10, 1'000};
    double follow[3] = {};
    for (int k = 0; k < 3; ++k) {
        Pipe pipe = pipe_with(3);
        int lost = 0;
        int pairs = 0;
        bool before = false;
        constexpr int kPackets = 400'000;
        for (int i = 0; i < kPackets; ++i) {
            const bool gone =
                pipe.offer(at_ms(i * spacings[k]), 100, spec).fate == Passage::Fate::lost;
            lost += gone ? 1 : 0;
            pairs += gone && before ? 1 : 0;
            before = gone;
        }
        EXPECT_NEAR(lost / double{kPackets}, 0.05, 0.012) << spacings[k];
        follow[k] = double(pairs) / lost;
    }
    EXPECT_NEAR(follow[0], 0.98, 0.01);
    EXPECT_NEAR(follow[1], 0.05 + 0.95 * std::exp(-10.0 * (1 / 950.0 + 1 / 50.0)), 0.02);
    EXPECT_NEAR(follow[2], 0.05, 0.02);
}

TEST(Pipe, BurstsMayBeClockedByPacket) {
    Pipe pipe = pipe_with(4);
    PipeSpec spec;
    spec.bursts.clock = GilbertElliott::Clock::packet;
    spec.bursts.to_bad = 0.01;
    spec.bursts.to_good = 0.5;
    int lost = 0;
    for (int i = 0; i < 100'000; ++i) {
        lost += pipe.offer(at_ms(i), 100, spec).fate == Passage::Fate::lost ? 1 : 0;
    }
    EXPECT_NEAR(lost, 1'961, 250);
}

TEST(Pipe, JitterKeepsTheOrderUnlessToldOtherwise) {
    for (const PipeJitter kind : {PipeJitter::uniform, PipeJitter::normal, PipeJitter::exponential,
                                  PipeJitter::lognormal}) {
        PipeSpec spec;
        spec.latency = milliseconds(50);
        spec.jitter = milliseconds(15);
        spec.jitter_kind = kind;
        int overtaken = 0;
        for (const bool reorder : {false, true}) {
            spec.reorder = reorder;
            Pipe pipe = pipe_with(5);
            Instant last;
            overtaken = 0;
            for (int i = 0; i < 2'000; ++i) {
                const Passage p = pipe.offer(at_ms(i), 100, spec);
                EXPECT_GE(p.arrives, at_ms(i));
                if (p.arrives < last) ++overtaken;
                last = max(last, p.arrives);
            }
            EXPECT_EQ(overtaken > 0, reorder);
        }
    }
}

TEST(Pipe, JitterHasItsMoments) {
    PipeSpec spec;
    spec.latency = milliseconds(200);
    spec.jitter = milliseconds(15);
    spec.reorder = true;
    const auto mean_and_sd = [&spec](PipeJitter kind) {
        spec.jitter_kind = kind;
        Pipe pipe = pipe_with(6);
        double sum = 0;
        double squares = 0;
        constexpr int kPackets = 50'000;
        for (int i = 0; i < kPackets; ++i) {
            const double ms = (pipe.offer(at_ms(i), 100, spec).arrives - at_ms(i)).seconds() * 1e3;
            sum += ms;
            squares += ms * ms;
        }
        const double mean = sum / kPackets;
        return std::pair{mean, std::sqrt(squares / kPackets - mean * mean)};
    };
    EXPECT_NEAR(mean_and_sd(PipeJitter::uniform).first, 200, 0.3);
    EXPECT_NEAR(mean_and_sd(PipeJitter::uniform).second, 15 / std::sqrt(3.0), 0.2);
    EXPECT_NEAR(mean_and_sd(PipeJitter::normal).second, 15, 0.3);
    EXPECT_NEAR(mean_and_sd(PipeJitter::exponential).first, 215, 0.4);
}

TEST(Pipe, WrongParametersAreNamedWithTheirRange) {
    const auto complaint = [](auto change) -> std::string {
        PipeSpec spec;
        change(spec);
        try {
            check(spec, "up.");
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(complaint([](PipeSpec&) {}), "");
    EXPECT_EQ(complaint([](PipeSpec& s) { s.loss = 1.5; }),
              "up.loss must be a probability in [0, 1]");
    EXPECT_EQ(complaint([](PipeSpec& s) { s.loss = std::nan(""); }),
              "up.loss must be a probability in [0, 1]");
    EXPECT_EQ(complaint([](PipeSpec& s) { s.latency = milliseconds(-1); }),
              "up.latency must be within 0 s to 1 h");
    EXPECT_NE(complaint([](PipeSpec& s) { s.bandwidth = -1; }), "");
    EXPECT_NE(complaint([](PipeSpec& s) { s.queue_bytes = 0; }), "");
    EXPECT_NE(complaint([](PipeSpec& s) { s.queue_packets = 0; }), "");
    EXPECT_NE(complaint([](PipeSpec& s) {
                  s.bursts.clock = GilbertElliott::Clock::time;
                  s.bursts.good = seconds(1);
              }),
              "");
}

}  // namespace
}  // namespace mqttwin::net
