// Bytes from the server: frames, and what each packet means.
#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"

namespace mqttwin::client {

void Clients::handle_bytes(Instant now, Slot client, ByteView bytes, const Stamp& stamp) {
    Client& c = clients_[client];
    if (!connected(c)) return;    // late bytes of a connection that we have closed
    c.awaiting_pingresp = false;  // whatever it is, the server lives
    if (c.phase == Phase::awaiting_connack && c.framer.filled == 0 && !bytes.empty() &&
        bytes[0] >> 4 != static_cast<unsigned>(wire::PacketType::connack)) {
        // [MQTT-3.2.0-1]: no need to wait for the rest of what is not a server of MQTT.
        fail(now, client,
             {wire::reason::protocol_error, "MQTT-3.2.0-1", "a packet before CONNACK", 0});
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

void Clients::receive(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp) {
    if (clients_[client].phase == Phase::awaiting_connack) {
        receive_connack(now, client, frame);  // as its first byte said
        return;
    }
    switch (frame.type()) {
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
            // [MQTT-4.12.0-6]: no CONNECT of ours names an authentication method.
            fail(now, client,
                 {wire::reason::protocol_error, v5() ? "MQTT-4.12.0-6" : "MQTT-4.8.0-1",
                  "AUTH without an authentication method in CONNECT", 0});
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
    wire::Publish packet;
    if (const Fault fault = wire::decode(frame, options_.version, wire::Sender::server, packet)) {
        fail(now, client, fault);
        return;
    }
    if (packet.properties.has(wire::Property::topic_alias)) {
        // [MQTT-3.1.2-27]: our Topic Alias Maximum is absent.
        fail(now, client, {wire::reason::topic_alias_invalid, "MQTT-3.1.2-27", "topic alias", 0});
        return;
    }
    Client& c = clients_[client];
    const wire::PacketId id = packet.packet_id;
    switch (packet.qos) {
        case wire::QoS::at_most_once:
            listener_->on_message(now, client, packet, stamp);
            return;
        case wire::QoS::at_least_once:
            listener_->on_message(now, client, packet, stamp);
            // [MQTT-4.3.2-4]: acknowledged when the application has it.
            if (c.phase == Phase::online) {
                send_ack(now, client, wire::PacketType::puback, id, wire::reason::success);
            }
            return;
        case wire::QoS::exactly_once:
            break;
    }
    ReceivedIds& received = flow(c).received;
    const bool held = received.contains(*pool_, id);
    if (!held && v5() && received.count() >= options_.receive_maximum) {  // [MQTT-3.3.4-9]
        fail(now, client,
             {wire::reason::receive_maximum_exceeded, "MQTT-3.3.4-9",
              "more QoS 2 messages than the receive maximum", 0});
        return;
    }
    const ReceiveState state = held ? ReceiveState::awaiting_pubrel : ReceiveState::none;
    if (receive_transition(state, ReceiveInput::publish).action == ReceiveAction::deliver) {
        received.insert(*pool_, id);
        listener_->on_message(now, client, packet, stamp);
    }
    // [MQTT-4.3.3-8], [MQTT-4.3.3-10]
    if (c.phase == Phase::online) {
        send_ack(now, client, wire::PacketType::pubrec, id, wire::reason::success);
    }
}

void Clients::receive_pubrel(Instant now, Slot client, const wire::Frame& frame) {
    wire::Ack packet;
    if (const Fault fault = wire::decode(frame, options_.version, packet)) {
        fail(now, client, fault);
        return;
    }
    Client& c = clients_[client];
    const bool held = c.flow != kNone && flows_[c.flow].received.erase(*pool_, packet.packet_id);
    settle(c);
    const ReceiveState state = held ? ReceiveState::awaiting_pubrel : ReceiveState::none;
    const bool known =
        receive_transition(state, ReceiveInput::pubrel).action == ReceiveAction::complete;
    // [MQTT-4.3.3-11]
    send_ack(now, client, wire::PacketType::pubcomp, packet.packet_id,
             known ? wire::reason::success : wire::reason::packet_identifier_not_found);
}

void Clients::receive_disconnect(Instant now, Slot client, const wire::Frame& frame) {
    wire::Disconnect packet;
    if (const Fault fault = wire::decode(frame, options_.version, wire::Sender::server, packet)) {
        fail(now, client, fault);  // before MQTT 5.0, servers have no DISCONNECT at all
        return;
    }
    lose(now, client, DisconnectCause::by_server, packet.reason, Ending::close);
}

}  // namespace mqttwin::client
