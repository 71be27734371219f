// The virtual world, its links, brokers and fleets.

#include <array>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "mqttwin/base/arena.hpp"
#include "mqttwin/wire/topic.hpp"
#include "mqttwin/world/virtual_world.hpp"

#include "bindings.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using world::FleetSpec;

wire::QoS qos_from(int qos) {
    if (qos < 0 || qos > 2) {
        throw py::value_error("qos: must be 0, 1 or 2, not " + std::to_string(qos));
    }
    return static_cast<wire::QoS>(qos);
}

wire::Version version_from(int version) {
    if (version < 3 || version > 5) {
        throw py::value_error("version: must be 3 (MQTT 3.1), 4 (3.1.1) or 5, not " +
                              std::to_string(version));
    }
    return static_cast<wire::Version>(version);
}

constexpr std::array<const char*, 6> kSharedStrategies = {
    "round_robin", "random", "sticky", "hash_publisher", "hash_topic", "least_in_flight"};

broker::SharedStrategy strategy_from(const std::string& name) {
    for (std::size_t i = 0; i < kSharedStrategies.size(); ++i) {
        if (name == kSharedStrategies[i]) return static_cast<broker::SharedStrategy>(i);
    }
    throw py::value_error(
        "shared_strategy: must be round_robin, random, sticky, hash_publisher, "
        "hash_topic or least_in_flight, not \"" +
        name + "\"");
}

// A Duration member as an integer of nanoseconds.
template <typename Class, typename Owner>
void def_duration(Class& cls, const char* name, Duration Owner::* member) {
    cls.def_property(
        name, [member](const Owner& o) { return (o.*member).ns; },
        [member](Owner& o, std::int64_t ns) { o.*member = Duration{ns}; });
}

using Will = std::tuple<std::string, py::bytes, int, bool>;

std::map<std::string, std::uint64_t> counts_of(PyWorld& self) {
    const auto world = self.get();
    std::map<std::string, std::uint64_t> out;
    world->recorder().counters().for_each(
        [&](std::string name, std::uint64_t value) { out.emplace(std::move(name), value); });
    const net::Traffic& up = world->traffic(net::End::client);
    const net::Traffic& down = world->traffic(net::End::server);
    out["ip_bytes_up"] = up.bytes;
    out["ip_bytes_down"] = down.bytes;
    out["ip_packets_up"] = up.packets;
    out["ip_packets_down"] = down.packets;
    out["ip_packets_lost"] = up.lost + down.lost;
    out["tcp_retransmissions"] = up.retransmitted + down.retransmitted;
    out["pending"] = world->count_in_flight();
    out["events"] = world->events();
    return out;
}

std::map<std::string, std::uint64_t> traffic_of(PyWorld& self, std::uint32_t fleet) {
    const auto world = self.get();
    const net::Traffic up = world->traffic(fleet, net::End::client);
    const net::Traffic down = world->traffic(fleet, net::End::server);
    return {{"ip_bytes_up", up.bytes},
            {"ip_bytes_down", down.bytes},
            {"ip_bytes_lost_up", up.lost_bytes},
            {"ip_bytes_lost_down", down.lost_bytes},
            {"ip_packets_up", up.packets},
            {"ip_packets_down", down.packets},
            {"ip_packets_lost", up.lost + down.lost}};
}

std::map<std::string, std::uint64_t> conservation_of(PyWorld& self) {
    const auto world = self.get();
    const trace::Counters& counters = world->recorder().counters();
    return {{"expected", counters[trace::Counter::expected]},
            {"delivered", counters[trace::Counter::delivered]},
            {"dropped", counters.total(trace::Family::dropped)},
            {"in_flight", world->count_in_flight()},
            {"unsent", world->count_unsent()}};
}

trace::Table series_of(PyWorld& self) {
    const auto world = self.get();
    return world->recorder().series(world->now());
}

