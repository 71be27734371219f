// Numbers that every compiler, every optimisation level and every CPU must agree on. When one
// changes, runs of earlier versions no longer replay: say so in the change log.
#include <gtest/gtest.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/fleet/publish.hpp"

#include "fleet_test.hpp"

namespace mqttwin::fleet {
namespace {

FieldSpec field(std::string name, gen::Model model, int digits = -1) {
    return {std::move(name), {std::move(model), digits}};
}

std::vector<FieldSpec> every_generator() {
    gen::Replay replay;
    replay.values = std::make_shared<const std::vector<double>>(std::vector<double>{0.1, 2, -3.7});
    replay.offset = Column::uniform(0, 3);
    gen::Choice choice;
    choice.numbers = {1, 2.5, 4};
    choice.weights = {1, 2, 3};
    return {field("normal", gen::Normal{Column::lognormal(10, 0.3), 2}),
            field("uniform", gen::Uniform{-5, Column::exponential(3)}),
            field("walk", gen::RandomWalk{0, 0.5, Column(-2), Column(2)}),
            field("ou", gen::OrnsteinUhlenbeck{21, Column::uniform(0.2, 0.6), minutes(50)}, 3),
            field("diurnal", gen::Diurnal{15, 8, Column::normal(14, 1), 0.5}),
            field("replay", replay),
            field("choice", choice),
            field("time", gen::Timestamp{}),
            field("flag", gen::Boolean{0.3}),
            field("seq", gen::Counter{Column::choice({100, 200}), 1})};
}

PublishSpec spec_of(std::string name, decltype(ArrivalSpec::process) process, PayloadSpec payload) {
    PublishSpec spec;
    spec.name = std::move(name);
    spec.topic = "{fleet}/{group:02}/{id}";
    spec.arrival.process = std::move(process);
    spec.payload = std::move(payload);
    return spec;
}

std::uint64_t digest_of(const PublishSpec& spec) {
    const Population population = fleet_of(300);
    PublishBehaviour behaviour(spec, population);
    wire::Publish message;
    std::uint64_t digest = 0;
    for (Device device = 0; device < population.count(); ++device) {
        Instant due = behaviour.first(device, Instant{0});
        for (int n = 0; n < 100; ++n) {
            const auto ns = static_cast<std::uint64_t>(due.ns);
            due = behaviour.fire(device, due, message);
            digest = hash_text(message.topic, digest ^ ns);
            digest = hash_bytes(message.payload, digest);
        }
    }
    return digest;
}

Periodic readings() {
    Periodic process;
    process.every = DurationColumn::in_seconds(Column::lognormal(900, 0.1));
    process.jitter = seconds(60);
    return process;
}

TEST(Golden, FirstReadings) {
    PublishBehaviour behaviour(spec_of("golden", readings(), PayloadSpec::json(every_generator())),
                               fleet_of(300));
    wire::Publish message;
    const Instant first = behaviour.first(42, Instant{0});
    const Instant second = behaviour.fire(42, first, message);
    const std::string payload(as_text(message.payload));
    EXPECT_EQ(message.topic, "meter/00/meter-42");
    EXPECT_EQ(first.ns, 695'000'133'604);
    EXPECT_EQ(second.ns, 1'559'268'281'414);
    EXPECT_EQ(payload, R"({"normal":6.222704088601789,"uniform":0.7946804170906461,"walk":0,)"
                       R"("ou":20.923,"diurnal":7.048231529365642,"replay":2,"choice":2.5,)"
                       R"("time":1735690295000,"flag":false,"seq":100})");
    behaviour.fire(42, second, message);
    EXPECT_EQ(as_text(message.payload),
              R"({"normal":8.056139174566127,"uniform":-0.4515918117997808,)"
              R"("walk":-0.4356263091386426,"ou":20.706,"diurnal":6.704466127225121,)"
              R"("replay":-3.7,"choice":1,"time":1735691159268,"flag":false,"seq":101})");
}

TEST(Golden, Json) {
    EXPECT_EQ(digest_of(spec_of("json", readings(), PayloadSpec::json(every_generator()))),
              0xe384c4ef10043f00U);
}

TEST(Golden, Msgpack) {
    Poisson process;
    process.mean = DurationColumn::in_seconds(Column::exponential(20));
    EXPECT_EQ(digest_of(spec_of("msgpack", process, PayloadSpec::msgpack(every_generator()))),
              0xdc61dec8a109f743U);
}

TEST(Golden, Raw) {
    const PayloadSpec payload = PayloadSpec::raw("<ddffhhHQ?I", every_generator());
    EXPECT_EQ(digest_of(spec_of("raw", Periodic{}, payload)), 0x6e9b162e0e644e66U);
}

TEST(Golden, Random) {
    const PayloadSpec payload = PayloadSpec::random(Column::uniform(0, 99));
    EXPECT_EQ(digest_of(spec_of("random", Periodic{}, payload)), 0x28c3a0a573561a75U);
}

}  // namespace
}  // namespace mqttwin::fleet
