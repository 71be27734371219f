// Class World's methods for devices whose code is Python.
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "bindings.hpp"
#include "py_script.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {

void PyScript::lend(Slot device, py::object coroutine, std::int64_t due) {
    if (device >= lent_.size()) lent_.resize(device + 1);
    lent_[device] = {std::move(coroutine), due};
}

PyScript::Reclaimed PyScript::reclaim(Slot device) {
    if (device >= lent_.size() || !lent_[device].coroutine) return {0, false};
    Lent& lent = lent_[device];
    lent.coroutine = {};
    return {lent.due, running_ == device};
}

int PyScript::traverse(visitproc visit, void* argument) {
    // The names are those of the macro's own parameters.
    void* arg = argument;
    Py_VISIT(wake_.ptr());
    Py_VISIT(finish_.ptr());
    Py_VISIT(hear_.ptr());
    Py_VISIT(notes_.ptr());
    for (const Lent& lent : lent_) Py_VISIT(lent.coroutine.ptr());
    return 0;
}

void PyScript::let_go() {
    wake_ = {};
    finish_ = {};
    hear_ = {};
    notes_ = {};
    for (Lent& lent : lent_) lent.coroutine = {};
}

// False: `next` is to be found out by `wake`.
bool PyScript::resume(Instant now, Slot device, Instant& next) {
    if (device >= lent_.size() || !lent_[device].coroutine || lent_[device].due > now.ns) {
        return false;
    }
    // Kept alive here: it may be reclaimed while it runs.
    const py::object coroutine = lent_[device].coroutine;
    running_ = device;
    PyObject* sent = nullptr;
    const PySendResult result = PyIter_Send(coroutine.ptr(), Py_None, &sent);
    running_ = -1;
    auto wanted = py::reinterpret_steal<py::object>(sent);
    Lent& lent = lent_[device];
    if (result == PYGEN_NEXT && lent.coroutine && !watched && PyLong_CheckExact(sent)) {
        const std::int64_t pause = PyLong_AsLongLong(sent);
        if (pause >= 0) {
            lent.due = now.ns + pause;
            if (pause > 0) {
                next = {lent.due};
                return true;
            }
        }
        PyErr_Clear();  // what is no pause is none of a lent one's
    }
    lent.coroutine = {};
    py::object error = py::none();
    if (result == PYGEN_ERROR) {
        const py::error_already_set raised;
        error = raised.value();
        if (raised.trace()) error.attr("__traceback__") = raised.trace();
        wanted = py::none();
    } else if (result == PYGEN_RETURN) {
        error = py::handle(PyExc_StopIteration)(wanted);
    }
    next = {finish_(device, now.ns, wanted, error).cast<std::int64_t>()};
    return true;
}

Instant PyScript::on_alarm(Instant now, Slot device) {
    const py::gil_scoped_acquire gil;
    if (!wake_) return Instant::never();  // the collector was here
    Instant next;
    if (resume(now, device, next)) return next;
    return {wake_(device, now.ns).cast<std::int64_t>()};
}

void PyScript::act(Instant now) {
    const py::gil_scoped_acquire gil;
    if (!notes_ || !hear_) return;
    const py::object notes = std::exchange(notes_, {});
    hear_(notes, now.ns);
}

