// TLS over the TCP model: what the measurement's CSVs hold of one cell.
//
//   mqttwin_fidelity tls mode=handshake|bytes|wire key=value ...
//     rtt= ms, loss= percent, flows=, seed=, hop= us a router adds one way
//     version=1.2|1.3, key=p256|p384|rsa2048|rsa3072|rsa4096, mutual=1, resumed=1,
//     chain=, client_chain= bytes of certificates, joined by +
//     compute_client=, compute_server= ms before the client's flight and the server's last one
//     bytes: hold= ms between handshake, CONNECT and end
//     wire: case=none|qos0|qos1|qos2|ping3, gap= ms
#include "simulate_tls.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "mqttwin/net/layers.hpp"

#include "flow_bench.hpp"

namespace fidelity {
namespace {

using mqttwin::microseconds;
using mqttwin::milliseconds;
using mqttwin::scaled;
using mqttwin::seconds;
using mqttwin::Stream;
using mqttwin::StreamKey;
using mqttwin::net::LayersSpec;
using mqttwin::net::Progress;
using mqttwin::net::Script;
using mqttwin::net::Side;
using mqttwin::net::Step;
using mqttwin::net::TlsKey;
using mqttwin::net::TlsVersion;

constexpr Duration kTooLong = seconds(600);

class Words {
   public:
    Words(int argc, char** argv) {
        for (int i = 2; i < argc; ++i) {
            const std::string one = argv[i];
            const std::size_t equals = one.find('=');
            if (equals == std::string::npos) throw std::invalid_argument("no value in " + one);
            values_[one.substr(0, equals)] = one.substr(equals + 1);
        }
    }
    [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise) const {
        const auto found = values_.find(name);
        return found == values_.end() ? otherwise : found->second;
    }
    [[nodiscard]] double number(const std::string& name, double otherwise) const {
        const auto found = values_.find(name);
        return found == values_.end() ? otherwise : parse(name, found->second);
    }
    [[nodiscard]] std::vector<std::uint32_t> list(const std::string& name) const {
        std::vector<std::uint32_t> values;
        std::string rest = text(name, "");
        while (!rest.empty()) {
            const std::size_t plus = rest.find('+');
            values.push_back(static_cast<std::uint32_t>(parse(name, rest.substr(0, plus))));
            rest = plus == std::string::npos ? "" : rest.substr(plus + 1);
        }
        return values;
    }

   private:
    static double parse(const std::string& name, const std::string& text) {
        double value = 0.0;
        const char* last = text.data() + text.size();
        if (std::from_chars(text.data(), last, value).ptr != last) {
            throw std::invalid_argument(name + " is no number: " + text);
        }
        return value;
    }

    std::map<std::string, std::string> values_;
};

Duration ms(double value) { return scaled(milliseconds(1), value); }
double in_ms(Duration d) { return static_cast<double>(d.ns) * 1e-6; }

TlsKey key_of(const std::string& name) {
    static const std::map<std::string, TlsKey> keys = {{"p256", TlsKey::p256},
                                                       {"p384", TlsKey::p384},
                                                       {"rsa2048", TlsKey::rsa2048},
                                                       {"rsa3072", TlsKey::rsa3072},
                                                       {"rsa4096", TlsKey::rsa4096}};
    return keys.at(name);
}

struct Cell {
    explicit Cell(const Words& words) {
        pipe.latency = ms(words.number("rtt", 100) / 2 + words.number("hop", 90) / 1e3);
        pipe.loss = words.number("loss", 0) / 100.0;
        auto& tls = layers.tls.emplace();
        tls.version = words.text("version", "1.3") == "1.2" ? TlsVersion::v1_2 : TlsVersion::v1_3;
        tls.key = tls.client_key = key_of(words.text("key", "p256"));
        if (const auto chain = words.list("chain"); !chain.empty()) tls.chain = chain;
        if (const auto chain = words.list("client_chain"); !chain.empty()) tls.client_chain = chain;
        tls.mutual = words.number("mutual", 0) != 0;
        tls.session_context = 1;  // the measurement's server has "x"
        tls.compute_full.client_flight = ms(words.number("compute_client", 0));
        tls.compute_full.server_finish = ms(words.number("compute_server", 0));
        tls.compute_resumed = tls.compute_full;
        resumed = words.number("resumed", 0) != 0;
        flows = static_cast<std::uint32_t>(words.number("flows", 100));
        seed = static_cast<std::uint64_t>(words.number("seed", 1));
        mqttwin::net::check(pipe, "");
        mqttwin::net::check(layers, "");
    }

