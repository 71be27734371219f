// WebSocket (RFC 6455) below MQTT: the upgrade as text, frames as bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/net/script.hpp"

namespace mqttwin::net {

struct WebSocketSpec {
    std::string host = "broker.example:8080";  // as in the Host header
    std::string path = "/mqtt";
    /// Further header lines of the request and of the answer; each ends with CR LF.
    std::string request_headers;
    std::string response_headers;

    void archive(Archive& a) { a(host, path, request_headers, response_headers); }
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const WebSocketSpec& spec, std::string_view where);

/// The client's request, with a key drawn from `draws`.
std::string upgrade_request(const WebSocketSpec& spec, Stream& draws);
/// The server's answer. What it accepts is text of the right length, not the hash of the key.
std::string upgrade_response(const WebSocketSpec& spec, Stream& draws);
/// Their lengths, which no draw changes.
std::uint32_t upgrade_request_bytes(const WebSocketSpec& spec);
std::uint32_t upgrade_response_bytes(const WebSocketSpec& spec);

/// Frames of a sender carry a mask if it is the client. One frame holds one application write.
enum class FrameType : std::uint8_t { binary = 2, close = 8, ping = 9, pong = 10 };

inline constexpr std::uint32_t kMaxFrameHeader = 14;

/// 2, 4 or 10 bytes by the length of the payload, and the client's mask of 4.
std::uint32_t frame_header_bytes(std::uint64_t payload, Side sender);
std::uint64_t frame_bytes(std::uint64_t payload, Side sender);
/// A close frame with a status code and no reason.
std::uint32_t close_frame_bytes(Side sender);

/// Writes a frame's header with `mask` (of the client only); returns its length.
std::uint32_t write_frame_header(FrameType type, std::uint64_t payload, Side sender,
                                 std::uint32_t mask, std::span<std::uint8_t> out);
/// Masks a payload in place, from its byte `offset` on; again unmasks it.
void apply_mask(std::uint32_t mask, std::uint64_t offset, std::span<std::uint8_t> payload);

}  // namespace mqttwin::net
