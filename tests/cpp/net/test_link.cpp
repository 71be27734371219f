#include <cmath>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "mqttwin/net/link.hpp"

namespace mqttwin::net {
namespace {

constexpr Instant at_s(std::int64_t s) { return Instant{seconds(s).ns}; }

template <typename Change>
std::string complaint(Change change) {
    LinkSpec spec;
    change(spec);
    try {
        check(spec);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

SleepSpec psm() {
    SleepSpec sleep;
    sleep.kind = SleepSpec::Kind::psm;
    sleep.active = seconds(10);
    sleep.window = seconds(10);
    sleep.period = hours(1);
    return sleep;
}

TEST(Link, TheUsualIsFine) {
    EXPECT_EQ(complaint([](LinkSpec&) {}), "");
    EXPECT_EQ(complaint([](LinkSpec& s) {
                  s.sleep = psm();
                  s.outages = {{at_s(0), at_s(1)}, {at_s(1), at_s(2)}};
                  s.random_outages = {RandomOutages::Kind::fixed, hours(6), minutes(2)};
                  s.nat.idle_timeout = seconds(270);
                  s.tcp.keep_alive_idle = seconds(60);
              }),
              "");
}

TEST(Link, WrongParametersAreNamedWithTheirRange) {
    EXPECT_EQ(complaint([](LinkSpec& s) { s.mtu = 67; }), "mtu must be within 68 to 65535 bytes");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.mtu = 65'536; }),
              "mtu must be within 68 to 65535 bytes");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.up.latency = Duration{-1}; }),
              "up.latency must be within 0 s to 1 h");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.down.jitter = Duration{-1}; }),
              "down.jitter must be within 0 s to 1 h");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.down.loss = std::nan(""); }),
              "down.loss must be a probability in [0, 1]");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.up.bandwidth = std::nan(""); }),
              "up.bandwidth must be 0 (unlimited) or within 1 to 1e12 bit/s");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.up.queue_bytes = 0; }),
              "up.queue_bytes must be at least one MTU");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.down.queue_bytes = 1'499; }),
              "down.queue_bytes must be at least one MTU");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.up.queue_packets = 0; }),
              "up.queue_packets must be at least 1");
    EXPECT_EQ(complaint([](LinkSpec& s) {
                  s.up.curve.points = {{seconds(1), seconds(1), -1}, {seconds(1), seconds(1), -1}};
              }),
              "up.curve.points[1].at must be at least 0 s and later than the point before");
}

TEST(Link, WrongSleepIsNamed) {
    const auto with = [](auto change) {
        return complaint([&change](LinkSpec& s) {
            s.sleep = psm();
            change(s.sleep);
        });
    };
    EXPECT_EQ(with([](SleepSpec& s) { s.period = Duration{0}; }),
              "sleep.period must be longer than 0 s and at most 366 d");
    EXPECT_EQ(with([](SleepSpec& s) { s.window = hours(2); }),
              "sleep.window must be longer than 0 s and at most the period");
    EXPECT_EQ(with([](SleepSpec& s) { s.active = hours(1); }),
              "sleep.active must be shorter than the period");
    EXPECT_EQ(with([](SleepSpec& s) { s.wake_up = seconds(-1); }),
              "sleep.wake_up must be within 0 s to 1 h");
    EXPECT_EQ(with([](SleepSpec& s) { s.buffered = 65'536; }),
              "sleep.buffered must be within 0 to 65535 packets");
}

TEST(Link, WrongOutagesAreNamed) {
    EXPECT_EQ(complaint([](LinkSpec& s) { s.outages = {{at_s(2), at_s(2)}}; }),
              "outages[0].to must be later than its beginning");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.outages = {{at_s(-2), at_s(2)}}; }),
              "outages[0].from must be at least 0 s");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.outages = {{at_s(1), at_s(3)}, {at_s(2), at_s(4)}}; }),
              "outages[1].from must be not before the end of the one before");
    EXPECT_EQ(complaint([](LinkSpec& s) {
                  s.random_outages = {RandomOutages::Kind::fixed, hours(6), Duration{0}};
              }),
              "random_outages.down must be within 1 ms to 366 d");
}

TEST(Link, WrongTimersAreNamed) {
    EXPECT_EQ(complaint([](LinkSpec& s) { s.nat.idle_timeout = seconds(-1); }),
              "nat.idle_timeout must be at least 0 s (never)");
    EXPECT_EQ(complaint([](LinkSpec& s) { s.tcp.user_timeout = seconds(-1); }),
              "tcp.user_timeout must be at least 0 s (off)");
    EXPECT_EQ(complaint([](LinkSpec& s) {
                  s.tcp.keep_alive_idle = seconds(60);
                  s.tcp.keep_alive_count = 0;
              }),
              "tcp.keep_alive_count must be within 1 to 127");
    EXPECT_EQ(complaint([](LinkSpec& s) {
                  s.tcp.keep_alive_idle = seconds(60);
                  s.tcp.keep_alive_interval = Duration{0};
              }),
              "tcp.keep_alive_interval must be at least 1 s");
}

}  // namespace
}  // namespace mqttwin::net
