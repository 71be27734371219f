// Sizes of TLS messages, from their structure (RFC 5246, RFC 8446) with the lists that OpenSSL 3.0
// sends by default. h is the length of the cipher suite's hash (48 or 32), s of a signature, t of a
// ticket, c of a certificate.
//
//   message             TLS 1.2                         TLS 1.3
//   ClientHello         183; resumed 215 + t            220; resumed 235 + h + t
//     offering both     288; resumed 288 + t            288; resumed 303 + h + t
//     server_name       9 + its length, more
//   ServerHello         65; resumed 85                  122; resumed 128
//   EncryptedExtensions                                 6
//   Certificate         7 + sum(3 + c)                  8 + sum(5 + c)
//   ServerKeyExchange   44 + s (X25519)
//   CertificateRequest  52                              45
//   ServerHelloDone     4
//   ClientKeyExchange   37
//   CertificateVerify   8 + s                           8 + s
//   Finished            16                              4 + h
//   NewSessionTicket    10 + t                          25 + t
//   record              5; sealed 29 or 21 (ChaCha20)   5; sealed 22
//   ChangeCipherSpec    6 with its record               6 with its record (for middleboxes)
//
// A ticket is 64 bytes around the encrypted session, see ticket().
#include "mqttwin/net/tls.hpp"

#include <algorithm>
#include <stdexcept>

namespace mqttwin::net {

namespace {

using Kind = Piece::Kind;

constexpr std::uint32_t kRecordHeader = 5;
constexpr std::uint32_t kMessageHeader = 4;
constexpr std::uint32_t kAeadTag = 16;
constexpr std::uint32_t kExplicitNonce = 8;     // of TLS 1.2 with GCM
constexpr std::uint32_t kContentType = 1;       // inside a record of TLS 1.3
constexpr std::uint32_t kChangeCipherSpec = 6;  // a record
constexpr std::uint32_t kSessionId = 32;
constexpr std::uint32_t kHandshakeBuffer = 4096;  // a flight is written in pieces of this
constexpr std::uint32_t kMaxCertificates = 10;
constexpr std::uint32_t kMaxChain = 16'000;  // the message fits a record
constexpr std::uint32_t kMaxTickets = 16;

void refuse(std::string_view where, const char* name, const char* range) {
    throw std::invalid_argument(std::string(where) + name + " must be " + range);
}

bool is_ecdsa(TlsKey key) { return key == TlsKey::p256 || key == TlsKey::p384; }

std::uint32_t hash_bytes(TlsCipher cipher) {
    return cipher == TlsCipher::aes256_gcm_sha384 ? 48 : 32;
}

/// Tag and length of a DER value.
std::uint32_t der_header(std::uint32_t content) {
    return content < 0x80 ? 2 : content < 0x100 ? 3 : content < 0x1'0000 ? 4 : 5;
}
std::uint32_t der(std::uint32_t content) { return der_header(content) + content; }

/// A DER INTEGER of a uniform number of `bytes` bytes: short by its leading zeros, and one more
/// where the first bit would be a sign.
std::uint32_t drawn_integer(std::uint32_t bytes, Stream& draws) {
    const std::uint64_t word = draws.next();
    std::uint32_t length = bytes;
    int shift = 56;
    while (length > 1 && shift > 0 && (word >> shift & 0xFF) == 0) {
        --length;
        shift -= 8;
    }
    if ((word >> shift & 0x80) != 0) ++length;
    return der(length);
}

std::uint32_t signature(TlsKey key, Stream& draws) {
    if (is_ecdsa(key)) {
        const std::uint32_t bytes = key == TlsKey::p256 ? 32 : 48;
        const std::uint32_t r = drawn_integer(bytes, draws);
        const std::uint32_t s = drawn_integer(bytes, draws);
        return der(r + s);
    }
    return key == TlsKey::rsa2048 ? 256 : key == TlsKey::rsa3072 ? 384 : 512;
}

/// SSL_SESSION in DER, padded to the block of AES-256-CBC, with the key's name, IV and MAC.
std::uint32_t ticket(const TlsSpec& spec, Stream& draws) {
    const bool newer = spec.version == TlsVersion::v1_3;
    std::uint32_t session = 3 + 4 + 4;  // version, protocol version, cipher suite
    session += der(newer ? kSessionId : 0);
    session += der(newer ? hash_bytes(spec.cipher) : 48);  // master secret
    session += 8 + 6;                                      // time and time-out
    if (spec.mutual) session += der(spec.client_chain.front());
    session += der(der(spec.session_context));
    if (newer) {
        session += der(drawn_integer(4, draws));  // ticket_age_add
    } else {
        session += 5;  // flags: extended master secret
    }
    session += 5;  // group of the key exchange
    constexpr std::uint32_t kBlock = 16;
    return 16 + 16 + (der(session) / kBlock + 1) * kBlock + 32;
}

std::uint32_t client_hello(const TlsSpec& spec, bool resumed, std::uint32_t old_ticket) {
    const bool newer = spec.version == TlsVersion::v1_3;
    const bool lists_1_2 = !newer || spec.offers_both;
    const bool lists_1_3 = newer || spec.offers_both;
    std::uint32_t bytes = kMessageHeader + 2 + 32;  // version, random
    bytes += 1 + (lists_1_3 || resumed ? kSessionId : 0);
    bytes += 2 + 2 * ((lists_1_2 ? 27 : 0) + (lists_1_3 ? 3 : 0) + 1);  // suites and SCSV
    bytes += 2 + 2;                                                     // compression, extensions
    bytes += 8;                                                         // ec_point_formats
    bytes += 6 + 2 * (lists_1_3 ? 10 : 5);                              // supported_groups
    bytes += 4;                                                         // session_ticket
    bytes += 4 + 4;                             // encrypt_then_mac, extended_master_secret
    bytes += 6 + 2 * (lists_1_2 ? 20 : 14);     // signature_algorithms
    if (lists_1_3) bytes += lists_1_2 ? 9 : 7;  // supported_versions
    if (lists_1_3) bytes += 6 + 42;             // psk_key_exchange_modes, key_share (X25519)
    if (!spec.server_name.empty()) bytes += 9 + static_cast<std::uint32_t>(spec.server_name.size());
    if (resumed) bytes += newer ? 15 + old_ticket + hash_bytes(spec.cipher) : old_ticket;
    if (spec.pads_hello && bytes > 0xFF && bytes < 0x200) {
        bytes += std::max<std::uint32_t>(0x200 - bytes, 5);
    }
    return bytes;
}

std::uint32_t certificates(TlsVersion version, const std::vector<std::uint32_t>& chain) {
    const bool newer = version == TlsVersion::v1_3;
    std::uint32_t bytes = kMessageHeader + (newer ? 4 : 3);
    for (const std::uint32_t one : chain) bytes += one + (newer ? 5 : 3);
    return bytes;
}

/// Collects flights: pieces go in, steps of at most the handshake buffer come out.
class Writer {
   public:
    Writer(const TlsSpec& spec, Script& script) : spec_(spec), script_(script) {}

