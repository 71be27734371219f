// Sockets of hosts in virtual time: class World's methods, called by one thread at a time.
#include <string>
#include <tuple>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/trace/capture.hpp"
#include "mqttwin/world/sockets.hpp"

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {

namespace {

using world::SocketError;
using world::SocketNews;

const char* name_of(SocketError error) {
    constexpr const char* kNames[] = {"", "refused", "reset", "timed_out", "broken_pipe", "again"};
    return kNames[static_cast<std::size_t>(error)];
}

/// IPv4 addresses as numbers: those that captures show.
std::int64_t ipv4_of(net::Address address) {
    return address == net::kNoHost ? -1 : std::int64_t{trace::server_address(address)};
}

net::Address address_of(std::int64_t ipv4) {
    const std::int64_t first = trace::server_address(0);
    constexpr std::int64_t kMost = 1 << 17;  // 198.18.0.0/15
    return ipv4 < first || ipv4 >= first + kMost ? net::kNoHost
                                                 : static_cast<net::Address>(ipv4 - first);
}

constexpr int kReadable = 1;
constexpr int kWritable = 2;
constexpr int kConnecting = 4;
constexpr int kSecuring = 8;

int ready(PyWorld& self, std::uint32_t socket) {
    const world::Sockets::Ready r = self.get()->sockets().ready(socket);
    return (r.readable ? kReadable : 0) | (r.writable ? kWritable : 0) |
           (r.connecting ? kConnecting : 0) | (r.securing ? kSecuring : 0);
}

py::list take_news(PyWorld& self) {
    py::list out;
    for (const SocketNews& news : self.get()->sockets().take_news()) {
        const auto kind = static_cast<int>(news.kind);
        out.append(
            py::make_tuple(kind, news.host, news.number, ipv4_of(news.address), news.timed_out));
    }
    return out;
}

py::tuple send(PyWorld& self, std::uint32_t socket, const py::buffer& data) {
    const py::buffer_info info = data.request();
    const auto* first = static_cast<const std::uint8_t*>(info.ptr);
    const auto size = static_cast<std::size_t>(info.size * info.itemsize);
    SocketError error = SocketError::none;
    const std::size_t sent = self.get()->sockets().send(socket, {first, size}, error);
    return py::make_tuple(sent, name_of(error));
}

py::tuple receive(PyWorld& self, std::uint32_t socket, std::size_t most, bool peek) {
    SocketError error = SocketError::none;
    const auto bytes = self.get()->sockets().receive(socket, most, peek, error);
    return py::make_tuple(py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                          name_of(error));
}

void bind_hosts(py::class_<PyWorld>& cls) {
    cls.def(
           "add_socket_host",
           [](PyWorld& self, const std::string& name, const net::LinkSpec& link,
              const net::LayersSpec& layers, std::int64_t resolver) {
               return self.get()->sockets().add_host(name, link, layers, {resolver});
           },
           py::arg("name"), py::arg("link"), py::arg("layers"), py::arg("resolver"))
        .def(
            "arm_host",
            [](PyWorld& self, std::uint32_t host, std::int64_t at) {
                self.get()->sockets().arm(host, at < 0 ? Instant::never() : Instant{at});
            },
            py::arg("host"), py::arg("at"))
        .def(
            "ask_name",
            [](PyWorld& self, std::uint32_t host, const std::string& name) {
                return self.get()->sockets().ask(host, name);
            },
            py::arg("host"), py::arg("name"))
        .def(
            "broker_address",
            [](PyWorld& self, std::uint32_t broker) {
                return ipv4_of(self.get()->address_of(broker));
            },
            py::arg("broker"))
        .def(
            "host_address",
            [](PyWorld& self, std::uint32_t host) {
                return trace::client_address(self.get()->sockets().tag(host));
            },
            py::arg("host"))
        .def("take_news", &take_news)
        .def(
            "host_cut",
            [](PyWorld& self, std::uint32_t host, bool silent) {
                world::Sockets& sockets = self.get()->sockets();
                silent ? sockets.vanish(host) : sockets.cut(host);
            },
            py::arg("host"), py::arg("silent"))
        .def(
            "host_link_down",
            [](PyWorld& self, std::uint32_t host, bool down) {
                self.get()->sockets().set_link_down(host, down);
            },
            py::arg("host"), py::arg("down"))
        .def(
            "host_fault",
            [](PyWorld& self, std::uint32_t host, const std::string& what,
               const std::string& direction, std::uint64_t after_bytes) {
                self.get()->sockets().set_fault(host, fault_of(what, direction, after_bytes));
            },
            py::arg("host"), py::arg("what"), py::arg("direction"), py::arg("after_bytes"))
        .def(
            "host_read_on",
            [](PyWorld& self, std::uint32_t host, const std::string& direction) {
                self.get()->sockets().resume_reading(host, other(sender_of(direction)));
            },
            py::arg("host"), py::arg("direction"))
        .def(
            "host_clear_fault",
            [](PyWorld& self, std::uint32_t host) { self.get()->sockets().clear_fault(host); },
            py::arg("host"));
}

}  // namespace

void bind_sockets(py::class_<PyWorld>& cls) {
    bind_hosts(cls);
    cls.def(
           "socket_open",
           [](PyWorld& self, std::uint32_t host) { return self.get()->sockets().open(host); },
           py::arg("host"))
        .def(
            "socket_connect",
            [](PyWorld& self, std::uint32_t socket, std::int64_t ipv4) {
                self.get()->sockets().connect(socket, address_of(ipv4));
            },
            py::arg("socket"), py::arg("ipv4"))
        .def(
            "socket_listen",
            [](PyWorld& self, std::uint32_t socket, const std::string& name) {
                const auto world = self.get();
                return ipv4_of(world->address_of(world->sockets().listen(socket, name)));
            },
            py::arg("socket"), py::arg("name"))
        .def(
            "socket_accept",
            [](PyWorld& self, std::uint32_t socket) -> std::int64_t {
                const std::uint32_t next = self.get()->sockets().accept(socket);
                return next == world::Sockets::kNoSocket ? -1 : std::int64_t{next};
            },
            py::arg("socket"))
        .def("socket_send", &send, py::arg("socket"), py::arg("data"))
        .def("socket_receive", &receive, py::arg("socket"), py::arg("most"), py::arg("peek"))
        .def(
            "socket_finish",
            [](PyWorld& self, std::uint32_t socket) { self.get()->sockets().finish(socket); },
            py::arg("socket"))
        .def(
            "socket_secure",
            [](PyWorld& self, std::uint32_t socket) { self.get()->sockets().secure(socket); },
            py::arg("socket"))
        .def(
            "socket_close",
            [](PyWorld& self, std::uint32_t socket, bool abort) {
                self.get()->sockets().close(socket, abort);
            },
            py::arg("socket"), py::arg("abort"))
        .def("socket_ready", &ready, py::arg("socket"))
        .def(
            "socket_error",
            [](PyWorld& self, std::uint32_t socket) {
                return name_of(self.get()->sockets().take_error(socket));
            },
            py::arg("socket"))
        .def(
            "socket_watch",
            [](PyWorld& self, std::uint32_t socket, bool read, bool write) {
                self.get()->sockets().watch(socket, read, write);
            },
            py::arg("socket"), py::arg("read"), py::arg("write"));
}

}  // namespace mqttwin
