// The packets of a plain MQTT session.
#include <array>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace fidelity {

using mqttwin::scaled;

/// A plain MQTT session without loss: its packets in the order in which a router would see them.
void wire(const Cell& cell) {
    const std::string which = cell.options.text("case", "none");
    const Duration gap = ms(cell.options.number("gap", 0));
    const Duration thinking = mqttwin::microseconds(200);  // of an application, to a message
    // A server that reads DISCONNECT closes. Whether the client's FIN, 60 us later, is there by
    // then is up to its host.
    const bool eager = cell.options.count("eager", 0) != 0;
    const Duration closing = mqttwin::microseconds(30);
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
    if (which == "qos2") {
        ask(36, true);
        ask(4, true);  // PUBREL
    }
    const std::uint32_t pings = cell.options.count("pings", 0);
    for (std::uint32_t i = 0; i < pings; ++i) ask(2, true);
    ask(2, false);  // DISCONNECT
    const auto answer_bytes = [&](std::size_t k) { return pings > 0 && k > 0 ? 2U : 4U; };
    std::size_t asked = 0;
    std::size_t seen = 0;
    std::uint32_t at_server = 0;
    std::uint32_t received = 0;
    const std::uint32_t total = std::accumulate(asks.begin(), asks.end(), 0U);
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
            const bool release = which == "qos2" && asked == 2;  // PUBREL waits for nothing
            flow.after(release ? thinking : max(gap, thinking), next);
            return;
        }
        at_server += n;
        received += n;
        if (eager && received == total) flow.after(closing, [&] { flow.close(1); });
        flow.after(thinking, [&] {
            while (seen < asks.size() && at_server >= asks[seen]) {
                at_server -= asks[seen];
                const std::size_t k = seen++;
                if (answered[k]) flow.write(1, answer_bytes(k));
            }
        });
    };
    flow.on_peer_closed = [&](int side) {
        if (side == 1 && !eager) flow.after(thinking, [&] { flow.close(1); });
    };
    flow.connect();
    flow.run(Instant{0} + kTooLong);
    std::printf("%llu,%llu,%llu,%llu,%s\n", static_cast<unsigned long long>(packets[0]),
                static_cast<unsigned long long>(bytes[0]),
                static_cast<unsigned long long>(packets[1]),
                static_cast<unsigned long long>(bytes[1]), sequence.c_str());
}

}  // namespace fidelity
