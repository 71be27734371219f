// The extension module, one function a room.
#pragma once

#include <pybind11/pybind11.h>

namespace mqttwin {
class PyWorld;
/// Further methods of the class World.
void bind_live_world(pybind11::class_<PyWorld>& cls);
void bind_network_world(pybind11::class_<PyWorld>& cls);
void bind_capture(pybind11::class_<PyWorld>& cls);
void bind_device_world(pybind11::class_<PyWorld>& cls);
}  // namespace mqttwin

void bind_auth(pybind11::module_& m);
void bind_client(pybind11::module_& m);
void bind_device_parts(pybind11::module_& m);
void bind_fleet(pybind11::module_& m);
void bind_links(pybind11::module_& m);
void bind_layers(pybind11::module_& m);
void bind_trace(pybind11::module_& m);
void bind_world(pybind11::module_& m);
