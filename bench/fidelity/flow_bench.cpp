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
    for (std::uint32_t& one : phase_) one = static_cast<std::uint32_t>(phases.below(kHour));
}

void FlowBench::connect() {
    machine(0).connect(moment(0), end[0], out_);
    follow(0);
}

void FlowBench::write(int side, std::uint32_t bytes) {
    machine(side).write(moment(side), end[static_cast<std::size_t>(side)], bytes, out_);
    follow(side);
}

void FlowBench::close(int side) {
    machine(side).close(moment(side), end[static_cast<std::size_t>(side)], out_);
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
            const Instant in = router == nullptr ? now : router->spend(now, router->taking_in);
            passage = pipe_[from].offer(in, segment.wire_bytes(), link[from]);
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
        one = Endpoint{};
        machine(side).accept(moment(side), one, segment, out_);
    } else if (one.state == State::closed) {
        return;
    } else {
        machine(side).receive(moment(side), one, segment, out_);
    }
    follow(side);
    if (side == 1 && wakes_after) wake_server();
}

void FlowBench::wake_server() {
    end[1].reading = false;
    if (waking_) return;
    waking_ = true;
    after(wakes_after(), [this] {
        waking_ = false;
        machine(1).set_reading(moment(1), end[1], true, out_);
        end[1].reading = false;
        follow(1);
    });
}

Instant FlowBench::next() const {
    if (stop) return Instant::never();
    const Instant queued = queue_.empty() ? Instant::never() : queue_.top().at;
    return min(queued, min(machine(0).deadline(end[0]), machine(1).deadline(end[1])));
}

void FlowBench::step() {
    const Instant when = next();
    now = max(now, when);
    if (queue_.empty() || queue_.top().at > when) {
        const int side = machine(0).deadline(end[0]) <= when ? 0 : 1;
        machine(side).handle_deadline(moment(side), end[static_cast<std::size_t>(side)], out_);
        follow(side);
        return;
    }
    Event event = queue_.top();
    queue_.pop();
    if (event.action) {
        event.action();
    } else if (router != nullptr && !event.given_out) {
        event.at = router->spend(now, router->giving_out);
        event.given_out = true;
        queue_.push(std::move(event));
    } else {
        deliver(event.side, event.segment);
    }
}

void FlowBench::run(Instant until) {
    for (Instant when = next(); when <= until && when != Instant::never(); when = next()) step();
    for (int side : {0, 1}) machine(side).vanish(end[static_cast<std::size_t>(side)]);
}

void run_together(const std::vector<FlowBench*>& flows, Instant until) {
    using Due = std::pair<Instant, std::size_t>;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    for (std::size_t i = 0; i < flows.size(); ++i) due.push({flows[i]->next(), i});
    while (!due.empty() && due.top().first <= until) {
        const auto [when, i] = due.top();
        due.pop();
        if (when == Instant::never()) break;
        flows[i]->step();
        due.push({flows[i]->next(), i});
    }
    for (FlowBench* flow : flows) flow->run(Instant{-1});
}

}  // namespace fidelity