void bind_options(py::module_& m) {
    using Client = client::Options;
    auto options = py::class_<Client>(m, "ClientOptions").def(py::init<>());
    options
        .def_property(
            "version", [](const Client& o) { return static_cast<int>(o.version); },
            [](Client& o, int version) { o.version = version_from(version); })
        .def_readwrite("keep_alive", &Client::keep_alive)
        .def_readwrite("clean_start", &Client::clean_start)
        .def_readwrite("session_expiry", &Client::session_expiry)
        .def_readwrite("receive_maximum", &Client::receive_maximum)
        .def_readwrite("maximum_packet_size", &Client::maximum_packet_size)
        .def_readwrite("max_in_flight", &Client::max_in_flight)
        .def_readwrite("max_queued", &Client::max_queued)
        .def_readwrite("queue_qos0", &Client::queue_qos0)
        .def_readwrite("reconnect", &Client::reconnect)
        .def_property(
            "backoff_initial", [](const Client& o) { return o.backoff.initial.ns; },
            [](Client& o, std::int64_t ns) { o.backoff.initial = {ns}; })
        .def_property(
            "backoff_maximum", [](const Client& o) { return o.backoff.maximum.ns; },
            [](Client& o, std::int64_t ns) { o.backoff.maximum = {ns}; })
        .def_property(
            "backoff_factor", [](const Client& o) { return o.backoff.factor; },
            [](Client& o, double factor) { o.backoff.factor = factor; })
        .def_property(
            "backoff_jitter", [](const Client& o) { return o.backoff.jitter; },
            [](Client& o, double jitter) { o.backoff.jitter = jitter; });
    def_duration(options, "connect_timeout", &Client::connect_timeout);
    def_duration(options, "ping_timeout", &Client::ping_timeout);

    using Broker = broker::Options;
    auto broker_options = py::class_<Broker>(m, "BrokerOptions").def(py::init<>());
    broker_options.def_readwrite("maximum_packet_size", &Broker::maximum_packet_size)
        .def_readwrite("receive_maximum", &Broker::receive_maximum)
        .def_readwrite("max_in_flight", &Broker::max_in_flight)
        .def_readwrite("max_queued", &Broker::max_queued)
        .def_readwrite("queue_qos0_offline", &Broker::queue_qos0_offline)
        .def_readwrite("max_session_expiry", &Broker::max_session_expiry)
        .def_property(
            "maximum_qos", [](const Broker& o) { return static_cast<int>(o.maximum_qos); },
            [](Broker& o, int qos) { o.maximum_qos = qos_from(qos); })
        .def_readwrite("retain_available", &Broker::retain_available)
        .def_readwrite("max_retained", &Broker::max_retained)
        .def_readwrite("max_sessions", &Broker::max_sessions)
        .def_readwrite("max_subscriptions_per_session", &Broker::max_subscriptions_per_session)
        .def_readwrite("max_topic_levels", &Broker::max_topic_levels)
        .def_readwrite("topic_alias_maximum", &Broker::topic_alias_maximum)
        .def_readwrite("server_keep_alive", &Broker::server_keep_alive)
        .def_readwrite("allow_anonymous", &Broker::allow_anonymous)
        .def_readwrite("max_stored_bytes", &Broker::max_stored_bytes)
        .def_readwrite("wildcard_subscriptions_available",
                       &Broker::wildcard_subscriptions_available)
        .def_readwrite("subscription_identifiers_available",
                       &Broker::subscription_identifiers_available)
        .def_readwrite("shared_subscriptions_available", &Broker::shared_subscriptions_available)
        .def_readwrite("outbound_topic_aliases", &Broker::outbound_topic_aliases)
        .def_readwrite("max_early_bytes", &Broker::max_early_bytes)
        .def_readwrite("retain_clears_with_empty", &Broker::retain_clears_with_empty)
        .def_readwrite("check_payload_format", &Broker::check_payload_format)
        .def_property(
            "shared_strategy",
            [](const Broker& o) {
                return kSharedStrategies[static_cast<std::size_t>(o.shared_strategy)];
            },
            [](Broker& o, const std::string& name) { o.shared_strategy = strategy_from(name); })
        .def_readwrite("redistribute_shared", &Broker::redistribute_shared)
        .def_readwrite("server_reference", &Broker::server_reference)
        .def_readwrite("server_moved", &Broker::server_moved)
        .def_readwrite("response_information", &Broker::response_information)
        .def_readwrite("version_text", &Broker::version_text);
    def_duration(broker_options, "sys_interval", &Broker::sys_interval);
    def_duration(broker_options, "connect_timeout", &Broker::connect_timeout);
}

