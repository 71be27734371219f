// Latency that changes with time: a schedule that somebody wrote or a trace that was recorded.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::net {

struct LatencyCurve {
    /// A point that says nothing of loss: that of the pipe holds.
    static constexpr double kSameLoss = -1.0;

    struct Point {
        Duration at{0};  // since the start of the world
        Duration latency{0};
        double loss = kSameLoss;
    };
    std::vector<Point> points;  // in order of time; none: the latency of the pipe holds
    bool linear = false;        // between points; else a point holds until the next
    Duration repeat{0};         // starts again after so long; 0: the last point holds for ever

    void archive(Archive& a) { a(points, linear, repeat); }
    [[nodiscard]] bool empty() const { return points.empty(); }
    /// Of a curve with points. Before the first one its values hold, or those of the end of the
    /// time before, if it repeats. `hint` is where the last search ended, any number
    /// at first: time mostly goes on, so the next point is seldom far.
    [[nodiscard]] Point look(Instant now, std::size_t& hint) const;
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const LatencyCurve& curve, std::string_view where);

}  // namespace mqttwin::net
