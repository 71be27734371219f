#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/net/layers.hpp"

namespace mqttwin::net {
namespace {

Stream draws_of(std::uint64_t connection) {
    return Stream(StreamKey::of(1, "test", "layers"), connection);
}

LayersSpec tls_only(TlsVersion version = TlsVersion::v1_3) {
    LayersSpec spec;
    spec.tls.emplace();
    spec.tls->version = version;
    return spec;
}

LayersSpec websocket_only() {
    LayersSpec spec;
    spec.websocket.emplace();
    return spec;
}

LayersSpec secure_websocket() {
    LayersSpec spec = tls_only();
    spec.websocket.emplace();
    return spec;
}

/// Runs a script over a connection that takes no time; `held` bytes of the server's are on their
/// way at the end. Returns who wrote, in order.
std::string run(const Script& script, Progress& progress) {
    std::string order;
    for (bool moved = true; moved;) {
        moved = false;
        for (const Side side : {Side::client, Side::server}) {
            const Step* step = progress.due(script, side);
            if (step == nullptr) continue;
            order += side == Side::client ? '>' : '<';
            progress.written(script, side);
            EXPECT_EQ(progress.read(script, other(side), step->bytes), 0U);
            moved = true;
        }
    }
    return order;
}

TEST(Script, IsRunByBothSides) {
    for (const LayersSpec& spec : {tls_only(), tls_only(TlsVersion::v1_2), websocket_only(),
                                   secure_websocket(), LayersSpec{}}) {
        Stream draws = draws_of(0);
        const Script script = opening_script(spec, false, draws);
        Progress progress;
        EXPECT_EQ(progress.over(script), spec.none());
        EXPECT_EQ(progress.open(script, Side::client), spec.none());
        EXPECT_EQ(run(script, progress).size(), script.steps.size());
        EXPECT_TRUE(progress.open(script, Side::client));
        EXPECT_TRUE(progress.open(script, Side::server));
        EXPECT_TRUE(progress.over(script));
        EXPECT_EQ(progress.read(script, Side::client, 10), 10U);
    }
}

TEST(Script, ATls13ClientSpeaksBesideTickets) {
    Stream draws = draws_of(0);
    const Script script = opening_script(tls_only(), false, draws);
    Progress progress;
    progress.written(script, Side::client);
    EXPECT_EQ(progress.due(script, Side::client), nullptr);
    EXPECT_EQ(progress.due(script, Side::server), nullptr);
    EXPECT_EQ(progress.read(script, Side::server, 100), 0U);
    EXPECT_EQ(progress.due(script, Side::server), nullptr);
    EXPECT_EQ(progress.read(script, Side::server, script.steps[0].bytes - 100), 0U);
    ASSERT_EQ(progress.due(script, Side::server), &script.steps[1]);
    progress.written(script, Side::server);
    EXPECT_EQ(progress.due(script, Side::server), nullptr);
    progress.read(script, Side::client, script.steps[1].bytes);
    ASSERT_EQ(progress.due(script, Side::client), &script.steps[2]);
    EXPECT_FALSE(progress.open(script, Side::client));
    progress.written(script, Side::client);
    EXPECT_TRUE(progress.open(script, Side::client));
    EXPECT_FALSE(progress.open(script, Side::server));
    // The Finished and application data in one segment.
    EXPECT_EQ(progress.read(script, Side::server, script.steps[2].bytes + 59), 59U);
    progress.written(script, Side::server);
    EXPECT_FALSE(progress.open(script, Side::server));
    progress.written(script, Side::server);
    EXPECT_TRUE(progress.open(script, Side::server));
    EXPECT_FALSE(progress.over(script));
    EXPECT_EQ(progress.read(script, Side::client, 510 + 26), 26U);
    EXPECT_TRUE(progress.over(script));
}

TEST(Script, ATls12ClientWaitsForTheServersFinished) {
    Stream draws = draws_of(0);
    const Script script = opening_script(tls_only(TlsVersion::v1_2), false, draws);
    EXPECT_EQ(script.opens[0], 4);
    Stream again = draws_of(0);
    EXPECT_EQ(opening_script(tls_only(TlsVersion::v1_2), true, again).opens[0], 3);
}

TEST(Layers, AnUpgradeOverTlsIsInRecordsAndDoesNotWaitForTickets) {
    Stream draws = draws_of(0);
    const LayersSpec spec = secure_websocket();
    const Script script = opening_script(spec, false, draws);
    ASSERT_EQ(script.steps.size(), 7U);
    const Step& request = script.steps[5];
    EXPECT_EQ(request.sender, Side::client);
    EXPECT_EQ(request.after, 3);
    EXPECT_EQ(request.bytes, upgrade_request_bytes(*spec.websocket) + 22);
    EXPECT_EQ(script.steps[6].bytes, upgrade_response_bytes(*spec.websocket) + 22);
    EXPECT_EQ(script.opens[0], 7);
}

TEST(Layers, SealedBytesCompose) {
    const LayersSpec both = secure_websocket();
    EXPECT_EQ(sealed({}, Side::client, 100), 100U);
    EXPECT_EQ(sealed(websocket_only(), Side::client, 100), 106U);
    EXPECT_EQ(sealed(websocket_only(), Side::server, 100), 102U);
    EXPECT_EQ(sealed(tls_only(), Side::client, 100), 122U);
    EXPECT_EQ(sealed(both, Side::client, 100), 128U);
    // The frame's header makes a second record necessary.
    EXPECT_EQ(sealed(both, Side::server, 16'384), 16'384U + 4 + 44);
    EXPECT_EQ(sealed(both, Side::server, 0), 0U);
}

TEST(Layers, Closing) {
    const Script plain = closing_script(websocket_only(), Side::client);
    ASSERT_EQ(plain.steps.size(), 2U);
    EXPECT_EQ(plain.steps[0].bytes, 8U);
    EXPECT_EQ(plain.steps[1].bytes, 4U);
    const Script both = closing_script(secure_websocket(), Side::server);
    ASSERT_EQ(both.steps.size(), 4U);
    EXPECT_EQ(both.steps[0].sender, Side::server);
    EXPECT_EQ(both.steps[0].bytes, 26U);
    EXPECT_EQ(both.steps[1].bytes, 30U);
    EXPECT_EQ(both.steps[2].bytes, 24U);
    Progress progress;
    EXPECT_EQ(run(both, progress), "<><>");
    EXPECT_TRUE(closing_script({}, Side::client).steps.empty());
}

TEST(Layers, BytesOfAScriptAreAsManyAsTheScriptSays) {
    for (const TlsVersion version : {TlsVersion::v1_2, TlsVersion::v1_3}) {
        for (const TlsKey key : {TlsKey::p256, TlsKey::p384, TlsKey::rsa2048, TlsKey::rsa3072}) {
            for (unsigned bits = 0; bits < 64; ++bits) {
                LayersSpec spec = tls_only(version);
                TlsSpec& tls = *spec.tls;
                tls.key = tls.client_key = key;
                const auto shown = (bits & 1) != 0 ? TlsChain::root : TlsChain::leaf;
                tls.chain = tls.client_chain = certificate_chain(key, shown);
                tls.mutual = (bits & 2) != 0;
                const bool resumed = (bits & 4) != 0;
                tls.offers_both = (bits & 8) != 0;
                if ((bits & 16) != 0) tls.server_name = "broker.example";
                tls.pads_hello = (bits & 32) != 0;
                if (version == TlsVersion::v1_2 && key == TlsKey::p384) tls.tickets = 0;
                Stream draws = draws_of(bits);
                const Script script = opening_script(spec, resumed, draws);
                for (const Side side : {Side::client, Side::server}) {
                    std::size_t at = 0;
                    const auto bytes = write_script(spec, script, side, draws);
                    ASSERT_EQ(bytes.size(), script.bytes(side));
                    for (const Piece& piece : script.pieces) {
                        if (piece.sender != side) continue;
                        ASSERT_EQ(bytes[at + 3] << 8 | bytes[at + 4],
                                  static_cast<int>(piece.bytes) - 5);
                        at += piece.bytes;
                    }
                }
            }
        }
    }
}

// Where the length of a length changes, a certificate has to be filled up differently.
TEST(Layers, CertificatesOfEveryLengthAreWritten) {
    LayersSpec spec = tls_only(TlsVersion::v1_2);
    for (std::uint32_t bytes = 128; bytes < 600; ++bytes) {
        if (bytes == 130 || bytes == 259) continue;  // no DER value is as long
        spec.tls->chain = {bytes, 1'000};
        Stream draws = draws_of(bytes);
        const Script script = opening_script(spec, false, draws);
        const auto down = write_script(spec, script, Side::server, draws);
        ASSERT_EQ(down.size(), script.bytes(Side::server));
        // Behind ServerHello, the record's header, the message's, and two lengths of three bytes.
        const std::size_t at = script.pieces[1].bytes + 5 + 4 + 3 + 3;
        ASSERT_EQ(down[at], 0x30) << bytes;
    }
}

TEST(Layers, BytesOfADataWrite) {
    const std::vector<std::uint8_t> plain{1, 2, 3, 4, 5};
    Stream draws = draws_of(0);
    std::vector<std::uint8_t> out;
    write_sealed(websocket_only(), Side::server, plain, draws, out);
    EXPECT_EQ(out, (std::vector<std::uint8_t>{0x82, 5, 1, 2, 3, 4, 5}));
    out.clear();
    write_sealed(websocket_only(), Side::client, plain, draws, out);
    ASSERT_EQ(out.size(), 11U);
    EXPECT_EQ(out[1], 0x85);
    for (std::size_t k = 0; k < 5; ++k) EXPECT_EQ(out[6 + k] ^ out[2 + k % 4], plain[k]);
    const std::vector<std::uint8_t> large(40'000);
    for (const LayersSpec& spec : {LayersSpec{}, tls_only(), tls_only(TlsVersion::v1_2),
                                   websocket_only(), secure_websocket()}) {
        out.clear();
        write_sealed(spec, Side::client, large, draws, out);
        EXPECT_EQ(out.size(), sealed(spec, Side::client, large.size()));
    }
}

TEST(WebSocket, TheUpgradeIsText) {
    WebSocketSpec spec;
    spec.request_headers = "Origin: http://device\r\n";
    Stream draws = draws_of(0);
    const std::string request = upgrade_request(spec, draws);
    EXPECT_EQ(request.size(), upgrade_request_bytes(spec));
    EXPECT_TRUE(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: broker.example:8080\r\n"));
    EXPECT_TRUE(request.ends_with("Protocol: mqtt\r\nOrigin: http://device\r\n\r\n"));
    const std::size_t key = request.find("Key: ") + 5;
    EXPECT_EQ(request.find("==\r\n", key), key + 22);
    const std::string response = upgrade_response(spec, draws);
    EXPECT_EQ(response.size(), upgrade_response_bytes(spec));
    EXPECT_TRUE(response.starts_with("HTTP/1.1 101 "));
    const std::size_t accept = response.find("Accept: ") + 8;
    EXPECT_EQ(response.find("=\r\n", accept), accept + 27);
}

TEST(WebSocket, HeadersOfFrames) {
    EXPECT_EQ(frame_header_bytes(125, Side::server), 2U);
    EXPECT_EQ(frame_header_bytes(126, Side::server), 4U);
    EXPECT_EQ(frame_header_bytes(65'535, Side::client), 8U);
    EXPECT_EQ(frame_header_bytes(65'536, Side::client), 14U);
    for (const std::uint64_t payload : {0ULL, 125ULL, 126ULL, 65'535ULL, 65'536ULL}) {
        for (const Side side : {Side::client, Side::server}) {
            std::uint8_t out[kMaxFrameHeader] = {};
            EXPECT_EQ(write_frame_header(FrameType::binary, payload, side, 7, out),
                      frame_header_bytes(payload, side));
        }
    }
}

std::string refusal(const LayersSpec& spec) {
    try {
        check(spec, "");
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

TEST(Layers, WrongParametersAreRefusedByName) {
    LayersSpec spec = secure_websocket();
    EXPECT_EQ(refusal(spec), "");
    spec.tls->tickets = 99;
    EXPECT_EQ(refusal(spec), "tls.tickets must be within 0 to 16");
    spec = websocket_only();
    spec.websocket->host = "a b";
    EXPECT_EQ(refusal(spec), "websocket.host must be 1 to 261 visible characters");
    spec = websocket_only();
    spec.websocket->path = "mqtt";
    EXPECT_EQ(refusal(spec),
              "websocket.path must be visible characters that begin with / (at most 2048)");
    spec = websocket_only();
    spec.websocket->request_headers = "Origin: x";
    EXPECT_EQ(refusal(spec), "websocket.request_headers must be lines ending CR LF");
    spec.websocket->request_headers = "A: b\r\n\r\n";
    EXPECT_EQ(refusal(spec), "websocket.request_headers must be without an empty line");
    spec = websocket_only();
    spec.websocket->response_headers = "\r\n";
    EXPECT_EQ(refusal(spec), "websocket.response_headers must be without an empty line");
}

}  // namespace
}  // namespace mqttwin::net
