#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "mqttwin/net/link_table.hpp"

namespace mqttwin::net {
namespace {

using Fate = Passage::Fate;

constexpr Instant at_ms(std::int64_t ms) { return Instant{milliseconds(ms).ns}; }

SharedSpec narrow(std::uint32_t queue = kUnbounded) {
    SharedSpec spec;
    spec.up.bandwidth = 8'000;  // a byte a millisecond
    spec.up.queue_bytes = queue;
    return spec;
}

TEST(SharedCapacity, DevicesTakeTurns) {
    LinkSpec link;
    link.up.latency = milliseconds(10);
    SharedCapacity shared(narrow());
    LinkTable meters(link, 1, "meter", 2);
    LinkTable valves(link, 1, "valve", 1);
    EXPECT_EQ(meters.offer(at_ms(0), 0, true, 100, &shared).arrives, at_ms(110));
    EXPECT_EQ(meters.offer(at_ms(0), 1, true, 100, &shared).arrives, at_ms(210));
    EXPECT_EQ(valves.offer(at_ms(50), 0, true, 50, &shared).arrives, at_ms(260));
    EXPECT_EQ(shared.backlog(at_ms(50), true), milliseconds(200));
    EXPECT_EQ(shared.backlog(at_ms(500), true), milliseconds(0));
    // The other direction is another one.
    EXPECT_EQ(meters.offer(at_ms(50), 0, false, 100, &shared).arrives, at_ms(51));
}

TEST(SharedCapacity, AFullQueueDropsAtItsTail) {
    SharedCapacity shared(narrow(250));
    LinkTable meters({}, 1, "meter", 3);
    EXPECT_EQ(meters.offer(at_ms(0), 0, true, 100, &shared).fate, Fate::arrives);
    EXPECT_EQ(meters.offer(at_ms(0), 1, true, 100, &shared).fate, Fate::arrives);
    EXPECT_EQ(meters.offer(at_ms(0), 2, true, 51, &shared).fate, Fate::queue_full);
    EXPECT_EQ(meters.offer(at_ms(0), 2, true, 50, &shared).fate, Fate::arrives);
    EXPECT_EQ(meters.offer(at_ms(100), 0, true, 100, &shared).fate, Fate::arrives);
}

TEST(SharedCapacity, ThenComesTheDevicesOwnLink) {
    LinkSpec link;
    link.up.bandwidth = 4'000;
    SharedCapacity shared(narrow());
    LinkTable meters(link, 1, "meter", 1);
    const Passage p = meters.offer(at_ms(0), 0, true, 100, &shared);
    EXPECT_EQ(p.departs, at_ms(100 + 200));
    EXPECT_EQ(meters.offer(at_ms(0), 0, true, 100, &shared).departs, at_ms(100 + 400));
}

TEST(SharedCapacity, ADeviceThatIsDownTakesNoTurn) {
    SharedCapacity shared(narrow());
    LinkTable meters({}, 1, "meter", 1);
    meters.set_down(0, true);
    EXPECT_EQ(meters.offer(at_ms(0), 0, true, 100, &shared).fate, Fate::outage);
    EXPECT_EQ(meters.offer(at_ms(0), 0, true, 2'000, &shared).fate, Fate::too_big);
    EXPECT_EQ(shared.backlog(at_ms(0), true), Duration{0});
}

TEST(SharedCapacity, WrongParametersAreNamed) {
    SharedSpec spec = narrow();
    spec.down.bandwidth = -1;
    EXPECT_THROW(SharedCapacity{spec}, std::invalid_argument);
    spec = narrow(0);
    try {
        check(spec, "cell.");
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_EQ(std::string(error.what()), "cell.up.queue_bytes must be at least 68 bytes");
    }
}

}  // namespace
}  // namespace mqttwin::net
