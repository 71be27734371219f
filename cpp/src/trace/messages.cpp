#include "mqttwin/trace/messages.hpp"

#include <algorithm>
#include <utility>

namespace mqttwin::trace {
namespace {

// The first rows of an array that lives in a chunk, sharing the chunk. Rows once written never
// change, so it does not matter that the log goes on filling the ones behind them.
template <typename T, std::size_t N>
Array view(const std::shared_ptr<const void>& owner, const std::array<T, N>& values, Type type,
           std::size_t rows) {
    Array array;
    array.type = type;
    array.length = static_cast<std::int64_t>(rows);
    array.values = {owner, reinterpret_cast<const std::uint8_t*>(values.data()), rows * sizeof(T)};
    return array;
}

template <typename Present>
void mark_nulls(Array& array, Present&& present) {
    Bits bits;
    for (std::size_t i = 0; i < static_cast<std::size_t>(array.length); ++i) {
        bits.append(present(i));
    }
    array.null_count = static_cast<std::int64_t>(bits.zeros());
    if (array.null_count > 0) array.validity = Buffer::adopt(bits.take());
}

template <std::size_t N>
Array flag_column(const std::array<std::uint8_t, N>& flags, std::uint8_t flag, std::size_t rows) {
    Bits bits;
    for (std::size_t i = 0; i < rows; ++i) bits.append((flags[i] & flag) != 0);
    Array array;
    array.type = Type::boolean;
    array.length = static_cast<std::int64_t>(rows);
    array.values = Buffer::adopt(bits.take());
    return array;
}

// Indices into a dictionary where they are in range, null where not (no topic, no entity).
template <std::size_t N>
Array dictionary_column(const std::shared_ptr<const void>& owner,
                        const std::array<std::uint32_t, N>& indices,
                        const std::shared_ptr<const Array>& entries, std::size_t rows) {
    Array array = view(owner, indices, Type::dictionary, rows);
    array.dictionary = entries;
    const auto size = static_cast<std::uint64_t>(entries->length);
    mark_nulls(array, [&indices, size](std::size_t i) { return indices[i] < size; });
    return array;
}

}  // namespace

MessageLog::MessageLog(std::size_t max_rows, std::size_t max_topics)
    : max_rows_(max_rows), max_topics_(max_topics) {}

bool MessageLog::next_chunk() {
    if (rows_ >= max_rows_) {
        ++not_kept_;
        return false;
    }
    // Not cleared: pages that no row reaches are never touched.
    chunks_.push_back(std::make_shared_for_overwrite<Chunk>());
    current_ = chunks_.back().get();
    used_ = 0;
    return true;
}

std::uint32_t MessageLog::topic(std::string_view name) {
    static_assert(TextList::kNone == Delivery::kNoTopic);
    return topics_.size() < max_topics_ ? topics_.add(name) : topics_.find(name);
}

Batch MessageLog::batch_of(const std::shared_ptr<Chunk>& chunk, std::size_t rows,
                           const std::shared_ptr<const Array>& names,
                           const std::shared_ptr<const Array>& topics) {
    const Chunk& c = *chunk;
    Batch batch;
    batch.length = static_cast<std::int64_t>(rows);
    auto& columns = batch.columns;
    columns.push_back(view(chunk, c.published, Type::duration_ns, rows));
    mark_nulls(columns.back(), [&c](std::size_t i) { return c.published[i] >= 0; });
    columns.push_back(view(chunk, c.delivered, Type::duration_ns, rows));
    for (const auto* tags : {&c.publisher, &c.subscriber}) {
        if (names) {
            columns.push_back(dictionary_column(chunk, *tags, names, rows));
        } else {
            columns.push_back(view(chunk, *tags, Type::uint32, rows));
            mark_nulls(columns.back(), [tags](std::size_t i) { return (*tags)[i] != kNoTag; });
        }
    }
    columns.push_back(dictionary_column(chunk, c.topic, topics, rows));
    columns.push_back(view(chunk, c.qos, Type::uint8, rows));
    columns.push_back(view(chunk, c.payload_bytes, Type::uint32, rows));
    columns.push_back(flag_column(c.flags, Delivery::kDuplicate, rows));
    columns.push_back(flag_column(c.flags, Delivery::kReplay, rows));
    return batch;
}

Table MessageLog::table(const std::shared_ptr<const Array>& names) const {
    const auto topics = entries_of(topics_);

    const Type entity = names ? Type::dictionary : Type::uint32;
    std::vector<Field> fields = {
        {"published", Type::duration_ns, true},
        {"delivered", Type::duration_ns, false},
        {"publisher", entity, true},
        {"subscriber", entity, true},
        {"topic", Type::dictionary, true},
        {"qos", Type::uint8, false},
        {"payload_bytes", Type::uint32, false},
        {"duplicate", Type::boolean, false},
        {"replay", Type::boolean, false},
    };
    std::vector<Batch> batches;
    std::size_t left = rows_;
    for (const auto& chunk : chunks_) {
        const std::size_t rows = std::min(left, kChunkRows);
        batches.push_back(batch_of(chunk, rows, names, topics));
        left -= rows;
    }
    return Table(std::move(fields), std::move(batches), {{"not_kept", std::to_string(not_kept_)}});
}

void MessageLog::archive(Archive& a) {
    a(max_rows_, max_topics_, rows_, used_, not_kept_, topics_);
    if (used_ > kChunkRows) a.fail("a chunk of another size");
    const std::size_t chunks = a.count(chunks_.size());
    if (a.reading()) {
        chunks_.clear();
        for (std::size_t i = 0; i < chunks; ++i) chunks_.push_back(std::make_shared<Chunk>());
        current_ = chunks == 0 ? nullptr : chunks_.back().get();
    }
    for (const auto& chunk : chunks_) {
        const std::size_t rows = chunk == chunks_.back() ? used_ : kChunkRows;
        const auto column = [&](auto& values) { a.block(values.data(), rows * sizeof(values[0])); };
        column(chunk->published);
        column(chunk->delivered);
        column(chunk->publisher);
        column(chunk->subscriber);
        column(chunk->payload_bytes);
        column(chunk->topic);
        column(chunk->qos);
        column(chunk->flags);
    }
}

}  // namespace mqttwin::trace
