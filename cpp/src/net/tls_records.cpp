// Plaintext messages are complete, with the lists that OpenSSL 3.0 sends, so their length is that
// of the script by construction; tickets, signatures and certificates take the length that is left.
#include "tls_records.hpp"

#include <algorithm>
#include <initializer_list>

#include "tls_certificate.hpp"

namespace mqttwin::net {

namespace {

using Kind = Piece::Kind;
using Bytes = std::vector<std::uint8_t>;

enum ContentType : std::uint8_t {
    change_cipher_spec = 20,
    alert = 21,
    handshake = 22,
    application_data = 23,
};

constexpr std::size_t kRecordHeader = 5;

void put(Bytes& out, std::uint64_t value, unsigned bytes) {
    while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
}

void put_random(Bytes& out, std::uint64_t bytes, Stream& draws) {
    std::uint64_t word = 0;
    for (std::uint64_t k = 0; k < bytes; ++k) {
        if (k % 8 == 0) word = draws.next();
        out.push_back(static_cast<std::uint8_t>(word >> (8 * (k % 8))));
    }
}

/// Writes a length of `width` bytes, and goes back to it when its content is there.
class Block {
   public:
    Block(Bytes& out, unsigned width) : out_(out), at_(out.size()), width_(width) {
        put(out, 0, width);
    }
    ~Block() {
        const std::size_t length = out_.size() - at_ - width_;
        for (unsigned k = 0; k < width_; ++k) {
            out_[at_ + k] = static_cast<std::uint8_t>(length >> (8 * (width_ - 1 - k)));
        }
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    Block(Block&&) = delete;
    Block& operator=(Block&&) = delete;

   private:
    Bytes& out_;
    std::size_t at_;
    unsigned width_;
};

/// An extension that is a list of 16-bit values, or these with a byte for the list's length.
void put_list(Bytes& out, unsigned type, unsigned width,
              std::initializer_list<std::uint16_t> values, unsigned value_bytes = 2) {
    put(out, type, 2);
    const Block extension(out, 2);
    const Block list(out, width);
    for (const std::uint16_t value : values) put(out, value, value_bytes);
}

void put_empty(Bytes& out, unsigned type) { put(out, type << 16, 4); }

void put_signature_algorithms(Bytes& out, bool sha1_too) {
    for (const unsigned one : {0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b,
                               0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601}) {
        put(out, one, 2);
    }
    if (!sha1_too) return;
    for (const unsigned one : {0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602}) put(out, one, 2);
}

std::uint16_t suite(const TlsSpec& spec) {
    const bool ecdsa = spec.key == TlsKey::p256 || spec.key == TlsKey::p384;
    const bool newer = spec.version == TlsVersion::v1_3;
    switch (spec.cipher) {
        case TlsCipher::aes256_gcm_sha384:
            return newer ? 0x1302 : ecdsa ? 0xc02c : 0xc030;
        case TlsCipher::aes128_gcm_sha256:
            return newer ? 0x1301 : ecdsa ? 0xc02b : 0xc02f;
        case TlsCipher::chacha20_poly1305:
            break;
    }
    return newer ? 0x1303 : ecdsa ? 0xcca9 : 0xcca8;
}

void put_key_share(Bytes& out, bool listed, Stream& draws) {
    put(out, 51, 2);
    const Block extension(out, 2);
    if (listed) put(out, 36, 2);
    put(out, 0x001d, 2);
    put(out, 32, 2);
    put_random(out, 32, draws);
}

/// pre_shared_key with one identity of `length` bytes and one binder.
void put_pre_shared_key(Bytes& out, std::size_t length, unsigned binder, Stream& draws) {
    put(out, 41, 2);
    const Block extension(out, 2);
    {
        const Block identities(out, 2);
        put(out, length, 2);
        put_random(out, length, draws);
        put_random(out, 4, draws);
    }
    put(out, binder + 1, 2);
    put(out, binder, 1);
    put_random(out, binder, draws);
}

void put_suites(Bytes& out, bool older, bool newer) {
    const Block suites(out, 2);
    if (newer) {
        for (const unsigned one : {0x1302, 0x1303, 0x1301}) put(out, one, 2);
    }
    if (older) {
        for (const unsigned one :
             {0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e,
              0xc024, 0xc028, 0x006b, 0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039,
              0xc009, 0xc013, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f}) {
            put(out, one, 2);
        }
    }
    put(out, 0x00ff, 2);
}

/// `end` is where the message ends in `out`; a resumed session's ticket fills it.
void client_hello(const TlsSpec& spec, bool resumed, std::size_t end, Stream& draws, Bytes& out) {
    const bool psk = resumed && spec.version == TlsVersion::v1_3;
    const bool newer = spec.version == TlsVersion::v1_3 || spec.offers_both;
    const bool older = spec.version == TlsVersion::v1_2 || spec.offers_both;
    const unsigned binder = spec.cipher == TlsCipher::aes256_gcm_sha384 ? 48 : 32;
    put(out, 0x0303, 2);
    put_random(out, 32, draws);
    const unsigned session = newer || resumed ? 32 : 0;
    put(out, session, 1);
    put_random(out, session, draws);
    put_suites(out, older, newer);
    put(out, 0x0100, 2);
    const Block extensions(out, 2);
    if (!spec.server_name.empty()) {
        put(out, 0, 2);
        const Block extension(out, 2);
        const Block list(out, 2);
        put(out, 0, 1);
        const Block name(out, 2);
        for (const char c : spec.server_name) out.push_back(static_cast<std::uint8_t>(c));
    }
    put_list(out, 11, 1, {0, 1, 2}, 1);
    if (newer) {
        put_list(out, 10, 2, {29, 23, 30, 25, 24, 256, 257, 258, 259, 260});
    } else {
        put_list(out, 10, 2, {29, 23, 30, 25, 24});
    }
    // What follows the ticket is made first: then it is known how long the ticket is.
    Bytes rest;
    put_empty(rest, 22);
    put_empty(rest, 23);
    {
        put(rest, 13, 2);
        const Block extension(rest, 2);
        const Block list(rest, 2);
        put_signature_algorithms(rest, older);
    }
    if (newer) {
        if (older) {
            put_list(rest, 43, 1, {0x0304, 0x0303});
        } else {
            put_list(rest, 43, 1, {0x0304});
        }
        put_list(rest, 45, 1, {1}, 1);
        put_key_share(rest, true, draws);
    }
    std::size_t left = end - out.size() - 4 - rest.size();
    const bool pads = !resumed && left >= 4;
    put(out, 35, 2);
    const std::size_t ticket = resumed && !psk ? left : 0;
    put(out, ticket, 2);
    put_random(out, ticket, draws);
    out.insert(out.end(), rest.begin(), rest.end());
    if (psk) put_pre_shared_key(out, left - 15 - binder, binder, draws);
    if (pads) {
        put(out, 21, 2);
        put(out, left - 4, 2);
        out.resize(out.size() + left - 4);
    }
}

void server_hello(const TlsSpec& spec, bool resumed, Stream& draws, Bytes& out) {
    const bool newer = spec.version == TlsVersion::v1_3;
    put(out, 0x0303, 2);
    put_random(out, 32, draws);
    const unsigned session = newer || resumed || spec.tickets == 0 ? 32 : 0;
    put(out, session, 1);
    put_random(out, session, draws);
    put(out, suite(spec), 2);
    put(out, 0, 1);
    const Block extensions(out, 2);
    if (newer) {
        put(out, 43, 2);
        put(out, 2, 2);
        put(out, 0x0304, 2);
        put_key_share(out, false, draws);
        if (resumed) put(out, 41ULL << 32 | 2ULL << 16, 6);
        return;
    }
    put(out, 0xff01, 2);  // renegotiation_info
    put(out, 1, 2);
    put(out, 0, 1);
    if (!resumed) put_list(out, 11, 1, {0, 1, 2}, 1);
    if (!resumed && spec.tickets > 0) put_empty(out, 35);
    put_empty(out, 23);
}

void certificates(const std::vector<std::uint32_t>& chain, Bytes& out) {
    const Block list(out, 3);
    for (const std::uint32_t bytes : chain) {
        const Block one(out, 3);
        const Bytes made = certificate_of(bytes);
        out.insert(out.end(), made.begin(), made.end());
    }
}

/// Algorithm, length and a signature that ends at `end`.
void signature(TlsKey key, std::size_t end, Stream& draws, Bytes& out) {
    const bool ecdsa = key == TlsKey::p256 || key == TlsKey::p384;
    put(out, key == TlsKey::p256 ? 0x0403 : key == TlsKey::p384 ? 0x0503 : 0x0804, 2);
    const std::size_t bytes = end - out.size() - 2;
    put(out, bytes, 2);
    if (!ecdsa || bytes < 10) {
        put_random(out, bytes, draws);
        return;
    }
    const std::size_t integers = bytes - 2 - 4;
    put(out, 0x3000 | (bytes - 2), 2);
    for (const std::size_t length : {integers / 2, integers - integers / 2}) {
        put(out, 0x0200 | length, 2);
        put(out, 1, 1);
        put_random(out, length - 1, draws);
    }
}

unsigned message_type(Kind kind) {
    switch (kind) {
        case Kind::client_hello:
            return 1;
        case Kind::server_hello:
            return 2;
        case Kind::new_session_ticket:
            return 4;
        case Kind::certificate:
            return 11;
        case Kind::server_key_exchange:
            return 12;
        case Kind::certificate_request:
            return 13;
        case Kind::server_hello_done:
            return 14;
        case Kind::certificate_verify:
            return 15;
        default:
            return 16;  // client_key_exchange
    }
}

/// The body of a plaintext message that ends at `end`.
void body(const TlsSpec& spec, const Piece& piece, bool resumed, std::size_t end, Stream& draws,
          Bytes& out) {
    const bool from_client = piece.sender == Side::client;
    switch (piece.kind) {
        case Kind::client_hello:
            return client_hello(spec, resumed, end, draws, out);
        case Kind::server_hello:
            return server_hello(spec, resumed, draws, out);
        case Kind::certificate:
            return certificates(from_client ? spec.client_chain : spec.chain, out);
        case Kind::server_key_exchange:
            put(out, 0x03001d20, 4);  // a named curve: X25519
            put_random(out, 32, draws);
            return signature(spec.key, end, draws, out);
        case Kind::certificate_request: {
            put(out, 0x03010240, 4);  // RSA, DSA, ECDSA
            {
                const Block list(out, 2);
                put_signature_algorithms(out, true);
            }
            put(out, 0, 2);
            return;
        }
        case Kind::client_key_exchange:
            put(out, 32, 1);
            return put_random(out, 32, draws);
        case Kind::certificate_verify:
            return signature(spec.client_key, end, draws, out);
        case Kind::new_session_ticket:
            put(out, 7'200, 4);
            put(out, end - out.size() - 2, 2);
            return put_random(out, end - out.size(), draws);
        default:
            return;
    }
}

void put_header(Bytes& out, ContentType type, unsigned version, std::size_t content) {
    put(out, type, 1);
    put(out, version, 2);
    put(out, content, 2);
}

}  // namespace

void write_tls_piece(const TlsSpec& spec, const Piece& piece, bool resumed, Stream& draws,
                     std::vector<std::uint8_t>& out) {
    const std::size_t content = piece.bytes - kRecordHeader;
    switch (piece.kind) {
        case Kind::change_cipher_spec:
            put_header(out, ContentType::change_cipher_spec, 0x0303, 1);
            return put(out, 1, 1);
        case Kind::finished:
            put_header(out, ContentType::handshake, 0x0303, content);
            return put_random(out, content, draws);
        case Kind::alert: {
            const bool seen = spec.version == TlsVersion::v1_2;
            put_header(out, seen ? ContentType::alert : ContentType::application_data, 0x0303,
                       content);
            return put_random(out, content, draws);
        }
        case Kind::encrypted:
            put_header(out, ContentType::application_data, 0x0303, content);
            return put_random(out, content, draws);
        default:
            break;
    }
    const bool first = piece.kind == Kind::client_hello;
    put_header(out, ContentType::handshake, first ? 0x0301 : 0x0303, content);
    const std::size_t end = out.size() + content;
    put(out, message_type(piece.kind), 1);
    put(out, content - 4, 3);
    body(spec, piece, resumed, end, draws, out);
}

void write_tls_data(const TlsSpec& spec, std::uint64_t bytes, Stream& draws,
                    std::vector<std::uint8_t>& out) {
    while (bytes > 0) {
        const std::uint64_t part = std::min<std::uint64_t>(bytes, kTlsRecord);
        const std::uint64_t content = part + tls_record_overhead(spec) - kRecordHeader;
        put_header(out, ContentType::application_data, 0x0303, content);
        put_random(out, content, draws);
        bytes -= part;
    }
}

}  // namespace mqttwin::net
