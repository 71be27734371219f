// The client engine: N MQTT clients in dense slots, without clock, socket or thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/client/listener.hpp"
#include "mqttwin/client/options.hpp"
#include "mqttwin/client/phases.hpp"
#include "mqttwin/client/topic_aliases.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/session/send_window.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/session/slot_deadlines.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::client {

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
    /// The next connect is as the first one: with the clean start that is asked for.
    void start_anew(Slot client) { clients_[client].ever_online = false; }
    /// The same with properties, which are left out where the server's maximum packet size wants
    /// it. False, and nothing happens, for a reason that is not a client's to give [MQTT-3.14.2-1],
    /// and for a session expiry where CONNECT had none (3.14.2.2.2).
    bool disconnect(Instant now, Slot client, const wire::Disconnect& packet);

    PublishOutcome publish(Instant now, Slot client, const wire::Publish& message,
                           const Stamp& stamp);
    /// Why `publish` would refuse a message: it is not one that a client may send, or more than the
    /// server takes. What only a server can refuse is known while the client is online.
    [[nodiscard]] Fault check_publish(Slot client, const wire::Publish& message) const;

    /// Each returns the packet identifier, or 0 when the client is not online or `check_subscribe`
    /// has a fault.
    wire::PacketId subscribe(Instant now, Slot client,
                             std::span<const wire::SubscriptionRequest> requests,
                             const wire::Properties& properties = {});
    wire::PacketId unsubscribe(Instant now, Slot client, std::span<const std::string_view> filters,
                               const wire::Properties& properties = {});
    /// Why the server of an online client does not take this. Precondition: online.
    [[nodiscard]] Fault check_subscribe(Slot client,
                                        std::span<const wire::SubscriptionRequest> requests,
                                        const wire::Properties& properties = {}) const;
    [[nodiscard]] Fault check_unsubscribe(Slot client, std::span<const std::string_view> filters,
                                          const wire::Properties& properties = {}) const;

    /// Answers the server's AUTH. False when there is none to be answered, or the answer is larger
    /// than the server takes. Method and data of `properties` are the engine's to fill in.
    bool authenticate(Instant now, Slot client, ByteView data,
                      const wire::Properties& properties = {});
    /// Starts a re-authentication. False when the client is not online, came without an
    /// authentication method, or is at it already.
    bool reauthenticate(Instant now, Slot client, ByteView data,
                        const wire::Properties& properties = {});
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
    void prefetch(Slot client) const { prefetch_all(clients_[client]); }
    /// And then, where it has messages that are not acknowledged.
    void prefetch_flow(Slot client) const {
        if (clients_[client].flow != kNone) prefetch_all(flows_[clients_[client].flow]);
    }
    void prefetch_window(Slot client) const {
        if (clients_[client].flow != kNone) flows_[clients_[client].flow].window.prefetch(pending_);
    }

    [[nodiscard]] Phase phase(Slot client) const { return clients_[client].phase; }
    [[nodiscard]] Slot count() const { return static_cast<Slot>(clients_.size()); }
    /// Own messages in flight / waiting, for the census of a run.
    [[nodiscard]] std::uint32_t in_flight(Slot client) const;
    [[nodiscard]] std::uint32_t queued(Slot client) const;
    /// Each of those, oldest first within a client.
    void for_each_pending(const std::function<void(Slot, const Stamp&, wire::QoS)>& visit) const;
    /// Everything but what the constructor was given. Between two calls, with an empty outbox.
    void archive(Archive& a) {
        a(clients_, deadlines_, flows_, links_, pending_, terms_, recent_terms_);
    }

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

    /// What a client has besides: with unfinished messages, or a connection out of the ordinary.
    struct Flow {
        SendWindow window;
        MessageQueue queue;
        ReceivedIds received;
        std::uint32_t received_before = 0;  // of those, at the start of this connection
        std::uint32_t link = kNone;         // in links_
    };

    /// What a connection with enhanced authentication or topic aliases has besides. Lives as long.
    enum class Exchange : std::uint8_t {
        none,
        servers_turn,  // CONNECT or AUTH was sent
        our_turn,      // AUTH was received
    };
    struct Link {
        BlobId method = BlobId::none;  // of CONNECT
        Exchange exchange = Exchange::none;
        InboundAliases inbound;
        OutboundAliases outbound;
        void archive(Archive& a) { a(method, exchange, inbound, outbound); }
    };

    /// What a server grants in its CONNACK.
    struct Grants {
        std::uint32_t maximum_packet_size = wire::kMaximumPacketSize;
        std::uint32_t session_expiry = 0;
        std::uint16_t receive_maximum = 65535;
        std::uint16_t keep_alive = 0;
        std::uint16_t topic_aliases = 0;  // that we use: what we want, within what it allows
        std::uint8_t maximum_qos = 2;
        bool retain : 1 = true;
        bool wildcards : 1 = true;
        bool identifiers : 1 = true;
        bool sharing : 1 = true;

        friend bool operator==(const Grants&, const Grants&) = default;
    };
    /// Clients of one server share a record.
    struct Terms {
        Grants granted;
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
    Link& link(Client& c);
    [[nodiscard]] Link* find_link(const Client& c);
    void release_link(Client& c);
    [[nodiscard]] bool v5() const { return options_.version == wire::Version::v5; }
    [[nodiscard]] const Grants& granted(const Client& c) const { return terms_[c.terms].granted; }

    // client_connect.cpp: the connection from open to close
    enum class Ending : std::uint8_t { gone, close, abort };
    void open(Instant now, Slot client);
    void announce(wire::Properties& properties, std::uint32_t session_expiry) const;
    [[nodiscard]] ConnectTerms terms(Slot client) const;
    void lose(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason, Ending ending);
    void fail(Instant now, Slot client, const Fault& fault);
    void end(Instant now, Slot client, DisconnectCause cause, std::uint8_t reason, Ending ending,
             bool again);
    Duration next_backoff(Slot client);
    [[nodiscard]] bool asks_for_clean_start(const Client& c, std::string_view client_id,
                                            bool wanted) const;

    // client_connack.cpp: what the server said to CONNECT
    void receive_connack(Instant now, Slot client, const wire::Frame& frame);
    [[nodiscard]] Fault check_connack(Slot client, const wire::Connack& packet);
    void go_online(Instant now, Slot client, const wire::Connack& packet);
    [[nodiscard]] Grants grants_of(Slot client, const wire::Connack& packet) const;
    [[nodiscard]] Terms terms_of(Slot client, const wire::Connack& packet);
    void set_terms(Client& c, const Terms& terms);
    void change_session_expiry(Client& c, std::uint32_t expiry);
    void release_terms(Client& c);
    [[nodiscard]] bool same_as_recent(const Terms& terms) const;

    // client_authenticate.cpp: AUTH
    void start_authentication(Slot client, std::string_view method);
    void receive_auth(Instant now, Slot client, const wire::Frame& frame);
    [[nodiscard]] Fault check_auth(Slot client, const wire::Auth& packet);
    bool send_auth(Instant now, Slot client, std::uint8_t reason, ByteView data,
                   const wire::Properties& properties);

    // client_publish.cpp: messages to the server
    [[nodiscard]] static Fault check_message(const wire::Publish& message);
    [[nodiscard]] Fault check_grants(const Client& c, wire::QoS qos, bool retain,
                                     std::size_t size) const;
    [[nodiscard]] bool admits(const Client& c, const Pending& record) const;
    [[nodiscard]] std::uint32_t window_limit(const Client& c) const;
    PublishOutcome keep(Instant now, Slot client, BlobId blob, wire::QoS qos, const Stamp& stamp);
    void pump(Instant now, Slot client);
    void redeliver(Instant now, Slot client);
    bool send_next(Instant now, Slot client);
    void send_first(Instant now, Slot client, BlobId blob, const Stamp& stamp);
    void receive_ack(Instant now, Slot client, const wire::Frame& frame);
    void send_ack(Instant now, Slot client, wire::PacketType type, wire::PacketId id,
                  std::uint8_t reason);
    void drop(Instant now, Slot client, const Pending& record, PublishOutcome outcome);

    // client_session.cpp: sessions that go on or start anew
    void resume_session(Instant now, Slot client);
    void renew_session(Instant now, Slot client);

    // client_subscribe.cpp: SUBSCRIBE and UNSUBSCRIBE
    void subscribe_all(Instant now, Slot client);
    [[nodiscard]] Fault check_request(const Client& c,
                                      const wire::SubscriptionRequest& request) const;
    [[nodiscard]] Fault check_requests(const Client& c,
                                       std::span<const wire::SubscriptionRequest> requests,
                                       const wire::Properties& properties) const;
    [[nodiscard]] Fault check_size(const Client& c, BlobId packet) const;
    wire::PacketId send_list(Instant now, Slot client, BlobId blob, SendState state,
                             std::size_t entries, bool of_profile);
    void receive_list_ack(Instant now, Slot client, const wire::Frame& frame);
    [[nodiscard]] bool awaits_profile_suback(const Client& c) const;

    // client_receive.cpp: packets from the server
    [[nodiscard]] bool answers_connect(const Client& c, std::uint8_t first_byte);
    void receive(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp);
    void receive_publish(Instant now, Slot client, const wire::Frame& frame, const Stamp& stamp);
    [[nodiscard]] Fault resolve_alias(Client& c, wire::Publish& packet, BlobId& topic);
    void accept(Instant now, Slot client, const wire::Publish& packet, const Stamp& stamp);
    void receive_pubrel(Instant now, Slot client, const wire::Frame& frame);
    void receive_disconnect(Instant now, Slot client, const wire::Frame& frame);
    [[nodiscard]] Fault check_problem(const wire::Properties& properties) const;

    Options options_;
    StreamKey backoff_stream_;
    const Profile* profile_;
    BlobPool* pool_;
    Listener* listener_;
    std::vector<Client> clients_;
    SlotDeadlines deadlines_;
    Slab<Flow> flows_;
    Slab<Link> links_;
    PendingSlab pending_;
    Slab<Terms> terms_;
    std::uint32_t recent_terms_ = kNone;
    Outbox outbox_;
    wire::Ack incoming_ack_;
    wire::Ack answer_;                // without properties
    wire::Publish incoming_;          // the one being received, kept to be overwritten
    std::string id_text_;             // of the CONNECT being made
    std::vector<std::string> texts_;  // of the CONNECT or SUBSCRIBE being made
};

}  // namespace mqttwin::client
