// What happens in a broker, for those who count, measure and log.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/fault.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::broker {

enum class DropReason : std::uint8_t {
    queue_full,        // the session's bound, the broker's, or a client that reads too slowly
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
    refused,  // CONNACK with an error, or a re-authentication that failed
    connect_timeout,
    administrative,  // restart, shutdown, sent elsewhere
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
    /// A member of a shared subscription left: what `from` was owed is owed to `to` from now on. A
    /// sequence of the stamp that is not 0 is the one under which it was sent to `from` (QoS 1), so
    /// it may have been delivered there, and is then delivered a second time. No on_expected.
    virtual void on_rerouted(Instant, std::uint32_t /*from*/, std::uint32_t /*to*/, const Stamp&,
                             wire::QoS) {}
    virtual void on_fault(Instant, Slot /*connection*/, std::uint32_t /*tag*/, const Fault&) {}
};

}  // namespace mqttwin::broker
