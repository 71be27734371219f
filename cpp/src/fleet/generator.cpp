#include "mqttwin/fleet/generator.hpp"

#include <algorithm>
#include <array>
#include <cmath>  // sqrt only: IEEE 754 rounds it exactly

#include "mqttwin/base/math.hpp"

#include "calendar.hpp"
#include "weights.hpp"

namespace mqttwin::fleet {

namespace {

Value real_value(double x) {
    Value value;
    value.kind = Value::Kind::real;
    value.real = x;
    return value;
}

Value integer_value(std::int64_t x) {
    Value value;
    value.kind = Value::Kind::integer;
    value.integer = x;
    return value;
}

Value boolean_value(bool x) {
    Value value;
    value.kind = Value::Kind::boolean;
    value.integer = x ? 1 : 0;
    return value;
}

Value text_value(std::string_view x) {
    Value value;
    value.kind = Value::Kind::text;
    value.text = x;
    return value;
}

// 1 - exp(-x) for x >= 0 without loss of digits where x is small (its series; next term x^4/24).
double one_minus_exp(double x) {
    if (x < 1e-4) return x - x * x * 0.5 + x * x * x / 6.0;
    return 1.0 - portable::exp(-x);
}

// A step may overshoot a wide interval a few times over; whoever asks for more gets the edge.
double reflected(double x, double low, double high) {
    for (int fold = 0; fold < 16; ++fold) {
        if (x < low) {
            x = low + (low - x);
        } else if (x > high) {
            x = high - (x - high);
        } else {
            return x;
        }
    }
    return x < low ? low : high;
}

}  // namespace

Value Generator::next(const Moment& m) {
    return std::visit([this, &m](const auto& model) { return produce(model, m); }, model_);
}

Value Generator::rounded(double x) const {
    static constexpr std::array<double, 10> kScale = {1e0, 1e1, 1e2, 1e3, 1e4,
                                                      1e5, 1e6, 1e7, 1e8, 1e9};
    Value value = real_value(x);
    if (digits_ < 0) return value;
    const double scale = kScale[static_cast<std::size_t>(digits_)];
    const double units = x * scale + (x < 0 ? -0.5 : 0.5);
    // Beyond, doubles have no fractions left to round.
    if (!(units > -0x1p52 && units < 0x1p52)) return value;
    value.integer = static_cast<std::int64_t>(units);
    value.digits = static_cast<std::int8_t>(digits_);
    // Both exact, so this is the double that the decimal text reads back as.
    value.real = static_cast<double>(value.integer) / scale;
    return value;
}

Value Generator::produce(const gen::Constant& g, const Moment& m) const {
    if (const auto* number = std::get_if<Column>(&g.value)) return rounded(number->at(m.device));
    if (const auto* integer = std::get_if<std::int64_t>(&g.value)) return integer_value(*integer);
    if (const auto* truth = std::get_if<bool>(&g.value)) return boolean_value(*truth);
    return text_value(std::get<std::string>(g.value));
}

Value Generator::produce(const gen::Counter& g, const Moment& m) const {
    const auto start = static_cast<std::int64_t>(g.start.at(m.device));
    const auto step = static_cast<std::int64_t>(g.step.at(m.device));
    const std::int64_t count = start + step * static_cast<std::int64_t>(m.n);
    if (g.wrap == 0) return integer_value(count);
    const auto wrap = static_cast<std::int64_t>(g.wrap);
    return integer_value((count % wrap + wrap) % wrap);
}

Value Generator::produce(const gen::Normal& g, const Moment& m) const {
    const double mean = g.mean.at(m.device);
    const double sd = g.sd.at(m.device);
    return rounded(mean + sd * normal_from(draw64(key_, m.device, m.n)));
}

Value Generator::produce(const gen::Uniform& g, const Moment& m) const {
    const double low = g.low.at(m.device);
    const double high = g.high.at(m.device);
    return rounded(low + (high - low) * unit_from(draw64(key_, m.device, m.n)));
}

Value Generator::produce(const gen::RandomWalk& g, const Moment& m) {
    constexpr double kFar = std::numeric_limits<double>::max();
    const double low = g.low ? g.low->at(m.device) : -kFar;
    const double high = g.high ? std::max(low, g.high->at(m.device)) : kFar;
    double& x = state_[m.device];
    if (m.n == 0) {
        x = std::clamp(g.start.at(m.device), low, high);
    } else {
        const double step = g.step.at(m.device);
        x = reflected(x + step * normal_from(draw64(key_, m.device, m.n)), low, high);
    }
    return rounded(x);
}

// Exact for every gap: x(t + gap) - mean = rho (x(t) - mean) + sigma sqrt(1 - rho^2) Z with
// rho = exp(-gap/tau) (Gillespie 1996, equations 3.1). The state is x - mean.
Value Generator::produce(const gen::OrnsteinUhlenbeck& g, const Moment& m) {
    double& x = state_[m.device];
    const double mean = g.mean.at(m.device);
    const double sigma = g.sigma.at(m.device);
    const double z = normal_from(draw64(key_, m.device, m.n));
    if (m.n == 0) {
        x = sigma * z;
    } else {
        const Duration tau = max(g.tau.at(m.device), Duration{1});
        const double gap = static_cast<double>(m.gap.ns) / static_cast<double>(tau.ns);
        const double rho = portable::exp(-gap);
        x = rho * x + sigma * std::sqrt(one_minus_exp(2.0 * gap)) * z;
    }
    return rounded(mean + x);
}

Value Generator::produce(const gen::Diurnal& g, const Moment& m) const {
    const double day = static_cast<double>(since_midnight_ns(epoch_ns_ + m.now.ns)) / kDayNs;
    const double peak = g.peak_hour.at(m.device) / 24.0;
    const double mean = g.mean.at(m.device);
    const double amplitude = g.amplitude.at(m.device);
    const double noise = g.noise.at(m.device);
    const double x = mean + amplitude * portable::cos_turns(day - peak);
    if (noise <= 0.0) return rounded(x);
    return rounded(x + noise * normal_from(draw64(key_, m.device, m.n)));
}

Value Generator::produce(const gen::Replay& g, const Moment& m) const {
    const auto offset = static_cast<std::uint64_t>(g.offset.at(m.device));
    const std::uint64_t steps =
        g.step.ns > 0 ? static_cast<std::uint64_t>(m.now.ns / g.step.ns) : m.n;
    const std::uint64_t size = g.values->size();
    // Cut before it is multiplied: the product stays within 64 bits.
    const std::uint64_t cut = g.loop ? steps % size : std::min(steps, size);
    const std::uint64_t position = offset + cut * g.stride;
    const double x = (*g.values)[g.loop ? position % size : std::min(position, size - 1)];
    if (x != x) return {};
    return g.integers ? integer_value(static_cast<std::int64_t>(x)) : rounded(x);
}

Value Generator::produce(const gen::Choice& g, const Moment& m) const {
    const std::uint64_t word = draw64(key_, m.device, m.n);
    const std::size_t count = g.numbers.size() + g.texts.size();
    const std::size_t position = chosen_position(word, count, cumulative_);
    if (!g.texts.empty()) return text_value(g.texts[position]);
    const double x = g.numbers[position];
    return g.integers ? integer_value(static_cast<std::int64_t>(x)) : rounded(x);
}

Value Generator::produce(const gen::Timestamp& g, const Moment& m) {
    const std::int64_t ns = m.now.ns + (g.absolute ? epoch_ns_ : 0);
    switch (g.unit) {
        case gen::Timestamp::Unit::seconds:
            return integer_value(floor_divide(ns, 1'000'000'000));
        case gen::Timestamp::Unit::milliseconds:
            return integer_value(floor_divide(ns, 1'000'000));
        case gen::Timestamp::Unit::microseconds:
            return integer_value(floor_divide(ns, 1'000));
        case gen::Timestamp::Unit::nanoseconds:
            break;
        case gen::Timestamp::Unit::iso8601:
            scratch_.resize(kIso8601Size);
            write_iso8601(ns, scratch_.data());
            return text_value(scratch_);
    }
    return integer_value(ns);
}

Value Generator::produce(const gen::DeviceIndex&, const Moment& m) const {
    return integer_value(m.device);
}

Value Generator::produce(const gen::Text&, const Moment& m) {
    if (template_.is_constant()) return text_value(template_.rendered_constant());
    const char* const end = template_.render(m.device, scratch_.data());
    return text_value({scratch_.data(), static_cast<std::size_t>(end - scratch_.data())});
}

Value Generator::produce(const gen::Boolean& g, const Moment& m) const {
    const double probability = g.probability.at(m.device);
    return boolean_value(unit_from(draw64(key_, m.device, m.n)) < probability);
}

}  // namespace mqttwin::fleet
