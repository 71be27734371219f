#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/pcapng.hpp"

#include "memory_sink.hpp"

namespace mqttwin::trace {
namespace {

const PcapngHeader kHeader = {"none", "virtual time", "a test", "seed 42"};

std::vector<std::uint8_t> frame_of(std::size_t size) {
    return std::vector<std::uint8_t>(size, 0xAB);
}

TEST(Pcapng, BlocksHaveTheirLengthOnBothSidesAndAreWholeWords) {
    std::string out;
    {
        PcapngWriter writer(std::make_unique<MemorySink>(out), kHeader, {});
        writer.add_interface("if", "");
        writer.name_host(0x0A000001, "pump/1");
        for (std::size_t size = 60; size < 64; ++size) {
            const auto frame = frame_of(size);
            writer.packet({0, 5, true, frame, "lost"});
        }
    }
    std::vector<std::uint32_t> types;
    for (const Block& block : blocks_of(out)) types.push_back(block.type);
    EXPECT_EQ(types, (std::vector<std::uint32_t>{0x0A0D0D0A, 1, 4, 6, 6, 6, 6, 5}));
}

TEST(Pcapng, TheSectionSaysWhoWroteIt) {
    std::string out;
    PcapngWriter(std::make_unique<MemorySink>(out), kHeader, {}).close();
    const Block section = blocks_of(out).at(0);
    EXPECT_EQ(section.word(8), 0x1A2B3C4DU);
    EXPECT_EQ(section.word(12), 1U);  // version 1.0, little endian
    const auto options = section.options(24);
    EXPECT_EQ(options.at(1), "seed 42");
    EXPECT_EQ(options.at(2), "none");
    EXPECT_EQ(options.at(3), "virtual time");
    EXPECT_EQ(options.at(4), "a test");
}

TEST(Pcapng, AnInterfaceCountsNanosecondsAndAPacketHasItsFate) {
    std::string out;
    PcapngWriter writer(std::make_unique<MemorySink>(out), kHeader, {});
    EXPECT_EQ(writer.add_interface("client", "at the clients"), 0U);
    EXPECT_EQ(writer.add_interface("server", ""), 1U);
    const auto frame = frame_of(61);
    const std::int64_t at = 0x1817'0000'1234'5678;
    writer.packet({1, at, false, frame, "lost on the link"});
    writer.packet({0, at, true, frame, ""});
    writer.close();
    const auto blocks = blocks_of(out);
    EXPECT_EQ(blocks[1].word(8), 1U);  // Ethernet
    EXPECT_EQ(blocks[1].word(12), 0U);
    const auto description = blocks[1].options(16);
    EXPECT_EQ(description.at(2), "client");
    EXPECT_EQ(description.at(3), "at the clients");
    EXPECT_EQ(description.at(9), std::string(1, 9));
    EXPECT_EQ(blocks[2].options(16).count(3), 0U);

    const Block& packet = blocks[3];
    EXPECT_EQ(packet.word(8), 1U);
    EXPECT_EQ(packet.word(12), 0x1817'0000U);
    EXPECT_EQ(packet.word(16), 0x1234'5678U);
    EXPECT_EQ(packet.word(20), 61U);
    EXPECT_EQ(packet.word(24), 61U);
    EXPECT_EQ(packet.content.substr(28, 61), std::string(61, '\xAB'));
    const auto options = packet.options(28 + 64);
    EXPECT_EQ(options.at(1), "lost on the link");
    EXPECT_EQ(options.at(2), std::string("\x01\0\0\0", 4));  // inbound
    EXPECT_EQ(blocks[4].options(28 + 64).count(1), 0U);
    EXPECT_EQ(blocks[4].options(28 + 64).at(2), std::string("\x02\0\0\0", 4));
}

TEST(Pcapng, ANameIsARecordOfItsAddress) {
    std::string out;
    PcapngWriter writer(std::make_unique<MemorySink>(out), kHeader, {});
    writer.name_host(0x0A000102, "pump/1");
    writer.close();
    const Block names = blocks_of(out).at(1);
    EXPECT_EQ(names.word(8), 1U | 11U << 16);
    EXPECT_EQ(names.content.substr(12, 12), std::string("\x0A\0\x01\x02pump/1\0\0", 12));
    EXPECT_EQ(names.word(24), 0U);
}

TEST(Pcapng, AtItsBoundItStopsAndSaysSo) {
    std::string out;
    PcapngWriter::Options options;
    options.max_bytes = 4'096;
    PcapngWriter writer(std::make_unique<MemorySink>(out), kHeader, options);
    writer.add_interface("if", "");
    const auto frame = frame_of(100);
    for (int i = 0; i < 1'000; ++i) writer.packet({0, i, true, frame, {}});
    EXPECT_TRUE(writer.stopped());
    writer.close();
    EXPECT_EQ(writer.error(), "");
    EXPECT_GT(writer.packets(), 20U);
    EXPECT_EQ(writer.packets() + writer.left_out(), 1'000U);
    EXPECT_LE(out.size(), 4'096U);
    EXPECT_EQ(writer.bytes(), out.size());
    const auto blocks = blocks_of(out);
    const Block& statistics = blocks.back();
    ASSERT_EQ(statistics.type, 5U);
    EXPECT_EQ(statistics.word(16), static_cast<std::uint32_t>(writer.packets() - 1));
    const auto said = statistics.options(20);
    EXPECT_NE(said.at(1).find("left out"), std::string::npos);
    std::uint64_t left_out = 0;
    std::memcpy(&left_out, said.at(5).data(), 8);
    EXPECT_EQ(left_out, writer.left_out());
    std::uint64_t received = 0;
    std::memcpy(&received, said.at(4).data(), 8);
    EXPECT_EQ(received, 1'000U);
}

TEST(Pcapng, OnlyWholeBlocksAreSent) {
    std::string out;
    PcapngWriter::Options options;
    options.buffer_bytes = 1'000;
    PcapngWriter writer(std::make_unique<MemorySink>(out), kHeader, options);
    writer.add_interface("if", "");
    const auto frame = frame_of(77);
    std::size_t seen = 0;
    for (int i = 0; i < 100; ++i) {
        writer.packet({0, i, true, frame, {}});
        if (out.size() == seen) continue;
        seen = out.size();
        blocks_of(out);  // fails where a block is torn
        EXPECT_LT(writer.bytes() - seen, 1'200U);
    }
    EXPECT_GT(seen, 5'000U);
    writer.flush();
    EXPECT_EQ(writer.bytes(), out.size());
}

TEST(Pcapng, AFailureStopsTheFileAndNothingElse) {
    std::string out;
    PcapngWriter::Options options;
    options.buffer_bytes = 500;
    PcapngWriter writer(std::make_unique<MemorySink>(out, 1'000), kHeader, options);
    writer.add_interface("if", "");
    const auto frame = frame_of(100);
    for (int i = 0; i < 100; ++i) writer.packet({0, i, true, frame, {}});
    EXPECT_TRUE(writer.stopped());
    EXPECT_GT(writer.left_out(), 80U);
    writer.close();
    EXPECT_EQ(writer.error(), "no room");
}

TEST(Pcapng, APathThatCannotBeWrittenIsAnError) {
    PcapngWriter writer(file_sink("/nowhere/at/all.pcapng"), kHeader, {});
    writer.add_interface("if", "");
    EXPECT_TRUE(writer.stopped());
    EXPECT_NE(writer.error().find("/nowhere/at/all.pcapng"), std::string::npos);
}

}  // namespace
}  // namespace mqttwin::trace
