// Application messages that outlive the handling of the packet that brought them.
#pragma once

#include <cstdint>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::broker {

/// Payloads up to this size are copied into each packet that differs by subscriber; longer ones
/// are one blob that all those packets share. So fan-out never multiplies a large payload.
inline constexpr std::size_t kSharedPayload = 256;

/// One message, however many sessions it waits for.
struct Message {
    static constexpr std::uint32_t kNoExpiry = 0xFFFF'FFFFU;

    // A 5.0 PUBLISH, perhaps less its payload, with flags and identifier of whoever made it.
    BlobId frame = BlobId::none;
    BlobId payload = BlobId::none;  // kept apart when it is over kSharedPayload
    std::uint32_t references = 0;
    std::uint32_t expiry = kNoExpiry;  // seconds after `accepted`
    Instant accepted;
    Stamp stamp;
    wire::QoS qos = wire::QoS::at_most_once;  // as published
    bool retain = false;                      // as published
};

/// Messages in a slab, counted by those that hold them.
class MessageStore {
   public:
    static constexpr std::uint32_t kNone = Slab<Message>::kNone;

    /// Takes over one reference to each blob of the record; the message has one reference.
    std::uint32_t add(const BlobPool& pool, const Message& message);
    void retain(std::uint32_t index) { ++messages_[index].references; }
    void release(BlobPool& pool, std::uint32_t index);
    /// Forgets all messages, whoever holds them.
    void clear(BlobPool& pool);

    [[nodiscard]] const Message& operator[](std::uint32_t index) const { return messages_[index]; }

    /// The packet as it is to be sent at `now`: QoS 0, the message expiry counted down
    /// [MQTT-3.3.2-6]. Views point into the message's blobs.
    [[nodiscard]] wire::Publish view(const BlobPool& pool, Instant now, std::uint32_t index) const;

    /// Whether the message's lifetime is over [MQTT-3.3.2-5].
    [[nodiscard]] bool expired(Instant now, std::uint32_t index) const {
        const Message& m = messages_[index];
        return m.expiry != Message::kNoExpiry && now >= m.accepted + seconds(m.expiry);
    }

    [[nodiscard]] std::size_t live() const { return messages_.live(); }
    /// Bytes of all messages held: packets and payloads, with a little for each record.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    /// What a message with so many bytes of topic, properties and payload adds to that, or less.
    [[nodiscard]] static std::uint64_t cost(std::size_t size) { return size + kOverhead; }
    void archive(Archive& a) { a(messages_, bytes_); }

   private:
    static constexpr std::uint64_t kOverhead = sizeof(Message) + 32;  // and the blobs' own

    [[nodiscard]] static std::uint64_t bytes_of(const BlobPool& pool, const Message& message) {
        return cost(pool.bytes(message.frame).size() + pool.bytes(message.payload).size());
    }

    Slab<Message> messages_;
    std::uint64_t bytes_ = 0;
};

/// Takes away what belongs to one hop only: identifiers, alias, flags of this delivery. What is
/// left is what every subscriber gets [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
/// [MQTT-3.3.2-17] [MQTT-3.3.2-20].
void keep_end_to_end(wire::Publish& publish);

}  // namespace mqttwin::broker
