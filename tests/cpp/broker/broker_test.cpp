#include "broker_test.hpp"

#include <array>

namespace mqttwin::broker {
namespace {

using wire::PacketType;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string code(std::uint8_t reason) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return {kDigits[reason >> 4U], kDigits[reason & 15U]};
}

std::string quality(QoS qos) { return "q" + number(static_cast<unsigned>(qos)); }

Bytes taken(BlobPool& pool, BlobId blob) {
    const ByteView view = pool.bytes(blob);
    Bytes bytes(view.begin(), view.end());
    pool.release(blob);
    return bytes;
}

constexpr std::array<const char*, kDropReasons> kDrops = {
    "queue_full",   "session_ended",     "packet_too_large", "message_expired",
    "offline_qos0", "refused_by_client", "restart"};
constexpr std::array<const char*, kCloseCauses> kCauses = {
    "client_disconnect", "network",         "keep_alive",     "taken_over", "protocol_fault",
    "refused",           "connect_timeout", "administrative", "backlog"};

}  // namespace

// --- Witness -------------------------------------------------------------------------------------

void Witness::on_connect(Instant, Slot, std::uint32_t tag, std::string_view client_id,
                         bool session_present) {
    lines_.push_back("connect " + number(tag) + " " + std::string(client_id) +
                     (session_present ? " resumed" : " fresh"));
}

void Witness::on_close(Instant, Slot, std::uint32_t tag, CloseCause cause, std::uint8_t reason) {
    lines_.push_back("close " + number(tag) + " " + kCauses[static_cast<std::size_t>(cause)] + " " +
                     code(reason));
}

void Witness::on_publish(Instant, std::uint32_t publisher, const Stamp& stamp,
                         const wire::Publish& message, std::uint32_t matched) {
    published.push_back(stamp);
    lines_.push_back("publish " + number(publisher) + " " + quality(message.qos) +
                     (message.retain ? " retain " : " ") + std::string(message.topic) + " to " +
                     number(matched));
}

void Witness::on_expected(Instant, std::uint32_t subscriber, const Stamp& stamp, QoS qos) {
    EXPECT_EQ(stamp.sequence, 0U);
    ++expected;
    lines_.push_back("expected " + number(subscriber) + " " + quality(qos));
}

void Witness::on_drop(Instant, std::uint32_t subscriber, const Stamp& stamp, QoS qos,
                      DropReason reason) {
    if (stamp.origin != Stamp::kReplay) ++dropped;
    std::string line = "drop " + number(subscriber) + " " + quality(qos) + " " +
                       kDrops[static_cast<std::size_t>(reason)];
    if (stamp.sequence != 0) line += " #" + number(stamp.sequence);
    if (stamp.origin == Stamp::kReplay) line += " replay";
    lines_.push_back(line);
}

void Witness::on_rerouted(Instant, std::uint32_t from, std::uint32_t to, const Stamp& stamp,
                          QoS qos) {
    std::string line = "rerouted " + number(from) + " to " + number(to) + " " + quality(qos);
    if (stamp.sequence != 0) line += " #" + number(stamp.sequence);
    lines_.push_back(line);
}

void Witness::on_fault(Instant, Slot, std::uint32_t tag, const Fault& fault) {
    faults.push_back(fault);
    lines_.push_back("fault " + number(tag) + " " + code(fault.reason));
}

Lines Witness::take(std::initializer_list<std::string_view> words) {
    Lines taken;
    for (std::string& line : std::exchange(lines_, {})) {
        for (const std::string_view word : words) {
            if (line.starts_with(word)) taken.push_back(std::move(line));
        }
    }
    return taken;
}

// --- Party ---------------------------------------------------------------------------------------

void Party::says(const Bytes& message, const Stamp& stamp) {
    const std::size_t step = bench_.chunk == 0 ? message.size() : bench_.chunk;
    for (std::size_t at = 0; at < message.size(); at += step) {
        const std::size_t size = std::min(step, message.size() - at);
        // A copy of exactly this size, so that a sanitizer sees any look beyond it.
        const Bytes piece(message.begin() + static_cast<std::ptrdiff_t>(at),
                          message.begin() + static_cast<std::ptrdiff_t>(at + size));
        if (!bench_.in_blobs) {
            bench_.broker.handle_bytes(bench_.now, slot_, piece, stamp);
            continue;
        }
        bench_.said = bench_.pool.make(piece);
        bench_.broker.handle_bytes(bench_.now, slot_, bench_.pool.bytes(bench_.said), stamp,
                                   bench_.said);
        bench_.pool.release(bench_.said);
    }
    bench_.drain();
}

void Party::vanishes() {
    bench_.broker.handle_closed(bench_.now, slot_);
    closed_ = true;
    bench_.drain();
}

void Party::hears(const Lines& lines) { EXPECT_EQ(heard(), lines); }

void Party::subscribes(wire::PacketId id, std::initializer_list<Ask> asks,
                       std::uint32_t identifier) {
    says(subscribe(version_, id, asks, identifier));
}