    PipeSpec pipe;
    LayersSpec layers;
    bool resumed = false;
    std::uint32_t flows = 100;
    std::uint64_t seed = 1;
};

/// A connection whose two applications write through TLS.
class SecureFlow {
   public:
    SecureFlow(Machine& machine, const Cell& cell, std::uint64_t index)
        : flow(machine, cell.pipe, cell.pipe, cell.seed, index), layers_(cell.layers) {
        Stream draws(StreamKey::of(cell.seed, "fidelity", "tls"), index);
        script_ = mqttwin::net::opening_script(layers_, cell.resumed, draws);
        flow.on_established = [this](int side) {
            if (side != 0) return;
            on_established();
            flow.after(hello_after, [this] { pump(0); });
        };
        flow.on_delivered = [this](int side, std::uint32_t bytes) { read(side, bytes); };
    }
    SecureFlow(const SecureFlow&) = delete;
    SecureFlow& operator=(const SecureFlow&) = delete;

    /// An application's write.
    void write(int side, std::uint32_t bytes) {
        flow.write(side, static_cast<std::uint32_t>(
                             mqttwin::net::sealed(layers_, static_cast<Side>(side), bytes)));
    }
    void close_notify(int side) { flow.write(side, mqttwin::net::tls_close_notify(*layers_.tls)); }

    FlowBench flow;
    Duration hello_after{0};
    std::function<void()> on_established;
    std::function<void(int side)> on_open;
    std::function<void(int side, std::uint32_t sealed_bytes)> on_data;  // once open

   private:
    void read(int side, std::uint32_t bytes) {
        waiting_[static_cast<std::size_t>(side)] +=
            progress_.read(script_, static_cast<Side>(side), bytes);
        pump(side);
    }
    void pump(int side) {
        const auto k = static_cast<std::size_t>(side);
        if (computing_[k]) return;
        if (const Step* step = progress_.due(script_, static_cast<Side>(side))) {
            computing_[k] = true;
            flow.after(step->compute, [this, side, k, bytes = step->bytes] {
                computing_[k] = false;
                progress_.written(script_, static_cast<Side>(side));
                flow.write(side, bytes);
                pump(side);
            });
        }
        if (!progress_.open(script_, static_cast<Side>(side))) return;
        if (!open_[k]) {
            open_[k] = true;
            on_open(side);
        }
        if (const std::uint32_t bytes = std::exchange(waiting_[k], 0); bytes > 0)
            on_data(side, bytes);
    }

    const LayersSpec& layers_;
    Script script_;
    Progress progress_;
    std::array<bool, 2> computing_{};
    std::array<bool, 2> open_{};
    std::array<std::uint32_t, 2> waiting_{};
};

struct Counted {
    std::array<std::uint64_t, 2> packets{};
    std::array<std::uint64_t, 2> bytes{};
    std::array<std::uint64_t, 2> payload{};

    void add(int side, const Segment& segment) {
        const auto k = static_cast<std::size_t>(side);
        ++packets[k];
        bytes[k] += segment.wire_bytes();
        payload[k] += segment.length;
    }
    void print(const char* end) const {
        for (std::size_t k = 0; k < 2; ++k) {
            std::printf("%llu,%llu,%llu%s", static_cast<unsigned long long>(packets[k]),
                        static_cast<unsigned long long>(bytes[k]),
                        static_cast<unsigned long long>(payload[k]), k == 0 ? "," : end);
        }
    }
};

constexpr std::uint32_t kConnect = 60;
constexpr std::uint32_t kConnack = 4;

/// connect_ms, tls_ms, connack_ms
void handshake(const Cell& cell) {
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        SecureFlow one(machine, cell, i);
        Instant established;
        Instant open;
        std::uint32_t at_server = 0;
        const auto whole = mqttwin::net::sealed(cell.layers, Side::client, kConnect);
        one.on_established = [&] { established = one.flow.now; };
        one.on_open = [&](int side) {
            if (side != 0) return;
            open = one.flow.now;
            one.write(0, kConnect);
        };
        one.on_data = [&](int side, std::uint32_t bytes) {
            if (side == 1) {
                at_server += bytes;
                if (at_server == whole) one.write(1, kConnack);
                return;
            }
            std::printf("%.3f,%.3f,%.3f\n", in_ms(established - Instant{0}),
                        in_ms(open - established), in_ms(one.flow.now - open));
            one.flow.stop = true;
        };
        one.flow.connect();
        one.flow.run(Instant{0} + kTooLong);
    }
}

/// Packets, IP bytes and TCP payload each way, of the handshake and of the connection after it.
void bytes(const Cell& cell, Duration hold) {
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        SecureFlow one(machine, cell, i);
        std::array<Counted, 2> phases;
        std::size_t phase = 0;
        one.on_established = [] {};
        one.flow.on_segment = [&](int side, const Segment& s, bool) { phases[phase].add(side, s); };
        one.on_open = [&](int side) {
            if (side != 0) return;
            one.flow.after(hold, [&] {
                phase = 1;
                one.write(0, kConnect);
            });
        };
        one.on_data = [&](int side, std::uint32_t) {
            if (side == 1) {
                one.write(1, kConnack);
            } else {
                one.flow.after(hold, [&] { one.flow.stop = true; });
            }
        };
        one.flow.connect();
        one.flow.run(Instant{0} + kTooLong);
        phases[0].print(",");
        phases[1].print("\n");
    }
}

