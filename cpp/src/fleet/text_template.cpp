#include "mqttwin/fleet/text_template.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

constexpr std::uint8_t kMaximumWidth = 20;

char* append(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

/// The eight decimal digits of a number, a byte each, the first one lowest. All at once, by halves:
/// a division of several small numbers in one word is a multiplication.
std::uint64_t eight_digits(std::uint32_t number) {
    std::uint64_t pairs = number / 10'000 | std::uint64_t{number % 10'000} << 32U;
    const std::uint64_t hundreds = (pairs * 10'486 >> 20U) & 0x0000'007F'0000'007FU;
    pairs = hundreds | (pairs - 100 * hundreds) << 16U;
    const std::uint64_t tens = (pairs * 103 >> 10U) & 0x000F'000F'000F'000FU;
    return tens | (pairs - 10 * tens) << 8U;
}

/// Eight bytes are written behind the padding: how many digits a number has is no branch, which
/// would be a toss of a coin.
char* append_number(char* out, std::uint32_t number, std::size_t width) {
    static_assert(kMaximumDevices <= 100'000'000);
    constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030U;
    const std::uint64_t digits = eight_digits(number);
    const auto leading = static_cast<unsigned>(std::countr_zero(digits | 1ULL << 56U)) / 8;
    const std::size_t size = sizeof digits - leading;
    for (std::size_t padded = size; padded < width; ++padded) *out++ = '0';
    const std::uint64_t text = (digits | kZeros) >> 8 * leading;
    std::memcpy(out, &text, sizeof text);
    return out + size;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// Reads a template once; {id} is replaced by what the template of identifiers says.
class TextTemplate::Parser {
   public:
    Parser(TextTemplate& result, const Population& population, std::string_view parameter)
        : result_(result), population_(population), parameter_(parameter) {}

    void parse(std::string_view text, bool within_id) {
        text_ = text;
        std::size_t i = 0;
        while (i < text.size()) {
            const char c = text[i];
            if (c != '{' && c != '}') {
                literal_ += c;
                ++i;
            } else if (i + 1 < text.size() && text[i + 1] == c) {
                literal_ += c;
                i += 2;
            } else if (c == '}') {
                fail(i, {"\"}\" without \"{\" (write \"}}\" for a brace)"});
            } else {
                const std::size_t end = text.find('}', i);
                if (end == std::string_view::npos) {
                    fail(i, {"\"{\" is never closed (write \"{{\" for a brace)"});
                }
                field(i, text.substr(i + 1, end - i - 1), within_id);
                i = end + 1;
            }
        }
    }

    void finish() {
        result_.tail_begin_ = static_cast<std::uint32_t>(literals_.size());
        result_.tail_size_ = static_cast<std::uint32_t>(literal_.size());
        result_.literals_ = literals_ + literal_ + std::string(kBlock, '\0');
        result_.maximum_size_ += literal_.size();
        if (result_.maximum_size_ > kMaximumText) {
            fail(0, {"may render ", number_text(result_.maximum_size_),
                     " bytes (must be <= ", number_text(kMaximumText), ")"});
        }
    }

   private:
    void field(std::size_t at, std::string_view inside, bool within_id) {
        const std::size_t colon = inside.find(':');
        const std::string_view name = inside.substr(0, colon);
        const bool has_format = colon != std::string_view::npos;
        if (name == "index" || name == "group") {
            const std::uint8_t width = has_format ? padding(at, inside.substr(colon + 1)) : 0;
            number(name == "index", width);
            return;
        }
        if (name == "id") {
            if (within_id) fail(at, {"{id} cannot be defined by itself"});
            if (has_format) fail(at, {"only {index} and {group} take a format"});
            const std::string_view outer = text_;
            parse(population_.id(), true);
            text_ = outer;
            return;
        }
        const std::size_t column = find_column(at, name);
        if (has_format) fail(at, {"only {index} and {group} take a format"});
        if (column == kFleetName) {
            literal_ += population_.name();
            return;
        }
        add(Field::column, 0, static_cast<std::uint32_t>(column),
            population_.texts()[column].longest());
    }

    void number(bool is_index, std::uint8_t width) {
        const std::uint32_t count = population_.count();
        if (is_index) return add(Field::index, width, 0, digits_of(count - 1));
        if (population_.groups() != 0) {
            const std::uint32_t last = std::min(count, population_.groups()) - 1;
            return add(Field::group_by_number, width, population_.groups(), digits_of(last));
        }
        const std::uint32_t last = (count - 1) / population_.group_size();
        add(Field::group_by_size, width, population_.group_size(), digits_of(last));
    }

    std::uint8_t padding(std::size_t at, std::string_view format) {
        if (!format.empty() && format.back() == 'd') format.remove_suffix(1);
        std::uint8_t width = 0;
        const char* const end = format.data() + format.size();
        const auto result = std::from_chars(format.data(), end, width);
        if (format.size() < 2 || format[0] != '0' || result.ec != std::errc() ||
            result.ptr != end || width < 1 || width > kMaximumWidth) {
            fail(at, {"\":", format, "\" is not a format (zero padding is, :01 to :020)"});
        }
        return width;
    }

    std::size_t find_column(std::size_t at, std::string_view name) {
        if (name == "fleet") return kFleetName;
        std::string known = "id, index, group, fleet";
        const auto& texts = population_.texts();
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (texts[i].name() == name) return i;
            known += ", " + texts[i].name();
        }
        fail(at, {"unknown field \"", name, "\" (there are ", known, ")"});
    }

    void add(Field field, std::uint8_t width, std::uint32_t argument, std::size_t longest) {
        Piece piece{};
        piece.literal_begin = static_cast<std::uint32_t>(literals_.size());
        piece.literal_size = static_cast<std::uint32_t>(literal_.size());
        piece.field = field;
        piece.width = width;
        piece.argument = argument;
        result_.pieces_.push_back(piece);
        literals_ += literal_;
        result_.maximum_size_ += literal_.size() + std::max<std::size_t>(width, longest);
        literal_.clear();
    }

    static std::size_t digits_of(std::uint32_t number) { return number_text(number).size(); }

    [[noreturn]] void fail(std::size_t at, std::initializer_list<std::string_view> what) const {
        refuse(join({parameter_, " \"", text_, "\", column ", number_text(at + 1)}), what);
    }

    static constexpr std::size_t kFleetName = ~std::size_t{0};
    TextTemplate& result_;
    const Population& population_;
    std::string_view parameter_;
    std::string_view text_;
    std::string literals_;
    std::string literal_;
};

TextTemplate::TextTemplate(std::string_view text, const Population& population,
                           std::string_view parameter)
    : count_(population.count()), population_(population.share()) {
    Parser parser(*this, population, parameter);
    parser.parse(text, false);
    parser.finish();
}

// A copy of a fixed size is two instructions, one of any size a call.
char* TextTemplate::append_literal(char* out, std::uint32_t begin, std::uint32_t size) const {
    const char* const text = literals_.data() + begin;
    if (size <= kBlock) {
        std::memcpy(out, text, kBlock);
    } else {
        std::memcpy(out, text, size);
    }
    return out + size;
}

char* TextTemplate::render(Device device, char* out) const {
    for (const Piece& piece : pieces_) {
        out = append_literal(out, piece.literal_begin, piece.literal_size);
        switch (piece.field) {
            case Field::index:
                out = append_number(out, device, piece.width);
                break;
            case Field::group_by_size:
                out = append_number(out, device / piece.argument, piece.width);
                break;
            case Field::group_by_number:
                out = append_number(out, device % piece.argument, piece.width);
                break;
            case Field::column:
                out = append(out, population_->texts[piece.argument].at(device));
                break;
        }
    }
    return append_literal(out, tail_begin_, tail_size_);
}

void TextTemplate::render(Device device, std::string& out) const {
    if (is_constant()) {
        out += tail();
        return;
    }
    const std::size_t before = out.size();
    out.resize(before + room());
    const char* const end = render(device, out.data() + before);
    out.resize(static_cast<std::size_t>(end - out.data()));
}

std::vector<Device> TextTemplate::representatives() const {
    std::vector<Device> devices = {0};
    if (count_ > 1 && !is_constant()) devices.push_back(count_ - 1);
    for (const Piece& piece : pieces_) {
        if (piece.field != Field::column) continue;
        const auto& more = population_->texts[piece.argument].representatives();
        devices.insert(devices.end(), more.begin(), more.end());
    }
    return devices;
}

bool TextTemplate::distinct_by_index() const {
    bool has_index = false;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const Piece& piece = pieces_[i];
        if (piece.field == Field::column) return false;
        has_index = has_index || piece.field == Field::index;
        // Numbers can be told apart again where something that is no digit stands between them.
        const char* const literal = literals_.data() + piece.literal_begin;
        if (i > 0 && (piece.literal_size == 0 || is_digit(literal[0]))) return false;
    }
    return has_index;
}

namespace {

template <typename Check>
void check_texts(const TextTemplate& text, std::string_view parameter, std::string_view kind,
                 Check check) {
    for (const Device device : text.representatives()) {
        const std::string rendered = text.text(device);
        const Fault fault = check(rendered);
        if (!fault) continue;
        const std::string whose =
            text.is_constant() ? std::string() : " (device " + number_text(device) + ")";
        refuse(join({parameter, " \"", rendered, "\"", whose}),
               {"is not a valid ", kind, ": ", fault.what, " [", fault.clause, "]"});
    }
}

}  // namespace

void check_topics(const TextTemplate& topic, std::string_view parameter) {
    check_texts(topic, parameter, "topic name", wire::check_topic_name);
}

void check_filters(const TextTemplate& filter, std::string_view parameter) {
    check_texts(filter, parameter, "topic filter", wire::check_filter);
}

}  // namespace mqttwin::fleet
