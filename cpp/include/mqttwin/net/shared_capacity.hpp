// A medium that many devices compete for: the backhaul of a gateway, a cell.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/net/pipe.hpp"

namespace mqttwin::net {

struct SharedSpec {
    struct Way {
        double bandwidth = 0.0;  // bit/s on the IP level; 0 is unlimited
        std::uint32_t queue_bytes = kUnbounded;
    };
    Way up;    // devices to brokers
    Way down;  // brokers to devices
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const SharedSpec& spec, std::string_view where);

/// First come, first served, whoever comes; a full queue drops at its tail.
class SharedCapacity {
   public:
    explicit SharedCapacity(const SharedSpec& spec);

    /// Fate, and when it departs; where it goes then is up to others. Time never goes backwards.
    Passage offer(Instant now, bool up, std::uint32_t bytes) {
        Way& way = ways_[up ? 0 : 1];
        Passage passage;
        passage.departs = now;
        if (way.bandwidth == 0.0) return passage;
        if (queue_up(now, sending_time(bytes, way.bandwidth), way.longest, way.free)) {
            passage.departs = way.free;
        } else {
            passage.fate = Passage::Fate::queue_full;
        }
        return passage;
    }

    [[nodiscard]] const SharedSpec& spec() const { return spec_; }
    /// How long what is offered at `now` waits for its turn.
    [[nodiscard]] Duration backlog(Instant now, bool up) const {
        return max(ways_[up ? 0 : 1].free - now, Duration{0});
    }
    /// What waits, not what it is.
    void archive(Archive& a) { a(ways_); }

   private:
    struct Way {
        double bandwidth = 0.0;
        Duration longest;
        Instant free;
    };
    SharedSpec spec_;
    std::array<Way, 2> ways_;
};

}  // namespace mqttwin::net
