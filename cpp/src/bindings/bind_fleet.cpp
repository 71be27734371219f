// Room `fleet`: what devices do, as descriptions. Python builds them, the world binds them to a
// population, and from then on no Python runs.
//
// Wrong descriptions throw std::invalid_argument, which pybind11 turns into ValueError.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/fleet/arrival.hpp"
#include "mqttwin/fleet/column.hpp"
#include "mqttwin/fleet/encoder.hpp"
#include "mqttwin/fleet/generator.hpp"
#include "mqttwin/fleet/population.hpp"
#include "mqttwin/fleet/publish.hpp"
#include "mqttwin/fleet/text_template.hpp"
#include "mqttwin/wire/topic.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using Numbers = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Nanoseconds = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Fields = std::vector<std::pair<std::string, fleet::GeneratorSpec>>;

std::vector<double> to_vector(const Numbers& array) {
    if (array.ndim() != 1) throw std::invalid_argument("an array must have one dimension");
    return {array.data(), array.data() + array.size()};
}

wire::QoS to_qos(int qos) {
    if (qos < 0 || qos > 2) throw std::invalid_argument("qos must be 0, 1 or 2");
    return static_cast<wire::QoS>(qos);
}

py::bytes to_bytes(ByteView bytes) { return {as_text(bytes).data(), bytes.size()}; }

std::vector<fleet::FieldSpec> to_fields(const Fields& pairs) {
    std::vector<fleet::FieldSpec> fields;
    fields.reserve(pairs.size());
    for (const auto& [name, value] : pairs) fields.push_back({name, value});
    return fields;
}

fleet::gen::Timestamp::Unit to_unit(const std::string& unit) {
    using Unit = fleet::gen::Timestamp::Unit;
    if (unit == "s") return Unit::seconds;
    if (unit == "ms") return Unit::milliseconds;
    if (unit == "us") return Unit::microseconds;
    if (unit == "ns") return Unit::nanoseconds;
    if (unit == "iso") return Unit::iso8601;
    throw std::invalid_argument("unit must be 's', 'ms', 'us', 'ns' or 'iso', not '" + unit + "'");
}

template <typename Model>
fleet::GeneratorSpec generator(Model model, int digits = -1) {
    fleet::GeneratorSpec spec{std::move(model), digits};
    fleet::check(spec, "");
    return spec;
}

void bind_columns(py::module_& m) {
    using fleet::Column;
    using fleet::DurationColumn;

    py::class_<Column>(m, "Column")
        .def(py::init<double>(), py::arg("scalar"))
        .def_static(
            "values",
            [](const Numbers& one_a_device) { return Column::values(to_vector(one_a_device)); })
        .def_static("uniform", &Column::uniform, py::arg("low"), py::arg("high"))
        .def_static("normal", &Column::normal, py::arg("mean"), py::arg("sd"))
        .def_static("lognormal", &Column::lognormal, py::arg("median"), py::arg("sigma"))
        .def_static("exponential", &Column::exponential, py::arg("mean"))
        .def_static(
            "choice",
            [](const Numbers& values, const std::optional<Numbers>& weights) {
                return Column::choice(to_vector(values),
                                      weights ? to_vector(*weights) : std::vector<double>{});
            },
            py::arg("values"), py::arg("weights") = py::none())
        .def(
            "sample",
            [](const Column& column, const fleet::Population& population,
               const std::string& purpose) {
                const Column bound = column.bound(population, purpose, purpose);
                py::array_t<double> out(population.count());
                double* to = out.mutable_data();
                for (fleet::Device d = 0; d < population.count(); ++d) to[d] = bound.at(d);
                return out;
            },
            py::arg("population"), py::arg("purpose"));

    py::class_<DurationColumn>(m, "DurationColumn")
        .def(py::init([](std::int64_t ns) { return DurationColumn(Duration{ns}); }), py::arg("ns"))
        .def_static("in_seconds", &DurationColumn::in_seconds, py::arg("seconds"));
}

