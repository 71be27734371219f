#include "log_rows.hpp"

#include <limits>

#include "mqttwin/wire/topic.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::trace {
namespace {

// Arrow's consumers take it for granted that utf8 is UTF-8; a damaged log is not.
std::string sanitised(std::string_view text) {
    std::string out(text);
    if (wire::valid_utf8(text)) return out;
    for (char& c : out) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80 || byte == 0) c = '?';
    }
    return out;
}

// A list of names that are always there.
template <typename NameOf>
std::shared_ptr<const Array> fixed_list(int count, NameOf&& name_of) {
    Column names("", Type::utf8);
    for (int i = 0; i < count; ++i) names.append_text(name_of(i));
    return std::make_shared<const Array>(names.take());
}

constexpr int kKinds = static_cast<int>(Kind::end) + 1;
constexpr int kPackets = static_cast<int>(wire::PacketType::auth);

std::shared_ptr<const Array> kind_list() {
    return fixed_list(kKinds, [](int i) { return kind_name(static_cast<Kind>(i)); });
}

std::shared_ptr<const Array> direction_list() {
    return fixed_list(2, [](int i) { return i == 0 ? "up" : "down"; });
}

std::shared_ptr<const Array> packet_list() {
    return fixed_list(
        kPackets, [](int i) { return wire::packet_name(static_cast<wire::PacketType>(i + 1)); });
}

template <typename T>
Array plain(Type type, std::vector<T>& values) {
    Array array;
    array.type = type;
    array.length = static_cast<std::int64_t>(values.size());
    array.values = Buffer::adopt(std::move(values));
    values = {};
    return array;
}

// Indices; those below 0 are null.
Array indexed(std::vector<std::int32_t>& indices, std::shared_ptr<const Array> list) {
    Bits present;
    for (const std::int32_t index : indices) present.append(index >= 0);
    Array array = plain(Type::dictionary, indices);
    array.dictionary = std::move(list);
    array.null_count = static_cast<std::int64_t>(present.zeros());
    if (array.null_count > 0) array.validity = Buffer::adopt(present.take());
    return array;
}

Array flag(const std::vector<std::uint8_t>& flags, std::uint8_t mask) {
    Bits bits;
    for (const std::uint8_t value : flags) bits.append((value & mask) != 0);
    Array array;
    array.type = Type::boolean;
    array.length = static_cast<std::int64_t>(flags.size());
    array.values = Buffer::adopt(bits.take());
    return array;
}

// Texts one after the other; empty ones are null.
Array texts(std::vector<std::int64_t>& ends, std::vector<std::uint8_t>& heap) {
    std::vector<std::int64_t> offsets;
    offsets.reserve(ends.size() + 1);
    offsets.push_back(0);
    Bits present;
    for (const std::int64_t end : ends) {
        present.append(end > offsets.back());
        offsets.push_back(end);
    }
    Array array;
    array.type = Type::utf8;
    array.length = static_cast<std::int64_t>(ends.size());
    array.null_count = static_cast<std::int64_t>(present.zeros());
    if (array.null_count > 0) array.validity = Buffer::adopt(present.take());
    array.values = Buffer::adopt(std::move(offsets));
    array.heap = Buffer::adopt(std::move(heap));
    ends = {};
    heap = {};
    return array;
}

template <typename... Columns>
void resize_all(std::size_t rows, Columns&... columns) {
    (columns.resize(rows), ...);
}

}  // namespace

// --- Names ---------------------------------------------------------------------------------------

std::shared_ptr<const Array> Names::list() const {
    Column column("", Type::utf8);
    column.reserve(texts_.size());
    for (std::uint32_t i = 0; i < texts_.size(); ++i) column.append_text(sanitised(texts_[i]));
    return std::make_shared<const Array>(column.take());
}

// --- LogRows -------------------------------------------------------------------------------------

std::vector<Field> LogRows::fields() {
    return {{"kind", Type::dictionary, false},     {"time", Type::duration_ns, false},
            {"entity", Type::dictionary, true},    {"broker", Type::uint16, false},
            {"direction", Type::dictionary, true}, {"packet", Type::dictionary, true},
            {"bytes", Type::uint32, false},        {"packet_id", Type::uint16, false},
            {"qos", Type::uint8, false},           {"reason", Type::uint8, false},
            {"duplicate", Type::boolean, false},   {"retain", Type::boolean, false},
            {"topic", Type::dictionary, true},     {"text", Type::utf8, true}};
}

bool LogRows::take(const RecordVisitor& record) {
    const Cell& first = record.cells[0];
    if (!first.fits(static_cast<std::uint64_t>(Kind::note))) return false;
    const auto kind = static_cast<Kind>(first.number);
    if (kind != Kind::entity && kind != Kind::topic) return take_event(kind, record);

    const Cell& number = record.cells[1];
    const Cell& text = record.cells[2];
    if (record.size != 3 || !number.fits(kNoTag - 1) || text.kind != Cell::Kind::text) return false;
    (kind == Kind::entity ? entities_ : topics_)
        .define(static_cast<std::uint32_t>(number.number), text.text);
    return true;
}

