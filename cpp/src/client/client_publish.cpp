// Messages to the server: at once, in the window, or in the queue.
#include <algorithm>
#include <cassert>

#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"

#include "encoded_packet.hpp"

namespace mqttwin::client {
namespace {

BlobId blob_of(const Pending& record) { return static_cast<BlobId>(record.message); }

}  // namespace

// What is no message of a client, whatever the server.
Fault Clients::check_message(const wire::Publish& message) {
    if (const Fault fault = wire::check_topic_name(message.topic)) return fault;
    const wire::Properties& properties = message.properties;
    if (properties.empty()) [[likely]]
        return {};
    if (properties.has(wire::Property::topic_alias)) {
        return {wire::reason::topic_alias_invalid, "MQTT-3.3.2-9",
                "topic aliases are given by the engine", 0};
    }
    if (properties.subscription_identifier_count > 0) {
        return {wire::reason::protocol_error, "MQTT-3.3.4-6",
                "a subscription identifier in a message to the server", 0};
    }
    if (properties.has(wire::Property::response_topic) &&
        wire::check_topic_name(properties.response_topic)) {
        return {wire::reason::topic_name_invalid, "MQTT-3.3.2-14",
                "a response topic that is not a topic name", 0};
    }
    return {};
}

// Whether the server takes such a message; `size` is that of its packet.
Fault Clients::check_grants(const Client& c, wire::QoS qos, bool retain, std::size_t size) const {
    const Grants& grants = granted(c);
    if (static_cast<std::uint8_t>(qos) > grants.maximum_qos) {
        return {wire::reason::qos_not_supported, "MQTT-3.2.2-11",
                "a higher quality of service than the server's maximum", 0};
    }
    if (retain && !grants.retain) {
        return {wire::reason::retain_not_supported, "MQTT-3.2.2-14",
                "a retained message, which the server does not take", 0};
    }
    if (size > grants.maximum_packet_size) {
        return {wire::reason::packet_too_large, "MQTT-3.2.2-15",
                "larger than the server's maximum packet size", 0};
    }
    return {};
}

Fault Clients::check_publish(Slot client, const wire::Publish& message) const {
    if (const Fault fault = check_message(message)) return fault;
    const std::size_t size = wire::encoded_size(options_.version, message);
    if (size > wire::kMaximumPacketSize) {
        return {wire::reason::packet_too_large, "", "larger than any packet of MQTT", 0};
    }
    const Client& c = clients_[client];
    if (c.phase != Phase::online) return {};
    return check_grants(c, message.qos, message.retain, size);
}

// The same for a message that was kept from another time, in its encoded form.
bool Clients::admits(const Client& c, const Pending& record) const {
    if (is_list(record.state)) return true;
    const ByteView bytes = pool_->bytes(blob_of(record));
    return !check_grants(c, record.qos, retain_flag(bytes), bytes.size());
}

PublishOutcome Clients::publish(Instant now, Slot client, const wire::Publish& message,
                                const Stamp& stamp) {
    Client& c = clients_[client];
    const bool common = wire::is_common_topic_name(message.topic) && message.properties.empty();
    if (!common && check_message(message)) return PublishOutcome::refused;
    const bool online = c.phase == Phase::online;  // until then, AUTH alone [MQTT-3.1.2-30]
    const bool acknowledged = message.qos != wire::QoS::at_most_once;
    if (online && check_grants(c, message.qos, message.retain, 0)) return PublishOutcome::refused;
    if (!online && (options_.max_queued == 0 || (!acknowledged && !options_.queue_qos0))) {
        return PublishOutcome::dropped_offline;
    }
    const std::uint32_t limit = online ? granted(c).maximum_packet_size : wire::kMaximumPacketSize;

    // The packet identifier that it gets is written over what stands there when it is sent.
    BlobId blob = BlobId::none;
    if (!message.dup) [[likely]] {
        blob = wire::encode(*pool_, options_.version, message, limit);
    } else {
        wire::Publish first = message;
        first.dup = false;  // [MQTT-3.3.1-1], [MQTT-3.3.1-2]
        blob = wire::encode(*pool_, options_.version, first, limit);
    }
    if (blob == BlobId::none) return PublishOutcome::refused;  // [MQTT-3.2.2-15]
    if (online && !acknowledged) {
        send_first(now, client, blob, stamp);
        return PublishOutcome::sent;
    }
    return keep(now, client, blob, message.qos, stamp);
}

// Queues a message, which may be its first step into the window.
PublishOutcome Clients::keep(Instant now, Slot client, BlobId blob, wire::QoS qos,
                             const Stamp& stamp) {
    Client& c = clients_[client];
    Flow& f = flow(c);
    const bool room = c.phase == Phase::online && f.queue.empty() && f.window.unsent() == 0 &&
                      f.window.messages() < window_limit(c) &&
                      f.window.count() < SendWindow::kIdentifiers;
    if (!room && options_.max_queued == 0) {
        pool_->release(blob);
        settle(c);
        return PublishOutcome::dropped_queue_full;
    }
    Pending oldest;
    const bool overflow = !room && f.queue.count() >= options_.max_queued;
    if (overflow) {
        const std::uint32_t index = f.queue.pop_front(pending_);
        oldest = pending_[index];
        pending_.give_back(index);
    }
    const std::uint32_t index = pending_.take();
    Pending& record = pending_[index];
    record.message = static_cast<std::uint32_t>(blob);
    record.stamp = stamp;
    record.qos = qos;
    f.queue.push_back(pending_, index);
    if (room) {
        send_next(now, client);
        return PublishOutcome::sent;
    }
    if (overflow) drop(now, client, oldest, PublishOutcome::dropped_queue_full);
    return PublishOutcome::queued;
}

void Clients::drop(Instant now, Slot client, const Pending& record, PublishOutcome outcome) {
    if (is_list(record.state)) return;
    // What awaits PUBCOMP has arrived, whatever becomes of the exchange.
    const bool arrived = record.state == SendState::awaiting_pubcomp;
    pool_->release(blob_of(record));
    if (!arrived) listener_->on_dropped(now, client, record.stamp, record.qos, outcome);
}

// How many messages may be unacknowledged: the server's Receive Maximum [MQTT-3.3.4-7],
// [MQTT-4.9.0-2] and our own.
std::uint32_t Clients::window_limit(const Client& c) const {
    return std::min<std::uint32_t>(options_.max_in_flight, granted(c).receive_maximum);
}

// Sends what may be sent: first again what this session has sent before, then what waits.
void Clients::pump(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.phase != Phase::online || c.flow == kNone) return;
    if (flows_[c.flow].window.unsent() > 0) redeliver(now, client);
    if (flows_[c.flow].window.unsent() == 0) {
        while (!flows_[c.flow].queue.empty() && send_next(now, client)) {
        }
    }
    settle(c);
}

