#include "delivery.hpp"

#include <cassert>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

#include "connections.hpp"
#include "sessions.hpp"

namespace mqttwin::broker {
namespace {

using wire::QoS;

// --- Pending::message: which message, how it is flagged, and with which identifiers ------------

constexpr std::uint32_t kRetained = 1U << 31;
constexpr std::uint32_t kLabelled = 1U << 30;
constexpr std::uint32_t kIndex = kLabelled - 1;
constexpr std::uint32_t kNothing = kNone;

std::uint32_t hold(State& s, Instant now, Fanout& fanout, const Copy& copy) {
    std::uint32_t handle = fanout.message(s, now);
    s.messages.retain(handle);
    if (!copy.identifiers.empty() || copy.group != Groups::kNoGroup) {
        const std::uint32_t index = s.labelled.take();
        s.labelled[index].message = handle;
        if (!copy.identifiers.empty()) {
            s.labelled[index].identifiers = s.pool->make(copy.identifiers);
        }
        s.labelled[index].group = copy.group;
        s.groups.hold(copy.group);
        handle = index | kLabelled;
    }
    return copy.retain ? handle | kRetained : handle;
}

std::uint32_t message_of(const State& s, std::uint32_t handle) {
    const std::uint32_t index = handle & kIndex;
    return (handle & kLabelled) != 0 ? s.labelled[index].message : index;
}

std::uint32_t group_of(const State& s, std::uint32_t handle) {
    if (handle == kNothing || (handle & kLabelled) == 0) return Groups::kNoGroup;
    return s.labelled[handle & kIndex].group;
}

Copy copy_of(const State& s, const Pending& pending) {
    Copy copy;
    copy.qos = pending.qos;
    copy.retain = (pending.message & kRetained) != 0;
    if ((pending.message & kLabelled) != 0) {
        const Labelled& labelled = s.labelled[pending.message & kIndex];
        copy.group = labelled.group;
        copy.identifiers = s.pool->bytes(labelled.identifiers);
    }
    return copy;
}

void let_go(State& s, std::uint32_t handle) {
    if (handle == kNothing) return;
    s.messages.release(*s.pool, message_of(s, handle));
    if ((handle & kLabelled) == 0) return;
    const Labelled& labelled = s.labelled[handle & kIndex];
    s.pool->release(labelled.identifiers);
    s.groups.release(*s.pool, labelled.group);
    s.labelled.give_back(handle & kIndex);
}

// --- Sending, queueing --------------------------------------------------------------------------

// [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2]: the client's receive maximum, and no more
// identifiers than there are.
bool has_room(const Session& to, const SendWindow& window) {
    return window.messages() < to.window && window.count() < SendWindow::kIdentifiers;
}

bool may_go_at_once(const State& s, const Session& to, QoS qos) {
    if (!to.connected() || to.congested) return false;
    if (to.traffic == kNone) return true;
    const Traffic& traffic = s.traffic[to.traffic];
    if (qos == QoS::at_most_once) {
        // Where messages of QoS 0 are queued as well, a later one does not overtake them.
        return !s.options.queue_qos0_offline || traffic.queue.empty();
    }
    // [MQTT-4.6.0-5], [MQTT-4.6.0-6]: nothing overtakes what is to be sent again, or waits; on no
    // topic. 3.1.1 [MQTT-4.6.0-5], [MQTT-4.6.0-6]
    return traffic.queue.empty() && traffic.window.unsent() == 0 && has_room(to, traffic.window);
}

// A record in no list becomes one in flight, sent for the first time: with DUP 0 [MQTT-4.3.2-2],
// [MQTT-4.3.3-2]. `pending` has its message and stamp.
void launch(State& s, std::uint32_t index, std::uint32_t pending, Fanout& fanout,
            const Copy& copy) {
    Traffic& traffic = traffic_of(s, index);
    Session& to = s.sessions[index];
    Pending& record = s.pending[pending];
    record.qos = copy.qos;
    record.state = first_state(copy.qos);
    record.stamp.sequence = ++to.sequence;
    record.sent_before = true;
    const wire::PacketId id = traffic.window.add(s.pending, pending);
    ++s.in_flight;
    transmit(s, to, fanout, copy, id, false, record.stamp);
}

void drop_pending(State& s, Instant now, const Session& to, std::uint32_t pending,
                  DropReason reason) {
    const Pending& record = s.pending[pending];
    report_drop(s, now, to, record.stamp, record.qos, reason);
    let_go(s, record.message);
    s.pending.give_back(pending);
}

bool has_expired(const State& s, Instant now, std::uint32_t pending) {
    return s.messages.expired(now, message_of(s, s.pending[pending].message));
}

// Whether the message can be kept for this session. When the store is full, those who fill it wait,
// and nobody else: everybody has an equal share that the others cannot take. So the store holds at
// most max_stored_bytes, and as much again for those who come to their share late.
bool has_space(const State& s, const Session& to, const Fanout& fanout) {
    if (fanout.storable(s)) return true;
    std::uint64_t held = 0;
    std::uint64_t holders = s.traffic.live();
    if (to.traffic == kNone) {
        ++holders;
    } else {
        const Traffic& traffic = s.traffic[to.traffic];
        held = std::uint64_t{traffic.window.count()} + traffic.queue.count();
    }
    return (held + 1) * fanout.cost() <= s.options.max_stored_bytes / holders;
}

// [MQTT-4.5.0-1]: into the session, which may be without a connection (3.1.1 [MQTT-3.1.2-5]).
void enqueue(State& s, Instant now, std::uint32_t index, Fanout& fanout, const Copy& copy) {
    const Session& to = s.sessions[index];
    Traffic& traffic = traffic_of(s, index);
    if (traffic.queue.count() >= s.options.max_queued) {
        while (!traffic.queue.empty() && has_expired(s, now, traffic.queue.front())) {
            drop_pending(s, now, to, traffic.queue.pop_front(s.pending),
                         DropReason::message_expired);
            --s.queued;
        }
    }
    if (traffic.queue.count() >= s.options.max_queued || !has_space(s, to, fanout)) {
        report_drop(s, now, to, fanout.stamp(), copy.qos, DropReason::queue_full);
        settle_traffic(s, index);
        return;
    }
    const std::uint32_t handle = hold(s, now, fanout, copy);
    const std::uint32_t pending = s.pending.take();
    Pending& record = s.pending[pending];
    record.stamp = fanout.stamp();
    record.message = handle;
    record.qos = copy.qos;
    traffic.queue.push_back(s.pending, pending);
    ++s.queued;
}

// The oldest of the queue, which may go now.
void send_queued(State& s, Instant now, std::uint32_t index) {
    const Session& to = s.sessions[index];
    Traffic& traffic = s.traffic[to.traffic];
    const std::uint32_t pending = traffic.queue.pop_front(s.pending);
    --s.queued;
    // [MQTT-3.3.2-5]: what nobody has begun to deliver when its time is over is deleted.
    if (has_expired(s, now, pending)) {
        drop_pending(s, now, to, pending, DropReason::message_expired);
        return;
    }
    const Pending& record = s.pending[pending];
    const std::uint32_t message = message_of(s, record.message);
    const Copy copy = copy_of(s, record);
    wire::Publish packet = s.messages.view(*s.pool, now, message);
    Fanout fanout(s, packet, message, record.stamp);
    if (!fits(s, to, fanout, copy)) {
        drop_pending(s, now, to, pending, DropReason::packet_too_large);
    } else if (copy.qos == QoS::at_most_once) {
        transmit(s, to, fanout, copy, 0, false, record.stamp);
        let_go(s, record.message);
        s.pending.give_back(pending);
    } else {
        launch(s, index, pending, fanout, copy);
    }
    fanout.finish(s);
}

// The first of the window that this connection has not seen yet.
void send_again(State& s, Instant now, std::uint32_t index) {
    const Session& to = s.sessions[index];
    Traffic& traffic = s.traffic[to.traffic];
    const SendWindow::Place place = traffic.window.next_unsent(s.pending);
    const Pending& record = s.pending[place.index];
    const std::uint32_t message = message_of(s, record.message);
    const Copy copy = copy_of(s, record);
    wire::Publish packet = s.messages.view(*s.pool, now, message);
    Fanout fanout(s, packet, message, record.stamp);
    if (!fits(s, to, fanout, copy)) {
        traffic.window.remove(s.pending, place);
        --s.in_flight;
        drop_pending(s, now, to, place.index, DropReason::packet_too_large);
    } else {
        // [MQTT-4.4.0-1], [MQTT-3.3.1-1], 3.1.1 [MQTT-4.4.0-1], [MQTT-2.3.1-4]: the same
        // identifier, DUP set. It goes on with this member where it is of a shared subscription
        // [MQTT-4.8.2-4], and although it may have expired [MQTT-4.3.3-7].
        transmit(s, to, fanout, copy, record.id, record.sent_before, record.stamp);
        traffic.window.mark_sent(s.pending, place.index);
    }
    fanout.finish(s);
}

// Sends what the window has room for.
void advance(State& s, Instant now, std::uint32_t index) {
    const Session& to = s.sessions[index];
    while (to.connected() && !to.congested && to.traffic != kNone) {
        const Traffic& traffic = s.traffic[to.traffic];
        if (traffic.window.unsent() > 0) {
            if (traffic.window.messages() >= to.window) break;
            send_again(s, now, index);
        } else if (!traffic.queue.empty()) {
            const QoS qos = s.pending[traffic.queue.front()].qos;
            if (qos != QoS::at_most_once && !has_room(to, traffic.window)) break;
            send_queued(s, now, index);
        } else {
            break;
        }
    }
    settle_traffic(s, index);
}

}  // namespace

// --- The session's side -------------------------------------------------------------------------

void report_drop(State& s, Instant now, const Session& to, const Stamp& stamp, QoS qos,
                 DropReason reason) {
    ++s.tally.publishes_dropped;
    s.observer->on_drop(now, to.tag, stamp, qos, reason);
}

void deliver_somehow(State& s, Instant now, std::uint32_t index, Fanout& fanout, const Copy& copy) {
    const Session& to = s.sessions[index];
    const auto drop = [&](DropReason reason) {
        report_drop(s, now, to, fanout.stamp(), copy.qos, reason);
    };
    if (may_go_at_once(s, to, copy.qos)) {
        if (!fits(s, to, fanout, copy)) {
            drop(DropReason::packet_too_large);
        } else if (copy.qos == QoS::at_most_once) {
            transmit(s, to, fanout, copy, 0, false, fanout.stamp());
        } else if (!has_space(s, to, fanout)) {
            drop(DropReason::queue_full);  // it could not be sent again
        } else {
            const std::uint32_t handle = hold(s, now, fanout, copy);
            const std::uint32_t pending = s.pending.take();
            s.pending[pending].stamp = fanout.stamp();
            s.pending[pending].message = handle;
            launch(s, index, pending, fanout, copy);
        }
    } else if (copy.qos == QoS::at_most_once && to.congested) {
        drop(DropReason::queue_full);
    } else if (copy.qos == QoS::at_most_once && !to.connected() && !s.options.queue_qos0_offline) {
        drop(DropReason::offline_qos0);
    } else {
        enqueue(s, now, index, fanout, copy);
    }
}

void resume_delivery(State& s, Instant now, std::uint32_t index) {
    const Session& to = s.sessions[index];
    if (to.traffic == kNone) return;
    Traffic& traffic = s.traffic[to.traffic];
    traffic.received_before = traffic.received.count();
    traffic.window.mark_unsent(s.pending);
    traffic.window.for_each(s.pending, [&](std::uint32_t pending) {
        const Pending& record = s.pending[pending];
        if (record.state != SendState::awaiting_pubcomp) return;
        send_ack(s, to.connection, wire::PacketType::pubrel, record.id, wire::reason::success);
    });
    advance(s, now, index);
}

void continue_delivery(State& s, Instant now, std::uint32_t index) {
    if (s.sessions[index].traffic != kNone) advance(s, now, index);
}

void handle_ack(State& s, Instant now, Slot slot, const wire::Frame& frame) {
    const Connection& c = s.connections[slot];
    wire::Ack& ack = s.incoming_ack;
    if (const Fault fault = wire::decode(frame, c.version, ack)) return fail(s, now, slot, fault);
    const std::uint32_t index = c.owner;
    const Session& from = s.sessions[index];
    const SendInput input = send_input(ack);

    SendWindow::Verdict verdict;
    if (from.traffic == kNone) {
        verdict.transition = &send_transition(SendState::none, input);
    } else {
        verdict = s.traffic[from.traffic].window.judge(s.pending, ack.packet_id, input);
    }
    const std::uint32_t pending = verdict.place.index;
    switch (verdict.transition->action) {
        case SendAction::complete:
        case SendAction::refuse: {  // [MQTT-4.8.2-6]: and nobody else of its group gets it
            const Pending& record = s.pending[pending];
            if (verdict.transition->action == SendAction::refuse &&
                record.state != SendState::awaiting_pubcomp) {
                report_drop(s, now, from, record.stamp, record.qos, DropReason::refused_by_client);
            }
            let_go(s, record.message);
            s.traffic[from.traffic].window.remove(s.pending, verdict.place);
            s.pending.give_back(pending);
            --s.in_flight;
            advance(s, now, index);
            return;
        }
        case SendAction::release:
            // [MQTT-4.3.3-6]: the message is the client's now, only its identifier is left, in a
            // PUBREL that says so [MQTT-3.6.2-1].
            let_go(s, s.pending[pending].message);
            s.pending[pending].message = kNothing;
            s.traffic[from.traffic].window.release(s.pending, verdict.place);
            send_ack(s, slot, wire::PacketType::pubrel, ack.packet_id, wire::reason::success);
            return;
        case SendAction::release_unknown:
            send_ack(s, slot, wire::PacketType::pubrel, ack.packet_id,
                     wire::reason::packet_identifier_not_found);
            return;
        case SendAction::ignore:
            return;
        case SendAction::fault:
            return fail(s, now, slot,
                        {wire::reason::protocol_error, "MQTT-4.13.1-1",
                         "acknowledgement of the wrong kind", 0});
    }
}

// With the identifier of what it answers [MQTT-2.2.1-5] (3.1.1: [MQTT-2.3.1-6]), and at once,
// however much is under way [MQTT-3.3.4-10].
void send_ack(State& s, Slot slot, wire::PacketType type, wire::PacketId id, std::uint8_t reason,
              std::string_view explanation) {
    const Connection& c = s.connections[slot];
    const Session& session = s.sessions[c.owner];
    s.answer.type = type;
    s.answer.packet_id = id;
    s.answer.reason = reason;
    const std::uint32_t limit = packet_limit(s, session);
    if (explanation.empty() || session.quiet) [[likely]] {  // [MQTT-3.1.2-29]
        send(s, slot, wire::encode(*s.pool, c.version, s.answer, limit));
        return;
    }
    wire::Ack explained = s.answer;
    explained.properties.reason_string = explanation;
    explained.properties.mark(wire::Property::reason_string);
    send(s, slot, wire::encode(*s.pool, c.version, explained, limit));
}

void take_shared(State& s, std::uint32_t index, std::uint32_t group, bool unacknowledged,
                 std::vector<Moved>& moved) {
    const Session& session = s.sessions[index];
    if (session.traffic == kNone) return;
    Traffic& traffic = s.traffic[session.traffic];
    const auto wanted = [&](const Pending& p) {
        const std::uint32_t its = group_of(s, p.message);
        return its != Groups::kNoGroup && (group == Groups::kNoGroup || its == group);
    };
    const auto take = [&](std::uint32_t pending) {
        const Pending& p = s.pending[pending];
        const std::uint32_t message = message_of(s, p.message);
        s.messages.retain(message);
        s.groups.hold(group_of(s, p.message));
        moved.push_back({message, group_of(s, p.message), p.stamp, p.qos});
        let_go(s, p.message);
        s.pending.give_back(pending);
    };
    // [MQTT-4.8.2-5]: of QoS 2, what was begun with this member is nobody else's.
    SendWindow::Place at{traffic.window.first(), kNoPending};
    while (unacknowledged && at) {
        const std::uint32_t next = s.pending[at.index].next;
        if (s.pending[at.index].state == SendState::awaiting_puback &&
            wanted(s.pending[at.index])) {
            traffic.window.remove(s.pending, at);
            --s.in_flight;
            take(at.index);
        } else {
            at.previous = at.index;
        }
        at.index = next;
    }
    std::uint32_t previous = kNoPending;
    for (std::uint32_t pending = traffic.queue.front(); pending != kNoPending;) {
        const std::uint32_t next = s.pending[pending].next;
        if (wanted(s.pending[pending])) {
            traffic.queue.remove_after(s.pending, previous);
            --s.queued;
            take(pending);
        } else {
            previous = pending;
        }
        pending = next;
    }
    settle_traffic(s, index);
}

void drop_everything(State& s, Instant now, Session& session, DropReason reason) {
    for_each_owed(s, session, [&](const Stamp& stamp, QoS qos) {
        report_drop(s, now, session, stamp, qos, reason);
    });
}

void drop_traffic(State& s, Session& session) {
    if (session.traffic == kNone) return;
    Traffic& traffic = s.traffic[session.traffic];
    s.in_flight -= traffic.window.count();
    s.queued -= traffic.queue.count();
    const auto release = [&](std::uint32_t index) { let_go(s, s.pending[index].message); };
    traffic.window.clear(s.pending, release);
    traffic.queue.clear(s.pending, release);
    traffic.received.clear(*s.pool);
    s.traffic.give_back(session.traffic);
    session.traffic = kNone;
}

}  // namespace mqttwin::broker
