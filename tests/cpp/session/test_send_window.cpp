#include <algorithm>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/session/send_window.hpp"

namespace mqttwin {
namespace {

using wire::PacketId;
using wire::QoS;

class SendWindowTest : public ::testing::Test {
   protected:
    std::uint32_t record(QoS qos = QoS::at_least_once, std::uint32_t message = 0) {
        const std::uint32_t index = slab_.take();
        slab_[index].qos = qos;
        slab_[index].state = first_state(qos);
        slab_[index].message = message;
        return index;
    }
    PacketId add(QoS qos = QoS::at_least_once, std::uint32_t message = 0) {
        const std::uint32_t index = record(qos, message);
        const PacketId id = window_.add(slab_, index);
        if (id == 0) slab_.give_back(index);
        return id;
    }
    PacketId add_list(SendState state) {
        const std::uint32_t index = slab_.take();
        slab_[index].state = state;
        return window_.add(slab_, index);
    }
    // What an acknowledgement does, as an engine would do it.
    SendAction handle(PacketId id, SendInput input) {
        const auto verdict = window_.judge(slab_, id, input);
        switch (verdict.transition->action) {
            case SendAction::complete:
            case SendAction::refuse:
                window_.remove(slab_, verdict.place);
                slab_.give_back(verdict.place.index);
                break;
            case SendAction::release:
                window_.release(slab_, verdict.place);
                break;
            default:
                break;
        }
        return verdict.transition->action;
    }
    std::vector<PacketId> ids() const {
        std::vector<PacketId> out;
        window_.for_each(slab_, [&](std::uint32_t index) { out.push_back(slab_[index].id); });
        return out;
    }
    std::vector<std::uint32_t> messages(const MessageQueue& queue) const {
        std::vector<std::uint32_t> out;
        queue.for_each(slab_, [&](std::uint32_t index) { out.push_back(slab_[index].message); });
        return out;
    }

