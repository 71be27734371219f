// Writing the event log. Reading it: log_reader.cpp.
#include "mqttwin/trace/event_log.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <msgpack.hpp>

#include "mqttwin/base/hash.hpp"

#include "log_format.hpp"

namespace mqttwin::trace {
namespace {

// Kept free under `max_bytes` for the check and the end record.
constexpr std::size_t kTrailer = 64;

class FileSink final : public LogSink {
   public:
    explicit FileSink(const std::string& path)
        : path_(path), file_(std::fopen(path.c_str(), "wb")) {
        if (file_ == nullptr) {
            fail("cannot create");
            return;
        }
        std::setvbuf(file_, nullptr, _IONBF, 0);  // blocks are large, and a failure is told at once
    }
    ~FileSink() override { close(); }

    void write(ByteView block) override {
        if (file_ == nullptr || !error_.empty() || block.empty()) return;
        if (std::fwrite(block.data(), 1, block.size(), file_) != block.size()) fail("cannot write");
    }
    void close() override {
        if (file_ == nullptr) return;
        if (std::fclose(file_) != 0 && error_.empty()) fail("cannot close");
        file_ = nullptr;
    }
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    void fail(const char* what) {
        error_ = std::string(what) + " " + path_ + ": " + std::generic_category().message(errno);
    }

    std::string path_;
    std::string error_;
    std::FILE* file_;
};

}  // namespace

// What msgpack's packer writes to: the block at hand.
class EventLog::Encoder {
   public:
    explicit Encoder(EventLog& log) : block_(log.block_), used_(log.used_), packer_(*this) {}

    void write(const char* data, std::size_t size) {
        if (size > block_.size() - used_) block_.resize(2 * block_.size() + size);
        std::memcpy(block_.data() + used_, data, size);
        used_ += size;
    }
    void array(std::uint32_t size, Kind kind) {
        packer_.pack_array(size);
        integer(static_cast<std::uint8_t>(kind));
    }
    void map(std::uint32_t size) { packer_.pack_map(size); }
    void integer(std::uint64_t value) {
        if (value < 0x80) {  // most of them: a "positive fixint" is its own byte
            const char byte = static_cast<char>(value);
            write(&byte, 1);
        } else {
            packer_.pack_uint64(value);
        }
    }
    void signed_integer(std::int64_t value) { packer_.pack_int64(value); }
    void nil() { packer_.pack_nil(); }
    void text(std::string_view value) {
        packer_.pack_str(static_cast<std::uint32_t>(value.size()));
        packer_.pack_str_body(value.data(), static_cast<std::uint32_t>(value.size()));
    }

