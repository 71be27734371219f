// The client engine: N MQTT clients in dense slots, without clock, socket or thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/client/phases.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/session/send_window.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/session/slot_deadlines.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::client {

/// How long to wait before the n-th attempt to reconnect: min(initial * factor^(n-1), maximum),
/// of which `jitter` (0 to 1) is drawn at random: wait * (1 - jitter * U[0,1)).
/// factor 1 and jitter 0 is the fixed back-off that synchronises fleets.
/// n starts again at 1 when a CONNACK has accepted the client.
struct Backoff {
    Duration initial = seconds(1);
    Duration maximum = minutes(2);
    double factor = 2.0;
    double jitter = 1.0;
};

/// What all clients of an engine share.
struct Options {
    wire::Version version = wire::Version::v5;
    std::uint16_t keep_alive = 60;     // seconds; 0 is off
    bool clean_start = true;           // on the first connect of a client; a reconnect resumes if
                                       // session_expiry > 0 (3.1.1: always this flag as it stands)
    std::uint32_t session_expiry = 0;  // seconds; 0xFFFFFFFF never expires
    std::uint16_t receive_maximum = 65535;
    std::uint32_t maximum_packet_size = wire::kMaximumPacketSize;
    std::uint32_t max_in_flight = 20;  // own QoS > 0 publishes awaiting their ack
    std::uint32_t max_queued = 100;    // messages kept while offline or over the window; the
                                       // oldest is dropped
    bool queue_qos0 = false;           // keep QoS 0 messages while offline, too
    bool reconnect = true;
    Backoff backoff;
    Duration connect_timeout = seconds(30);  // from open to CONNACK
    Duration ping_timeout = seconds(20);     // from PINGREQ to anything; at most keep_alive
};

/// Text that differs by client, asked for when it is needed instead of being kept a million times.
class Profile {
   public:
    virtual ~Profile() = default;
    virtual void client_id(Slot client, std::string& out) const = 0;
    /// Subscriptions that a client makes whenever it gets a fresh session, and again until the
    /// server has answered them.
    [[nodiscard]] virtual std::uint32_t subscription_count(Slot) const { return 0; }
    virtual wire::SubscriptionOptions subscription(Slot /*client*/, std::uint32_t /*n*/,
                                                   std::string& filter) const {
        filter.clear();
        return {};
    }
    /// Fills user name, password, will (views must outlive the call; use the given scratch text,
    /// which comes empty). What the engine has filled in is not for changing.
    virtual void complete(Slot /*client*/, wire::Connect& /*packet*/,
                          std::vector<std::string>& /*scratch*/) const {}
};

/// What became of a publish command.
enum class PublishOutcome : std::uint8_t {
    sent,
    queued,
    dropped_offline,
    dropped_queue_full,
    refused,  // not a topic name, or more than the server takes (size, QoS, retain)
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
/// handling something: a listener may read the engine, and may call `publish`, `subscribe`,
/// `unsubscribe` and `disconnect` only from `on_message`, `on_connected`, `on_subscribed`,
/// `on_unsubscribed` and `on_acknowledged`.
class Listener {
   public:
    virtual ~Listener() = default;
    /// CONNACK accepted the client, and what its session still owed has been sent.
    virtual void on_connected(Instant, Slot, bool /*session_present*/) {}
    /// Also for an attempt that came to nothing; the slot's connection is over.
    virtual void on_disconnected(Instant, Slot, DisconnectCause, std::uint8_t /*reason*/) {}
    /// To the application: QoS 2 exactly once. Views live until it returns.
    virtual void on_message(Instant, Slot, const wire::Publish&, const Stamp&) {}
    /// An own QoS > 0 message was acknowledged (PUBACK, PUBCOMP) or refused (reason >= 0x80).
    virtual void on_acknowledged(Instant, Slot, const Stamp&, wire::QoS, std::uint8_t /*reason*/) {}
    /// An own message that `publish` had accepted will never be sent (again): pushed out of a full
    /// queue, more than the server turned out to take (`refused`), or lost by `reset`
    /// (`dropped_offline`).
    virtual void on_dropped(Instant, Slot, const Stamp&, wire::QoS, PublishOutcome) {}
    /// SUBACK; or packet_too_large for a subscription of the profile that does not fit the server.
    virtual void on_subscribed(Instant, Slot, ByteView /*reasons*/) {}
    /// UNSUBACK (which has no reasons before MQTT 5.0).
    virtual void on_unsubscribed(Instant, Slot, ByteView /*reasons*/) {}
    /// The server broke the protocol; on_disconnected follows.
    virtual void on_fault(Instant, Slot, const Fault&) {}
};

/// N clients. 60-odd bytes each while idle and online; in-flight and queued messages cost when
/// they exist.
///
/// Delivery: QoS 1 and 2 messages stay until they are acknowledged, over any number of
/// connections. As long as the server keeps the session they are sent again under their packet
/// identifiers, with DUP. When it has lost the session, they are published anew, before what was
/// queued: what matters to an application is that they arrive, so QoS 2 is exactly once within a
/// session and at least once beyond it. One that the server had confirmed with PUBREC counts as
/// delivered.
///
/// What the world owes it: after Output::close or abort, and whenever else a connection ends,
/// handle_closed, once; and once it performs an Output::open, nothing more from the connection that
/// the slot had before.
///
/// A copy shares nothing with the original except pool, profile and listener: `rebind` it.
/// There is no destructor that gives blobs back; they go with their pool, or by `reset`.
class Clients {
   public:
    Clients(const Options& options, const Profile& profile, BlobPool& pool, Listener& listener,
            Slot count, StreamKey backoff_stream);

