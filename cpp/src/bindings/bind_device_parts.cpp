// What Python devices draw and measure: random streams, and generators read one value at a time.
#include <memory>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>

#include "mqttwin/base/random.hpp"
#include "mqttwin/fleet/generator.hpp"

#include "bindings.hpp"
#include "py_script.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

/// A generator for one device after the other, at whatever instants they look at it.
class Sensor {
   public:
    Sensor(const fleet::GeneratorSpec& spec, const fleet::Population& population,
           const std::string& purpose)
        : generator_(spec, population, purpose, purpose),
          readings_(population.count(), 0),
          last_(population.count(), 0) {}

    py::object read(fleet::Device device, std::int64_t now) {
        if (device >= readings_.size()) throw py::index_error("there is no such device");
        fleet::Moment moment;
        moment.device = device;
        moment.n = readings_[device]++;
        moment.now = {now};
        moment.gap = {moment.n == 0 ? 0 : now - last_[device]};
        last_[device] = now;
        const fleet::Value value = generator_.next(moment);
        switch (value.kind) {
            case fleet::Value::Kind::missing:
                return py::none();
            case fleet::Value::Kind::real:
                return py::float_(value.real);
            case fleet::Value::Kind::integer:
                return py::int_(value.integer);
            case fleet::Value::Kind::boolean:
                return py::bool_(value.integer != 0);
            case fleet::Value::Kind::text:
                return py::str(value.text.data(), value.text.size());
        }
        return py::none();
    }

    // Between two readings.
    void archive(Archive& a) {
        a(readings_, last_);
        for (double& value : generator_.state()) a(value);
    }

   private:
    fleet::Generator generator_;
    std::vector<std::uint32_t> readings_;
    std::vector<std::int64_t> last_;
};

PyScript* script_of(PyObject* object) {
    if (!py::detail::is_holder_constructed(object)) return nullptr;
    return py::cast<PyScript*>(py::handle(object));
}

// A script refers to devices, which refer to their world, which holds the script.
void make_collectable(PyHeapTypeObject* heap_type) {
    PyTypeObject& type = heap_type->ht_type;
    type.tp_flags |= Py_TPFLAGS_HAVE_GC;
    type.tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
        Py_VISIT(Py_TYPE(self));
        PyScript* script = script_of(self);
        return script == nullptr ? 0 : script->traverse(visit, arg);
    };
    type.tp_clear = [](PyObject* self) {
        PyScript* script = script_of(self);
        if (script != nullptr) script->let_go();
        return 0;
    };
}

}  // namespace
}  // namespace mqttwin

void bind_device_parts(py::module_& m) {
    using namespace mqttwin;  // NOLINT(google-build-using-namespace)
    py::class_<PyScript, std::shared_ptr<PyScript>>(m, "Script",
                                                    py::custom_type_setup(&make_collectable))
        .def(py::init<py::object, py::object, py::object>(), py::arg("wake"), py::arg("finish"),
             py::arg("hear"))
        .def("lend", &PyScript::lend, py::arg("device"), py::arg("coroutine"), py::arg("due"))
        .def(
            "reclaim",
            [](PyScript& self, Slot device) {
                const PyScript::Reclaimed back = self.reclaim(device);
                return py::make_tuple(back.due, back.running);
            },
            py::arg("device"))
        .def_property_readonly("running", &PyScript::running)
        .def_readwrite("watched", &PyScript::watched);
    py::class_<Stream>(m, "Stream")
        .def(py::init([](std::uint64_t seed, const std::string& population,
                         const std::string& purpose, std::uint64_t index, std::uint64_t position) {
                 return Stream(StreamKey::of(seed, population, purpose), index, position);
             }),
             py::arg("seed"), py::arg("population"), py::arg("purpose"), py::arg("index"),
             py::arg("position") = 0)
        .def_property_readonly("position", &Stream::position)
        .def("next", &Stream::next)
        .def("unit", &Stream::unit)
        .def("normal", &Stream::normal)
        .def("exponential", &Stream::exponential);
    py::class_<Sensor>(m, "Sensor")
        .def(py::init<const fleet::GeneratorSpec&, const fleet::Population&, const std::string&>(),
             py::arg("spec"), py::arg("population"), py::arg("purpose"))
        .def("read", &Sensor::read, py::arg("device"), py::arg("now"))
        .def("state",
             [](Sensor& self) {
                 std::string bytes;
                 Archive a([&](ByteView piece) { bytes += as_text(piece); });
                 a(self);
                 a.flush();
                 return py::bytes(bytes);
             })
        .def(
            "restore",
            [](Sensor& self, const py::bytes& state) {
                const std::string bytes = state;
                Archive a(as_bytes(bytes));
                a(self);
                a.end();
            },
            py::arg("state"));
}
