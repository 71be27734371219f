// The full event log of a run: a MessagePack stream on disk, and its reader.
//
// A file is a sequence of MessagePack values that any library can read:
//     a map      {"format": "mqttwin-trace", "version": 2, "seed": …, "scenario": …, …}
//     arrays     [kind, …], one a record, see Kind for their fields.
// Every block of records ends with a check record, a hash of the block's bytes chained to the one
// before; a file that was closed in good order ends with an end record. So a reader knows up to
// which byte a torn or damaged file can be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/columns.hpp"
#include "mqttwin/trace/direction.hpp"
#include "mqttwin/trace/text_list.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::trace {

/// The first element of a record, and what follows it.
enum class Kind : std::uint8_t {
    entity = 0,  // tag, name: what later records call tag
    topic = 1,   // id, name
    // t (ns), tag, broker, direction, packet type, bytes, packet id, QoS, reason, flags, topic (id,
    // text or nil), text (or nil); trailing elements that are 0 or nil are left out.
    open = 2,
    close = 3,
    sent = 4,
    delivered = 5,
    drop = 6,
    note = 7,
    check = 8,  // hash of the block, as a 64-bit unsigned integer
    end = 9,    // records of kinds open to note, records left out by bound or failure
};
/// "entity", "topic", "open", ...
std::string_view kind_name(Kind kind);

/// One thing that happened; what does not apply stays as it is. Views live until record() returns.
struct Event {
    static constexpr std::uint8_t kDuplicate = 1;  // flags of a PUBLISH
    static constexpr std::uint8_t kRetain = 2;

    Kind kind = Kind::note;
    Instant at;
    std::uint32_t entity = kNoTag;
    std::uint16_t broker = 0;
    Direction direction = Direction::up;  // of an open or a close: in which that end receives
    std::uint8_t packet = 0;              // wire::PacketType, 0 is none
    std::uint32_t bytes = 0;
    wire::PacketId packet_id = 0;
    std::uint8_t qos = 0;
    std::uint8_t reason = 0;  // a reason code, or the number of a cause
    std::uint8_t flags = 0;
    std::string_view topic;
    std::string_view text;
};

/// Where encoded blocks go: a file, or later a queue to a thread that writes. After the first
/// failure `error` says what went wrong and nothing more is written.
class LogSink {
   public:
    LogSink() = default;
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;
    virtual ~LogSink() = default;
    virtual void write(ByteView block) = 0;
    virtual void close() = 0;
    [[nodiscard]] virtual const std::string& error() const = 0;
};

/// A file, created or truncated; that it cannot be opened is an error() like any other.
std::unique_ptr<LogSink> file_sink(const std::string& path);

/// Which records are worth keeping.
struct LogFilter {
    struct TagRange {
        std::uint32_t first = 0;
        std::uint32_t last = 0;  // included
    };
    /// Empty: every entity; they must not overlap. Records of no entity (kNoTag) are always kept.
    std::vector<TagRange> entities;
    /// MQTT topic filters. Empty: every packet; else, of the packets of those entities, each
    /// PUBLISH whose topic one of them matches.
    std::vector<std::string> topics;
    /// Of the sent and delivered packets that are left only every n-th, from the first.
    std::uint64_t every = 1;
};

struct LogHeader {
    std::uint64_t seed = 0;
    std::string scenario;
    Metadata more;  // further keys, such as the project's version
};

class LogEncoder;

/// Writes the log. Failure (a full disk, say) stops the log, not the run: error() keeps it.
class EventLog {
   public:
    struct Options {
        std::size_t block_bytes = 256 * 1024;  // encoded before they go to the sink
        std::uint64_t max_bytes = 0;           // of the whole file; 0 is no bound
        std::size_t max_topics = 1'000'000;    // beyond, topics are written out every time
        LogFilter filter;
    };

    EventLog(std::unique_ptr<LogSink> sink, const LogHeader& header, Options options);
    EventLog(std::unique_ptr<LogSink> sink, const LogHeader& header)
        : EventLog(std::move(sink), header, Options()) {}
    EventLog(const EventLog&) = delete;
    EventLog& operator=(const EventLog&) = delete;
    ~EventLog();

