// What is summed up of what a device does: half a cache line.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"

namespace mqttwin::world {

/// What a device published, what was sent to and from it, what it lost, its connections, and how
/// long it had none.
class alignas(32) DeviceTotals {
   public:
    static constexpr std::uint32_t kMaxLost = (1U << 30) - 1;

    void add_up(std::size_t bytes) { up_low_ = add(up_low_, up_high_, bytes); }
    void add_down(std::size_t bytes) { down_low_ = add(down_low_, down_high_, bytes); }
    [[nodiscard]] std::int64_t up() const { return total(up_low_, up_high_); }
    [[nodiscard]] std::int64_t down() const { return total(down_low_, down_high_); }

    void publish() { ++published_; }
    [[nodiscard]] std::uint32_t published() const { return published_; }

    void lose() {
        if (lost_ < kMaxLost) ++lost_;
    }
    /// What was lost has come after all.
    void find() {
        if (lost_ > 0 && lost_ < kMaxLost) --lost_;
    }
    [[nodiscard]] std::uint32_t lost() const { return lost_; }

    /// It wants to be connected for the first time: before, it was not offline, it was not there.
    void switched_on(Instant now) {
        if (on_ != 0) return;
        on_ = 1;
        offline_ -= now.ns;
    }
    void online(Instant now) {
        ++connects_;
        if (on_ == 0) switched_on(now);
        if (online_ != 0) return;
        online_ = 1;
        offline_ += now.ns;
    }
    void offline(Instant now) {
        if (online_ == 0) return;
        online_ = 0;
        offline_ -= now.ns;
    }
    [[nodiscard]] std::uint32_t connects() const { return connects_; }
    /// Time without a connection since it was switched on.
    [[nodiscard]] std::int64_t offline_until(Instant now) const {
        return offline_ + (on_ != 0 && online_ == 0 ? now.ns : 0);
    }

   private:
    // 48 bits: 281 TB a device and direction.
    static std::uint32_t add(std::uint32_t low, std::uint16_t& high, std::size_t bytes) {
        const std::uint64_t sum = std::uint64_t{low} + bytes;
        high = static_cast<std::uint16_t>(high + (sum >> 32));
        return static_cast<std::uint32_t>(sum);
    }
    static std::int64_t total(std::uint32_t low, std::uint16_t high) {
        return static_cast<std::int64_t>(std::uint64_t{high} << 32 | low);
    }

    std::int64_t offline_ = 0;  // ends of times offline, less their beginnings
    std::uint32_t up_low_ = 0;
    std::uint32_t down_low_ = 0;
    std::uint32_t published_ = 0;
    std::uint32_t connects_ = 0;
    std::uint16_t up_high_ = 0;
    std::uint16_t down_high_ = 0;
    std::uint32_t lost_ : 30 = 0;
    std::uint32_t on_ : 1 = 0;
    std::uint32_t online_ : 1 = 0;
};
static_assert(sizeof(DeviceTotals) == 32);

}  // namespace mqttwin::world
