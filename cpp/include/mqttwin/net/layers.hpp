// What lies between TCP and MQTT on a connection: nothing, TLS, WebSocket, or WebSocket over TLS.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/net/script.hpp"
#include "mqttwin/net/tls.hpp"
#include "mqttwin/net/websocket.hpp"

namespace mqttwin::net {

struct LayersSpec {
    std::optional<TlsSpec> tls;
    std::optional<WebSocketSpec> websocket;

    /// MQTT is on TCP itself: no script, and bytes are what they are.
    [[nodiscard]] bool none() const { return !tls && !websocket; }

    void archive(Archive& a) { a(tls, websocket); }
};

/// Throws std::invalid_argument, naming the parameter ("tls.chain") and its range.
void check(const LayersSpec& spec, std::string_view where);

/// What is exchanged once TCP is established, until MQTT may speak. `resumed` counts for TLS only;
/// give each connection a stream of its own for `draws`.
Script opening_script(const LayersSpec& spec, bool resumed, Stream& draws);

/// What is exchanged before TCP is closed, after the last MQTT packet: a close frame by each
/// side, and an alert by each side of TLS. The initiator does not wait for the other's alert.
Script closing_script(const LayersSpec& spec, Side initiator);

/// Bytes on TCP of one application write of `bytes`: a frame, in records.
std::uint64_t sealed(const LayersSpec& spec, Side sender, std::uint64_t bytes);

/// The same bytes for a capture: `plain` in a frame, and records of random bytes where TLS hides
/// that. Appends sealed(...) bytes to `out`.
void write_sealed(const LayersSpec& spec, Side sender, ByteView plain, Stream& draws,
                  std::vector<std::uint8_t>& out);

/// All bytes of a script that one side sends, for a capture: messages that TLS shows are valid and
/// of the length in the script, what it hides is random. `draws` need not be those of the script.
std::vector<std::uint8_t> write_script(const LayersSpec& spec, const Script& script, Side sender,
                                       Stream& draws);

}  // namespace mqttwin::net
