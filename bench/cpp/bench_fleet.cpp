// What a message costs before it reaches a client: arrival, topic, payload.
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "mqttwin/fleet/publish.hpp"

namespace {

using namespace mqttwin;
using namespace mqttwin::fleet;

constexpr std::uint32_t kDevices = 1000;

Population meters(std::uint32_t count = kDevices) {
    PopulationSpec spec;
    spec.seed = 42;
    spec.name = "meter";
    spec.count = count;
    return Population(std::move(spec));
}

PublishSpec publishing(PayloadSpec payload, Duration jitter = {}) {
    PublishSpec spec;
    spec.topic = "site/{group}/{id}";
    Periodic process;
    process.every = minutes(15);
    process.jitter = jitter;
    spec.arrival.process = process;
    spec.payload = std::move(payload);
    return spec;
}

// Every device in turn, as the world's queue would wake them.
void run(benchmark::State& state, const PublishSpec& spec, std::uint32_t count = kDevices) {
    PublishBehaviour behaviour(spec, meters(count));
    std::vector<Instant> due(count);
    for (Device d = 0; d < count; ++d) due[d] = behaviour.first(d, Instant{0});
    wire::Publish message;
    Device device = 0;
    for (auto _ : state) {
        due[device] = behaviour.fire(device, due[device], message);
        benchmark::DoNotOptimize(message.payload.data());
        benchmark::DoNotOptimize(message.topic.data());
        if (++device == count) device = 0;
    }
}

FieldSpec field(std::string name, gen::Model model, int digits = -1) {
    return {std::move(name), {std::move(model), digits}};
}

const gen::OrnsteinUhlenbeck kTemperature{21, 0.4, hours(1)};

void fire_constant_64(benchmark::State& state) {
    run(state, publishing(PayloadSpec::constant(std::vector<std::uint8_t>(64, 'x'))));
}
BENCHMARK(fire_constant_64);

void fire_constant_64_jitter(benchmark::State& state) {
    run(state, publishing(PayloadSpec::constant(std::vector<std::uint8_t>(64, 'x')), seconds(60)));
}
BENCHMARK(fire_constant_64_jitter);

void fire_constant_64_million_devices(benchmark::State& state) {
    run(state, publishing(PayloadSpec::constant(std::vector<std::uint8_t>(64, 'x'))), 1'000'000);
}
BENCHMARK(fire_constant_64_million_devices);

void fire_json_two_normals(benchmark::State& state) {
    run(state, publishing(PayloadSpec::json(
                   {field("a", gen::Normal{21, 3}), field("b", gen::Normal{0.5, 0.1})})));
}
BENCHMARK(fire_json_two_normals);

void fire_json_two_normals_two_digits(benchmark::State& state) {
    run(state, publishing(PayloadSpec::json(
                   {field("a", gen::Normal{21, 3}, 2), field("b", gen::Normal{0.5, 0.1}, 2)})));
}
BENCHMARK(fire_json_two_normals_two_digits);

std::vector<FieldSpec> temperature_and_counter() {
    return {field("t", kTemperature), field("seq", gen::Counter{})};
}

// The fleet of ten lines in the README.
void fire_json_ou_and_counter(benchmark::State& state) {
    run(state, publishing(PayloadSpec::json(temperature_and_counter()), seconds(60)));
}
BENCHMARK(fire_json_ou_and_counter);

void fire_msgpack_ou_and_counter(benchmark::State& state) {
    run(state, publishing(PayloadSpec::msgpack(temperature_and_counter()), seconds(60)));
}
BENCHMARK(fire_msgpack_ou_and_counter);

void fire_raw_ou_and_counter(benchmark::State& state) {
    run(state, publishing(PayloadSpec::raw("<fI", temperature_and_counter()), seconds(60)));
}
BENCHMARK(fire_raw_ou_and_counter);

void fire_random_64(benchmark::State& state) { run(state, publishing(PayloadSpec::random(64))); }
BENCHMARK(fire_random_64);

void render_topic(benchmark::State& state) {
    const TextTemplate topic("site/{group}/{id}", meters(), "topic");
    std::string text;
    Device device = 0;
    for (auto _ : state) {
        text.clear();
        topic.render(device, text);
        benchmark::DoNotOptimize(text.data());
        if (++device == kDevices) device = 0;
    }
}
BENCHMARK(render_topic);

void column_of_a_distribution(benchmark::State& state) {
    const Column column = Column::lognormal(900, 0.1).bound(meters(), "p", "p", Range::positive());
    Device device = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(column.at(device));
        if (++device == kDevices) device = 0;
    }
}
BENCHMARK(column_of_a_distribution);

}  // namespace
