#include "mqttwin/trace/columns.hpp"

#include <algorithm>
#include <cstring>

namespace mqttwin::trace {
namespace {

bool bit_at(const Buffer& bits, std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    return ((bits.data[i >> 3] >> (i & 7)) & 1) != 0;
}

template <typename T>
T value_at(const Buffer& values, std::int64_t index) {
    T value{};
    std::memcpy(&value, values.data + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
    return value;
}

bool has_heap(Type type) { return type == Type::utf8 || type == Type::binary; }

}  // namespace

std::size_t value_width(Type type) {
    switch (type) {
        case Type::boolean:
        case Type::utf8:
        case Type::binary:
            return 0;
        case Type::uint8:
            return 1;
        case Type::uint16:
            return 2;
        case Type::uint32:
        case Type::dictionary:
            return 4;
        case Type::int64:
        case Type::float64:
        case Type::duration_ns:
        case Type::timestamp_ns:
            return 8;
    }
    return 0;
}

// --- Array ---------------------------------------------------------------------------------------

bool Array::is_null(std::int64_t row) const {
    return null_count > 0 && !bit_at(validity, offset + row);
}

std::int64_t Array::int_at(std::int64_t row) const {
    const std::int64_t at = offset + row;
    switch (type) {
        case Type::boolean:
            return bit_at(values, at) ? 1 : 0;
        case Type::uint8:
            return value_at<std::uint8_t>(values, at);
        case Type::uint16:
            return value_at<std::uint16_t>(values, at);
        case Type::uint32:
            return value_at<std::uint32_t>(values, at);
        case Type::dictionary:
            return value_at<std::int32_t>(values, at);
        case Type::int64:
        case Type::duration_ns:
        case Type::timestamp_ns:
            return value_at<std::int64_t>(values, at);
        case Type::float64:
        case Type::utf8:
        case Type::binary:
            break;
    }
    assert(false && "not a column of integers");
    return 0;
}

double Array::float_at(std::int64_t row) const {
    if (type == Type::float64) return value_at<double>(values, offset + row);
    return static_cast<double>(int_at(row));
}

std::string_view Array::text_at(std::int64_t row) const {
    if (is_null(row)) return {};
    if (type == Type::dictionary) return dictionary->text_at(int_at(row));
    assert(has_heap(type));
    const auto begin = value_at<std::int64_t>(values, offset + row);
    const auto end = value_at<std::int64_t>(values, offset + row + 1);
    return {reinterpret_cast<const char*>(heap.data) + begin,
            static_cast<std::size_t>(end - begin)};
}

Array Array::slice(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= length);
    Array part = *this;
    part.offset += first;
    part.length = count;
    if (null_count > 0 && count < length) {
        part.null_count = 0;
        for (std::int64_t row = 0; row < count; ++row) {
            part.null_count += bit_at(validity, part.offset + row) ? 0 : 1;
        }
    }
    return part;
}

std::shared_ptr<const Array> entries_of(const TextList& texts) {
    auto array = std::make_shared<Array>();
    array->type = Type::utf8;
    array->length = static_cast<std::int64_t>(texts.size());
    array->values = Buffer::adopt(texts.starts());
    array->heap = Buffer::adopt(texts.heap());
    return array;
}

// --- Column --------------------------------------------------------------------------------------

Column::Column(std::string name, Type type) : name_(std::move(name)), type_(type) {
    if (has_heap(type_)) offsets_.push_back(0);
}

void Column::reserve(std::size_t rows) {
    if (has_heap(type_)) {
        offsets_.reserve(rows + 1);
    } else {
        values_.reserve(rows * value_width(type_));
    }
}

void Column::append_raw(std::uint64_t value) {
    // The low bytes of the word: little endian, which Arrow calls native here.
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    values_.insert(values_.end(), bytes, bytes + value_width(type_));
}

void Column::appended(bool present) {
    assert(adopted_.owner == nullptr && "an adopted column does not grow");
    if (!present && validity_.size() == 0) {
        validity_.append(true, static_cast<std::size_t>(length_));
    }
    if (!present || validity_.size() > 0) validity_.append(present);
    ++length_;
}

void Column::append_int(std::int64_t value) {
    assert(!has_heap(type_) && type_ != Type::float64 && type_ != Type::dictionary);
    if (type_ == Type::boolean) {
        bits_.append(value != 0);
    } else {
        append_raw(static_cast<std::uint64_t>(value));
    }
    appended(true);
}

void Column::append_bool(bool value) { append_int(value ? 1 : 0); }

void Column::append_float(double value) {
    assert(type_ == Type::float64);
    std::uint64_t word = 0;
    std::memcpy(&word, &value, 8);
    append_raw(word);
    appended(true);
}

void Column::append_text(std::string_view value) {
    if (type_ != Type::dictionary) {
        assert(type_ == Type::utf8);
        append_bytes(as_bytes(value));
        return;
    }
    append_raw(entries_.add(value));
    appended(true);
}

void Column::append_bytes(ByteView value) {
    assert(has_heap(type_));
    values_.insert(values_.end(), value.begin(), value.end());
    offsets_.push_back(static_cast<std::int64_t>(values_.size()));
    appended(true);
}

void Column::append_null() {
    if (has_heap(type_)) {
        offsets_.push_back(offsets_.back());
    } else if (type_ == Type::boolean) {
        bits_.append(false);
    } else {
        append_raw(0);
    }
    appended(false);
}

Array Column::take() {
    Array array;
    array.type = type_;
    array.length = length_;
    array.null_count = static_cast<std::int64_t>(validity_.zeros());
    if (array.null_count > 0) array.validity = Buffer::adopt(validity_.take());
    if (has_heap(type_)) {
        array.values = Buffer::adopt(std::move(offsets_));
        array.heap = Buffer::adopt(std::move(values_));
    } else if (adopted_.owner != nullptr) {
        array.values = std::move(adopted_);
    } else {
        array.values = Buffer::adopt(type_ == Type::boolean ? bits_.take() : std::move(values_));
    }
    if (type_ == Type::dictionary) array.dictionary = entries_of(entries_);
    *this = Column(std::move(name_), type_);
    return array;
}

// --- Table ---------------------------------------------------------------------------------------

Table::Table(std::vector<Field> fields, std::vector<Batch> batches, Metadata metadata) {
    auto state = std::make_shared<State>();
    for (const Batch& batch : batches) {
        assert(batch.columns.size() == fields.size());
        for (std::size_t c = 0; c < batch.columns.size(); ++c) {
            assert(batch.columns[c].length == batch.length);
            assert(batch.columns[c].type == fields[c].type);
        }
        state->rows += batch.length;
    }
    state->fields = std::move(fields);
    state->batches = std::move(batches);
    state->metadata = std::move(metadata);
    state_ = std::move(state);
}

Table Table::of(std::vector<Column> columns, Metadata metadata, std::int64_t batch_rows) {
    assert(batch_rows > 0);
    std::vector<Field> fields;
    std::vector<Array> whole;
    for (Column& column : columns) {
        fields.push_back({column.name(), column.type(), true});
        whole.push_back(column.take());
    }
    const std::int64_t rows = whole.empty() ? 0 : whole.front().length;
    std::vector<Batch> batches;
    for (std::int64_t first = 0; first < rows; first += batch_rows) {
        Batch batch;
        batch.length = std::min(batch_rows, rows - first);
        for (const Array& array : whole) batch.columns.push_back(array.slice(first, batch.length));
        batches.push_back(std::move(batch));
    }
    return Table(std::move(fields), std::move(batches), std::move(metadata));
}

int Table::find(std::string_view name) const {
    for (std::size_t i = 0; i < fields().size(); ++i) {
        if (fields()[i].name == name) return static_cast<int>(i);
    }
    return -1;
}

// The array that holds a row of the table; `row` becomes its row in that array.
const Array& Table::locate(std::string_view column, std::int64_t& row) const {
    const int index = find(column);
    assert(index >= 0 && row >= 0 && row < rows());
    std::size_t batch = 0;
    while (row >= batches()[batch].length) row -= batches()[batch++].length;
    return batches()[batch].columns[static_cast<std::size_t>(index)];
}

bool Table::is_null(std::string_view column, std::int64_t row) const {
    return locate(column, row).is_null(row);
}

std::int64_t Table::int_at(std::string_view column, std::int64_t row) const {
    return locate(column, row).int_at(row);
}

double Table::float_at(std::string_view column, std::int64_t row) const {
    return locate(column, row).float_at(row);
}

std::string_view Table::text_at(std::string_view column, std::int64_t row) const {
    return locate(column, row).text_at(row);
}

}  // namespace mqttwin::trace
