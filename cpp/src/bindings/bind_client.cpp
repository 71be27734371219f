// The client engine with one client, for Python: bytes and events in, bytes and events out, time an
// argument in nanoseconds. Nothing here waits, connects or looks at a clock.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/client/client.hpp"

#include "bindings.hpp"
#include "client_face.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

constexpr Slot kSlot = 0;

[[noreturn]] void raise_offline() {
    PyErr_SetString(PyExc_ConnectionError, "not connected");
    throw py::error_already_set();
}

/// filter, qos, no_local, retain_as_published, retain_handling
using RequestTuple = std::tuple<py::str, int, bool, bool, int>;

constexpr std::array<const char*, 5> kPhases = {"idle", "opening", "awaiting_connack", "online",
                                                "backing_off"};

// --- the engine ----------------------------------------------------------------------------------

class ClientEngine {
   public:
    ClientEngine(std::unique_ptr<OneProfile> profile, const client::Options& options)
        : profile_(std::move(profile)),
          clients_(options, *profile_, pool_, events_, 1, StreamKey{}) {}
    ClientEngine(const ClientEngine&) = delete;
    ClientEngine& operator=(const ClientEngine&) = delete;

    void connect(std::int64_t now) { clients_.connect({now}, kSlot); }
    void open(std::int64_t now) { clients_.handle_open({now}, kSlot); }
    void closed(std::int64_t now) { clients_.handle_closed({now}, kSlot); }
    void timeout(std::int64_t now) { clients_.handle_timeout({now}); }
    void reset(std::int64_t now) { clients_.reset({now}, kSlot); }
    void receive(std::int64_t now, const py::buffer& data) {
        const py::buffer_info info = data.request();
        const auto size = static_cast<std::size_t>(info.size * info.itemsize);
        clients_.handle_bytes({now}, kSlot, {static_cast<const std::uint8_t*>(info.ptr), size}, {});
    }
    [[nodiscard]] std::optional<std::int64_t> next_deadline() const {
        const Instant at = clients_.next_deadline();
        if (at == Instant::never()) return std::nullopt;
        return at.ns;
    }
    [[nodiscard]] const char* phase() const {
        return kPhases[static_cast<std::size_t>(clients_.phase(kSlot))];
    }

    std::uint32_t publish(std::int64_t now, const py::str& topic, const py::object& payload,
                          int qos, bool retain, const py::dict& properties) {
        const std::string name = text_from(topic, "topic");
        const std::string content = payload_from(payload, "payload");
        OwnedProperties owned;
        owned.assign(properties, wire::place_of(wire::PacketType::publish));
        wire::Publish packet;
        packet.topic = name;
        packet.payload = as_bytes(content);
        packet.qos = quality(qos);
        packet.retain = retain;
        packet.properties = owned.view;
        if (const Fault fault = clients_.check_publish(kSlot, packet)) raise(fault);
        Stamp stamp;
        stamp.published = {now};
        if (qos > 0) stamp.origin = next_token();
        switch (clients_.publish({now}, kSlot, packet, stamp)) {
            case client::PublishOutcome::sent:
            case client::PublishOutcome::queued:
                return qos > 0 ? stamp.origin : 0;
            case client::PublishOutcome::dropped_queue_full:
                throw std::runtime_error("the queue of messages is full");
            case client::PublishOutcome::dropped_offline:
            case client::PublishOutcome::refused:
                break;
        }
        raise_offline();
    }

    wire::PacketId subscribe(std::int64_t now, const std::vector<RequestTuple>& given,
                             const py::dict& properties) {
        const std::vector<std::string> filters = texts(given);
        std::vector<wire::SubscriptionRequest> requests;
        for (std::size_t n = 0; n < given.size(); ++n) {
            const auto& [filter, qos, no_local, as_published, handling] = given[n];
            if (handling < 0 || handling > 2) {
                throw py::value_error("retain_handling: must be 0, 1 or 2, not " +
                                      std::to_string(handling));
            }
            requests.push_back({filters[n],
                                {quality(qos), no_local, as_published,
                                 static_cast<wire::RetainHandling>(handling)}});
        }
        OwnedProperties owned;
        owned.assign(properties, wire::place_of(wire::PacketType::subscribe));
        expect_online();
        if (const Fault fault = clients_.check_subscribe(kSlot, requests, owned.view)) raise(fault);
        return identifier(clients_.subscribe({now}, kSlot, requests, owned.view));
    }

