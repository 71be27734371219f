#include "broker_test.hpp"

#include <array>
#include <cstdio>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::broker {
namespace {

using wire::PacketType;
using wire::Property;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string code(std::uint8_t reason) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%02x", static_cast<unsigned>(reason));
    return text.data();
}

std::string quality(QoS qos) { return "q" + number(static_cast<unsigned>(qos)); }

std::string describe_connack(const wire::Frame& frame, Version version) {
    wire::Connack packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = "CONNACK";
    if (packet.reason != 0) return line + " " + code(packet.reason);
    line += packet.session_present ? " resumed" : " fresh";
    const wire::Properties& p = packet.properties;
    if (p.has(Property::session_expiry_interval))
        line += " expiry=" + number(p.session_expiry_interval);
    if (p.has(Property::receive_maximum)) line += " receive=" + number(p.receive_maximum);
    if (p.has(Property::maximum_qos)) line += " qos=" + number(p.maximum_qos);
    if (p.has(Property::retain_available)) line += " retain=" + number(p.retain_available);
    if (p.has(Property::maximum_packet_size)) line += " size=" + number(p.maximum_packet_size);
    if (p.has(Property::topic_alias_maximum)) line += " aliases=" + number(p.topic_alias_maximum);
    if (p.has(Property::server_keep_alive)) line += " keep=" + number(p.server_keep_alive);
    if (p.has(Property::assigned_client_identifier)) {
        line += " id=" + std::string(p.assigned_client_identifier);
    }
    return line;
}

std::string describe_publish(const wire::Frame& frame, Version version) {
    wire::Publish packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::server, packet));
    std::string line = "PUBLISH " + quality(packet.qos);
    if (packet.qos != QoS::at_most_once) line += " id=" + number(packet.packet_id);
    if (packet.dup) line += " dup";
    if (packet.retain) line += " retain";
    line += " " + std::string(packet.topic) + "=" + std::string(as_text(packet.payload));
    const wire::Properties& p = packet.properties;
    if (p.has(Property::payload_format_indicator))
        line += " format=" + number(p.payload_format_indicator);
    if (p.has(Property::message_expiry_interval))
        line += " expiry=" + number(p.message_expiry_interval);
    if (p.has(Property::content_type)) line += " type=" + std::string(p.content_type);
    if (p.has(Property::response_topic)) line += " response=" + std::string(p.response_topic);
    if (p.has(Property::correlation_data))
        line += " correlation=" + std::string(as_text(p.correlation_data));
    if (p.has(Property::topic_alias)) line += " alias=" + number(p.topic_alias);
    wire::SubscriptionIdentifiers identifiers(p.subscription_identifiers);
    for (std::uint32_t id = identifiers.next(); id != 0; id = identifiers.next()) {
        line += " sub=" + number(id);
    }
    wire::UserProperties users(p.user_properties);
    for (auto item = users.next(); item.found; item = users.next()) {
        line += " " + std::string(item.pair.name) + ":" + std::string(item.pair.value);
    }
    return line;
}

std::string describe_ack(const wire::Frame& frame, Version version) {
    wire::Ack packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id);
    if (packet.reason != 0) line += " " + code(packet.reason);
    return line;
}

std::string describe_list_ack(const wire::Frame& frame, Version version) {
    wire::ListAck packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id);
    for (const std::uint8_t reason : packet.reasons) line += " " + code(reason);
    return line;
}

std::string describe_disconnect(const wire::Frame& frame, Version version) {
    wire::Disconnect packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::server, packet));
    return "DISCONNECT " + code(packet.reason);
}

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

// --- What clients say ----------------------------------------------------------------------------

Hello& Hello::expires(std::uint32_t seconds) {
    packet.properties.session_expiry_interval = seconds;
    packet.properties.mark(Property::session_expiry_interval);
    return *this;
}

Hello& Hello::receive_maximum(std::uint16_t n) {
    packet.properties.receive_maximum = n;
    packet.properties.mark(Property::receive_maximum);
    return *this;
}

Hello& Hello::maximum_packet_size(std::uint32_t bytes) {
    packet.properties.maximum_packet_size = bytes;
    packet.properties.mark(Property::maximum_packet_size);
    return *this;
}

Hello& Hello::will(std::string_view topic, std::string_view payload, QoS qos, bool retain,
                   std::uint32_t delay) {
    packet.has_will = true;
    packet.will.topic = topic;
    packet.will.payload = as_bytes(payload);
    packet.will.qos = qos;
    packet.will.retain = retain;
    if (delay > 0) {
        packet.will.properties.will_delay_interval = delay;
        packet.will.properties.mark(Property::will_delay_interval);
    }
    return *this;
}

Bytes connect(const Hello& hello) {
    BlobPool pool;
    return taken(pool, wire::encode(pool, hello.packet));
}