    /// For a copy: where its blobs are now (a copy of the pool), whom it asks and whom it tells.
    void rebind(const Profile& profile, BlobPool& pool, Listener& listener);

    // Commands.
    /// Does nothing for a client that has a connection; ends a back-off.
    void connect(Instant now, Slot client);
    /// DISCONNECT and close; no reconnect until `connect`.
    void disconnect(Instant now, Slot client, std::uint8_t reason = 0);
    /// A message with a topic alias is refused: aliases are the engine's business.
    PublishOutcome publish(Instant now, Slot client, const wire::Publish& message,
                           const Stamp& stamp);
    /// Returns the packet identifier, or 0 when the client is not online or the request is more
    /// than the server takes.
    wire::PacketId subscribe(Instant now, Slot client,
                             std::span<const wire::SubscriptionRequest> requests);
    wire::PacketId unsubscribe(Instant now, Slot client, std::span<const std::string_view> filters);
    /// As if the device lost its power: the connection breaks, session and queue are forgotten.
    /// Idle until `connect`, which is its first one again.
    void reset(Instant now, Slot client);

    // The network.
    void handle_open(Instant now, Slot client);
    /// `stamp` is the one of the send that these bytes are (part of).
    void handle_bytes(Instant now, Slot client, ByteView bytes, const Stamp& stamp);
    /// The connection is gone, whoever closed it; also when it could not be opened.
    void handle_closed(Instant now, Slot client);

    // Time.
    /// May be early: deadlines that move later are looked at when they come up.
    [[nodiscard]] Instant next_deadline() const { return deadlines_.next(); }
    void handle_timeout(Instant now);

    Outbox& outbox() { return outbox_; }

    /// Loads what a call for this client will touch.
    void prefetch(Slot client) const { __builtin_prefetch(&clients_[client]); }

    [[nodiscard]] Phase phase(Slot client) const { return clients_[client].phase; }
    [[nodiscard]] Slot count() const { return static_cast<Slot>(clients_.size()); }
    /// Own messages in flight / waiting, for the census of a run.
    [[nodiscard]] std::uint32_t in_flight(Slot client) const;
    [[nodiscard]] std::uint32_t queued(Slot client) const;
    /// Each of those, oldest first within a client.
    void for_each_pending(const std::function<void(Slot, const Stamp&, wire::QoS)>& visit) const;

   private:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    /// What every client has. `due` is the deadline of what it waits for: a connection with
    /// its CONNACK, the end of a back-off, the answer to a PINGREQ.
    struct Client {
        wire::FramerState framer;
        Instant last_sent;
        Instant due = Instant::never();
        std::uint32_t flow = kNone;   // in flows_
        std::uint32_t terms = kNone;  // in terms_; of the last CONNACK
        std::uint32_t backoffs = 0;   // drawn so far: the position in its random stream
        wire::PacketId last_id = 0;   // while it has no flow
        std::uint8_t failures = 0;    // attempts since it was last online
        Phase phase : 3 = Phase::idle;
        bool ever_online : 1 = false;
        bool clean_sent : 1 = false;  // the CONNECT asked for a fresh session
        bool subscribed : 1 = false;  // the session has the profile's subscriptions
        bool awaiting_pingresp : 1 = false;
        bool closing : 1 = false;  // we closed; handle_closed has not come yet
    };
    static_assert(sizeof(Client) <= 40);

