// Writing the event log. Reading it: log_reader.cpp.
#include "mqttwin/trace/event_log.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "mqttwin/wire/topic.hpp"

#include "log_encoder.hpp"
#include "log_format.hpp"

namespace mqttwin::trace {
namespace {

static_assert(TextList::kNone == format::kNoTopicId);

// Numbers of a record between its entity and its topic, and how many there are without the zeros
// at the end.
constexpr std::uint32_t kNumbers = 8;
std::uint32_t numbers_of(const Event& event) {
    if (event.flags != 0) return 8;
    if (event.reason != 0) return 7;
    if (event.qos != 0) return 6;
    if (event.packet_id != 0) return 5;
    if (event.bytes != 0) return 4;
    if (event.packet != 0) return 3;
    if (event.direction != Direction{}) return 2;
    return event.broker != 0 ? 1 : 0;
}

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
      stopped_(!sink_->error().empty()),
      last_topics_(kRemembered, TextList::kNone) {
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
    const std::uint32_t known = judged_.find(event.topic);
    if (known != TextList::kNone) return !matches_[known];
    const bool matches = std::any_of(
        filter_.topics.begin(), filter_.topics.end(),
        [&event](const std::string& filter) { return wire::matches(filter, event.topic); });
    if (judged_.size() < max_topics_) {
        judged_.add(event.topic);
        matches_.push_back(matches);
    }
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
std::uint32_t EventLog::topic_id(const Event& event, std::string_view topic) {
    // What a broker has received it mostly sends on next, and devices mostly repeat themselves.
    const bool passed_on = event.kind == Kind::sent && event.direction == Direction::down;
    std::uint32_t& likely = passed_on ? last_topic_ : last_topics_[event.entity % kRemembered];
    if (topics_.is(likely, topic)) return last_topic_ = likely;
    std::uint32_t id = topics_.find(topic);
    if (id == TextList::kNone) {
        if (topics_.size() >= max_topics_) return format::kNoTopicId;
        id = topics_.add(topic);
        define(Kind::topic, id, topic);
    }
    return last_topic_ = likely = id;
}

void EventLog::record(const Event& event) {
    assert(event.kind >= Kind::open && event.kind <= Kind::note);
    if (closed_ || !wants(event.entity)) return;
    const bool is_packet = event.kind == Kind::sent || event.kind == Kind::delivered;
    if (is_packet && (filtered_out(event) || sampled_out())) return;
    const std::string_view topic = event.topic.substr(0, format::kMaxText);
    const std::string_view text = event.text.substr(0, format::kMaxText);
    const std::uint32_t topic_number =
        stopped_ || topic.empty() ? format::kNoTopicId : topic_id(event, topic);
    if (stopped_) {
        ++left_out_;
        return;
    }

    const std::uint32_t tail = !text.empty() ? 2 : !topic.empty() ? 1 : 0;
    const std::uint32_t numbers = tail > 0 ? kNumbers : numbers_of(event);
    const std::size_t before = used_;
    LogEncoder out = room(1 + LogEncoder::kNumber * (4 + kNumbers) + 2 * LogEncoder::kTextHead +
                          topic.size() + text.size());
    out.array(3 + numbers + tail);
    out.small(static_cast<std::uint8_t>(event.kind));
    out.signed_number(event.at.ns);
    if (event.entity == kNoTag) {
        out.nil();
    } else {
        out.mixed_number(event.entity);
    }
    // All of them, and then those at the end that are 0, of a byte each, are taken back: cheaper
    // than to ask before each.
    out.number(event.broker);
    out.small(static_cast<std::uint8_t>(event.direction));
    out.number(event.packet);
    out.number(event.bytes);
    out.mixed_number(event.packet_id);
    out.number(event.qos);
    out.number(event.reason);
    out.number(event.flags);
    out.take_back(kNumbers - numbers);
    if (tail > 0) {
        if (topic_number != format::kNoTopicId) {
            out.mixed_number(topic_number);
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
    chain_ = format::check_of(block(), chain_);
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
