// Two TCP endpoints and a wire between them on which a test decides what is lost.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "mqttwin/net/tcp_machine.hpp"

namespace mqttwin::net::tcp {

/// 0 is the client, 1 the server.
class Wire {
   public:
    struct Seen {
        Instant at;
        int sender = 0;
        Segment segment;
        bool lost = false;
    };

    explicit Wire(Duration latency = milliseconds(50), const Profile& profile = {})
        : machine(profile), latency_(latency) {}

    void connect() {
        machine.connect(at(0), end[0], out_);
        follow(0);
    }
    /// Connected, and the server knows.
    void establish() {
        connect();
        run_for(latency_ * 4);
    }
    void write(int side, std::uint32_t bytes) {
        machine.write(at(side), end[index(side)], bytes, out_);
        follow(side);
    }
    void close(int side) {
        machine.close(at(side), end[index(side)], out_);
        follow(side);
    }
    void abort(int side) {
        machine.abort(at(side), end[index(side)], out_);
        follow(side);
    }
    void set_reading(int side, bool reading) {
        machine.set_reading(at(side), end[index(side)], reading, out_);
        follow(side);
    }
    /// Until then, everything; the clock is there afterwards.
    void run_for(Duration span) {
        const Instant until = now + span;
        while (step(until)) {
        }
        now = until;
    }

    /// Data segments of a side, lost ones included.
    [[nodiscard]] std::vector<Seen> data(int side) const {
        std::vector<Seen> found;
        for (const Seen& one : seen) {
            if (one.sender == side && one.segment.length > 0) found.push_back(one);
        }
        return found;
    }
    [[nodiscard]] std::size_t pure_acks(int side) const {
        return static_cast<std::size_t>(
            std::count_if(seen.begin(), seen.end(), [side](const Seen& one) {
                const Segment& s = one.segment;
                return one.sender == side && s.length == 0 && !s.syn && !s.fin && !s.reset;
            }));
    }

    Machine machine;
    Instant now{0};
    std::array<Endpoint, 2> end;
    std::array<std::uint32_t, 2> delivered{};
    std::array<Instant, 2> delivered_at{};
    std::array<bool, 2> established{};
    std::array<bool, 2> peer_closed{};
    std::array<Over, 2> over{};
    std::array<Instant, 2> over_at{};
    std::vector<Seen> seen;
    /// Lost if it says so; `n` counts what that side has sent, from 0.
    std::function<bool(int sender, const Segment&, std::size_t n)> lose;
    std::function<Duration(int sender, const Segment&)> delay;

   private:
    struct Flying {
        Instant at;
        int receiver = 0;
        Segment segment;
    };
    static constexpr std::size_t index(int side) { return static_cast<std::size_t>(side); }
    [[nodiscard]] Moment at(int side) const { return {now, side == 0 ? 0U : 123'456U}; }

    void follow(int side) {
        const auto i = index(side);
        for (const Segment& segment : out_.segments) {
            const bool gone = lose && lose(side, segment, sent_[i]);
            ++sent_[i];
            seen.push_back({now, side, segment, gone});
            if (gone) continue;
            const Duration extra = delay ? delay(side, segment) : Duration{0};
            flying_.push_back({now + latency_ + extra, 1 - side, segment});
        }
        if (out_.delivered > 0) delivered_at[i] = now;
        delivered[i] += out_.delivered;
        established[i] = established[i] || out_.established;
        peer_closed[i] = peer_closed[i] || out_.peer_closed;
        if (out_.over != Over::no) {
            over[i] = out_.over;
            over_at[i] = now;
        }
        out_.clear();
    }

    bool step(Instant until) {
        const auto next =
            std::min_element(flying_.begin(), flying_.end(),
                             [](const Flying& a, const Flying& b) { return a.at < b.at; });
        const Instant arrival = next == flying_.end() ? Instant::never() : next->at;
        const Instant first = machine.deadline(end[0]);
        const Instant second = machine.deadline(end[1]);
        const Instant when = min(arrival, min(first, second));
        if (when > until) return false;
        now = max(now, when);
        if (arrival > when) {
            const int side = first <= second ? 0 : 1;
            machine.handle_deadline(at(side), end[index(side)], out_);
            follow(side);
            return true;
        }
        const Flying flying = *next;
        flying_.erase(next);
        Endpoint& one = end[index(flying.receiver)];
        if (one.state != State::closed) {
            machine.receive(at(flying.receiver), one, flying.segment, out_);
        } else if (flying.segment.syn && !flying.segment.has_ack && listening) {
            machine.accept(at(flying.receiver), one, flying.segment, out_);
        } else {
            Segment answer;
            if (Machine::refuse(flying.segment, answer)) out_.segments.push_back(answer);
        }
        follow(flying.receiver);
        return true;
    }

    Duration latency_;
    std::vector<Flying> flying_;
    std::array<std::size_t, 2> sent_{};
    Output out_;

   public:
    bool listening = true;
};

}  // namespace mqttwin::net::tcp
