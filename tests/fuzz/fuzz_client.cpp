// Arbitrary bytes from servers to three clients of one engine, while connections open and break and
// time passes at random. The input is a program: an operation byte, perhaps operands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "mqttwin/client/client.hpp"

namespace {

using namespace mqttwin;
using namespace mqttwin::client;

constexpr Slot kClients = 3;

class Input {
   public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const std::uint8_t out = rest_[0];
        rest_ = rest_.subspan(1);
        return out;
    }
    ByteView bytes(std::size_t count) {
        const ByteView out = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(out.size());
        return out;
    }

   private:
    ByteView rest_;
};

class FuzzProfile : public Profile {
   public:
    void client_id(Slot client, std::string& out) const override {
        if (client > 0) out = "client-" + std::to_string(client);
    }
    [[nodiscard]] std::uint32_t subscription_count(Slot client) const override { return client; }
    wire::SubscriptionOptions subscription(Slot, std::uint32_t n,
                                           std::string& filter) const override {
        filter = "filter/" + std::to_string(n) + "/#";
        return {};
    }
    void complete(Slot client, wire::Connect& packet, std::vector<std::string>&) const override {
        if (client != 2) return;
        packet.properties.mark(wire::Property::authentication_method);
        packet.properties.authentication_method = "M";
    }
};

// An application that answers what it hears, every so often by leaving.
class FuzzListener : public Listener {
   public:
    Clients* clients = nullptr;

    void on_connected(Instant now, Slot client, bool) override { publish(now, client, {}); }
    void on_message(Instant now, Slot client, const wire::Publish& message,
                    const Stamp& stamp) override {
        const std::uint32_t n = ++heard_ % 8;
        if (n == 3) publish(now, (client + 1) % kClients, message);
        if (n == 5) publish(now, client, message);
        if (n == 7) clients->disconnect(now, (client + stamp.origin) % kClients);
    }
    void on_subscribed(Instant now, Slot client, const wire::ListAck& packet) override {
        if (packet.reasons.size() == 1) publish(now, client, {});
    }
    void on_acknowledged(Instant now, Slot client, const Stamp&, wire::QoS,
                         const wire::Ack& packet) override {
        if (packet.reason == 0 && ++heard_ % 2 == 0) publish(now, client, {});
        if (packet.reason == 0x97) clients->disconnect(now, client);
    }
    void on_connack(Instant now, Slot client, const wire::Connack& packet) override {
        if (packet.properties.has(wire::Property::server_reference)) {
            clients->disconnect(now, client);
        }
    }
    void on_authenticate(Instant now, Slot client, const wire::Auth& packet) override {
        const ByteView data = packet.properties.authentication_data;
        if (data.size() == 3) clients->disconnect(now, client);
        if (data.size() != 4) clients->authenticate(now, client, data);
    }

   private:
    void publish(Instant now, Slot client, const wire::Publish& received) {
        wire::Publish packet;
        packet.topic = received.topic.empty() ? "t" : received.topic;
        packet.payload = received.payload;
        packet.qos = static_cast<wire::QoS>(heard_ % 3);
        clients->publish(now, client, packet, {});
    }
    std::uint32_t heard_ = 0;
};

void require(bool condition) {
    if (!condition) std::abort();
}

void drain(Clients& clients, BlobPool& pool) {
    for (const Output& output : clients.outbox()) {
        require(output.slot < kClients);
        require((output.kind == Output::Kind::send) == (output.head != BlobId::none));
        pool.release(output.head);
        pool.release(output.body);
    }
    clients.outbox().clear();
}

Options options_from(Input& input) {
    const std::uint8_t bits = input.byte();
    Options options;
    options.version = static_cast<wire::Version>(3 + bits % 3);
    options.clean_start = (bits & 0x04) != 0;
    options.session_expiry = (bits & 0x08) != 0 ? 0 : 100;
    options.receive_maximum = (bits & 0x10) != 0 ? 2 : 65535;
    options.maximum_packet_size = (bits & 0x20) != 0 ? 200 : 100'000;
    options.queue_qos0 = (bits & 0x40) != 0;
    options.reconnect = (bits & 0x80) == 0;
    options.topic_alias_maximum = bits % 3 == 2 ? 3 : 0;  // 5.0
    options.outbound_topic_aliases = (bits & 0x10) != 0 ? 2 : 0;
    options.request_problem_information = (bits & 0x08) != 0;
    options.max_in_flight = 4;
    options.max_queued = 5;
    return options;
}

void perform(Input& input, Clients& clients, Instant& now) {
    const std::uint8_t operation = input.byte();
    const Slot client = (operation >> 4) % kClients;
    switch (operation & 0x0F) {
        case 0:
            clients.connect(now, client);
            return;
        case 1:
            clients.handle_open(now, client);
            return;
        case 2:
            clients.handle_closed(now, client);
            return;
        case 3:
            clients.disconnect(now, client);
            return;
        case 4: {
            wire::Publish packet;
            const std::uint8_t bits = input.byte();
            packet.topic = (bits & 0x40) != 0 ? "t" : "another/topic";
            packet.qos = static_cast<wire::QoS>(bits % 3);
            packet.retain = (bits & 0x80) != 0;
            packet.payload = input.bytes((bits >> 2) & 0x1F);
            clients.publish(now, client, packet, {});
            return;
        }
        case 5: {
            const wire::SubscriptionRequest request{"a/+", {}};
            clients.subscribe(now, client, {&request, 1});
            return;
        }
        case 6: {
            const std::string_view filter = "a/+";
            clients.unsubscribe(now, client, {&filter, 1});
            return;
        }
        case 7:
            now = now + milliseconds(500 * input.byte());
            clients.handle_timeout(now);
            require(clients.next_deadline() > now);
            return;
        case 8:
            clients.reset(now, client);
            return;
        case 10:
            clients.reauthenticate(now, client, input.bytes(input.byte() & 0x0F));
            return;
        case 11: {
            wire::Disconnect packet;
            packet.properties.mark(wire::Property::session_expiry_interval);
            packet.properties.session_expiry_interval = input.byte();
            clients.disconnect(now, client, packet);
            return;
        }
        case 9:  // what a server says first
            clients.handle_open(now, client);
            clients.handle_bytes(now, client, input.bytes(5), {});
            return;
        default: {
            Stamp stamp;
            stamp.origin = operation;
            clients.handle_bytes(now, client, input.bytes(input.byte()), stamp);
            return;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    BlobPool pool;
    FuzzProfile profile;
    FuzzListener listener;
    const Options options = options_from(input);
    Clients clients(options, profile, pool, listener, kClients,
                    StreamKey::of(1, "fuzz", "back-off"));
    listener.clients = &clients;
    Instant now;
    for (Slot client = 0; client < kClients; ++client) clients.connect(now, client);
    while (!input.empty()) {
        perform(input, clients, now);
        drain(clients, pool);
        for (Slot client = 0; client < kClients; ++client) {
            require(clients.in_flight(client) <= 4);
            // A lost session's messages go back into the queue, beyond its bound.
            require(clients.queued(client) <= 5 + 4);
        }
    }
    for (Slot client = 0; client < kClients; ++client) clients.reset(now, client);
    drain(clients, pool);
    require(pool.live() == 0);
    require(clients.next_deadline() == Instant::never());
    return 0;
}
