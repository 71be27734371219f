// The extension module, one function a room.
#pragma once

#include <pybind11/pybind11.h>

void bind_fleet(pybind11::module_& m);
void bind_trace(pybind11::module_& m);
void bind_world(pybind11::module_& m);
