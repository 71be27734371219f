// Writing the event log. Reading it: log_reader.cpp.
#include "mqttwin/trace/event_log.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/wire/topic.hpp"

#include "log_encoder.hpp"
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
    std::size_t size = 256 + header.scenario.size();
    for (const auto& [key, value] : header.more) size += key.size() + value.size() + 16;
    LogEncoder out = room(size);
    out.map(static_cast<std::uint32_t>(4 + header.more.size()));
    out.text("format");
    out.text(format::kMagic);
    out.text("version");
    out.number(format::kVersion);
    out.text("seed");
    out.number(header.seed);
    out.text("scenario");
    out.text(header.scenario);
    for (const auto& entry : header.more) {
        out.text(entry.first);
        out.text(entry.second);
    }
    written_to(out);
}

EventLog::~EventLog() { close(); }

LogEncoder EventLog::room(std::size_t size) {
    if (size > block_.size() - used_) block_.resize(2 * block_.size() + size);
    return LogEncoder(block_.data() + used_);
}

void EventLog::written_to(const LogEncoder& encoder) {
    used_ = static_cast<std::size_t>(encoder.end() - block_.data());
}

// Ranges are in the order of their beginnings and do not overlap.
bool EventLog::in_range(std::uint32_t entity) const {
    const auto after = std::upper_bound(
        filter_.entities.begin(), filter_.entities.end(), entity,
        [](std::uint32_t value, const LogFilter::TagRange& range) { return value < range.first; });
    return after != filter_.entities.begin() && entity <= std::prev(after)->last;
}

bool EventLog::sampled_out() {
    if (filter_.every <= 1) return false;
    return packets_++ % filter_.every != 0;
}

// Whether no topic filter lets a packet through. What a topic comes to is remembered.
bool EventLog::filtered_out(const Event& event) {
    if (filter_.topics.empty()) return false;
    if (event.topic.empty()) return true;
    const auto known = topic_matches_.find(event.topic);
    if (known != topic_matches_.end()) return !known->second;
    const bool matches = std::any_of(
        filter_.topics.begin(), filter_.topics.end(),
        [&event](const std::string& filter) { return wire::matches(filter, event.topic); });
    if (topic_matches_.size() < max_topics_) topic_matches_.emplace(event.topic, matches);
    return !matches;
}

void EventLog::name_entity(std::uint32_t tag, std::string_view name) {
    if (stopped_ || !wants(tag)) return;
    define(Kind::entity, tag, name.substr(0, format::kMaxText));
}

// What a number of later records stands for.
void EventLog::define(Kind kind, std::uint32_t number, std::string_view text) {
    const std::size_t before = used_;
    LogEncoder out = room(2 + LogEncoder::kNumber + LogEncoder::kTextHead + text.size());
    out.array(3);
    out.number(static_cast<std::uint8_t>(kind));
    out.number(number);
    out.text(text);
    written_to(out);
    finish_record(before);
}

// The number of a topic, defined in the log the first time; format::kNoTopicId beyond the bound.
std::uint32_t EventLog::topic_id(std::string_view topic) {
    // What a broker has received it mostly sends on next.
    if (topic == last_topic_) return last_topic_id_;
    const auto found = topic_ids_.find(topic);
    if (found != topic_ids_.end()) {
        last_topic_ = found->first;
        return last_topic_id_ = found->second;
    }
    if (topic_ids_.size() >= max_topics_) return format::kNoTopicId;
    const auto id = static_cast<std::uint32_t>(topic_ids_.size());
    define(Kind::topic, id, topic);
    topic_ids_.emplace(topic, id);
    return id;
}

void EventLog::record(const Event& event) {
    assert(event.kind >= Kind::open && event.kind <= Kind::note);
    if (closed_ || !wants(event.entity)) return;
    const bool is_packet = event.kind == Kind::sent || event.kind == Kind::delivered;
    if (is_packet && (filtered_out(event) || sampled_out())) return;
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
    LogEncoder out = room(1 + LogEncoder::kNumber * (3 + numbers.size()) +
                          2 * LogEncoder::kTextHead + topic.size() + text.size());
    out.array(static_cast<std::uint32_t>(3 + used) + tail);
    out.number(static_cast<std::uint8_t>(event.kind));
    out.signed_number(event.at.ns);
    if (event.entity == kNoTag) {
        out.nil();
    } else {
        out.number(event.entity);
    }
    for (std::size_t i = 0; i < used; ++i) out.number(numbers[i]);
    if (tail > 0) {
        if (topic_number != format::kNoTopicId) {
            out.number(topic_number);
        } else if (!topic.empty()) {
            out.text(topic);
        } else {
            out.nil();
        }
    }
    if (tail > 1) out.text(text);
    written_to(out);
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
    LogEncoder out = room(2 + LogEncoder::kNumber);
    out.array(2);
    out.number(static_cast<std::uint8_t>(Kind::check));
    out.number(chain_);
    written_to(out);
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
    LogEncoder out = room(2 + 2 * LogEncoder::kNumber);
    out.array(3);
    out.number(static_cast<std::uint8_t>(Kind::end));
    out.number(records_);
    out.number(left_out_);
    written_to(out);
    seal_block();
    sink_->close();
    stopped_ = true;
}

}  // namespace mqttwin::trace
