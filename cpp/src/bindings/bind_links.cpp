// Links and what they are made of.

#include <array>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include <pybind11/stl.h>

#include "mqttwin/net/link.hpp"
#include "mqttwin/net/shared_capacity.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

// Names of an enumeration, in the order of its values.
constexpr std::array kJitters = {"none", "uniform", "normal", "exponential", "lognormal"};
constexpr std::array kClocks = {"off", "time", "packet"};
constexpr std::array kSleeps = {"off", "cyclic", "psm"};
constexpr std::array kOutages = {"off", "fixed", "exponential"};
constexpr std::array kProfiles = {"linux", "embedded"};

template <typename Owner, typename Enum, std::size_t count>
void def_enum(py::class_<Owner>& cls, const char* name, Enum Owner::* member,
              const std::array<const char*, count>& names) {
    cls.def_property(
        name,
        [member, &names](const Owner& o) { return names[static_cast<std::size_t>(o.*member)]; },
        [name, member, &names](Owner& o, const std::string& value) {
            std::string all;
            for (std::size_t i = 0; i < count; ++i) {
                if (value == names[i]) {
                    o.*member = static_cast<Enum>(i);
                    return;
                }
                all.append(i == 0 ? "" : ", ").append(names[i]);
            }
            throw py::value_error(std::string(name) + " must be one of " + all + ", not \"" +
                                  value + "\"");
        });
}

// A Duration member as an integer of nanoseconds.
template <typename Owner>
void def_duration(py::class_<Owner>& cls, const char* name, Duration Owner::* member) {
    cls.def_property(
        name, [member](const Owner& o) { return (o.*member).ns; },
        [member](Owner& o, std::int64_t ns) { o.*member = Duration{ns}; });
}

// (at, latency, loss), times in ns; a loss of -1: that of the pipe.
using CurvePoint = std::tuple<std::int64_t, std::int64_t, double>;
using OutagePair = std::tuple<std::int64_t, std::int64_t>;

void bind_pipe(py::module_& m) {
    using Bursts = net::GilbertElliott;
    auto bursts = py::class_<Bursts>(m, "Bursts").def(py::init<>());
    def_enum(bursts, "clock", &Bursts::clock, kClocks);
    def_duration(bursts, "good", &Bursts::good);
    def_duration(bursts, "bad", &Bursts::bad);
    bursts.def_readwrite("to_bad", &Bursts::to_bad)
        .def_readwrite("to_good", &Bursts::to_good)
        .def_readwrite("loss_in_good", &Bursts::loss_in_good)
        .def_readwrite("loss_in_bad", &Bursts::loss_in_bad);

    using Curve = net::LatencyCurve;
    auto curve = py::class_<Curve>(m, "LatencyCurve").def(py::init<>());
    curve.def_readwrite("linear", &Curve::linear)
        .def_property(
            "points",
            [](const Curve& c) {
                std::vector<CurvePoint> out;
                for (const Curve::Point& p : c.points)
                    out.emplace_back(p.at.ns, p.latency.ns, p.loss);
                return out;
            },
            [](Curve& c, const std::vector<CurvePoint>& points) {
                c.points.clear();
                for (const auto& [at, latency, loss] : points)
                    c.points.push_back({Duration{at}, Duration{latency}, loss});
            });
    def_duration(curve, "repeat", &Curve::repeat);

    using Pipe = net::PipeSpec;
    auto pipe = py::class_<Pipe>(m, "PipeSpec").def(py::init<>());
    pipe.attr("UNBOUNDED") = net::kUnbounded;
    def_duration(pipe, "latency", &Pipe::latency);
    def_duration(pipe, "jitter", &Pipe::jitter);
    def_enum(pipe, "jitter_kind", &Pipe::jitter_kind, kJitters);
    pipe.def_readwrite("reorder", &Pipe::reorder)
        .def_readwrite("loss", &Pipe::loss)
        .def_readwrite("bursts", &Pipe::bursts)
        .def_readwrite("bandwidth", &Pipe::bandwidth)
        .def_readwrite("queue_packets", &Pipe::queue_packets)
        .def_readwrite("queue_bytes", &Pipe::queue_bytes)
        .def_readwrite("curve", &Pipe::curve);
}