void bind_population(py::module_& m) {
    using fleet::Population;
    using fleet::TextTemplate;

    py::class_<Population>(m, "Population")
        .def(py::init(
                 [](std::uint64_t seed, std::string name, std::uint32_t count, std::string id,
                    std::uint32_t groups, std::uint32_t group_size, std::int64_t epoch_ns,
                    const std::vector<std::pair<std::string, std::vector<std::string>>>& texts) {
                     fleet::PopulationSpec spec;
                     spec.seed = seed;
                     spec.name = std::move(name);
                     spec.count = count;
                     spec.id = std::move(id);
                     spec.groups = groups;
                     spec.group_size = group_size;
                     spec.epoch_ns = epoch_ns;
                     for (const auto& [column, values] : texts)
                         spec.texts.emplace_back(column, values);
                     return Population(std::move(spec));
                 }),
             py::kw_only(), py::arg("seed"), py::arg("name"), py::arg("count"), py::arg("id"),
             py::arg("groups"), py::arg("group_size"), py::arg("epoch_ns"), py::arg("texts"));

    py::class_<TextTemplate>(m, "Template")
        .def(py::init([](const std::string& text, const Population& population,
                         const std::string& parameter) {
                 return TextTemplate(text, population, parameter);
             }),
             py::arg("text"), py::arg("population"), py::arg("parameter"))
        .def("text", &TextTemplate::text, py::arg("device"));

    m.def("check_topics", [](const TextTemplate& topic, const std::string& parameter) {
        fleet::check_topics(topic, parameter);
    });
    m.def("check_filters", [](const TextTemplate& filter, const std::string& parameter) {
        fleet::check_filters(filter, parameter);
    });
    m.def("topic_matches", [](const std::string& filter, const std::string& topic) {
        return wire::matches(wire::split_shared(filter).filter, topic);
    });
}

void bind_arrivals(py::module_& m) {
    using fleet::ArrivalSpec;
    using fleet::DurationColumn;

    py::class_<ArrivalSpec>(m, "Arrival")
        .def_static(
            "periodic",
            [](const DurationColumn& every, const std::optional<DurationColumn>& phase,
               const DurationColumn& jitter) {
                return ArrivalSpec{fleet::Periodic{every, phase, jitter}};
            },
            py::arg("every"), py::arg("phase"), py::arg("jitter"))
        .def_static(
            "poisson",
            [](const DurationColumn& mean, const std::optional<fleet::Column>& rate) {
                return ArrivalSpec{fleet::Poisson{mean, rate}};
            },
            py::arg("mean"), py::arg("rate"))
        .def_static(
            "replay",
            [](const Nanoseconds& instants, const DurationColumn& offset, bool loop,
               std::int64_t span) {
                if (instants.ndim() != 1) {
                    throw std::invalid_argument("times must be an array of one dimension");
                }
                std::vector<Duration> all;
                all.reserve(static_cast<std::size_t>(instants.size()));
                std::for_each(instants.data(), instants.data() + instants.size(),
                              [&all](std::int64_t ns) { all.push_back({ns}); });
                return ArrivalSpec{fleet::ReplayedInstants{
                    std::make_shared<const std::vector<Duration>>(std::move(all)), offset, loop,
                    Duration{span}}};
            },
            py::arg("instants"), py::arg("offset"), py::arg("loop"), py::arg("span"))
        .def_static(
            "once", [](const DurationColumn& at) { return ArrivalSpec{fleet::Once{at}}; },
            py::arg("at"))
        .def("window",
             [](ArrivalSpec spec, std::int64_t from, std::optional<std::int64_t> until) {
                 spec.from = Instant{from};
                 spec.until = until ? Instant{*until} : Instant::never();
                 return spec;
             })
        .def("check", [](const ArrivalSpec& spec) { fleet::check(spec); });
}

void bind_generators(py::module_& m) {
    using fleet::Column;
    using fleet::DurationColumn;
    using fleet::GeneratorSpec;
    namespace gen = fleet::gen;

    py::class_<GeneratorSpec>(m, "Generator")
        .def_static("number", [](const Column& value,
                                 int digits) { return generator(gen::Constant{value}, digits); })
        .def_static("integer", [](std::int64_t value) { return generator(gen::Constant{value}); })
        .def_static("truth", [](bool value) { return generator(gen::Constant{value}); })
        .def_static("literal",
                    [](const std::string& value) { return generator(gen::Constant{value}); })
        .def_static("counter",
                    [](const Column& start, const Column& step, std::uint64_t wrap) {
                        return generator(gen::Counter{start, step, wrap});
                    })
        .def_static("normal", [](const Column& mean, const Column& sd,
                                 int digits) { return generator(gen::Normal{mean, sd}, digits); })
        .def_static("uniform",
                    [](const Column& low, const Column& high, int digits) {
                        return generator(gen::Uniform{low, high}, digits);
                    })
        .def_static("random_walk",
                    [](const Column& start, const Column& step, const std::optional<Column>& low,
                       const std::optional<Column>& high, int digits) {
                        return generator(gen::RandomWalk{start, step, low, high}, digits);
                    })
        .def_static(
            "ou",
            [](const Column& mean, const Column& sigma, const DurationColumn& tau, int digits) {
                return generator(gen::OrnsteinUhlenbeck{mean, sigma, tau}, digits);
            })
        .def_static("diurnal",
                    [](const Column& mean, const Column& amplitude, const Column& peak_hour,
                       const Column& noise, int digits) {
                        return generator(gen::Diurnal{mean, amplitude, peak_hour, noise}, digits);
                    })
        .def_static("replay",
                    [](const Numbers& values, const Column& offset, std::uint32_t stride,
                       std::int64_t step, bool loop, bool integers, int digits) {
                        gen::Replay model;
                        model.values =
                            std::make_shared<const std::vector<double>>(to_vector(values));
                        model.offset = offset;
                        model.stride = stride;
                        model.step = Duration{step};
                        model.loop = loop;
                        model.integers = integers;
                        return generator(std::move(model), digits);
                    })
        .def_static("choice_numbers",
                    [](const Numbers& numbers, const std::vector<double>& weights, bool integers,
                       int digits) {
                        return generator(gen::Choice{to_vector(numbers), {}, weights, integers},
                                         digits);
                    })
        .def_static("choice_texts",
                    [](std::vector<std::string> texts, const std::vector<double>& weights) {
                        return generator(gen::Choice{{}, std::move(texts), weights, false});
                    })
        .def_static("timestamp",
                    [](const std::string& unit, bool absolute) {
                        return generator(gen::Timestamp{to_unit(unit), absolute});
                    })
        .def_static("device_index", [] { return generator(gen::DeviceIndex{}); })
        .def_static("text", [](std::string text) { return generator(gen::Text{std::move(text)}); })
        .def_static("boolean",
                    [](const Column& probability) { return generator(gen::Boolean{probability}); });
}

