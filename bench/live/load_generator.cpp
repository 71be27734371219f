// Loads an MQTT broker from one thread, accounts for every message, and says what a delivery cost
// the broker: one line of JSON on stdout. bench/live/run.py starts it, on a core of its own
// (taskset).
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "broker_process.hpp"
#include "connections.hpp"
#include "mqtt_bytes.hpp"
#include "options.hpp"
#include "traffic.hpp"

namespace {

using namespace mqttwin::live;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t patience_ns = 10'000 * ms;  // without any answer
constexpr std::int64_t drain_ns = 3'000 * ms;      // for what is on its way at the end
constexpr std::int64_t settle_ns = 500 * ms;       // before memory is read
constexpr std::uint32_t most_unanswered = 64;      // below the backlog of any broker
constexpr std::uint16_t keep_alive_s = 600;        // a deadline to keep, no PINGREQ to send

std::string client_id(std::uint32_t number) {
    return "live-" + std::to_string(getpid()) + '-' + std::to_string(number);
}

// Connects, one subscription for those that have a filter, and waits for the answers.
class Arrival {
   public:
    explicit Arrival(Connections& connections) : connections_(connections) {}

    void connect() { send(connections_.open(), ""); }
    void connect_and_subscribe(const std::string& filter, int qos) {
        qos_ = qos;
        send(connections_.open(), filter);
    }
    void wait_for_all() { wait_below(1); }

   private:
    void send(Connection& one, const std::string& filter) {
        one.out = connect_packet(client_id(one.number), keep_alive_s);
        ++unanswered_;
        if (!filter.empty()) {
            const Bytes subscribe = subscribe_packet(1, filter, qos_);
            one.out.insert(one.out.end(), subscribe.begin(), subscribe.end());
            ++unanswered_;
        }
        connections_.flush_later(one);
        connections_.flush();
        wait_below(most_unanswered);
    }

    void wait_below(std::uint32_t limit) {
        const std::int64_t deadline = now_ns() + patience_ns;
        while (unanswered_ >= limit) {
            connections_.turn(100, [&](Connection&, const Packet& packet) { take(packet); });
            if (now_ns() > deadline) throw std::runtime_error("the broker does not answer CONNECT");
        }
    }

    void take(const Packet& packet) {
        const bool connack = packet.type() == Type::connack && packet.body.size() == 2;
        const bool suback = packet.type() == Type::suback && packet.body.size() == 3;
        if (!connack && !suback) throw std::runtime_error("neither CONNACK nor SUBACK");
        if (connack && packet.body[1] != 0) {
            throw std::runtime_error("CONNACK with return code " + std::to_string(packet.body[1]));
        }
        if (suback && packet.body[2] != qos_) {
            throw std::runtime_error("SUBACK with return code " + std::to_string(packet.body[2]));
        }
        --unanswered_;
    }

    Connections& connections_;
    std::uint32_t unanswered_ = 0;
    int qos_ = 0;
};

void disconnect_all(Connections& connections) {
    for (std::size_t i = 0; i < connections.size(); ++i) {
        Connection& one = connections[i];
        one.out.insert(one.out.end(), {0xE0, 0x00});
        connections.flush_later(one);
    }
    connections.flush();
}

// --- messages ------------------------------------------------------------------------------------

struct Instant {
    std::int64_t wall_ns;
    std::int64_t broker_ns;
    std::int64_t own_ns;
    std::int64_t broker_waited_ns;  // for a core
    std::int64_t own_waited_ns;
    std::uint64_t delivered;
};

class Measurement {
   public:
    Measurement(const Options& options, Connections& connections, const BrokerProcess& broker)
        : options_(options),
          connections_(connections),
          broker_(broker),
          traffic_(options, connections) {}

    void run() {
        traffic_.start();
        due_ns_ = now_ns();
        started_ns_ = due_ns_;
        turn_for(options_.warm_up_ms * ms);
        const Instant begin = look();
        traffic_.sample_from(begin.wall_ns);
        turn_for(options_.window_ms * ms);
        const Instant end = look();
        traffic_.sample_until(end.wall_ns);
        traffic_.stop();
        const std::int64_t deadline = now_ns() + drain_ns;
        while (traffic_.pending() > 0 && now_ns() < deadline) turn(10);
        print(begin, end);
    }

   private:
    Instant look() const {
        return {now_ns(),
                broker_.cpu_ns(),
                clock_ns(CLOCK_PROCESS_CPUTIME_ID),
                broker_.waited_ns(),
                waited_ns(getpid()),
                traffic_.account().delivered};
    }

    void turn_for(std::int64_t duration_ns) {
        const std::int64_t end = now_ns() + duration_ns;
        std::int64_t alive = now_ns();
        std::uint64_t seen = traffic_.account().delivered;
        for (std::int64_t now = alive; now < end; now = now_ns()) {
            send_what_is_due(now);
            // A timer would add its own lateness to every latency: in the open loop we spin.
            turn(options_.rate > 0 ? 0 : 100);
            if (traffic_.account().delivered != seen) {
                seen = traffic_.account().delivered;
                alive = now;
            } else if (now - alive > patience_ns) {
                throw std::runtime_error("nothing was delivered for 10 s");
            }
        }
    }

    void turn(int timeout_ms) {
        connections_.turn(timeout_ms, [&](Connection& from, const Packet& packet) {
            traffic_.handle(from, packet);
        });
    }