    wire::PacketId unsubscribe(std::int64_t now, const std::vector<py::str>& given,
                               const py::dict& properties) {
        std::vector<std::string> texts;
        texts.reserve(given.size());
        for (const py::str& filter : given) texts.push_back(text_from(filter, "filter"));
        const std::vector<std::string_view> filters(texts.begin(), texts.end());
        OwnedProperties owned;
        owned.assign(properties, wire::place_of(wire::PacketType::unsubscribe));
        expect_online();
        if (const Fault fault = clients_.check_unsubscribe(kSlot, filters, owned.view)) {
            raise(fault);
        }
        return identifier(clients_.unsubscribe({now}, kSlot, filters, owned.view));
    }

    void disconnect(std::int64_t now, int reason, const py::dict& properties) {
        OwnedProperties owned;
        owned.assign(properties, wire::place_of(wire::PacketType::disconnect));
        wire::Disconnect packet;
        packet.reason = static_cast<std::uint8_t>(reason);
        packet.properties = owned.view;
        if (reason < 0 || reason > 0xFF || !clients_.disconnect({now}, kSlot, packet)) {
            throw py::value_error(
                "disconnect: a reason code that clients do not have, or a "
                "session expiry where CONNECT had none");
        }
    }

    bool authenticate(std::int64_t now, const py::object& data, const py::dict& properties,
                      bool anew) {
        const std::string content = bytes_from(data, "data");
        OwnedProperties owned;
        owned.assign(properties, wire::place_of(wire::PacketType::auth));
        return anew ? clients_.reauthenticate({now}, kSlot, as_bytes(content), owned.view)
                    : clients_.authenticate({now}, kSlot, as_bytes(content), owned.view);
    }
    void set_auth_data(const std::optional<py::object>& data) {
        profile_->auth_data.reset();
        if (data) profile_->auth_data = bytes_from(*data, "auth_data");
    }

    // What is sent in one go is one "send".
    py::list take_output() {
        py::list out;
        std::string sending;
        const auto flush = [&] {
            if (!sending.empty()) out.append(py::make_tuple("send", py::bytes(sending)));
            sending.clear();
        };
        for (const Output& output : std::exchange(clients_.outbox(), {})) {
            switch (output.kind) {
                case Output::Kind::send:
                    sending += as_text(pool_.bytes(output.head));
                    sending += as_text(pool_.bytes(output.body));
                    pool_.release(output.head);
                    pool_.release(output.body);
                    continue;
                case Output::Kind::open:
                    flush();
                    out.append(py::make_tuple("open", py::bytes()));
                    continue;
                case Output::Kind::close:
                    flush();
                    out.append(py::make_tuple("close", py::bytes()));
                    continue;
                case Output::Kind::abort:
                    sending.clear();  // it would be lost
                    out.append(py::make_tuple("abort", py::bytes()));
                    continue;
                default:
                    continue;  // asked for by brokers only
            }
        }
        flush();
        return out;
    }
    py::list take_events() { return events_.take(); }

    [[nodiscard]] std::uint32_t in_flight() const { return clients_.in_flight(kSlot); }
    [[nodiscard]] std::uint32_t queued() const { return clients_.queued(kSlot); }

   private:
    static std::vector<std::string> texts(const std::vector<RequestTuple>& given) {
        std::vector<std::string> out;
        out.reserve(given.size());
        for (const RequestTuple& request : given) {
            out.push_back(text_from(std::get<0>(request), "filter"));
        }
        return out;
    }
    void expect_online() const {
        if (clients_.phase(kSlot) != client::Phase::online) raise_offline();
    }
    static wire::PacketId identifier(wire::PacketId id) {
        if (id == 0) throw std::runtime_error("all packet identifiers are in use");
        return id;
    }
    // 1 to 2^32 - 3: none of those that mean something to observers.
    std::uint32_t next_token() {
        token_ = token_ >= Stamp::kReplay - 1 ? 1 : token_ + 1;
        return token_;
    }

