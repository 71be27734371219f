#include "mqttwin/net/latency_curve.hpp"

#include <algorithm>

#include "mqttwin/base/random.hpp"

#include "refuse.hpp"

namespace mqttwin::net {

LatencyCurve::Point LatencyCurve::look(Instant now, std::size_t& hint) const {
    Duration t{now.ns};
    if (repeat.ns > 0) t.ns %= repeat.ns;
    if (t < points.front().at) {
        if (repeat.ns == 0) return points.front();
        t += repeat;  // still after the last point
    }
    const bool near = hint < points.size() && points[hint].at <= t &&
                      (hint + 1 == points.size() || t < points[hint + 1].at);
    if (!near) {
        const auto after =
            std::upper_bound(points.begin(), points.end(), t,
                             [](Duration at, const Point& point) { return at < point.at; });
        hint = static_cast<std::size_t>(after - points.begin()) - 1;
    }
    Point here = points[hint];
    const bool last = hint + 1 == points.size();
    if (!linear || (last && repeat.ns == 0)) return here;
    const Point& next = last ? points.front() : points[hint + 1];
    const Duration until = last ? repeat + next.at : next.at;
    const double share =
        static_cast<double>((t - here.at).ns) / static_cast<double>((until - here.at).ns);
    here.latency += scaled(next.latency - here.latency, share);
    if (here.loss >= 0.0 && next.loss >= 0.0) here.loss += (next.loss - here.loss) * share;
    return here;
}

void check(const LatencyCurve& curve, std::string_view where) {
    const auto number = [](std::size_t i) { return "[" + std::to_string(i) + "]"; };
    for (std::size_t i = 0; i < curve.points.size(); ++i) {
        const LatencyCurve::Point& point = curve.points[i];
        if (point.at.ns < 0 || (i > 0 && point.at <= curve.points[i - 1].at)) {
            refuse(where, "points" + number(i) + ".at",
                   "at least 0 s and later than the point before");
        }
        if (point.latency.ns < 0 || point.latency > kLongestDelay) {
            refuse(where, "points" + number(i) + ".latency", "within 0 s to 1 h");
        }
        if (point.loss != LatencyCurve::kSameLoss && !is_probability(point.loss)) {
            refuse(where, "points" + number(i) + ".loss", "a probability in [0, 1]");
        }
    }
    if (curve.repeat.ns == 0) return;
    if (curve.repeat.ns < 0 || curve.points.empty() || curve.repeat <= curve.points.back().at) {
        refuse(where, "repeat", "0 s (never) or later than the last point");
    }
}

}  // namespace mqttwin::net