/// One MQTT session up to DISCONNECT and close_notify: a line a phase, and the whole with its
/// packets in order. What the two hosts send to end TCP is left out: the server resets or not
/// depending on which of two segments, microseconds apart, it reads first.
void wire(const Cell& cell, const std::string& which, Duration gap) {
    struct Ask {
        const char* phase;
        std::uint32_t bytes;
        std::uint32_t answer;
    };
    std::vector<Ask> asks{{"connect", 37, 4}};
    if (which == "qos0") asks.push_back({"qos0", 34, 0});
    if (which == "qos1") asks.push_back({"qos1", 36, 4});
    if (which == "qos2") {
        asks.push_back({"qos2", 36, 4});
        asks.push_back({"qos2", 4, 4});
    }
    for (int k = 0; which == "ping3" && k < 3; ++k) asks.push_back({"ping", 2, 2});
    const Duration thinking = microseconds(200);
    Machine machine({});
    SecureFlow one(machine, cell, 0);
    std::map<std::string, Counted> phases;
    std::string phase = "tcp_connect";
    std::string sequence;
    std::size_t asked = 0;
    std::size_t answered = 0;
    one.flow.on_segment = [&](int side, const Segment& s, bool) {
        phases[phase].add(side, s);
        phases["TOTAL"].add(side, s);
        sequence += sequence.empty() ? "" : " ";
        sequence += side == 0 ? ">" : "<";
        sequence += s.syn ? (s.has_ack ? "SA" : "S") : s.length == 0 ? "A" : s.push ? "PA" : "A";
        sequence += std::to_string(s.length);
    };
    std::function<void()> next = [&] {
        if (asked == asks.size()) {
            phase = "disconnect";
            one.write(0, 2);
            one.close_notify(0);
            one.flow.stop = true;
            return;
        }
        const Ask& ask = asks[asked++];
        phase = ask.phase;
        one.write(0, ask.bytes);
        if (ask.answer == 0) one.flow.after(max(gap, thinking), next);
    };
    // A phase ends a gap after what it waits for; the two halves of QoS 2 are one phase.
    const auto pause = [&] {
        const bool inside = asked > 0 && asked < asks.size() &&
                            std::string(asks[asked].phase) == "qos2" &&
                            std::string(asks[asked - 1].phase) == "qos2";
        return inside ? thinking : max(gap, thinking);
    };
    one.hello_after = gap;
    one.on_established = [&] { one.flow.after(gap, [&] { phase = "tls_handshake"; }); };
    one.on_open = [&](int side) {
        if (side == 0) one.flow.after(gap.ns > 0 ? gap : microseconds(50), next);
    };
    one.on_data = [&](int side, std::uint32_t) {
        if (side == 0) {
            one.flow.after(pause(), next);
            return;
        }
        const Ask& ask = asks[answered++];
        if (ask.answer > 0) one.flow.after(thinking, [&] { one.write(1, ask.answer); });
    };
    one.flow.connect();
    one.flow.run(Instant{0} + kTooLong);
    for (const auto& [name, counted] : phases) {
        std::printf("%s,", name.c_str());
        counted.print("\n");
    }
    std::printf("sequence,%s\n", sequence.c_str());
}

}  // namespace

int simulate_tls(int argc, char** argv) {
    const Words words(argc, argv);
    const Cell cell(words);
    const std::string mode = words.text("mode", "handshake");
    if (mode == "bytes") {
        bytes(cell, ms(words.number("hold", 1'500)));
    } else if (mode == "wire") {
        wire(cell, words.text("case", "none"), ms(words.number("gap", 0)));
    } else {
        handshake(cell);
    }
    return 0;
}

}  // namespace fidelity
