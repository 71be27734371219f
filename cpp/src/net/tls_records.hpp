// Bytes of TLS records for captures.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/random.hpp"
#include "mqttwin/net/script.hpp"
#include "mqttwin/net/tls.hpp"

namespace mqttwin::net {

/// Appends a record of a handshake, alert or encrypted piece: `piece.bytes` bytes.
void write_tls_piece(const TlsSpec& spec, const Piece& piece, bool resumed, Stream& draws,
                     std::vector<std::uint8_t>& out);

/// Appends records that hide `bytes` bytes of an application.
void write_tls_data(const TlsSpec& spec, std::uint64_t bytes, Stream& draws,
                    std::vector<std::uint8_t>& out);

}  // namespace mqttwin::net
