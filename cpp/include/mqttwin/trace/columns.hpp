// Typed columns and tables: what a run hands to pandas, polars or Parquet without copying.
//
// A Column is built by appending, or adopts a vector. A Table is immutable and shares its buffers
// with whatever was exported from it (arrow.hpp), so that it may go away first.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/trace/text_list.hpp"

namespace mqttwin::trace {

enum class Type : std::uint8_t {
    boolean,  // a bit each
    uint8,
    uint16,
    uint32,
    int64,
    float64,
    duration_ns,   // int64 nanoseconds: virtual time is a duration since the start of the world
    timestamp_ns,  // int64 nanoseconds since 1970, without time zone
    utf8,          // 64-bit offsets: no bound at 2 GiB
    binary,        // 64-bit offsets
    dictionary,    // int32 indices into a list of utf8 (signed: pandas refuses unsigned ones)
};

/// Bytes of one value in the main buffer; 0 for boolean, utf8 and binary.
std::size_t value_width(Type type);

/// Immutable bytes and a share in whatever owns them.
struct Buffer {
    std::shared_ptr<const void> owner;
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;

    template <typename T>
    static Buffer adopt(std::vector<T> values) {
        auto owner = std::make_shared<const std::vector<T>>(std::move(values));
        const auto* data = reinterpret_cast<const std::uint8_t*>(owner->data());
        const std::size_t size = owner->size() * sizeof(T);
        return Buffer{std::move(owner), data, size};
    }
};

/// A stretch of one column, as Arrow lays it out. Copies are cheap and share the bytes.
struct Array {
    Type type = Type::int64;
    std::int64_t length = 0;
    std::int64_t offset = 0;  // rows to skip in every buffer
    std::int64_t null_count = 0;
    Buffer validity;  // a bit a row, 1 is "present"; empty when nothing is null
    Buffer values;    // fixed-width values, bits of booleans, or 64-bit offsets into `heap`
    Buffer heap;      // bytes of utf8 and binary
    std::shared_ptr<const Array> dictionary;

    // For row < length; the type must fit. Null rows read as 0 or "".
    [[nodiscard]] bool is_null(std::int64_t row) const;
    [[nodiscard]] std::int64_t int_at(
        std::int64_t row) const;  // integers, times, booleans, indices
    [[nodiscard]] double float_at(std::int64_t row) const;
    [[nodiscard]] std::string_view text_at(std::int64_t row) const;  // utf8, binary, dictionary

    /// Rows first to first + count, sharing the buffers.
    [[nodiscard]] Array slice(std::int64_t first, std::int64_t count) const;
};

/// All of a list as utf8, in their order: what the indices of a dictionary stand for.
std::shared_ptr<const Array> entries_of(const TextList& texts);

/// Bits of a boolean column or a validity bitmap, least significant first.
class Bits {
   public:
    void append(bool bit) {
        if ((size_ & 7) == 0) bytes_.push_back(0);
        if (bit) bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | (1U << (size_ & 7)));
        ++size_;
        zeros_ += bit ? 0 : 1;
    }
    void append(bool bit, std::size_t times) {
        for (; times > 0; --times) append(bit);
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t zeros() const { return zeros_; }
    [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

   private:
    std::vector<std::uint8_t> bytes_;
    std::size_t size_ = 0;
    std::size_t zeros_ = 0;
};

/// A column that grows.
class Column {
   public:
    Column(std::string name, Type type);

    /// A column of fixed-width values that are there already; sizeof(T) must be the type's width.
    template <typename T>
    static Column adopt(std::string name, Type type, std::vector<T> values) {
        assert(sizeof(T) == value_width(type) && type != Type::dictionary);
        Column column(std::move(name), type);
        column.length_ = static_cast<std::int64_t>(values.size());
        column.adopted_ = Buffer::adopt(std::move(values));
        return column;
    }

    // Integers, times and booleans; a value must fit the type.
    void append_int(std::int64_t value);
    void append_bool(bool value);
    void append_float(double value);
    void append_text(std::string_view value);  // utf8 and dictionary
    void append_bytes(ByteView value);         // binary
    void append_null();

    void reserve(std::size_t rows);
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] Type type() const { return type_; }
    [[nodiscard]] std::int64_t size() const { return length_; }

    /// What was appended, immutable from now on; the column is spent.
    [[nodiscard]] Array take();

   private:
    void append_raw(std::uint64_t value);
    void appended(bool present);

    std::string name_;
    Type type_;
    std::int64_t length_ = 0;
    std::vector<std::uint8_t> values_;
    std::vector<std::int64_t> offsets_;
    Bits bits_;
    Bits validity_;  // empty until the first null
    Buffer adopted_;
    TextList entries_;  // of a dictionary
};

/// Name and type of a column of a table.
struct Field {
    std::string name;
    Type type = Type::int64;
    bool nullable = true;
};

/// Rows of a table that are contiguous in memory: one array a field, all of one length.
struct Batch {
    std::int64_t length = 0;
    std::vector<Array> columns;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// An immutable table in batches. Copies share everything.
class Table {
   public:
    static constexpr std::int64_t kBatchRows = 1 << 20;

    Table() : Table({}, {}) {}
    Table(std::vector<Field> fields, std::vector<Batch> batches, Metadata metadata = {});
    /// Columns of equal length, cut (without copying) into batches of at most `batch_rows`.
    static Table of(std::vector<Column> columns, Metadata metadata = {},
                    std::int64_t batch_rows = kBatchRows);

    [[nodiscard]] const std::vector<Field>& fields() const { return state_->fields; }
    [[nodiscard]] const std::vector<Batch>& batches() const { return state_->batches; }
    [[nodiscard]] const Metadata& metadata() const { return state_->metadata; }
    [[nodiscard]] std::int64_t rows() const { return state_->rows; }
    /// Index of a field by name; -1 when there is none.
    [[nodiscard]] int find(std::string_view name) const;

    // One cell, for tests and small tables: looks for the column and the batch every time.
    [[nodiscard]] bool is_null(std::string_view column, std::int64_t row) const;
    [[nodiscard]] std::int64_t int_at(std::string_view column, std::int64_t row) const;
    [[nodiscard]] double float_at(std::string_view column, std::int64_t row) const;
    [[nodiscard]] std::string_view text_at(std::string_view column, std::int64_t row) const;

   private:
    struct State {
        std::vector<Field> fields;
        std::vector<Batch> batches;
        Metadata metadata;
        std::int64_t rows = 0;
    };
    [[nodiscard]] const Array& locate(std::string_view column, std::int64_t& row) const;

    std::shared_ptr<const State> state_;
};

}  // namespace mqttwin::trace
