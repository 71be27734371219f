#include "mqttwin/trace/series.hpp"

#include <algorithm>
#include <cassert>

namespace mqttwin::trace {

TimeSeries::TimeSeries(Duration width, std::size_t max_buckets, std::vector<std::string> counters,
                       std::vector<std::string> gauges)
    : width_(width.ns),
      max_buckets_(max_buckets),
      counter_names_(std::move(counters)),
      gauge_names_(std::move(gauges)),
      counts_(counter_names_.size(), 0),
      levels_(gauge_names_.size(), 0) {
    assert(width_ > 0 && max_buckets_ >= 2);
    gauges_.resize(gauge_names_.size());
}

// Widens until the instant fits. Ends: every width reaches beyond the last instant at some point,
// because two buckets of 2^62 ns do.
std::size_t TimeSeries::bucket_of(Instant at) {
    const std::int64_t ns = std::max<std::int64_t>(at.ns, 0);
    while (static_cast<std::uint64_t>(ns / width_) >= max_buckets_) fold();
    return static_cast<std::size_t>(ns / width_);
}

void TimeSeries::select(Instant at) {
    const std::size_t bucket = bucket_of(at);
    const std::size_t stride = counter_names_.size();
    row_ = bucket * stride;
    row_begin_ = static_cast<std::int64_t>(bucket) * width_;
    if (counts_.size() < row_ + stride) counts_.resize(row_ + stride, 0);
}

void TimeSeries::set(std::size_t gauge, Instant at, std::int64_t level) {
    const std::size_t bucket = bucket_of(at);
    const std::size_t stride = gauge_names_.size();
    while (gauges_.size() < (bucket + 1) * stride) {
        for (const std::int64_t carried : levels_) gauges_.push_back({carried, carried, carried});
    }
    levels_[gauge] = level;
    Gauge& now = gauges_[gauges_.size() - stride + gauge];
    now.last = level;
    now.min = std::min(now.min, level);
    now.max = std::max(now.max, level);
}

void TimeSeries::extend(Instant end) {
    if (end.ns <= 0) return;
    const std::size_t bucket = bucket_of({end.ns - 1});
    extended_ = std::max(extended_, bucket + 1);
}

// Two buckets become one, twice as wide; an odd one at the end stays alone.
void TimeSeries::fold() {
    const std::size_t stride = counter_names_.size();
    if (stride > 0) {
        const std::size_t rows = counts_.size() / stride;
        const std::size_t folded = (rows + 1) / 2;
        for (std::size_t row = 0; row < folded; ++row) {
            for (std::size_t c = 0; c < stride; ++c) {
                std::uint64_t sum = counts_[2 * row * stride + c];
                if (2 * row + 1 < rows) sum += counts_[(2 * row + 1) * stride + c];
                counts_[row * stride + c] = sum;
            }
        }
        counts_.resize(folded * stride);
    }
    const std::size_t gauges = gauge_names_.size();
    if (gauges > 0) {
        const std::size_t rows = gauges_.size() / gauges;
        const std::size_t folded = (rows + 1) / 2;
        for (std::size_t row = 0; row < folded; ++row) {
            for (std::size_t g = 0; g < gauges; ++g) {
                Gauge merged = gauges_[2 * row * gauges + g];
                if (2 * row + 1 < rows) {
                    const Gauge& next = gauges_[(2 * row + 1) * gauges + g];
                    merged.last = next.last;
                    merged.min = std::min(merged.min, next.min);
                    merged.max = std::max(merged.max, next.max);
                }
                gauges_[row * gauges + g] = merged;
            }
        }
        gauges_.resize(folded * gauges);
    }
    extended_ = (extended_ + 1) / 2;
    width_ *= 2;
    // The bucket that add() counts into has moved; the first one exists always.
    row_ = 0;
    row_begin_ = 0;
}

std::size_t TimeSeries::buckets() const {
    std::size_t rows = extended_;
    if (!counter_names_.empty()) rows = std::max(rows, counts_.size() / counter_names_.size());
    if (!gauge_names_.empty()) rows = std::max(rows, gauges_.size() / gauge_names_.size());
    return rows;
}

std::uint64_t TimeSeries::count(std::size_t counter, std::size_t bucket) const {
    const std::size_t at = bucket * counter_names_.size() + counter;
    return at < counts_.size() ? counts_[at] : 0;
}

TimeSeries::Gauge TimeSeries::gauge(std::size_t gauge, std::size_t bucket) const {
    const std::size_t at = bucket * gauge_names_.size() + gauge;
    if (at < gauges_.size()) return gauges_[at];
    return {levels_[gauge], levels_[gauge], levels_[gauge]};
}

Table TimeSeries::table() const {
    const std::size_t rows = buckets();
    const auto column = [rows](const std::string& name, Type type, auto value) {
        std::vector<std::int64_t> values(rows);
        for (std::size_t i = 0; i < rows; ++i) values[i] = value(i);
        return Column::adopt(name, type, std::move(values));
    };
    std::vector<Column> columns;
    columns.push_back(column("time", Type::duration_ns, [this](std::size_t i) {
        return static_cast<std::int64_t>(i) * width_;
    }));
    for (std::size_t c = 0; c < counter_names_.size(); ++c) {
        columns.push_back(column(counter_names_[c], Type::int64, [this, c](std::size_t i) {
            return static_cast<std::int64_t>(count(c, i));
        }));
    }
    for (std::size_t g = 0; g < gauge_names_.size(); ++g) {
        const std::string& name = gauge_names_[g];
        columns.push_back(
            column(name, Type::int64, [this, g](std::size_t i) { return gauge(g, i).last; }));
        columns.push_back(column(name + ".min", Type::int64,
                                 [this, g](std::size_t i) { return gauge(g, i).min; }));
        columns.push_back(column(name + ".max", Type::int64,
                                 [this, g](std::size_t i) { return gauge(g, i).max; }));
    }
    return Table::of(std::move(columns), {{"width_ns", std::to_string(width_)}});
}

}  // namespace mqttwin::trace
