// The whole path, device timer to subscriber callback, in virtual time: everything encoded, sent
// through a link, framed, decoded, routed and delivered.

#include <string>

#include <benchmark/benchmark.h>

#include "mqttwin/world/virtual_world.hpp"

namespace {

using namespace mqttwin;  // NOLINT(google-build-using-namespace)
using world::FleetSpec;
using world::VirtualWorld;

// `devices` publish 64-byte payloads once a second: to one subscriber, or each to one of its own.
// Their links lose that share of packets.
void run_fleet(benchmark::State& state, wire::QoS qos, double loss, bool own) {
    const auto devices = static_cast<std::uint32_t>(state.range(0));
    world::WorldOptions options;
    options.seed = 1;
    options.recorder.max_messages = 0;
    VirtualWorld world(options);
    world.add_broker("broker", {});
    FleetSpec consumer;
    consumer.population.name = "consumer";
    fleet::SubscriptionSpec subscription;
    if (own) {
        consumer.population.count = devices;
        consumer.link.up.latency = consumer.link.down.latency = milliseconds(20);
        consumer.link.up.loss = consumer.link.down.loss = loss;
    }
    subscription.filter = own ? "plant/{group}/sensor-{index}/t" : "#";
    subscription.options.qos = qos;
    const auto listener = world.add_fleet(consumer);
    world.add_subscribe(listener, subscription);
    FleetSpec fleet;
    fleet.population.name = "sensor";
    fleet.population.count = devices;
    fleet.start = seconds(1);
    fleet.ramp = seconds(10);
    fleet.link.up.latency = milliseconds(20);
    fleet.link.down.latency = milliseconds(20);
    fleet.link.up.loss = fleet.link.down.loss = loss;
    const auto sensors = world.add_fleet(fleet);
    fleet::PublishSpec publish;
    publish.topic = "plant/{group}/{id}/t";
    fleet::Periodic periodic;
    periodic.every = seconds(1);
    publish.arrival.process = periodic;
    publish.payload = fleet::PayloadSpec::constant(std::vector<std::uint8_t>(64, 'x'));
    publish.qos = qos;
    world.add_publish(sensors, publish);
    world.run(Instant{seconds(20).ns}, [] { return true; });

    const auto& counters = world.recorder().counters();
    const std::uint64_t before = counters[trace::Counter::delivered];
    const std::uint64_t events = world.events();
    // At least 200,000 messages an iteration.
    const Duration slice = milliseconds(1 + 200'000'000 / devices);
    for (auto _ : state) {
        world.run(world.now() + slice, [] { return true; });
    }
    const auto delivered = static_cast<double>(counters[trace::Counter::delivered] - before);
    state.counters["messages/s"] = benchmark::Counter(delivered, benchmark::Counter::kIsRate);
    state.counters["events/message"] = static_cast<double>(world.events() - events) / delivered;
    if (delivered == 0) state.SkipWithError("nothing was delivered");
}

void publish_to_one(benchmark::State& state, wire::QoS qos, double loss = 0.0) {
    run_fleet(state, qos, loss, false);
}
void publish_to_own(benchmark::State& state, wire::QoS qos, double loss = 0.0) {
    run_fleet(state, qos, loss, true);
}

BENCHMARK_CAPTURE(publish_to_one, qos0, wire::QoS::at_most_once)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(publish_to_one, qos0_lossy, wire::QoS::at_most_once, 0.02)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(publish_to_one, qos1, wire::QoS::at_least_once)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(publish_to_own, qos0, wire::QoS::at_most_once, 0.001)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
