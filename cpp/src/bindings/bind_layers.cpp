// TLS and WebSocket between TCP and MQTT.

#include <array>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <pybind11/stl.h>

#include "mqttwin/net/layers.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

constexpr std::array<const char*, 2> kVersions = {"1.2", "1.3"};
constexpr std::array<const char*, 5> kKeys = {"p256", "p384", "rsa2048", "rsa3072", "rsa4096"};
constexpr std::array<const char*, 3> kCiphers = {"aes256_gcm_sha384", "aes128_gcm_sha256",
                                                 "chacha20_poly1305"};
constexpr std::array<const char*, 3> kChains = {"leaf", "intermediate", "root"};
constexpr std::array<const char*, 2> kSides = {"client", "server"};

/// The enumerator of a name; the names are in the order of the enumeration.
template <typename Enum, std::size_t N>
Enum named(const std::array<const char*, N>& names, const char* what, const std::string& name) {
    std::string all;
    for (std::size_t k = 0; k < N; ++k) {
        if (name == names[k]) return static_cast<Enum>(k);
        all += std::string(k == 0 ? "" : k + 1 == N ? " or " : ", ") + names[k];
    }
    throw py::value_error(std::string(what) + ": must be " + all + ", not \"" + name + "\"");
}

template <typename Enum, std::size_t N>
void def_named(py::class_<net::TlsSpec>& cls, const char* name,
               const std::array<const char*, N>& names, Enum net::TlsSpec::* member) {
    cls.def_property(
        name,
        [member, &names](const net::TlsSpec& o) {
            return std::string(names[static_cast<std::size_t>(o.*member)]);
        },
        [member, &names, name](net::TlsSpec& o, const std::string& value) {
            o.*member = named<Enum>(names, name, value);
        });
}

using Nanoseconds = std::array<std::int64_t, 4>;

void def_compute(py::class_<net::TlsSpec>& cls, const char* name,
                 net::TlsCompute net::TlsSpec::* member) {
    cls.def_property(
        name,
        [member](const net::TlsSpec& o) {
            const net::TlsCompute& c = o.*member;
            return Nanoseconds{c.client_hello.ns, c.server_flight.ns, c.client_flight.ns,
                               c.server_finish.ns};
        },
        [member](net::TlsSpec& o, const Nanoseconds& ns) {
            o.*member = {{ns[0]}, {ns[1]}, {ns[2]}, {ns[3]}};
        });
}

Stream draws_of(std::uint64_t seed, std::uint64_t connection) {
    return {StreamKey::of(seed, "", "layers"), connection};
}

using Write = std::tuple<std::string, int, std::uint32_t>;

std::vector<Write> writes_of(const net::Script& script) {
    std::vector<Write> out;
    for (const net::Step& step : script.steps) {
        out.emplace_back(kSides[net::index_of(step.sender)], step.after, step.bytes);
    }
    return out;
}

}  // namespace
}  // namespace mqttwin

void bind_layers(py::module_& m) {
    using namespace mqttwin;
    using net::LayersSpec;
    using net::TlsSpec;
    using net::WebSocketSpec;

    auto tls = py::class_<TlsSpec>(m, "TlsSpec").def(py::init<>());
    def_named(tls, "version", kVersions, &TlsSpec::version);
    def_named(tls, "key", kKeys, &TlsSpec::key);
    def_named(tls, "cipher", kCiphers, &TlsSpec::cipher);
    def_named(tls, "client_key", kKeys, &TlsSpec::client_key);
    def_compute(tls, "compute_full", &TlsSpec::compute_full);
    def_compute(tls, "compute_resumed", &TlsSpec::compute_resumed);
    tls.def_readwrite("chain", &TlsSpec::chain)
        .def_readwrite("client_chain", &TlsSpec::client_chain)
        .def_readwrite("mutual", &TlsSpec::mutual)
        .def_readwrite("resumption", &TlsSpec::resumption)
        .def_readwrite("tickets", &TlsSpec::tickets)
        .def_readwrite("server_name", &TlsSpec::server_name)
        .def_readwrite("offers_both", &TlsSpec::offers_both)
        .def_readwrite("pads_hello", &TlsSpec::pads_hello)
        .def_readwrite("session_context", &TlsSpec::session_context);

    py::class_<WebSocketSpec>(m, "WebSocketSpec")
        .def(py::init<>())
        .def_readwrite("host", &WebSocketSpec::host)
        .def_readwrite("path", &WebSocketSpec::path)
        .def_readwrite("request_headers", &WebSocketSpec::request_headers)
        .def_readwrite("response_headers", &WebSocketSpec::response_headers);

    py::class_<LayersSpec>(m, "LayersSpec")
        .def(py::init<>())
        .def_readwrite("tls", &LayersSpec::tls)
        .def_readwrite("websocket", &LayersSpec::websocket)
        .def("check", [](const LayersSpec& o) { net::check(o, ""); });

    m.def(
        "certificate_chain",
        [](const std::string& key, const std::string& chain) {
            return net::certificate_chain(named<net::TlsKey>(kKeys, "key", key),
                                          named<net::TlsChain>(kChains, "chain", chain));
        },
        py::arg("key"), py::arg("chain"));
    m.def(
        "opening_script",
        [](const LayersSpec& layers, bool resumed, std::uint64_t seed, std::uint64_t connection) {
            Stream draws = draws_of(seed, connection);
            return writes_of(net::opening_script(layers, resumed, draws));
        },
        py::arg("layers"), py::arg("resumed"), py::arg("seed") = 0, py::arg("connection") = 0);
    m.def(
        "opening_bytes",
        [](const LayersSpec& layers, bool resumed, std::uint64_t seed, std::uint64_t connection) {
            Stream draws = draws_of(seed, connection);
            const net::Script script = net::opening_script(layers, resumed, draws);
            const auto up = net::write_script(layers, script, net::Side::client, draws);
            const auto down = net::write_script(layers, script, net::Side::server, draws);
            return std::make_tuple(py::bytes(as_text(up).data(), up.size()),
                                   py::bytes(as_text(down).data(), down.size()));
        },
        py::arg("layers"), py::arg("resumed"), py::arg("seed") = 0, py::arg("connection") = 0);
    m.def(
        "closing_script",
        [](const LayersSpec& layers, const std::string& initiator) {
            return writes_of(
                net::closing_script(layers, named<net::Side>(kSides, "initiator", initiator)));
        },
        py::arg("layers"), py::arg("initiator") = "client");
    m.def(
        "sealed_bytes",
        [](const LayersSpec& layers, const std::string& sender, std::uint64_t bytes) {
            return net::sealed(layers, named<net::Side>(kSides, "sender", sender), bytes);
        },
        py::arg("layers"), py::arg("sender"), py::arg("bytes"));
}
