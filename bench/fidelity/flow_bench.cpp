#include "flow_bench.hpp"

#include <utility>

namespace fidelity {

using mqttwin::Stream;
using mqttwin::StreamKey;
using mqttwin::net::tcp::Over;
using mqttwin::net::tcp::State;

FlowBench::FlowBench(Machine& client, Machine& server, const PipeSpec& up, const PipeSpec& down,
                     std::uint64_t seed, std::uint64_t flow)
    : link{up, down},
      machine_{&client, &server},
      pipe_{Pipe(Stream(StreamKey::of(seed, "fidelity", "up"), flow)),
            Pipe(Stream(StreamKey::of(seed, "fidelity", "down"), flow))} {
    Stream phases(StreamKey::of(seed, "fidelity", "phase"), flow);
    constexpr std::uint64_t kHour = 3'600'000'000;  // us
    for (Endpoint& one : end) one.phase = static_cast<std::uint32_t>(phases.below(kHour));
}

void FlowBench::connect() {
    machine(0).connect(now, end[0], out_);
    follow(0);
}

void FlowBench::write(int side, std::uint32_t bytes) {
    machine(side).write(now, end[static_cast<std::size_t>(side)], bytes, out_);
    follow(side);
}

void FlowBench::close(int side) {
    machine(side).close(now, end[static_cast<std::size_t>(side)], out_);
    follow(side);
}

void FlowBench::at(Instant when, Action action) {
    Event event;
    event.at = when;
    event.order = order_++;
    event.action = std::move(action);
    queue_.push(std::move(event));
}

/// Sends what the machine wants sent, then tells who is to be told (who may call again).
void FlowBench::follow(int side) {
    Output said = std::exchange(out_, Output{});
    for (const Segment& segment : said.segments) {
        const auto from = static_cast<std::size_t>(side);
        Passage passage;
        if (black_hole[from]) {
            passage.fate = Passage::Fate::lost;
        } else {
            passage = pipe_[from].offer(now, segment.wire_bytes(), link[from]);
        }
        const bool arrives = passage.fate == Passage::Fate::arrives;
        if (on_segment) on_segment(side, segment, arrives);
        if (!arrives) continue;
        Event event;
        event.at = passage.arrives;
        event.order = order_++;
        event.side = 1 - side;
        event.segment = segment;
        queue_.push(std::move(event));
    }
    if (said.established && on_established) on_established(side);
    if (said.delivered > 0 && on_delivered) on_delivered(side, said.delivered);
    if (said.peer_closed && on_peer_closed) on_peer_closed(side);
    if (said.over != Over::no && on_over) on_over(side, said.over);
}

void FlowBench::deliver(int side, const Segment& segment) {
    Endpoint& one = end[static_cast<std::size_t>(side)];
    const bool opens = segment.syn && !segment.has_ack;
    if (side == 1 && opens && one.state == State::closed) {
        const auto phase = one.phase;
        one = Endpoint{};
        one.phase = phase;
        machine(side).accept(now, one, segment, out_);
    } else if (one.state == State::closed) {
        return;
    } else {
        machine(side).receive(now, one, segment, out_);
    }
    follow(side);
}

void FlowBench::run(Instant until) {
    while (!stop) {
        const Instant next = queue_.empty() ? Instant::never() : queue_.top().at;
        const Instant first = machine(0).deadline(end[0]);
        const Instant second = machine(1).deadline(end[1]);
        const Instant when = min(next, min(first, second));
        if (when > until || when == Instant::never()) break;
        now = max(now, when);
        if (next <= when) {
            Event event = queue_.top();
            queue_.pop();
            if (event.action) {
                event.action();
            } else {
                deliver(event.side, event.segment);
            }
            continue;
        }
        const int side = first <= second ? 0 : 1;
        machine(side).handle_deadline(now, end[static_cast<std::size_t>(side)], out_);
        follow(side);
    }
    for (int side : {0, 1}) machine(side).vanish(end[static_cast<std::size_t>(side)]);
}

}  // namespace fidelity
