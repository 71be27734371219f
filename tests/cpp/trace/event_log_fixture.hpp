// A file to log to, and a log whose every row can be told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "mqttwin/trace/event_log.hpp"

namespace mqttwin::trace {

namespace fs = std::filesystem;

class EventLogTest : public testing::Test {
   protected:
    EventLogTest() {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        directory_ = fs::path(testing::TempDir()) / (std::string("mqttwin_") + test->name());
        fs::remove_all(directory_);
        fs::create_directories(directory_);
        path_ = (directory_ / "trace.msgpack").string();
    }
    ~EventLogTest() override { fs::remove_all(directory_); }

    [[nodiscard]] std::string content() const {
        std::ifstream file(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void replace(std::string_view bytes) const {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }

    fs::path directory_;
    std::string path_;
};

inline LogHeader header() { return {42, "scenarios/storm.py", {{"mqttwin", "0.1.0"}}}; }

inline Event packet(std::int64_t i) {
    Event event;
    event.kind = i % 2 == 0 ? Kind::sent : Kind::delivered;
    event.at = Instant{i * 1'000'000'007};
    event.entity = static_cast<std::uint32_t>(i % 10);
    event.broker = static_cast<std::uint16_t>(i % 3);
    event.direction = i % 4 == 0 ? Direction::down : Direction::up;
    event.packet = static_cast<std::uint8_t>(1 + i % 15);
    event.bytes = static_cast<std::uint32_t>(i * 7);
    event.packet_id = static_cast<std::uint16_t>(i);
    event.qos = static_cast<std::uint8_t>(i % 3);
    event.flags = static_cast<std::uint8_t>(i % 4);
    return event;
}

inline void write_packets(const std::string& path, std::int64_t count, std::size_t block_bytes) {
    EventLog::Options options;
    options.block_bytes = block_bytes;
    EventLog log(file_sink(path), header(), options);
    for (std::uint32_t tag = 0; tag < 10; ++tag) {
        log.name_entity(tag, "meter/" + std::to_string(tag));
    }
    for (std::int64_t i = 0; i < count; ++i) {
        Event event = packet(i);
        const std::string topic = "site/" + std::to_string(i % 4);
        if (i % 5 != 0) event.topic = topic;
        log.record(event);
    }
    log.close();
    EXPECT_EQ(log.error(), "");
    EXPECT_EQ(log.records(), static_cast<std::uint64_t>(count));
    EXPECT_EQ(log.bytes(), fs::file_size(path));
}

// Rows 0, 1, 2, ... as write_packets wrote them, and no others.
inline void expect_packets(const Table& table) {
    for (std::int64_t i = 0; i < table.rows(); ++i) {
        const Event event = packet(i);
        ASSERT_EQ(table.int_at("time", i), event.at.ns) << "row " << i;
        ASSERT_EQ(table.int_at("bytes", i), event.bytes);
        ASSERT_EQ(table.text_at("entity", i), "meter/" + std::to_string(i % 10));
        ASSERT_EQ(table.int_at("packet_id", i), event.packet_id);
        ASSERT_EQ(table.text_at("topic", i), i % 5 == 0 ? "" : "site/" + std::to_string(i % 4));
    }
}

}  // namespace mqttwin::trace
