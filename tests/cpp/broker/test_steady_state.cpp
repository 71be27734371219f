// What a broker costs that is warm: no memory from the system, and little for who is idle.
#include <array>

#include "allocation_count.hpp"
#include "broker_test.hpp"
#include "state.hpp"

namespace mqttwin::broker {
namespace {

class SteadyState : public BothVersions {
   protected:
    SteadyState() : broker_(Options{}, pool_, quiet_, StreamKey::of(1, "broker", "test")) {}

    void hears(Slot slot, const Bytes& bytes) { broker_.handle_bytes({1}, slot, bytes, {}); }
    void enters(Slot slot, std::string_view name) {
        broker_.handle_open({0}, slot, {});
        hears(slot, connect(Hello(version(), name)));
    }
    // A client's PUBACK, PUBREC, ...: the same bytes in every version.
    void answers(Slot slot, wire::PacketType type, unsigned id) {
        const bool pubrel = type == wire::PacketType::pubrel;
        const std::array<std::uint8_t, 4> bytes = {
            static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | (pubrel ? 2U : 0U)), 2,
            static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)};
        broker_.handle_bytes({1}, slot, bytes, {});
    }
    std::size_t drain() {
        const std::size_t count = broker_.outbox().size();
        for (const Output& out : broker_.outbox()) {
            pool_.release(out.head);
            pool_.release(out.body);
        }
        broker_.outbox().clear();
        return count;
    }

    BlobPool pool_;
    Observer quiet_;
    Broker broker_;
};
MQTTWIN_BOTH_VERSIONS(SteadyState);

TEST_P(SteadyState, MessagesTakeNoMemoryFromTheSystem) {
    enters(0, "ann");
    enters(1, "bob");
    hears(0, subscribe(version(), 1, {{"a/#", QoS::exactly_once}, {"+/0"}, {"a/1"}}));
    drain();
    const Bytes qos0 = publish(version(), "a/0", "reading", QoS::at_most_once);
    const Bytes qos1 =
        publish(version(), "a/1", std::string(1000, 'x'), QoS::at_least_once, {.id = 1});
    const Bytes qos2 = publish(version(), "a/2", "x", QoS::exactly_once, {.id = 2, .retain = true});
    std::size_t before = 0;
    for (unsigned round = 0; round < 1000; ++round) {
        if (round == 10) before = allocation_count();
        const unsigned first = 2 * round + 1;
        hears(1, qos0);
        hears(1, qos1);
        answers(0, wire::PacketType::puback, first);
        hears(1, qos2);
        answers(1, wire::PacketType::pubrel, 2);
        answers(0, wire::PacketType::pubrec, first + 1);
        answers(0, wire::PacketType::pubcomp, first + 1);
        ASSERT_EQ(drain(), 7U);
    }
    EXPECT_EQ(allocation_count(), before);
    EXPECT_EQ(broker_.counts().in_flight, 0U);
}

TEST_P(SteadyState, ComingAndGoingTakesNoMemoryFromTheSystem) {
    const Bytes hello = connect(Hello(version(), "ann").will("w", "x"));
    std::size_t before = 0;
    for (unsigned round = 0; round < 2000; ++round) {
        if (round == 1000) before = allocation_count();
        const Instant now{seconds(round).ns};
        broker_.handle_open(now, 0, {});
        broker_.handle_bytes(now, 0, hello, {});
        broker_.handle_closed(now, 0);
        broker_.handle_timeout(now);
        drain();
    }
    EXPECT_EQ(allocation_count(), before);
}

TEST(Sizes, AnIdleClientIsSmall) {
    EXPECT_LE(sizeof(Session), 64U);
    EXPECT_LE(sizeof(Connection), 32U);
}

}  // namespace
}  // namespace mqttwin::broker
