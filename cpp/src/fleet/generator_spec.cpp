// What descriptions of generators may say, and binding their columns to a fleet.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/fleet/generator.hpp"
#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"
#include "weights.hpp"

namespace mqttwin::fleet {

namespace {

constexpr double kExactIntegers = 9'007'199'254'740'992.0;  // 2^53
constexpr Range kWhole{-kExactIntegers, kExactIntegers};
// Keeps differences and sums of a few such numbers finite.
constexpr Range kReal{-1e300, 1e300};
constexpr Range kSpread{0.0, 1e300};

// Calls visit(column, parameter name, range) for each parameter of a model: the one list that
// both checking and binding follow.
template <typename Model, typename Visit>
void each_column(Model& model, Visit visit) {
    using M = std::remove_const_t<Model>;
    if constexpr (std::is_same_v<M, gen::Constant>) {
        if (auto* column = std::get_if<Column>(&model.value)) visit(*column, "value", kReal);
    } else if constexpr (std::is_same_v<M, gen::Counter>) {
        visit(model.start, "start", kWhole);
        // 2^32 messages of 2^30 steps each stay within 64 bits.
        visit(model.step, "step", Range::between(-1073741824.0, 1073741824.0));
    } else if constexpr (std::is_same_v<M, gen::Normal>) {
        visit(model.mean, "mean", kReal);
        visit(model.sd, "sd", kSpread);
    } else if constexpr (std::is_same_v<M, gen::Uniform>) {
        visit(model.low, "low", kReal);
        visit(model.high, "high", kReal);
    } else if constexpr (std::is_same_v<M, gen::RandomWalk>) {
        visit(model.start, "start", kReal);
        visit(model.step, "step", kSpread);
        if (model.low) visit(*model.low, "low", kReal);
        if (model.high) visit(*model.high, "high", kReal);
    } else if constexpr (std::is_same_v<M, gen::OrnsteinUhlenbeck>) {
        visit(model.mean, "mean", kReal);
        visit(model.sigma, "sigma", kSpread);
        visit(model.tau, "tau", Range::positive());
    } else if constexpr (std::is_same_v<M, gen::Diurnal>) {
        visit(model.mean, "mean", kReal);
        visit(model.amplitude, "amplitude", kReal);
        visit(model.peak_hour, "peak_hour", Range::between(0.0, 24.0));
        visit(model.noise, "noise", kSpread);
    } else if constexpr (std::is_same_v<M, gen::Replay>) {
        visit(model.offset, "offset", Range::between(0.0, kExactIntegers));
    } else if constexpr (std::is_same_v<M, gen::Boolean>) {
        visit(model.probability, "probability", Range::between(0.0, 1.0));
    }
}

void check_order(const Column& low, const Column& high, std::string_view field,
                 std::uint32_t devices) {
    if (low.is_drawn() || high.is_drawn()) return;
    const std::uint32_t count = low.is_scalar() && high.is_scalar() ? 1 : devices;
    for (Device device = 0; device < count; ++device) {
        if (low.at(device) <= high.at(device)) continue;
        refuse(join({field, ".low"}), {number_text(low.at(device)), " is not allowed (must be <= ",
                                       "high, ", number_text(high.at(device)), ")"});
    }
}

void check_text(std::string_view text, const std::string& parameter) {
    if (!wire::valid_utf8(text)) refuse(parameter, {"must be UTF-8 without U+0000"});
    if (text.size() > kMaximumText) {
        refuse(parameter, {"has ", number_text(text.size()),
                           " bytes (must be <= ", number_text(kMaximumText), ")"});
    }
}

void check_whole(double x, const std::string& parameter, std::size_t position) {
    if (x == x && !(kWhole.holds(x) && x == static_cast<double>(static_cast<std::int64_t>(x)))) {
        refuse(parameter,
               {"value ", number_text(x), " at ", number_text(position), " is not a whole number"});
    }
}

void check_replay(const gen::Replay& replay, std::string_view field) {
    const std::string values = join({field, ".values"});
    if (!replay.values || replay.values->empty()) refuse(values, {"there must be at least one"});
    for (std::size_t i = 0; i < replay.values->size(); ++i) {
        const double x = (*replay.values)[i];
        if (x > kReal.high || x < kReal.low) {
            refuse(values, {"value ", number_text(x), " at ", number_text(i),
                            " is not allowed (must be finite, or NaN for a missing one)"});
        }
        if (replay.integers) check_whole(x, values, i);
    }
    if (replay.values->size() > std::numeric_limits<std::uint32_t>::max()) {
        refuse(values, {"there are too many (at most 4294967295)"});
    }
    if (replay.stride == 0) refuse(join({field, ".stride"}), {"0 is not allowed (must be >= 1)"});
    if (replay.step < Duration{0}) refuse(join({field, ".step"}), {"must not be negative"});
}

void check_choice(const gen::Choice& choice, std::string_view field) {
    if (choice.numbers.empty() == choice.texts.empty()) {
        refuse(field, {"a choice is among numbers or among texts, at least one"});
    }
    for (std::size_t i = 0; i < choice.numbers.size(); ++i) {
        if (!kReal.holds(choice.numbers[i])) {
            refuse(join({field, ".numbers"}),
                   {number_text(choice.numbers[i]), " is not allowed (", kReal.text(), ")"});
        }
        if (choice.integers) check_whole(choice.numbers[i], join({field, ".numbers"}), i);
    }
    for (const std::string& text : choice.texts) check_text(text, join({field, ".texts"}));
    check_weights(choice.weights, choice.numbers.size() + choice.texts.size(),
                  join({field, ".weights"}));
}

// Beyond the parameters' own ranges. `devices` is 0 where no fleet is known.
void check_together(const gen::Model& model, std::string_view field, std::uint32_t devices) {
    if (const auto* uniform = std::get_if<gen::Uniform>(&model)) {
        const bool scalars = uniform->low.is_scalar() && uniform->high.is_scalar();
        if (scalars || devices > 0) check_order(uniform->low, uniform->high, field, devices);
    }
    if (const auto* walk = std::get_if<gen::RandomWalk>(&model); walk && walk->low && walk->high) {
        const bool scalars = walk->low->is_scalar() && walk->high->is_scalar();
        if (scalars || devices > 0) check_order(*walk->low, *walk->high, field, devices);
    }
}

}  // namespace

void check(const GeneratorSpec& spec, std::string_view field) {
    if (spec.digits < -1 || spec.digits > 9) {
        refuse(join({field, ".digits"}),
               {number_text(spec.digits), " is not allowed (must be 0 to 9, or -1 for all)"});
    }
    std::visit(
        [field](const auto& model) {
            each_column(model, [field](const auto& column, std::string_view name, Range range) {
                column.check(join({field, ".", name}), range);
            });
        },
        spec.model);
    check_together(spec.model, field, 0);
    if (const auto* constant = std::get_if<gen::Constant>(&spec.model)) {
        const auto* text = std::get_if<std::string>(&constant->value);
        if (text) check_text(*text, join({field, ".value"}));
    } else if (const auto* counter = std::get_if<gen::Counter>(&spec.model)) {
        if (static_cast<double>(counter->wrap) > kExactIntegers) {
            refuse(join({field, ".wrap"}),
                   {number_text(counter->wrap), " is not allowed (must be <= 2^53)"});
        }
    } else if (const auto* replay = std::get_if<gen::Replay>(&spec.model)) {
        check_replay(*replay, field);
    } else if (const auto* choice = std::get_if<gen::Choice>(&spec.model)) {
        check_choice(*choice, field);
    }
}

Generator::Generator(const GeneratorSpec& spec, const Population& population,
                     std::string_view purpose, std::string_view field)
    : model_(spec.model),
      key_(population.key(purpose)),
      digits_(spec.digits),
      epoch_ns_(population.epoch_ns()) {
    check(spec, field);
    std::visit(
        [&](auto& model) {
            each_column(model, [&](auto& column, std::string_view name, Range range) {
                column = column.bound(population, join({purpose, "/", name}),
                                      join({field, ".", name}), range);
            });
        },
        model_);
    check_together(model_, field, population.count());
    if (std::holds_alternative<gen::RandomWalk>(model_) ||
        std::holds_alternative<gen::OrnsteinUhlenbeck>(model_)) {
        state_.resize(population.count());
    } else if (const auto* text = std::get_if<gen::Text>(&model_)) {
        template_ = TextTemplate(text->text, population, join({field, ".text"}));
        for (const Device device : template_.representatives()) {
            check_text(template_.text(device), join({field, ".text"}));
        }
        scratch_.resize(template_.room());
    } else if (const auto* choice = std::get_if<gen::Choice>(&model_)) {
        cumulative_ = cumulated(choice->weights);
    }
}

bool Generator::needs_gap() const { return std::holds_alternative<gen::OrnsteinUhlenbeck>(model_); }

std::size_t Generator::maximum_text() const {
    if (const auto* constant = std::get_if<gen::Constant>(&model_)) {
        const auto* text = std::get_if<std::string>(&constant->value);
        return text ? text->size() : 0;
    }
    if (const auto* choice = std::get_if<gen::Choice>(&model_)) {
        std::size_t longest = 0;
        for (const std::string& text : choice->texts) longest = std::max(longest, text.size());
        return longest;
    }
    if (std::holds_alternative<gen::Timestamp>(model_)) return kIso8601Size;
    return template_.maximum_size();
}

Value::Kind Generator::kind() const {
    using Kind = Value::Kind;
    if (const auto* constant = std::get_if<gen::Constant>(&model_)) {
        constexpr Kind kinds[] = {Kind::real, Kind::integer, Kind::boolean, Kind::text};
        return kinds[constant->value.index()];
    }
    if (const auto* replay = std::get_if<gen::Replay>(&model_)) {
        return replay->integers ? Kind::integer : Kind::real;
    }
    if (const auto* choice = std::get_if<gen::Choice>(&model_)) {
        if (!choice->texts.empty()) return Kind::text;
        return choice->integers ? Kind::integer : Kind::real;
    }
    if (const auto* timestamp = std::get_if<gen::Timestamp>(&model_)) {
        return timestamp->unit == gen::Timestamp::Unit::iso8601 ? Kind::text : Kind::integer;
    }
    if (std::holds_alternative<gen::Counter>(model_)) return Kind::integer;
    if (std::holds_alternative<gen::DeviceIndex>(model_)) return Kind::integer;
    if (std::holds_alternative<gen::Text>(model_)) return Kind::text;
    if (std::holds_alternative<gen::Boolean>(model_)) return Kind::boolean;
    return Kind::real;
}

void Generator::prefetch(Device device) const {
    if (!state_.empty()) mqttwin::prefetch(state_.data() + device);
    std::visit(
        [device](const auto& model) {
            each_column(model, [device](const auto& column, std::string_view, Range) {
                column.prefetch(device);
            });
        },
        model_);
}

}  // namespace mqttwin::fleet
