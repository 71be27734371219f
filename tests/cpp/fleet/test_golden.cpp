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
    EXPECT_EQ(first.ns, 708'382'318'611);
    EXPECT_EQ(second.ns, 1'640'909'102'498);
    EXPECT_EQ(payload, R"({"normal":7.592774044208316,"uniform":-1.4627237591873454,"walk":0,)"
                       R"("ou":20.819,"diurnal":6.687348480283346,"replay":-3.7,"choice":1,)"
                       R"("time":1735690308382,"flag":false,"seq":100})");
    behaviour.fire(42, second, message);
    EXPECT_EQ(as_text(message.payload),
              R"({"normal":12.062548510821944,"uniform":1.346195076557148,)"
              R"("walk":0.13935624599202331,"ou":21.046,"diurnal":6.621586893455807,"replay":0.1,)"
              R"("choice":2.5,"time":1735691240909,"flag":true,"seq":101})");
}

TEST(Golden, Json) {
    EXPECT_EQ(digest_of(spec_of("json", readings(), PayloadSpec::json(every_generator()))),
              0xf2a5c741a28a76e2U);
}

TEST(Golden, Msgpack) {
    Poisson process;
    process.mean = DurationColumn::in_seconds(Column::exponential(20));
    EXPECT_EQ(digest_of(spec_of("msgpack", process, PayloadSpec::msgpack(every_generator()))),
              0x281024b44f378eU);
}

TEST(Golden, Raw) {
    const PayloadSpec payload = PayloadSpec::raw("<ddffhhHQ?I", every_generator());
    EXPECT_EQ(digest_of(spec_of("raw", Periodic{}, payload)), 0x89b7296b4dbab1aU);
}

TEST(Golden, Random) {
    const PayloadSpec payload = PayloadSpec::random(Column::uniform(0, 99));
    EXPECT_EQ(digest_of(spec_of("random", Periodic{}, payload)), 0x1077504929d3ec44U);
}

}  // namespace
}  // namespace mqttwin::fleet
