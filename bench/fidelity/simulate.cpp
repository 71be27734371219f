// Repeats one cell of the ground truth in the model, and prints what the measurement's CSV holds.
//
//   mqttwin_fidelity SCENARIO key=value ...       (see `usage`)
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

#include "flow_bench.hpp"
#include "simulate_tls.hpp"

namespace fidelity {
namespace {

using mqttwin::milliseconds;
using mqttwin::scaled;
using mqttwin::seconds;
using mqttwin::Stream;
using mqttwin::StreamKey;
using mqttwin::net::GilbertElliott;
using mqttwin::net::PipeJitter;
using mqttwin::net::tcp::Over;

constexpr const char* kUsage =
    "mqttwin_fidelity connect|stream|reqresp|bulk|dead|outage|wire key=value ...\n"
    "  every scenario: rtt= ms, loss= percent, flows=, seed=, hop= us a router adds one way\n"
    "  link: rate= bit/s, queue= packets, jitter= uniform|normal, spread= ms, reorder=1,\n"
    "        ge_p= ge_r= (by packet), ge_good= ge_bad= ms (by time)\n"
    "  stream: interval= ms, messages=, bytes=      reqresp: publishes=      bulk: bytes=\n"
    "  dead: every= ms (0: one write), before= messages, user= s, connect=1      outage: length= "
    "s\n"
    "  wire: case=none|qos0|qos1|ping3, gap= ms\n";

class Options {
   public:
    Options(int argc, char** argv) {
        for (int i = 2; i < argc; ++i) {
            const std::string one = argv[i];
            const std::size_t equals = one.find('=');
            if (equals == std::string::npos) throw std::invalid_argument("no value in " + one);
            values_[one.substr(0, equals)] = one.substr(equals + 1);
        }
    }
    [[nodiscard]] double number(const std::string& key, double otherwise) const {
        const auto found = values_.find(key);
        if (found == values_.end()) return otherwise;
        double value = 0.0;
        const char* last = found->second.data() + found->second.size();
        if (std::from_chars(found->second.data(), last, value).ptr != last) {
            throw std::invalid_argument(key + " is no number: " + found->second);
        }
        return value;
    }
    [[nodiscard]] std::uint32_t count(const std::string& key, std::uint32_t otherwise) const {
        return static_cast<std::uint32_t>(number(key, otherwise));
    }
    [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : found->second;
    }

