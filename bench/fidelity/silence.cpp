// Peers that are gone, and links that come back: one link for all, several traffic patterns.
#include <cstdio>
#include <string>

#include "scenario.hpp"

namespace fidelity {
namespace {

using mqttwin::milliseconds;
using mqttwin::scaled;
using mqttwin::seconds;
using mqttwin::Stream;
using mqttwin::net::tcp::Over;

constexpr std::uint32_t kMessage = 100;
constexpr std::uint32_t kPing = 2;

/// The measuring program looked every 21 ms whether it was time to write (its packet log shows it).
Duration poll(Stream& random) { return scaled(milliseconds(21), random.unit()); }

/// Until everybody else was connected, too.
Duration others(Stream& random) { return scaled(seconds(8), random.unit()); }

/// One flow of a dead-peer measurement: a message at once, silence or traffic, and after `lead` the
/// black hole.
class Silence {
   public:
    Silence(const Cell& cell, std::uint32_t i)
        : options_(cell.options),
          series_(options_.count("series", 0) != 0),
          traffic_(options_.text("traffic", "once")),
          number_(i),
          random_(cell.stream(i)),
          client_(cell.profile),
          flow_(client_, server_, cell.pipe, cell.pipe, cell.seed, i) {}

    void run() {
        flow_.on_segment = [this](int side, const Segment& s, bool) { note(side, s); };
        flow_.on_over = [this](int side, Over how) {
            if (side == 0) end(how == Over::time_out ? "ETIMEDOUT" : "other");
        };
        if (options_.text("connect", "").empty()) {
            flow_.on_established = [this](int side) {
                if (side == 0) flow_.after(others(random_), [this] { begin(); });
            };
            flow_.on_delivered = [this](int side, std::uint32_t bytes) { take(side, bytes); };
        } else {
            open_hole();
        }
        flow_.connect();
        flow_.run(Instant{0} + seconds(3'600));
    }

   private:
    void begin() {
        flow_.write(0, kMessage);
        const Duration lead = scaled(seconds(1), options_.number("lead", 32));
        flow_.after(lead, [this] { open_hole(); });
        if (traffic_ == "second") {
            flow_.after(scaled(seconds(1), random_.unit()), [this] { each_second(); });
        } else if (traffic_ == "ping") {
            flow_.after(scaled(keep_alive(), random_.unit()), [this] { ping(); });
        } else if (traffic_ == "once") {
            const Duration later = milliseconds(500) + scaled(seconds(1), random_.unit());
            flow_.after(lead + later, [this] { flow_.write(0, kMessage); });
        }
    }

    void open_hole() {
        hole_ = flow_.now;
        const std::string which = options_.text("connect", "both");
        flow_.black_hole = {which != "ba", which != "ab"};
    }

    void each_second() {
        flow_.after(seconds(1), [this] { each_second(); });
        flow_.after(poll(random_), [this] { flow_.write(0, kMessage); });
    }

    // MQTT's keep-alive: a PINGREQ each interval; the client gives up when the next is due and no
    // answer came, the server when it has heard nothing for one and a half.
    [[nodiscard]] Duration keep_alive() const {
        return scaled(seconds(1), options_.number("keep", 60));
    }
    void ping() {
        if (asked_ && options_.text("who", "client") == "client") {
            end("PINGRESP_TIMEOUT");
            return;
        }
        asked_ = true;
        flow_.after(keep_alive(), [this] { ping(); });
        flow_.after(poll(random_), [this] { flow_.write(0, kPing); });
    }
    void take(int side, std::uint32_t bytes) {
        if (side == 0) {
            asked_ = false;
            return;
        }
        if (bytes % kMessage == kPing) flow_.write(1, kPing);
        if (options_.text("who", "") != "server") return;
        const unsigned visit = ++heard_;
        flow_.after(scaled(keep_alive(), 1.5), [this, visit] {
            if (visit == heard_) end("SERVER_1.5K");
        });
    }

    void note(int side, const Segment& s) {
        const bool opening = !options_.text("connect", "").empty();
        if (!series_ || side != (options_.text("of", "a") == "b" ? 1 : 0)) return;
        if (!(opening ? s.syn : s.length > 0) || hole_ == Instant::never()) return;
        if (first_ == Instant::never()) first_ = flow_.now;
        std::printf("%u,%u,%.3f\n", number_, attempt_++, (flow_.now - first_).seconds());
    }
    void end(const char* how) {
        if (!series_) std::printf("%s,%.3f\n", how, (flow_.now - hole_).seconds());
        flow_.stop = true;
    }

    const Options& options_;
    bool series_;
    std::string traffic_;
    std::uint32_t number_;
    Stream random_;
    Machine client_;
    Machine server_{Profile{}};
    FlowBench flow_;
    Instant hole_ = Instant::never();
    Instant first_ = Instant::never();
    unsigned attempt_ = 0;
    unsigned heard_ = 0;
    bool asked_ = false;
};

}  // namespace

/// Seconds from the black hole to the error; with `series=1` the instants of transmissions into it.
void dead(const Cell& cell) {
    for (std::uint32_t i = 0; i < cell.flows; ++i) Silence(cell, i).run();
}

/// A message a second through an outage: from its end to the first delivery. Flows were launched at
/// random within a period, so each has seen a little more or less of the path before.
void outage(const Cell& cell) {
    const Duration length = scaled(seconds(1), cell.options.number("length", 10));
    const Duration lead = scaled(seconds(1), cell.options.number("lead", 12));
    const Duration launching = scaled(seconds(1), cell.options.number("launching", 3));
    for (std::uint32_t i = 0; i < cell.flows; ++i) {
        Machine machine({});
        FlowBench flow(machine, cell.pipe, cell.pipe, cell.seed, i);
        Stream random = cell.stream(i);
        Instant back = Instant::never();
        unsigned attempts = 0;
        std::function<void()> each_second = [&] {
            flow.after(seconds(1), each_second);
            flow.write(0, kMessage);
        };
        flow.on_segment = [&](int side, const Segment& s, bool) {
            if (side == 0 && s.length > 0 && flow.black_hole[0]) ++attempts;
        };
        flow.on_established = [&](int side) {
            if (side == 0) flow.after(scaled(seconds(1), random.unit()), each_second);
        };
        flow.on_delivered = [&](int side, std::uint32_t) {
            if (side != 1 || back == Instant::never()) return;
            std::printf("%u,%.3f\n", attempts, in_ms(flow.now - back));
            flow.stop = true;
        };
        flow.at(Instant{0} + lead, [&] { flow.black_hole = {true, true}; });
        flow.at(Instant{0} + lead + length, [&] {
            flow.black_hole = {false, false};
            back = flow.now;
        });
        flow.at(Instant{0} + scaled(launching, random.unit()), [&] { flow.connect(); });
        flow.run(Instant{0} + kTooLong);
    }
}

}  // namespace fidelity
