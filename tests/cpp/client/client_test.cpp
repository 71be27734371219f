#include "client_test.hpp"

#include <array>
#include <cstdio>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string code(std::uint8_t reason) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%02x", static_cast<unsigned>(reason));
    return text.data();
}

std::string codes(ByteView reasons) {
    std::string out;
    for (const std::uint8_t reason : reasons) out += " " + code(reason);
    return out;
}

std::string quality(wire::QoS qos) { return "q" + number(static_cast<unsigned>(qos)); }

// What the tests look at, in a fixed order.
std::string properties_text(const wire::Properties& p) {
    std::string line;
    const auto add = [&](std::string_view name, std::string_view text) {
        if (!text.empty()) line += " " + std::string(name) + "=" + std::string(text);
    };
    add("reason", p.reason_string);
    add("server", p.server_reference);
    add("id", p.assigned_client_identifier);
    add("response", p.response_information);
    add("type", p.content_type);
    if (p.has(wire::Property::topic_alias)) line += " alias=" + number(p.topic_alias);
    if (p.has(wire::Property::will_delay_interval)) {
        line += " delay=" + number(p.will_delay_interval);
    }
    if (p.has(wire::Property::session_expiry_interval)) {
        line += " expiry=" + number(p.session_expiry_interval);
    }
    wire::SubscriptionIdentifiers identifiers(p.subscription_identifiers);
    while (const std::uint32_t identifier = identifiers.next()) line += " #" + number(identifier);
    wire::UserProperties walk(p.user_properties);
    while (const auto item = walk.next()) {
        line += " " + std::string(item.pair.name) + ":" + std::string(item.pair.value);
    }
    return line;
}

std::string describe_connect(const wire::Frame& frame) {
    wire::Connect packet;
    EXPECT_FALSE(wire::decode(frame, packet));
    std::string line = "CONNECT v" + number(static_cast<unsigned>(packet.version));
    line += packet.clean_start ? " clean" : " resume";
    line += " id=" + std::string(packet.client_id) + " keep=" + number(packet.keep_alive);
    line += properties_text(packet.properties);
    if (packet.has_user_name) line += " user=" + std::string(packet.user_name);
    if (packet.has_will) line += " will=" + std::string(packet.will.topic);
    const wire::Properties& p = packet.properties;
    if (packet.has_will) line += properties_text(packet.will.properties);
    if (p.receive_maximum < 65535) line += " receive=" + number(p.receive_maximum);
    if (p.maximum_packet_size > 0) line += " size=" + number(p.maximum_packet_size);
    if (p.topic_alias_maximum > 0) line += " aliases=" + number(p.topic_alias_maximum);
    if (p.request_problem_information == 0) line += " no-problems";
    if (p.request_response_information != 0) line += " response?";
    if (p.has(wire::Property::authentication_method)) {
        line += " auth=" + std::string(p.authentication_method) + ":" +
                std::string(as_text(p.authentication_data));
    }
    return line;
}

std::string describe_publish(const wire::Frame& frame, wire::Version version) {
    wire::Publish packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::client, packet));
    std::string line = "PUBLISH " + quality(packet.qos);
    if (packet.qos != wire::QoS::at_most_once) line += " id=" + number(packet.packet_id);
    if (packet.dup) line += " dup";
    if (packet.retain) line += " retain";
    line += " " + std::string(packet.topic) + "=" + std::string(as_text(packet.payload));
    return line + properties_text(packet.properties);
}

std::string describe_ack(const wire::Frame& frame, wire::Version version) {
    wire::Ack packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id);
    if (packet.reason != 0) line += " " + code(packet.reason);
    return line;
}

std::string describe_subscribe(const wire::Frame& frame, wire::Version version) {
    wire::Subscribe packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = "SUBSCRIBE " + number(packet.packet_id);
    wire::SubscriptionRequests requests(packet);
    for (std::uint32_t n = 0; n < packet.count; ++n) {
        const wire::SubscriptionRequest request = requests.next();
        line += " " + std::string(request.filter) + ":" + quality(request.options.qos);
    }
    return line + properties_text(packet.properties);
}

std::string describe_unsubscribe(const wire::Frame& frame, wire::Version version) {
    wire::Unsubscribe packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    std::string line = "UNSUBSCRIBE " + number(packet.packet_id);
    wire::FilterList filters(packet);
    for (std::uint32_t n = 0; n < packet.count; ++n) line += " " + std::string(filters.next());
    return line + properties_text(packet.properties);
}

std::string describe_disconnect(const wire::Frame& frame, wire::Version version) {
    wire::Disconnect packet;
    EXPECT_FALSE(wire::decode(frame, version, wire::Sender::client, packet));
    return "DISCONNECT " + code(packet.reason) + properties_text(packet.properties);
}