    void begin(Side sender) { sender_ = sender; }
    void record(Kind kind, std::uint32_t message) { add(kind, kRecordHeader + message); }
    void sealed(std::uint32_t message) {
        const bool seen = spec_.version == TlsVersion::v1_2;
        add(seen ? Kind::finished : Kind::encrypted, tls_record_overhead(spec_) + message);
    }
    void change_cipher_spec() { add(Kind::change_cipher_spec, kChangeCipherSpec); }
    /// Ends the flight. It waits for all that is written so far.
    void flush(Duration compute) {
        const std::size_t before = script_.steps.size();
        while (flight_ > 0) {
            Step step;
            step.sender = sender_;
            step.after = static_cast<std::uint8_t>(before);
            step.bytes = std::min(flight_, kHandshakeBuffer);
            step.compute = compute;
            script_.steps.push_back(step);
            flight_ -= step.bytes;
            compute = Duration{0};
        }
    }

   private:
    void add(Kind kind, std::uint32_t bytes) {
        script_.pieces.push_back({sender_, kind, bytes});
        flight_ += bytes;
    }

    const TlsSpec& spec_;
    Script& script_;
    Side sender_ = Side::client;
    std::uint32_t flight_ = 0;
};

void opens(Script& script, Side side) {
    script.opens[index_of(side)] = static_cast<std::uint8_t>(script.steps.size());
}

void handshake_1_3(const TlsSpec& spec, bool resumed, Stream& draws, Script& script) {
    const TlsCompute& compute = resumed ? spec.compute_resumed : spec.compute_full;
    const std::uint32_t finished = kMessageHeader + hash_bytes(spec.cipher);
    Writer writer(spec, script);

    writer.begin(Side::client);
    const std::uint32_t old_ticket = resumed ? ticket(spec, draws) : 0;
    writer.record(Kind::client_hello, client_hello(spec, resumed, old_ticket));
    writer.flush(compute.client_hello);

    writer.begin(Side::server);
    writer.record(Kind::server_hello, resumed ? 128 : 122);
    writer.change_cipher_spec();
    writer.sealed(6);  // EncryptedExtensions
    if (!resumed) {
        if (spec.mutual) writer.sealed(45);  // CertificateRequest
        writer.sealed(certificates(spec.version, spec.chain));
        writer.sealed(8 + signature(spec.key, draws));
    }
    writer.sealed(finished);
    writer.flush(compute.server_flight);

    writer.begin(Side::client);
    writer.change_cipher_spec();
    if (!resumed && spec.mutual) {
        writer.sealed(certificates(spec.version, spec.client_chain));
        writer.sealed(8 + signature(spec.client_key, draws));
    }
    writer.sealed(finished);
    writer.flush(compute.client_flight);
    opens(script, Side::client);

    // Each ticket is flushed alone; a resumed session is given one.
    writer.begin(Side::server);
    const std::uint32_t tickets = resumed ? std::min(spec.tickets, 1U) : spec.tickets;
    for (std::uint32_t k = 0; k < tickets; ++k) {
        writer.sealed(25 + ticket(spec, draws));
        writer.flush(k == 0 ? compute.server_finish : Duration{0});
    }
    opens(script, Side::server);
}

void handshake_1_2_full(const TlsSpec& spec, Stream& draws, Script& script) {
    const TlsCompute& compute = spec.compute_full;
    Writer writer(spec, script);
    writer.begin(Side::client);
    writer.record(Kind::client_hello, client_hello(spec, false, 0));
    writer.flush(compute.client_hello);

    writer.begin(Side::server);
    // Without tickets the session is named, and the ticket extension is missing.
    writer.record(Kind::server_hello, spec.tickets > 0 ? 65 : 65 + kSessionId - 4);
    writer.record(Kind::certificate, certificates(spec.version, spec.chain));
    writer.record(Kind::server_key_exchange, 44 + signature(spec.key, draws));
    if (spec.mutual) writer.record(Kind::certificate_request, 52);
    writer.record(Kind::server_hello_done, kMessageHeader);
    writer.flush(compute.server_flight);

    writer.begin(Side::client);
    if (spec.mutual) {
        writer.record(Kind::certificate, certificates(spec.version, spec.client_chain));
    }
    writer.record(Kind::client_key_exchange, 37);
    if (spec.mutual) {
        writer.record(Kind::certificate_verify, 8 + signature(spec.client_key, draws));
    }
    writer.change_cipher_spec();
    writer.sealed(16);  // Finished
    writer.flush(compute.client_flight);

    writer.begin(Side::server);
    if (spec.tickets > 0) writer.record(Kind::new_session_ticket, 10 + ticket(spec, draws));
    writer.change_cipher_spec();
    writer.sealed(16);
    writer.flush(compute.server_finish);
    opens(script, Side::client);
    opens(script, Side::server);
}

void handshake_1_2_resumed(const TlsSpec& spec, Stream& draws, Script& script) {
    const TlsCompute& compute = spec.compute_resumed;
    Writer writer(spec, script);
    writer.begin(Side::client);
    const std::uint32_t old_ticket = spec.tickets > 0 ? ticket(spec, draws) : 0;
    writer.record(Kind::client_hello, client_hello(spec, true, old_ticket));
    writer.flush(compute.client_hello);

    writer.begin(Side::server);
    writer.record(Kind::server_hello, 85);
    writer.change_cipher_spec();
    writer.sealed(16);
    writer.flush(compute.server_flight);

    writer.begin(Side::client);
    writer.change_cipher_spec();
    writer.sealed(16);
    writer.flush(compute.client_flight);
    opens(script, Side::client);
    opens(script, Side::server);
}

void check_chain(const std::vector<std::uint32_t>& chain, std::string_view where,
                 const char* name) {
    if (chain.empty() || chain.size() > kMaxCertificates) {
        refuse(where, name, "1 to 10 certificates");
    }
    std::uint32_t sum = 0;
    for (const std::uint32_t bytes : chain) {
        if (bytes < 128 || bytes > kMaxChain) {
            refuse(where, name, "certificates of 128 to 16000 bytes");
        }
        sum += bytes;
    }
    if (sum > kMaxChain) refuse(where, name, "at most 16000 bytes together");
}

void check_compute(const TlsCompute& compute, std::string_view where, const char* name) {
    for (const Duration one : {compute.client_hello, compute.server_flight, compute.client_flight,
                               compute.server_finish}) {
        if (one < Duration{0} || one > minutes(1)) refuse(where, name, "within 0 s to 1 min");
    }
}

}  // namespace

std::vector<std::uint32_t> certificate_chain(TlsKey key, TlsChain chain) {
    struct Sizes {
        std::uint32_t public_key, algorithm, signature;  // SubjectPublicKeyInfo, ..., commonest
    };
    const Sizes sizes = [key]() -> Sizes {
        switch (key) {
            case TlsKey::p256:
                return {91, 12, 71};
            case TlsKey::p384:
                return {120, 12, 103};
            case TlsKey::rsa2048:
                return {294, 15, 256};
            case TlsKey::rsa3072:
                return {422, 15, 384};
            case TlsKey::rsa4096:
                break;
        }
        return {550, 15, 512};
    }();
    // Version 5, serial number 22, validity 32; algorithms inside and outside what is signed.
    const auto certificate = [&sizes](std::uint32_t names_and_extensions) {
        const std::uint32_t to_be_signed =
            der(5 + 22 + sizes.algorithm + 32 + sizes.public_key + names_and_extensions);
        return der(to_be_signed + sizes.algorithm + der(1 + sizes.signature));
    };
    switch (chain) {
        case TlsChain::leaf:
            break;
        case TlsChain::intermediate:  // its name is the longer one
            return {certificate(311), certificate(251)};
        case TlsChain::root:
            return {certificate(304), certificate(223)};
    }
    return {certificate(304)};
}

void check(const TlsSpec& spec, std::string_view where) {
    check_chain(spec.chain, where, "chain");
    if (spec.mutual) check_chain(spec.client_chain, where, "client_chain");
    if (spec.tickets > kMaxTickets) refuse(where, "tickets", "within 0 to 16");
    if (spec.resumption && spec.tickets == 0 && spec.version == TlsVersion::v1_3) {
        refuse(where, "tickets", "at least 1 where TLS 1.3 resumes sessions");
    }
    if (spec.server_name.size() > 255) {
        refuse(where, "server_name", "at most 255 bytes long");
    }
    if (spec.session_context > 32) refuse(where, "session_context", "within 0 to 32 bytes");
    check_compute(spec.compute_full, where, "compute_full");
    check_compute(spec.compute_resumed, where, "compute_resumed");
}

Script tls_handshake(const TlsSpec& spec, bool resumed, Stream& draws) {
    Script script;
    script.resumed = resumed;
    if (spec.version == TlsVersion::v1_3) {
        handshake_1_3(spec, resumed, draws, script);
    } else if (resumed) {
        handshake_1_2_resumed(spec, draws, script);
    } else {
        handshake_1_2_full(spec, draws, script);
    }
    return script;
}

std::uint32_t tls_record_overhead(const TlsSpec& spec) {
    if (spec.version == TlsVersion::v1_3) return kRecordHeader + kContentType + kAeadTag;
    const bool counted = spec.cipher == TlsCipher::chacha20_poly1305;  // the nonce is not sent
    return kRecordHeader + (counted ? 0 : kExplicitNonce) + kAeadTag;
}

std::uint64_t tls_sealed(const TlsSpec& spec, std::uint64_t bytes) {
    const std::uint64_t records = (bytes + kTlsRecord - 1) / kTlsRecord;
    return bytes + records * tls_record_overhead(spec);
}

std::uint32_t tls_close_notify(const TlsSpec& spec) { return tls_record_overhead(spec) + 2; }

}  // namespace mqttwin::net
