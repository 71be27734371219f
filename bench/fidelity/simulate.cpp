// Repeats one cell of the ground truth in the model, and prints what the measurement's CSV holds.
//
//   mqttwin_fidelity SCENARIO key=value ...       (see `usage`)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "flow_bench.hpp"
#include "scenario.hpp"
#include "simulate_tls.hpp"

namespace fidelity {
namespace {

using mqttwin::milliseconds;
using mqttwin::scaled;
using mqttwin::seconds;
using mqttwin::Stream;

constexpr const char* kUsage =
    "mqttwin_fidelity connect|stream|reqresp|bulk|dead|outage|wire key=value ...\n"
    "  every scenario: rtt= ms, loss= percent, flows=, seed=, hop= us a router adds one way\n"
    "  link: rate= bit/s, queue= packets, jitter= uniform|normal, spread= ms, reorder=1,\n"
    "        ge_p= ge_r= (by packet), ge_good= ge_bad= ms (by time)\n"
    "  mechanisms: sack=0, timestamps=0, nagle=1, after_idle=0, window= segments at first\n"
    "  stream: interval= ms, messages=, bytes=      reqresp: publishes=      bulk: bytes=\n"
    "  dead: traffic= once|second|ping|none, lead= s before the hole, user= s (TCP_USER_TIMEOUT),\n"
    "        idle= probe_every= s probes= (SO_KEEPALIVE), keep= s who= client|server (MQTT's),\n"
    "        connect= both|ab|ba (the hole is there from the start), series=1 of= a|b\n"
    "  outage: length= s, lead= s\n"
    "  wire: case=none|qos0|qos1|qos2, pings=, gap= ms, eager=1 (a server that does not wait)\n";

void connect(const Cell& cell) {
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine(cell.profile);
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
        Machine machine(cell.profile);
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
        Machine machine(cell.profile);
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

// What the packet log of the measurement shows of its router, for a packet.
const Duration kTakingIn = mqttwin::nanoseconds(1'800);
const Duration kGivingOut = mqttwin::nanoseconds(4'400);
// And what it leaves for a reader to wake up, about; an assumption. Whether a reader finds five
// segments or six decides how far the receive window grows.
const Duration kWaking = mqttwin::microseconds(15);
const Duration kWakingMore = mqttwin::microseconds(10);  // mean, exponential

/// One upload of many, which began a fiftieth of a second apart and share the router.
class Upload {
   public:
    Upload(const Cell& cell, std::uint32_t i, Router& router, Instant begin)
        : random_(cell.stream(i)),
          bytes_(cell.options.count("bytes", 200'000)),
          client_(cell.profile),
          server_(cell.profile),
          flow(std::make_unique<FlowBench>(client_, server_, cell.pipe, cell.pipe, cell.seed, i)) {
        flow->router = &router;
        flow->wakes_after = [this] { return kWaking + scaled(kWakingMore, random_.exponential()); };
        flow->on_established = [this](int side) {
            if (side != 0) return;
            connected_ = flow->now;
            flow->write(0, bytes_);
        };
        flow->on_delivered = [this](int, std::uint32_t n) { take(n); };
        flow->at(begin, [this] {
            began_ = flow->now;
            flow->connect();
        });
    }

   private:
    void take(std::uint32_t n) {
        got_ += n;
        if (got_ < bytes_) return;
        // As TCP_INFO counts them at this end: SYNs, too.
        const auto again = static_cast<unsigned long long>(client_.counters().retransmissions);
        std::printf("%.3f,%.3f,%llu\n", in_ms(connected_ - began_), in_ms(flow->now - connected_),
                    again);
        flow->stop = true;
    }

    Stream random_;
    std::uint32_t bytes_;
    Machine client_;
    Machine server_;
    Instant began_;
    Instant connected_;
    std::uint32_t got_ = 0;

   public:
    std::unique_ptr<FlowBench> flow;
};

void bulk(const Cell& cell) {
    const std::uint32_t together = std::max(1U, cell.options.count("together", cell.flows));
    const Duration apart = milliseconds(20);
    for (std::uint32_t first = 0; first < cell.flows; first += together) {
        Router router{kTakingIn, kGivingOut, Instant{0}};
        Cell rig = cell;
        rig.pipe.latency = max(rig.pipe.latency - kTakingIn - kGivingOut, Duration{0});
        std::vector<std::unique_ptr<Upload>> uploads;
        std::vector<FlowBench*> flows;
        for (std::uint32_t i = first; i < std::min(first + together, cell.flows); ++i) {
            uploads.push_back(
                std::make_unique<Upload>(rig, i, router, Instant{0} + apart * (i - first)));
            flows.push_back(uploads.back()->flow.get());
        }
        run_together(flows, Instant{0} + kTooLong);
    }
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