   private:
    std::map<std::string, std::string> values_;
};

Duration ms(double value) { return scaled(milliseconds(1), value); }
double in_ms(Duration d) { return static_cast<double>(d.ns) * 1e-6; }

PipeSpec pipe_of(const Options& options) {
    PipeSpec spec;
    spec.latency = ms(options.number("rtt", 100) / 2 + options.number("hop", 90) / 1e3);
    spec.loss = options.number("loss", 0) / 100.0;
    spec.bandwidth = options.number("rate", 0);
    spec.queue_packets = options.count("queue", mqttwin::net::kUnbounded);
    const std::string jitter = options.text("jitter", "none");
    if (jitter == "uniform") spec.jitter_kind = PipeJitter::uniform;
    if (jitter == "normal") spec.jitter_kind = PipeJitter::normal;
    spec.jitter = ms(options.number("spread", 0));
    spec.reorder = options.count("reorder", 0) != 0;
    if (options.number("ge_r", 0) > 0) {
        spec.bursts.clock = GilbertElliott::Clock::packet;
        spec.bursts.to_bad = options.number("ge_p", 0);
        spec.bursts.to_good = options.number("ge_r", 0);
    } else if (options.number("ge_bad", 0) > 0) {
        spec.bursts.clock = GilbertElliott::Clock::time;
        spec.bursts.good = ms(options.number("ge_good", 0));
        spec.bursts.bad = ms(options.number("ge_bad", 0));
    }
    mqttwin::net::check(spec, "");
    return spec;
}

struct Cell {
    const Options& options;
    PipeSpec pipe = pipe_of(options);
    std::uint64_t seed = options.count("seed", 1);
    std::uint32_t flows = options.count("flows", 1'000);

    [[nodiscard]] Stream stream(std::uint32_t flow) const {
        return {StreamKey::of(seed, "fidelity", "application"), flow};
    }
};

constexpr Duration kTooLong = seconds(600);

void connect(const Cell& cell) {
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        unsigned syns = 0;
        flow.on_segment = [&](int, const Segment& s, bool) {
            if (s.syn && !s.has_ack) ++syns;
        };
        flow.on_established = [&](int side) {
            if (side != 0) return;
            std::printf("%.3f,%u\n", in_ms(flow.now - Instant{0}), syns - 1);
            flow.stop = true;
        };
        flow.connect();
        flow.run(Instant{0} + kTooLong);
    }
}

void stream(const Cell& cell) {
    const Duration interval = ms(cell.options.number("interval", 1'000));
    const std::uint32_t messages = cell.options.count("messages", 40);
    const std::uint32_t bytes = cell.options.count("bytes", 100);
    std::uint64_t again = 0;
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Stream random = cell.stream(i);
        std::vector<Instant> sent;
        std::uint32_t arrived = 0;
        std::uint32_t got = 0;
        std::function<void()> send = [&] {
            sent.push_back(flow.now);
            if (sent.size() < messages) flow.after(interval, send);
            flow.write(0, bytes);
        };
        flow.on_established = [&](int side) {
            if (side == 0) flow.after(scaled(interval, random.unit()), send);
        };
        flow.on_delivered = [&](int side, std::uint32_t n) {
            if (side != 1) return;
            for (arrived += n; (got + 1) * bytes <= arrived; ++got) {
                std::printf("%u,%u,%.3f\n", i, got, in_ms(flow.now - sent[got]));
            }
            if (got == messages) flow.stop = true;
        };
        flow.connect();
        flow.run(Instant{0} + interval * messages + kTooLong);
        again += machine.counters().retransmissions;
    }
    std::fprintf(stderr, "retransmissions,%llu\n", static_cast<unsigned long long>(again));
}

void reqresp(const Cell& cell) {
    const std::uint32_t publishes = cell.options.count("publishes", 5);
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Stream random = cell.stream(i);
        std::string row;
        Instant asked;
        std::uint32_t answers = 0;
        std::uint32_t at_server = 0;
        std::uint32_t at_client = 0;
        std::uint32_t needed = 60;
        const auto note = [&](Duration d) {
            char text[32];
            std::snprintf(text, sizeof text, "%s%.3f", row.empty() ? "" : ",", in_ms(d));
            row += text;
        };
        const auto ask = [&](std::uint32_t n) {
            asked = flow.now;
            flow.write(0, n);
        };
        flow.on_established = [&](int side) {
            if (side != 0) return;
            note(flow.now - Instant{0});
            ask(60);
        };
        flow.on_delivered = [&](int side, std::uint32_t n) {
            if (side == 1) {
                for (at_server += n; at_server >= needed; needed += 100) flow.write(1, 4);
                return;
            }
            for (at_client += n; at_client >= 4; at_client -= 4) {
                note(flow.now - asked);
                if (++answers > publishes) {
                    std::printf("%s\n", row.c_str());
                    flow.stop = true;
                } else if (answers == 1) {
                    ask(100);
                } else {
                    flow.after(scaled(seconds(1), 0.5 + random.unit()), [&] { ask(100); });
                }
            }
        };
        flow.connect();
        flow.run(Instant{0} + kTooLong);
    }
}

void bulk(const Cell& cell) {
    const std::uint32_t bytes = cell.options.count("bytes", 200'000);
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Instant began;
        std::uint32_t got = 0;
        std::uint64_t handshake = 0;
        flow.on_established = [&](int side) {
            if (side != 0) return;
            began = flow.now;
            handshake = machine.counters().retransmissions;
            flow.write(0, bytes);
        };
        flow.on_delivered = [&](int, std::uint32_t n) {
            got += n;
            if (got < bytes) return;
            const auto again = machine.counters().retransmissions - handshake;
            std::printf("%.3f,%.3f,%llu,%llu\n", in_ms(began - Instant{0}), in_ms(flow.now - began),
                        static_cast<unsigned long long>(again),
                        static_cast<unsigned long long>(machine.counters().data_segments + again));
            flow.stop = true;
        };
        flow.connect();
        flow.run(Instant{0} + kTooLong);
    }
}

/// Seconds from the black hole to the error; with `series=1` the instants of transmissions into it.
void dead(const Cell& cell) {
    const Duration every = ms(cell.options.number("every", 0));
    const bool series = cell.options.count("series", 0) != 0;
    const bool at_connect = cell.options.count("connect", 0) != 0;
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        mqttwin::net::tcp::Profile profile;
        profile.user_timeout = scaled(seconds(1), cell.options.number("user", 0));
        Machine machine(profile);
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Stream random = cell.stream(i);
        const std::uint32_t before = cell.options.count("before", 33);
        Instant hole;
        Instant first = Instant::never();
        unsigned attempt = 0;
        std::function<void()> write = [&] {
            flow.write(0, 100);
            if (every.ns > 0 && !flow.stop) flow.after(every, write);
        };
        flow.on_segment = [&](int side, const Segment& s, bool) {
            const bool counts = at_connect ? s.syn : s.length > 0;
            if (!series || side != 0 || !counts || !flow.black_hole[0]) return;
            if (first == Instant::never()) first = flow.now;
            std::printf("%u,%u,%.3f\n", i, attempt++, (flow.now - first).seconds());
        };
        const auto vanish = [&] {
            hole = flow.now;
            flow.black_hole = {true, true};
        };
        flow.on_established = [&](int side) {
            if (side != 0) return;
            // A few messages first, so that the round trip is known; those of a flow that writes
            // every second go on, and may be under way when the hole opens.
            for (std::uint32_t k = 0; k < before; ++k) {
                flow.after(milliseconds(1'000) * k, [&] { flow.write(0, 100); });
            }
            const Duration last = seconds(before > 30 ? before : 10);
            flow.after(last + (every.ns > 0 ? scaled(seconds(1), random.unit()) : Duration{0}),
                       vanish);
            const Duration later = milliseconds(500) + scaled(seconds(1), random.unit());
            flow.after(every.ns > 0 ? last : last + later, write);
        };
        flow.on_over = [&](int side, Over how) {
            if (side != 0) return;
            if (!series) {
                std::printf("%s,%.3f\n", how == Over::time_out ? "ETIMEDOUT" : "other",
                            (flow.now - hole).seconds());
            }
            flow.stop = true;
        };
        if (at_connect) vanish();
        flow.connect();
        flow.run(Instant{0} + seconds(2'000));
    }
}

/// A message a second through an outage: from its end to the first delivery.
void outage(const Cell& cell) {
    const Duration length = scaled(seconds(1), cell.options.number("length", 10));
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Stream random = cell.stream(i);
        Instant back = Instant::never();
        unsigned attempts = 0;
        std::function<void()> write = [&] {
            flow.write(0, 100);
            if (!flow.stop) flow.after(seconds(1), write);
        };
        flow.on_segment = [&](int side, const Segment& s, bool) {
            if (side == 0 && s.length > 0 && flow.black_hole[0]) ++attempts;
        };
        flow.on_established = [&](int side) {
            if (side != 0) return;
            flow.after(scaled(seconds(1), random.unit()), write);
            flow.after(seconds(10), [&] { flow.black_hole = {true, true}; });
            flow.after(seconds(10) + length, [&] {
                flow.black_hole = {false, false};
                back = flow.now;
            });
        };
        flow.on_delivered = [&](int side, std::uint32_t) {
            if (side != 1 || back == Instant::never()) return;
            std::printf("%u,%.3f\n", attempts, in_ms(flow.now - back));
            flow.stop = true;
        };
        flow.connect();
        flow.run(Instant{0} + kTooLong);
    }
}

/// A plain MQTT session without loss: its packets in the order in which a router would see them.
void wire(const Cell& cell) {
    const std::string which = cell.options.text("case", "none");
    const Duration gap = ms(cell.options.number("gap", 0));
    const Duration thinking = mqttwin::microseconds(200);  // of an application, to a message
    Machine machine({});
    FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, 0);
    std::vector<std::uint32_t> asks;
    std::vector<bool> answered;
    const auto ask = [&](std::uint32_t bytes, bool answer) {
        asks.push_back(bytes);
        answered.push_back(answer);
    };
    ask(37, true);
    if (which == "qos0") ask(34, false);
    if (which == "qos1") ask(36, true);
    for (int i = 0; which == "ping3" && i < 3; ++i) ask(2, true);
    ask(2, false);  // DISCONNECT
    const auto answer_bytes = [&](std::size_t k) { return which == "ping3" && k > 0 ? 2U : 4U; };
    std::size_t asked = 0;
    std::size_t seen = 0;
    std::uint32_t at_server = 0;
    std::array<std::uint64_t, 2> packets{};
    std::array<std::uint64_t, 2> bytes{};
    std::string sequence;
    std::function<void()> next = [&] {
        const std::size_t k = asked++;
        const bool last = asked == asks.size();
        flow.write(0, asks[k]);
        if (last) {
            flow.after(mqttwin::microseconds(60), [&] { flow.close(0); });
        } else if (!answered[k]) {
            flow.after(max(gap, thinking), next);
        }
    };
    flow.on_segment = [&](int side, const Segment& s, bool) {
        const auto from = static_cast<std::size_t>(side);
        ++packets[from];
        bytes[from] += s.wire_bytes();
        sequence += sequence.empty() ? "" : " ";
        sequence += side == 0 ? ">" : "<";
        sequence += s.syn ? (s.has_ack ? "SA" : "S") : s.fin ? "FA" : s.length > 0 ? "PA" : "A";
        sequence += std::to_string(s.length);
    };
    flow.on_established = [&](int side) {
        if (side == 0) flow.after(thinking, next);
    };
    flow.on_delivered = [&](int side, std::uint32_t n) {
        if (side == 0) {
            flow.after(max(gap, thinking), next);
            return;
        }
        at_server += n;
        flow.after(thinking, [&] {
            while (seen < asks.size() && at_server >= asks[seen]) {
                at_server -= asks[seen];
                const std::size_t k = seen++;
                if (answered[k]) flow.write(1, answer_bytes(k));
            }
        });
    };
    flow.on_peer_closed = [&](int side) {
        if (side == 1) flow.after(thinking, [&] { flow.close(1); });
    };
    flow.connect();
    flow.run(Instant{0} + kTooLong);
    std::printf("%llu,%llu,%llu,%llu,%s\n", static_cast<unsigned long long>(packets[0]),
                static_cast<unsigned long long>(bytes[0]),
                static_cast<unsigned long long>(packets[1]),
                static_cast<unsigned long long>(bytes[1]), sequence.c_str());
}

int main_of(int argc, char** argv) {
    if (argc < 2) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    if (std::string(argv[1]) == "tls") return simulate_tls(argc, argv);
    const Options options(argc, argv);
    const Cell cell{options};
    const std::map<std::string, void (*)(const Cell&)> scenarios = {
        {"connect", connect}, {"stream", stream}, {"reqresp", reqresp}, {"bulk", bulk},
        {"dead", dead},       {"outage", outage}, {"wire", wire},
    };
    const auto found = scenarios.find(argv[1]);
    if (found == scenarios.end()) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    found->second(cell);
    return 0;
}

}  // namespace
}  // namespace fidelity

int main(int argc, char** argv) {
    try {
        return fidelity::main_of(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mqttwin_fidelity: %s\n", error.what());
        return 2;
    }
}