std::string describe_auth(const wire::Frame& frame, wire::Version version) {
    wire::Auth packet;
    EXPECT_FALSE(wire::decode(frame, version, packet));
    return "AUTH " + code(packet.reason) + " " +
           std::string(packet.properties.authentication_method) + ":" +
           std::string(as_text(packet.properties.authentication_data)) +
           properties_text(packet.properties);
}

constexpr std::array<const char*, 8> kCauses = {
    "by_command", "transport",    "connect_failed",  "refused",
    "by_server",  "ping_timeout", "connect_timeout", "protocol_fault"};
constexpr std::array<const char*, 5> kOutcomes = {"sent", "queued", "offline", "queue_full",
                                                  "refused"};

}  // namespace

std::string describe(wire::Version version, ByteView packet) {
    BlobPool pool;
    wire::FramerState state;
    wire::FrameReader reader(pool, state, packet, wire::kMaximumPacketSize);
    wire::Frame frame;
    if (!reader.next(frame) || frame.size() != packet.size()) return "not one whole packet";
    switch (frame.type()) {
        case wire::PacketType::connect:
            return describe_connect(frame);
        case wire::PacketType::publish:
            return describe_publish(frame, version);
        case wire::PacketType::puback:
        case wire::PacketType::pubrec:
        case wire::PacketType::pubrel:
        case wire::PacketType::pubcomp:
            return describe_ack(frame, version);
        case wire::PacketType::subscribe:
            return describe_subscribe(frame, version);
        case wire::PacketType::unsubscribe:
            return describe_unsubscribe(frame, version);
        case wire::PacketType::disconnect:
            return describe_disconnect(frame, version);
        case wire::PacketType::auth:
            return describe_auth(frame, version);
        default:
            EXPECT_FALSE(wire::decode_empty(frame));
            return std::string(wire::packet_name(frame.type()));
    }
}

// --- Recorder ------------------------------------------------------------------------------------

void Recorder::add(Slot client, std::string line) {
    if (lines_.size() <= client) lines_.resize(client + 1);
    lines_[client].push_back(std::move(line));
}

Lines Recorder::take(Slot client) {
    if (lines_.size() <= client) return {};
    return std::exchange(lines_[client], {});
}

void Recorder::on_connected(Instant now, Slot client, bool session_present) {
    add(client, session_present ? "connected resumed" : "connected fresh");
    if (when_connected) when_connected(now, client);
}

void Recorder::on_disconnected(Instant, Slot client, DisconnectCause cause, std::uint8_t reason) {
    const std::string name = kCauses[static_cast<std::size_t>(cause)];
    add(client, "disconnected " + name + " " + code(reason));
}

void Recorder::on_message(Instant now, Slot client, const wire::Publish& packet,
                          const Stamp& stamp) {
    add(client, "message " + quality(packet.qos) + " " + std::string(packet.topic) + "=" +
                    std::string(as_text(packet.payload)));
    message_stamps.push_back(stamp);
    if (when_message) when_message(now, client, packet);
}

void Recorder::on_acknowledged(Instant now, Slot client, const Stamp& stamp, wire::QoS qos,
                               const wire::Ack& packet) {
    add(client,
        "acknowledged " + number(stamp.origin) + " " + quality(qos) + " " + code(packet.reason));
    add_details(std::string(wire::packet_name(packet.type)) + " " + number(packet.packet_id),
                packet.properties);
    if (when_acknowledged) when_acknowledged(now, client, stamp);
}

void Recorder::on_dropped(Instant, Slot client, const Stamp& stamp, wire::QoS qos,
                          PublishOutcome outcome) {
    add(client, "dropped " + number(stamp.origin) + " " + quality(qos) + " " +
                    kOutcomes[static_cast<std::size_t>(outcome)]);
}

void Recorder::on_subscribed(Instant now, Slot client, const wire::ListAck& packet) {
    add(client, "subscribed" + codes(packet.reasons));
    add_details("SUBACK " + number(packet.packet_id), packet.properties);
    if (when_subscribed) when_subscribed(now, client);
}

void Recorder::on_unsubscribed(Instant, Slot client, const wire::ListAck& packet) {
    add(client, "unsubscribed" + codes(packet.reasons));
    add_details("UNSUBACK " + number(packet.packet_id), packet.properties);
}

void Recorder::on_connack(Instant now, Slot client, const wire::Connack& packet) {
    add_details("CONNACK " + code(packet.reason), packet.properties);
    if (when_connack) when_connack(now, client, packet);
}

void Recorder::on_disconnect_received(Instant, Slot, const wire::Disconnect& packet) {
    add_details("DISCONNECT " + code(packet.reason), packet.properties);
}

void Recorder::on_authenticate(Instant now, Slot client, const wire::Auth& packet) {
    add(client, "auth " + code(packet.reason) + " " +
                    std::string(packet.properties.authentication_method) + ":" +
                    std::string(as_text(packet.properties.authentication_data)));
    if (when_authenticate) when_authenticate(now, client, packet);
}