bool LogRows::take_event(Kind kind, const RecordVisitor& record) {
    // kind, time, tag, then up to eight numbers, a topic, a text.
    constexpr std::uint64_t most[8] = {0xFFFF, 1, 0xFF, 0xFFFF'FFFF, 0xFFFF, 0xFF, 0xFF, 0xFF};
    if (record.size < 3) return false;
    const Cell& time = record.cells[1];
    const Cell& tag = record.cells[2];
    if (time.kind != Cell::Kind::number && time.kind != Cell::Kind::negative) return false;
    if (time.kind == Cell::Kind::number && time.number >> 63 != 0) return false;
    if (tag.kind != Cell::Kind::nil && !tag.fits(kNoTag - 1)) return false;
    std::uint64_t numbers[8] = {};
    for (std::uint32_t i = 0; i < 8 && 3 + i < record.size; ++i) {
        const Cell& cell = record.cells[3 + i];
        if (!cell.fits(most[i])) return false;
        numbers[i] = cell.number;
    }
    const Cell topic = record.size > 11 ? record.cells[11] : Cell{};
    const Cell text = record.size > 12 ? record.cells[12] : Cell{};
    if (text.kind != Cell::Kind::text && text.kind != Cell::Kind::nil) return false;
    if (!take_topic(topic)) return false;

    std::int32_t entity = -1;
    if (tag.kind == Cell::Kind::number) {
        const auto number = static_cast<std::uint32_t>(tag.number);
        entity = entities_.find(number);
        if (entity < 0) {
            entities_.define(number, "#" + std::to_string(number));
            entity = entities_.find(number);
        }
    }
    // Of an open or a close: the way in which that end receives.
    const bool has_direction = kind >= Kind::open && kind <= Kind::delivered;
    kind_.push_back(static_cast<std::int32_t>(kind));
    time_.push_back(static_cast<std::int64_t>(time.number));
    entity_.push_back(entity);
    broker_.push_back(static_cast<std::uint16_t>(numbers[0]));
    direction_.push_back(has_direction ? static_cast<std::int32_t>(numbers[1]) : -1);
    packet_.push_back(numbers[2] <= kPackets ? static_cast<std::int32_t>(numbers[2]) - 1 : -1);
    bytes_.push_back(static_cast<std::uint32_t>(numbers[3]));
    packet_id_.push_back(static_cast<std::uint16_t>(numbers[4]));
    qos_.push_back(static_cast<std::uint8_t>(numbers[5]));
    reason_.push_back(static_cast<std::uint8_t>(numbers[6]));
    flags_.push_back(static_cast<std::uint8_t>(numbers[7]));
    if (text.kind == Cell::Kind::text) {
        const std::string clean = sanitised(text.text);
        text_.insert(text_.end(), clean.begin(), clean.end());
    }
    text_end_.push_back(static_cast<std::int64_t>(text_.size()));
    return true;
}

// By number, in full, or none.
bool LogRows::take_topic(const Cell& cell) {
    std::int32_t index = -1;
    if (cell.kind == Cell::Kind::text) {
        index = topics_.add(cell.text);
    } else if (cell.kind != Cell::Kind::nil) {
        if (!cell.fits(format::kNoTopicId - 1)) return false;
        index = topics_.find(static_cast<std::uint32_t>(cell.number));
        if (index < 0) return false;
    }
    topic_.push_back(index);
    return true;
}

void LogRows::roll_back() {
    resize_all(sound_, kind_, time_, entity_, broker_, direction_, packet_, bytes_, packet_id_,
               qos_, reason_, flags_, topic_, text_end_);
    text_.resize(text_end_.empty() ? 0 : static_cast<std::size_t>(text_end_.back()));
}

Batch LogRows::take_batch() {
    Batch batch;
    batch.length = size();
    auto& columns = batch.columns;
    columns.push_back(indexed(kind_, kind_list()));
    columns.push_back(plain(Type::duration_ns, time_));
    columns.push_back(indexed(entity_, entities_.list()));
    columns.push_back(plain(Type::uint16, broker_));
    columns.push_back(indexed(direction_, direction_list()));
    columns.push_back(indexed(packet_, packet_list()));
    columns.push_back(plain(Type::uint32, bytes_));
    columns.push_back(plain(Type::uint16, packet_id_));
    columns.push_back(plain(Type::uint8, qos_));
    columns.push_back(plain(Type::uint8, reason_));
    columns.push_back(flag(flags_, Event::kDuplicate));
    columns.push_back(flag(flags_, Event::kRetain));
    columns.push_back(indexed(topic_, topics_.list()));
    columns.push_back(texts(text_end_, text_));
    flags_ = {};
    sound_ = 0;
    return batch;
}

}  // namespace mqttwin::trace
