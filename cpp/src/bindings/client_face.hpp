// The two sides of a client engine that look at Python: what the client says of itself, and what
// happens to it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

#include "mqttwin/client/listener.hpp"
#include "mqttwin/wire/topic.hpp"

#include "property_dict.hpp"

namespace mqttwin {

namespace py = pybind11;

// mqttwin.ProtocolError: what the protocol, or this server, does not allow.
[[noreturn]] inline void raise(const Fault& fault) {
    using namespace py::literals;  // NOLINT(google-build-using-namespace)
    const py::object type = py::module_::import("mqttwin.errors").attr("ProtocolError");
    const py::object error =
        type(std::string(fault.what), "reason_code"_a = static_cast<int>(fault.reason),
             "clause"_a = std::string(fault.clause));
    PyErr_SetObject(type.ptr(), error.ptr());
    throw py::error_already_set();
}

inline wire::QoS quality(int qos) {
    if (qos < 0 || qos > 2) {
        throw py::value_error("qos: must be 0, 1 or 2, not " + std::to_string(qos));
    }
    return static_cast<wire::QoS>(qos);
}

inline py::bytes bytes(ByteView view) {
    return py::bytes(reinterpret_cast<const char*>(view.data()), view.size());
}
inline py::str text(std::string_view view) { return py::str(view.data(), view.size()); }

inline py::list codes(ByteView reasons) {
    py::list out;
    for (const std::uint8_t reason : reasons) out.append(static_cast<int>(reason));
    return out;
}

// --- what the client says of itself --------------------------------------------------------------

/// topic, payload, qos, retain, properties
using WillTuple = std::tuple<py::str, py::object, int, bool, py::dict>;
class OneProfile final : public client::Profile {
   public:
    void client_id(Slot /*client*/, std::string& out) const override { out = id; }
    void complete(Slot /*client*/, wire::Connect& packet,
                  std::vector<std::string>& /*scratch*/) const override {
        if (user_name) {
            packet.has_user_name = true;
            packet.user_name = *user_name;
        }
        if (password) {
            packet.has_password = true;
            packet.password = as_bytes(*password);
        }
        if (has_will) {
            packet.has_will = true;
            packet.will = will;
            packet.will.properties = will_properties.view;
        }
        if (!method.empty()) {
            packet.properties.mark(wire::Property::authentication_method);
            packet.properties.authentication_method = method;
        }
        if (auth_data) {
            packet.properties.mark(wire::Property::authentication_data);
            packet.properties.authentication_data = as_bytes(*auth_data);
        }
        const wire::Properties& more = user_properties.view;
        packet.properties.user_properties = more.user_properties;
        packet.properties.user_property_count = more.user_property_count;
        packet.properties.user_properties_alone = more.user_properties_alone;
    }

    void set_will(const WillTuple& given) {
        has_will = true;
        will_topic = text_from(std::get<0>(given), "will topic");  // [MQTT-3.1.3-11]
        will_payload = bytes_from(std::get<1>(given), "will payload");
        if (const Fault fault = wire::check_topic_name(will_topic)) raise(fault);
        will.topic = will_topic;
        will.payload = as_bytes(will_payload);
        will.qos = quality(std::get<2>(given));
        will.retain = std::get<3>(given);
        will_properties.assign(std::get<4>(given), wire::kWillPlace);
    }

    std::string id;
    std::optional<std::string> user_name;
    std::optional<std::string> password;
    std::string method;
    std::optional<std::string> auth_data;
    bool has_will = false;
    wire::Will will;
    std::string will_topic;
    std::string will_payload;
    OwnedProperties will_properties;
    OwnedProperties user_properties;
};

// --- what happens to it --------------------------------------------------------------------------

inline constexpr std::array<const char*, 8> kCauses = {
    "by_command", "transport",    "connect_failed",  "refused",
    "by_server",  "ping_timeout", "connect_timeout", "protocol_fault"};
inline constexpr std::array<const char*, 5> kOutcomes = {"sent", "queued", "offline", "queue_full",
                                                         "refused"};
class EventList final : public client::Listener {
   public:
    py::list take() { return std::exchange(events_, py::list()); }

    void on_connack(Instant, Slot, const wire::Connack& packet) override {
        add("connack", [&](py::dict& event) {
            event["session_present"] = packet.session_present;
            answer(event, packet.reason, packet.properties);
        });
    }
    void on_connected(Instant, Slot, bool session_present) override {
        add("connected", [&](py::dict& event) { event["session_present"] = session_present; });
    }
    void on_disconnected(Instant, Slot, client::DisconnectCause cause,
                         std::uint8_t reason) override {
        add("disconnected", [&](py::dict& event) {
            event["cause"] = kCauses[static_cast<std::size_t>(cause)];
            event["reason"] = static_cast<int>(reason);
        });
    }
    void on_disconnect_received(Instant, Slot, const wire::Disconnect& packet) override {
        add("disconnect",
            [&](py::dict& event) { answer(event, packet.reason, packet.properties); });
    }
    void on_authenticate(Instant, Slot, const wire::Auth& packet) override {
        add("auth", [&](py::dict& event) { answer(event, packet.reason, packet.properties); });
    }
    void on_message(Instant, Slot, const wire::Publish& packet, const Stamp&) override {
        add("message", [&](py::dict& event) {
            event["topic"] = text(packet.topic);
            event["payload"] = bytes(packet.payload);
            event["qos"] = static_cast<int>(packet.qos);
            event["retain"] = packet.retain;
            event["duplicate"] = packet.dup;
            event["packet_id"] = packet.packet_id;
            event["properties"] = to_dict(packet.properties);
        });
    }
    void on_acknowledged(Instant, Slot, const Stamp& stamp, wire::QoS qos,
                         const wire::Ack& packet) override {
        add("acknowledged", [&](py::dict& event) {
            event["token"] = stamp.origin;
            event["qos"] = static_cast<int>(qos);
            event["packet_id"] = packet.packet_id;
            answer(event, packet.reason, packet.properties);
        });
    }
    void on_dropped(Instant, Slot, const Stamp& stamp, wire::QoS qos,
                    client::PublishOutcome outcome) override {
        add("dropped", [&](py::dict& event) {
            event["token"] = stamp.origin;
            event["qos"] = static_cast<int>(qos);
            event["why"] = kOutcomes[static_cast<std::size_t>(outcome)];
        });
    }
    void on_subscribed(Instant, Slot, const wire::ListAck& packet) override {
        add_list("suback", packet);
    }
    void on_unsubscribed(Instant, Slot, const wire::ListAck& packet) override {
        add_list("unsuback", packet);
    }
    void on_fault(Instant, Slot, const Fault& fault) override {
        add("fault", [&](py::dict& event) {
            event["reason"] = static_cast<int>(fault.reason);
            event["clause"] = text(fault.clause);
            event["what"] = text(fault.what);
        });
    }

   private:
    template <typename Fill>
    void add(const char* kind, Fill fill) {
        py::dict event;
        fill(event);
        events_.append(py::make_tuple(kind, event));
    }
    static void answer(py::dict& event, std::uint8_t reason, const wire::Properties& properties) {
        event["reason"] = static_cast<int>(reason);
        event["properties"] = to_dict(properties);
    }
    void add_list(const char* kind, const wire::ListAck& packet) {
        add(kind, [&](py::dict& event) {
            event["packet_id"] = packet.packet_id;
            event["reasons"] = codes(packet.reasons);
            event["properties"] = to_dict(packet.properties);
        });
    }

    py::list events_;
};

}  // namespace mqttwin
