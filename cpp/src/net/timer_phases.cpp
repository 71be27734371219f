#include "mqttwin/net/timer_phases.hpp"

#include "mqttwin/net/network_records.hpp"

namespace mqttwin::net {

std::uint32_t TimerPhases::learn(std::uint16_t broker) {
    if (broker == Flow::kNoBroker) return of(brokers_, broker);
    while (known_.size() <= broker) {
        known_.push_back(of(brokers_, static_cast<std::uint32_t>(known_.size())));
    }
    return known_[broker];
}

}  // namespace mqttwin::net
