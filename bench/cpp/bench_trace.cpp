// What observing costs: per value, per delivery, per message, per logged event.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/trace/counts.hpp"
#include "mqttwin/trace/digest.hpp"
#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/trace/histogram.hpp"
#include "mqttwin/trace/messages.hpp"
#include "mqttwin/trace/series.hpp"

#include "nowhere.hpp"

namespace {

using namespace mqttwin;         // NOLINT(google-build-using-namespace)
using namespace mqttwin::trace;  // NOLINT(google-build-using-namespace)

// Latencies of 40 ms to 2 s.
std::vector<std::int64_t> latencies() {
    std::vector<std::int64_t> values(4096);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<std::int64_t>(40'000'000 + mix64(i) % 1'960'000'000);
    }
    return values;
}

void histogram_record(benchmark::State& state) {
    const auto values = latencies();
    Histogram histogram;
    std::size_t i = 0;
    for (auto _ : state) histogram.record(values[i++ & 4095]);
    benchmark::DoNotOptimize(histogram.count());
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(histogram_record);

void histogram_percentile(benchmark::State& state) {
    Histogram histogram;
    for (const std::int64_t value : latencies()) histogram.record(value);
    for (auto _ : state) benchmark::DoNotOptimize(histogram.quantile(0.99));
}
BENCHMARK(histogram_percentile);

void histogram_merge(benchmark::State& state) {
    Histogram part;
    for (const std::int64_t value : latencies()) part.record(value);
    Histogram whole;
    for (auto _ : state) whole.merge(part);
    benchmark::DoNotOptimize(whole.count());
}
BENCHMARK(histogram_merge);

// One connection after the other, as a fleet's deliveries come.
void digest_update(benchmark::State& state) {
    const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5A);
    std::vector<Rolling> ends(1024);
    std::int64_t now = 0;
    for (auto _ : state) {
        ++now;
        ends[static_cast<std::size_t>(now) & 1023].update(Instant{now}, Direction::up, bytes);
    }
    benchmark::DoNotOptimize(ends.data());
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(digest_update)->Arg(4)->Arg(90)->Arg(1500);

// Every update waits for the one before: the worst case.
void digest_update_one_end(benchmark::State& state) {
    const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5A);
    Rolling end;
    std::int64_t now = 0;
    for (auto _ : state) end.update(Instant{++now}, Direction::up, bytes);
    benchmark::DoNotOptimize(end);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(digest_update_one_end)->Arg(90);

void digest_combine(benchmark::State& state) {
    Digest digest;
    Rolling end;
    for (auto _ : state) {
        ++end.a;
        digest.combine("meter/123456", end);
    }
    benchmark::DoNotOptimize(digest);
}
BENCHMARK(digest_combine);

void series_add(benchmark::State& state) {
    TimeSeries series(seconds(10), 4096, {"published", "delivered"});
    std::int64_t now = 0;
    for (auto _ : state) series.add(1, Instant{now += 1'000'000});
    benchmark::DoNotOptimize(series.count(1, 0));
}
BENCHMARK(series_add);

void series_change(benchmark::State& state) {
    TimeSeries series(seconds(10), 4096, {}, {"connections"});
    std::int64_t now = 0;
    for (auto _ : state) series.change(0, Instant{now += 1'000'000}, 1);
    benchmark::DoNotOptimize(series.level(0));
}
BENCHMARK(series_change);

// The memory of the rows is touched for the first time, as in a run.
void message_append(benchmark::State& state) {
    constexpr int rows = 1'000'000;
    for (auto _ : state) {
        MessageLog log(rows);
        Delivery row;
        for (int i = 0; i < rows; ++i) {
            row.published.ns += 1000;
            row.delivered.ns += 1001;
            row.publisher = static_cast<std::uint32_t>(i);
            log.append(row);
        }
        benchmark::DoNotOptimize(log.size());
    }
    state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(message_append)->Unit(benchmark::kMillisecond);

void message_table(benchmark::State& state) {
    MessageLog log(1'000'000);
    Delivery row;
    for (int i = 0; i < 1'000'000; ++i) log.append(row);
    for (auto _ : state) benchmark::DoNotOptimize(log.table().rows());
}
BENCHMARK(message_table)->Unit(benchmark::kMillisecond);

void counter_add(benchmark::State& state) {
    Counters counters;
    for (auto _ : state) {
        counters.add(Counter::delivered);
        counters.add(Counter::mqtt_bytes_up, 90);
        benchmark::ClobberMemory();
    }
    benchmark::DoNotOptimize(counters);
}
BENCHMARK(counter_add);

Event publish_event(std::int64_t i) {
    Event event;
    event.kind = Kind::delivered;
    event.at = Instant{i * 93'750};
    event.entity = static_cast<std::uint32_t>(i % 10'000);
    event.packet = static_cast<std::uint8_t>(wire::PacketType::publish);
    event.bytes = 88;
    event.packet_id = static_cast<std::uint16_t>(i);
    event.qos = 1;
    event.topic = "site/17/meter/4242";
    return event;
}

void event_record(benchmark::State& state) {
    EventLog log(std::make_unique<Nowhere>(), {});
    std::int64_t i = 0;
    for (auto _ : state) log.record(publish_event(++i));
    state.SetItemsProcessed(state.iterations());
    state.counters["bytes_per_event"] =
        static_cast<double>(log.bytes()) / static_cast<double>(log.records());
}
BENCHMARK(event_record);

void event_read(benchmark::State& state) {
    constexpr std::int64_t events = 1'000'000;
    const auto path = std::filesystem::temp_directory_path() / "mqttwin_bench.msgpack";
    {
        EventLog log(file_sink(path.string()), {});
        for (std::int64_t i = 0; i < events; ++i) log.record(publish_event(i));
    }
    for (auto _ : state) {
        if (read_event_log(path.string()).events.rows() != events) state.SkipWithError("lost");
    }
    std::filesystem::remove(path);
    state.SetItemsProcessed(state.iterations() * events);
}
BENCHMARK(event_read)->Unit(benchmark::kMillisecond);

}  // namespace