   private:
    std::vector<char>& block_;
    std::size_t& used_;
    msgpack::packer<Encoder> packer_;
};

std::string_view kind_name(Kind kind) {
    static constexpr std::array<std::string_view, 10> names = {
        "entity", "topic", "open", "close", "sent", "delivered", "drop", "note", "check", "end"};
    const auto index = static_cast<std::size_t>(kind);
    return index < names.size() ? names[index] : "unknown";
}

std::unique_ptr<LogSink> file_sink(const std::string& path) {
    return std::make_unique<FileSink>(path);
}

EventLog::EventLog(std::unique_ptr<LogSink> sink, const LogHeader& header, Options options)
    : sink_(std::move(sink)),
      filter_(std::move(options.filter)),
      block_bytes_(std::min(options.block_bytes, format::kMaxBlock / 2)),
      max_bytes_(options.max_bytes),
      max_topics_(options.max_topics),
      stopped_(!sink_->error().empty()) {
    std::sort(filter_.entities.begin(), filter_.entities.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    block_.resize(block_bytes_ + 4096);
    Encoder out(*this);
    out.map(static_cast<std::uint32_t>(4 + header.more.size()));
    out.text("format");
    out.text(format::kMagic);
    out.text("version");
    out.integer(format::kVersion);
    out.text("seed");
    out.integer(header.seed);
    out.text("scenario");
    out.text(header.scenario);
    for (const auto& entry : header.more) {
        out.text(entry.first);
        out.text(entry.second);
    }
}

EventLog::~EventLog() { close(); }

bool EventLog::in_range(std::uint32_t entity) const {
    return std::any_of(
        filter_.entities.begin(), filter_.entities.end(),
        [entity](const auto& range) { return range.first <= entity && entity <= range.last; });
}

bool EventLog::sampled_out(const Event& event) {
    if (filter_.every <= 1) return false;
    if (event.kind != Kind::sent && event.kind != Kind::delivered) return false;
    return packets_++ % filter_.every != 0;
}

void EventLog::name_entity(std::uint32_t tag, std::string_view name) {
    if (stopped_ || !wants(tag)) return;
    const std::size_t before = used_;
    Encoder out(*this);
    out.array(3, Kind::entity);
    out.integer(tag);
    out.text(name.substr(0, format::kMaxText));
    finish_record(before);
}

// The number of a topic, defined in the log the first time; format::kNoTopicId beyond the bound.
std::uint32_t EventLog::topic_id(std::string_view topic) {
    const auto found = topic_ids_.find(topic);
    if (found != topic_ids_.end()) return found->second;
    if (topic_ids_.size() >= max_topics_) return format::kNoTopicId;
    const auto id = static_cast<std::uint32_t>(topic_ids_.size());
    const std::size_t before = used_;
    Encoder out(*this);
    out.array(3, Kind::topic);
    out.integer(id);
    out.text(topic);
    finish_record(before);
    topic_ids_.emplace(topic, id);
    return id;
}

void EventLog::record(const Event& event) {
    assert(event.kind >= Kind::open && event.kind <= Kind::note);
    if (closed_ || !wants(event.entity) || sampled_out(event)) return;
    const std::string_view topic = event.topic.substr(0, format::kMaxText);
    const std::string_view text = event.text.substr(0, format::kMaxText);
    const std::uint32_t topic_number =
        stopped_ || topic.empty() ? format::kNoTopicId : topic_id(topic);
    if (stopped_) {
        ++left_out_;
        return;
    }

    const std::array<std::uint64_t, 8> numbers = {
        event.broker,    static_cast<std::uint8_t>(event.direction),
        event.packet,    event.bytes,
        event.packet_id, event.qos,
        event.reason,    event.flags};
    std::size_t used = numbers.size();
    while (used > 0 && numbers[used - 1] == 0) --used;
    if (!topic.empty() || !text.empty()) used = numbers.size();
    const std::uint32_t tail = !text.empty() ? 2 : !topic.empty() ? 1 : 0;

    const std::size_t before = used_;
    Encoder out(*this);
    out.array(static_cast<std::uint32_t>(3 + used) + tail, event.kind);
    out.signed_integer(event.at.ns);
    if (event.entity == kNoTag) {
        out.nil();
    } else {
        out.integer(event.entity);
    }
    for (std::size_t i = 0; i < used; ++i) out.integer(numbers[i]);
    if (tail > 0) {
        if (topic_number != format::kNoTopicId) {
            out.integer(topic_number);
        } else if (!topic.empty()) {
            out.text(topic);
        } else {
            out.nil();
        }
    }
    if (tail > 1) out.text(text);
    ++records_;
    finish_record(before);
}

// Takes a record back that would break the bound, and sends a full block on its way.
void EventLog::finish_record(std::size_t before) {
    if (max_bytes_ != 0 && bytes() + kTrailer > max_bytes_) {
        const auto kind = static_cast<Kind>(block_[before + 1]);
        if (kind != Kind::entity && kind != Kind::topic) {
            --records_;
            ++left_out_;
        }
        used_ = before;
        stopped_ = true;
        return;
    }
    if (used_ >= block_bytes_) seal_block();
}

void EventLog::seal_block() {
    if (used_ == 0) return;
    chain_ = hash_bytes(block(), chain_);
    Encoder out(*this);
    out.array(2, Kind::check);
    out.integer(chain_);
    sink_->write(block());
    written_ += used_;
    used_ = 0;
    if (!sink_->error().empty()) {
        stopped_ = true;
        left_out_ += records_ - sealed_records_;
        records_ = sealed_records_;
    }
    sealed_records_ = records_;
}

void EventLog::flush() {
    if (!closed_) seal_block();
}

void EventLog::close() {
    if (closed_) return;
    closed_ = true;
    Encoder out(*this);
    out.array(3, Kind::end);
    out.integer(records_);
    out.integer(left_out_);
    seal_block();
    sink_->close();
    stopped_ = true;
}

}  // namespace mqttwin::trace
