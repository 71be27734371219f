#include "mqttwin/trace/counts.hpp"

#include <numeric>

namespace mqttwin::trace {
namespace {

constexpr std::array<CounterInfo, kCounters> kCounterInfo = {{
#define MQTTWIN_X(name, unit, what) {#name, unit, what},
    MQTTWIN_COUNTERS(MQTTWIN_X)
#undef MQTTWIN_X
}};

constexpr std::array<CounterInfo, kFamilies> kFamilyInfo = {{
#define MQTTWIN_X(name, what) {#name, "by reason", what},
    MQTTWIN_COUNTER_FAMILIES(MQTTWIN_X)
#undef MQTTWIN_X
}};

}  // namespace

const CounterInfo& info(Counter counter) { return kCounterInfo[static_cast<std::size_t>(counter)]; }

const CounterInfo& info(Family family) { return kFamilyInfo[static_cast<std::size_t>(family)]; }

std::uint64_t Counters::total(Family family) const {
    const auto& reasons = reasons_[static_cast<std::size_t>(family)];
    return std::accumulate(reasons.begin(), reasons.end(), std::uint64_t{0});
}

std::int64_t Counters::unaccounted() const {
    return static_cast<std::int64_t>((*this)[Counter::expected] - (*this)[Counter::delivered] -
                                     (*this)[Counter::pending] - total(Family::dropped));
}

void Counters::name_reasons(Family family, std::span<const std::string_view> names) {
    auto& mine = names_[static_cast<std::size_t>(family)];
    mine.clear();
    for (const std::string_view name : names.first(std::min(names.size(), kReasons))) {
        mine.emplace_back(name);
    }
}

std::string Counters::reason_name(Family family, unsigned reason) const {
    const auto& names = names_[static_cast<std::size_t>(family)];
    return reason < names.size() ? names[reason] : std::to_string(reason);
}

void Counters::merge(const Counters& other) {
    for (std::size_t i = 0; i < kCounters; ++i) values_[i] += other.values_[i];
    for (std::size_t f = 0; f < kFamilies; ++f) {
        for (std::size_t r = 0; r < kReasons; ++r) reasons_[f][r] += other.reasons_[f][r];
        if (names_[f].empty()) names_[f] = other.names_[f];
    }
}

Table Counters::table() const {
    Column names("name", Type::utf8);
    Column values("value", Type::int64);
    for_each([&](const std::string& name, std::uint64_t value) {
        names.append_text(name);
        values.append_int(static_cast<std::int64_t>(value));
    });
    std::vector<Column> columns;
    columns.push_back(std::move(names));
    columns.push_back(std::move(values));
    return Table::of(std::move(columns));
}

}  // namespace mqttwin::trace
