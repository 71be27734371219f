#include "property_dict.hpp"

#include <array>
#include <limits>
#include <variant>

#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using wire::Properties;
using wire::Property;

constexpr std::size_t kMaximumString = 65'535;
constexpr std::uint32_t kMaximumIdentifier = 268'435'455;  // a variable byte integer

using Member = std::variant<std::uint8_t Properties::*, std::uint16_t Properties::*,
                            std::uint32_t Properties::*, std::string_view Properties::*,
                            ByteView Properties::*>;

struct Field {
    const char* name;
    Property id;
    Member member;
    std::uint32_t minimum = 0;
    std::uint32_t maximum = 0;  // 0: what the type holds
};

const std::array<Field, 25> kFields = {{
    {"payload_format_indicator", Property::payload_format_indicator,
     &Properties::payload_format_indicator, 0, 1},
    {"message_expiry_interval", Property::message_expiry_interval,
     &Properties::message_expiry_interval},
    {"content_type", Property::content_type, &Properties::content_type},
    {"response_topic", Property::response_topic, &Properties::response_topic},
    {"correlation_data", Property::correlation_data, &Properties::correlation_data},
    {"session_expiry_interval", Property::session_expiry_interval,
     &Properties::session_expiry_interval},
    {"assigned_client_identifier", Property::assigned_client_identifier,
     &Properties::assigned_client_identifier},
    {"server_keep_alive", Property::server_keep_alive, &Properties::server_keep_alive},
    {"authentication_method", Property::authentication_method, &Properties::authentication_method},
    {"authentication_data", Property::authentication_data, &Properties::authentication_data},
    {"request_problem_information", Property::request_problem_information,
     &Properties::request_problem_information, 0, 1},
    {"will_delay_interval", Property::will_delay_interval, &Properties::will_delay_interval},
    {"request_response_information", Property::request_response_information,
     &Properties::request_response_information, 0, 1},
    {"response_information", Property::response_information, &Properties::response_information},
    {"server_reference", Property::server_reference, &Properties::server_reference},
    {"reason_string", Property::reason_string, &Properties::reason_string},
    {"receive_maximum", Property::receive_maximum, &Properties::receive_maximum, 1},
    {"topic_alias_maximum", Property::topic_alias_maximum, &Properties::topic_alias_maximum},
    {"topic_alias", Property::topic_alias, &Properties::topic_alias, 1},
    {"maximum_qos", Property::maximum_qos, &Properties::maximum_qos, 0, 1},
    {"retain_available", Property::retain_available, &Properties::retain_available, 0, 1},
    {"maximum_packet_size", Property::maximum_packet_size, &Properties::maximum_packet_size, 1},
    {"wildcard_subscription_available", Property::wildcard_subscription_available,
     &Properties::wildcard_subscription_available, 0, 1},
    {"subscription_identifier_available", Property::subscription_identifier_available,
     &Properties::subscription_identifier_available, 0, 1},
    {"shared_subscription_available", Property::shared_subscription_available,
     &Properties::shared_subscription_available, 0, 1},
}};

bool belongs(Property id, wire::PropertyPlaces place) {
    return (wire::property_rule(static_cast<std::uint8_t>(id))->places & place) != 0;
}

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
    throw py::value_error(what + ": " + why);
}

std::uint32_t number_from(const py::handle& value, const std::string& what, std::uint32_t minimum,
                          std::uint32_t maximum) {
    if (!py::isinstance<py::int_>(value)) refuse(what, "must be a whole number");
    const long long number = PyLong_AsLongLong(value.ptr());
    const bool overflow = number == -1 && PyErr_Occurred() != nullptr;
    if (overflow) PyErr_Clear();
    if (overflow || number < minimum || number > maximum) {
        refuse(what, "must be from " + std::to_string(minimum) + " to " + std::to_string(maximum));
    }
    return static_cast<std::uint32_t>(number);
}

py::str text(std::string_view view) { return py::str(view.data(), view.size()); }
py::bytes bytes(ByteView view) {
    return py::bytes(reinterpret_cast<const char*>(view.data()), view.size());
}

}  // namespace

// --- out -----------------------------------------------------------------------------------------

py::dict to_dict(const Properties& properties) {
    py::dict out;
    if (properties.empty()) return out;
    for (const Field& field : kFields) {
        if (!properties.has(field.id)) continue;
        std::visit(
            [&](auto member) {
                using Value = std::remove_cvref_t<decltype(properties.*member)>;
                if constexpr (std::is_same_v<Value, std::string_view>) {
                    out[field.name] = text(properties.*member);
                } else if constexpr (std::is_same_v<Value, ByteView>) {
                    out[field.name] = bytes(properties.*member);
                } else {
                    out[field.name] = py::int_(properties.*member);
                }
            },
            field.member);
    }
    if (properties.subscription_identifier_count > 0) {
        py::list list;
        wire::SubscriptionIdentifiers walk(properties.subscription_identifiers);
        while (const std::uint32_t identifier = walk.next()) list.append(identifier);
        out["subscription_identifiers"] = list;
    }
    if (properties.user_property_count > 0) {
        py::list list;
        wire::UserProperties walk(properties.user_properties);
        while (const auto item = walk.next()) {
            list.append(py::make_tuple(text(item.pair.name), text(item.pair.value)));
        }
        out["user_properties"] = list;
    }
    return out;
}

