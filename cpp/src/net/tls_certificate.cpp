#include "tls_certificate.hpp"

#include <initializer_list>
#include <string_view>

namespace mqttwin::net {

namespace {

using Bytes = std::vector<std::uint8_t>;

void put_der(Bytes& out, unsigned tag, const Bytes& content) {
    out.push_back(static_cast<std::uint8_t>(tag));
    const std::size_t length = content.size();
    if (length >= 0x100) out.push_back(0x82);
    if (length >= 0x100) out.push_back(static_cast<std::uint8_t>(length >> 8));
    if (length >= 0x80 && length < 0x100) out.push_back(0x81);
    out.push_back(static_cast<std::uint8_t>(length));
    out.insert(out.end(), content.begin(), content.end());
}

Bytes der(unsigned tag, std::initializer_list<Bytes> parts) {
    Bytes content;
    for (const Bytes& part : parts) content.insert(content.end(), part.begin(), part.end());
    Bytes out;
    put_der(out, tag, content);
    return out;
}

Bytes text(std::string_view value) { return {value.begin(), value.end()}; }

/// A certificate of `serial` bytes of serial number and `signature` bytes of signature.
Bytes certificate_with(std::size_t serial, std::size_t signature) {
    enum Tag : unsigned {
        integer = 2,
        bits = 3,
        oid = 6,
        utf8 = 12,
        utc_time = 23,
        sequence = 48,
        set = 49,
        version = 160,
    };
    const Bytes ecdsa_with_sha256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    const Bytes ec_public_key{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
    const Bytes prime256v1{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    const Bytes common_name{0x55, 0x04, 0x03};
    const Bytes algorithm = der(sequence, {der(oid, {ecdsa_with_sha256})});
    const Bytes name = der(
        sequence, {der(set, {der(sequence, {der(oid, {common_name}), der(utf8, {text("m")})})})});
    const Bytes validity = der(
        sequence, {der(utc_time, {text("250101000000Z")}), der(utc_time, {text("350101000000Z")})});
    const Bytes key = der(
        sequence,
        {der(sequence, {der(oid, {ec_public_key}), der(oid, {prime256v1})}), der(bits, {{0, 4}})});
    const Bytes to_be_signed =
        der(sequence, {der(version, {der(integer, {{2}})}), der(integer, {Bytes(serial, 1)}),
                       algorithm, name, validity, name, key});
    Bytes value(1 + signature, 1);
    value[0] = 0;  // unused bits
    return der(sequence, {to_be_signed, algorithm, der(bits, {value})});
}

}  // namespace

Bytes certificate_of(std::size_t bytes) {
    for (std::size_t serial = 1; serial < 8; ++serial) {
        const std::size_t least = certificate_with(serial, 0).size();
        for (std::size_t lengths = 0; lengths < 8 && least + lengths <= bytes; ++lengths) {
            Bytes made = certificate_with(serial, bytes - least - lengths);
            if (made.size() == bytes) return made;
        }
    }
    return Bytes(bytes, 0);  // 130 or 259: no DER value is as long
}

}  // namespace mqttwin::net
