#include "mqttwin/net/websocket.hpp"

#include <stdexcept>

namespace mqttwin::net {

namespace {

constexpr std::size_t kMaxHeaders = 8'192;
constexpr std::size_t kKey = 24;     // 16 bytes in base64
constexpr std::size_t kAccept = 28;  // 20 bytes in base64

void refuse(std::string_view where, const char* name, const char* range) {
    throw std::invalid_argument(std::string(where) + name + " must be " + range);
}

bool is_visible(std::string_view text) {
    for (const char c : text) {
        if (c <= ' ' || c > '~') return false;
    }
    return true;
}

void check_headers(std::string_view headers, std::string_view where, const char* name) {
    if (headers.size() > kMaxHeaders) refuse(where, name, "at most 8192 bytes long");
    if (!headers.empty() && !headers.ends_with("\r\n")) refuse(where, name, "lines ending CR LF");
    if (headers.find("\r\n\r\n") != std::string_view::npos || headers.starts_with("\r\n")) {
        refuse(where, name, "without an empty line");
    }
}

/// Base64 of random bytes, as long as `length` characters with `padding` signs of equality.
std::string random_base64(std::size_t length, std::size_t padding, Stream& draws) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    std::uint64_t word = 0;
    for (std::size_t k = 0; k + padding < length; ++k) {
        if (k % 8 == 0) word = draws.next();
        // Where a group is padded its last digit has bits to spare, and they are zero.
        std::uint64_t digit = word >> (56 - 8 * (k % 8)) & 0x3F;
        if (k + padding + 1 == length) digit &= padding == 2 ? 0x30U : padding == 1 ? 0x3CU : 0x3FU;
        text += kDigits[digit];
    }
    return text.append(padding, '=');
}

std::string request_with(const WebSocketSpec& spec, std::string_view key) {
    std::string text = "GET " + spec.path + " HTTP/1.1\r\nHost: " + spec.host +
                       "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ";
    text += key;
    text += "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n";
    return text + spec.request_headers + "\r\n";
}

std::string response_with(const WebSocketSpec& spec, std::string_view accept) {
    std::string text =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: ";
    text += accept;
    text += "\r\nSec-WebSocket-Protocol: mqtt\r\n";
    return text + spec.response_headers + "\r\n";
}

}  // namespace

void check(const WebSocketSpec& spec, std::string_view where) {
    if (spec.host.empty() || spec.host.size() > 261 || !is_visible(spec.host)) {
        refuse(where, "host", "1 to 261 visible characters");
    }
    if (!spec.path.starts_with('/') || spec.path.size() > 2'048 || !is_visible(spec.path)) {
        refuse(where, "path", "visible characters that begin with / (at most 2048)");
    }
    check_headers(spec.request_headers, where, "request_headers");
    check_headers(spec.response_headers, where, "response_headers");
}

std::string upgrade_request(const WebSocketSpec& spec, Stream& draws) {
    return request_with(spec, random_base64(kKey, 2, draws));
}

std::string upgrade_response(const WebSocketSpec& spec, Stream& draws) {
    return response_with(spec, random_base64(kAccept, 1, draws));
}

std::uint32_t upgrade_request_bytes(const WebSocketSpec& spec) {
    return static_cast<std::uint32_t>(request_with(spec, "").size() + kKey);
}

std::uint32_t upgrade_response_bytes(const WebSocketSpec& spec) {
    return static_cast<std::uint32_t>(response_with(spec, "").size() + kAccept);
}

std::uint32_t frame_header_bytes(std::uint64_t payload, Side sender) {
    const std::uint32_t length = payload < 126 ? 2 : payload < 0x1'0000 ? 4 : 10;
    return length + (sender == Side::client ? 4 : 0);
}

std::uint64_t frame_bytes(std::uint64_t payload, Side sender) {
    return frame_header_bytes(payload, sender) + payload;
}

std::uint32_t close_frame_bytes(Side sender) { return frame_header_bytes(2, sender) + 2; }

std::uint32_t write_frame_header(FrameType type, std::uint64_t payload, Side sender,
                                 std::uint32_t mask, std::span<std::uint8_t> out) {
    constexpr unsigned kFinal = 0x80;
    const unsigned masked = sender == Side::client ? 0x80U : 0U;
    std::uint32_t at = 0;
    const auto put = [&](std::uint64_t value, unsigned bytes) {
        while (bytes-- > 0) out[at++] = static_cast<std::uint8_t>(value >> (8 * bytes));
    };
    put(kFinal | static_cast<unsigned>(type), 1);
    if (payload < 126) {
        put(masked | payload, 1);
    } else if (payload < 0x1'0000) {
        put(masked | 126U, 1);
        put(payload, 2);
    } else {
        put(masked | 127U, 1);
        put(payload, 8);
    }
    if (masked != 0) put(mask, 4);
    return at;
}

void apply_mask(std::uint32_t mask, std::uint64_t offset, std::span<std::uint8_t> payload) {
    for (std::size_t k = 0; k < payload.size(); ++k) {
        payload[k] ^= static_cast<std::uint8_t>(mask >> (24 - 8 * ((offset + k) % 4)));
    }
}

}  // namespace mqttwin::net
