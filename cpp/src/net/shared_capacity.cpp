#include "mqttwin/net/shared_capacity.hpp"

#include "refuse.hpp"

namespace mqttwin::net {

namespace {

void check(const SharedSpec::Way& way, std::string_view where) {
    if (!(way.bandwidth == 0.0 || (way.bandwidth >= 1.0 && way.bandwidth <= 1e12)))
        refuse(where, "bandwidth", "0 (unlimited) or within 1 to 1e12 bit/s");
    // Of the smallest MTU; smaller than a packet of its devices it would let none through.
    constexpr std::uint32_t kLeast = 68;
    if (way.queue_bytes < kLeast) refuse(where, "queue_bytes", "at least 68 bytes");
}

}  // namespace

void check(const SharedSpec& spec, std::string_view where) {
    check(spec.up, std::string(where) + "up.");
    check(spec.down, std::string(where) + "down.");
}

SharedCapacity::SharedCapacity(const SharedSpec& spec) : spec_(spec) {
    check(spec, "");
    for (std::size_t i = 0; i < ways_.size(); ++i) {
        const SharedSpec::Way& way = i == 0 ? spec.up : spec.down;
        ways_[i].bandwidth = way.bandwidth;
        if (way.bandwidth > 0.0) ways_[i].longest = longest_queue(way.queue_bytes, way.bandwidth);
    }
}

}  // namespace mqttwin::net
