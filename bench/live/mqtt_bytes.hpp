// The few packets of MQTT 3.1.1 that a load generator needs, as bytes. Written apart from the wire
// room on purpose: an instrument that shares code with what it measures cannot find its mistakes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace mqttwin::live {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

enum class Type : std::uint8_t {
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    disconnect = 14,
};

/// One control packet as it was read: first byte, and what follows the fixed header.
struct Packet {
    std::uint8_t first = 0;
    View body;

    [[nodiscard]] Type type() const { return static_cast<Type>(first >> 4); }
};

/// No answer that we provoke is longer than this.
constexpr std::size_t max_packet = std::size_t{64} * 1024;

inline void put_u16(Bytes& out, std::size_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

inline std::uint16_t get_u16(const std::uint8_t* at) {
    return static_cast<std::uint16_t>((at[0] << 8) | at[1]);
}

inline void put_string(Bytes& out, std::string_view text) {
    put_u16(out, text.size());
    out.insert(out.end(), text.begin(), text.end());
}

/// A fixed header before `body`.
inline Bytes packet(Type type, std::uint8_t flags, const Bytes& body) {
    Bytes out{static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | flags)};
    std::size_t rest = body.size();
    do {
        const bool more = rest > 127;
        out.push_back(static_cast<std::uint8_t>((rest & 0x7F) | (more ? 0x80 : 0)));
        rest >>= 7;
    } while (rest > 0);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

inline Bytes connect_packet(std::string_view client_id, std::uint16_t keep_alive_seconds) {
    Bytes body;
    put_string(body, "MQTT");
    body.push_back(4);     // 3.1.1
    body.push_back(0x02);  // clean session
    put_u16(body, keep_alive_seconds);
    put_string(body, client_id);
    return packet(Type::connect, 0, body);
}

inline Bytes subscribe_packet(std::uint16_t id, std::string_view filter, int qos) {
    Bytes body;
    put_u16(body, id);
    put_string(body, filter);
    body.push_back(static_cast<std::uint8_t>(qos));
    return packet(Type::subscribe, 0x02, body);
}

/// A PUBLISH with an empty place of `payload` bytes, and of two before it for a packet identifier.
inline Bytes publish_packet(std::string_view topic, int qos, std::size_t payload) {
    Bytes body;
    put_string(body, topic);
    body.resize(body.size() + (qos > 0 ? 2 : 0) + payload);
    return packet(Type::publish, static_cast<std::uint8_t>(qos << 1), body);
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP at the end of `out`.
inline void append_answer(Bytes& out, Type type, const std::uint8_t* id) {
    const auto flags = type == Type::pubrel ? 0x02U : 0U;
    const std::uint8_t four[4] = {
        static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | flags), 2, id[0], id[1]};
    out.insert(out.end(), four, four + 4);
}

/// Hands every whole packet in `bytes` to `take`; returns how many bytes those were.
/// Throws std::runtime_error on a length that nothing we asked for can have.
template <class Take>
std::size_t for_each_packet(View bytes, Take&& take) {
    std::size_t at = 0;
    while (bytes.size() - at >= 2) {
        std::size_t length = 0;
        std::size_t header = 1;
        for (unsigned shift = 0;; shift += 7, ++header) {
            if (shift > 21) throw std::runtime_error("the broker sent a malformed length");
            if (at + header >= bytes.size()) return at;
            const std::uint8_t byte = bytes[at + header];
            length |= std::size_t{byte & 0x7FU} << shift;
            if ((byte & 0x80) == 0) break;
        }
        ++header;
        if (length > max_packet) throw std::runtime_error("the broker sent a very long packet");
        if (bytes.size() - at < header + length) return at;
        take(Packet{bytes[at], bytes.subspan(at + header, length)});
        at += header + length;
    }
    return at;
}

}  // namespace mqttwin::live