    BlobPool pool_;
    EventList events_;
    std::unique_ptr<OneProfile> profile_;
    client::Clients clients_;
    std::uint32_t token_ = 0;
};

template <typename Number>
Number within(const char* name, std::int64_t value, std::int64_t minimum, std::int64_t maximum) {
    if (value < minimum || value > maximum) {
        throw py::value_error(std::string(name) + ": must be from " + std::to_string(minimum) +
                              " to " + std::to_string(maximum) + ", not " + std::to_string(value));
    }
    return static_cast<Number>(value);
}

std::unique_ptr<ClientEngine> make_engine(
    const py::str& client_id, int version, std::int64_t keep_alive, bool clean_start,
    std::int64_t session_expiry, std::int64_t receive_maximum, std::int64_t maximum_packet_size,
    std::int64_t topic_alias_maximum, std::int64_t outbound_topic_aliases,
    bool request_problem_information, bool request_response_information, std::int64_t max_in_flight,
    std::int64_t max_queued, std::int64_t connect_timeout, std::int64_t ping_timeout,
    const std::optional<py::str>& user_name, const std::optional<py::object>& password,
    const std::optional<WillTuple>& will, const std::optional<py::str>& auth_method,
    const std::optional<py::object>& auth_data, const py::dict& properties) {
    client::Options options;
    options.version = static_cast<wire::Version>(within<std::uint8_t>("version", version, 3, 5));
    options.keep_alive = within<std::uint16_t>("keep_alive", keep_alive, 0, 65535);
    options.clean_start = clean_start;
    options.session_expiry =
        within<std::uint32_t>("session_expiry", session_expiry, 0, 0xFFFF'FFFF);
    options.receive_maximum = within<std::uint16_t>("receive_maximum", receive_maximum, 1, 65535);
    options.maximum_packet_size = within<std::uint32_t>("maximum_packet_size", maximum_packet_size,
                                                        1, wire::kMaximumPacketSize);
    options.topic_alias_maximum =
        within<std::uint16_t>("topic_alias_maximum", topic_alias_maximum, 0, 65535);
    options.outbound_topic_aliases =
        within<std::uint16_t>("outbound_topic_aliases", outbound_topic_aliases, 0, 65535);
    options.request_problem_information = request_problem_information;
    options.request_response_information = request_response_information;
    options.max_in_flight = within<std::uint32_t>("max_in_flight", max_in_flight, 1, 65535);
    options.max_queued = within<std::uint32_t>("max_queued", max_queued, 0, 1'000'000'000);
    options.connect_timeout = {
        within<std::int64_t>("connect_timeout", connect_timeout, 1, INT64_MAX)};
    options.ping_timeout = {within<std::int64_t>("ping_timeout", ping_timeout, 1, INT64_MAX)};
    options.reconnect = false;

    const bool v5 = options.version == wire::Version::v5;
    auto profile = std::make_unique<OneProfile>();
    profile->id = text_from(client_id, "client_id");                         // [MQTT-3.1.3-4]
    if (user_name) profile->user_name = text_from(*user_name, "user_name");  // [MQTT-3.1.3-12]
    if (password) profile->password = bytes_from(*password, "password");
    if (password && !user_name && !v5) {  // 3.1.1 [MQTT-3.1.2-22]
        throw py::value_error("password: before MQTT 5.0 it needs a user_name (MQTT-3.1.2-22)");
    }
    if (will) profile->set_will(*will);
    if (auth_method) {
        if (!v5) throw py::value_error("auth_method: needs MQTT 5.0");
        profile->method = text_from(*auth_method, "auth_method");
        if (profile->method.empty()) throw py::value_error("auth_method: is empty");
    }
    if (auth_data) {
        if (!auth_method) throw py::value_error("auth_data: needs an auth_method");
        profile->auth_data = bytes_from(*auth_data, "auth_data");
    }
    for (const auto& [name, value] : properties) {
        if (!py::str("user_properties").equal(name)) {
            throw py::value_error(
                "properties: only user_properties stand here; the others are "
                "arguments");
        }
    }
    profile->user_properties.assign(properties, wire::place_of(wire::PacketType::connect));
    return std::make_unique<ClientEngine>(std::move(profile), options);
}

}  // namespace
}  // namespace mqttwin