void Party::unsubscribes(wire::PacketId id, std::initializer_list<std::string_view> filters) {
    says(unsubscribe(version_, id, filters));
}

void Party::publishes(std::string_view topic, std::string_view payload, QoS qos,
                      const Extra& extra) {
    Stamp stamp;
    stamp.published = bench_.now;
    stamp.origin = slot_;
    says(publish(version_, topic, payload, qos, extra), stamp);
}

void Party::acks(PacketType type, wire::PacketId id, std::uint8_t reason) {
    says(ack(version_, type, id, reason));
}

void Party::leaves(std::uint8_t reason, std::int64_t expiry) {
    says(disconnect(version_, reason, expiry));
}

Credentials Party::shows() const { return bench_.broker.credentials(slot_); }

void Party::is_answered(const Verdict& verdict) {
    bench_.broker.handle_authenticated(bench_.now, slot_, question_, verdict);
    bench_.drain();
}

void Party::is_vouched_for(std::string_view data) {
    is_answered({Verdict::Kind::success, 0, as_bytes(data), {}});
}

void Party::is_challenged(std::string_view data, std::string_view explanation) {
    is_answered({Verdict::Kind::more, 0, as_bytes(data), explanation});
}

void Party::is_rejected(std::uint8_t reason, std::string_view explanation) {
    is_answered({Verdict::Kind::failure, reason, {}, explanation});
}

void Party::is_congested(bool congested) {
    bench_.broker.handle_backlog(bench_.now, slot_, congested);
    bench_.drain();
}

// --- Bench ---------------------------------------------------------------------------------------

Bench::Bench(const Options& options)
    : broker(options, pool, witness, StreamKey::of(1, "broker", "test")) {}

Bench::~Bench() {
    // Everything is given back, whatever the test left behind.
    {
        const Broker last = std::move(broker);
    }
    EXPECT_EQ(pool.live(), 0U);
}

Party& Bench::open(Version version, std::uint32_t tag) {
    Peer peer;
    peer.tag = tag == Stamp::kNobody - 1 ? static_cast<Slot>(by_slot_.size()) : tag;
    return open(version, peer);
}

Party& Bench::open(Version version, const Peer& peer) {
    const auto slot = static_cast<Slot>(by_slot_.size());
    broker.handle_open(now, slot, peer);
    parties_.emplace_back(*this, slot, version);
    by_slot_.push_back(&parties_.back());
    drain();
    return parties_.back();
}

Party& Bench::open_with(const Hello& hello) {
    Party& party = open(hello.packet.version);
    party.says(connect(hello));
    return party;
}

Party& Bench::enter(const Hello& hello, bool present) {
    Party& party = open_with(hello);
    const Lines lines = party.heard();
    EXPECT_FALSE(lines.empty());
    if (lines.empty()) return party;
    EXPECT_TRUE(lines[0].starts_with(present ? "CONNACK resumed" : "CONNACK fresh")) << lines[0];
    party.lines_.assign(lines.begin() + 1, lines.end());
    return party;
}

Party& Bench::join(std::string_view client_id, Version version) {
    return enter(Hello(version, client_id));
}

Party& Bench::return_as(std::string_view client_id, Version version, bool present) {
    Hello hello(version, client_id);
    hello.resume();
    if (version == Version::v5) hello.expires(0xFFFF'FFFFU);
    return enter(hello, present);
}

void Bench::after(Duration duration) {
    const Instant until = now + duration;
    while (broker.next_deadline() <= until) {
        now = max(now, broker.next_deadline());
        broker.handle_timeout(now);
        EXPECT_GT(broker.next_deadline(), now);
        drain();
    }
    now = until;
}

void Bench::drain() {
    for (const Output& out : std::exchange(broker.outbox(), {})) {
        ASSERT_LT(out.slot, by_slot_.size());
        Party& party = *by_slot_[out.slot];
        EXPECT_FALSE(party.closed_) << "output after the close";
        if (out.kind == Output::Kind::close) {
            party.lines_.push_back("close");
            party.closed_ = true;
            continue;
        }
        if (out.kind == Output::Kind::authenticate) {
            party.question_ = out.stamp.sequence;
            party.lines_.push_back("who?");
            continue;
        }
        if (out.kind == Output::Kind::abort) {
            party.lines_.push_back("abort");
            party.closed_ = party.aborted_ = true;
            continue;
        }
        ASSERT_EQ(out.kind, Output::Kind::send);
        if (out.is_publish) {
            party.stamps.push_back(out.stamp);
            party.heads.push_back(out.head);
            party.bodies.push_back(out.body);
        }
        const Bytes packet = taken(pool, out.head) + taken(pool, out.body);
        party.bytes.insert(party.bytes.end(), packet.begin(), packet.end());
        if (!party.reads) continue;
        const std::string why = reason_string(party.version_, packet);
        if (!why.empty()) party.reasons.push_back(why);
        party.lines_.push_back(describe(party.version_, packet));
        EXPECT_EQ(out.is_publish, party.lines_.back().starts_with("PUBLISH"));
    }
}

}  // namespace mqttwin::broker