void bind_fleet_spec(py::module_& m) {
    using Spec = FleetSpec;
    auto spec = py::class_<Spec>(m, "FleetSpec").def(py::init<>());
    spec.def_property(
            "name", [](const Spec& s) { return s.population.name; },
            [](Spec& s, std::string name) { s.population.name = std::move(name); })
        .def_property(
            "count", [](const Spec& s) { return s.population.count; },
            [](Spec& s, std::uint32_t count) { s.population.count = count; })
        .def_property(
            "client_id", [](const Spec& s) { return s.population.id; },
            [](Spec& s, std::string id) { s.population.id = std::move(id); })
        .def_property(
            "groups", [](const Spec& s) { return s.population.groups; },
            [](Spec& s, std::uint32_t groups) { s.population.groups = groups; })
        .def_property(
            "group_size", [](const Spec& s) { return s.population.group_size; },
            [](Spec& s, std::uint32_t size) { s.population.group_size = size; })
        .def_property(
            "epoch_ns", [](const Spec& s) { return s.population.epoch_ns; },
            [](Spec& s, std::int64_t ns) { s.population.epoch_ns = ns; })
        .def_property(
            "columns",
            [](const Spec& s) {
                std::vector<std::string> names;
                for (const auto& text : s.population.texts) names.push_back(text.name());
                return names;
            },
            [](Spec& s, const std::map<std::string, std::vector<std::string>>& columns) {
                s.population.texts.clear();
                for (const auto& [name, values] : columns) {
                    s.population.texts.emplace_back(name, values);
                }
            })
        .def_readwrite("broker", &Spec::broker)
        .def_readwrite("link", &Spec::link)
        .def_readwrite("client", &Spec::client)
        .def_readwrite("keep", &Spec::keep)
        .def_property(
            "user_name", [](const Spec& s) { return s.profile.user_name; },
            [](Spec& s, std::optional<std::string> name) {
                s.profile.user_name = name && !name->empty() ? std::move(name) : std::nullopt;
            })
        .def_property(
            "password", [](const Spec& s) { return s.profile.password; },
            [](Spec& s, const std::optional<py::bytes>& password) {
                if (password && py::len(*password) > 0) {
                    s.profile.password = static_cast<std::string>(*password);
                } else {
                    s.profile.password.reset();
                }
            })
        .def_property(
            "will",
            [](const Spec& s) -> std::optional<Will> {
                if (!s.profile.will) return std::nullopt;
                const auto& will = *s.profile.will;
                return Will{will.topic, py::bytes(will.payload), static_cast<int>(will.qos),
                            will.retain};
            },
            [](Spec& s, const std::optional<Will>& will) {
                if (!will) {
                    s.profile.will.reset();
                    return;
                }
                fleet::WillSpec out;
                out.topic = std::get<0>(*will);
                out.payload = static_cast<std::string>(std::get<1>(*will));
                out.payload_is_bytes = true;
                out.qos = qos_from(std::get<2>(*will));
                out.retain = std::get<3>(*will);
                s.profile.will = std::move(out);
            })
        .def_property(
            "will_delay",
            [](const Spec& s) { return s.profile.will ? s.profile.will->delay_interval : 0; },
            [](Spec& s, std::uint32_t seconds) {
                if (s.profile.will) s.profile.will->delay_interval = seconds;
            });
    spec.def_readwrite("layers", &Spec::layers)
        .def_property(
            "reach",
            [](const Spec& s) {
                constexpr const char* kNames[] = {"known", "name", "address"};
                return kNames[static_cast<std::size_t>(s.reach)];
            },
            [](Spec& s, const std::string& reach) {
                if (reach == "known") {
                    s.reach = net::Reach::Kind::known;
                } else if (reach == "name") {
                    s.reach = net::Reach::Kind::name;
                } else if (reach == "address") {
                    s.reach = net::Reach::Kind::address;
                } else {
                    throw py::value_error("reach must be known, name or address");
                }
            });
    def_duration(spec, "resolver", &Spec::resolver);
    def_duration(spec, "start", &Spec::start);
    def_duration(spec, "ramp", &Spec::ramp);
}

