// Two TCP machines, the two directions of a link between them, and virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "mqttwin/net/pipe.hpp"
#include "mqttwin/net/tcp_machine.hpp"

namespace fidelity {

using mqttwin::Duration;
using mqttwin::Instant;
using mqttwin::net::Passage;
using mqttwin::net::Pipe;
using mqttwin::net::PipeSpec;
using mqttwin::net::tcp::Endpoint;
using mqttwin::net::tcp::Machine;
using mqttwin::net::tcp::Moment;
using mqttwin::net::tcp::Output;
using mqttwin::net::tcp::Segment;

/// The measurement's router: one thread, which takes each packet in and gives it out again. The
/// packets of all flows wait for it.
struct Router {
    Duration taking_in;  // of one packet
    Duration giving_out;
    Instant free;

    Instant spend(Instant now, Duration work) { return free = max(now, free) + work; }
};

/// One connection: 0 is the client, 1 the server.
class FlowBench {
   public:
    using Action = std::function<void()>;

    FlowBench(Machine& machine, const PipeSpec& up, const PipeSpec& down, std::uint64_t seed,
              std::uint64_t flow)
        : FlowBench(machine, machine, up, down, seed, flow) {}
    FlowBench(Machine& client, Machine& server, const PipeSpec& up, const PipeSpec& down,
              std::uint64_t seed, std::uint64_t flow);

    void connect();
    void write(int side, std::uint32_t bytes);
    void close(int side);
    void at(Instant when, Action action);
    void after(Duration delay, Action action) { at(now + delay, std::move(action)); }
    /// Until nothing is left, `stop` is set, or that instant.
    void run(Instant until);
    /// When something happens next; never after `stop`.
    [[nodiscard]] Instant next() const;
    void step();

    Router* router = nullptr;  // shared by flows that run together
    /// How long the server takes to read what has arrived; without it nothing waits.
    std::function<Duration()> wakes_after;
    Instant now{0};
    bool stop = false;
    std::array<PipeSpec, 2> link;  // by sender; may be changed while it runs
    std::array<bool, 2> black_hole{};
    std::array<Endpoint, 2> end;

    std::function<void(int side)> on_established;
    std::function<void(int side, std::uint32_t bytes)> on_delivered;
    std::function<void(int side)> on_peer_closed;
    std::function<void(int side, mqttwin::net::tcp::Over how)> on_over;
    std::function<void(int sender, const Segment&, bool arrives)> on_segment;

   private:
    struct Event {
        Instant at;
        std::uint64_t order = 0;
        int side = 0;  // of a segment's receiver
        bool given_out = false;
        Segment segment;
        Action action;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };

    void follow(int side);
    void deliver(int side, const Segment& segment);
    void wake_server();
    [[nodiscard]] Machine& machine(int side) const {
        return *machine_[static_cast<std::size_t>(side)];
    }

    [[nodiscard]] Moment moment(int side) const {
        return {now, phase_[static_cast<std::size_t>(side)]};
    }

    std::array<Machine*, 2> machine_;
    std::array<std::uint32_t, 2> phase_{};
    std::array<Pipe, 2> pipe_;
    std::priority_queue<Event, std::vector<Event>, Later> queue_;
    std::uint64_t order_ = 0;
    bool waking_ = false;
    Output out_;
};

/// Flows that share a router, in the order of time.
void run_together(const std::vector<FlowBench*>& flows, Instant until);

}  // namespace fidelity
