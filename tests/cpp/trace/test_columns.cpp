#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/columns.hpp"

namespace mqttwin::trace {
namespace {

TEST(Column, HoldsEveryIntegerType) {
    struct Case {
        Type type;
        std::int64_t low;
        std::int64_t high;
    };
    const std::vector<Case> cases = {
        {Type::boolean, 0, 1},
        {Type::uint8, 0, 255},
        {Type::uint16, 0, 65'535},
        {Type::uint32, 0, 4'294'967'295},
        {Type::int64, std::numeric_limits<std::int64_t>::min(),
         std::numeric_limits<std::int64_t>::max()},
        {Type::duration_ns, -1, 86'400'000'000'000},
        {Type::timestamp_ns, 0, 1'700'000'000'000'000'000},
    };
    for (const Case& c : cases) {
        Column column("x", c.type);
        column.append_int(c.low);
        column.append_int(c.high);
        column.append_null();
        column.append_int(c.high);
        const Array array = column.take();
        EXPECT_EQ(array.length, 4);
        EXPECT_EQ(array.null_count, 1);
        EXPECT_EQ(array.int_at(0), c.low);
        EXPECT_EQ(array.int_at(1), c.high);
        EXPECT_FALSE(array.is_null(1));
        EXPECT_TRUE(array.is_null(2));
        EXPECT_EQ(array.int_at(2), 0);
        EXPECT_EQ(array.int_at(3), c.high);
    }
}

TEST(Column, HoldsFloatsTextAndBytes) {
    Column numbers("n", Type::float64);
    numbers.append_float(-0.5);
    numbers.append_null();
    const Array floats = numbers.take();
    EXPECT_EQ(floats.float_at(0), -0.5);
    EXPECT_TRUE(floats.is_null(1));

    Column names("t", Type::utf8);
    names.append_text("häuschen");
    names.append_text("");
    names.append_null();
    names.append_text("x");
    const Array text = names.take();
    EXPECT_EQ(text.text_at(0), "häuschen");
    EXPECT_EQ(text.text_at(1), "");
    EXPECT_FALSE(text.is_null(1));
    EXPECT_TRUE(text.is_null(2));
    EXPECT_EQ(text.text_at(3), "x");

    Column blobs("b", Type::binary);
    const std::vector<std::uint8_t> bytes = {0, 255, 7};
    blobs.append_bytes(bytes);
    EXPECT_EQ(blobs.take().text_at(0), std::string_view("\0\xFF\x07", 3));
}

TEST(Column, SharesEntriesOfADictionary) {
    Column column("topic", Type::dictionary);
    for (const char* topic : {"a", "b", "a", "c", "b"}) column.append_text(topic);
    column.append_null();
    const Array array = column.take();
    EXPECT_EQ(array.dictionary->length, 3);
    EXPECT_EQ(array.int_at(4), 1);
    EXPECT_EQ(array.text_at(4), "b");
    EXPECT_EQ(array.text_at(3), "c");
    EXPECT_TRUE(array.is_null(5));
    EXPECT_EQ(array.text_at(5), "");
}

TEST(Column, AdoptsAVectorWithoutCopying) {
    std::vector<std::uint32_t> values = {1, 2, 3};
    const auto* address = reinterpret_cast<const std::uint8_t*>(values.data());
    const Array array = Column::adopt("x", Type::uint32, std::move(values)).take();
    EXPECT_EQ(array.values.data, address);
    EXPECT_EQ(array.length, 3);
    EXPECT_EQ(array.int_at(2), 3);
}

TEST(Column, StartsAfreshOnceTaken) {
    Column column("x", Type::utf8);
    column.append_text("old");
    column.append_null();
    (void)column.take();
    EXPECT_EQ(column.size(), 0);
    column.append_text("new");
    const Array array = column.take();
    EXPECT_EQ(array.length, 1);
    EXPECT_EQ(array.null_count, 0);
    EXPECT_EQ(array.text_at(0), "new");
}

TEST(Array, SlicesShareTheBytes) {
    Column column("x", Type::boolean);
    for (int i = 0; i < 40; ++i) {
        if (i % 7 == 0) {
            column.append_null();
        } else {
            column.append_bool(i % 3 == 0);
        }
    }
    const Array whole = column.take();
    EXPECT_EQ(whole.null_count, 6);
    const Array part = whole.slice(5, 20).slice(3, 10);
    EXPECT_EQ(part.length, 10);
    EXPECT_EQ(part.null_count, 1);  // row 14
    EXPECT_EQ(part.values.data, whole.values.data);
    for (std::int64_t row = 0; row < 10; ++row) {
        EXPECT_EQ(part.is_null(row), (row + 8) % 7 == 0);
        EXPECT_EQ(part.int_at(row), whole.int_at(row + 8));
    }
}

TEST(Table, IsCutIntoBatches) {
    Column numbers("n", Type::int64);
    Column names("name", Type::utf8);
    for (std::int64_t i = 0; i < 25; ++i) {
        numbers.append_int(i);
        names.append_text("row " + std::to_string(i));
    }
    std::vector<Column> columns;
    columns.push_back(std::move(numbers));
    columns.push_back(std::move(names));
    const Table table = Table::of(std::move(columns), {{"key", "value"}}, 10);
    EXPECT_EQ(table.rows(), 25);
    ASSERT_EQ(table.batches().size(), 3U);
    EXPECT_EQ(table.batches()[2].length, 5);
    EXPECT_EQ(table.find("name"), 1);
    EXPECT_EQ(table.find("nothing"), -1);
    for (std::int64_t i = 0; i < 25; ++i) {
        EXPECT_EQ(table.int_at("n", i), i);
        EXPECT_EQ(table.text_at("name", i), "row " + std::to_string(i));
        EXPECT_FALSE(table.is_null("n", i));
    }
    EXPECT_EQ(table.metadata().front().second, "value");
}

TEST(Table, MayBeEmpty) {
    EXPECT_EQ(Table().rows(), 0);
    std::vector<Column> columns;
    columns.emplace_back("x", Type::utf8);
    const Table table = Table::of(std::move(columns));
    EXPECT_EQ(table.rows(), 0);
    EXPECT_EQ(table.fields().size(), 1U);
    EXPECT_TRUE(table.batches().empty());
}

}  // namespace
}  // namespace mqttwin::trace