void bind_results(py::class_<PyWorld>& cls) {
    cls.def("digest", [](PyWorld& self) { return self.get()->recorder().digest(); })
        .def("counts", &counts_of)
        .def("traffic", &traffic_of, py::arg("fleet"))
        .def("conservation", &conservation_of)
        .def("latency", [](PyWorld& self) { return self.get()->recorder().latency(); })
        .def("ingest", [](PyWorld& self) { return self.get()->recorder().ingest(); })
        .def("ack", [](PyWorld& self) { return self.get()->recorder().ack(); })
        .def("messages", [](PyWorld& self) { return self.get()->recorder().messages(); })
        .def("series", [](PyWorld& self) { return series_of(self); })
        .def(
            "received",
            [](PyWorld& self, std::uint32_t fleet) {
                return self.get()->recorder().received_table(fleet);
            },
            py::arg("fleet"))
        .def(
            "devices",
            [](PyWorld& self, std::uint32_t fleet) {
                const auto world = self.get();
                return world->recorder().devices(fleet, world->now());
            },
            py::arg("fleet"))
        .def(
            "track_latency",
            [](PyWorld& self, std::uint32_t fleet) { self.get()->recorder().track_latency(fleet); },
            py::arg("fleet"))
        .def(
            "device_latency",
            [](PyWorld& self, std::uint32_t fleet, double q) {
                return self.get()->recorder().device_latency(fleet, q);
            },
            py::arg("fleet"), py::arg("q"))
        .def("memory", [](PyWorld& self) {
            const world::VirtualWorld::Memory memory = self.get()->memory();
            return std::map<std::string, std::size_t>{
                {"blobs", memory.pool},
                {"queue", memory.queue},
                {"network", memory.network},
                {"records", self.get()->recorder().footprint()},
                {"device_latency", self.get()->recorder().latency_footprint()}};
        });
}

}  // namespace
}  // namespace mqttwin

