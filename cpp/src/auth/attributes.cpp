#include "attributes.hpp"

#include "code_points.hpp"

namespace mqttwin::auth {
namespace {

constexpr std::string_view kDefined = "anmrcsipve";

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

}  // namespace

bool AttributeReader::at(char name) const {
    return more_ && rest_.size() >= 2 && rest_[0] == name && rest_[1] == '=';
}

std::string_view AttributeReader::take_value() {
    const std::size_t comma = rest_.find(',');
    more_ = comma != std::string_view::npos;
    const std::string_view value = rest_.substr(2, more_ ? comma - 2 : comma);
    rest_.remove_prefix(more_ ? comma + 1 : rest_.size());
    return value;
}

std::optional<std::string_view> AttributeReader::take(char name) {
    if (!at(name)) return std::nullopt;
    return take_value();
}

bool AttributeReader::skip_extension() {
    if (!more_ || rest_.empty() || !is_letter(rest_[0]) || !at(rest_[0])) return false;
    if (kDefined.find(rest_[0]) != std::string_view::npos) return false;
    return !take_value().empty();
}

bool is_text(std::string_view message) {
    return message.size() <= kMaxScramMessage && message.find('\0') == std::string_view::npos &&
           decode_utf8(message).has_value();
}

std::string escape_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == '=') {
            out += "=3D";
        } else if (c == ',') {
            out += "=2C";
        } else {
            out += c;
        }
    }
    return out;
}

std::optional<std::string> unescape_name(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (text[0] != '=') {
            out += text[0];
            text.remove_prefix(1);
            continue;
        }
        if (!text.starts_with("=3D") && !text.starts_with("=2C")) return std::nullopt;
        out += text[1] == '3' ? '=' : ',';
        text.remove_prefix(3);
    }
    return out;
}

}  // namespace mqttwin::auth
