// What a broker is made of: records in dense indices, and no pointer into itself.
//
// The behaviour lives in functions by idea (connections, connecting, authenticating, sessions,
// subscribing, publishing, routing, delivery, sharing, wills), which all take the State. Copying it
// copies the broker.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/broker/broker.hpp"
#include "mqttwin/session/deadlines.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/session/received_ids.hpp"
#include "mqttwin/session/send_window.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/wire/framer.hpp"

#include "groups.hpp"
#include "message_store.hpp"
#include "retained_store.hpp"
#include "subscription_index.hpp"
#include "sys_topics.hpp"
#include "text_table.hpp"

namespace mqttwin::broker {

/// "No record", in every slab.
inline constexpr std::uint32_t kNone = 0xFFFF'FFFFU;
static_assert(kNone == Slab<int>::kNone && kNone == SubscriptionIndex::kNone &&
              kNone == RetainedStore::kNone && kNone == TextTable::kNone);

/// When the earliest entry of a record in a DeadlineHeap comes up: coarse, four bytes instead of
/// eight. It only decides whether another entry is needed and which entries are stale; what is due
/// is always computed from the record itself.
class ArmedAt {
   public:
    [[nodiscard]] bool later_than(Instant at) const { return coarse_ >= coarse(at); }
    [[nodiscard]] bool is(Instant at) const { return coarse_ == coarse(at); }
    void set(Instant at) { coarse_ = coarse(at); }
    void clear() { coarse_ = kNever; }

   private:
    static constexpr std::uint32_t kNever = 0xFFFF'FFFFU;
    static std::uint32_t coarse(Instant at) {  // about a second; good for 136 years
        const std::int64_t seconds = at.ns >> 30;
        return seconds >= kNever ? kNever - 1 : static_cast<std::uint32_t>(seconds);
    }
    std::uint32_t coarse_ = kNever;
};

enum class Phase : std::uint8_t {
    free,
    awaiting_connect,
    asking,      // CONNECT or AUTH has come; the world is asked who that is
    challenged,  // the world wants to know more: AUTH must come
    connected,
};

/// One transport connection.
struct Connection {
    Instant heard;  // when the last whole packet came; before CONNACK: the opening
    wire::FramerState framer;
    std::uint32_t owner = kNone;   // connected: the session; before: the peer's tag
    ArmedAt armed;                 // in State::connection_deadlines
    std::uint32_t extras = kNone;  // of the few that have some: see Extras
    std::uint16_t keep_alive = 0;  // seconds; 0 is off
    Phase phase : 4 = Phase::free;
    bool real : 1 = false;    // see Peer::real
    bool to_ask : 1 = false;  // the world is asked who that is
    bool ask : 1 = false;     // see Peer::authenticate
    wire::Version version = wire::Version::v311;
};
static_assert(sizeof(Connection) <= 32);

/// What only some connections have.
struct Extras {
    std::uint64_t nonce = 0;                           // see Peer::nonce
    std::uint32_t maximum_packet_size = 0xFFFF'FFFFU;  // the client's
    /// The topic (a BlobId) of each alias that the client may use, from 1; made at first use.
    BlobId aliases = BlobId::none;
    /// The topics that have an alias towards the client, as AliasGiven, alias 1 first.
    BlobId given = BlobId::none;
    std::uint16_t given_count = 0;
    std::uint16_t given_maximum = 0;  // what the client takes and the broker wants to use
    std::uint32_t exchange = kNone;   // see Exchange
};

/// A topic with an alias towards a client. Plain data, in a blob.
struct AliasGiven {
    std::uint32_t hash = 0;
    BlobId topic = BlobId::none;
};

/// An authentication: under way, or done under a method that allows to do it again.
struct Exchange {
    std::uint32_t token = 0;  // of the question
    bool asked = false;       // the world is to answer
    bool first = true;        // nothing of this exchange was answered yet
    bool again = false;       // a re-authentication is under way
    BlobId method = BlobId::none;
    BlobId data = BlobId::none;     // of the latest AUTH
    BlobId connect = BlobId::none;  // CONNECT less its fixed header, until CONNACK
    /// Bytes that came while the world was asked, with the stamps of their sends.
    struct Early {
        Stamp stamp;
        std::uint32_t size = 0;
    };
    std::vector<Early> early;
    std::vector<std::uint8_t> early_bytes;
    void archive(Archive& a) {
        a(token, asked, first, again, method, data, connect, early, early_bytes);
    }
};

/// One session. What it has under way is in a Traffic, which an idle one lacks.
struct Session {
    Instant ends_at = Instant::never();  // while it is not connected
    BlobId client_id = BlobId::none;
    std::uint32_t order = 0;  // hash of the client id: ties between sessions
    Slot connection = kNoSlot;
    std::uint32_t tag = Stamp::kNobody;  // of the peer that is, or was last, connected
    std::uint32_t expiry = 0;            // seconds; kNeverExpires
    std::uint32_t will = kNone;
    std::uint32_t subscriptions = SubscriptionIndex::kNone;
    std::uint32_t traffic = kNone;
    std::uint32_t sequence = 0;                     // of the latest message of QoS > 0 (see Stamp)
    std::uint32_t hint = SubscriptionIndex::kNone;  // of its latest topic
    ArmedAt armed;                                  // in State::session_deadlines
    wire::PacketId last_id = 0;                     // handed out, while there is no Traffic
    std::uint16_t window = 0;                       // messages in flight to this client, at most
    wire::Version version = wire::Version::v311;
    bool limited : 1 = false;    // the client has a maximum packet size
    bool aliased : 1 = false;    // the client takes topic aliases
    bool congested : 1 = false;  // what was sent waits to be written: see Broker::handle_backlog
    bool quiet : 1 = false;      // it wants no reason strings: Request Problem Information 0
    bool real : 1 = false;       // of the peer that is, or was last, connected
    bool in_groups : 1 = false;  // it has shared subscriptions, or had some
    bool unready : 1 = false;    // counted in State::unready
    bool live : 1 = false;