namespace {

constexpr const char* kPhases[] = {"idle", "opening", "awaiting_connack", "online", "backing_off"};

using Request = std::tuple<py::str, int, bool, bool, int>;
using Will = std::tuple<std::string, py::bytes, int, bool, std::uint32_t>;

void connect(PyWorld& self, std::uint32_t fleet, std::uint32_t device, std::uint16_t keep_alive,
             bool clean_start, std::uint32_t session_expiry, const std::optional<Will>& will,
             bool without_will, std::optional<std::string> user_name,
             const std::optional<py::bytes>& password) {
    world::ScriptedConnect said;
    said.terms = {keep_alive, clean_start, session_expiry};
    if (will) {
        auto& own = said.will.emplace();
        own.topic = std::get<0>(*will);
        own.payload = std::get<1>(*will);
        own.qos = quality(std::get<2>(*will));
        own.retain = std::get<3>(*will);
        own.delay_interval = std::get<4>(*will);
        if (const Fault fault = wire::check_topic_name(own.topic)) raise(fault);
    }
    said.without_will = without_will;
    said.user_name = std::move(user_name);
    if (password) said.password = static_cast<std::string>(*password);
    self.get()->connect(fleet, device, std::move(said));
}

py::tuple publish(PyWorld& self, std::uint32_t fleet, std::uint32_t device, const py::str& topic,
                  const py::object& payload, int qos, bool retain,
                  const std::optional<py::dict>& properties) {
    const std::string name = text_from(topic, "topic");
    const std::string content = payload_from(payload, "payload");
    wire::Publish packet;
    packet.topic = name;
    packet.payload = as_bytes(content);
    packet.qos = quality(qos);
    packet.retain = retain;
    OwnedProperties owned;
    if (properties) {
        owned.assign(*properties, wire::place_of(wire::PacketType::publish));
        packet.properties = owned.view;
    }
    const auto world = self.get();
    if (const Fault fault = world->check_publish(fleet, device, packet)) raise(fault);
    const world::ScriptedPublish done = world->publish(fleet, device, packet);
    return py::make_tuple(kOutcomes[static_cast<std::size_t>(done.outcome)], done.number);
}

wire::PacketId subscribe(PyWorld& self, std::uint32_t fleet, std::uint32_t device,
                         const std::vector<Request>& given, const py::dict& properties) {
    std::vector<std::string> filters;
    filters.reserve(given.size());
    for (const Request& request : given)
        filters.push_back(text_from(std::get<0>(request), "filter"));
    std::vector<wire::SubscriptionRequest> requests;
    requests.reserve(given.size());
    for (std::size_t n = 0; n < given.size(); ++n) {
        const auto& [filter, qos, no_local, as_published, handling] = given[n];
        requests.push_back(
            {filters[n],
             {quality(qos), no_local, as_published, static_cast<wire::RetainHandling>(handling)}});
    }
    OwnedProperties owned;
    owned.assign(properties, wire::place_of(wire::PacketType::subscribe));
    const auto world = self.get();
    client::Clients& clients = world->clients(fleet, device);
    if (clients.phase(device) != client::Phase::online) return 0;
    if (const Fault fault = clients.check_subscribe(device, requests, owned.view)) raise(fault);
    const wire::PacketId id = clients.subscribe(world->now(), device, requests, owned.view);
    world->perform(fleet);
    return id;
}

wire::PacketId unsubscribe(PyWorld& self, std::uint32_t fleet, std::uint32_t device,
                           const std::vector<py::str>& given) {
    std::vector<std::string> texts;
    texts.reserve(given.size());
    for (const py::str& filter : given) texts.push_back(text_from(filter, "filter"));
    const std::vector<std::string_view> filters(texts.begin(), texts.end());
    const auto world = self.get();
    client::Clients& clients = world->clients(fleet, device);
    if (clients.phase(device) != client::Phase::online) return 0;
    if (const Fault fault = clients.check_unsubscribe(device, filters)) raise(fault);
    const wire::PacketId id = clients.unsubscribe(world->now(), device, filters);
    world->perform(fleet);
    return id;
}

void disconnect(PyWorld& self, std::uint32_t fleet, std::uint32_t device, int reason) {
    wire::Disconnect packet;
    packet.reason = static_cast<std::uint8_t>(reason);
    if (reason < 0 || reason > 0xFF || !self.get()->disconnect(fleet, device, packet)) {
        throw py::value_error("reason: is none that clients have");
    }
}

}  // namespace

void bind_device_world(py::class_<PyWorld>& cls) {
    cls.def(
           "add_scripted",
           [](PyWorld& self, world::FleetSpec spec, std::shared_ptr<PyScript> script) {
               spec.script = std::move(script);
               return self.get()->add_fleet(spec);
           },
           py::arg("spec"), py::arg("script"))
        .def(
            "set_alarm",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device, std::int64_t at) {
                self.get()->set_alarm(fleet, device, {at});
            },
            py::arg("fleet"), py::arg("device"), py::arg("at"))
        .def("script_connect", &connect, py::arg("fleet"), py::arg("device"), py::kw_only(),
             py::arg("keep_alive"), py::arg("clean_start"), py::arg("session_expiry"),
             py::arg("will") = py::none(), py::arg("without_will") = false,
             py::arg("user_name") = py::none(), py::arg("password") = py::none())
        .def("script_publish", &publish, py::arg("fleet"), py::arg("device"), py::arg("topic"),
             py::arg("payload"), py::arg("qos"), py::arg("retain"),
             py::arg("properties") = py::none())
        .def("script_subscribe", &subscribe, py::arg("fleet"), py::arg("device"),
             py::arg("requests"), py::arg("properties"))
        .def("script_unsubscribe", &unsubscribe, py::arg("fleet"), py::arg("device"),
             py::arg("filters"))
        .def("script_disconnect", &disconnect, py::arg("fleet"), py::arg("device"),
             py::arg("reason"))
        .def(
            "power_off",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                self.get()->power_off(fleet, device);
            },
            py::arg("fleet"), py::arg("device"))
        .def(
            "outbox",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                return self.get()->outbox(fleet, device);
            },
            py::arg("fleet"), py::arg("device"))
        .def(
            "phase",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                return kPhases[static_cast<std::size_t>(self.get()->phase(fleet, device))];
            },
            py::arg("fleet"), py::arg("device"))
        .def("halt", [](PyWorld& self) { self.get()->halt(); });
}

}  // namespace mqttwin
