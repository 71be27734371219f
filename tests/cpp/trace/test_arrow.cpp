#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/arrow.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::int64_t kRows = 11;

// One column of every type, row i of each null when i is 4.
Table every_type(std::int64_t batch_rows) {
    std::vector<Column> columns;
    const auto ints = [&columns](const char* name, Type type) {
        Column column(name, type);
        for (std::int64_t i = 0; i < kRows; ++i) {
            if (i == 4) {
                column.append_null();
            } else {
                column.append_int(type == Type::boolean ? i % 2 : i * 3);
            }
        }
        columns.push_back(std::move(column));
    };
    ints("boolean", Type::boolean);
    ints("uint8", Type::uint8);
    ints("uint16", Type::uint16);
    ints("uint32", Type::uint32);
    ints("int64", Type::int64);
    ints("duration", Type::duration_ns);
    ints("timestamp", Type::timestamp_ns);
    Column floats("float64", Type::float64);
    Column text("utf8", Type::utf8);
    Column bytes("binary", Type::binary);
    Column topics("dictionary", Type::dictionary);
    for (std::int64_t i = 0; i < kRows; ++i) {
        if (i == 4) {
            for (Column* column : {&floats, &text, &bytes, &topics}) column->append_null();
            continue;
        }
        floats.append_float(static_cast<double>(i) / 2);
        text.append_text("text " + std::to_string(i));
        bytes.append_bytes(as_bytes(std::string(static_cast<std::size_t>(i), 'b')));
        topics.append_text(i % 2 == 0 ? "even" : "odd");
    }
    for (Column* column : {&floats, &text, &bytes, &topics}) columns.push_back(std::move(*column));
    return Table::of(std::move(columns), {{"seed", "42"}, {"scenario", "storm"}}, batch_rows);
}

// What a consumer would see, through nothing but the C structs.
std::int64_t bit(const void* bits, std::int64_t index) {
    const auto* bytes = static_cast<const std::uint8_t*>(bits);
    return (bytes[index / 8] >> (index % 8)) & 1;
}

template <typename T>
T element(const void* values, std::int64_t index) {
    T value{};
    std::memcpy(&value, static_cast<const char*>(values) + index * std::int64_t{sizeof(T)},
                sizeof(T));
    return value;
}

std::optional<std::string> cell(const ArrowSchema& schema, const ArrowArray& array,
                                std::int64_t row) {
    const std::int64_t i = array.offset + row;
    if (array.buffers[0] != nullptr && bit(array.buffers[0], i) == 0) return std::nullopt;
    const std::string_view format = schema.format;
    const void* values = array.buffers[1];
    if (format == "b") return std::to_string(bit(values, i));
    if (format == "C") return std::to_string(element<std::uint8_t>(values, i));
    if (format == "S") return std::to_string(element<std::uint16_t>(values, i));
    if (format == "I") return std::to_string(element<std::uint32_t>(values, i));
    if (format == "g") return std::to_string(element<double>(values, i));
    if (format == "i") {
        return cell(*schema.dictionary, *array.dictionary, element<std::int32_t>(values, i));
    }
    if (format == "U" || format == "Z") {
        const auto begin = element<std::int64_t>(values, i);
        const auto end = element<std::int64_t>(values, i + 1);
        return std::string(static_cast<const char*>(array.buffers[2]) + begin,
                           static_cast<std::size_t>(end - begin));
    }
    EXPECT_TRUE(format == "l" || format == "tDn" || format == "tsn:") << format;
    return std::to_string(element<std::int64_t>(values, i));
}

std::string expected(std::string_view name, std::int64_t i) {
    if (name == "boolean") return std::to_string(i % 2);
    if (name == "float64") return std::to_string(static_cast<double>(i) / 2);
    if (name == "utf8") return "text " + std::to_string(i);
    if (name == "binary") return std::string(static_cast<std::size_t>(i), 'b');
    if (name == "dictionary") return i % 2 == 0 ? "even" : "odd";
    return std::to_string(i * 3);
}

TEST(Arrow, SchemaNamesEveryType) {
    ArrowSchema schema;
    export_schema(every_type(100), &schema);
    EXPECT_STREQ(schema.format, "+s");
    ASSERT_EQ(schema.n_children, 11);
    const std::vector<std::string> formats = {"b",    "C", "S", "I", "l", "tDn",
                                              "tsn:", "g", "U", "Z", "i"};
    for (std::size_t c = 0; c < formats.size(); ++c) {
        const ArrowSchema& child = *schema.children[c];
        EXPECT_EQ(child.format, formats[c]);
        EXPECT_EQ(child.flags, ARROW_FLAG_NULLABLE);
        EXPECT_EQ(child.n_children, 0);
        EXPECT_NE(child.release, nullptr);
        EXPECT_EQ(child.dictionary != nullptr, formats[c] == "i");
    }
    EXPECT_STREQ(schema.children[8]->name, "utf8");
    EXPECT_STREQ(schema.children[10]->dictionary->format, "U");
    schema.release(&schema);
    EXPECT_EQ(schema.release, nullptr);
}

