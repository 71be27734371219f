// One message to many: what a delivery costs beside the link. Broker and clients hand each other
// their bytes at once; the recorder listens as it does in a world.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/broker/broker.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/world/recorder.hpp"

namespace {

using namespace mqttwin;  // NOLINT(google-build-using-namespace)

/// Every client subscribes to `all`.
class Listeners final : public client::Profile {
   public:
    void client_id(Slot client, std::string& out) const override {
        out = "listener-" + std::to_string(client);
    }
    [[nodiscard]] std::uint32_t subscription_count(Slot) const override { return 1; }
    wire::SubscriptionOptions subscription(Slot, std::uint32_t,
                                           std::string& filter) const override {
        filter = "all";
        return {};
    }
};

/// What a world does when a subscriber's callback is called.
class Heard final : public client::Listener {
   public:
    explicit Heard(world::Recorder& recorder) : recorder_(&recorder) {}
    void on_message(Instant now, Slot client, const wire::Publish& message,
                    const Stamp& stamp) override {
        recorder_->received(now, client, message, stamp);
    }

   private:
    world::Recorder* recorder_;
};

/// A broker and its clients without anything in between; tags are slots, the publisher comes last.
class Room {
   public:
    explicit Room(std::uint32_t listeners)
        : recorder_(options()),
          broker_({}, pool_, recorder_, StreamKey::of(1, "broker", "bench")),
          clients_({}, profile_, pool_, heard_, listeners, StreamKey::of(1, "listener", "bench")) {
        recorder_.add_fleet("listener", 0, listeners, 0);
        recorder_.add_fleet("publisher", listeners, 1, 0);
        for (Slot client = 0; client < listeners; ++client) {
            clients_.connect(now_, client);
            exchange();
        }
    }

    void publish(const wire::Publish& message) {
        route(message);
        exchange();
    }
    /// The same without the clients; how many packets there are.
    std::size_t publish_to_nobody(const wire::Publish& message) {
        route(message);
        work_.clear();
        work_.swap(broker_.outbox());
        for (const Output& out : work_) {
            pool_.release(out.head);
            pool_.release(out.body);
        }
        return work_.size();
    }
    [[nodiscard]] std::uint64_t delivered() const {
        return recorder_.counters()[trace::Counter::delivered];
    }

   private:
    static world::RecorderOptions options() {
        world::RecorderOptions options;
        options.max_messages = 0;
        return options;
    }

    void route(const wire::Publish& message) {
        now_ = now_ + milliseconds(1);
        Stamp stamp;
        stamp.published = now_;
        stamp.origin = clients_.count();
        broker_.publish(now_, message, stamp);
    }

    // A slot is the same number at both ends. Swapped out, as a world does: an engine may go on
    // while its outbox is performed.
    void exchange() {
        do {
            work_.clear();
            work_.swap(clients_.outbox());
            for (const Output& out : work_) perform_client(out);
            work_.clear();
            work_.swap(broker_.outbox());
            for (const Output& out : work_) perform_broker(out);
        } while (!clients_.outbox().empty() || !broker_.outbox().empty());
    }
    void perform_client(const Output& out) {
        if (out.kind == Output::Kind::open) {
            broker::Peer peer;
            peer.tag = out.slot;
            broker_.handle_open(now_, out.slot, peer);
            clients_.handle_open(now_, out.slot);
        } else if (out.kind == Output::Kind::send) {
            for (const BlobId part : {out.head, out.body}) {
                if (part == BlobId::none) continue;
                broker_.handle_bytes(now_, out.slot, pool_.bytes(part), out.stamp);
                pool_.release(part);
            }
        }
    }
    void perform_broker(const Output& out) {
        if (out.kind != Output::Kind::send) return;
        for (const BlobId part : {out.head, out.body}) {
            if (part == BlobId::none) continue;
            clients_.handle_bytes(now_, out.slot, pool_.bytes(part), out.stamp);
            pool_.release(part);
        }
    }

    Instant now_{seconds(1).ns};
    BlobPool pool_;
    world::Recorder recorder_;
    Listeners profile_;
    Heard heard_{recorder_};
    broker::Broker broker_;
    client::Clients clients_;
    Outbox work_;
};

const std::vector<std::uint8_t> kPayload(64, 'x');

wire::Publish message_to_all() {
    wire::Publish message;
    message.topic = "all";
    message.payload = kPayload;
    return message;
}

void fan_out_beside_the_link(benchmark::State& state) {
    const auto listeners = static_cast<std::uint32_t>(state.range(0));
    Room room(listeners);
    const wire::Publish message = message_to_all();
    std::uint64_t sent = 0;
    for (auto _ : state) {
        room.publish(message);
        sent += listeners;
    }
    if (room.delivered() != sent) state.SkipWithError("not everything was delivered");
    state.SetItemsProcessed(static_cast<std::int64_t>(sent));
}
BENCHMARK(fan_out_beside_the_link)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

/// What of that is the broker's.
void fan_out_of_the_broker(benchmark::State& state) {
    const auto listeners = static_cast<std::uint32_t>(state.range(0));
    Room room(listeners);
    const wire::Publish message = message_to_all();
    std::uint64_t sent = 0;
    for (auto _ : state) sent += room.publish_to_nobody(message);
    if (sent % listeners != 0) state.SkipWithError("not everything was sent");
    state.SetItemsProcessed(static_cast<std::int64_t>(sent));
}
BENCHMARK(fan_out_of_the_broker)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

}  // namespace