// --- in ------------------------------------------------------------------------------------------

std::string text_from(const py::handle& value, const std::string& what) {
    if (!py::isinstance<py::str>(value)) refuse(what, "must be a str");
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (data == nullptr) {
        PyErr_Clear();
        refuse(what, "holds a lone surrogate, which UTF-8 does not have (MQTT-1.5.4-1)");
    }
    std::string out(data, static_cast<std::size_t>(size));
    if (!wire::valid_utf8(out)) refuse(what, "holds U+0000 (MQTT-1.5.4-2)");
    if (out.size() > kMaximumString) refuse(what, "is longer than 65,535 bytes");
    return out;
}

std::string payload_from(const py::handle& value, const std::string& what) {
    if (py::isinstance<py::bytes>(value)) return value.cast<std::string>();
    if (PyObject_CheckBuffer(value.ptr()) == 0) refuse(what, "must be bytes");
    const auto copy = py::reinterpret_steal<py::bytes>(PyBytes_FromObject(value.ptr()));
    if (!copy) throw py::error_already_set();
    return copy.cast<std::string>();
}

std::string bytes_from(const py::handle& value, const std::string& what) {
    std::string out = payload_from(value, what);
    if (out.size() > kMaximumString) refuse(what, "is longer than 65,535 bytes");
    return out;
}

std::string_view OwnedProperties::keep(std::string text) {
    return texts_.emplace_back(std::move(text));
}

void OwnedProperties::assign(const py::dict& dict, wire::PropertyPlaces place) {
    view = {};
    texts_.clear();
    user_properties_.clear();
    identifiers_.clear();
    for (const auto& [key, value] : dict) {
        if (!py::isinstance<py::str>(key)) refuse("properties", "a name must be a str");
        if (value.is_none()) continue;
        assign_one(key.cast<std::string>(), value, place);
    }
}

void OwnedProperties::assign_one(const std::string& name, const py::handle& value,
                                 wire::PropertyPlaces place) {
    const std::string what = "properties[\"" + name + "\"]";
    if (name == "user_properties" && belongs(Property::user_property, place)) {
        assign_user_properties(value);
        return;
    }
    if (name == "subscription_identifier" && place == wire::place_of(wire::PacketType::subscribe)) {
        wire::append_subscription_identifier(identifiers_,
                                             number_from(value, what, 1, kMaximumIdentifier));
        view.subscription_identifiers = identifiers_;
        view.subscription_identifier_count = 1;
        return;
    }
    for (const Field& field : kFields) {
        if (name != field.name || !belongs(field.id, place)) continue;
        std::visit(
            [&](auto member) {
                using Value = std::remove_cvref_t<decltype(view.*member)>;
                if constexpr (std::is_same_v<Value, std::string_view>) {
                    // UTF-8: [MQTT-3.3.2-13], [MQTT-3.3.2-19] and others.
                    view.*member = keep(text_from(value, what));
                } else if constexpr (std::is_same_v<Value, ByteView>) {
                    view.*member = as_bytes(keep(bytes_from(value, what)));
                } else {
                    const std::uint32_t most =
                        field.maximum > 0 ? field.maximum : std::numeric_limits<Value>::max();
                    view.*member =
                        static_cast<Value>(number_from(value, what, field.minimum, most));
                }
            },
            field.member);
        view.mark(field.id);
        return;
    }
    refuse("properties", "\"" + name + "\" is none that may stand here");
}

// A sequence of pairs, or a mapping where no name repeats.
void OwnedProperties::assign_user_properties(const py::handle& value) {
    py::object pairs = py::reinterpret_borrow<py::object>(value);
    if (py::isinstance<py::dict>(value)) pairs = value.attr("items")();
    for (const py::handle& pair : py::iter(pairs)) {
        const auto items = py::tuple(py::reinterpret_borrow<py::object>(pair));
        if (items.size() != 2) refuse("user_properties", "must be pairs of a name and a value");
        wire::append_user_property(user_properties_, text_from(items[0], "user_properties: a name"),
                                   text_from(items[1], "user_properties: a value"));
        ++view.user_property_count;
    }
    view.user_properties = user_properties_;
    view.user_properties_alone = true;
}

}  // namespace mqttwin
