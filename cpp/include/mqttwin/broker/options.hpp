// Every bound and every choice that the standard leaves to a server, with its default.
#pragma once

#include <cstdint>
#include <string>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::broker {

/// Which member of a shared subscription gets a message (4.8.2). Members that are connected, and
/// among them those that keep up with reading, go before others.
enum class SharedStrategy : std::uint8_t {
    round_robin,      // one after the other
    random,           // each with the same chance, from the broker's stream
    sticky,           // the same one until it leaves
    hash_publisher,   // by the publisher: what one of them sends stays in order
    hash_topic,       // by the topic
    least_in_flight,  // who has the least under way and waiting
};

struct Options {
    std::uint32_t maximum_packet_size = 1U << 20;  // bytes, announced and enforced
    std::uint16_t receive_maximum = 1024;          // QoS > 0 from a client awaiting our answer
    std::uint32_t max_in_flight = 256;             // QoS > 0 to a client, with its own maximum
    std::uint32_t max_queued = 1000;               // messages kept for a session beyond the window
    std::uint64_t max_stored_bytes = 1ULL << 30;   // messages kept, each once, and their queues
    bool queue_qos0_offline = false;
    std::uint32_t max_session_expiry = 0xFFFF'FFFF;  // seconds
    wire::QoS maximum_qos = wire::QoS::exactly_once;
    bool retain_available = true;
    bool wildcard_subscriptions_available = true;
    bool subscription_identifiers_available = true;
    bool shared_subscriptions_available = true;
    std::uint32_t max_retained = 1'000'000;
    std::uint32_t max_sessions = 10'000'000;
    std::uint32_t max_subscriptions_per_session = 1000;
    std::uint32_t max_topic_levels = 256;
    std::uint16_t topic_alias_maximum = 16;     // aliases that a client may use
    std::uint16_t outbound_topic_aliases = 16;  // used towards a client, within its own maximum
    std::uint16_t server_keep_alive = 0;        // 0: the client's own
    Duration connect_timeout = seconds(30);     // from open to CONNACK, authentication included
    /// The world is asked about every CONNECT and AUTH: Output::Kind::authenticate.
    bool authenticate = false;
    bool allow_anonymous = true;  // without `authenticate`: everybody may come in, or nobody
    /// Bytes kept for a client that talks on while the world is asked about it.
    std::uint32_t max_early_bytes = 1U << 16;
    bool retain_clears_with_empty = true;
    bool check_payload_format = false;  // refuse "text" payloads that are not UTF-8
    SharedStrategy shared_strategy = SharedStrategy::round_robin;
    /// What waits for a member of a shared subscription that leaves goes to another one.
    bool redistribute_shared = true;
    /// Not empty: every CONNECT is sent elsewhere, for the time being or (`server_moved`) for good.
    std::string server_reference;
    bool server_moved = false;
    /// What a client that asks for Response Information is told; empty: nothing.
    std::string response_information;
    Duration sys_interval{};               // between updates of $SYS topics; 0: there are none
    std::string version_text = "mqttwin";  // of $SYS/broker/version

    void archive(Archive& a) {
        a(maximum_packet_size, receive_maximum, max_in_flight, max_queued, max_stored_bytes);
        a(queue_qos0_offline, max_session_expiry, maximum_qos, retain_available);
        a(wildcard_subscriptions_available, subscription_identifiers_available);
        a(shared_subscriptions_available, max_retained, max_sessions);
        a(max_subscriptions_per_session, max_topic_levels, topic_alias_maximum);
        a(outbound_topic_aliases, server_keep_alive, connect_timeout, authenticate);
        a(allow_anonymous, max_early_bytes, retain_clears_with_empty, check_payload_format);
        a(shared_strategy, redistribute_shared, server_reference, server_moved);
        a(response_information, sys_interval, version_text);
    }
};

}  // namespace mqttwin::broker
