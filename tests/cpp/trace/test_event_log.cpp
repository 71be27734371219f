#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <msgpack.hpp>

#include "mqttwin/trace/event_log.hpp"

#include "event_log_fixture.hpp"
#include "log_encoder.hpp"

namespace mqttwin::trace {
namespace {

TEST_F(EventLogTest, WhatIsWrittenIsRead) {
    {
        EventLog log(file_sink(path_), header());
        log.name_entity(7, "pump/7");
        Event open;
        open.kind = Kind::open;
        open.at = Instant{5};
        open.entity = 7;
        log.record(open);
        Event sent = packet(6);
        sent.entity = 7;
        sent.packet = static_cast<std::uint8_t>(wire::PacketType::publish);
        sent.topic = "pump/7/flow";
        log.record(sent);
        sent.kind = Kind::delivered;
        log.record(sent);
        Event drop;
        drop.kind = Kind::drop;
        drop.at = Instant{9};
        drop.entity = 8;  // never named
        drop.reason = 3;
        drop.qos = 1;
        log.record(drop);
        Event note;
        note.at = Instant{-1};
        note.text = "broker restarted";
        log.record(note);
        Event close;
        close.kind = Kind::close;
        close.at = Instant{11};
        close.entity = 7;
        close.reason = 0x8D;
        close.text = "keep alive";
        log.record(close);
    }
    const LogContents contents = read_event_log(path_);
    EXPECT_FALSE(contents.damage) << contents.damage->reason;
    EXPECT_EQ(contents.header.seed, 42U);
    EXPECT_EQ(contents.header.scenario, "scenarios/storm.py");
    EXPECT_EQ(contents.header.more, header().more);
    const Table& t = contents.events;
    ASSERT_EQ(t.rows(), 6);
    const std::vector<std::string> kinds = {"open", "sent", "delivered", "drop", "note", "close"};
    for (std::int64_t i = 0; i < 6; ++i) {
        EXPECT_EQ(t.text_at("kind", i), kinds[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(t.text_at("entity", 0), "pump/7");
    EXPECT_EQ(t.text_at("direction", 0), "up");
    EXPECT_TRUE(t.is_null("direction", 3));
    EXPECT_TRUE(t.is_null("packet", 0));
    EXPECT_TRUE(t.is_null("topic", 0));
    EXPECT_EQ(t.text_at("packet", 1), "PUBLISH");
    EXPECT_EQ(t.text_at("topic", 2), "pump/7/flow");
    EXPECT_EQ(t.text_at("direction", 1), "up");
    EXPECT_EQ(t.int_at("bytes", 1), 42);
    EXPECT_EQ(t.int_at("packet_id", 1), 6);
    EXPECT_EQ(t.int_at("retain", 1), 1);
    EXPECT_EQ(t.int_at("duplicate", 1), 0);
    EXPECT_EQ(t.text_at("entity", 3), "#8");
    EXPECT_EQ(t.int_at("reason", 3), 3);
    EXPECT_EQ(t.int_at("time", 4), -1);
    EXPECT_TRUE(t.is_null("entity", 4));
    EXPECT_EQ(t.text_at("text", 4), "broker restarted");
    EXPECT_EQ(t.int_at("reason", 5), 0x8D);
    EXPECT_EQ(t.text_at("text", 5), "keep alive");
    EXPECT_TRUE(t.is_null("text", 3));
}

TEST_F(EventLogTest, BatchesAndBlocksDoNotShow) {
    write_packets(path_, 5000, 1000);
    const LogContents contents = read_event_log(path_);
    EXPECT_FALSE(contents.damage);
    EXPECT_EQ(contents.events.rows(), 5000);
    expect_packets(contents.events);

    LogReader reader(path_, 100);
    std::int64_t rows = 0;
    int batches = 0;
    while (const auto batch = reader.next()) {
        EXPECT_EQ(batch->columns.size(), LogReader::fields().size());
        EXPECT_EQ(batch->columns[1].int_at(0), packet(rows).at.ns);
        EXPECT_EQ(batch->columns[12].text_at(batch->length - 1),
                  (rows + batch->length - 1) % 5 == 0
                      ? ""
                      : "site/" + std::to_string((rows + batch->length - 1) % 4));
        rows += batch->length;
        ++batches;
    }
    EXPECT_EQ(rows, 5000);
    EXPECT_GT(batches, 20);
    EXPECT_FALSE(reader.damage());
    EXPECT_FALSE(reader.next());
}

TEST_F(EventLogTest, IsPlainMessagePack) {
    write_packets(path_, 20, 100);
    const std::string bytes = content();
    std::size_t offset = 0;
    auto first = msgpack::unpack(bytes.data(), bytes.size(), offset);
    ASSERT_EQ(first.get().type, msgpack::type::MAP);
    int records = 0;
    while (offset < bytes.size()) {
        const auto value = msgpack::unpack(bytes.data(), bytes.size(), offset);
        ASSERT_EQ(value.get().type, msgpack::type::ARRAY);
        const auto kind = value.get().via.array.ptr[0].as<int>();
        if (kind >= static_cast<int>(Kind::open) && kind <= static_cast<int>(Kind::note)) ++records;
    }
    EXPECT_EQ(records, 20);
}

TEST_F(EventLogTest, AFullDiskFailsTheLogNotTheRun) {
    if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
    EventLog::Options options;
    options.block_bytes = 500;
    EventLog log(file_sink("/dev/full"), header(), options);
    EXPECT_EQ(log.error(), "");
    for (std::int64_t i = 0; i < 100; ++i) log.record(packet(i));
    EXPECT_TRUE(log.stopped());
    EXPECT_NE(log.error().find("No space left"), std::string::npos) << log.error();
    EXPECT_NE(log.error().find("/dev/full"), std::string::npos);
    EXPECT_EQ(log.records(), 0U);
    EXPECT_EQ(log.left_out(), 100U);
    log.close();
}

TEST_F(EventLogTest, AFileThatCannotBeCreatedIsAnError) {
    EventLog log(file_sink((directory_ / "no" / "where").string()), header());
    EXPECT_TRUE(log.stopped());
    EXPECT_NE(log.error().find("cannot create"), std::string::npos);
    log.name_entity(1, "x");
    log.record(packet(1));
    EXPECT_EQ(log.left_out(), 1U);
}

TEST_F(EventLogTest, StopsAtItsBound) {
    for (const std::size_t block_bytes : {100U, 100'000U}) {
        EventLog::Options options;
        options.block_bytes = block_bytes;
        options.max_bytes = 2000;
        std::uint64_t kept = 0;
        {
            EventLog log(file_sink(path_), header(), options);
            for (std::uint32_t tag = 0; tag < 10; ++tag) {
                log.name_entity(tag, "meter/" + std::to_string(tag));
            }
            for (std::int64_t i = 0; i < 200; ++i) {
                Event event = packet(i);
                const std::string topic = "site/" + std::to_string(i % 4);
                if (i % 5 != 0) event.topic = topic;
                log.record(event);
            }
            EXPECT_TRUE(log.stopped());
            EXPECT_EQ(log.error(), "");
            EXPECT_EQ(log.records() + log.left_out(), 200U);
            kept = log.records();
        }
        EXPECT_GT(kept, 30U);
        EXPECT_LE(fs::file_size(path_), 2000U);
        EXPECT_GE(fs::file_size(path_), 1850U);
        LogReader reader(path_);
        const auto batch = reader.next();
        EXPECT_EQ(batch->length, static_cast<std::int64_t>(kept));
        EXPECT_FALSE(reader.next());
        EXPECT_FALSE(reader.damage());
        EXPECT_EQ(reader.left_out(), 200 - kept);
        expect_packets(read_event_log(path_).events);
    }
}

TEST_F(EventLogTest, KeepsWhatTheFilterAsksFor) {
    EventLog::Options options;
    options.filter.entities = {{5, 6}, {2, 2}};
    options.filter.every = 3;
    {
        EventLog log(file_sink(path_), header(), options);
        EXPECT_TRUE(log.wants(2));
        EXPECT_TRUE(log.wants(6));
        EXPECT_TRUE(log.wants(kNoTag));
        EXPECT_FALSE(log.wants(3));
        for (std::int64_t i = 0; i < 100; ++i) log.record(packet(i));  // 30 of 2, 5 and 6
        Event open;
        open.kind = Kind::open;
        for (std::uint32_t tag = 0; tag < 10; ++tag) {
            open.entity = tag;
            log.record(open);
        }
        EXPECT_EQ(log.left_out(), 0U);
    }
    const Table events = read_event_log(path_).events;
    EXPECT_EQ(events.rows(), 10 + 3);
    EXPECT_EQ(events.text_at("entity", 0), "#2");
    EXPECT_EQ(events.text_at("entity", 1), "#2");
    EXPECT_EQ(events.int_at("packet_id", 1), 12);
}

TEST_F(EventLogTest, KeepsThePublishesWhoseTopicIsAskedFor) {
    EventLog::Options options;
    options.filter.topics = {"site/1", "site/+/x", "plant/#"};
    options.max_topics = 3;  // of which what a filter says is remembered
    options.filter.every = 2;
    {
        EventLog log(file_sink(path_), header(), options);
        for (std::int64_t i = 0; i < 60; ++i) {
            Event event = packet(i);
            const std::string topic =
                std::array{"site/1", "site/2", "site/1/x", "plant", "$SYS/x", ""}[i % 6];
            event.topic = topic;
            log.record(event);
        }
        Event close;
        close.kind = Kind::close;
        log.record(close);
        EXPECT_EQ(log.records(), 15U + 1U);
    }
    const Table events = read_event_log(path_).events;
    ASSERT_EQ(events.rows(), 16);
    EXPECT_EQ(events.text_at("topic", 0), "site/1");
    EXPECT_EQ(events.int_at("packet_id", 1), 3);
    EXPECT_EQ(events.text_at("topic", 1), "plant");
    EXPECT_EQ(events.text_at("kind", 15), "close");
}

TEST_F(EventLogTest, IsWhatMsgpackItselfWouldWrite) {
    std::vector<char> ours(100'000);
    msgpack::sbuffer theirs;
    msgpack::packer<msgpack::sbuffer> packer(theirs);
    LogEncoder out(ours.data());
    const auto both = [&](std::uint64_t value) {
        out.number(value);
        packer.pack_uint64(value);
        for (const auto sign : {1, -1}) {
            out.signed_number(sign * static_cast<std::int64_t>(value >> 1));
            packer.pack_int64(sign * static_cast<std::int64_t>(value >> 1));
        }
        out.mixed_number(static_cast<std::uint32_t>(value));
        packer.pack_uint32(static_cast<std::uint32_t>(value));
    };
    for (int bit = 0; bit < 64; ++bit) {
        for (const int by : {-2, -1, 0, 1, 2}) {
            both((std::uint64_t{1} << bit) + static_cast<std::uint64_t>(by));
        }
    }
    for (const std::uint32_t size : {0U, 1U, 31U, 32U, 255U, 256U, 65'535U}) {
        const std::string text(size, 'x');
        out.text(text);
        packer.pack_str(size);
        packer.pack_str_body(text.data(), size);
    }
    for (const std::uint32_t size : {1U, 13U, 15U}) {
        out.array(size);
        packer.pack_array(size);
        out.map(size);
        packer.pack_map(size);
    }
    out.map(70);
    packer.pack_map(70);
    out.nil();
    packer.pack_nil();
    out.small(127);
    packer.pack_uint64(127);
    out.number(0);
    out.number(0);
    out.take_back(2);
    const auto size = static_cast<std::size_t>(out.end() - ours.data());
    EXPECT_EQ(std::string_view(ours.data(), size), std::string_view(theirs.data(), theirs.size()));
}

TEST_F(EventLogTest, TopicsBeyondTheBoundAreWrittenOut) {
    EventLog::Options options;
    options.max_topics = 2;
    {
        EventLog log(file_sink(path_), header(), options);
        for (std::int64_t i = 0; i < 20; ++i) {
            Event event = packet(i);
            const std::string topic = "t/" + std::to_string(i % 5);
            event.topic = topic;
            log.record(event);
        }
    }
    const LogContents contents = read_event_log(path_);
    EXPECT_FALSE(contents.damage);
    for (std::int64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(contents.events.text_at("topic", i), "t/" + std::to_string(i % 5));
    }
}

// The last topic of an entity is remembered in a place that it may share with others.
TEST_F(EventLogTest, EachEntityHasItsOwnTopics) {
    const auto topic_of = [](std::int64_t i) { return "t/" + std::to_string(i % 3); };
    {
        EventLog log(file_sink(path_), header());
        for (std::int64_t i = 0; i < 30; ++i) {
            Event event = packet(i);
            event.entity = static_cast<std::uint32_t>(4'096 * (i % 2) + 7);
            event.kind = i % 5 == 0 ? Kind::sent : Kind::delivered;
            event.direction = i % 10 == 0 ? Direction::down : Direction::up;
            const std::string topic = topic_of(i);
            event.topic = topic;
            log.record(event);
        }
    }
    const Table events = read_event_log(path_).events;
    ASSERT_EQ(events.rows(), 30);
    for (std::int64_t i = 0; i < 30; ++i) EXPECT_EQ(events.text_at("topic", i), topic_of(i));
}

TEST_F(EventLogTest, TextThatIsNoUtf8IsNotPassedOn) {
    {
        EventLog log(file_sink(path_), header());
        log.name_entity(1, "bad\xFF");
        Event note;
        note.entity = 1;
        note.text = "caf\xC3\xA9 \xC3";
        log.record(note);
    }
    const Table events = read_event_log(path_).events;
    EXPECT_EQ(events.text_at("entity", 0), "bad?");
    EXPECT_EQ(events.text_at("text", 0), "caf?? ?");
}

TEST_F(EventLogTest, LongTextsAreCutNotRefused) {
    const std::string endless(300'000, 'x');
    {
        EventLog log(file_sink(path_), header());
        Event note;
        note.topic = endless;
        note.text = endless;
        log.record(note);
        log.flush();
        log.record(note);
    }
    const LogContents contents = read_event_log(path_);
    EXPECT_FALSE(contents.damage);
    ASSERT_EQ(contents.events.rows(), 2);
    EXPECT_EQ(contents.events.text_at("text", 1).size(), 65'535U);
}

TEST_F(EventLogTest, AFlushedLogCanBeReadWhileTheRunGoesOn) {
    EventLog log(file_sink(path_), header());
    for (std::int64_t i = 0; i < 50; ++i) log.record(packet(i));
    log.flush();
    for (std::int64_t i = 50; i < 60; ++i) log.record(packet(i));
    const LogContents contents = read_event_log(path_);
    EXPECT_EQ(contents.events.rows(), 50);
    EXPECT_NE(contents.damage->reason.find("without an end record"), std::string::npos);
    EXPECT_EQ(contents.damage->offset, fs::file_size(path_));
}

}  // namespace
}  // namespace mqttwin::trace