// [MQTT-4.4.0-1] with DUP [MQTT-3.3.1-1], in the order of first sending [MQTT-4.6.0-1], under the
// same identifiers (3.1.1: [MQTT-2.3.1-3], [MQTT-4.4.0-1]), expired or not [MQTT-4.3.3-7]; no
// faster than the receive maximum of this connection allows [MQTT-4.9.0-1].
void Clients::redeliver(Instant now, Slot client) {
    Client& c = clients_[client];
    const std::uint32_t limit = window_limit(c);
    SendWindow& window = flows_[c.flow].window;
    SendWindow::Place at = window.next_unsent(pending_);
    while (at && window.messages() < limit) {
        Pending& record = pending_[at.index];
        const std::uint32_t next = record.next;
        if (!admits(c, record)) {
            const Pending dropped = record;
            window.remove(pending_, at);
            pending_.give_back(at.index);
            drop(now, client, dropped, PublishOutcome::refused);
        } else {
            if (record.unsent) {
                const BlobId blob = with_dup_flag(*pool_, blob_of(record));
                record.message = static_cast<std::uint32_t>(blob);
                window.mark_sent(pending_, at.index);
                pool_->retain(blob);
                send_publish(now, client, blob, record.stamp);
            }
            at.previous = at.index;
        }
        at.index = next;
    }
}

// Sends the oldest message that waits, if it may be sent now.
bool Clients::send_next(Instant now, Slot client) {
    Client& c = clients_[client];
    Flow& f = flows_[c.flow];
    if (f.queue.empty()) return false;
    const std::uint32_t index = f.queue.front();
    Pending& record = pending_[index];
    const bool acknowledged = record.qos != wire::QoS::at_most_once;
    if (!admits(c, record)) {
        const Pending dropped = record;
        f.queue.pop_front(pending_);
        pending_.give_back(index);
        drop(now, client, dropped, PublishOutcome::refused);
        return true;
    }
    if (acknowledged &&
        (f.window.messages() >= window_limit(c) || f.window.count() >= SendWindow::kIdentifiers)) {
        return false;
    }
    f.queue.pop_front(pending_);
    BlobId blob = blob_of(record);
    const Stamp stamp = record.stamp;
    if (acknowledged) {
        record.state = first_state(record.qos);
        const wire::PacketId id = f.window.add(pending_, index);
        blob = with_packet_id(*pool_, blob, id);  // DUP is 0 [MQTT-4.3.2-2], [MQTT-4.3.3-2]
        record.message = static_cast<std::uint32_t>(blob);
        pool_->retain(blob);
    } else {
        pending_.give_back(index);
    }
    send_first(now, client, blob, stamp);
    return true;
}