    static constexpr std::uint32_t kNeverExpires = 0xFFFF'FFFFU;
    [[nodiscard]] bool connected() const { return connection != kNoSlot; }
};
static_assert(sizeof(Session) <= 64);

/// What a session has under way.
struct Traffic {
    SendWindow window;
    MessageQueue queue;
    ReceivedIds received;               // QoS 2, from the client
    std::uint32_t received_before = 0;  // those of them that came on earlier connections

    [[nodiscard]] bool idle() const { return window.empty() && queue.empty() && received.empty(); }
};

/// A message for one session that is more than the message itself (see Pending::message).
struct Labelled {
    std::uint32_t message = kNone;
    BlobId identifiers = BlobId::none;       // subscription identifiers, encoded
    std::uint32_t group = Groups::kNoGroup;  // the shared subscription that it came by
};

struct Will {
    std::uint32_t message = kNone;
    std::uint32_t delay = 0;         // seconds
    Instant due = Instant::never();  // when its delay is over, once the connection is gone
};

/// A session that a message goes to, and with what.
struct Match {
    std::uint32_t session = kNone;
    SubscriptionData data;
    std::uint32_t next = kNone;  // another subscription of the same session, in the same list
    bool first = true;           // of its session
};

/// A member of a shared subscription that matches.
struct SharedMatch {
    std::uint32_t session = kNone;
    SubscriptionData data;
    std::uint64_t preference = 0;
};

/// Whether an entry of a SUBSCRIBE asks for retained messages.
struct Replay {
    bool wanted = false;
    SubscriptionData data;
};

/// A group of a shared subscription that matches a message, and its member that gets it.
struct GroupTally {
    std::uint32_t group = Groups::kNoGroup;
    std::uint32_t eligible = 0;  // members with the best preference
    std::uint32_t before = 0;    // eligible members before the one chosen
    std::uint64_t best = 0;
};

/// What is counted for $SYS.
struct Tally {
    std::uint64_t messages_received = 0;  // packets of any type
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t publishes_received = 0;
    std::uint64_t publishes_sent = 0;
    std::uint64_t publishes_dropped = 0;
    std::uint64_t publish_bytes_received = 0;  // payload
    std::uint64_t publish_bytes_sent = 0;
    std::uint64_t sockets = 0;      // opened
    std::uint64_t connections = 0;  // CONNECTs
    std::uint64_t sessions_expired = 0;
    std::uint64_t clients_maximum = 0;
};

struct State {
    State(const Options& given_options, BlobPool& given_pool, Observer& given_observer,
          StreamKey given_key)
        : options(given_options),
          pool(&given_pool),
          observer(&given_observer),
          key(given_key),
          subscriptions(mix64(given_key.value + 1)),
          retained(mix64(given_key.value + 2)) {}

    [[nodiscard]] std::uint32_t hash_of(std::string_view text) const {
        return static_cast<std::uint32_t>(hash_text(text, key.value));
    }

    /// Everything but what the constructor was given and what lasts for one call.
    void archive(Archive& a) {
        a.section("broker");
        a(connections, extras, exchanges, last_token, pace, connection_deadlines);
        a(sessions, clients, session_deadlines, subscriptions, groups, retained);
        a(messages, labelled, pending, traffic, wills, connected, unready, queued, in_flight);
        a(tally, sys, pingresp, refusal);
    }

    Options options;
    BlobPool* pool;
    Observer* observer;
    StreamKey key;
    Outbox outbox;

    std::vector<Connection> connections;
    Slab<Extras> extras;
    Slab<Exchange> exchanges;
    std::uint32_t last_token = 0;
    double pace = 1;  // see Broker::set_pace
    DeadlineHeap connection_deadlines;

    Slab<Session> sessions;
    TextTable clients;
    DeadlineHeap session_deadlines;

    SubscriptionIndex subscriptions;
    Groups groups;
    RetainedStore retained;

    MessageStore messages;
    Slab<Labelled> labelled;
    PendingSlab pending;
    Slab<Traffic> traffic;
    Slab<Will> wills;

    std::uint64_t connected = 0;
    std::uint64_t unready = 0;  // sessions with shared subscriptions that do not read just now
    std::uint64_t queued = 0;
    std::uint64_t in_flight = 0;
    std::uint8_t refusal = 0;  // see Broker::set_refusal

    Tally tally;
    SysTopics sys;

    BlobId pingresp = BlobId::none;  // made once, shared by all answers

    // Workspace, kept for its capacity.
    wire::Ack incoming_ack;
    wire::Ack answer;  // without properties
    wire::Publish incoming;
    BlobId handled = BlobId::none;  // that holds what handle_bytes was given, if one does
    std::vector<Match> matches;
    std::vector<SharedMatch> shared_matches;
    std::vector<std::uint32_t> match_of_session;
    std::vector<GroupTally> group_tallies;
    std::vector<std::uint32_t> tally_of_group;
    std::vector<std::uint8_t> identifiers;
    std::vector<std::uint8_t> reasons;
    std::vector<Replay> to_replay;
    std::vector<std::uint32_t> handles;
};

}  // namespace mqttwin::broker
