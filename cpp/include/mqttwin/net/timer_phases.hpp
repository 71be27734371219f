// Where the clocks of hosts stand at instant 0: by them the timers of their TCP tick.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/random.hpp"

namespace mqttwin::net {

/// Phases of brokers' hosts, kept once they are known; those of devices are computed.
class TimerPhases {
   public:
    explicit TimerPhases(const StreamKey& brokers) : brokers_(brokers) {}

    /// Anywhere in an hour, us.
    static std::uint32_t of(const StreamKey& hosts, std::uint32_t number) {
        constexpr std::uint64_t kHour = 3'600'000'000;
        return static_cast<std::uint32_t>((mix64(hosts.value + number) >> 32U) * kHour >> 32U);
    }
    std::uint32_t of_broker(std::uint16_t broker) {
        return broker < known_.size() ? known_[broker] : learn(broker);
    }
    [[nodiscard]] std::size_t footprint() const { return known_.capacity() * sizeof known_[0]; }

   private:
    std::uint32_t learn(std::uint16_t broker);

    StreamKey brokers_;
    std::vector<std::uint32_t> known_;
};

}  // namespace mqttwin::net
