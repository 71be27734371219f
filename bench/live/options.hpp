// The command line of the load generator: `--name value`, nothing else.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace mqttwin::live {

struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    pid_t broker_pid = 0;
    std::string workload = "pairs";  // pairs, fan-in, fan-out, connections
    int qos = 0;
    std::uint32_t publishers = 100;
    std::uint32_t subscribers = 100;
    std::uint32_t outstanding = 1;  // closed loop: messages of a publisher on their way
    std::uint32_t rate = 0;         // open loop: messages a second, of all publishers
    std::uint32_t payload = 64;     // bytes
    std::uint32_t connections = 10'000;
    std::uint32_t warm_up_ms = 1000;
    std::uint32_t window_ms = 3000;
};

constexpr std::uint32_t most_connections = 60'000;
constexpr std::uint32_t most_outstanding = 1024;
constexpr std::uint32_t smallest_payload = 20;  // what a delivery is checked by
constexpr std::uint32_t largest_payload = 32'768;

namespace detail {

template <class Number>
Number number(std::string_view name, std::string_view text, Number least, Number most) {
    Number value{};
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
        throw std::invalid_argument(std::string(name) + " wants a number of " +
                                    std::to_string(least) + " to " + std::to_string(most) +
                                    ", not \"" + std::string(text) + '"');
    }
    return value;
}

inline void check(const Options& options) {
    const auto& kind = options.workload;
    const auto publishers = options.publishers;
    const auto subscribers = options.subscribers;
    const bool fits = kind == "pairs"     ? publishers == subscribers
                      : kind == "fan-in"  ? subscribers == 1
                      : kind == "fan-out" ? publishers == 1 && options.rate == 0
                                          : kind == "connections";
    if (!fits) {
        throw std::invalid_argument(
            "--workload is pairs (as many publishers as subscribers), fan-in (one subscriber), "
            "fan-out (one publisher, closed loop) or connections");
    }
}

}  // namespace detail

/// Throws std::invalid_argument that names what is wrong.
inline Options parse_options(int argc, char** argv) {
    std::map<std::string, std::string, std::less<>> given;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) throw std::invalid_argument(std::string(argv[i]) + " wants a value");
        given[argv[i]] = argv[i + 1];
    }
    Options options;
    const auto text = [&](std::string_view name, std::string& into) {
        if (auto node = given.extract(std::string(name))) into = std::move(node.mapped());
    };
    const auto number = [&](std::string_view name, auto& into, auto least, auto most) {
        using Number = std::remove_reference_t<decltype(into)>;
        if (const auto node = given.extract(std::string(name))) {
            into = detail::number<Number>(name, node.mapped(), static_cast<Number>(least),
                                          static_cast<Number>(most));
        }
    };
    text("--host", options.host);
    text("--workload", options.workload);
    number("--port", options.port, 1, 65'535);
    number("--broker-pid", options.broker_pid, 1, 1 << 22);
    number("--qos", options.qos, 0, 2);
    number("--publishers", options.publishers, 1, most_connections);
    number("--subscribers", options.subscribers, 1, most_connections);
    number("--outstanding", options.outstanding, 1, most_outstanding);
    number("--rate", options.rate, 0, 10'000'000);
    number("--payload", options.payload, smallest_payload, largest_payload);
    number("--connections", options.connections, 1, most_connections);
    number("--warm-up-ms", options.warm_up_ms, 0, 600'000);
    number("--window-ms", options.window_ms, 1, 600'000);
    if (!given.empty()) throw std::invalid_argument("no option " + given.begin()->first);
    if (options.port == 0) throw std::invalid_argument("--port is needed");
    if (options.broker_pid == 0) throw std::invalid_argument("--broker-pid is needed");
    detail::check(options);
    return options;
}

}  // namespace mqttwin::live
