// Worlds that are stored, restored and forked.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "mqttwin/world/snapshot.hpp"

#include "bindings.hpp"
#include "py_script.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using world::Snapshot;

using PyScripts = std::vector<std::pair<std::string, std::shared_ptr<PyScript>>>;

std::unique_ptr<PyWorld> restored(const Snapshot& snapshot, const PyScripts& given) {
    world::Scripts scripts;
    for (const auto& [name, script] : given) scripts.emplace(name, script);
    auto world = std::make_unique<PyWorld>(snapshot.options());
    const auto core = world->get();
    const py::gil_scoped_release release;
    snapshot.restore(*core, scripts);
    return world;
}

}  // namespace

void bind_snapshot_world(py::class_<PyWorld>& cls) {
    cls.def("not_archivable", [](PyWorld& self) { return self.get()->not_archivable(); })
        .def(
            "save_snapshot",
            [](PyWorld& self, const std::string& path, const py::bytes& notes) {
                const auto core = self.get();
                std::string text = notes;
                const py::gil_scoped_release release;
                world::save_snapshot(*core, std::move(text), path);
            },
            py::arg("path"), py::arg("notes"))
        .def(
            "take_snapshot",
            [](PyWorld& self, const py::bytes& notes) {
                return std::make_unique<Snapshot>(*self.get(), notes);
            },
            py::arg("notes"))
        .def(
            "fleet_spec",
            [](PyWorld& self, std::uint32_t fleet) { return self.get()->spec(fleet); },
            py::arg("fleet"))
        .def(
            "population",
            [](PyWorld& self, std::uint32_t fleet) { return self.get()->population(fleet); },
            py::arg("fleet"))
        .def(
            "publish_specs",
            [](PyWorld& self, std::uint32_t fleet) { return self.get()->publishes(fleet); },
            py::arg("fleet"));
}

}  // namespace mqttwin

void bind_snapshots(py::module_& m) {
    using namespace mqttwin;  // NOLINT(google-build-using-namespace)
    py::register_exception<world::SnapshotError>(m, "SnapshotError", PyExc_RuntimeError);
    py::class_<Snapshot>(m, "Snapshot")
        .def(py::init([](const std::string& path) {
                 const py::gil_scoped_release release;
                 return std::make_unique<Snapshot>(std::filesystem::path(path));
             }),
             py::arg("path"))
        .def_property_readonly("notes",
                               [](const Snapshot& self) { return py::bytes(self.notes()); })
        .def_property_readonly("seed", [](const Snapshot& self) { return self.options().seed; })
        .def("__len__", &Snapshot::size)
        .def("restore", &restored, py::arg("scripts"));
}