    PendingSlab slab_;
    SendWindow window_;
};

using Ids = std::vector<PacketId>;

TEST_F(SendWindowTest, HandsOutIdentifiersInACircle) {
    for (std::uint32_t n = 0; n < 150'000; ++n) {
        const PacketId id = add();
        ASSERT_EQ(id, n % 65535 + 1);
        ASSERT_EQ(handle(id, SendInput::puback), SendAction::complete);
    }
    EXPECT_EQ(slab_.live(), 0U);
}

// [MQTT-2.2.1-3]
TEST_F(SendWindowTest, NeverHandsOutAnIdentifierInUse) {
    const PacketId stuck = add();
    std::set<PacketId> also_stuck = {stuck};
    for (std::uint32_t n = 0; n < 200'000; ++n) {
        const PacketId id = add();
        ASSERT_NE(id, 0);
        ASSERT_EQ(also_stuck.count(id), 0U);
        if (n % 1000 == 7) {
            also_stuck.insert(id);
        } else {
            handle(id, SendInput::puback);
        }
    }
    EXPECT_EQ(window_.count(), also_stuck.size());
}

TEST_F(SendWindowTest, RefusesToAddWhenEveryIdentifierIsInUse) {
    for (std::uint32_t n = 0; n < 65535; ++n) ASSERT_EQ(add(), n + 1);
    EXPECT_EQ(add(), 0);
    EXPECT_EQ(window_.count(), 65535U);
    EXPECT_EQ(handle(40'000, SendInput::puback), SendAction::complete);
    EXPECT_EQ(add(), 40'000);
    EXPECT_EQ(add(), 0);
}

TEST_F(SendWindowTest, FindsWhatIsAcknowledgedOutOfOrder) {
    for (int n = 0; n < 5; ++n) add();
    EXPECT_EQ(handle(3, SendInput::puback), SendAction::complete);
    EXPECT_EQ(ids(), (Ids{1, 2, 4, 5}));
    EXPECT_EQ(handle(5, SendInput::puback), SendAction::complete);
    EXPECT_EQ(handle(1, SendInput::puback), SendAction::complete);
    EXPECT_EQ(ids(), (Ids{2, 4}));
    EXPECT_EQ(add(), 6);
    EXPECT_EQ(ids(), (Ids{2, 4, 6}));
    EXPECT_EQ(handle(3, SendInput::puback), SendAction::ignore);
}

// [MQTT-4.6.0-1], [MQTT-4.6.0-4]
TEST_F(SendWindowTest, WalksPubrelsInOrderOfPubrecAndThenPublishesInOrderOfSending) {
    for (int n = 0; n < 4; ++n) add(QoS::exactly_once);
    add(QoS::at_least_once);
    EXPECT_EQ(handle(3, SendInput::pubrec), SendAction::release);
    EXPECT_EQ(handle(1, SendInput::pubrec), SendAction::release);
    EXPECT_EQ(ids(), (Ids{3, 1, 2, 4, 5}));
    EXPECT_EQ(handle(3, SendInput::pubrec), SendAction::release);  // said twice
    EXPECT_EQ(ids(), (Ids{3, 1, 2, 4, 5}));
    EXPECT_EQ(handle(4, SendInput::pubrec), SendAction::release);
    EXPECT_EQ(handle(2, SendInput::pubrec), SendAction::release);
    EXPECT_EQ(ids(), (Ids{3, 1, 4, 2, 5}));
    EXPECT_EQ(handle(2, SendInput::pubcomp), SendAction::complete);
    EXPECT_EQ(handle(5, SendInput::puback), SendAction::complete);
    EXPECT_EQ(add(QoS::exactly_once), 6);
    EXPECT_EQ(handle(6, SendInput::pubrec), SendAction::release);
    EXPECT_EQ(ids(), (Ids{3, 1, 4, 6}));
    for (const PacketId id : ids()) {
        EXPECT_EQ(handle(id, SendInput::pubcomp), SendAction::complete);
    }
    EXPECT_TRUE(window_.empty());
    EXPECT_EQ(slab_.live(), 0U);
}

TEST_F(SendWindowTest, SharesIdentifiersWithListsButDoesNotCountThemAsMessages) {
    EXPECT_EQ(add_list(SendState::awaiting_suback), 1);
    EXPECT_EQ(add(), 2);
    EXPECT_EQ(add_list(SendState::awaiting_unsuback), 3);
    EXPECT_EQ(window_.messages(), 1U);
    EXPECT_EQ(window_.count(), 3U);
    EXPECT_EQ(handle(2, SendInput::suback), SendAction::fault);
    EXPECT_EQ(handle(1, SendInput::suback), SendAction::complete);
    unsigned dropped = 0;
    window_.drop_lists(slab_, [&](std::uint32_t) { ++dropped; });
    EXPECT_EQ(dropped, 1U);
    EXPECT_EQ(ids(), (Ids{2}));
    EXPECT_EQ(slab_.live(), 1U);
    EXPECT_EQ(add(), 4);
}

TEST_F(SendWindowTest, MarksPublishesForRedeliveryButNotPubrels) {
    for (int n = 0; n < 4; ++n) add(QoS::exactly_once);
    handle(2, SendInput::pubrec);
    window_.mark_unsent(slab_);
    window_.mark_unsent(slab_);
    EXPECT_EQ(window_.unsent(), 3U);
    EXPECT_EQ(window_.messages(), 1U);
    Ids order;
    while (const auto place = window_.next_unsent(slab_)) {
        order.push_back(slab_[place.index].id);
        window_.mark_sent(slab_, place.index);
    }
    EXPECT_EQ(order, (Ids{1, 3, 4}));
    EXPECT_EQ(window_.messages(), 4U);
}

TEST_F(SendWindowTest, ForgetsTheMarkOfWhatIsAcknowledgedAllTheSame) {
    for (int n = 0; n < 3; ++n) add(QoS::exactly_once);
    add(QoS::at_least_once);
    window_.mark_unsent(slab_);
    handle(1, SendInput::pubrec);
    handle(4, SendInput::puback);
    EXPECT_EQ(window_.unsent(), 2U);
    EXPECT_EQ(window_.messages(), 1U);
}

TEST_F(SendWindowTest, RequeuesInFrontOfWhatWaits) {
    MessageQueue queue;
    queue.push_back(slab_, record(QoS::at_least_once, 30));
    add(QoS::at_least_once, 10);
    add(QoS::exactly_once, 20);
    window_.mark_unsent(slab_);
    window_.requeue(slab_, queue);
    EXPECT_TRUE(window_.empty());
    EXPECT_EQ(window_.messages(), 0U);
    EXPECT_EQ(messages(queue), (std::vector<std::uint32_t>{10, 20, 30}));
    EXPECT_EQ(queue.count(), 3U);
    EXPECT_EQ(add(), 3);  // identifiers go on

    MessageQueue empty;
    window_.requeue(slab_, empty);
    EXPECT_EQ(empty.count(), 1U);
    empty.push_back(slab_, record(QoS::at_least_once, 40));
    EXPECT_EQ(empty.count(), 2U);
    SendWindow nothing;
    nothing.requeue(slab_, empty);
    EXPECT_EQ(empty.count(), 2U);
    queue.clear(slab_, [](std::uint32_t) {});
    empty.clear(slab_, [](std::uint32_t) {});
    EXPECT_EQ(slab_.live(), 0U);
}

TEST_F(SendWindowTest, QueueIsFirstInFirstOut) {
    MessageQueue queue;
    EXPECT_TRUE(queue.empty());
    for (std::uint32_t n = 1; n <= 4; ++n) queue.push_back(slab_, record(QoS::at_least_once, n));
    const std::uint32_t second = slab_[queue.front()].next;
    const std::uint32_t third = queue.remove_after(slab_, second);
    EXPECT_EQ(slab_[third].message, 3U);
    slab_.give_back(third);
    EXPECT_EQ(messages(queue), (std::vector<std::uint32_t>{1, 2, 4}));
    for (const std::uint32_t expected : {1U, 2U, 4U}) {
        const std::uint32_t index = queue.pop_front(slab_);
        EXPECT_EQ(slab_[index].message, expected);
        slab_.give_back(index);
    }
    EXPECT_TRUE(queue.empty());
    queue.push_back(slab_, record(QoS::at_least_once, 5));
    EXPECT_EQ(messages(queue), (std::vector<std::uint32_t>{5}));
}

// The window against two plain vectors.
TEST_F(SendWindowTest, AgreesWithAModelWhateverComes) {
    struct Entry {
        PacketId id;
        SendState state;
    };
    std::vector<Entry> released;
    std::vector<Entry> rest;
    Stream stream(StreamKey::of(2, "test", "send window"), 0);
    const auto find = [](std::vector<Entry>& in, PacketId id) {
        return std::find_if(in.begin(), in.end(), [&](const Entry& e) { return e.id == id; });
    };
    for (int step = 0; step < 100'000; ++step) {
        const std::uint64_t what = stream.below(8);
        if (what < 3 && rest.size() + released.size() < 40) {
            const QoS qos = what == 0 ? QoS::at_least_once : QoS::exactly_once;
            const PacketId id = add(qos);
            ASSERT_EQ(find(rest, id), rest.end());
            ASSERT_EQ(find(released, id), released.end());
            rest.push_back({id, first_state(qos)});
        } else {
            const Ids known = ids();
            PacketId id = static_cast<PacketId>(1 + stream.below(65535));
            if (!known.empty() && stream.below(8) > 0) id = known[stream.below(known.size())];
            const auto input = static_cast<SendInput>(stream.below(5));
            auto in_rest = find(rest, id);
            auto in_released = find(released, id);
            SendState state = SendState::none;
            if (in_rest != rest.end()) state = in_rest->state;
            if (in_released != released.end()) state = in_released->state;
            const SendTransition& expected = send_transition(state, input);
            ASSERT_EQ(handle(id, input), expected.action);
            if (expected.to == SendState::none && state != SendState::none) {
                if (in_rest != rest.end()) rest.erase(in_rest);
                if (in_released != released.end()) released.erase(in_released);
            } else if (expected.to != state) {
                released.push_back({id, expected.to});
                rest.erase(in_rest);
            }
        }
        Ids expected;
        for (const Entry& e : released) expected.push_back(e.id);
        for (const Entry& e : rest) expected.push_back(e.id);
        ASSERT_EQ(ids(), expected) << "step " << step;
        ASSERT_EQ(window_.count(), expected.size());
        ASSERT_EQ(slab_.live(), expected.size());
    }
    window_.clear(slab_, [](std::uint32_t) {});
    EXPECT_EQ(slab_.live(), 0U);
}

}  // namespace
}  // namespace mqttwin
