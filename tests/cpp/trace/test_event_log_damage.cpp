// Torn, damaged and foreign files: what can be read is read, and the rest is located.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <msgpack.hpp>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/trace/event_log.hpp"

#include "event_log_fixture.hpp"

namespace mqttwin::trace {
namespace {

using EventLogDamage = EventLogTest;

TEST_F(EventLogDamage, ATornFileIsReadUpToTheTear) {
    write_packets(path_, 60, 300);
    const std::string whole = content();
    std::int64_t rows_before = 0;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        replace(std::string_view(whole).substr(0, size));
        const LogContents contents = read_event_log(path_);
        ASSERT_TRUE(contents.damage) << size;
        ASSERT_LE(contents.damage->offset, size);
        ASSERT_GE(contents.damage->offset + 100, size);  // at the last record, not far before
        ASSERT_FALSE(contents.damage->reason.empty());
        ASSERT_GE(contents.events.rows(), rows_before) << size;
        expect_packets(contents.events);
        rows_before = contents.events.rows();
    }
    EXPECT_EQ(rows_before, 60);
    const LogContents contents = read_event_log(path_);
    EXPECT_EQ(contents.events.metadata().back().first, "damage_offset");
}

TEST_F(EventLogDamage, ADamagedFileIsReadUpToTheDamage) {
    write_packets(path_, 60, 300);
    const std::string whole = content();
    for (std::size_t at = 0; at < whole.size(); ++at) {
        const unsigned flip = 1U << (at % 8);
        std::string damaged = whole;
        damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
        replace(damaged);
        const LogContents contents = read_event_log(path_);
        ASSERT_TRUE(contents.damage) << at;
        ASSERT_LE(contents.damage->offset, at) << contents.damage->reason;
        ASSERT_GE(contents.damage->offset + 700, at) << contents.damage->reason;
        expect_packets(contents.events);
    }
}

TEST_F(EventLogDamage, BlocksCannotBeSwappedOrLost) {
    write_packets(path_, 400, 300);
    const std::string whole = content();
    // Blocks end with [8, 64-bit hash]: 0x92 0x08 0xCF and eight bytes (or a shorter integer).
    std::vector<std::size_t> ends;
    std::size_t offset = 0;
    while (offset < whole.size()) {
        const auto value = msgpack::unpack(whole.data(), whole.size(), offset);
        if (value.get().type != msgpack::type::ARRAY) continue;
        if (value.get().via.array.ptr[0].as<int>() == static_cast<int>(Kind::check)) {
            ends.push_back(offset);
        }
    }
    ASSERT_GT(ends.size(), 6U);
    const auto block = [&](std::size_t i) {
        return whole.substr(ends[i - 1], ends[i] - ends[i - 1]);
    };
    replace(whole.substr(0, ends[2]) + block(4) + block(3) + whole.substr(ends[4]));
    EXPECT_EQ(read_event_log(path_).damage->offset, ends[2]);
    replace(whole.substr(0, ends[2]) + whole.substr(ends[3]));
    const LogContents contents = read_event_log(path_);
    EXPECT_EQ(contents.damage->offset, ends[2]);
    EXPECT_NE(contents.damage->reason.find("check"), std::string::npos);
    expect_packets(contents.events);
    replace(whole + whole.substr(ends[2]));
    EXPECT_EQ(read_event_log(path_).damage->offset, whole.size());
    EXPECT_EQ(read_event_log(path_).events.rows(), 400);
}

TEST_F(EventLogDamage, ForeignFilesAreRefused) {
    const auto reason = [this](std::string_view bytes) {
        replace(bytes);
        const LogContents contents = read_event_log(path_);
        EXPECT_EQ(contents.events.rows(), 0);
        EXPECT_EQ(contents.events.fields().size(), LogReader::fields().size());
        return contents.damage ? contents.damage->reason : "";
    };
    EXPECT_EQ(reason(""), "the file is empty");
    EXPECT_EQ(reason("{\"json\": true}"), "this is no event log of mqttwin");
    EXPECT_EQ(reason(std::string(100, '\xC1')), "this is no event log of mqttwin");
    EXPECT_EQ(reason("\xDF\xFF\xFF\xFF\xFF"), "this is no event log of mqttwin");
    EXPECT_EQ(reason("\x81\xA6"), "the header is cut short");
    msgpack::sbuffer future;
    msgpack::packer<msgpack::sbuffer> out(future);
    out.pack_map(2);
    out.pack("format");
    out.pack("mqttwin-trace");
    out.pack("version");
    out.pack(9);
    EXPECT_EQ(reason({future.data(), future.size()}),
              "version 9 of the event log; this reads version 2");
    const LogContents missing = read_event_log((directory_ / "nothing").string());
    EXPECT_NE(missing.damage->reason.find("No such file"), std::string::npos);
}

TEST_F(EventLogDamage, RandomBytesNeverHurt) {
    write_packets(path_, 40, 200);
    const std::string whole = content();
    std::uint64_t word = 7;
    for (int round = 0; round < 500; ++round) {
        std::string damaged = whole.substr(0, 60 + static_cast<std::size_t>(round) % 500);
        for (int k = 0; k < 6; ++k) {
            word = mix64(word + 0x9E3779B97F4A7C15ULL);
            damaged[50 + word % (damaged.size() - 50)] = static_cast<char>(word >> 32);
        }
        replace(damaged);
        EXPECT_TRUE(read_event_log(path_).damage);
    }
}

}  // namespace
}  // namespace mqttwin::trace
