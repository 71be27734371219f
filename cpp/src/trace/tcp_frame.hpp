// An Ethernet frame around a TCP segment.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/trace/capture.hpp"

namespace mqttwin::trace {

/// The Internet checksum (RFC 1071) of bytes that follow on `sum`, not yet complemented.
std::uint32_t add_to_checksum(std::uint32_t sum, ByteView bytes);
std::uint16_t fold_checksum(std::uint32_t sum);

/// Where the numbers of one direction of a connection begin.
std::uint32_t initial_sequence(std::uint64_t connection, Direction direction);

/// Ethernet II, IPv4 and TCP headers and the payload, into `frame`. The IP packet has the length of
/// net::tcp::Segment::wire_bytes(). Precondition: within 65,535 bytes.
void make_frame(const CapturedPacket& packet, std::uint16_t identification,
                std::uint8_t window_scale, std::vector<std::uint8_t>& frame);

}  // namespace mqttwin::trace
