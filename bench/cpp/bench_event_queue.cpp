// Holds (pop the next event, push another one) with so many pending, against std::priority_queue.
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include <benchmark/benchmark.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/sim/event_queue.hpp"

namespace {

using mqttwin::sim::Event;
using mqttwin::sim::EventQueue;

constexpr std::int64_t kMinute = 60'000'000'000;

/// The same interface over the standard library's heap.
class Heap {
   public:
    void push(const Event& event) { heap_.push(event); }
    Event pop() {
        const Event event = heap_.top();
        heap_.pop();
        return event;
    }

   private:
    struct Later {
        bool operator()(const Event& a, const Event& b) const { return b < a; }
    };
    std::priority_queue<Event, std::vector<Event>, Later> heap_;
};

/// Draws made beforehand, so that they are not what is measured.
std::vector<std::int64_t> exponential_draws(double mean) {
    mqttwin::Stream stream(mqttwin::StreamKey::of(1, "bench", "ahead"), 0);
    std::vector<std::int64_t> draws(1U << 16U);
    for (std::int64_t& draw : draws) {
        draw = static_cast<std::int64_t>(mean * stream.exponential());
    }
    return draws;
}

template <typename Queue>
void fill(Queue& queue, std::int64_t pending, const std::vector<std::int64_t>& ahead) {
    for (std::int64_t i = 0; i < pending; ++i) {
        const std::int64_t at = ahead[static_cast<std::size_t>(i) % ahead.size()] + i % 1021;
        queue.push({at, static_cast<std::uint64_t>(i)});
    }
}

/// Every event is followed by one 15 minutes ahead in the mean, exponentially.
template <typename Queue>
void hold(benchmark::State& state) {
    const std::vector<std::int64_t> ahead = exponential_draws(15.0 * kMinute);
    Queue queue;
    fill(queue, state.range(0), ahead);
    std::size_t i = 0;
    const auto step = [&] {
        const Event event = queue.pop();
        queue.push({event.at + ahead[i++ % ahead.size()], event.key});
    };
    for (std::int64_t n = 0; n < state.range(0); ++n) step();
    for (auto _ : state) step();
    state.SetItemsProcessed(state.iterations());
    if constexpr (std::is_same_v<Queue, EventQueue>) {
        state.counters["bytes/event"] =
            static_cast<double>(queue.footprint()) / static_cast<double>(state.range(0));
    }
}

/// Devices with a period of 15 minutes; each wakes, and three events follow on a link: 100 µs,
/// 20 to 60 ms and 20 to 60 ms ahead.
template <typename Queue>
void fleet(benchmark::State& state) {
    const std::vector<std::int64_t> ahead = exponential_draws(15.0 * kMinute);
    Queue queue;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        queue.push({15 * kMinute / state.range(0) * i, static_cast<std::uint64_t>(i) << 8U});
    }
    std::size_t i = 0;
    const auto step = [&] {
        const Event event = queue.pop();
        const std::int64_t delay = 20'000'000 + ahead[i++ % ahead.size()] % 40'000'000;
        switch (event.key & 3U) {
            case 0:
                queue.push({event.at + 15 * kMinute, event.key});
                queue.push({event.at + 100'000, event.key + 1});
                break;
            case 1:
                queue.push({event.at + delay, event.key + 1});
                break;
            case 2:
                queue.push({event.at + delay, event.key + 1});
                break;
            default:
                break;
        }
    };
    for (std::int64_t n = 0; n < 4 * state.range(0); ++n) step();
    for (auto _ : state) step();
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(hold<EventQueue>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(hold<Heap>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(fleet<EventQueue>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(fleet<Heap>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

/// A million events at one instant: push all, pop all.
void ties(benchmark::State& state) {
    for (auto _ : state) {
        EventQueue queue;
        for (std::uint64_t i = 0; i < 1'000'000; ++i) queue.push({5, i * 7919 % 1'000'003});
        while (!queue.empty()) benchmark::DoNotOptimize(queue.pop());
    }
    state.SetItemsProcessed(state.iterations() * 1'000'000);
}
BENCHMARK(ties)->Unit(benchmark::kMillisecond);

}  // namespace
