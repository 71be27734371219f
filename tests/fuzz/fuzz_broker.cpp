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
    // What one member of a shared subscription was sent, another one is owed once more.
    void on_rerouted(Instant, std::uint32_t, std::uint32_t, const Stamp& stamp,
                     wire::QoS) override {
        if (stamp.sequence != 0) ++expected;
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
          question(other.question),
          sent(other.sent),
          did(other.did) {}

    void drain() {
        for (const Output& out : broker->outbox()) {
            require(out.slot < kConnections && open[out.slot]);
            did += static_cast<char>('0' + static_cast<int>(out.kind));
            did += static_cast<char>('0' + out.slot);
            if (out.kind == Output::Kind::authenticate) {
                question[out.slot] = out.stamp.sequence;
                look(broker->credentials(out.slot));
            } else if (out.kind == Output::Kind::send) {
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

    // Views of what the client showed are good to read.
    void look(const Credentials& shown) {
        did += shown.client_id;
        did += shown.user_name;
        did += as_text(shown.password);
        did += shown.method;
        did += as_text(shown.data);
        did += shown.first ? '1' : '0';
        did += shown.again ? '1' : '0';
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
    std::array<std::uint32_t, kConnections> question{};
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
    options.outbound_topic_aliases = 2;
    options.max_early_bytes = 300;
    options.max_stored_bytes = 3000;
    options.authenticate = (choice & 0x80U) != 0;
    options.shared_strategy = static_cast<SharedStrategy>((choice & 0x0FU) % 6);
    options.redistribute_shared = (choice & 1U) == 0;
    if ((choice & 0x13U) == 0x13U) options.sys_interval = seconds(60);
    return options;
}

// One operation, already read; every rig performs the same.
struct Operation {
    enum Kind : std::uint8_t { open, gone, restart, close, time, bytes_come, rarer };
    enum Rarer : std::uint8_t { backlog, answer, pace, redirect };
    Kind what = open;
    Rarer which = backlog;
    Slot slot = 0;
    ByteView bytes;
    std::uint8_t number = 0;
};

void open_connection(Rig& rig, Instant now, const Operation& operation) {
    if (rig.open[operation.slot]) return;
    rig.open[operation.slot] = true;
    Peer peer;
    peer.tag = operation.slot;
    peer.real = (operation.slot & 1U) != 0;
    peer.nonce = operation.slot == 3 ? 77 : 0;
    rig.broker->handle_open(now, operation.slot, peer);
}

void give_bytes(Rig& rig, Instant now, const Operation& operation, bool byte_by_byte) {
    const std::size_t step = byte_by_byte ? 1 : operation.bytes.size();
    for (std::size_t at = 0; at < operation.bytes.size(); at += step) {
        rig.broker->handle_bytes(now, operation.slot, operation.bytes.subspan(at, step), {});
    }
}

void perform_rarer(Rig& rig, Instant now, const Operation& operation) {
    const Slot slot = operation.slot;
    switch (operation.which) {
        case Operation::backlog:
            rig.broker->handle_backlog(now, slot, (operation.number & 1U) != 0);
            break;
        case Operation::answer: {
            Verdict verdict;
            verdict.kind = static_cast<Verdict::Kind>(operation.number % 3U);
            verdict.reason = operation.number;
            verdict.data = operation.bytes;
            if ((operation.number & 8U) != 0) verdict.explanation = "because";
            rig.broker->handle_authenticated(now, slot, rig.question[slot], verdict);
            break;
        }
        case Operation::pace:
            rig.broker->set_pace(now, 0.25 * (1 + (operation.number & 15U)));
            break;
        case Operation::redirect:
            rig.broker->redirect(now, slot, "elsewhere", (operation.number & 1U) != 0);
            break;
    }
}

void perform(Rig& rig, Instant now, const Operation& operation, bool byte_by_byte) {
    Broker& broker = *rig.broker;
    const Slot slot = operation.slot;
    switch (operation.what) {
        case Operation::open:
            open_connection(rig, now, operation);
            break;
        case Operation::gone:
            if (!rig.open[slot]) break;
            broker.handle_closed(now, slot);
            rig.open[slot] = false;
            break;
        case Operation::restart:
            broker.restart(now, (operation.number & 7U) != 0,
                           (operation.number & 8U) != 0 ? "spare" : "");
            break;
        case Operation::close:
            broker.close(now, slot, CloseCause::backlog, wire::reason::quota_exceeded);
            break;
        case Operation::time:
            while (broker.next_deadline() <= now) broker.handle_timeout(now);
            break;
        case Operation::bytes_come:
            give_bytes(rig, now, operation, byte_by_byte);
            break;
        case Operation::rarer:
            perform_rarer(rig, now, operation);
            break;
    }
    rig.drain();
}

Operation read_operation(Input& input, std::uint8_t head, Instant& now) {
    Operation operation;
    operation.slot = head & 3U;
    const unsigned what = (head >> 2U) & 15U;
    if (what >= Operation::bytes_come) {
        operation.what = Operation::bytes_come;
        operation.bytes = input.bytes(input.byte());
        return operation;
    }
    operation.what = static_cast<Operation::Kind>(what);
    if ((head & 0x80U) != 0 && what > 0) {
        operation.what = Operation::rarer;
        operation.which = static_cast<Operation::Rarer>(what - 1);
        operation.number = input.byte();
        if (operation.which == Operation::answer) operation.bytes = input.bytes(4);
    } else if (operation.what == Operation::restart) {
        operation.number = input.byte();
    } else if (operation.what == Operation::time) {
        const std::uint8_t step = input.byte();
        now = now + (step & 0x80U ? seconds(step & 0x7FU) * 10 : milliseconds(100) * step);
    }
    return operation;
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
        const Operation operation = read_operation(input, head, now);
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
