// The whole path, device timer to subscriber callback, in virtual time: everything encoded, sent
// through a link, framed, decoded, routed and delivered.

#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "mqttwin/world/virtual_world.hpp"

#include "nowhere.hpp"

namespace {

using namespace mqttwin;  // NOLINT(google-build-using-namespace)
using world::FleetSpec;
using world::VirtualWorld;

// Apart, so that a profiler can tell it from what comes before.
[[gnu::noinline]] void run_for(VirtualWorld& world, Duration slice) {
    world.run(world.now() + slice, [] { return true; });
}

enum class To { one, own, group };

// `devices` publish 64-byte payloads once a second (100,000 every ten seconds, where eight
// consumers share them): to one subscriber, as in bench/peers, or each to one of its own. Links
// have a delay (but for consumers that share) and lose that share of packets.
void run_fleet(benchmark::State& state, wire::QoS qos, double loss, To to, bool logged = false) {
    const auto devices = static_cast<std::uint32_t>(state.range(0));
    world::WorldOptions options;
    options.seed = 1;
    options.recorder.max_messages = 0;
    VirtualWorld world(options);
    world.add_broker("broker", {});
    FleetSpec consumer;
    consumer.population.name = "consumer";
    const std::uint16_t keep_alive = to == To::group ? 1'200 : 60;  // as fleets in Python; default
    consumer.client.keep_alive = keep_alive;
    fleet::SubscriptionSpec subscription;
    if (to == To::group) consumer.population.count = 8;
    if (to == To::own) consumer.population.count = devices;
    if (to != To::group) {
        consumer.link.up.latency = consumer.link.down.latency = milliseconds(20);
        consumer.link.up.loss = consumer.link.down.loss = loss;
    }
    subscription.filter = to == To::own     ? "plant/{group}/sensor-{index}/t"
                          : to == To::group ? "$share/all/plant/#"
                                            : "plant/#";
    subscription.options.qos = qos;
    const auto listener = world.add_fleet(consumer);
    world.add_subscribe(listener, subscription);
    FleetSpec fleet;
    fleet.population.name = "sensor";
    fleet.population.count = devices;
    fleet.client.keep_alive = keep_alive;
    fleet.start = seconds(1);
    fleet.ramp = seconds(10);
    fleet.link.up.latency = milliseconds(20);
    fleet.link.down.latency = milliseconds(20);
    fleet.link.up.loss = fleet.link.down.loss = loss;
    const auto sensors = world.add_fleet(fleet);
    fleet::PublishSpec publish;
    publish.topic = "plant/{group}/{id}/t";
    fleet::Periodic periodic;
    const std::int64_t period = to == To::group && devices >= 100'000 ? 10 : 1;
    periodic.every = seconds(period);
    if (to == To::one) periodic.jitter = milliseconds(100);
    publish.arrival.process = periodic;
    publish.payload = fleet::PayloadSpec::constant(std::vector<std::uint8_t>(64, 'x'));
    publish.qos = qos;
    world.add_publish(sensors, publish);
    // Deadlines from connecting come up in the minute after it; with few messages they would show.
    world.run(Instant{seconds(period > 1 ? 150 : 20).ns}, [] { return true; });

    if (logged) {
        world.recorder().start_log(
            std::make_unique<trace::EventLog>(std::make_unique<Nowhere>(), trace::LogHeader{}));
    }

    const auto& counters = world.recorder().counters();
    const std::uint64_t before = counters[trace::Counter::delivered];
    const std::uint64_t events = world.events();
    // At least 200,000 messages an iteration.
    const Duration slice = milliseconds(1 + period * 200'000'000 / devices);
    for (auto _ : state) run_for(world, slice);
    const auto delivered = static_cast<double>(counters[trace::Counter::delivered] - before);
    state.counters["messages/s"] = benchmark::Counter(delivered, benchmark::Counter::kIsRate);
    state.counters["events/message"] = static_cast<double>(world.events() - events) / delivered;
    if (delivered == 0) state.SkipWithError("nothing was delivered");
}

void publish_to_one(benchmark::State& state, wire::QoS qos, double loss = 0.0) {
    run_fleet(state, qos, loss, To::one);
}
void log_everything(benchmark::State& state, wire::QoS qos) {
    run_fleet(state, qos, 0.0, To::one, true);
}
void publish_to_own(benchmark::State& state, wire::QoS qos, double loss = 0.0) {
    run_fleet(state, qos, loss, To::own);
}
void publish_to_group(benchmark::State& state, wire::QoS qos, double loss = 0.0) {
    run_fleet(state, qos, loss, To::group);
}

void small_and_large(benchmark::internal::Benchmark* benchmark) {
    benchmark->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(publish_to_one, qos0, wire::QoS::at_most_once)->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_one, qos0_lossy, wire::QoS::at_most_once, 0.02)
    ->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_one, qos1, wire::QoS::at_least_once)->Apply(small_and_large);
BENCHMARK_CAPTURE(log_everything, qos0, wire::QoS::at_most_once)->Apply(small_and_large);
BENCHMARK_CAPTURE(log_everything, qos1, wire::QoS::at_least_once)->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_own, qos0, wire::QoS::at_most_once, 0.001)->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_own, qos1, wire::QoS::at_least_once, 0.001)->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_group, qos0, wire::QoS::at_most_once, 0.001)->Apply(small_and_large);
BENCHMARK_CAPTURE(publish_to_group, qos1, wire::QoS::at_least_once, 0.001)->Apply(small_and_large);

}  // namespace
