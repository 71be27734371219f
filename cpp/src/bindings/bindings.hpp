// The extension module, one function a room.
#pragma once

#include <string>

#include <pybind11/pybind11.h>

#include "mqttwin/net/network.hpp"

namespace mqttwin {
class PyWorld;
/// By the names that faults have in Python.
net::End sender_of(const std::string& direction);
net::Fault fault_of(const std::string& what, const std::string& direction,
                    std::uint64_t after_bytes);
/// Further methods of the class World.
void bind_live_world(pybind11::class_<PyWorld>& cls);
void bind_network_world(pybind11::class_<PyWorld>& cls);
void bind_sockets(pybind11::class_<PyWorld>& cls);
void bind_capture(pybind11::class_<PyWorld>& cls);
void bind_device_world(pybind11::class_<PyWorld>& cls);
void bind_event_log(pybind11::class_<PyWorld>& cls);
void bind_watch(pybind11::class_<PyWorld>& cls);
void bind_snapshot_world(pybind11::class_<PyWorld>& cls);
}  // namespace mqttwin

void bind_auth(pybind11::module_& m);
void bind_columns(pybind11::module_& m);
void bind_client(pybind11::module_& m);
void bind_device_parts(pybind11::module_& m);
void bind_fleet(pybind11::module_& m);
void bind_links(pybind11::module_& m);
void bind_layers(pybind11::module_& m);
void bind_snapshots(pybind11::module_& m);
void bind_trace(pybind11::module_& m);
void bind_world(pybind11::module_& m);
