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

/// `levels` levels of which the bits of `mask` say which are `+`; the others are `a`.
std::string storm_filter(unsigned levels, std::uint32_t mask) {
    std::string filter;
    for (unsigned level = 0; level < levels; ++level) {
        filter += level == 0 ? "" : "/";
        filter += (mask >> level & 1U) != 0 ? "+" : "a";
    }
    return filter;
}

/// The cost of a match of a topic of `levels` times `a`.
void match_all(benchmark::State& state, SubscriptionIndex& index, unsigned levels) {
    const std::string topic = storm_filter(levels, 0);
    std::uint64_t sum = 0;
    std::uint64_t matches = 0;
    for (auto _ : state) {
        index.for_each_match(topic, [&](std::uint32_t session, const SubscriptionData&) {
            sum += session;
            ++matches;
        });
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(static_cast<std::int64_t>(matches));
}

/// Every filter of `+` and `a` with so many levels: 256 and 4,096 that all match.
void match_storm(benchmark::State& state) {
    const auto levels = static_cast<unsigned>(state.range(0));
    Sessions sessions;
    for (std::uint32_t mask = 0; mask < 1U << levels; ++mask) {
        sessions.subscribe(storm_filter(levels, mask), mask);
    }
    match_all(state, sessions.index, levels);
}
BENCHMARK(match_storm)->Arg(8)->Arg(12)->Unit(benchmark::kMicrosecond);

/// Every filter of `+` and `a` with fewer levels and `#` behind them: 511 and 8,191 that all match.
void match_hash_storm(benchmark::State& state) {
    const auto levels = static_cast<unsigned>(state.range(0));
    Sessions sessions;
    std::uint32_t session = 0;
    for (unsigned depth = 0; depth <= levels; ++depth) {
        for (std::uint32_t mask = 0; mask < 1U << depth; ++mask) {
            const std::string filter = storm_filter(depth, mask);
            sessions.subscribe(filter + (depth == 0 ? "#" : "/#"), session++);
        }
    }
    match_all(state, sessions.index, levels);
}
BENCHMARK(match_hash_storm)->Arg(8)->Arg(12)->Unit(benchmark::kMicrosecond);

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
