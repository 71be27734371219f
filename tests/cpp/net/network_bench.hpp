// Devices, one broker, and a log of what both ends of their connections see.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

class Bench : public Sink {
   public:
    explicit Bench(const LinkSpec& link, std::uint64_t seed = 1, std::uint32_t devices = 1,
                   const Reach& reach = {}, const LayersSpec& layers = {})
        : network(queue, pool, seed) {
        network.names().put_host(0, 0);
        network.add_population(0, "meter", 0, devices, link, reach, layers);
        network.set_rank(0, 0);
    }
    /// Another population, of one device.
    void add(std::uint16_t population, const LinkSpec& link) {
        const std::string name = "other " + std::to_string(population);
        network.add_population(population, name, 1000U * population, 1, link);
        network.set_rank(population, population);
    }

    bool on_request(Instant, FlowId) override { return listening; }
    void on_opened(Instant now, FlowId flow, End end) override {
        log.push_back(std::string(end == End::client ? "client" : "server") + " open");
        opened_at[static_cast<std::size_t>(end)] = now;
        if (opened) opened(flow, end);
    }
    void on_bytes(Instant now, FlowId flow, End receiver, ByteView bytes,
                  const Stamp& stamp) override {
        const std::string text(as_text(bytes));
        (receiver == End::server ? at_server : at_client) += text;
        arrivals.push_back(now);
        stamps.push_back(stamp);
        if (received) received(flow, receiver, text);
    }
    void on_closed(Instant now, FlowId, End end, Ending how) override {
        const char* names[] = {"closed", "reset", "timed out"};
        log.push_back(std::string(end == End::client ? "client " : "server ") +
                      names[static_cast<std::size_t>(how)]);
        closed_at = now;
    }
    void on_discarded(Instant, FlowId, End, ByteView bytes, const Stamp&) override {
        discarded += as_text(bytes);
    }

    void run(Instant until = Instant::never()) {
        while (!queue.empty() && queue.top().at <= until.ns) {
            const sim::Event event = queue.pop();
            EXPECT_LE(clock.ns, event.at) << "time went back";
            clock = {event.at};
            ++events;
            const auto key = sim::EventKey::unpack(event.key);
            network.handle_event(clock, static_cast<FlowEvent>(key.kind), key.detail,
                                 key.population, key.entity, *this);
        }
        if (until != Instant::never()) clock = max(clock, until);
    }
    void send(FlowId flow, End sender, std::string_view text) {
        network.send(clock, flow, sender, pool.make(as_bytes(text)), BlobId::none, text.size(),
                     {clock, 7, 0});
    }
    FlowId open(std::uint32_t device = 0) { return network.open(clock, 0, device, 0); }
    void run_for(Duration time) { run(clock + time); }

    Instant clock{0};
    std::uint64_t events = 0;
    BlobPool pool;
    sim::EventQueue queue;
    Network network;
    bool listening = true;
    std::function<void(FlowId, End)> opened;
    std::function<void(FlowId, End, const std::string&)> received;
    std::vector<std::string> log;
    std::vector<Instant> arrivals;
    std::vector<Stamp> stamps;
    Instant opened_at[2];
    Instant closed_at;
    std::string at_server;
    std::string at_client;
    std::string discarded;
};

inline LinkSpec plain(Duration latency = milliseconds(50)) {
    LinkSpec link;
    link.up.latency = latency;
    link.down.latency = latency;
    return link;
}

}  // namespace mqttwin::net
