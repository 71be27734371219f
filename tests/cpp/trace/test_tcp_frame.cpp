// The expected bytes were computed by a program in another language, which knows only the RFCs.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tcp_frame.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::size_t kEthernet = 14;

std::string hex(ByteView bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

CapturedPacket packet() {
    CapturedPacket p;
    p.flow = {client_address(0), server_address(0), 49'152, 1'883, 7};
    p.window = 65'160;
    p.timestamp = true;
    return p;
}

std::vector<std::uint8_t> frame_of(const CapturedPacket& p, std::uint16_t identification = 0) {
    std::vector<std::uint8_t> frame;
    make_frame(p, identification, 7, frame);
    return frame;
}

std::size_t ip_length(const CapturedPacket& p) { return frame_of(p).size() - kEthernet; }

std::uint16_t checksum(ByteView bytes) { return fold_checksum(add_to_checksum(0, bytes)); }

TEST(TcpFrame, TheChecksumIsThatOfTheRfc) {
    // RFC 1071, 3: the sum is ddf2.
    const std::vector<std::uint8_t> rfc = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(checksum(rfc), 0xFFFF ^ 0xDDF2);
    const std::vector<std::uint8_t> odd = {0x01};
    EXPECT_EQ(checksum(odd), 0xFFFF ^ 0x0100);
    EXPECT_EQ(checksum({}), 0xFFFF);
    const std::vector<std::uint8_t> most(65'535, 0xFF);  // 32,767 times ffff, then ff00
    EXPECT_EQ(checksum(most), 0xFFFF ^ 0xFF00);
}

TEST(TcpFrame, ASynHasTheBytesOfASyn) {
    CapturedPacket p = packet();
    p.syn = true;
    p.ts_value = 1'000;
    EXPECT_EQ(hex(frame_of(p)),
              "0200c612000102000a000001"
              "0800"
              "4500003c0000400040066aa80a000001c6120001"
              "c000075b34ea153900000000a002fe8863fc0000"
              "020405b40402080a000003e80000000001030307");
}

TEST(TcpFrame, DataWithEveryOptionInSeveralViewsAcrossTheWrap) {
    CapturedPacket p = packet();
    p.direction = Direction::down;
    p.seq = 4'294'967'290U;
    p.ack = 20;
    p.has_ack = true;
    p.push = true;
    p.window = 65'200;  // 509.4 units
    p.ts_value = 2'000;
    p.ts_echo = 1'000;
    p.sacks = 2;
    p.sack = {{{30, 40}, {60, 70}}};
    const std::array<ByteView, 4> views = {as_bytes("hel"), as_bytes("lo, world"), ByteView{},
                                           as_bytes("!")};
    p.payload = views;
    EXPECT_EQ(hex(frame_of(p)),
              "02000a0000010200c6120001"
              "0800"
              "450000550000400040066a8fc61200010a000001"
              "075bc000cca4a8b734ea154dd01801fe31260000"
              "0101080a000007d0000003e8"
              "0101051234ea155734ea156134ea157534ea157f"
              "68656c6c6f2c20776f726c6421");
}

TEST(TcpFrame, ThePacketIsAsLongAsTheModelSays) {
    CapturedPacket p = packet();
    p.syn = true;
    EXPECT_EQ(ip_length(p), 60U);
    p.timestamp = false;
    p.sack_permitted = false;
    EXPECT_EQ(ip_length(p), 60U);
    p.syn = false;
    EXPECT_EQ(ip_length(p), 40U);
    p.timestamp = true;
    EXPECT_EQ(ip_length(p), 52U);
    for (std::uint8_t n = 1; n <= CapturedPacket::kMaxSacks; ++n) {
        p.sacks = n;
        EXPECT_EQ(ip_length(p), 56U + 8U * n);
    }
    p.sacks = 0;
    p.timestamp = false;
    p.reset = true;
    EXPECT_EQ(ip_length(p), 40U);
    const std::array<ByteView, 1> views = {as_bytes("x")};
    p.payload = views;
    EXPECT_EQ(ip_length(p), 41U);
}

TEST(TcpFrame, ASumOverWhatWasSentIsZero) {
    CapturedPacket p = packet();
    p.has_ack = true;
    std::vector<std::uint8_t> body;
    for (std::size_t size = 0; size < 300; ++size) {
        body.push_back(static_cast<std::uint8_t>(size * 37));
        const std::array<ByteView, 2> views = {ByteView(body).first(size / 3),
                                               ByteView(body).subspan(size / 3)};
        p.payload = views;
        p.seq = static_cast<std::uint32_t>(size * 0x9E37'79B9U);
        const auto frame = frame_of(p, static_cast<std::uint16_t>(size * 251));
        const ByteView ip = ByteView(frame).subspan(kEthernet);
        EXPECT_EQ(checksum(ip.first(20)), 0);
        const ByteView tcp = ip.subspan(20);
        const auto pseudo =
            add_to_checksum(0, ip.subspan(12, 8)) + 6U + static_cast<std::uint32_t>(tcp.size());
        EXPECT_EQ(fold_checksum(add_to_checksum(pseudo, tcp)), 0) << size;
    }
}

TEST(TcpFrame, ASmallWindowDoesNotLookClosedNorALargeOneSmall) {
    const auto window_of = [](const CapturedPacket& p) {
        const auto frame = frame_of(p);
        return frame[kEthernet + 34] << 8 | frame[kEthernet + 35];
    };
    CapturedPacket p = packet();
    p.window = 0;
    EXPECT_EQ(window_of(p), 0);
    p.window = 1;
    EXPECT_EQ(window_of(p), 1);
    p.window = 128;
    EXPECT_EQ(window_of(p), 1);
    p.window = 0xFFFF'FFFF;
    EXPECT_EQ(window_of(p), 0xFFFF);
    p.syn = true;  // where no scale is known yet
    EXPECT_EQ(window_of(p), 0xFFFF);
    p.window = 4'288;
    EXPECT_EQ(window_of(p), 4'288);
}

TEST(TcpFrame, EachConnectionAndDirectionBeginsElsewhere) {
    EXPECT_NE(initial_sequence(0, Direction::up), 0U);
    EXPECT_NE(initial_sequence(0, Direction::up), initial_sequence(0, Direction::down));
    EXPECT_NE(initial_sequence(0, Direction::up), initial_sequence(1, Direction::up));
}

}  // namespace
}  // namespace mqttwin::trace
