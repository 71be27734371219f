// Worlds on the wall clock, and raw ends of virtual connections.

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <tuple>

#include <pybind11/stl.h>

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

constexpr std::array<const char*, 7> kRawStates = {"idle",  "opening",   "open",   "closed",
                                                   "reset", "timed_out", "refused"};

const char* state_name(const world::RawEnd& end) {
    return kRawStates[static_cast<std::size_t>(end.state)];
}

py::bytes take(world::RawEnd& end) {
    py::bytes out(reinterpret_cast<const char*>(end.received.data()), end.received.size());
    end.received.clear();
    return out;
}

ByteView view_of(const py::bytes& data) {
    const std::string_view text = data;
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

using U32 = std::uint32_t;

void bind_raw_ends(py::class_<PyWorld>& cls) {
    cls.def(
           "add_peers",
           [](PyWorld& self, const std::string& name, U32 count, U32 broker,
              const net::LinkSpec& link) {
               return self.get()->add_peers(name, count, broker, link);
           },
           py::arg("name"), py::arg("count"), py::arg("broker"), py::arg("link"))
        .def(
            "peer_open", [](PyWorld& self, U32 peers, U32 i) { self.get()->peer_open(peers, i); },
            py::arg("peers"), py::arg("index"))
        .def(
            "peer_send",
            [](PyWorld& self, U32 peers, U32 i, const py::bytes& data) {
                const auto world = self.get();
                world->raw_send(world->peer(peers, i), view_of(data));
            },
            py::arg("peers"), py::arg("index"), py::arg("data"))
        .def(
            "peer_take",
            [](PyWorld& self, U32 peers, U32 i) { return take(self.get()->peer(peers, i)); },
            py::arg("peers"), py::arg("index"))
        .def(
            "peer_state",
            [](PyWorld& self, U32 peers, U32 i) { return state_name(self.get()->peer(peers, i)); },
            py::arg("peers"), py::arg("index"))
        .def(
            "peer_close",
            [](PyWorld& self, U32 peers, U32 i) {
                const auto world = self.get();
                world->raw_close(world->peer(peers, i));
            },
            py::arg("peers"), py::arg("index"))
        .def(
            "peer_abort",
            [](PyWorld& self, U32 peers, U32 i) {
                const auto world = self.get();
                world->raw_abort(world->peer(peers, i));
            },
            py::arg("peers"), py::arg("index"))
        .def(
            "peer_vanish",
            [](PyWorld& self, U32 peers, U32 i) {
                const auto world = self.get();
                world->raw_vanish(world->peer(peers, i));
            },
            py::arg("peers"), py::arg("index"))
        .def(
            "add_listener",
            [](PyWorld& self, std::string name) {
                return self.get()->add_listener(std::move(name));
            },
            py::arg("name"))
        .def(
            "accepted_count",
            [](PyWorld& self, U32 listener) { return self.get()->accepted_count(listener); },
            py::arg("listener"))
        .def(
            "accepted_send",
            [](PyWorld& self, U32 listener, U32 i, const py::bytes& data) {
                const auto world = self.get();
                world->raw_send(world->accepted(listener, i), view_of(data));
            },
            py::arg("listener"), py::arg("index"), py::arg("data"))
        .def(
            "accepted_take",
            [](PyWorld& self, U32 listener, U32 i) {
                return take(self.get()->accepted(listener, i));
            },
            py::arg("listener"), py::arg("index"))
        .def(
            "accepted_state",
            [](PyWorld& self, U32 listener, U32 i) {
                return state_name(self.get()->accepted(listener, i));
            },
            py::arg("listener"), py::arg("index"))
        .def(
            "accepted_close",
            [](PyWorld& self, U32 listener, U32 i) {
                const auto world = self.get();
                world->raw_close(world->accepted(listener, i));
            },
            py::arg("listener"), py::arg("index"))
        .def(
            "accepted_abort",
            [](PyWorld& self, U32 listener, U32 i) {
                const auto world = self.get();
                world->raw_abort(world->accepted(listener, i));
            },
            py::arg("listener"), py::arg("index"));
}

}  // namespace

void bind_live_world(py::class_<PyWorld>& cls) {
    bind_raw_ends(cls);
    cls.def(
           "add_remote",
           [](PyWorld& self, std::string name, std::string host, std::uint16_t port) {
               return self.get()->add_remote(std::move(name), std::move(host), port);
           },
           py::arg("name"), py::arg("host"), py::arg("port"))
        .def(
            "set_doorman",
            [](PyWorld& self, U32 broker, bool real, const std::optional<std::string>& users,
               bool allow_anonymous) {
                auth::Policy policy;
                policy.allow_anonymous = allow_anonymous;
                self.get()->set_doorman(broker, real,
                                        users ? auth::Users::read(*users) : auth::Users(), policy);
            },
            py::arg("broker"), py::arg("real"), py::arg("users"), py::arg("allow_anonymous"))
        .def(
            "go_live",
            [](PyWorld& self, double speed, std::uint32_t max_connections, std::size_t backlog_mark,
               std::size_t total_backlog) {
                transport::Limits limits;
                limits.max_connections = max_connections;
                limits.backlog_mark = backlog_mark;
                limits.max_backlog = std::max(limits.max_backlog, 4 * backlog_mark);
                limits.total_backlog = total_backlog;
                self.go_live(speed, limits);
            },
            py::arg("speed"), py::kw_only(),
            py::arg("max_connections") = transport::Limits{}.max_connections,
            py::arg("backlog_mark") = transport::Limits{}.backlog_mark,
            py::arg("total_backlog") = transport::Limits{}.total_backlog)
        .def(
            "listen",
            [](PyWorld& self, std::uint32_t broker, const std::string& host, std::uint16_t port) {
                try {
                    const auto listening = self.live().listen(broker, host, port);
                    return std::tuple(listening.host, listening.port);
                } catch (const transport::TransportError& error) {
                    throw py::value_error(error.what());
                }
            },
            py::arg("broker"), py::arg("host"), py::arg("port"))
        .def("serve", &PyWorld::serve, py::arg("until"), py::arg("wall_ms"))
        .def_property_readonly("is_live", [](PyWorld& self) { return self.is_live(); })
        .def("resume_live", [](PyWorld& self) { self.live().resume(); })
        .def("stop_serving", [](PyWorld& self) { self.live().stop(); })
        .def("end_live", &PyWorld::end_live)
        .def("live_status", [](PyWorld& self) {
            const world::Live& live = self.live();
            const auto world = self.get();
            return std::tuple(live.behind().ns, live.connections(), live.backlog());
        });
}

}  // namespace mqttwin