    /// Before the entity's first record.
    void name_entity(std::uint32_t tag, std::string_view name);

    /// Whether the filter lets any record of this entity through: ask before gathering an Event.
    [[nodiscard]] bool wants(std::uint32_t entity) const {
        return filter_.entities.empty() || entity == kNoTag || in_range(entity);
    }
    void record(const Event& event);

    /// What was recorded so far is in the sink, checked.
    void flush();
    /// Flushes and writes the end record; also what the destructor does.
    void close();

    /// Empty as long as nothing went wrong.
    [[nodiscard]] const std::string& error() const { return sink_->error(); }
    /// Whether the bound was reached or the sink failed.
    [[nodiscard]] bool stopped() const { return stopped_; }
    [[nodiscard]] std::uint64_t records() const { return records_; }
    /// Records that passed the filter and were left out because the log had stopped.
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }
    /// Size of the log so far.
    [[nodiscard]] std::uint64_t bytes() const { return written_ + used_; }

   private:
    static constexpr std::size_t kRemembered = 4096;  // entities of which the last topic is known

    [[nodiscard]] bool in_range(std::uint32_t entity) const;
    [[nodiscard]] bool filtered_out(const Event& event);
    [[nodiscard]] bool sampled_out();
    /// Where to write so many bytes at most; `used_` follows in written_to.
    LogEncoder room(std::size_t size);
    void written_to(const LogEncoder& encoder);
    void define(Kind kind, std::uint32_t number, std::string_view text);
    std::uint32_t topic_id(const Event& event, std::string_view topic);
    [[nodiscard]] ByteView block() const { return as_bytes({block_.data(), used_}); }
    void finish_record(std::size_t before);
    void seal_block();

    std::unique_ptr<LogSink> sink_;
    LogFilter filter_;
    std::size_t block_bytes_;
    std::uint64_t max_bytes_;
    std::size_t max_topics_;
    std::vector<char> block_;  // room for the block at hand ...
    std::size_t used_ = 0;     // ... of which so much is filled
    std::uint64_t written_ = 0;
    std::uint64_t chain_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t sealed_records_ = 0;  // of them, in blocks that were written
    std::uint64_t left_out_ = 0;
    std::uint64_t packets_ = 0;
    bool stopped_ = false;
    bool closed_ = false;
    TextList topics_;
    std::uint32_t last_topic_ = TextList::kNone;
    std::vector<std::uint32_t> last_topics_;  // by entity, as far as they have room
    TextList judged_;                         // topics of which it is known ...
    std::vector<bool> matches_;               // ... what filter_.topics say
};

/// Up to where a log could be read, and why not further.
struct LogDamage {
    std::uint64_t offset = 0;  // bytes before it were read and make sense
    std::string reason;
};

/// Reads a log batch by batch, in bounded memory (names of entities and topics apart).
///
/// A file that ends in the middle of a record is read up to that record. A block whose check does
/// not agree, or that holds something that is no record, is left out as a whole, and nothing after
/// it is read.
class LogReader {
   public:
    explicit LogReader(const std::string& path, std::int64_t batch_rows = Table::kBatchRows);
    LogReader(const LogReader&) = delete;
    LogReader& operator=(const LogReader&) = delete;
    ~LogReader();

    [[nodiscard]] const LogHeader& header() const;
    /// The next rows; nothing at the end, or at the damage. Columns: kind, time, entity, broker,
    /// direction, packet, bytes, packet_id, qos, reason, duplicate, retain, topic, text.
    [[nodiscard]] std::optional<Batch> next();
    [[nodiscard]] static std::vector<Field> fields();
    /// Known once next() has returned nothing.
    [[nodiscard]] const std::optional<LogDamage>& damage() const;
    /// What the writer left out because of its bound.
    [[nodiscard]] std::uint64_t left_out() const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

struct LogContents {
    LogHeader header;
    Table events;  // metadata: seed, scenario, left_out, and damage with damage_offset if there is
    std::optional<LogDamage> damage;
};
/// The whole log as one table. Never throws for what is in the file.
LogContents read_event_log(const std::string& path);

}  // namespace mqttwin::trace
