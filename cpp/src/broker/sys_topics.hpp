// $SYS topics: what a broker tells about itself, under the names that people know.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::broker {

struct State;

/// How often something happens a minute, averaged over one, five and fifteen minutes
/// (exponentially, as load averages are).
class LoadAverage {
   public:
    static constexpr std::size_t kSpans = 3;

    /// `total` counts up; `elapsed` since the last call.
    void update(std::uint64_t total, Duration elapsed);
    [[nodiscard]] double per_minute(std::size_t span) const { return average_[span]; }

   private:
    std::uint64_t before_ = 0;
    std::array<double, kSpans> average_{};
};

/// When $SYS topics are due, and what they said last.
struct SysTopics {
    static constexpr std::size_t kLoads = 9;

    Instant next = Instant::never();
    Instant started{-1};  // the first update; negative before
    Instant updated;
    std::array<LoadAverage, kLoads> loads;
    std::vector<std::string> said;  // by topic, in the order of their publication

    void archive(Archive& a) { a(next, started, updated, loads, said); }
};

/// Counts from zero again; the first update is due at `now`, if there are such topics.
void restart_sys_topics(State& s, Instant now);

/// Publishes what has changed, and says when the next update is due.
void update_sys_topics(State& s, Instant now);

}  // namespace mqttwin::broker
