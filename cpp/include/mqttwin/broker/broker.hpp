// The broker engine: connections in dense slots, sessions, routing; no clock, socket or thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::broker {

/// Every bound and unspecified choice of the broker, with its default.
struct Options {
    std::uint32_t maximum_packet_size = 1U << 20;  // bytes, announced and enforced
    std::uint16_t receive_maximum = 1024;          // QoS > 0 from a client awaiting our answer
    std::uint32_t max_in_flight = 256;             // QoS > 0 to a client, with its own maximum
    std::uint32_t max_queued = 1000;               // messages kept for a session beyond the window
    bool queue_qos0_offline = false;
    std::uint32_t max_session_expiry = 0xFFFF'FFFF;  // seconds
    wire::QoS maximum_qos = wire::QoS::exactly_once;
    bool retain_available = true;
    std::uint32_t max_retained = 1'000'000;
    std::uint32_t max_sessions = 10'000'000;
    std::uint32_t max_subscriptions_per_session = 1000;
    std::uint32_t max_topic_levels = 256;
    std::uint16_t topic_alias_maximum = 0;
    std::uint16_t server_keep_alive = 0;     // 0: the client's own
    Duration connect_timeout = seconds(30);  // from open to CONNECT
    bool allow_anonymous = true;
    bool retain_clears_with_empty = true;
    bool check_payload_format = false;  // refuse "text" payloads that are not UTF-8
};

/// Who is at the other end of a connection.
struct Peer {
    /// Tag of the entity in the world, echoed to the observer; Stamp::kNobody for a real client.
    std::uint32_t tag = Stamp::kNobody;
    std::string_view address;  // for logs
};

enum class DropReason : std::uint8_t {
    queue_full,        // the session's bound
    session_ended,     // expired, clean start, or taken over by a clean one while it was waiting
    packet_too_large,  // the subscriber's Maximum Packet Size
    message_expired,
    offline_qos0,       // QoS 0 and not connected
    refused_by_client,  // PUBACK / PUBREC with an error
    restart,            // the broker restarted and kept nothing
};
inline constexpr unsigned kDropReasons = 7;

enum class CloseCause : std::uint8_t {
    client_disconnect,  // DISCONNECT received
    network,            // the transport closed or broke
    keep_alive,
    taken_over,
    protocol_fault,
    refused,  // CONNACK with an error
    connect_timeout,
    administrative,  // restart, shutdown
    backlog,         // the client reads too slowly
};
inline constexpr unsigned kCloseCauses = 9;

/// What happens in the broker; every method has an empty default. `subscriber` and `publisher`
/// are peer tags. Called while the broker is handling something: observers only look.
class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_connect(Instant, Slot /*connection*/, std::uint32_t /*tag*/,
                            std::string_view /*client_id*/, bool /*session_present*/) {}
    virtual void on_close(Instant, Slot /*connection*/, std::uint32_t /*tag*/, CloseCause,
                          std::uint8_t /*reason*/) {}
    /// A publish was accepted and routed to `matched` sessions (once, also for QoS 2). The stamp is
    /// the publisher's, its own sequence number included.
    virtual void on_publish(Instant, std::uint32_t /*publisher*/, const Stamp&,
                            const wire::Publish&, std::uint32_t /*matched*/) {}
    /// One of those: a message now owed to a subscriber, at the QoS granted. Each is settled
    /// by its first delivery or by one on_drop, or is still pending (for_each_pending).
    virtual void on_expected(Instant, std::uint32_t /*subscriber*/, const Stamp&, wire::QoS) {}
    /// The stamp's sequence is not 0 if it was sent before, so it may have been delivered all the
    /// same; its origin is Stamp::kReplay for a retained replay, which nobody expected.
    virtual void on_drop(Instant, std::uint32_t /*subscriber*/, const Stamp&, wire::QoS,
                         DropReason) {}
    virtual void on_fault(Instant, Slot /*connection*/, std::uint32_t /*tag*/, const Fault&) {}
};

struct Counts {
    std::uint64_t connections = 0;
    std::uint64_t sessions = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t retained = 0;
    std::uint64_t queued = 0;  // waiting beyond the window or offline
    std::uint64_t in_flight = 0;
};

/// All that a broker knows; private to its room.
struct State;

class Broker {
   public:
    /// `key` keys hashes of peer-chosen text and assigned client identifiers.
    Broker(const Options& options, BlobPool& pool, Observer& observer, StreamKey key);
    /// A copy that goes its own way with a copy of the pool (a forked world).
    Broker(const Broker& other, BlobPool& pool, Observer& observer);
    Broker(Broker&& other) noexcept;
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;
    Broker& operator=(Broker&&) = delete;
    /// Gives back all blobs, those in the outbox included. The pool outlives the broker.
    ~Broker();

    /// The pool and the observer have moved.
    void rebind(BlobPool& pool, Observer& observer);

    // The network. `connection` is free before handle_open and after the close.
    void handle_open(Instant now, Slot connection, const Peer& peer);
    /// `stamp` is the one of the send that these bytes are (part of).
    void handle_bytes(Instant now, Slot connection, ByteView bytes, const Stamp& stamp);
    /// The transport is gone. Not called for a connection that the broker closed itself.
    void handle_closed(Instant now, Slot connection);

    /// Ends a connection for a reason of the world's: a client that reads too slowly, an operator.
    void close(Instant now, Slot connection, CloseCause cause, std::uint8_t reason);

    // Time.
    [[nodiscard]] Instant next_deadline() const;
    void handle_timeout(Instant now);

    /// After an Output close or abort for a slot, the slot is free for another handle_open once
    /// the world has let go of it; late bytes for it are ignored.
    Outbox& outbox();

    // Commands.
    /// Ends every connection: 5.0 clients get DISCONNECT 0x8B and a close, others an abort.
    /// Sessions, subscriptions and retained messages stay, or all is forgotten, wills included.
    void restart(Instant now, bool keep_sessions);
    /// A message from the application that owns the broker.
    void publish(Instant now, const wire::Publish& message, const Stamp& stamp);

    /// Loads what bytes from this connection will touch; `prefetch_session` reads what `prefetch`
    /// has loaded.
    void prefetch(Slot connection) const;
    void prefetch_session(Slot connection) const;

    [[nodiscard]] Counts counts() const;
    /// Every message owed to a subscriber that is queued or in flight: (subscriber tag, stamp,
    /// QoS). A QoS 2 message is settled by its PUBREC. Retained replays have Stamp::kReplay as
    /// origin.
    void for_each_pending(
        const std::function<void(std::uint32_t, const Stamp&, wire::QoS)>& visit) const;

   private:
    std::unique_ptr<State> state_;
};

}  // namespace mqttwin::broker
