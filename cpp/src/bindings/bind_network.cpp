// What befalls the network of a world: class World's methods for links, names, partitions, faults.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {

namespace {

net::Fault::Kind fault_kind(const std::string& name) {
    if (name == "reset") return net::Fault::Kind::reset;
    if (name == "black_hole") return net::Fault::Kind::black_hole;
    if (name == "stall") return net::Fault::Kind::stall;
    throw py::value_error("what must be reset, black_hole or stall");
}

}  // namespace

net::End sender_of(const std::string& direction) {
    if (direction == "up") return net::End::client;
    if (direction == "down") return net::End::server;
    throw py::value_error("direction must be up or down");
}

net::Fault fault_of(const std::string& what, const std::string& direction,
                    std::uint64_t after_bytes) {
    net::Fault fault;
    fault.kind = fault_kind(what);
    fault.sender = sender_of(direction);
    fault.after_bytes = after_bytes;
    return fault;
}

void bind_network_world(py::class_<PyWorld>& cls) {
    cls.def(
           "add_shared",
           [](PyWorld& self, const net::SharedSpec& spec) { return self.get()->add_shared(spec); },
           py::arg("spec"))
        .def(
            "name_broker",
            [](PyWorld& self, std::uint32_t broker, const std::string& hostname, std::int64_t ttl) {
                self.get()->name_broker(broker, hostname, {ttl});
            },
            py::arg("broker"), py::arg("hostname"), py::arg("ttl"))
        .def(
            "set_ttl",
            [](PyWorld& self, std::uint32_t broker, std::int64_t ttl) {
                self.get()->set_ttl(broker, {ttl});
            },
            py::arg("broker"), py::arg("ttl"))
        .def(
            "broker_move",
            [](PyWorld& self, std::uint32_t broker, bool keep_sessions, bool update_name) {
                self.get()->broker_move(broker, keep_sessions, update_name);
            },
            py::arg("broker"), py::arg("keep_sessions"), py::arg("update_name"))
        .def(
            "set_link_down",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device, bool down) {
                self.get()->set_link_down(fleet, device, down);
            },
            py::arg("fleet"), py::arg("device"), py::arg("down"))
        .def(
            "set_partition",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t broker, bool apart) {
                self.get()->set_partition(fleet, broker, apart);
            },
            py::arg("fleet"), py::arg("broker"), py::arg("apart"))
        .def(
            "set_fault",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device, const std::string& what,
               const std::string& direction, std::uint64_t after_bytes) {
                self.get()->set_fault(fleet, device, fault_of(what, direction, after_bytes));
            },
            py::arg("fleet"), py::arg("device"), py::arg("what"), py::arg("direction"),
            py::arg("after_bytes"))
        .def(
            "clear_fault",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                self.get()->clear_fault(fleet, device);
            },
            py::arg("fleet"), py::arg("device"))
        .def(
            "resume_reading",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device,
               const std::string& direction) {
                self.get()->resume_reading(fleet, device, other(sender_of(direction)));
            },
            py::arg("fleet"), py::arg("device"), py::arg("direction"));
}

}  // namespace mqttwin
