// Bytes to packets. Every function reads one whole frame, checks all of it, allocates nothing.
#pragma once

#include "mqttwin/base/fault.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::wire {

/// Who sent the packet: some packet types and properties exist in one direction only.
enum class Sender : std::uint8_t { client, server };

// Each decodes a frame whose type the caller has looked at, fills `out` and returns the fault, if
// any (`reason` != 0; `out` is then unspecified). `version` is the connection's, from its CONNECT.
// `out` may be used again and again: what a packet lacks is at its default afterwards, provided
// that nobody but `decode` wrote into its properties.
//
// Topic names in PUBLISH and wills are checked (UTF-8, no wildcard, not empty unless an alias
// stands for it); topic filters are only checked for UTF-8 and not being empty, so that a bad one
// can be refused in the SUBACK: see `check_filter`.
//
// The reasons are malformed_packet for what cannot be parsed and for reserved bits, protocol_error
// for values and combinations that are not allowed, and the particular code where the standard has
// one. Clauses are numbered as in the standard of `version`; where a rule has no number there, the
// clause is the general one on violations, MQTT-4.13.1-1 (5.0) or MQTT-4.8.0-1 (3.1.1).

/// The version is in the packet. `out.version` holds as soon as it could be read, also with a
/// fault; of a protocol that is not spoken here it is the nearest that is, for the CONNACK.
Fault decode(const Frame& frame, Connect& out);
Fault decode(const Frame& frame, Version version, Connack& out);
Fault decode(const Frame& frame, Version version, Sender sender, Publish& out);
Fault decode(const Frame& frame, Version version, Ack& out);
Fault decode(const Frame& frame, Version version, Subscribe& out);
Fault decode(const Frame& frame, Version version, Unsubscribe& out);
Fault decode(const Frame& frame, Version version, ListAck& out);
Fault decode(const Frame& frame, Version version, Sender sender, Disconnect& out);
/// AUTH without reason code and properties is a success [3.15.2.1]; any other names its method.
Fault decode(const Frame& frame, Version version, Auth& out);
/// PINGREQ and PINGRESP: nothing but a fixed header.
Fault decode_empty(const Frame& frame);

}  // namespace mqttwin::wire