// A first sending, at QoS 0 the only one [MQTT-4.3.1-1], goes under a topic alias where there is
// one. What is kept for redelivery has its topic, and is sent again as it is: aliases end with
// their connection [MQTT-3.3.2-7].
void Clients::send_first(Instant now, Slot client, BlobId blob, const Stamp& stamp) {
    Client& c = clients_[client];
    const Grants& grants = granted(c);
    if (grants.topic_aliases == 0) [[likely]] {  // [MQTT-3.2.2-18]
        send_publish(now, client, blob, stamp);
        return;
    }
    OutboundAliases& aliases = link(c).outbound;
    if (!aliases.allowed()) aliases.allow(grants.topic_aliases);
    const std::string_view topic = topic_of(pool_->bytes(blob));
    const OutboundAliases::Use use = aliases.find(*pool_, topic);
    if (use.alias != 0) {
        const BlobId aliased =
            with_topic_alias(*pool_, blob, use.alias, !use.known, grants.maximum_packet_size);
        if (aliased != BlobId::none) {
            if (!use.known) aliases.add(*pool_, topic);
            pool_->release(blob);
            blob = aliased;
        }
    }
    send_publish(now, client, blob, stamp);
}

// --- acknowledgements ----------------------------------------------------------------------------

// With the identifier of what it answers [MQTT-2.2.1-5] (3.1.1: [MQTT-2.3.1-6]), and at once,
// however much is under way [MQTT-3.3.4-8].
void Clients::send_ack(Instant now, Slot client, wire::PacketType type, wire::PacketId id,
                       std::uint8_t reason) {
    answer_.type = type;
    answer_.packet_id = id;
    answer_.reason = reason;
    send(now, client, wire::encode(*pool_, options_.version, answer_));
}

// PUBACK, PUBREC or PUBCOMP for a message of ours.
void Clients::receive_ack(Instant now, Slot client, const wire::Frame& frame) {
    wire::Ack& packet = incoming_ack_;
    Fault broken = wire::decode(frame, options_.version, packet);
    if (!broken) broken = check_problem(packet.properties);
    if (broken) {
        fail(now, client, broken);
        return;
    }
    Client& c = clients_[client];
    const SendInput input = send_input(packet);
    SendWindow::Verdict verdict{&send_transition(SendState::none, input), {}};
    if (c.flow != kNone) verdict = flows_[c.flow].window.judge(pending_, packet.packet_id, input);
    const std::uint32_t index = verdict.place.index;

    switch (verdict.transition->action) {
        case SendAction::complete:
        case SendAction::refuse: {
            const Pending done = pending_[index];
            flows_[c.flow].window.remove(pending_, verdict.place);
            pending_.give_back(index);
            pool_->release(blob_of(done));
            pump(now, client);
            // "Packet identifier not found" in PUBCOMP is no refusal: the message had arrived.
            const bool refused = verdict.transition->action == SendAction::refuse;
            if (!refused && packet.type == wire::PacketType::pubcomp) {
                packet.reason = wire::reason::success;
            }
            listener_->on_acknowledged(now, client, done.stamp, done.qos, packet);
            return;
        }
        case SendAction::release:
            // [MQTT-4.3.3-4], in a PUBREL that says so [MQTT-3.6.2-1]; the message itself is never
            // sent again [MQTT-4.3.3-6].
            flows_[c.flow].window.release(pending_, verdict.place);
            pool_->release(blob_of(pending_[index]));
            pending_[index].message = static_cast<std::uint32_t>(BlobId::none);
            send_ack(now, client, wire::PacketType::pubrel, packet.packet_id,
                     wire::reason::success);
            return;
        case SendAction::release_unknown:
            send_ack(now, client, wire::PacketType::pubrel, packet.packet_id,
                     wire::reason::packet_identifier_not_found);
            return;
        case SendAction::ignore:
            return;
        case SendAction::fault:
            fail(now, client,
                 {wire::reason::protocol_error, v5() ? "MQTT-4.13.1-1" : "MQTT-4.8.0-1",
                  "acknowledgement that does not fit the message's QoS", frame.header_length});
            return;
    }
}

}  // namespace mqttwin::client
