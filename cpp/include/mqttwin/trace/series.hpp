// Counters and levels over virtual time, bounded in memory whatever the length of the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/columns.hpp"

namespace mqttwin::trace {

/// Named counters and gauges in time buckets of one common width.
///
/// Bucket i covers [i * width, (i + 1) * width). When an instant lies beyond the last bucket that
/// `max_buckets` allows, the width doubles and neighbours merge, as often as it takes: counts add
/// up exactly, levels keep the last, smallest and largest. Instants before 0 count as 0.
class TimeSeries {
   public:
    /// A level within a bucket; the level at the bucket's start counts as within.
    struct Gauge {
        std::int64_t last = 0;
        std::int64_t min = 0;
        std::int64_t max = 0;

        friend bool operator==(const Gauge&, const Gauge&) = default;
    };

    /// `width` > 0, `max_buckets` >= 2. Counters and gauges are numbered in the order of their
    /// names; gauges start at 0.
    TimeSeries(Duration width, std::size_t max_buckets, std::vector<std::string> counters,
               std::vector<std::string> gauges = {});

    /// Instants may come in any order; ascending ones are cheapest.
    void add(std::size_t counter, Instant at, std::uint64_t n = 1) {
        if (static_cast<std::uint64_t>(at.ns - row_begin_) >= static_cast<std::uint64_t>(width_)) {
            select(at);
        }
        counts_[row_ + counter] += n;
    }
    /// One that was counted at that instant was none.
    void take_back(std::size_t counter, Instant at) {
        select(at);
        --counts_[row_ + counter];
    }

    /// Instants must not go back: one that does counts as the latest bucket so far.
    void set(std::size_t gauge, Instant at, std::int64_t level);
    void change(std::size_t gauge, Instant at, std::int64_t by) {
        set(gauge, at, levels_[gauge] + by);
    }
    [[nodiscard]] std::int64_t level(std::size_t gauge) const { return levels_[gauge]; }

    /// The series lasts until `end`: buckets up to the one in which the nanosecond before it lies
    /// exist, although nothing happened in them.
    void extend(Instant end);

    [[nodiscard]] Duration width() const { return {width_}; }
    [[nodiscard]] std::size_t buckets() const;
    [[nodiscard]] std::uint64_t count(std::size_t counter, std::size_t bucket) const;
    [[nodiscard]] Gauge gauge(std::size_t gauge, std::size_t bucket) const;

    /// Columns: `time` (start of the bucket, duration), one int64 a counter, three a gauge:
    /// NAME (level at the end), NAME.min, NAME.max. Metadata: `width_ns`.
    [[nodiscard]] Table table() const;
    /// What was counted, not what it is called.
    void archive(Archive& a) {
        a(width_, max_buckets_, row_begin_, row_, counts_, gauges_, levels_, extended_);
    }

   private:
    [[nodiscard]] std::size_t bucket_of(Instant at);
    void select(Instant at);
    void fold();

    std::int64_t width_;
    std::size_t max_buckets_;
    std::vector<std::string> counter_names_;
    std::vector<std::string> gauge_names_;

    std::int64_t row_begin_ = 0;         // start of the bucket that add() counts into ...
    std::size_t row_ = 0;                // ... and where its counters are
    std::vector<std::uint64_t> counts_;  // a row of counters a bucket
    std::vector<Gauge> gauges_;          // a row of gauges a bucket, up to the latest change
    std::vector<std::int64_t> levels_;   // now
    std::size_t extended_ = 0;           // buckets asked for by extend()
};

}  // namespace mqttwin::trace
