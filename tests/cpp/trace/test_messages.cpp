#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "mqttwin/trace/arrow.hpp"
#include "mqttwin/trace/messages.hpp"

namespace mqttwin::trace {
namespace {

Delivery delivery(std::int64_t i) {
    Delivery row;
    row.published = Instant{i * 1000};
    row.delivered = Instant{i * 1000 + 77};
    row.publisher = static_cast<std::uint32_t>(i % 5);
    row.subscriber = 2;
    row.payload_bytes = static_cast<std::uint32_t>(i % 300);
    row.qos = static_cast<std::uint8_t>(i % 3);
    row.flags = static_cast<std::uint8_t>(i % 4);
    return row;
}

TEST(MessageLog, BecomesATable) {
    MessageLog log;
    const std::uint32_t topic = log.topic("site/a");
    EXPECT_EQ(log.topic("site/b"), topic + 1);
    EXPECT_EQ(log.topic("site/a"), topic);
    for (std::int64_t i = 0; i < 10; ++i) {
        Delivery row = delivery(i);
        if (i != 3) row.topic = log.topic(i % 2 == 0 ? "site/a" : "site/b");
        if (i == 4) row.published = Instant{-1};
        if (i == 5) row.publisher = kNoTag;
        log.append(row);
    }
    const Table table = log.table();
    ASSERT_EQ(table.rows(), 10);
    for (std::int64_t i = 0; i < 10; ++i) {
        EXPECT_EQ(table.is_null("published", i), i == 4);
        if (i != 4) {
            EXPECT_EQ(table.int_at("published", i), i * 1000);
        }
        EXPECT_EQ(table.int_at("delivered", i), i * 1000 + 77);
        EXPECT_EQ(table.is_null("publisher", i), i == 5);
        if (i != 5) {
            EXPECT_EQ(table.int_at("publisher", i), i % 5);
        }
        EXPECT_EQ(table.int_at("subscriber", i), 2);
        EXPECT_EQ(table.is_null("topic", i), i == 3);
        if (i != 3) {
            EXPECT_EQ(table.text_at("topic", i), i % 2 == 0 ? "site/a" : "site/b");
        }
        EXPECT_EQ(table.int_at("qos", i), i % 3);
        EXPECT_EQ(table.int_at("payload_bytes", i), i);
        EXPECT_EQ(table.int_at("duplicate", i), i & 1);
        EXPECT_EQ(table.int_at("replay", i), (i >> 1) & 1);
    }
}

TEST(MessageLog, SpansChunksAndStopsAtItsBound) {
    MessageLog log(150'000);
    for (std::int64_t i = 0; i < 200'000; ++i) log.append(delivery(i));
    EXPECT_EQ(log.size(), 150'000U);
    EXPECT_EQ(log.not_kept(), 50'000U);
    const Table table = log.table();
    EXPECT_EQ(table.rows(), 150'000);
    EXPECT_EQ(table.batches().size(), 3U);
    EXPECT_EQ(table.int_at("delivered", 149'999), 149'999'077);
    EXPECT_EQ(table.int_at("delivered", 65'536), 65'536'077);
    EXPECT_EQ(table.metadata().front().second, "50000");

    MessageLog none(0);
    none.append(delivery(1));
    EXPECT_EQ(none.size(), 0U);
    EXPECT_EQ(none.not_kept(), 1U);
    EXPECT_EQ(none.footprint(), 0U);
    EXPECT_EQ(none.table().rows(), 0);
}

TEST(MessageLog, ABoundAtAChunksEndHoldsToo) {
    MessageLog log(1 << 16);
    for (std::int64_t i = 0; i < (1 << 16) + 3; ++i) log.append(delivery(i));
    EXPECT_EQ(log.size(), std::size_t{1} << 16);
    EXPECT_EQ(log.not_kept(), 3U);
    EXPECT_EQ(log.table().batches().size(), 1U);
}

TEST(MessageLog, TablesAreSnapshots) {
    auto log = std::make_unique<MessageLog>();
    for (std::int64_t i = 0; i < 100; ++i) log->append(delivery(i));
    const Table before = log->table();
    for (std::int64_t i = 100; i < 1000; ++i) log->append(delivery(i));
    const Table after = log->table();
    log.reset();  // the tables keep what they need
    EXPECT_EQ(before.rows(), 100);
    EXPECT_EQ(after.rows(), 1000);
    for (std::int64_t i = 0; i < 100; ++i) {
        EXPECT_EQ(before.int_at("delivered", i), after.int_at("delivered", i));
    }
    // Without copying.
    EXPECT_EQ(before.batches()[0].columns[1].values.data,
              after.batches()[0].columns[1].values.data);
}

TEST(MessageLog, NamesItsEntities) {
    Column names("", Type::utf8);
    for (int i = 0; i < 4; ++i) names.append_text("meter/" + std::to_string(i));
    const auto list = std::make_shared<const Array>(names.take());
    MessageLog log;
    for (std::int64_t i = 0; i < 5; ++i) log.append(delivery(i));
    const Table table = log.table(list);
    EXPECT_EQ(table.text_at("publisher", 3), "meter/3");
    EXPECT_TRUE(table.is_null("publisher", 4));  // nobody of that name
    EXPECT_EQ(table.text_at("subscriber", 0), "meter/2");
    ArrowArrayStream stream;
    export_stream(table, &stream);
    ArrowArray batch;
    ASSERT_EQ(stream.get_next(&stream, &batch), 0);
    EXPECT_EQ(batch.children[2]->dictionary->length, 4);
    EXPECT_EQ(batch.children[2]->null_count, 1);
    batch.release(&batch);
    stream.release(&stream);
}

TEST(MessageLog, BoundsItsTopics) {
    MessageLog log(10, 2);
    EXPECT_EQ(log.topic("a"), 0U);
    EXPECT_EQ(log.topic("b"), 1U);
    EXPECT_EQ(log.topic("c"), Delivery::kNoTopic);
    EXPECT_EQ(log.topic("b"), 1U);
}

}  // namespace
}  // namespace mqttwin::trace
