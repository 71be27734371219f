#include "fanout.hpp"

#include <cassert>
#include <cstring>

#include "mqttwin/wire/encode.hpp"

namespace mqttwin::broker {
namespace {

using wire::QoS;

// --- Aliases towards a client: the first topics that it gets have one ---------------------------

// Its bound is a few (Options::outbound_topic_aliases): a scan of hashes that lie together.
Alias alias_for(State& s, const Session& to, Fanout& fanout) {
    const Extras& extras = s.extras[s.connections[to.connection].extras];
    const std::uint32_t hash = fanout.topic_hash(s);
    const std::uint8_t* at = s.pool->bytes(extras.given).data();
    for (std::uint16_t i = 0; i < extras.given_count; ++i, at += sizeof(AliasGiven)) {
        AliasGiven given;
        std::memcpy(&given, at, sizeof given);
        if (given.hash != hash || as_text(s.pool->bytes(given.topic)) != fanout.topic()) continue;
        return {static_cast<std::uint16_t>(i + 1), true};
    }
    // [MQTT-3.1.2-26], [MQTT-3.3.2-11]: within the client's maximum; and never 0 [MQTT-3.3.2-8].
    if (extras.given_count == extras.given_maximum) return {};
    return {static_cast<std::uint16_t>(extras.given_count + 1), false};
}

void give_alias(State& s, const Session& to, Fanout& fanout) {
    Extras& extras = s.extras[s.connections[to.connection].extras];
    if (extras.given == BlobId::none) {
        extras.given = s.pool->reserve(extras.given_maximum * sizeof(AliasGiven));
    }
    const AliasGiven given{fanout.topic_hash(s), s.pool->make(as_bytes(fanout.topic()))};
    const auto place = s.pool->writable(extras.given).subspan(extras.given_count * sizeof given);
    std::memcpy(place.data(), &given, sizeof given);
    ++extras.given_count;
}

// The alias that this packet goes with: none if that makes it too large.
Alias usable_alias(State& s, const Session& to, Fanout& fanout, const Copy& copy) {
    if (!to.aliased) return {};
    const Alias alias = alias_for(s, to, fanout);
    if (!to.limited || alias.known || alias.number == 0) return alias;
    const std::size_t size = wire::encoded_size(to.version, fanout.address(copy, 1, false, alias));
    return size <= packet_limit(s, to) ? alias : Alias{};
}

}  // namespace

void transmit_own(State& s, const Session& to, Fanout& fanout, const Copy& copy, bool plain,
                  wire::PacketId id, bool dup, const Stamp& stamp) {
    const Alias alias = usable_alias(s, to, fanout, copy);
    if (plain) {
        const Fanout::Frame frame = fanout.aliased_frame(s, copy.retain, alias);
        s.pool->retain(frame.head);
        s.pool->retain(frame.body);
        push_publish(s, to.connection, frame, stamp);
    } else {
        const wire::Publish& packet = fanout.address(copy, id, dup, alias);
        push_publish(s, to.connection, fanout.frame(s, to.version, packet), stamp);
    }
    if (alias.number != 0 && !alias.known) give_alias(s, to, fanout);
}

bool fits_limit(State& s, const Session& to, Fanout& fanout, const Copy& copy) {
    const Alias alias = usable_alias(s, to, fanout, copy);
    return wire::encoded_size(to.version, fanout.address(copy, 1, false, alias)) <=
           packet_limit(s, to);
}

// --- Fanout -------------------------------------------------------------------------------------

Fanout::Fanout(State& s, wire::Publish& packet, std::uint32_t message, const Stamp& stamp)
    : packet_(packet),
      topic_(packet.topic),
      stamp_(stamp),
      qos_(s.messages[message].qos),
      retain_(s.messages[message].retain),
      message_(message),
      payload_(s.messages[message].payload) {
    s.messages.retain(message);
    s.pool->retain(payload_);
}

void Fanout::release_stored(State& s) {
    if (message_ != kNone) s.messages.release(*s.pool, message_);
    s.pool->release(payload_);
}

const wire::Publish& Fanout::address(const Copy& copy, wire::PacketId id, bool dup,
                                     const Alias& alias) {
    constexpr std::uint64_t kAliasBit = std::uint64_t{1}
                                        << static_cast<unsigned>(wire::Property::topic_alias);
    packet_.qos = copy.qos;
    packet_.retain = copy.retain;
    packet_.dup = dup;
    packet_.packet_id = id;
    packet_.topic = alias.known ? std::string_view() : topic_;
    packet_.properties.topic_alias = alias.number;
    packet_.properties.present &= ~kAliasBit;
    if (alias.number != 0) packet_.properties.present |= kAliasBit;
    packet_.properties.subscription_identifiers = copy.identifiers;
    packet_.properties.subscription_identifier_count = copy.identifiers.empty() ? 0 : 1;
    return packet_;
}

std::uint32_t Fanout::message(State& s, Instant now) {
    if (message_ != kNone) return message_;
    Message m;
    if (packet_.payload.size() <= kSharedPayload) {
        m.frame = received_ != BlobId::none ? received_ : plain_frame(s, true, false);
        s.pool->retain(m.frame);
    } else {
        m.payload = payload(s);
        s.pool->retain(m.payload);
        m.frame = wire::encode_publish_header(*s.pool, wire::Version::v5, address({}, 0, false));
    }
    if (packet_.properties.has(wire::Property::message_expiry_interval)) {
        m.expiry = packet_.properties.message_expiry_interval;
    }
    m.accepted = now;
    m.stamp = stamp_;
    m.qos = qos_;
    m.retain = retain_;
    message_ = s.messages.add(*s.pool, m);
    return message_;
}

// [MQTT-4.3.1-1], [MQTT-3.3.1-2]: at QoS 0, of which nothing is sent again: DUP 0.
BlobId Fanout::make_plain_frame(State& s, bool v5, bool retain) {
    Copy copy;
    copy.retain = retain;
    const BlobId frame = wire::encode(*s.pool, v5 ? wire::Version::v5 : wire::Version::v311,
                                      address(copy, 0, false));
    assert(frame != BlobId::none);  // Broker bounds what it takes so that it can be handed on
    return frame;
}

Fanout::Frame Fanout::aliased_frame(State& s, bool retain, const Alias& alias) {
    if (alias.number == 0) return {plain_frame(s, true, retain), BlobId::none};
    if (aliased_.head == BlobId::none || alias != alias_ || retain != alias_retain_) {
        s.pool->release(aliased_.head);
        s.pool->release(aliased_.body);
        Copy copy;
        copy.retain = retain;
        aliased_ = frame(s, wire::Version::v5, address(copy, 0, false, alias));
        alias_ = alias;
        alias_retain_ = retain;
    }
    return aliased_;
}

Fanout::Frame Fanout::frame(State& s, wire::Version version, const wire::Publish& packet) {
    if (packet.payload.size() <= kSharedPayload) {
        return {wire::encode(*s.pool, version, packet), BlobId::none};
    }
    const BlobId body = payload(s);
    s.pool->retain(body);
    return {wire::encode_publish_header(*s.pool, version, packet), body};
}

BlobId Fanout::payload(State& s) {
    if (payload_ == BlobId::none) payload_ = s.pool->make(packet_.payload);
    return payload_;
}

}  // namespace mqttwin::broker
