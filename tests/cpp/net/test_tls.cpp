#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/tls.hpp"

namespace mqttwin::net {
namespace {

Stream draws_of(std::uint64_t connection) {
    return Stream(StreamKey::of(1, "test", "tls"), connection);
}

/// As in the measurements.
TlsSpec measured(TlsVersion version, TlsKey key) {
    TlsSpec spec;
    spec.version = version;
    spec.key = spec.client_key = key;
    spec.chain = spec.client_chain = certificate_chain(key, TlsChain::leaf);
    spec.session_context = 1;
    return spec;
}

std::vector<std::uint32_t> writes(const Script& script) {
    std::vector<std::uint32_t> sizes;
    for (const Step& step : script.steps) sizes.push_back(step.bytes);
    return sizes;
}

std::vector<std::uint32_t> writes(const TlsSpec& spec, bool resumed) {
    Stream draws = draws_of(0);
    return writes(tls_handshake(spec, resumed, draws));
}

using Sizes = std::vector<std::uint32_t>;

// Captured between OpenSSL 3.0 over a real kernel: payloads of segments.
TEST(Tls, RsaHandshakesAreThoseOfACapture) {
    const TlsSpec newer = measured(TlsVersion::v1_3, TlsKey::rsa2048);
    EXPECT_EQ(writes(newer, false), (Sizes{225, 1512, 80, 255, 255}));
    EXPECT_EQ(writes(newer, true), (Sizes{496, 241, 80, 255}));
    const TlsSpec older = measured(TlsVersion::v1_2, TlsKey::rsa2048);
    EXPECT_EQ(writes(older, false), (Sizes{188, 1355, 93, 226}));
    EXPECT_EQ(writes(older, true), (Sizes{380, 141, 51}));
}

TEST(Tls, ACertificateOfTheClientMakesTicketsLarger) {
    TlsSpec spec = measured(TlsVersion::v1_2, TlsKey::rsa2048);
    spec.mutual = true;
    EXPECT_EQ(writes(spec, false), (Sizes{188, 1412, 1333, 1202}));
    // The ticket of 1136 bytes comes back.
    EXPECT_EQ(writes(spec, true), (Sizes{1356, 141, 51}));
}

TEST(Tls, EllipticCurveHandshakesVaryByTheirSignatures) {
    TlsSpec spec = measured(TlsVersion::v1_2, TlsKey::p256);
    spec.mutual = true;
    std::set<std::uint32_t> up;
    std::set<std::uint32_t> down;
    for (std::uint64_t k = 0; k < 50; ++k) {
        Stream draws = draws_of(k);
        const Script script = tls_handshake(spec, false, draws);
        up.insert(script.bytes(Side::client));
        down.insert(script.bytes(Side::server));
    }
    EXPECT_LE(*down.rbegin(), 1634U);
    EXPECT_GE(*down.begin(), 1630U);
    EXPECT_LE(*up.rbegin(), 941U);
    EXPECT_GE(*up.begin(), 937U);
    EXPECT_GE(up.size(), 2U);
    EXPECT_GE(down.size(), 2U);
}

TEST(Tls, SignaturesAreOf70To72BytesAlmostAlways) {
    const TlsSpec spec = measured(TlsVersion::v1_3, TlsKey::p256);
    std::vector<int> counts(100);
    for (std::uint64_t k = 0; k < 10'000; ++k) {
        Stream draws = draws_of(k);
        const Script script = tls_handshake(spec, false, draws);
        ++counts[script.steps[1].bytes - (300 + 560)];
    }
    EXPECT_NEAR(counts[70], 2'500, 200);
    EXPECT_NEAR(counts[71], 5'000, 250);
    EXPECT_NEAR(counts[72], 2'500, 200);
    EXPECT_GT(counts[70] + counts[71] + counts[72], 9'850);
}

TEST(Tls, TheSameStreamGivesTheSameHandshake) {
    TlsSpec spec = measured(TlsVersion::v1_3, TlsKey::p384);
    spec.mutual = true;
    for (std::uint64_t k = 0; k < 20; ++k) {
        Stream one = draws_of(k);
        Stream other = draws_of(k);
        EXPECT_EQ(writes(tls_handshake(spec, false, one)),
                  writes(tls_handshake(spec, false, other)));
        EXPECT_EQ(one.position(), other.position());
    }
}

TEST(Tls, ALongFlightIsWrittenInPiecesOfTheHandshakeBuffer) {
    TlsSpec spec = measured(TlsVersion::v1_3, TlsKey::rsa4096);
    spec.chain = {1'500, 1'500, 1'500};
    const Sizes sizes = writes(spec, false);
    ASSERT_EQ(sizes.size(), 6U);
    EXPECT_EQ(sizes[1], 4'096U);
    EXPECT_EQ(sizes[2], 127 + 6 + 28 + 30 + 3 * 1'505 + 30 + 512 + 74 - 4'096U);
}

TEST(Tls, AHostNameAndTheOfferOfBothVersionsLengthenTheHello) {
    TlsSpec spec = measured(TlsVersion::v1_3, TlsKey::p256);
    spec.server_name = "broker.example";
    EXPECT_EQ(writes(spec, false)[0], 225U + 9 + 14);
    spec.server_name.clear();
    spec.offers_both = true;
    const std::uint32_t both = writes(spec, false)[0];
    spec.version = TlsVersion::v1_2;
    EXPECT_EQ(writes(spec, false)[0], both);
    spec.pads_hello = true;
    EXPECT_EQ(writes(spec, false)[0], 517U);
}

TEST(Tls, WithoutTickets) {
    TlsSpec spec = measured(TlsVersion::v1_3, TlsKey::rsa2048);
    spec.tickets = 0;
    EXPECT_EQ(writes(spec, false), (Sizes{225, 1512, 80}));
    spec.version = TlsVersion::v1_2;
    EXPECT_EQ(writes(spec, false), (Sizes{188, 1383, 93, 51}));
    EXPECT_EQ(writes(spec, true), (Sizes{220, 141, 51}));
}

TEST(Tls, RecordsAreSplitAt16KiB) {
    TlsSpec spec;
    EXPECT_EQ(tls_sealed(spec, 0), 0U);
    EXPECT_EQ(tls_sealed(spec, 1), 23U);
    EXPECT_EQ(tls_sealed(spec, 16'384), 16'406U);
    EXPECT_EQ(tls_sealed(spec, 16'385), 16'385U + 44);
    EXPECT_EQ(tls_close_notify(spec), 24U);
    spec.version = TlsVersion::v1_2;
    EXPECT_EQ(tls_sealed(spec, 60), 89U);
    EXPECT_EQ(tls_close_notify(spec), 31U);
    spec.cipher = TlsCipher::chacha20_poly1305;
    EXPECT_EQ(tls_sealed(spec, 60), 81U);
}

TEST(Tls, CertificatesFollowFromTheirKeys) {
    EXPECT_EQ(certificate_chain(TlsKey::p256, TlsChain::leaf), (Sizes{560}));
    EXPECT_EQ(certificate_chain(TlsKey::rsa2048, TlsChain::leaf), (Sizes{956}));
    EXPECT_EQ(certificate_chain(TlsKey::rsa2048, TlsChain::intermediate), (Sizes{963, 903}));
    EXPECT_EQ(certificate_chain(TlsKey::rsa2048, TlsChain::root), (Sizes{956, 875}));
    EXPECT_EQ(certificate_chain(TlsKey::rsa4096, TlsChain::leaf), (Sizes{956 + 512}));
}

/// What `check` says, or nothing.
std::string refusal(const TlsSpec& spec) {
    try {
        check(spec, "tls.");
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

TEST(Tls, WrongParametersAreRefusedByName) {
    TlsSpec spec;
    EXPECT_EQ(refusal(spec), "");
    spec.chain = {};
    EXPECT_EQ(refusal(spec), "tls.chain must be 1 to 10 certificates");
    spec.chain = {100};
    EXPECT_EQ(refusal(spec), "tls.chain must be certificates of 128 to 16000 bytes");
    spec.chain = {9'000, 9'000};
    EXPECT_EQ(refusal(spec), "tls.chain must be at most 16000 bytes together");
    spec = {};
    spec.client_chain = {};
    EXPECT_EQ(refusal(spec), "");
    spec.mutual = true;
    EXPECT_EQ(refusal(spec), "tls.client_chain must be 1 to 10 certificates");
    spec = {};
    spec.tickets = 17;
    EXPECT_EQ(refusal(spec), "tls.tickets must be within 0 to 16");
    spec.tickets = 0;
    spec.resumption = true;
    EXPECT_EQ(refusal(spec), "tls.tickets must be at least 1 where TLS 1.3 resumes sessions");
    spec = {};
    spec.server_name = std::string(256, 'a');
    EXPECT_EQ(refusal(spec), "tls.server_name must be at most 255 bytes long");
    spec = {};
    spec.session_context = 33;
    EXPECT_EQ(refusal(spec), "tls.session_context must be within 0 to 32 bytes");
    spec = {};
    spec.compute_full.client_hello = nanoseconds(-1);
    EXPECT_EQ(refusal(spec), "tls.compute_full must be within 0 s to 1 min");
}

}  // namespace
}  // namespace mqttwin::net
