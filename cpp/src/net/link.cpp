#include "mqttwin/net/link.hpp"

#include <string>
#include <utility>

#include "refuse.hpp"

namespace mqttwin::net {

namespace {

constexpr std::uint32_t kSmallestMtu = 68;  // RFC 791
constexpr std::uint32_t kLargestMtu = 65'535;
constexpr std::uint32_t kMostBuffered = 65'535;
constexpr Duration kLongestPeriod = hours(24 * 366);
constexpr Duration kShortestOutage = milliseconds(1);  // bounds the work of catching up

void check(const SleepSpec& sleep) {
    if (sleep.kind == SleepSpec::Kind::off) return;
    if (sleep.period.ns <= 0 || sleep.period > kLongestPeriod)
        refuse("sleep.", "period", "longer than 0 s and at most 366 d");
    if (sleep.window.ns <= 0 || sleep.window > sleep.period)
        refuse("sleep.", "window", "longer than 0 s and at most the period");
    if (sleep.active.ns < 0 || sleep.active > kLongestPeriod)
        refuse("sleep.", "active", "within 0 s to 366 d");
    if (sleep.kind == SleepSpec::Kind::psm && sleep.active >= sleep.period)
        refuse("sleep.", "active", "shorter than the period");
    if (sleep.wake_up.ns < 0 || sleep.wake_up > kLongestDelay)
        refuse("sleep.", "wake_up", "within 0 s to 1 h");
    if (sleep.buffered > kMostBuffered) refuse("sleep.", "buffered", "within 0 to 65535 packets");
}

void check(const std::vector<Outage>& outages) {
    for (std::size_t i = 0; i < outages.size(); ++i) {
        const std::string where = "outages[" + std::to_string(i) + "].";
        const Instant before = i == 0 ? Instant{} : outages[i - 1].to;
        if (outages[i].from < before)
            refuse(where, "from", i == 0 ? "at least 0 s" : "not before the end of the one before");
        if (outages[i].to <= outages[i].from) refuse(where, "to", "later than its beginning");
    }
}

void check(const RandomOutages& random) {
    if (random.kind == RandomOutages::Kind::off) return;
    constexpr std::string_view kRange = "within 1 ms to 366 d";
    for (const auto& [name, value] : {std::pair("up", random.up), std::pair("down", random.down)}) {
        if (value < kShortestOutage || value > kLongestPeriod)
            refuse("random_outages.", name, kRange);
    }
}

void check(const TcpOptions& tcp) {
    if (tcp.user_timeout.ns < 0) refuse("tcp.", "user_timeout", "at least 0 s (off)");
    if (tcp.keep_alive_idle.ns < 0) refuse("tcp.", "keep_alive_idle", "at least 0 s (off)");
    if (tcp.keep_alive_idle.ns == 0) return;
    if (tcp.keep_alive_interval < seconds(1)) refuse("tcp.", "keep_alive_interval", "at least 1 s");
    if (tcp.keep_alive_count < 1 || tcp.keep_alive_count > 127)
        refuse("tcp.", "keep_alive_count", "within 1 to 127");
}

}  // namespace

void check(const LinkSpec& spec) {
    if (spec.mtu < kSmallestMtu || spec.mtu > kLargestMtu)
        refuse("", "mtu", "within 68 to 65535 bytes");
    check(spec.up, "up.");
    check(spec.down, "down.");
    if (spec.up.queue_bytes < spec.mtu) refuse("up.", "queue_bytes", "at least one MTU");
    if (spec.down.queue_bytes < spec.mtu) refuse("down.", "queue_bytes", "at least one MTU");
    check(spec.sleep);
    check(spec.outages);
    check(spec.random_outages);
    if (spec.nat.idle_timeout.ns < 0) refuse("nat.", "idle_timeout", "at least 0 s (never)");
    check(spec.tcp);
}

}  // namespace mqttwin::net
