// Small worlds for the tests.
#pragma once

#include <cstdlib>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {

inline FleetSpec fleet_of(std::string name, std::uint32_t count) {
    FleetSpec spec;
    spec.population.name = std::move(name);
    spec.population.count = count;
    spec.client.keep_alive = 60;
    spec.link.up.latency = milliseconds(30);
    spec.link.down.latency = milliseconds(30);
    return spec;
}

inline net::LinkSpec lossy(double loss) {
    net::LinkSpec link;
    for (net::PipeSpec* direction : {&link.up, &link.down}) {
        direction->latency = milliseconds(40);
        direction->jitter = milliseconds(15);
        direction->jitter_kind = net::PipeJitter::uniform;
        direction->loss = loss;
    }
    return link;
}

inline fleet::PublishSpec publishing(wire::QoS qos, Duration every,
                                     std::string topic = "t/{index}") {
    fleet::PublishSpec spec;
    spec.topic = std::move(topic);
    fleet::Periodic periodic;
    periodic.every = every;
    spec.arrival.process = periodic;
    spec.payload = fleet::PayloadSpec::json({{"n", {fleet::gen::Counter{}, -1}}});
    spec.qos = qos;
    return spec;
}

inline fleet::SubscriptionSpec subscribing(std::string filter, wire::QoS qos) {
    fleet::SubscriptionSpec spec;
    spec.filter = std::move(filter);
    spec.options.qos = qos;
    return spec;
}

inline bool forever() { return true; }

/// Seeds of a test: a few hundred, or the one that MQTTWIN_SEED names.
inline std::vector<std::uint64_t> seeds(std::uint64_t count) {
    if (const char* one = std::getenv("MQTTWIN_SEED")) return {std::stoull(one)};
    std::vector<std::uint64_t> out;
    for (std::uint64_t seed = 1; seed <= count; ++seed) out.push_back(seed);
    return out;
}

/// What a failing test prints: its seed, and the command that replays it.
inline std::string replay(std::uint64_t seed) {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    return "seed " + std::to_string(seed) + "; replay with MQTTWIN_SEED=" + std::to_string(seed) +
           " ./dev test --cpp -k " + info->test_suite_name() + "." + info->name();
}

}  // namespace mqttwin::world
