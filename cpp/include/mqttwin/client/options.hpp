// What all clients of an engine share: protocol, limits, time-outs, back-off.
#pragma once

#include <cstdint>

#include "mqttwin/base/time.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/types.hpp"

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

struct Options {
    wire::Version version = wire::Version::v5;
    std::uint16_t keep_alive = 60;     // seconds; 0 is off
    bool clean_start = true;           // on the first connect of a client; a reconnect resumes if
                                       // session_expiry > 0 (3.1.1: always this flag as it stands)
    std::uint32_t session_expiry = 0;  // seconds; 0xFFFFFFFF never expires
    std::uint16_t receive_maximum = 65535;
    std::uint32_t maximum_packet_size = wire::kMaximumPacketSize;
    /// Topic aliases that the server may use; each costs a client the topic while it is connected.
    std::uint16_t topic_alias_maximum = 0;
    /// Topic aliases that a client uses itself, if the server allows as many: the first topics that
    /// it publishes to on a connection get them.
    std::uint16_t outbound_topic_aliases = 0;
    bool request_problem_information = true;    // false: no reason strings in acknowledgements
    bool request_response_information = false;  // true: CONNACK may say where responses go
    std::uint32_t max_in_flight = 20;           // own QoS > 0 publishes awaiting their ack
    std::uint32_t max_queued = 100;  // messages kept while offline or over the window; the
                                     // oldest is dropped
    bool queue_qos0 = false;         // keep QoS 0 messages while offline, too
    bool reconnect = true;
    Backoff backoff;
    Duration connect_timeout = seconds(30);  // from open to CONNACK
    Duration ping_timeout = seconds(20);     // from PINGREQ to anything; at most keep_alive
};

/// Those of the options that a client may have for itself: Profile::terms.
struct ConnectTerms {
    std::uint16_t keep_alive = 0;
    bool clean_start = true;
    std::uint32_t session_expiry = 0;
};

}  // namespace mqttwin::client
