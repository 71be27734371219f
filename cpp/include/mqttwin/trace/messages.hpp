// The messages that arrived: one row a delivery, in columns, up to a bound.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/columns.hpp"
#include "mqttwin/trace/direction.hpp"
#include "mqttwin/trace/text_list.hpp"

namespace mqttwin::trace {

/// One delivered message.
struct Delivery {
    static constexpr std::uint8_t kDuplicate = 1;  // not the first delivery to this subscriber
    static constexpr std::uint8_t kReplay = 2;     // a retained message, for a new subscription
    static constexpr std::uint32_t kNoTopic = 0xFFFF'FFFFU;

    Instant published{-1};  // before 0: unknown
    Instant delivered;
    std::uint32_t publisher = kNoTag;
    std::uint32_t subscriber = kNoTag;
    std::uint32_t payload_bytes = 0;
    std::uint32_t topic = kNoTopic;  // from MessageLog::topic
    std::uint8_t qos = 0;
    std::uint8_t flags = 0;
};

/// Deliveries in the order of their appending; 34 bytes each, taken in chunks.
///
/// Beyond `max_rows` deliveries are counted, not kept. Tables share the chunks with the log, which
/// may go on appending: a table holds the rows that were there when it was asked for.
class MessageLog {
   public:
    explicit MessageLog(std::size_t max_rows = 2'000'000, std::size_t max_topics = 1'000'000);

    // A copy would write into chunks that it shares.
    MessageLog(const MessageLog&) = delete;
    MessageLog& operator=(const MessageLog&) = delete;
    MessageLog(MessageLog&&) noexcept = default;
    MessageLog& operator=(MessageLog&&) noexcept = default;
    ~MessageLog() = default;

    void append(const Delivery& row) {
        if (used_ == kChunkRows || rows_ >= max_rows_) [[unlikely]] {
            if (!next_chunk()) return;
        }
        Chunk& chunk = *current_;
        const std::size_t i = used_++;
        chunk.published[i] = row.published.ns;
        chunk.delivered[i] = row.delivered.ns;
        chunk.publisher[i] = row.publisher;
        chunk.subscriber[i] = row.subscriber;
        chunk.payload_bytes[i] = row.payload_bytes;
        chunk.topic[i] = row.topic;
        chunk.qos[i] = row.qos;
        chunk.flags[i] = row.flags;
        ++rows_;
    }

    /// The number of a topic, the same every time; kNoTopic for a new one beyond `max_topics`.
    std::uint32_t topic(std::string_view name);

    [[nodiscard]] std::size_t size() const { return rows_; }
    /// Deliveries that the bound kept out.
    [[nodiscard]] std::uint64_t not_kept() const { return not_kept_; }
    /// Bytes of memory that the rows take.
    [[nodiscard]] std::size_t footprint() const { return chunks_.size() * sizeof(Chunk); }

    /// Columns: published, delivered (durations since the start), publisher, subscriber, topic,
    /// qos, payload_bytes, duplicate, replay. Publisher and subscriber are tags (uint32), or, when
    /// `names` gives utf8 by tag, dictionaries of names. Metadata: `not_kept`.
    [[nodiscard]] Table table(const std::shared_ptr<const Array>& names = nullptr) const;
    void archive(Archive& a);

   private:
    static constexpr std::size_t kChunkRows = std::size_t{1} << 16;
    struct Chunk {
        std::array<std::int64_t, kChunkRows> published;
        std::array<std::int64_t, kChunkRows> delivered;
        std::array<std::uint32_t, kChunkRows> publisher;
        std::array<std::uint32_t, kChunkRows> subscriber;
        std::array<std::uint32_t, kChunkRows> payload_bytes;
        std::array<std::uint32_t, kChunkRows> topic;
        std::array<std::uint8_t, kChunkRows> qos;
        std::array<std::uint8_t, kChunkRows> flags;
    };

    bool next_chunk();
    [[nodiscard]] static Batch batch_of(const std::shared_ptr<Chunk>& chunk, std::size_t rows,
                                        const std::shared_ptr<const Array>& names,
                                        const std::shared_ptr<const Array>& topics);

    std::size_t max_rows_;
    std::size_t max_topics_;
    std::size_t rows_ = 0;
    std::size_t used_ = kChunkRows;  // of the current chunk
    Chunk* current_ = nullptr;
    std::uint64_t not_kept_ = 0;
    std::vector<std::shared_ptr<Chunk>> chunks_;
    TextList topics_;
};

}  // namespace mqttwin::trace
