// Whom a client engine asks and whom it tells: what differs by client, and what happens to them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/fault.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/client/options.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::client {

/// Text that differs by client, asked for when it is needed instead of being kept a million times.
class Profile {
   public:
    virtual ~Profile() = default;
    virtual void client_id(Slot client, std::string& out) const = 0;
    /// Comes with what the options say.
    virtual void terms(Slot /*client*/, ConnectTerms& /*of_the_options*/) const {}
    /// Subscriptions that a client makes whenever it gets a fresh session, and again until the
    /// server has answered them.
    [[nodiscard]] virtual std::uint32_t subscription_count(Slot) const { return 0; }
    virtual wire::SubscriptionOptions subscription(Slot /*client*/, std::uint32_t /*n*/,
                                                   std::string& filter) const {
        filter.clear();
        return {};
    }
    /// Fills user name, password, will, user properties, and authentication method and data, which
    /// make the connect an enhanced authentication (views must outlive the call; use the given
    /// scratch text, which comes empty). What the engine has filled in is not for changing.
    virtual void complete(Slot /*client*/, wire::Connect& /*packet*/,
                          std::vector<std::string>& /*scratch*/) const {}
};

/// What became of a publish command.
enum class PublishOutcome : std::uint8_t {
    sent,
    queued,
    dropped_offline,
    dropped_queue_full,
    refused,  // `check_publish` says why
};

enum class DisconnectCause : std::uint8_t {
    by_command,
    transport,       // the network closed or broke the connection
    connect_failed,  // the transport never opened
    refused,         // CONNACK with an error
    by_server,       // DISCONNECT received
    ping_timeout,
    connect_timeout,
    protocol_fault,  // the server broke the protocol
};

/// What happens to the clients; every method has an empty default. Called while the engine is
/// handling something; views live until the method returns.
///
/// A listener may read the engine. It may call `publish`, `subscribe`, `unsubscribe` and
/// `disconnect` only from `on_message`, `on_connected`, `on_subscribed`, `on_unsubscribed` and
/// `on_acknowledged`; `disconnect` from `on_connack`, too; `authenticate` and `disconnect` from
/// `on_authenticate`.
class Listener {
   public:
    virtual ~Listener() = default;
    /// What the server said to CONNECT, be it yes or no. Nothing has been sent to it yet:
    /// `disconnect` leaves a server that one does not trust.
    virtual void on_connack(Instant, Slot, const wire::Connack&) {}
    /// CONNACK accepted the client, and what its session still owed has been sent.
    virtual void on_connected(Instant, Slot, bool /*session_present*/) {}
    /// Also for an attempt that came to nothing; the slot's connection is over.
    virtual void on_disconnected(Instant, Slot, DisconnectCause, std::uint8_t /*reason*/) {}
    /// The server's DISCONNECT; on_disconnected follows.
    virtual void on_disconnect_received(Instant, Slot, const wire::Disconnect&) {}
    /// AUTH from the server. Reason 0x18 is a question, to be answered by `authenticate` now or
    /// later; 0 ends a re-authentication.
    virtual void on_authenticate(Instant, Slot, const wire::Auth&) {}
    /// To the application: QoS 2 exactly once. A topic alias has been resolved: the topic is there.
    virtual void on_message(Instant, Slot, const wire::Publish&, const Stamp&) {}
    /// An own QoS > 0 message was acknowledged (PUBACK, PUBCOMP) or refused (reason >= 0x80).
    virtual void on_acknowledged(Instant, Slot, const Stamp&, wire::QoS, const wire::Ack&) {}
    /// An own message that `publish` had accepted will never be sent (again): pushed out of a full
    /// queue, more than the server turned out to take (`refused`), or lost by `reset`
    /// (`dropped_offline`).
    virtual void on_dropped(Instant, Slot, const Stamp&, wire::QoS, PublishOutcome) {}
    /// SUBACK; or, with packet identifier 0, a subscription of the profile that the server does not
    /// take, and the reason code that it would have answered.
    virtual void on_subscribed(Instant, Slot, const wire::ListAck&) {}
    /// UNSUBACK (which has no reasons before MQTT 5.0).
    virtual void on_unsubscribed(Instant, Slot, const wire::ListAck&) {}
    /// The server broke the protocol; on_disconnected follows.
    virtual void on_fault(Instant, Slot, const Fault&) {}
};

}  // namespace mqttwin::client
