// A world's captures.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "mqttwin/trace/event_log.hpp"

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using Point = trace::Capture::Point;

Point point_from(const std::string& at) {
    if (at == "client") return Point::client;
    if (at == "server") return Point::server;
    if (at == "both") return Point::both;
    throw py::value_error("at: must be client, server or both, not \"" + at + "\"");
}

void start_capture(PyWorld& self, const std::string& path, const std::string& at,
                   std::optional<std::uint32_t> fleet,
                   const std::optional<std::vector<std::uint32_t>>& devices,
                   std::uint64_t max_bytes) {
    const auto world = self.get();
    trace::Capture::Options options;
    options.at = point_from(at);
    options.max_bytes = max_bytes;
    if (fleet && devices) {
        for (const std::uint32_t device : *devices) {
            options.clients.push_back(world->addresses(*fleet, device, device));
        }
    } else if (fleet) {
        options.clients = {world->addresses(*fleet, 0, world->fleet_size(*fleet) - 1)};
    }
    // Before the file is opened: that of a capture that is running would be emptied.
    if (world->capturing()) throw py::value_error("one is running already: stop_capture() ends it");
    auto sink = trace::file_sink(path);
    if (!sink->error().empty()) throw py::value_error(sink->error());
    world->start_capture(std::move(sink), options);
}

std::pair<std::map<std::string, std::uint64_t>, std::string> stop_capture(PyWorld& self) {
    const world::VirtualWorld::Captured captured = self.get()->stop_capture();
    return {
        {{"packets", captured.packets}, {"left_out", captured.left_out}, {"bytes", captured.bytes}},
        captured.problem};
}

}  // namespace

void bind_capture(py::class_<PyWorld>& cls) {
    cls.def("start_capture", &start_capture, py::arg("path"), py::kw_only(), py::arg("at"),
            py::arg("fleet"), py::arg("devices"), py::arg("max_bytes"))
        .def("stop_capture", &stop_capture);
}

}  // namespace mqttwin
