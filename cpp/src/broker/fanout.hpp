// A message on its way to many sessions: what their copies share, and how one of them is sent.
#pragma once

#include <cstdint>
#include <string_view>

#include "connections.hpp"
#include "state.hpp"

namespace mqttwin::broker {

/// What one session gets of a message.
struct Copy {
    wire::QoS qos = wire::QoS::at_most_once;
    bool retain = false;
    std::uint32_t group = Groups::kNoGroup;  // the shared subscription that chose this session
    ByteView identifiers;                    // encoded subscription identifiers
};

/// A topic alias towards one client; none while the number is 0.
struct Alias {
    std::uint16_t number = 0;
    bool known = false;  // to the client: the topic need not be said
    friend bool operator==(const Alias&, const Alias&) = default;
};

/// What Options::max_stored_bytes bounds: messages, each counted once, and who is to get them.
[[nodiscard]] inline std::uint64_t stored_bytes(const State& s) {
    return s.messages.bytes() + (s.queued + s.in_flight) * sizeof(Pending);
}
/// What a message adds to that when it is stored, or a little less.
[[nodiscard]] inline std::uint64_t cost_of(const wire::Publish& packet, std::string_view topic) {
    return MessageStore::cost(topic.size() + packet.payload.size() +
                              packet.properties.user_properties.size());
}

/// A message on its way to any number of sessions: all that their copies can share, made when it
/// is first needed. Call `finish` when all have been served.
class Fanout {
   public:
    /// `packet` outlives the fan-out; what differs by copy is overwritten in it.
    Fanout(wire::Publish& packet, const Stamp& stamp)
        : packet_(packet),
          topic_(packet.topic),
          stamp_(stamp),
          qos_(packet.qos),
          retain_(packet.retain) {}
    /// The same for a message of the store, with the store's blobs.
    Fanout(State& s, wire::Publish& packet, std::uint32_t message, const Stamp& stamp);
    Fanout(const Fanout&) = delete;
    Fanout& operator=(const Fanout&) = delete;

    void finish(State& s) {
        if (message_ != kNone || payload_ != BlobId::none) release_stored(s);
        if (frames_[1][0] == received_) frames_[1][0] = BlobId::none;
        for (const auto& by_retain : frames_) {
            for (const BlobId frame : by_retain) s.pool->release(frame);
        }
        s.pool->release(aliased_.head);
        s.pool->release(aliased_.body);
    }
    /// The packet as it came, in a blob that outlives the fan-out: at QoS 0 that is the plain frame
    /// of MQTT 5.0, without RETAIN; at others it will do for the store.
    void hand_on(BlobId received) {
        received_ = received;
        if (qos_ == wire::QoS::at_most_once) frames_[1][0] = received;
    }

    [[nodiscard]] const Stamp& stamp() const { return stamp_; }
    [[nodiscard]] std::string_view topic() const { return topic_; }
    [[nodiscard]] std::size_t payload_size() const { return packet_.payload.size(); }

    /// Whether there is room to keep the message for one more session.
    [[nodiscard]] bool storable(const State& s) const {
        const std::uint64_t message = message_ == kNone ? cost_of(packet_, topic_) : 0;
        return stored_bytes(s) + sizeof(Pending) + message <= s.options.max_stored_bytes;
    }
    /// What the message takes in the store, for one session.
    [[nodiscard]] std::uint64_t cost() const { return sizeof(Pending) + cost_of(packet_, topic_); }
    /// The message in the store; the reference belongs to the fan-out.
    std::uint32_t message(State& s, Instant now);

    /// The packet as this copy is: valid until the next copy.
    const wire::Publish& address(const Copy& copy, wire::PacketId id, bool dup,
                                 const Alias& alias = {});
    /// The whole packet at QoS 0 without identifiers, the same for everybody of this version.
    BlobId plain_frame(State& s, bool v5, bool retain) {
        BlobId& frame = frames_[v5 ? 1 : 0][retain ? 1 : 0];
        if (frame == BlobId::none) frame = make_plain_frame(s, v5, retain);
        return frame;
    }
    /// The payload as a blob of its own.
    BlobId payload(State& s);
    /// The same for those to whom the topic goes by this alias, in one blob or two.
    struct Frame {
        BlobId head = BlobId::none;
        BlobId body = BlobId::none;
    };
    Frame aliased_frame(State& s, bool retain, const Alias& alias);
    /// A new packet for one copy.
    Frame frame(State& s, wire::Version version, const wire::Publish& packet);

    [[nodiscard]] std::uint32_t topic_hash(const State& s) {
        if (!hashed_) topic_hash_ = s.hash_of(topic_);
        hashed_ = true;
        return topic_hash_;
    }

   private:
    void release_stored(State& s);
    BlobId make_plain_frame(State& s, bool v5, bool retain);

    wire::Publish& packet_;
    std::string_view topic_;
    Stamp stamp_;
    wire::QoS qos_;
    bool retain_;
    bool hashed_ = false;
    std::uint32_t topic_hash_ = 0;
    std::uint32_t message_ = kNone;
    BlobId payload_ = BlobId::none;
    BlobId received_ = BlobId::none;
    BlobId frames_[2][2] = {};
    // The latest aliased frame: subscribers that came alike have the same aliases.
    Alias alias_;
    bool alias_retain_ = false;
    Frame aliased_;
};

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]: what is too large for the client is not sent, as if it were.
[[nodiscard]] bool fits_limit(State& s, const Session& to, Fanout& fanout, const Copy& copy);
[[nodiscard]] inline bool fits(State& s, const Session& to, Fanout& fanout, const Copy& copy) {
    return !to.limited || fits_limit(s, to, fanout, copy);
}

[[gnu::always_inline]] inline void push_publish(State& s, Slot slot, const Fanout::Frame& frame,
                                                const Stamp& stamp) {
    Output& out = s.outbox.emplace_back();
    out.kind = Output::Kind::send;
    out.is_publish = true;
    out.slot = slot;
    out.head = frame.head;
    out.body = frame.body;
    out.stamp = stamp;
    count_sent(s, frame.head, frame.body);
}

/// A packet that this copy does not share with everybody.
void transmit_own(State& s, const Session& to, Fanout& fanout, const Copy& copy, bool plain,
                  wire::PacketId id, bool dup, const Stamp& stamp);

/// Sends a copy. Precondition: connected, and it fits. Inline, like what it is made of: a fan-out
/// at QoS 0 does little else.
[[gnu::always_inline]] inline void transmit(State& s, const Session& to, Fanout& fanout,
                                            const Copy& copy, wire::PacketId id, bool dup,
                                            const Stamp& stamp) {
    ++s.tally.publishes_sent;
    s.tally.publish_bytes_sent += fanout.payload_size();
    const bool v5 = to.version == wire::Version::v5;
    const bool plain = copy.qos == wire::QoS::at_most_once && (copy.identifiers.empty() || !v5);
    if (!plain || to.aliased) {
        return transmit_own(s, to, fanout, copy, plain, id, dup, stamp);
    }
    const BlobId frame = fanout.plain_frame(s, v5, copy.retain);
    s.pool->retain(frame);
    push_publish(s, to.connection, {frame, BlobId::none}, stamp);
}

}  // namespace mqttwin::broker