void Recorder::add_details(const std::string& packet, const wire::Properties& properties) {
    details.push_back(packet + properties_text(properties));
}

void Recorder::on_fault(Instant, Slot, const Fault& fault) { faults.push_back(fault); }

// --- TestProfile ---------------------------------------------------------------------------------

void TestProfile::client_id(Slot client, std::string& out) const {
    if (!anonymous) out = "c" + number(client);
}

std::uint32_t TestProfile::subscription_count(Slot) const {
    return static_cast<std::uint32_t>(subscriptions.size());
}

wire::SubscriptionOptions TestProfile::subscription(Slot, std::uint32_t n,
                                                    std::string& filter) const {
    filter = subscriptions[n].first;
    wire::SubscriptionOptions out;
    out.qos = subscriptions[n].second;
    return out;
}

void TestProfile::complete(Slot, wire::Connect& packet, std::vector<std::string>& scratch) const {
    EXPECT_TRUE(scratch.empty());
    if (!user_name.empty()) {
        scratch.push_back(user_name);
        packet.has_user_name = true;
        packet.user_name = scratch.back();
    }
    if (!will_topic.empty()) {
        packet.has_will = true;
        packet.will.topic = will_topic;
        packet.will.properties = will_properties;
    }
    if (!method.empty()) {
        packet.properties.mark(wire::Property::authentication_method);
        packet.properties.authentication_method = method;
        packet.properties.mark(wire::Property::authentication_data);
        packet.properties.authentication_data = as_bytes(data);
    }
    packet.properties.user_properties = connect_properties.user_properties;
    packet.properties.user_property_count = connect_properties.user_property_count;
}

// --- Bench ---------------------------------------------------------------------------------------

Bench::Bench(const Options& chosen, Slot count, std::uint64_t seed)
    : options(chosen),
      clients(options, profile, pool, heard, count, StreamKey::of(seed, "test", "back-off")),
      sent_(count) {}

Bytes Bench::taken(BlobId blob) {
    const ByteView view = pool.bytes(blob);
    Bytes out(view.begin(), view.end());
    pool.release(blob);
    return out;
}

void Bench::drain() {
    Outbox outbox;
    std::swap(outbox, clients.outbox());
    for (const Output& output : outbox) {
        Sent sent{output.kind, output.is_publish, taken(output.head) + taken(output.body),
                  output.stamp};
        sent_[output.slot].push_back(std::move(sent));
    }
}

std::vector<Sent> Bench::take_sent(Slot client) {
    drain();
    return std::exchange(sent_[client], {});
}

Lines Bench::take(Slot client) {
    Lines out;
    for (const Sent& sent : take_sent(client)) {
        switch (sent.kind) {
            case Output::Kind::open:
                out.push_back("open");
                break;
            case Output::Kind::send:
                out.push_back(describe(options.version, sent.bytes));
                EXPECT_EQ(sent.is_publish, out.back().starts_with("PUBLISH "));
                break;
            case Output::Kind::close:
                out.push_back("close");
                break;
            case Output::Kind::abort:
                out.push_back("abort");
                break;
            case Output::Kind::authenticate:
                ADD_FAILURE() << "only brokers ask for this";
                break;
        }
    }
    return out;
}

void Bench::connect(Slot client) { clients.connect(now, client); }

void Bench::open(Slot client) { clients.handle_open(now, client); }

void Bench::go_online(Slot client, bool session_present, const wire::Properties& properties) {
    connect(client);
    open(client);
    receive(connack(session_present, 0, properties), client);
    ASSERT_EQ(clients.phase(client), Phase::online);
    take(client);
    heard.take(client);
}

void Bench::receive(const Bytes& bytes, Slot client, const Stamp& stamp) {
    clients.handle_bytes(now, client, bytes, stamp);
}

void Bench::closed(Slot client) { clients.handle_closed(now, client); }

void Bench::wait_until(Instant at) {
    while (clients.next_deadline() <= at) {
        ASSERT_GE(clients.next_deadline(), now);
        now = clients.next_deadline();
        clients.handle_timeout(now);
        ASSERT_GT(clients.next_deadline(), now);
        drain();
    }
    now = at;
}

void Bench::wait(Duration duration) { wait_until(now + duration); }

PublishOutcome Bench::publish(std::string_view topic, std::string_view payload, wire::QoS qos,
                              std::uint32_t tag, Slot client) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    Stamp stamp;
    stamp.published = now;
    stamp.origin = tag;
    return clients.publish(now, client, packet, stamp);
}

