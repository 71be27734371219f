// TLS 1.2 and 1.3 as bytes and round trips: sizes follow from the structure of the messages as
// OpenSSL 3.0 writes them; nothing is encrypted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/net/script.hpp"

namespace mqttwin::net {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };
enum class TlsKey : std::uint8_t { p256, p384, rsa2048, rsa3072, rsa4096 };
enum class TlsCipher : std::uint8_t { aes256_gcm_sha384, aes128_gcm_sha256, chacha20_poly1305 };

/// Which certificates a side shows.
enum class TlsChain : std::uint8_t { leaf, intermediate, root };  // the leaf, and behind it ...

/// DER bytes of certificates made with the openssl command, leaf first; all keys are `key`.
/// Names and extensions are those of the certificates that the measurements used; an ECDSA
/// signature in them counts with its commonest length.
std::vector<std::uint32_t> certificate_chain(TlsKey key, TlsChain chain);

/// How long the ends compute before they write; zero unless stated, for it is the host's.
struct TlsCompute {
    Duration client_hello{0};
    Duration server_flight{0};  // ServerHello and what follows it
    Duration client_flight{0};  // up to the client's Finished
    Duration server_finish{0};  // tickets; in a full TLS 1.2 handshake the server's Finished
};

struct TlsSpec {
    TlsVersion version = TlsVersion::v1_3;
    TlsKey key = TlsKey::p256;
    TlsCipher cipher = TlsCipher::aes256_gcm_sha384;
    std::vector<std::uint32_t> chain = certificate_chain(TlsKey::p256, TlsChain::intermediate);
    /// The server asks for a certificate and the client has one.
    bool mutual = false;
    TlsKey client_key = TlsKey::p256;
    std::vector<std::uint32_t> client_chain =
        certificate_chain(TlsKey::p256, TlsChain::intermediate);
    /// Connections after a device's first one resume its session.
    bool resumption = false;
    /// Session tickets after a full handshake (OpenSSL: two in TLS 1.3, one in 1.2 whatever the
    /// number). Without tickets TLS 1.2 resumes from the server's cache, and TLS 1.3 cannot.
    std::uint32_t tickets = 2;
    /// Host name in the ClientHello; empty for none.
    std::string server_name;
    /// The client offers 1.2 and 1.3, whichever is spoken then; otherwise `version` only.
    bool offers_both = false;
    /// Pads a ClientHello of 256 to 511 bytes to 512 (SSL_OP_TLSEXT_PADDING, part of SSL_OP_ALL).
    bool pads_hello = false;
    /// Bytes of the server's session id context, part of a ticket.
    std::uint32_t session_context = 0;
    TlsCompute compute_full;
    TlsCompute compute_resumed;

    void archive(Archive& a) {
        a(version, key, cipher, chain, mutual, client_key, client_chain, resumption, tickets);
        a(server_name, offers_both, pads_hello, session_context, compute_full, compute_resumed);
    }
};

/// Throws std::invalid_argument, naming the parameter and its range; `where` precedes the name.
void check(const TlsSpec& spec, std::string_view where);

/// The handshake of one connection. Lengths of ECDSA signatures and of random integers in tickets
/// are drawn from `draws`, the same number of draws whatever they yield.
Script tls_handshake(const TlsSpec& spec, bool resumed, Stream& draws);

/// Longest plaintext of one record; each record is a write of its own.
inline constexpr std::uint32_t kTlsRecord = 16'384;

/// What a record adds to its plaintext.
std::uint32_t tls_record_overhead(const TlsSpec& spec);
/// Bytes on TCP of one application write.
std::uint64_t tls_sealed(const TlsSpec& spec, std::uint64_t bytes);
/// The alert with which a side ends what it says.
std::uint32_t tls_close_notify(const TlsSpec& spec);

}  // namespace mqttwin::net
