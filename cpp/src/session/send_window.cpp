#include "mqttwin/session/send_window.hpp"

#include <bitset>
#include <cassert>

namespace mqttwin {
namespace {

// Identifiers run in a circle from 1 to 65,535 (0 is none, 3.1.1: [MQTT-2.3.1-1]); the one after 0
// ("none yet") is 1.
wire::PacketId id_after(wire::PacketId id) {
    return static_cast<wire::PacketId>(id % SendWindow::kIdentifiers + 1);
}

SendState expected_state(SendInput input) {
    switch (input) {
        case SendInput::puback:
        case SendInput::puback_error:
            return SendState::awaiting_puback;
        case SendInput::pubrec:
        case SendInput::pubrec_error:
            return SendState::awaiting_pubrec;
        case SendInput::pubcomp:
            return SendState::awaiting_pubcomp;
        case SendInput::suback:
            return SendState::awaiting_suback;
        case SendInput::unsuback:
            return SendState::awaiting_unsuback;
    }
    return SendState::none;
}

}  // namespace

// --- MessageQueue ----------------------------------------------------------------------------

void MessageQueue::push_back(PendingSlab& slab, std::uint32_t index) {
    slab[index].next = kNoPending;
    if (last_ == kNoPending) {
        first_ = index;
    } else {
        slab[last_].next = index;
    }
    last_ = index;
    ++count_;
}

std::uint32_t MessageQueue::pop_front(PendingSlab& slab) { return remove_after(slab, kNoPending); }

std::uint32_t MessageQueue::remove_after(PendingSlab& slab, std::uint32_t previous) {
    std::uint32_t& link = previous == kNoPending ? first_ : slab[previous].next;
    const std::uint32_t index = link;
    assert(index != kNoPending);
    link = slab[index].next;
    if (last_ == index) last_ = previous;
    slab[index].next = kNoPending;
    --count_;
    return index;
}

// --- SendWindow ------------------------------------------------------------------------------

wire::PacketId SendWindow::add(PendingSlab& slab, std::uint32_t index) {
    if (count_ == kIdentifiers) return 0;
    if (free_run_ == 0) find_free_run(slab);
    last_id_ = id_after(last_id_);
    --free_run_;

    Pending& record = slab[index];
    assert(record.state != SendState::none);
    record.id = last_id_;
    record.next = kNoPending;
    record.unsent = false;
    if (last_ == kNoPending) {
        first_ = index;
    } else {
        slab[last_].next = index;
    }
    last_ = index;
    ++count_;
    if (!is_list(record.state)) ++messages_;
    return last_id_;
}

// Moves last_id_ over identifiers in use, to just before one that is free, and counts how many
// are free from there on. [MQTT-2.2.1-3], [MQTT-2.2.1-4] (3.1.1: [MQTT-2.3.1-2], [MQTT-2.3.1-4])
void SendWindow::find_free_run(const PendingSlab& slab) {
    constexpr std::uint32_t kFew = 64;  // up to here a look at every record is cheapest
    if (count_ <= kFew) {
        for (;;) {
            const std::uint32_t next = id_after(last_id_);
            std::uint32_t run = kIdentifiers;  // up to the nearest one in use
            for_each(slab, [&](std::uint32_t index) {
                const std::uint32_t ahead = (slab[index].id + kIdentifiers - next) % kIdentifiers;
                if (ahead < run) run = ahead;
            });
            if (run > 0) {
                free_run_ = static_cast<std::uint16_t>(run);
                return;
            }
            last_id_ = static_cast<wire::PacketId>(next);  // ends: few are in use
        }
    }
    constexpr std::uint16_t kLongestRun = 4096;  // bounds the work of a look ahead
    std::bitset<kIdentifiers + 1> used;
    for_each(slab, [&](std::uint32_t index) { used.set(slab[index].id); });
    wire::PacketId next = id_after(last_id_);
    while (used.test(next)) {  // ends: somebody has checked that one is free
        last_id_ = next;
        next = id_after(next);
    }
    while (free_run_ < kLongestRun && !used.test(next)) {
        ++free_run_;
        next = id_after(next);
    }
}

void SendWindow::resume_ids(wire::PacketId last_id) {
    assert(empty());
    last_id_ = last_id;
    free_run_ = kIdentifiers;  // all of them
}

SendWindow::Place SendWindow::after_released(const PendingSlab& slab) const {
    if (last_released_ == kNoPending) return {first_, kNoPending};
    return {slab[last_released_].next, last_released_};
}

SendWindow::Place SendWindow::find_from(const PendingSlab& slab, Place from,
                                        wire::PacketId id) const {
    while (from && slab[from.index].id != id) from = {slab[from.index].next, from.index};
    return from;
}

SendWindow::Place SendWindow::find(const PendingSlab& slab, wire::PacketId id,
                                   SendState hint) const {
    if (hint != SendState::awaiting_pubcomp) {
        const Place place = find_from(slab, after_released(slab), id);
        if (place) return place;
    }
    return find_from(slab, {first_, kNoPending}, id);
}

SendWindow::Verdict SendWindow::judge(const PendingSlab& slab, wire::PacketId id,
                                      SendInput input) const {
    const Place place = find(slab, id, expected_state(input));
    const SendState state = place ? slab[place.index].state : SendState::none;
    return {&send_transition(state, input), place};
}

void SendWindow::unlink(PendingSlab& slab, Place place) {
    const std::uint32_t next = slab[place.index].next;
    if (place.previous == kNoPending) {
        assert(first_ == place.index);
        first_ = next;
    } else {
        assert(slab[place.previous].next == place.index);
        slab[place.previous].next = next;
    }
    if (last_ == place.index) last_ = place.previous;
    // What awaits PUBCOMP stands in front, so the one before it does too.
    if (last_released_ == place.index) last_released_ = place.previous;
    slab[place.index].next = kNoPending;
}

void SendWindow::release(PendingSlab& slab, Place place) {
    Pending& record = slab[place.index];
    if (record.state == SendState::awaiting_pubcomp) return;
    assert(record.state == SendState::awaiting_pubrec);
    mark_sent(slab, place.index);
    record.state = SendState::awaiting_pubcomp;
    unlink(slab, place);
    const Place here = after_released(slab);
    record.next = here.index;
    if (here.previous == kNoPending) {
        first_ = place.index;
    } else {
        slab[here.previous].next = place.index;
    }
    if (here.index == kNoPending) last_ = place.index;
    last_released_ = place.index;
}

void SendWindow::remove(PendingSlab& slab, Place place) {
    unlink(slab, place);
    mark_sent(slab, place.index);
    --count_;
    if (!is_list(slab[place.index].state)) --messages_;
}

void SendWindow::mark_unsent(PendingSlab& slab) {
    for (Place at = after_released(slab); at; at.index = slab[at.index].next) {
        Pending& record = slab[at.index];
        if (record.unsent || is_list(record.state)) continue;
        record.unsent = true;
        ++unsent_;
    }
}

SendWindow::Place SendWindow::next_unsent(const PendingSlab& slab) const {
    if (unsent_ == 0) return {};
    Place at = after_released(slab);
    while (at && !slab[at.index].unsent) at = {slab[at.index].next, at.index};
    return at;
}

void SendWindow::mark_sent(PendingSlab& slab, std::uint32_t index) {
    Pending& record = slab[index];
    if (!record.unsent) return;
    record.unsent = false;
    --unsent_;
}

void SendWindow::requeue(PendingSlab& slab, MessageQueue& queue) {
    if (empty()) return;
    assert(last_released_ == kNoPending && messages_ == count_);
    for_each(slab, [&](std::uint32_t index) {
        Pending& record = slab[index];
        record.id = 0;
        record.state = SendState::none;
        record.unsent = false;
    });
    slab[last_].next = queue.first_;
    if (queue.last_ == kNoPending) queue.last_ = last_;
    queue.first_ = first_;
    queue.count_ += count_;
    const wire::PacketId last_id = last_id_;
    *this = SendWindow{};
    last_id_ = last_id;
}

}  // namespace mqttwin
