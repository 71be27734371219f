// A whole broker under arbitrary bytes from several connections, while they open and break and time
// passes at random. The input is a program: an operation byte, perhaps operands.
//
// Three brokers run it: one gets bytes as they are, one gets them one at a time, and one is forked
// from the first on the way. All want the same things done, in the same order, and all give back
// every blob in the end.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "mqttwin/broker/broker.hpp"
#include "mqttwin/wire/decode.hpp"

namespace {

using namespace mqttwin;
using namespace mqttwin::broker;

constexpr Slot kConnections = 4;

void require(bool holds) {
    if (!holds) std::abort();
}

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

// Expected = dropped + owed + sent, for what was not sent before it was dropped.
class Ledger : public Observer {
   public:
    void on_expected(Instant, std::uint32_t, const Stamp&, wire::QoS) override { ++expected; }
    void on_drop(Instant, std::uint32_t, const Stamp& stamp, wire::QoS, DropReason) override {
        if (stamp.origin != Stamp::kReplay && stamp.sequence == 0) ++dropped_unsent;
    }
    void on_fault(Instant, Slot, std::uint32_t, const Fault& fault) override {
        require(fault.reason >= 0x80 && !fault.clause.empty() && !fault.what.empty());
    }
    std::uint64_t expected = 0;
    std::uint64_t dropped_unsent = 0;
};

/// A broker and what it does, as one text.
struct Rig {
    explicit Rig(const Options& options)
        : broker(std::make_unique<Broker>(options, pool, ledger, StreamKey::of(1, "fuzz", "rig"))) {
    }
    /// A fork.
    Rig(const Rig& other)
        : pool(other.pool),
          ledger(other.ledger),
          broker(std::make_unique<Broker>(*other.broker, pool, ledger)),
          open(other.open),
          sent(other.sent),
          did(other.did) {}

    void drain() {
        for (const Output& out : broker->outbox()) {
            require(out.slot < kConnections && open[out.slot]);
            did += static_cast<char>('0' + static_cast<int>(out.kind));
            did += static_cast<char>('0' + out.slot);
            if (out.kind == Output::Kind::send) {
                // Whole packets, headed for one decoder or the other.
                std::string packet(as_text(pool.bytes(out.head)));
                packet += as_text(pool.bytes(out.body));
                pool.release(out.head);
                pool.release(out.body);
                check_whole(packet);
                did += packet;
                did += std::to_string(out.stamp.sequence);
                // Redeliveries repeat a number, and are not counted again.
                const bool replay = out.stamp.origin == Stamp::kReplay;
                if (out.is_publish && !replay && (packet[0] & 0x08) == 0) ++sent;
            } else {
                open[out.slot] = false;
            }
        }
        broker->outbox().clear();
    }

    static void check_whole(const std::string& packet) {
        BlobPool scratch;
        wire::FramerState state;
        wire::FrameReader reader(scratch, state, as_bytes(packet), wire::kMaximumPacketSize);
        wire::Frame frame;
        require(reader.next(frame) && frame.size() == packet.size());
    }

    BlobPool pool;
    Ledger ledger;
    std::unique_ptr<Broker> broker;
    std::array<bool, kConnections> open{};
    std::uint64_t sent = 0;
    std::string did;
};

Options options_for(std::uint8_t choice) {
    Options options;
    options.maximum_packet_size = 2000;
    options.max_in_flight = 1 + (choice & 3U);
    options.max_queued = (choice >> 2) & 3U;
    options.queue_qos0_offline = (choice & 0x10U) != 0;
    options.topic_alias_maximum = (choice & 0x20U) != 0 ? 3 : 0;
    options.check_payload_format = (choice & 0x40U) != 0;
    options.max_retained = 5;
    options.max_sessions = 5;
    options.max_subscriptions_per_session = 5;
    options.max_topic_levels = 8;
    options.receive_maximum = 3;
    return options;
}

// One operation, already read; every rig performs the same.
struct Operation {
    std::uint8_t what = 0;
    Slot slot = 0;
    ByteView bytes;
    std::uint8_t number = 0;
};

void perform(Rig& rig, Instant now, const Operation& operation, bool byte_by_byte) {
    Broker& broker = *rig.broker;
    const Slot slot = operation.slot;
    switch (operation.what) {
        case 0:
            if (rig.open[slot]) break;
            rig.open[slot] = true;
            {
                Peer peer;
                peer.tag = slot;
                broker.handle_open(now, slot, peer);
            }
            break;
        case 1:
            if (!rig.open[slot]) break;
            broker.handle_closed(now, slot);
            rig.open[slot] = false;
            break;
        case 2:
            broker.restart(now, (operation.number & 7U) != 0);
            break;
        case 3:
            broker.close(now, slot, CloseCause::backlog, wire::reason::quota_exceeded);
            break;
        case 4:
            while (broker.next_deadline() <= now) broker.handle_timeout(now);
            break;
        default:
            if (!byte_by_byte) {
                broker.handle_bytes(now, slot, operation.bytes, {});
                break;
            }
            for (std::size_t i = 0; i < operation.bytes.size(); ++i) {
                broker.handle_bytes(now, slot, operation.bytes.subspan(i, 1), {});
            }
    }
    rig.drain();
}

void finish(Rig& rig) {
    std::uint64_t unsent = 0;
    rig.broker->for_each_pending([&](std::uint32_t, const Stamp& stamp, wire::QoS) {
        if (stamp.origin != Stamp::kReplay && stamp.sequence == 0) ++unsent;
    });
    require(rig.ledger.expected == rig.sent + rig.ledger.dropped_unsent + unsent);
    rig.broker.reset();
    require(rig.pool.live() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const Options options = options_for(input.byte());
    Rig whole(options);
    Rig pieces(options);
    std::unique_ptr<Rig> fork;
    Instant now{0};
    while (!input.empty()) {
        const std::uint8_t head = input.byte();
        Operation operation;
        operation.slot = head & 3U;
        operation.what = (head >> 2) & 15U;
        if (operation.what >= 5) {
            operation.what = 5;
            operation.bytes = input.bytes(input.byte());
        } else if (operation.what == 2) {
            operation.number = input.byte();
        } else if (operation.what == 4) {
            const std::uint8_t step = input.byte();
            now = now + (step & 0x80U ? seconds(step & 0x7FU) * 10 : milliseconds(100) * step);
        }
        if ((head & 0x40U) != 0 && !fork) fork = std::make_unique<Rig>(whole);
        perform(whole, now, operation, false);
        perform(pieces, now, operation, true);
        if (fork) perform(*fork, now, operation, false);
    }
    require(whole.did == pieces.did);
    if (fork) {
        require(whole.did == fork->did);
        finish(*fork);
    }
    finish(whole);
    finish(pieces);
    return 0;
}