void bind_parts(py::module_& m) {
    auto sleep = py::class_<net::SleepSpec>(m, "SleepSpec").def(py::init<>());
    def_enum(sleep, "kind", &net::SleepSpec::kind, kSleeps);
    def_duration(sleep, "active", &net::SleepSpec::active);
    def_duration(sleep, "window", &net::SleepSpec::window);
    def_duration(sleep, "period", &net::SleepSpec::period);
    def_duration(sleep, "wake_up", &net::SleepSpec::wake_up);
    sleep.def_readwrite("buffered", &net::SleepSpec::buffered);

    auto outages = py::class_<net::RandomOutages>(m, "RandomOutages").def(py::init<>());
    def_enum(outages, "kind", &net::RandomOutages::kind, kOutages);
    def_duration(outages, "up", &net::RandomOutages::up);
    def_duration(outages, "down", &net::RandomOutages::down);

    auto nat = py::class_<net::NatSpec>(m, "NatSpec").def(py::init<>());
    def_duration(nat, "idle_timeout", &net::NatSpec::idle_timeout);
    nat.def_readwrite("reset", &net::NatSpec::reset);

    auto tcp = py::class_<net::TcpOptions>(m, "TcpOptions").def(py::init<>());
    def_enum(tcp, "profile", &net::TcpOptions::profile, kProfiles);
    def_duration(tcp, "user_timeout", &net::TcpOptions::user_timeout);
    def_duration(tcp, "keep_alive_idle", &net::TcpOptions::keep_alive_idle);
    def_duration(tcp, "keep_alive_interval", &net::TcpOptions::keep_alive_interval);
    tcp.def_readwrite("keep_alive_count", &net::TcpOptions::keep_alive_count);

    using Way = net::SharedSpec::Way;
    py::class_<Way>(m, "SharedWay")
        .def(py::init<>())
        .def_readwrite("bandwidth", &Way::bandwidth)
        .def_readwrite("queue_bytes", &Way::queue_bytes);
    py::class_<net::SharedSpec>(m, "SharedSpec")
        .def(py::init<>())
        .def_readwrite("up", &net::SharedSpec::up)
        .def_readwrite("down", &net::SharedSpec::down)
        .def("check", [](const net::SharedSpec& spec) { net::check(spec, ""); });
}

void bind_link(py::module_& m) {
    using Link = net::LinkSpec;
    auto cls = py::class_<Link>(m, "LinkSpec").def(py::init<>());
    cls.attr("NOT_SHARED") = net::kNotShared;
    cls.def_readwrite("up", &Link::up)
        .def_readwrite("down", &Link::down)
        .def_readwrite("mtu", &Link::mtu)
        .def_readwrite("sleep", &Link::sleep)
        .def_property(
            "outages",
            [](const Link& link) {
                std::vector<OutagePair> out;
                for (const net::Outage& o : link.outages) out.emplace_back(o.from.ns, o.to.ns);
                return out;
            },
            [](Link& link, const std::vector<OutagePair>& outages) {
                link.outages.clear();
                for (const auto& [from, to] : outages)
                    link.outages.push_back({Instant{from}, Instant{to}});
            })
        .def_readwrite("random_outages", &Link::random_outages)
        .def_readwrite("nat", &Link::nat)
        .def_readwrite("tcp", &Link::tcp)
        .def_readwrite("shared", &Link::shared)
        .def("check", [](const Link& link) { net::check(link); });
}

}  // namespace
}  // namespace mqttwin

void bind_links(py::module_& m) {
    mqttwin::bind_pipe(m);
    mqttwin::bind_parts(m);
    mqttwin::bind_link(m);
}