Bytes subscribe(Version version, wire::PacketId id, std::initializer_list<Ask> asks,
                std::uint32_t identifier) {
    BlobPool pool;
    std::vector<wire::SubscriptionRequest> requests;
    for (const Ask& ask : asks) {
        wire::SubscriptionRequest request;
        request.filter = ask.filter;
        request.options.qos = ask.qos;
        request.options.no_local = ask.no_local;
        request.options.retain_as_published = ask.retain_as_published;
        request.options.retain_handling = ask.retain_handling;
        requests.push_back(request);
    }
    wire::Properties properties;
    Bytes encoded;
    if (identifier != 0) {
        wire::append_subscription_identifier(encoded, identifier);
        properties.subscription_identifiers = encoded;
        properties.subscription_identifier_count = 1;
    }
    return taken(pool, wire::encode_subscribe(pool, version, id, requests, properties));
}

Bytes unsubscribe(Version version, wire::PacketId id,
                  std::initializer_list<std::string_view> filters) {
    BlobPool pool;
    const std::vector<std::string_view> list(filters);
    return taken(pool, wire::encode_unsubscribe(pool, version, id, list));
}

Bytes publish(Version version, std::string_view topic, std::string_view payload, QoS qos,
              const Extra& extra) {
    BlobPool pool;
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.packet_id = extra.id;
    packet.retain = extra.retain;
    packet.dup = extra.dup;
    wire::Properties& p = packet.properties;
    if (extra.expiry > 0) {
        p.message_expiry_interval = extra.expiry;
        p.mark(Property::message_expiry_interval);
    }
    if (extra.alias > 0) {
        p.topic_alias = extra.alias;
        p.mark(Property::topic_alias);
    }
    if (extra.format >= 0) {
        p.payload_format_indicator = static_cast<std::uint8_t>(extra.format);
        p.mark(Property::payload_format_indicator);
    }
    if (!extra.content_type.empty()) {
        p.content_type = extra.content_type;
        p.mark(Property::content_type);
    }
    if (!extra.response_topic.empty()) {
        p.response_topic = extra.response_topic;
        p.mark(Property::response_topic);
    }
    if (!extra.correlation.empty()) {
        p.correlation_data = as_bytes(extra.correlation);
        p.mark(Property::correlation_data);
    }
    Bytes users;
    if (!extra.user_name.empty()) {
        wire::append_user_property(users, extra.user_name, extra.user_value);
        p.user_properties = users;
        p.user_property_count = 1;
    }
    return taken(pool, wire::encode(pool, version, packet));
}

Bytes ack(Version version, PacketType type, wire::PacketId id, std::uint8_t reason) {
    BlobPool pool;
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = id;
    packet.reason = reason;
    return taken(pool, wire::encode(pool, version, packet));
}

Bytes pingreq() {
    BlobPool pool;
    return taken(pool, wire::encode_pingreq(pool));
}

Bytes disconnect(Version version, std::uint8_t reason, std::int64_t expiry) {
    BlobPool pool;
    wire::Disconnect packet;
    packet.reason = reason;
    if (expiry >= 0) {
        packet.properties.session_expiry_interval = static_cast<std::uint32_t>(expiry);
        packet.properties.mark(Property::session_expiry_interval);
    }
    return taken(pool, wire::encode(pool, version, packet));
}

std::string describe(Version version, ByteView packet) {
    BlobPool pool;
    wire::FramerState state;
    wire::FrameReader reader(pool, state, packet, wire::kMaximumPacketSize);
    wire::Frame frame;
    if (!reader.next(frame) || frame.size() != packet.size()) {
        reader.abandon();
        return "not one whole packet";
    }
    switch (frame.type()) {
        case PacketType::connack:
            return describe_connack(frame, version);
        case PacketType::publish:
            return describe_publish(frame, version);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return describe_ack(frame, version);
        case PacketType::suback:
        case PacketType::unsuback:
            return describe_list_ack(frame, version);
        case PacketType::disconnect:
            return describe_disconnect(frame, version);
        default:
            EXPECT_FALSE(wire::decode_empty(frame));
            return std::string(wire::packet_name(frame.type()));
    }
}

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
        bench_.broker.handle_bytes(bench_.now, slot_, piece, stamp);
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
    const auto slot = static_cast<Slot>(by_slot_.size());
    Peer peer;
    peer.tag = tag == Stamp::kNobody - 1 ? slot : tag;
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
        party.bytes = party.bytes + packet;
        if (!party.reads) continue;
        party.lines_.push_back(describe(party.version_, packet));
        EXPECT_EQ(out.is_publish, party.lines_.back().starts_with("PUBLISH"));
    }
}

}  // namespace mqttwin::broker