void bind_world(py::module_& m) {
    using namespace mqttwin;  // NOLINT(google-build-using-namespace)
    m.def("spare_bytes", &Arena::spare);
    bind_options(m);
    bind_fleet_spec(m);
    auto cls = py::class_<PyWorld>(m, "World");
    cls.def(py::init([](std::uint64_t seed, std::size_t keep_messages, std::size_t series_buckets,
                        std::int64_t series_width, std::int64_t late_after) {
                world::WorldOptions options;
                options.seed = seed;
                options.recorder.max_messages = keep_messages;
                options.recorder.series_buckets = series_buckets;
                options.recorder.series_width = {series_width};
                options.recorder.late_after = {late_after};
                return std::make_unique<PyWorld>(options);
            }),
            py::arg("seed"), py::kw_only(), py::arg("keep_messages") = 1'000'000,
            py::arg("series_buckets") = 1440, py::arg("series_width") = 1'000'000'000,
            py::arg("late_after") = 60'000'000'000)
        .def(
            "add_broker",
            [](PyWorld& self, std::string name, const broker::Options& options) {
                return self.get()->add_broker(std::move(name), options);
            },
            py::arg("name"), py::arg("options"))
        .def(
            "add_fleet",
            [](PyWorld& self, const FleetSpec& spec) { return self.get()->add_fleet(spec); },
            py::arg("spec"))
        .def(
            "add_publish",
            [](PyWorld& self, std::uint32_t fleet, const fleet::PublishSpec& spec) {
                self.get()->add_publish(fleet, spec);
            },
            py::arg("fleet"), py::arg("spec"))
        .def(
            "add_subscribe",
            [](PyWorld& self, std::uint32_t fleet, std::string filter, int qos, bool no_local,
               bool retain_as_published, int retain_handling) {
                if (retain_handling < 0 || retain_handling > 2) {
                    throw py::value_error("retain_handling: must be 0, 1 or 2, not " +
                                          std::to_string(retain_handling));
                }
                fleet::SubscriptionSpec spec;
                spec.filter = std::move(filter);
                spec.options = {qos_from(qos), no_local, retain_as_published,
                                static_cast<wire::RetainHandling>(retain_handling)};
                self.get()->add_subscribe(fleet, spec);
            },
            py::arg("fleet"), py::arg("filter"), py::arg("qos"), py::arg("no_local"),
            py::arg("retain_as_published"), py::arg("retain_handling"))
        .def("run", &PyWorld::run, py::arg("until"), py::arg("wall_ms"))
        .def_property_readonly("now", [](PyWorld& self) { return self.get()->now().ns; })
        .def_property_readonly("events", [](PyWorld& self) { return self.get()->events(); })
        .def(
            "online", [](PyWorld& self, std::uint32_t fleet) { return self.get()->online(fleet); },
            py::arg("fleet"))
        .def(
            "broker_restart",
            [](PyWorld& self, std::uint32_t broker, bool keep_sessions) {
                self.get()->broker_restart(broker, keep_sessions);
            },
            py::arg("broker"), py::arg("keep_sessions"))
        .def(
            "broker_down",
            [](PyWorld& self, std::uint32_t broker) { self.get()->broker_down(broker); },
            py::arg("broker"))
        .def(
            "broker_up", [](PyWorld& self, std::uint32_t broker) { self.get()->broker_up(broker); },
            py::arg("broker"))
        .def(
            "broker_refuse",
            [](PyWorld& self, std::uint32_t broker, std::uint8_t reason) {
                self.get()->broker_refuse(broker, reason);
            },
            py::arg("broker"), py::arg("reason"))
        .def(
            "broker_has",
            [](PyWorld& self, std::uint32_t broker, const std::string& client_id) {
                return self.get()->broker_has(broker, client_id);
            },
            py::arg("broker"), py::arg("client_id"))
        .def(
            "broker_publish",
            [](PyWorld& self, std::uint32_t broker, const std::string& topic,
               const py::bytes& payload, int qos, bool retain) {
                const Fault fault = wire::check_topic_name(topic);
                if (fault) {
                    throw py::value_error("topic: " + std::string(fault.what) + " (" +
                                          std::string(fault.clause) + ")");
                }
                const std::string content = payload;
                wire::Publish message;
                message.topic = topic;
                message.payload = as_bytes(content);
                message.qos = qos_from(qos);
                message.retain = retain;
                self.get()->broker_publish(broker, message);
            },
            py::arg("broker"), py::arg("topic"), py::arg("payload"), py::arg("qos"),
            py::arg("retain"))
        .def(
            "cut",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device, bool silent) {
                self.get()->cut(fleet, device, silent);
            },
            py::arg("fleet"), py::arg("device"), py::arg("silent"))
        .def(
            "device_connect",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                self.get()->connect(fleet, device);
            },
            py::arg("fleet"), py::arg("device"))
        .def(
            "device_disconnect",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                self.get()->disconnect(fleet, device);
            },
            py::arg("fleet"), py::arg("device"));
    bind_results(cls);
    bind_live_world(cls);
    bind_network_world(cls);
    bind_sockets(cls);
    bind_capture(cls);
    bind_device_world(cls);
    bind_event_log(cls);
    bind_watch(cls);
    bind_snapshot_world(cls);
}
