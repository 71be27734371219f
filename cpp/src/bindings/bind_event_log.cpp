// The event log of a world.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/wire/topic.hpp"
#include "mqttwin/world/background_sink.hpp"

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

// Of a fleet, the devices from the first to the last.
using Devices = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;

void start_log(PyWorld& self, const std::string& path,
               const std::map<std::string, std::string>& header,
               const std::vector<Devices>& devices, std::vector<std::string> topics,
               std::uint64_t every, std::uint64_t max_bytes) {
    trace::LogHeader log_header;
    for (const auto& [key, value] : header) {
        if (key == "seed") {
            log_header.seed = std::stoull(value);
        } else if (key == "scenario") {
            log_header.scenario = value;
        } else {
            log_header.more.emplace_back(key, value);
        }
    }
    for (const std::string& filter : topics) {
        const Fault fault = wire::check_filter(filter);
        if (fault || wire::split_shared(filter).shared) {
            throw py::value_error("topics: \"" + filter + "\" is no topic filter" +
                                  (fault ? ": " + std::string(fault.what) : std::string()));
        }
    }
    const auto world = self.get();
    world::Recorder& recorder = world->recorder();
    if (recorder.logging()) throw py::value_error("there is a log already: stop_trace() ends it");
    trace::EventLog::Options options;
    options.max_bytes = max_bytes;
    options.filter.every = every;
    options.filter.topics = std::move(topics);
    for (const auto& [fleet, first, last] : devices) {
        options.filter.entities.push_back(
            {recorder.tag_of(fleet, first), recorder.tag_of(fleet, last)});
    }
    auto sink = std::make_unique<world::BackgroundSink>(trace::file_sink(path));
    if (!sink->error().empty()) throw py::value_error(sink->error());
    recorder.start_log(
        std::make_unique<trace::EventLog>(std::move(sink), log_header, std::move(options)));
}

}  // namespace

void bind_event_log(py::class_<PyWorld>& cls) {
    cls.def("start_event_log", &start_log, py::arg("path"), py::arg("header"), py::kw_only(),
            py::arg("devices") = std::vector<Devices>{},
            py::arg("topics") = std::vector<std::string>{}, py::arg("every") = 1,
            py::arg("max_bytes") = 0)
        .def("stop_event_log", [](PyWorld& self) { return self.get()->recorder().stop_log(); })
        .def("event_log_problem",
             [](PyWorld& self) { return self.get()->recorder().log_problem(); });
}

}  // namespace mqttwin
