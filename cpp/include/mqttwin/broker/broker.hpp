// The broker engine: connections in dense slots, sessions, routing; no clock, socket or thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/broker/observer.hpp"
#include "mqttwin/broker/options.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::broker {

/// Who is at the other end of a connection.
struct Peer {
    /// Tag of the entity in the world, echoed to the observer; Stamp::kNobody for a real client.
    std::uint32_t tag = Stamp::kNobody;
    std::string_view address;  // for logs
    /// A client of the real world: its timers follow the wall clock, see Broker::set_pace.
    bool real = false;
    /// The world is asked about this one as with Options::authenticate.
    bool authenticate = false;
    /// A random word of this connection alone. A client identifier that the broker assigns follows
    /// from it; 0: from the broker's key, the tag and the instant.
    std::uint64_t nonce = 0;
};

/// What a client shows of itself when the world is asked who it is. Views are valid until the
/// answer.
struct Credentials {
    std::string_view client_id;
    bool has_user_name = false;  // like the password: of the CONNECT, so not in later packets
    std::string_view user_name;
    bool has_password = false;
    ByteView password;
    std::string_view method;  // Authentication Method; empty: user name and password
    ByteView data;            // Authentication Data of this packet
    /// CONNECT, or the AUTH that begins a re-authentication: a new exchange.
    bool first = true;
    bool again = false;  // re-authentication: the client is connected
};

/// The world's answer.
struct Verdict {
    enum class Kind : std::uint8_t {
        success,
        more,     // AUTH with `data` goes to the client; only with an Authentication Method
        failure,  // `reason` says why: 0x80 or more
    };
    Kind kind = Kind::failure;
    std::uint8_t reason = 0;
    ByteView data;                 // Authentication Data for the client
    std::string_view explanation;  // Reason String
};

struct Counts {
    std::uint64_t connections = 0;
    std::uint64_t sessions = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t retained = 0;
    std::uint64_t queued = 0;  // waiting beyond the window or offline
    std::uint64_t in_flight = 0;
    std::uint64_t stored_messages = 0;  // kept by queues, windows, wills and the retained store
    std::uint64_t stored_bytes = 0;     // of those, each counted once, and of who is to get them
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

    /// Its state, between two calls and with an empty outbox.
    void archive(Archive& a);
    /// Its pool is not what it was: forgets everything without giving it back. Good for nothing
    /// afterwards but its end.
    void abandon();
    [[nodiscard]] const Options& options() const;
    /// The pool and the observer have moved.
    void rebind(BlobPool& pool, Observer& observer);

    // The network. `connection` is free before handle_open and after the close.
    void handle_open(Instant now, Slot connection, const Peer& peer);
    /// `stamp` is the one of the send that these bytes are (part of). `whole`: a blob of the pool
    /// that holds just them, if there is one.
    void handle_bytes(Instant now, Slot connection, ByteView bytes, const Stamp& stamp,
                      BlobId whole = BlobId::none);
    /// The transport is gone. Not called for a connection that the broker closed itself.
    void handle_closed(Instant now, Slot connection);
    /// What waits to be written to this connection is over its mark (`congested`), or under it
    /// again. Meanwhile QoS > 0 is queued and QoS 0 dropped; answers still go, so that what is
    /// written is bounded by what the client sends.
    void handle_backlog(Instant now, Slot connection, bool congested);

    // Who is who, with Options::authenticate: the answer to Output::Kind::authenticate.
    /// Nothing, if there is no such question any more: behind it in the same bytes may stand what
    /// closes the connection, so that the outbox has the question and then the close.
    [[nodiscard]] Credentials credentials(Slot connection) const;
    /// `token` is the stamp's sequence of the output; an answer to a question that is no more, or
    /// was another one, is ignored.
    void handle_authenticated(Instant now, Slot connection, std::uint32_t token,
                              const Verdict& verdict);

    /// Ends a connection for a reason of the world's: a client that reads too slowly, an operator.
    void close(Instant now, Slot connection, CloseCause cause, std::uint8_t reason);
    /// Sends a connected client to another server: DISCONNECT with 0x9D (`permanent`) or 0x9C and
    /// the reference; a client before 5.0 is closed.
    void redirect(Instant now, Slot connection, std::string_view reference, bool permanent);

    // Time.
    [[nodiscard]] Instant next_deadline() const;
    void handle_timeout(Instant now);
    /// Virtual seconds in a second of the wall clock, 1 at first and always over 0. Keep-alive,
    /// connect timeout, session expiry and will delay of real peers are stretched by it, those
    /// under way included.
    void set_pace(Instant now, double virtual_seconds_per_wall_second);

    /// After an Output close or abort for a slot, the slot is free for another handle_open once
    /// the world has let go of it; late bytes for it are ignored.
    Outbox& outbox();

    // Commands.
    /// Ends every connection: 5.0 clients get DISCONNECT 0x8B (0x9C with a `reference` to another
    /// server) and a close, others an abort. Sessions, subscriptions and retained messages stay, or
    /// all is forgotten, wills included.
    void restart(Instant now, bool keep_sessions, std::string_view reference = {});
    /// A message from the application that owns the broker.
    void publish(Instant now, const wire::Publish& message, const Stamp& stamp);
    /// Options::server_reference and server_moved from now on.
    void set_server_reference(std::string_view reference, bool moved);
    /// Answers every CONNECT with this reason code from now on; 0: serves again. Who is connected
    /// stays. Precondition: it is one of a CONNACK.
    void set_refusal(std::uint8_t reason);

    /// Whether a client with this identifier is connected.
    [[nodiscard]] bool is_connected(std::string_view client_id) const;

    /// Load what bytes from this connection will touch, from near to far: each reads what the one
    /// before has loaded.
    void prefetch(Slot connection) const;
    void prefetch_session(Slot connection) const;
    void prefetch_traffic(Slot connection) const;
    void prefetch_window(Slot connection) const;
    /// The way of the message that was handed on last. Devices repeat themselves: where the last
    /// one went to the next one will, and `prefetch_trail` and then `prefetch_session(to)` load
    /// what it will touch. A stale trail does no harm.
    struct Trail {
        std::uint32_t filter = 0xFFFF'FFFFU;
        Slot to = kNoSlot;  // the first who got it
    };
    [[nodiscard]] Trail trail() const;
    void prefetch_trail(const Trail& trail) const;

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
