// Bytes from the server: frames, and what each packet means.
#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"

namespace mqttwin::client {
namespace {

constexpr Fault kBeforeConnack = {wire::reason::protocol_error, "MQTT-3.2.0-1",
                                  "a packet before CONNACK", 0};

}  // namespace

void Clients::handle_bytes(Instant now, Slot client, ByteView bytes, const Stamp& stamp) {
    Client& c = clients_[client];
    if (!connected(c)) return;    // late bytes of a connection that we have closed
    c.awaiting_pingresp = false;  // whatever it is, the server lives
    if (c.phase == Phase::awaiting_connack && c.framer.filled == 0 && !bytes.empty() &&
        !answers_connect(c, bytes[0])) {
        // [MQTT-3.2.0-1]: no need to wait for the rest of what is not a server of MQTT.
        fail(now, client, kBeforeConnack);
        return;
    }
    // [MQTT-3.1.2-24]; without this property there is no limit but MQTT's own.
    wire::FrameReader reader(*pool_, c.framer, bytes, options_.maximum_packet_size);
    wire::Frame frame;
    while (reader.next(frame)) {
        receive(now, client, frame, stamp);
        if (!connected(c)) {  // the packet, or what the listener did about it, ended the connection
            reader.abandon();
            return;
        }
    }
    if (reader.fault()) fail(now, client, reader.fault());
}

// CONNACK, or AUTH where an authentication is on its way.
bool Clients::answers_connect(const Client& c, std::uint8_t first_byte) {
    const auto type = static_cast<wire::PacketType>(first_byte >> 4);
    return type == wire::PacketType::connack ||
           (type == wire::PacketType::auth && find_link(c) != nullptr);
}

void Clients::receive(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp) {
    if (clients_[client].phase == Phase::awaiting_connack) {
        if (frame.type() == wire::PacketType::connack) {
            receive_connack(now, client, frame);
        } else if (frame.type() == wire::PacketType::auth) {
            receive_auth(now, client, frame);
        } else {
            fail(now, client, kBeforeConnack);
        }
        return;
    }
    switch (frame.type()) {  // however much is under way to the server [MQTT-4.9.0-3]
        case wire::PacketType::publish:
            receive_publish(now, client, frame, stamp);
            return;
        case wire::PacketType::puback:
        case wire::PacketType::pubrec:
        case wire::PacketType::pubcomp:
            receive_ack(now, client, frame);
            return;
        case wire::PacketType::pubrel:
            receive_pubrel(now, client, frame);
            return;
        case wire::PacketType::suback:
        case wire::PacketType::unsuback:
            receive_list_ack(now, client, frame);
            return;
        case wire::PacketType::pingresp:
            if (const Fault fault = wire::decode_empty(frame)) fail(now, client, fault);
            return;
        case wire::PacketType::disconnect:
            receive_disconnect(now, client, frame);
            return;
        case wire::PacketType::connack:  // [MQTT-3.2.0-2]
            fail(now, client,
                 {wire::reason::protocol_error, v5() ? "MQTT-3.2.0-2" : "MQTT-4.8.0-1",
                  "a second CONNACK", 0});
            return;
        case wire::PacketType::auth:
            receive_auth(now, client, frame);
            return;
        case wire::PacketType::connect:
        case wire::PacketType::subscribe:
        case wire::PacketType::unsubscribe:
        case wire::PacketType::pingreq:
            break;
    }
    fail(now, client,
         {wire::reason::protocol_error, v5() ? "MQTT-4.13.1-1" : "MQTT-4.8.0-1",
          "a packet that only clients send", 0});
}

void Clients::receive_publish(Instant now, Slot client, const wire::Frame& frame,
                              const Stamp& stamp) {
    wire::Publish& packet = incoming_;
    BlobId topic = BlobId::none;
    Fault fault = wire::decode(frame, options_.version, wire::Sender::server, packet);
    if (!fault && packet.properties.has(wire::Property::topic_alias)) {
        fault = resolve_alias(clients_[client], packet, topic);
    }
    if (fault) {
        fail(now, client, fault);
        return;
    }
    // A listener that disconnects gives up the aliases, and looks at the topic afterwards.
    pool_->retain(topic);
    accept(now, client, packet, stamp);
    pool_->release(topic);
}

// Takes every alias from 1 to the maximum of CONNECT [MQTT-3.3.2-10].
Fault Clients::resolve_alias(Client& c, wire::Publish& packet, BlobId& topic) {
    const std::uint16_t alias = packet.properties.topic_alias;
    if (alias == 0 || alias > options_.topic_alias_maximum) {
        std::string_view clause = "MQTT-3.1.2-26";
        if (options_.topic_alias_maximum == 0) clause = "MQTT-3.1.2-27";
        if (alias == 0) clause = "MQTT-3.3.2-8";
        return {wire::reason::topic_alias_invalid, clause, "topic alias out of range", 0};
    }
    if (!packet.topic.empty()) {
        link(c).inbound.set(*pool_, alias, packet.topic);
        return {};
    }
    const Link* l = find_link(c);
    if (l != nullptr) topic = l->inbound.find(alias);
    if (topic == BlobId::none) {
        return {wire::reason::protocol_error, "MQTT-4.13.1-1",
                "a topic alias without a topic on this connection", 0};
    }
    packet.topic = as_text(pool_->bytes(topic));
    return {};
}

// The message to the application, the acknowledgement to the server: which one is a matter of the
// QoS alone [MQTT-3.3.4-1], [MQTT-4.5.0-2], 3.1.1 [MQTT-4.5.0-2], and it goes at once, so in the
// order in which messages came [MQTT-4.6.0-2], [MQTT-4.6.0-3].
void Clients::accept(Instant now, Slot client, const wire::Publish& packet, const Stamp& stamp) {
    Client& c = clients_[client];
    const wire::PacketId id = packet.packet_id;
    switch (packet.qos) {
        case wire::QoS::at_most_once:
            listener_->on_message(now, client, packet, stamp);
            return;
        case wire::QoS::at_least_once:
            listener_->on_message(now, client, packet, stamp);
            // [MQTT-4.3.2-4]: acknowledged when the application has it. Nothing is remembered: the
            // same identifier is another message from here on [MQTT-4.3.2-5], 3.1.1
            // [MQTT-4.3.2-2].
            if (c.phase == Phase::online) {
                send_ack(now, client, wire::PacketType::puback, id, wire::reason::success);
            }
            return;
        case wire::QoS::exactly_once:
            break;
    }
    Flow& f = flow(c);
    const bool held = f.received.contains(*pool_, id);
    // What was received on former connections does not count: with a connection, the server's
    // quota starts anew [MQTT-4.9.0-1], while their PUBRELs may still be on the way.
    const std::uint32_t limit = options_.receive_maximum + f.received_before;
    if (!held && v5() && f.received.count() >= limit) {  // [MQTT-3.3.4-9]
        fail(now, client,
             {wire::reason::receive_maximum_exceeded, "MQTT-3.3.4-9",
              "more QoS 2 messages than the receive maximum", 0});
        return;
    }
    const ReceiveState state = held ? ReceiveState::awaiting_pubrel : ReceiveState::none;
    if (receive_transition(state, ReceiveInput::publish).action == ReceiveAction::deliver) {
        f.received.insert(*pool_, id);
        listener_->on_message(now, client, packet, stamp);
    }
    // [MQTT-4.3.3-8], [MQTT-4.3.3-10]; never with an error, after which the identifier would be
    // free [MQTT-4.3.3-9].
    if (c.phase == Phase::online) {
        send_ack(now, client, wire::PacketType::pubrec, id, wire::reason::success);
    }
}

void Clients::receive_pubrel(Instant now, Slot client, const wire::Frame& frame) {
    wire::Ack packet;
    Fault fault = wire::decode(frame, options_.version, packet);
    if (!fault) fault = check_problem(packet.properties);
    if (fault) {
        fail(now, client, fault);
        return;
    }
    Client& c = clients_[client];
    const bool held = c.flow != kNone && flows_[c.flow].received.erase(*pool_, packet.packet_id);
    settle(c);
    const ReceiveState state = held ? ReceiveState::awaiting_pubrel : ReceiveState::none;
    const bool known =
        receive_transition(state, ReceiveInput::pubrel).action == ReceiveAction::complete;
    // [MQTT-4.3.3-11], [MQTT-3.7.2-1], whether or not the message has expired [MQTT-4.3.3-13]; with
    // it the identifier is free [MQTT-4.3.3-12]. 3.1.1 [MQTT-4.3.3-2]
    send_ack(now, client, wire::PacketType::pubcomp, packet.packet_id,
             known ? wire::reason::success : wire::reason::packet_identifier_not_found);
}

void Clients::receive_disconnect(Instant now, Slot client, const wire::Frame& frame) {
    wire::Disconnect packet;
    if (const Fault fault = wire::decode(frame, options_.version, wire::Sender::server, packet)) {
        fail(now, client, fault);  // before MQTT 5.0, servers have no DISCONNECT at all
        return;
    }
    listener_->on_disconnect_received(now, client, packet);
    lose(now, client, DisconnectCause::by_server, packet.reason, Ending::close);
}

// [MQTT-3.1.2-29]: nothing about problems, in packets that answer, to whom does not want it.
Fault Clients::check_problem(const wire::Properties& properties) const {
    if (options_.request_problem_information || properties.empty()) [[likely]]
        return {};
    if (!properties.has(wire::Property::reason_string) && properties.user_property_count == 0) {
        return {};
    }
    return {wire::reason::protocol_error, "MQTT-3.1.2-29",
            "reason string or user property that was asked not to be sent", 0};
}

}  // namespace mqttwin::client