void bind_payloads(py::module_& m) {
    using fleet::PayloadSpec;

    const auto checked = [](PayloadSpec spec, std::uint32_t minimum_size) {
        spec.minimum_size = minimum_size;
        fleet::check(spec);
        return spec;
    };
    py::class_<PayloadSpec>(m, "Payload")
        .def_static("json",
                    [checked](const Fields& fields, std::uint32_t minimum_size) {
                        return checked(PayloadSpec::json(to_fields(fields)), minimum_size);
                    })
        .def_static("msgpack",
                    [checked](const Fields& fields, std::uint32_t minimum_size) {
                        return checked(PayloadSpec::msgpack(to_fields(fields)), minimum_size);
                    })
        .def_static(
            "struct",
            [checked](std::string layout, const Fields& fields, std::uint32_t minimum_size) {
                return checked(PayloadSpec::raw(std::move(layout), to_fields(fields)),
                               minimum_size);
            })
        .def_static("text",
                    [checked](const fleet::GeneratorSpec& value, std::uint32_t minimum_size) {
                        return checked(PayloadSpec::text(value), minimum_size);
                    })
        .def_static("constant",
                    [checked](const py::bytes& content, std::uint32_t minimum_size) {
                        const auto view = as_bytes(std::string_view(content));
                        return checked(PayloadSpec::constant({view.begin(), view.end()}),
                                       minimum_size);
                    })
        .def_static("random", [checked](const fleet::Column& size) {
            return checked(PayloadSpec::random(size), 0);
        });
}

void bind_publish(py::module_& m) {
    using fleet::PublishSpec;

    py::class_<PublishSpec>(m, "PublishSpec")
        .def(py::init<>())
        .def_readwrite("name", &PublishSpec::name)
        .def_readwrite("topic", &PublishSpec::topic)
        .def_readwrite("arrival", &PublishSpec::arrival)
        .def_readwrite("payload", &PublishSpec::payload)
        .def_property(
            "qos", [](const PublishSpec& spec) { return static_cast<int>(spec.qos); },
            [](PublishSpec& spec, int qos) { spec.qos = to_qos(qos); })
        .def_readwrite("retain", &PublishSpec::retain)
        .def_readwrite("message_expiry", &PublishSpec::message_expiry)
        .def_readwrite("content_type", &PublishSpec::content_type)
        .def_readwrite("user_properties", &PublishSpec::user_properties);

    // The first messages of a device, without a world around it.
    m.def(
        "preview",
        [](const PublishSpec& spec, const fleet::Population& population, fleet::Device device,
           std::int64_t start, std::uint32_t count) {
            if (device >= population.count())
                throw std::invalid_argument("there is no such device");
            fleet::PublishBehaviour behaviour(spec, population);
            py::list out;
            Instant due = behaviour.first(device, Instant{start});
            for (std::uint32_t n = 0; n < count && due < Instant::never(); ++n) {
                wire::Publish message;
                const Instant next = behaviour.fire(device, due, message);
                out.append(py::make_tuple(due.ns, py::str(std::string(message.topic)),
                                          to_bytes(message.payload)));
                due = next;
            }
            return out;
        },
        py::arg("spec"), py::arg("population"), py::arg("device"), py::arg("start"),
        py::arg("count"));
}

}  // namespace
}  // namespace mqttwin

void bind_fleet(py::module_& m) {
    mqttwin::bind_columns(m);
    mqttwin::bind_population(m);
    mqttwin::bind_arrivals(m);
    mqttwin::bind_generators(m);
    mqttwin::bind_payloads(m);
    mqttwin::bind_publish(m);
}
