// Bytes for tests: written in hexadecimal, framed, and a catalogue of packets with everything in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "any_packet.hpp"

namespace mqttwin::wire {

using Bytes = std::vector<std::uint8_t>;

/// "10 0C 'MQTT' 05" becomes bytes: hexadecimal pairs, and text in single quotes.
inline Bytes bytes_of(std::string_view hex) {
    Bytes out;
    bool quoted = false;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        if (hex[i] == '\'') {
            quoted = !quoted;
        } else if (quoted) {
            out.push_back(static_cast<std::uint8_t>(hex[i]));
        } else if (hex[i] != ' ') {
            out.push_back(
                static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
            ++i;
        }
    }
    return out;
}

inline Bytes operator+(const Bytes& a, const Bytes& b) {
    Bytes out(a.size() + b.size());
    std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), out.begin()));
    return out;
}

inline std::string hex_of(ByteView bytes) {
    std::string out;
    for (const std::uint8_t b : bytes) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        if (!out.empty()) out += ' ';
        out += digits[b >> 4];
        out += digits[b & 15];
    }
    return out;
}

/// A string with its length in front.
inline Bytes text_field(std::string_view text) {
    const Bytes length = {static_cast<std::uint8_t>(text.size() >> 8),
                          static_cast<std::uint8_t>(text.size())};
    return length + Bytes(text.begin(), text.end());
}

inline Bytes variable_field(std::size_t value) {
    Bytes out;
    do {
        out.push_back(static_cast<std::uint8_t>((value & 0x7F) | (value > 0x7F ? 0x80 : 0)));
        value >>= 7;
    } while (value > 0);
    return out;
}

/// A property section: its length and its bytes.
inline Bytes section(const Bytes& properties) {
    return variable_field(properties.size()) + properties;
}

/// A packet on the heap in a block of exactly its size, so that the address sanitizer sees every
/// read beyond it.
class Packet {
   public:
    Packet(std::uint8_t first, const Bytes& body) {
        const Bytes header = Bytes{first} + variable_field(body.size());
        const Bytes whole = header + body;
        size_ = whole.size();
        bytes_ = std::make_unique<std::uint8_t[]>(size_);
        std::copy(whole.begin(), whole.end(), bytes_.get());
        frame_ = {first, ByteView(bytes_.get(), size_).subspan(header.size()),
                  static_cast<std::uint32_t>(header.size())};
    }
    [[nodiscard]] const Frame& frame() const { return frame_; }
    [[nodiscard]] ByteView bytes() const { return {bytes_.get(), size_}; }

   private:
    std::unique_ptr<std::uint8_t[]> bytes_;
    std::size_t size_ = 0;
    Frame frame_;
};

/// The packet in a blob's bytes.
inline Packet packet_of(ByteView bytes) {
    std::size_t header = 1;
    while (bytes[header] & 0x80) ++header;
    const ByteView body = bytes.subspan(header + 1);
    return {bytes[0], Bytes(body.begin(), body.end())};
}

inline Fault decode_hex(std::uint8_t first, const Bytes& body, Version version, Sender sender) {
    AnyPacket out;
    const Packet packet(first, body);
    return decode_any(packet.frame(), version, sender, out);
}

struct Sample {
    std::string name;
    Version version;
    Sender sender;
    std::uint8_t first;
    Bytes body;
};

/// Valid packets of every type and version, each as full as it can be.
std::vector<Sample> samples();

inline std::string describe(const Fault& fault) {
    return fault ? std::string(fault.clause) + " " + std::string(fault.what) + " at " +
                       std::to_string(fault.offset) + " (" + std::to_string(fault.reason) + ")"
                 : "no fault";
}

}  // namespace mqttwin::wire
