// Text that differs by device, such as "site/{group}/{id}": parsed once, rendered when needed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/fleet/population.hpp"

namespace mqttwin::fleet {

/// A template bound to a fleet. Fields:
///   {id}      the device's client identifier
///   {index}   its index; {index:05} pads with zeros to five digits ({index:05d} is the same)
///   {group}   the number of its group; pads likewise
///   {fleet}   the fleet's name
///   {name}    the text column of that name
/// `{{` and `}}` stand for braces. What is wrong with a template is thrown as
/// std::invalid_argument: `topic "a/{grp}", column 3: unknown field "grp" (...)`.
class TextTemplate {
   public:
    TextTemplate() = default;
    /// `parameter` ("topic") is the name for error messages.
    TextTemplate(std::string_view text, const Population& population, std::string_view parameter);

    /// Appends the text of a device.
    void render(Device device, std::string& out) const;
    /// Writes it to memory of at least room() bytes; returns the end of the text.
    char* render(Device device, char* out) const;
    [[nodiscard]] std::string text(Device device) const {
        std::string out;
        render(device, out);
        return out;
    }

    /// Whether every device has the same text, and that text.
    [[nodiscard]] bool is_constant() const { return pieces_.empty(); }
    [[nodiscard]] std::string_view rendered_constant() const { return tail(); }

    /// No device's text is longer.
    [[nodiscard]] std::size_t maximum_size() const { return maximum_size_; }
    /// What rendering needs: it writes numbers and short literals in whole blocks.
    [[nodiscard]] std::size_t room() const { return maximum_size_ + kBlock; }
    /// Devices among which every distinct part of the template's text appears: checking theirs
    /// checks all.
    [[nodiscard]] std::vector<Device> representatives() const;
    /// Whether the form alone shows that no two devices have the same text.
    [[nodiscard]] bool distinct_by_index() const;

   private:
    enum class Field : std::uint8_t { index, group_by_size, group_by_number, column };
    /// Literal text (a slice of literals_) and the field that follows it.
    struct Piece {
        std::uint32_t literal_begin;
        std::uint32_t literal_size;
        Field field;
        std::uint8_t width;      // minimum number of digits
        std::uint32_t argument;  // group size or number of groups, or the column's number
    };
    class Parser;

    static constexpr std::size_t kBlock = 16;
    char* append_literal(char* out, std::uint32_t begin, std::uint32_t size) const;
    [[nodiscard]] std::string_view tail() const {
        return {literals_.data() + tail_begin_, tail_size_};
    }

    std::vector<Piece> pieces_;
    std::string literals_ = std::string(kBlock, '\0');  // one after the other, and a block more
    std::uint32_t tail_begin_ = 0;                      // the literal after the last field
    std::uint32_t tail_size_ = 0;
    std::size_t maximum_size_ = 0;
    std::uint32_t count_ = 0;
    std::shared_ptr<const PopulationSpec> population_;
};

/// Refuses a template that gives some device an invalid topic name (or filter), naming the device.
void check_topics(const TextTemplate& topic, std::string_view parameter);
void check_filters(const TextTemplate& filter, std::string_view parameter);

}  // namespace mqttwin::fleet
