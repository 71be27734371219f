// Reading the event log. Writing it: event_log.cpp.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "mqttwin/trace/event_log.hpp"

#include "log_rows.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::size_t kReadBytes = 1U << 16;

std::string system_text(int code) { return std::generic_category().message(code); }

}  // namespace

// The buffer holds the file from the start of the block at hand, because its check covers it all.
struct LogReader::State {
    std::FILE* file = nullptr;
    std::int64_t batch_rows = 0;
    LogHeader header;
    LogRows rows;
    std::optional<LogDamage> damage;
    std::uint64_t left_out = 0;

    std::vector<char> buffer;
    std::uint64_t buffer_offset = 0;  // in the file
    std::size_t block = 0;            // in the buffer: where the block at hand starts
    std::size_t position = 0;         // in the buffer: the next record
    std::uint64_t chain = 0;
    bool at_end = false;    // of the file
    bool ended = false;     // an end record was read
    bool finished = false;  // nothing more to read

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (file != nullptr) std::fclose(file);
    }

    [[nodiscard]] std::string_view bytes() const { return {buffer.data(), buffer.size()}; }

    void fail(std::uint64_t offset, std::string reason) {
        damage = LogDamage{offset, std::move(reason)};
        finished = true;
    }
    // What cannot be trusted: everything since the last check.
    void fail_block(const std::string& reason) {
        rows.roll_back();
        fail(buffer_offset + block,
             reason + " (noticed at byte " + std::to_string(buffer_offset + position) + ")");
    }
    // The file ends too early; what came before is whole, although not checked.
    void fail_torn() {
        const std::uint64_t offset = buffer_offset + position;
        if (position < buffer.size()) {
            fail(offset, "the file ends in the middle of a record");
        } else {
            fail(offset,
                 "the file ends without an end record: the run was interrupted, or goes on");
        }
    }

    // More of the file; false when there is no more, or the block is longer than any block.
    bool fill() {
        if (at_end) return false;
        if (block > 0) {
            buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(block));
            buffer_offset += block;
            position -= block;
            block = 0;
        }
        const std::size_t before = buffer.size();
        buffer.resize(before + kReadBytes);
        const std::size_t got = std::fread(buffer.data() + before, 1, kReadBytes, file);
        buffer.resize(before + got);
        if (got < kReadBytes) at_end = true;
        if (std::ferror(file) != 0) {
            fail_block("cannot read: " + system_text(errno));
            return false;
        }
        if (buffer.size() > format::kMaxBlock + kReadBytes) {
            fail_block("no check record in " + std::to_string(format::kMaxBlock) + " bytes");
            return false;
        }
        return got > 0;
    }

    void read_header();
    void read_record();
    void check(const RecordVisitor& record, std::size_t begin);
};

void LogReader::State::read_header() {
    for (;;) {
        HeaderVisitor visitor;
        const Parsed parsed = parse_one(bytes(), position, visitor);
        if (parsed == Parsed::incomplete) {
            if (fill()) continue;
            if (!finished)
                fail(0, buffer.empty() ? "the file is empty" : "the header is cut short");
            return;
        }
        std::uint64_t version = 0;
        bool ours = false;
        if (parsed == Parsed::value) {
            for (const auto& [key, cell] : visitor.entries) {
                const std::string text(cell.kind == Cell::Kind::text ? std::string(cell.text)
                                                                     : std::to_string(cell.number));
                if (key == "format") {
                    ours = cell.text == format::kMagic;
                } else if (key == "version") {
                    version = cell.number;
                } else if (key == "seed") {
                    header.seed = cell.number;
                } else if (key == "scenario") {
                    header.scenario = text;
                } else {
                    header.more.emplace_back(std::string(key), text);
                }
            }
        }
        if (!ours) {
            fail(0, "this is no event log of mqttwin");
        } else if (version != format::kVersion) {
            fail(0, "version " + std::to_string(version) +
                        " of the event log; this reads version " +
                        std::to_string(format::kVersion));
        }
        return;
    }
}