TEST(Arrow, MetadataIsEncodedAsSpecified) {
    ArrowSchema schema;
    export_schema(every_type(100), &schema);
    const char* p = schema.metadata;
    const auto number = [&p] {
        const auto value = element<std::int32_t>(p, 0);
        p += 4;
        return value;
    };
    const auto text = [&p, &number] {
        const auto size = static_cast<std::size_t>(number());
        std::string value(p, size);
        p += size;
        return value;
    };
    EXPECT_EQ(number(), 2);
    EXPECT_EQ(text(), "seed");
    EXPECT_EQ(text(), "42");
    EXPECT_EQ(text(), "scenario");
    EXPECT_EQ(text(), "storm");
    schema.release(&schema);
}

TEST(Arrow, StreamOutlivesTheTable) {
    for (const std::int64_t batch_rows : {1, 3, 8, 100}) {
        ArrowArrayStream stream;
        {
            const Table table = every_type(batch_rows);
            export_stream(table, &stream);
        }
        ArrowSchema schema;
        ASSERT_EQ(stream.get_schema(&stream, &schema), 0);
        std::int64_t first = 0;
        std::vector<ArrowArray> batches;
        for (;;) {
            ArrowArray batch;
            ASSERT_EQ(stream.get_next(&stream, &batch), 0);
            if (batch.release == nullptr) break;
            batches.push_back(batch);
        }
        EXPECT_EQ(stream.get_last_error(&stream), nullptr);
        stream.release(&stream);
        EXPECT_EQ(stream.release, nullptr);

        for (ArrowArray& batch : batches) {
            EXPECT_LE(batch.length, batch_rows);
            ASSERT_EQ(batch.n_children, schema.n_children);
            EXPECT_EQ(batch.n_buffers, 1);
            EXPECT_EQ(batch.buffers[0], nullptr);
            for (std::int64_t c = 0; c < batch.n_children; ++c) {
                const ArrowSchema& field = *schema.children[c];
                const ArrowArray& column = *batch.children[c];
                ASSERT_EQ(column.length, batch.length);
                const bool heap = column.n_buffers == 3;
                EXPECT_EQ(heap, *field.format == 'U' || *field.format == 'Z');
                const bool has_null = first <= 4 && 4 < first + batch.length;
                EXPECT_EQ(column.null_count, has_null ? 1 : 0);
                for (std::int64_t row = 0; row < column.length; ++row) {
                    const auto value = cell(field, column, row);
                    if (first + row == 4) {
                        EXPECT_FALSE(value);
                    } else {
                        EXPECT_EQ(value, expected(field.name, first + row)) << field.name;
                    }
                }
            }
            first += batch.length;
            batch.release(&batch);
            EXPECT_EQ(batch.release, nullptr);
        }
        EXPECT_EQ(first, kRows);
        schema.release(&schema);
    }
}

TEST(Arrow, AChildMayBeMovedOut) {
    ArrowSchema schema;
    ArrowArray batch;
    {
        const Table table = every_type(100);
        export_schema(table, &schema);
        export_batch(table, 0, &batch);
    }
    const auto steal = [](auto& parent, std::int64_t index) {
        auto moved = *parent.children[index];
        parent.children[index]->release = nullptr;
        parent.release(&parent);
        return moved;
    };
    ArrowSchema field = steal(schema, 10);
    ArrowArray column = steal(batch, 10);
    EXPECT_EQ(cell(field, column, 3), "odd");
    EXPECT_EQ(cell(field, column, 10), "even");
    field.release(&field);
    column.release(&column);
}

TEST(Arrow, BuffersAreFreedWithTheLastOfThem) {
    std::weak_ptr<const void> watch;
    ArrowArray batch;
    {
        std::vector<Column> columns;
        columns.push_back(Column::adopt("x", Type::int64, std::vector<std::int64_t>(1000, 7)));
        const Table table = Table::of(std::move(columns));
        watch = table.batches()[0].columns[0].values.owner;
        export_batch(table, 0, &batch);
        // Zero-copy: the consumer reads the very bytes.
        EXPECT_EQ(batch.children[0]->buffers[1], table.batches()[0].columns[0].values.data);
    }
    EXPECT_FALSE(watch.expired());
    batch.release(&batch);
    EXPECT_TRUE(watch.expired());
}

TEST(Arrow, EmptyTablesStream) {
    std::vector<Column> columns;
    columns.emplace_back("topic", Type::dictionary);
    columns.emplace_back("text", Type::utf8);
    ArrowArrayStream stream;
    export_stream(Table::of(std::move(columns)), &stream);
    ArrowSchema schema;
    ArrowArray batch;
    ASSERT_EQ(stream.get_schema(&stream, &schema), 0);
    EXPECT_EQ(schema.n_children, 2);
    EXPECT_EQ(schema.metadata, nullptr);
    schema.release(&schema);
    ASSERT_EQ(stream.get_next(&stream, &batch), 0);
    EXPECT_EQ(batch.release, nullptr);
    stream.release(&stream);

    export_stream(Table(), &stream);
    ASSERT_EQ(stream.get_schema(&stream, &schema), 0);
    EXPECT_EQ(schema.n_children, 0);
    schema.release(&schema);
    stream.release(&stream);
}

}  // namespace
}  // namespace mqttwin::trace