Bytes Bench::connack(bool session_present, std::uint8_t reason,
                     const wire::Properties& properties) {
    wire::Connack packet;
    packet.session_present = session_present;
    packet.reason = reason;
    packet.properties = properties;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::ack(wire::PacketType type, wire::PacketId id, std::uint8_t reason,
                 const wire::Properties& properties) {
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = id;
    packet.reason = reason;
    packet.properties = properties;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::suback(wire::PacketId id, Bytes reasons, const wire::Properties& properties) {
    wire::ListAck packet;
    packet.packet_id = id;
    packet.reasons = reasons;
    packet.properties = properties;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::unsuback(wire::PacketId id, Bytes reasons, const wire::Properties& properties) {
    wire::ListAck packet;
    packet.type = wire::PacketType::unsuback;
    packet.packet_id = id;
    packet.reasons = reasons;
    packet.properties = properties;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::message(std::string_view topic, std::string_view payload, wire::QoS qos,
                     wire::PacketId id, bool dup) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.packet_id = id;
    packet.dup = dup;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::pingresp() { return taken(wire::encode_pingresp(pool)); }

Bytes Bench::message(const wire::Publish& packet) {
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::server_disconnect(std::uint8_t reason, const wire::Properties& properties) {
    wire::Disconnect packet;
    packet.reason = reason;
    packet.properties = properties;
    return taken(wire::encode(pool, options.version, packet));
}

Bytes Bench::auth(std::uint8_t reason, std::string_view method, std::string_view data) {
    wire::Auth packet;
    packet.reason = reason;
    packet.properties.mark(wire::Property::authentication_method);
    packet.properties.authentication_method = method;
    packet.properties.mark(wire::Property::authentication_data);
    packet.properties.authentication_data = as_bytes(data);
    return taken(wire::encode(pool, options.version, packet));
}

void Bench::expect_no_leak() {
    for (Slot client = 0; client < clients.count(); ++client) clients.reset(now, client);
    drain();
    EXPECT_EQ(pool.live(), 0U);
    EXPECT_EQ(clients.next_deadline(), Instant::never());
}

Options version_options(wire::Version version) {
    Options options;
    options.version = version;
    return options;
}

std::string version_name(wire::Version version) {
    return version == wire::Version::v5 ? "v5" : "v311";
}

// --- properties ----------------------------------------------------------------------------------

wire::Properties with_number(wire::Property id, std::uint32_t value, wire::Properties base) {
    using wire::Property;
    base.mark(id);
    const auto byte = static_cast<std::uint8_t>(value);
    const auto two_bytes = static_cast<std::uint16_t>(value);
    switch (id) {
        case Property::maximum_qos:
            base.maximum_qos = byte;
            break;
        case Property::retain_available:
            base.retain_available = byte;
            break;
        case Property::wildcard_subscription_available:
            base.wildcard_subscription_available = byte;
            break;
        case Property::subscription_identifier_available:
            base.subscription_identifier_available = byte;
            break;
        case Property::shared_subscription_available:
            base.shared_subscription_available = byte;
            break;
        case Property::receive_maximum:
            base.receive_maximum = two_bytes;
            break;
        case Property::topic_alias_maximum:
            base.topic_alias_maximum = two_bytes;
            break;
        case Property::topic_alias:
            base.topic_alias = two_bytes;
            break;
        case Property::maximum_packet_size:
            base.maximum_packet_size = value;
            break;
        case Property::session_expiry_interval:
            base.session_expiry_interval = value;
            break;
        case Property::will_delay_interval:
            base.will_delay_interval = value;
            break;
        default:
            ADD_FAILURE() << "not a number that is used here";
    }
    return base;
}

wire::Properties with_text(wire::Property id, std::string_view text, wire::Properties base) {
    using wire::Property;
    base.mark(id);
    switch (id) {
        case Property::reason_string:
            base.reason_string = text;
            break;
        case Property::server_reference:
            base.server_reference = text;
            break;
        case Property::response_information:
            base.response_information = text;
            break;
        case Property::response_topic:
            base.response_topic = text;
            break;
        case Property::content_type:
            base.content_type = text;
            break;
        case Property::authentication_method:
            base.authentication_method = text;
            break;
        default:
            ADD_FAILURE() << "not a text that is used here";
    }
    return base;
}

wire::Properties with_user_property(wire::Properties base) {
    static const std::vector<std::uint8_t> encoded = [] {
        std::vector<std::uint8_t> out;
        wire::append_user_property(out, "kind", "test");
        return out;
    }();
    base.user_properties = encoded;
    base.user_property_count = 1;
    base.user_properties_alone = true;
    return base;
}

wire::Properties with_subscription_identifier() {
    static const std::vector<std::uint8_t> encoded = [] {
        std::vector<std::uint8_t> out;
        wire::append_subscription_identifier(out, 77);
        return out;
    }();
    wire::Properties out;
    out.subscription_identifiers = encoded;
    out.subscription_identifier_count = 1;
    return out;
}

}  // namespace mqttwin::client