    // Latency counts from when a message was due, so a stall is not forgiven.
    void send_what_is_due(std::int64_t now) {
        if (options_.rate == 0 || due_ns_ > now) return;
        for (; due_ns_ <= now; ++number_) {
            traffic_.send_due(number_, due_ns_);
            due_ns_ = started_ns_ +
                      static_cast<std::int64_t>((number_ + 1) * 1'000'000'000 / options_.rate);
        }
        connections_.flush();
    }

    double percentile_us(double share) {
        auto& all = traffic_.latencies_ns();
        if (all.empty()) return 0;
        const auto rank = static_cast<std::size_t>(share * static_cast<double>(all.size() - 1));
        std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rank), all.end());
        return static_cast<double>(all[rank]) / 1e3;
    }

    void print(const Instant& begin, const Instant& end) {
        const Account& account = traffic_.account();
        const auto delivered = static_cast<double>(end.delivered - begin.delivered);
        const auto wall_s = static_cast<double>(end.wall_ns - begin.wall_ns) / 1e9;
        const auto broker_s = static_cast<double>(end.broker_ns - begin.broker_ns) / 1e9;
        const auto own_s = static_cast<double>(end.own_ns - begin.own_ns) / 1e9;
        const auto waited_s =
            static_cast<double>(std::max(end.broker_waited_ns - begin.broker_waited_ns,
                                         end.own_waited_ns - begin.own_waited_ns)) /
            1e9;
        if (delivered == 0) throw std::runtime_error("nothing was delivered in the window");
        std::printf(
            "{\"delivered\": %.0f, \"lost\": %llu, \"pending\": %llu, \"repeated\": %llu, "
            "\"corrupt\": %llu, "
            "\"cpu_us\": %.4f, \"deliveries_per_s\": %.0f, \"broker_load\": %.3f, "
            "\"generator_load\": %.3f, \"waited\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
            delivered, static_cast<unsigned long long>(account.lost),
            static_cast<unsigned long long>(traffic_.pending()),
            static_cast<unsigned long long>(account.repeated),
            static_cast<unsigned long long>(account.corrupt), broker_s / delivered * 1e6,
            delivered / wall_s, broker_s / wall_s, own_s / wall_s, waited_s / wall_s,
            percentile_us(0.50), percentile_us(0.99));
    }

    const Options& options_;
    Connections& connections_;
    const BrokerProcess& broker_;
    Traffic traffic_;
    std::int64_t started_ns_ = 0;
    std::int64_t due_ns_ = 0;  // of the next message in the open loop
    std::uint64_t number_ = 0;
};

void measure_messages(const Options& options, const BrokerProcess& broker) {
    Connections connections(options.host, options.port);
    Arrival arrival(connections);
    for (std::uint32_t i = 0; i < options.subscribers; ++i) {
        const std::string filter = options.workload == "fan-in"    ? "live/+"
                                   : options.workload == "fan-out" ? topic_of(0)
                                                                   : topic_of(i);
        arrival.connect_and_subscribe(filter, options.qos);
    }
    for (std::uint32_t i = 0; i < options.publishers; ++i) arrival.connect();
    arrival.wait_for_all();
    Measurement(options, connections, broker).run();
    disconnect_all(connections);
}

// --- connections ---------------------------------------------------------------------------------

void idle_for(Connections& connections, std::int64_t duration_ns) {
    const std::int64_t end = now_ns() + duration_ns;
    while (now_ns() < end) {
        connections.turn(20, [](Connection&, const Packet&) {
            throw std::runtime_error("the broker has something to say to an idle connection");
        });
    }
}

void measure_connections(const Options& options, const BrokerProcess& broker) {
    Connections connections(options.host, options.port);
    Arrival arrival(connections);
    // The first ones find a broker that has not yet touched its own memory.
    for (int i = 0; i < 100; ++i) arrival.connect();
    arrival.wait_for_all();
    idle_for(connections, settle_ns);
    const std::int64_t memory = broker.pss_bytes();
    const std::int64_t begin = broker.cpu_ns();
    for (std::uint32_t i = 0; i < options.connections; ++i) arrival.connect();
    arrival.wait_for_all();
    const std::int64_t connected = broker.cpu_ns();
    idle_for(connections, settle_ns);
    const std::int64_t grown = broker.pss_bytes() - memory;
    const std::int64_t idle_begin = broker.cpu_ns();
    const std::int64_t wall_begin = now_ns();
    idle_for(connections, options.window_ms * ms);
    const double idle_share = static_cast<double>(broker.cpu_ns() - idle_begin) /
                              static_cast<double>(now_ns() - wall_begin);
    disconnect_all(connections);
    const double count = options.connections;
    std::printf(
        "{\"connections\": %.0f, \"connect_us\": %.3f, \"connection_bytes\": %.1f, "
        "\"idle_load\": %.5f}\n",
        count, static_cast<double>(connected - begin) / count / 1e3,
        static_cast<double>(grown) / count, idle_share);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse_options(argc, argv);
        const BrokerProcess broker(options.broker_pid);
        if (options.workload == "connections") {
            measure_connections(options, broker);
        } else {
            measure_messages(options, broker);
        }
        return 0;
    } catch (const std::invalid_argument& wrong) {
        std::fprintf(stderr, "load generator: %s\n", wrong.what());
        return 2;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "load generator: %s\n", failure.what());
        return 1;
    }
}
