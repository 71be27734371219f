// The subscription index at a million filters: what a match, a delivery and a subscription cost.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "mqttwin/base/random.hpp"

#include "../../cpp/src/broker/subscription_index.hpp"

namespace {

using mqttwin::Stream;
using mqttwin::StreamKey;
using mqttwin::broker::SubscriptionData;
using mqttwin::broker::SubscriptionIndex;

constexpr std::uint32_t kNone = SubscriptionIndex::kNone;
constexpr std::size_t kTopics = 1U << 16U;

/// Eight levels, four of which vary; one of those is `+` in a filter.
std::string plant_path(Stream& stream, bool is_filter) {
    static constexpr std::string_view names[] = {"plant/", "/area/", "/line/", "/device/"};
    const std::uint64_t plus = is_filter ? stream.below(4) : 4;
    std::string path;
    for (std::uint64_t i = 0; i < 4; ++i) {
        path += names[i];
        const std::uint64_t number = stream.below(100);
        path += i == plus ? "+" : std::to_string(number);
    }
    return path;
}

struct Sessions {
    SubscriptionIndex index{1};
    std::vector<std::uint32_t> heads;

    void subscribe(std::string_view filter, std::uint32_t session) {
        if (session >= heads.size()) heads.resize(session + 1, kNone);
        index.subscribe(filter, session, SubscriptionData{}, heads[session]);
    }
};

void match_topics(benchmark::State& state, SubscriptionIndex& index,
                  const std::vector<std::string>& topics, std::size_t ahead) {
    std::uint64_t matches = 0;
    std::size_t i = 0;
    for (auto _ : state) {
        if (ahead > 0) index.prefetch(topics[(i + ahead) % topics.size()]);
        index.for_each_match(topics[i++ % topics.size()],
                             [&](std::uint32_t session, const SubscriptionData&) {
                                 benchmark::DoNotOptimize(session);
                                 ++matches;
                             });
    }
    state.SetItemsProcessed(state.iterations());
    state.counters["matches/topic"] =
        static_cast<double>(matches) / static_cast<double>(state.iterations());
    state.counters["bytes/subscription"] =
        static_cast<double>(index.footprint()) / static_cast<double>(index.size());
}

/// A million filters with a wildcard each, random topics that match few.
void match_few(benchmark::State& state) {
    static Sessions sessions;
    static std::vector<std::string> topics;
    if (topics.empty()) {
        Stream stream(StreamKey::of(1, "bench", "filters"), 0);
        for (std::uint32_t i = 0; i < 1'000'000; ++i) {
            sessions.subscribe(plant_path(stream, true), i);
        }
        for (std::size_t i = 0; i < kTopics; ++i) topics.push_back(plant_path(stream, false));
    }
    match_topics(state, sessions.index, topics, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(match_few)->ArgName("prefetched ahead")->Arg(0)->Arg(4);

/// A million devices with a filter of their own, and a consumer of them all.
void match_own(benchmark::State& state) {
    static Sessions sessions;
    static std::vector<std::string> topics;
    if (topics.empty()) {
        Stream stream(StreamKey::of(1, "bench", "devices"), 0);
        const auto device = [](std::uint64_t i) { return "fleet/device-" + std::to_string(i); };
        for (std::uint32_t i = 0; i < 1'000'000; ++i) sessions.subscribe(device(i) + "/down/#", i);
        sessions.subscribe("fleet/+/up", 1'000'000);
        for (std::size_t i = 0; i < kTopics; ++i) {
            topics.push_back(device(stream.below(1'000'000)) + (i % 2 == 0 ? "/up" : "/down"));
        }
    }
    match_topics(state, sessions.index, topics, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(match_own)->ArgName("prefetched ahead")->Arg(0)->Arg(4);

/// 100,000 sessions on one filter: the cost of a delivery.
void match_many(benchmark::State& state) {
    Sessions sessions;
    for (std::uint32_t i = 0; i < 100'000; ++i) sessions.subscribe("all/#", i);
    std::uint64_t sum = 0;
    for (auto _ : state) {
        sessions.index.for_each_match("all/devices",
                                      [&](std::uint32_t session, const SubscriptionData& data) {
                                          sum += session + static_cast<std::uint32_t>(data.qos);
                                      });
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(match_many)->Unit(benchmark::kMicrosecond);

/// 4,096 filters of `+` and `a` that all match: the cost of a match.
void match_storm(benchmark::State& state) {
    Sessions sessions;
    for (std::uint32_t mask = 0; mask < 4096; ++mask) {
        std::string filter;
        for (unsigned level = 0; level < 12; ++level) {
            filter += level == 0 ? "" : "/";
            filter += (mask >> level & 1U) != 0 ? "+" : "a";
        }
        sessions.subscribe(filter, mask);
    }
    std::uint64_t sum = 0;
    for (auto _ : state) {
        sessions.index.for_each_match(
            "a/a/a/a/a/a/a/a/a/a/a/a",
            [&](std::uint32_t session, const SubscriptionData&) { sum += session; });
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * 4096);
}
BENCHMARK(match_storm)->Unit(benchmark::kMicrosecond);

/// A million sessions come, subscribe to two filters, one of them shared by all, and go.
void come_and_go(benchmark::State& state) {
    constexpr std::uint32_t kSessions = 1'000'000;
    for (auto _ : state) {
        Sessions sessions;
        for (std::uint32_t i = 0; i < kSessions; ++i) {
            sessions.subscribe("fleet/device-" + std::to_string(i) + "/down", i);
            sessions.subscribe("fleet/all", i);
        }
        for (std::uint32_t& head : sessions.heads) sessions.index.remove_session(head);
    }
    state.SetItemsProcessed(state.iterations() * 2 * kSessions);
}
BENCHMARK(come_and_go)->Unit(benchmark::kMillisecond)->Iterations(2);

}  // namespace
