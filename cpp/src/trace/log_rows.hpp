// The rows of an event log while they are being read: columns from which the last rows can be
// taken back, until it is known that their block is sound.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqttwin/trace/columns.hpp"
#include "mqttwin/trace/event_log.hpp"

#include "log_record.hpp"

namespace mqttwin::trace {

/// Texts by the numbers that a log defines for them, as a growing list of distinct entries.
class Names {
   public:
    /// From now on `number` means `text`.
    void define(std::uint32_t number, std::string_view text) { by_number_[number] = add(text); }
    /// The index of what `number` means; -1 when it was never defined.
    [[nodiscard]] std::int32_t find(std::uint32_t number) const {
        const auto found = by_number_.find(number);
        return found == by_number_.end() ? -1 : found->second;
    }
    /// The index of a text that has no number.
    std::int32_t add(std::string_view text) { return static_cast<std::int32_t>(texts_.add(text)); }
    /// All entries so far; indices stay valid in every later list.
    [[nodiscard]] std::shared_ptr<const Array> list() const;

   private:
    std::unordered_map<std::uint32_t, std::int32_t> by_number_;
    TextList texts_;
};

class LogRows {
   public:
    static std::vector<Field> fields();

    /// Takes a record of kind entity, topic, or open to note. False: it does not make sense.
    bool take(const RecordVisitor& record);

    [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(time_.size()); }
    /// The rows so far are sound.
    void commit() { sound_ = time_.size(); }
    /// Forgets the rows since the last commit().
    void roll_back();
    /// All rows; there are none afterwards.
    Batch take_batch();

   private:
    bool take_event(Kind kind, const RecordVisitor& record);
    bool take_topic(const Cell& cell);

    Names entities_;
    Names topics_;

    std::vector<std::int32_t> kind_;
    std::vector<std::int64_t> time_;
    std::vector<std::int32_t> entity_;
    std::vector<std::uint16_t> broker_;
    std::vector<std::int32_t> direction_;
    std::vector<std::int32_t> packet_;
    std::vector<std::uint32_t> bytes_;
    std::vector<std::uint16_t> packet_id_;
    std::vector<std::uint8_t> qos_;
    std::vector<std::uint8_t> reason_;
    std::vector<std::uint8_t> flags_;
    std::vector<std::int32_t> topic_;
    std::vector<std::int64_t> text_end_;
    std::vector<std::uint8_t> text_;
    std::size_t sound_ = 0;
};

}  // namespace mqttwin::trace
