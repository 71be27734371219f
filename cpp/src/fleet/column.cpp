#include "mqttwin/fleet/column.hpp"

#include <cmath>
#include <utility>

#include "mqttwin/base/math.hpp"

#include "refuse.hpp"
#include "weights.hpp"

namespace mqttwin::fleet {

namespace {

// A distribution that is truncated keeps at least half of its mass (its centre is inside) on a
// range with one end; 64 tries fail with a chance below 1e-19. Narrow ranges fall back to the
// centre.
constexpr std::uint64_t kTries = 64;

[[noreturn]] void refuse_value(std::string_view parameter, double x, const Range& range,
                               std::string_view where = {}) {
    refuse(parameter, {number_text(x), where, " is not allowed (", range.text(), ")"});
}

void require(std::string_view parameter, std::string_view part, double x, const Range& range) {
    if (!range.holds(x)) refuse_value(join({parameter, ", ", part}), x, range);
}

}  // namespace

std::string Range::text() const {
    const bool has_low = low > std::numeric_limits<double>::lowest();
    const bool has_high = high < std::numeric_limits<double>::max();
    const std::string sign = above_low ? "> " : ">= ";
    std::string text = "must be ";
    if (has_low) text += sign + number_text(low);
    if (has_low && has_high) text += " and ";
    if (has_high) text += "<= " + number_text(high);
    if (!has_low && !has_high) text += "a finite number";
    return text;
}

Column Column::values(std::vector<double> one_a_device) {
    Column column(Kind::values, 0.0, 0.0);
    column.values_ = std::make_shared<const std::vector<double>>(std::move(one_a_device));
    return column;
}
Column Column::uniform(double low, double high) { return {Kind::uniform, low, high}; }
Column Column::normal(double mean, double sd) { return {Kind::normal, mean, sd}; }
Column Column::lognormal(double median, double sigma) { return {Kind::lognormal, median, sigma}; }
Column Column::exponential(double mean) { return {Kind::exponential, mean, 0.0}; }
Column Column::choice(std::vector<double> values, const std::vector<double>& weights) {
    check_weights(weights, values.size(), "choice");
    Column column(Kind::choice, 0.0, 0.0);
    column.values_ = std::make_shared<const std::vector<double>>(std::move(values));
    column.cumulative_ = std::make_shared<const std::vector<double>>(cumulated(weights));
    return column;
}

double Column::centre() const {
    if (kind_ == Kind::uniform) return a_ + (b_ - a_) * 0.5;
    if (kind_ == Kind::choice) return values_->front();
    return a_;
}

double Column::shape(std::uint64_t word) const {
    switch (kind_) {
        case Kind::uniform:
            return a_ + (b_ - a_) * unit_from(word);
        case Kind::normal:
            return a_ + b_ * normal_from(word);
        case Kind::lognormal:
            return a_ * portable::exp(b_ * normal_from(word));
        case Kind::exponential:
            return a_ * exponential_from(word);
        case Kind::choice:
            return (*values_)[chosen_position(word, values_->size(), *cumulative_)];
        case Kind::scalar:
        case Kind::values:
            break;
    }
    return a_;
}

double Column::draw(Device device) const {
    for (std::uint64_t attempt = 0; attempt < kTries; ++attempt) {
        const double x = shape(draw64(key_, device, attempt));
        if (range_.holds(x)) return x;
    }
    return centre();
}

void Column::check_values(std::string_view parameter, Range range) const {
    const std::vector<double>& values = *values_;
    const bool per_device = kind_ == Kind::values;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (range.holds(values[i])) continue;
        const std::string where = per_device ? " (device " + number_text(i) + ")" : std::string();
        refuse_value(parameter, values[i], range, where);
    }
}

void Column::check(std::string_view parameter, Range range) const {
    switch (kind_) {
        case Kind::scalar:
            if (!range.holds(a_)) refuse_value(parameter, a_, range);
            return;
        case Kind::values:
            return check_values(parameter, range);
        case Kind::choice:
            if (values_->empty()) refuse(parameter, {"a choice needs at least one value"});
            return check_values(parameter, range);
        case Kind::uniform: {
            // Its low end may be a value that is excluded: that is one draw in 2^53.
            const Range closed{range.low, range.high, false};
            require(parameter, "low of uniform", a_, closed);
            require(parameter, "high of uniform", b_, range);
            if (a_ > b_) {
                refuse(parameter, {"uniform from ", number_text(a_), " to ", number_text(b_),
                                   " is not allowed (low must be <= high)"});
            }
            // Half of the largest double each, or high - low would overflow.
            if (!std::isfinite(b_ - a_)) refuse(parameter, {"uniform over too wide a range"});
            return;
        }
        case Kind::normal:
            require(parameter, "mean of normal", a_, range);
            require(parameter, "sd of normal", b_, Range::not_negative());
            return;
        case Kind::lognormal:
            require(parameter, "median of lognormal", a_, Range::positive());
            require(parameter, "median of lognormal", a_, range);
            require(parameter, "sigma of lognormal", b_, Range::not_negative());
            return;
        case Kind::exponential:
            require(parameter, "mean of exponential", a_, Range::positive());
            require(parameter, "mean of exponential", a_, range);
            return;
    }
}

Column Column::bound(const Population& population, std::string_view purpose,
                     std::string_view parameter, Range range) const {
    check(parameter, range);
    if (kind_ == Kind::values && values_->size() != population.count()) {
        refuse(parameter, {number_text(values_->size()), " values for ",
                           number_text(population.count()), " devices (must be one each)"});
    }
    Column column = *this;
    column.key_ = population.key(purpose);
    column.range_ = range;
    return column;
}

DurationColumn DurationColumn::in_seconds(Column seconds) {
    DurationColumn column;
    column.per_device_ = true;
    column.seconds_ = std::move(seconds);
    return column;
}

void DurationColumn::check(std::string_view parameter, Range seconds_range) const {
    Range range = seconds_range;
    if (range.high > kMaximumSeconds) range.high = kMaximumSeconds;
    const Column seconds = per_device_ ? seconds_ : Column(scalar_.seconds());
    seconds.check(join({parameter, " in seconds"}), range);
}

DurationColumn DurationColumn::bound(const Population& population, std::string_view purpose,
                                     std::string_view parameter, Range seconds_range) const {
    check(parameter, seconds_range);
    if (!per_device_) return *this;
    if (seconds_range.high > kMaximumSeconds) seconds_range.high = kMaximumSeconds;
    DurationColumn column = *this;
    column.seconds_ =
        seconds_.bound(population, purpose, join({parameter, " in seconds"}), seconds_range);
    // One for all is known to the nanosecond, once.
    if (seconds_.is_scalar()) return DurationColumn(from_seconds(column.seconds_.at(0)));
    return column;
}

Duration DurationColumn::from_seconds(double seconds) {
    const double ns = seconds * 1e9;
    // From 2^52 on every double is an integer, and adding a half would round it.
    if (ns >= 0x1p52 || ns <= -0x1p52) return {static_cast<std::int64_t>(ns)};
    return {static_cast<std::int64_t>(ns < 0 ? ns - 0.5 : ns + 0.5)};
}

}  // namespace mqttwin::fleet