void LogReader::State::read_record() {
    RecordVisitor record;
    const std::size_t begin = position;
    switch (parse_one(bytes(), position, record)) {
        case Parsed::incomplete:
            if (buffer.size() - begin > format::kMaxRecord) {
                fail_block("a record that is longer than any record");
            } else if (!fill() && !finished) {
                if (ended && position == buffer.size() && block == position) {
                    finished = true;
                } else {
                    fail_torn();
                }
            }
            return;
        case Parsed::nonsense:
            fail_block("bytes that are no record");
            return;
        case Parsed::value:
            break;
    }
    if (ended && record.cells[0].number != static_cast<std::uint64_t>(Kind::check)) {
        position = begin;
        fail_block("records after the end record");
        return;
    }
    const Cell& kind = record.cells[0];
    if (kind.fits(static_cast<std::uint64_t>(Kind::note))) {
        if (rows.take(record)) return;
    } else if (kind.fits(static_cast<std::uint64_t>(Kind::check)) && record.size == 2) {
        check(record, begin);
        return;
    } else if (kind.fits(static_cast<std::uint64_t>(Kind::end)) && record.size == 3) {
        left_out = record.cells[2].number;
        ended = true;
        return;
    }
    position = begin;
    fail_block("a record that makes no sense");
}

void LogReader::State::check(const RecordVisitor& record, std::size_t begin) {
    const std::string_view content = bytes().substr(block, begin - block);
    const std::uint64_t sum = format::check_of(as_bytes(content), chain);
    if (record.cells[1].kind != Cell::Kind::number || record.cells[1].number != sum) {
        position = begin;
        fail_block("a block that does not agree with its check");
        return;
    }
    chain = sum;
    block = position;
    rows.commit();
}

LogReader::LogReader(const std::string& path, std::int64_t batch_rows)
    : state_(std::make_unique<State>()) {
    state_->batch_rows = batch_rows;
    state_->file = std::fopen(path.c_str(), "rb");
    if (state_->file == nullptr) {
        state_->fail(0, "cannot open " + path + ": " + system_text(errno));
        return;
    }
    std::setvbuf(state_->file, nullptr, _IONBF, 0);
    state_->read_header();
}

LogReader::~LogReader() = default;

const LogHeader& LogReader::header() const { return state_->header; }

std::optional<Batch> LogReader::next() {
    State& state = *state_;
    while (!state.finished) {
        const std::size_t block = state.block;
        const std::uint64_t offset = state.buffer_offset;
        state.read_record();
        // A batch ends where a block ends: what was given away cannot be taken back.
        const bool at_check = state.buffer_offset + state.block != offset + block;
        if (at_check && state.rows.size() >= state.batch_rows) return state.rows.take_batch();
    }
    if (state.rows.size() == 0) return std::nullopt;
    return state.rows.take_batch();
}

std::vector<Field> LogReader::fields() { return LogRows::fields(); }

const std::optional<LogDamage>& LogReader::damage() const { return state_->damage; }

std::uint64_t LogReader::left_out() const { return state_->left_out; }

LogContents read_event_log(const std::string& path) {
    LogReader reader(path);
    std::vector<Batch> batches;
    while (auto batch = reader.next()) batches.push_back(std::move(*batch));
    // Numbers mean the same in every batch, so the last list serves them all.
    const auto fields = LogReader::fields();
    for (std::size_t c = 0; c < fields.size() && !batches.empty(); ++c) {
        if (fields[c].type != Type::dictionary) continue;
        for (Batch& batch : batches) {
            batch.columns[c].dictionary = batches.back().columns[c].dictionary;
        }
    }
    Metadata metadata = reader.header().more;
    metadata.emplace_back("seed", std::to_string(reader.header().seed));
    metadata.emplace_back("scenario", reader.header().scenario);
    metadata.emplace_back("left_out", std::to_string(reader.left_out()));
    if (reader.damage()) {
        metadata.emplace_back("damage", reader.damage()->reason);
        metadata.emplace_back("damage_offset", std::to_string(reader.damage()->offset));
    }
    return {reader.header(), Table(fields, std::move(batches), std::move(metadata)),
            reader.damage()};
}

}  // namespace mqttwin::trace