void bind_client(py::module_& m) {
    using namespace mqttwin;  // NOLINT(google-build-using-namespace)
    const client::Options defaults;
    py::class_<ClientEngine>(m, "ClientEngine")
        .def(py::init(&make_engine), py::arg("client_id") = "", py::kw_only(),
             py::arg("version") = 5, py::arg("keep_alive") = 60, py::arg("clean_start") = true,
             py::arg("session_expiry") = 0, py::arg("receive_maximum") = 65535,
             py::arg("maximum_packet_size") = wire::kMaximumPacketSize,
             py::arg("topic_alias_maximum") = 0, py::arg("outbound_topic_aliases") = 0,
             py::arg("request_problem_information") = true,
             py::arg("request_response_information") = false,
             py::arg("max_in_flight") = defaults.max_in_flight, py::arg("max_queued") = 1000,
             py::arg("connect_timeout") = defaults.connect_timeout.ns,
             py::arg("ping_timeout") = defaults.ping_timeout.ns, py::arg("user_name") = py::none(),
             py::arg("password") = py::none(), py::arg("will") = py::none(),
             py::arg("auth_method") = py::none(), py::arg("auth_data") = py::none(),
             py::arg("properties") = py::dict())
        .def("connect", &ClientEngine::connect, py::arg("now"))
        .def("open", &ClientEngine::open, py::arg("now"))
        .def("receive", &ClientEngine::receive, py::arg("now"), py::arg("data"))
        .def("closed", &ClientEngine::closed, py::arg("now"))
        .def("timeout", &ClientEngine::timeout, py::arg("now"))
        .def("reset", &ClientEngine::reset, py::arg("now"))
        .def_property_readonly("next_deadline", &ClientEngine::next_deadline)
        .def_property_readonly("phase", &ClientEngine::phase)
        .def_property_readonly("in_flight", &ClientEngine::in_flight)
        .def_property_readonly("queued", &ClientEngine::queued)
        .def("publish", &ClientEngine::publish, py::arg("now"), py::arg("topic"),
             py::arg("payload") = py::bytes(), py::arg("qos") = 0, py::arg("retain") = false,
             py::arg("properties") = py::dict())
        .def("subscribe", &ClientEngine::subscribe, py::arg("now"), py::arg("requests"),
             py::arg("properties") = py::dict())
        .def("unsubscribe", &ClientEngine::unsubscribe, py::arg("now"), py::arg("filters"),
             py::arg("properties") = py::dict())
        .def("disconnect", &ClientEngine::disconnect, py::arg("now"), py::arg("reason") = 0,
             py::arg("properties") = py::dict())
        .def(
            "authenticate",
            [](ClientEngine& self, std::int64_t now, const py::object& data,
               const py::dict& properties) {
                return self.authenticate(now, data, properties, false);
            },
            py::arg("now"), py::arg("data"), py::arg("properties") = py::dict())
        .def(
            "reauthenticate",
            [](ClientEngine& self, std::int64_t now, const py::object& data,
               const py::dict& properties) {
                return self.authenticate(now, data, properties, true);
            },
            py::arg("now"), py::arg("data"), py::arg("properties") = py::dict())
        .def("set_auth_data", &ClientEngine::set_auth_data, py::arg("data"))
        .def("take_output", &ClientEngine::take_output)
        .def("take_events", &ClientEngine::take_events);

    m.def(
        "reason_name",
        [](int code) {
            return code < 0 || code > 0xFF
                       ? text("unknown reason code")
                       : text(wire::reason_name(static_cast<std::uint8_t>(code)));
        },
        py::arg("code"));
}