    /// What a client with unfinished messages has besides.
    struct Flow {
        SendWindow window;
        MessageQueue queue;
        ReceivedIds received;
    };

    /// What a server grants in its CONNACK; clients of one server share a record.
    struct Terms {
        std::uint32_t maximum_packet_size = wire::kMaximumPacketSize;
        std::uint32_t session_expiry = 0;
        std::uint16_t receive_maximum = 65535;
        std::uint16_t keep_alive = 0;
        std::uint8_t maximum_qos = 2;
        bool retain_available = true;
        BlobId assigned_id = BlobId::none;  // a record with one is not shared
        std::uint32_t references = 0;
    };

    // client.cpp
    void move(Client& c, PhaseInput input);
    [[nodiscard]] static bool connected(const Client& c) {
        return c.phase == Phase::online || c.phase == Phase::awaiting_connack;
    }
    void send(Instant now, Slot client, BlobId blob);
    void send_publish(Instant now, Slot client, BlobId blob, const Stamp& stamp);
    void ask(Output::Kind kind, Slot client);
    [[nodiscard]] Instant deadline(const Client& c) const;
    void schedule(Slot client);
    void expire(Instant now, Slot client);
    Flow& flow(Client& c);
    void settle(Client& c);
    [[nodiscard]] bool v5() const { return options_.version == wire::Version::v5; }

    // client_connect.cpp: the connection from open to close
    enum class Ending : std::uint8_t { gone, close, abort };
    void open(Instant now, Slot client);
    void lose(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason, Ending ending);
    void fail(Instant now, Slot client, const Fault& fault);
    void end(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason, Ending ending,
             bool again);
    void receive_connack(Instant now, Slot client, const wire::Frame& frame);
    Duration next_backoff(Slot client);
    [[nodiscard]] bool asks_for_clean_start(const Client& c, std::string_view client_id) const;
    [[nodiscard]] Terms terms_of(const Client& c, const wire::Connack& packet);
    void set_terms(Client& c, const Terms& terms);
    void release_terms(Client& c);
    [[nodiscard]] bool same_as_recent(const Terms& terms) const;

    // client_publish.cpp: messages to the server
    [[nodiscard]] bool admits(const Client& c, wire::QoS qos, bool retain) const;
    [[nodiscard]] bool admits(const Client& c, const Pending& record) const;
    [[nodiscard]] std::uint32_t window_limit(const Client& c) const;
    PublishOutcome keep(Instant now, Slot client, BlobId blob, wire::QoS qos, const Stamp& stamp);
    void pump(Instant now, Slot client);
    void redeliver(Instant now, Slot client);
    bool send_next(Instant now, Slot client);
    void receive_ack(Instant now, Slot client, const wire::Frame& frame);
    void send_ack(Instant now, Slot client, wire::PacketType type, wire::PacketId id,
                  std::uint8_t reason);
    void drop(Instant now, Slot client, const Pending& record, PublishOutcome outcome);

    // client_session.cpp: sessions and subscriptions
    void resume_session(Instant now, Slot client);
    void renew_session(Instant now, Slot client);
    void subscribe_all(Instant now, Slot client);
    wire::PacketId send_subscribe(Instant now, Slot client,
                                  std::span<const wire::SubscriptionRequest> requests,
                                  bool of_profile);
    wire::PacketId add_list(Slot client, SendState state, std::size_t entries, bool of_profile);
    void receive_list_ack(Instant now, Slot client, const wire::Frame& frame);
    [[nodiscard]] bool awaits_profile_suback(const Client& c) const;

    // client_receive.cpp: packets from the server
    void receive(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp);
    void receive_publish(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp);
    void receive_pubrel(Instant now, Slot client, const wire::Frame& frame);
    void receive_disconnect(Instant now, Slot client, const wire::Frame& frame);

    Options options_;
    StreamKey backoff_stream_;
    const Profile* profile_;
    BlobPool* pool_;
    Listener* listener_;
    std::vector<Client> clients_;
    SlotDeadlines deadlines_;
    Slab<Flow> flows_;
    PendingSlab pending_;
    Slab<Terms> terms_;
    std::uint32_t recent_terms_ = kNone;
    Outbox outbox_;
    std::string id_text_;             // of the CONNECT being made
    std::vector<std::string> texts_;  // of the CONNECT or SUBSCRIBE being made
};

}  // namespace mqttwin::client
