#include "user_names.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>

namespace mqttwin::auth {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool needs_quoting(std::string_view name, std::size_t at) {
    const bool at_an_end = at == 0 || at + 1 == name.size();
    switch (name[at]) {
        case '%':
        case ':':
            return true;
        case '#':
            return at == 0;
        default:
            // saslprep() has left no other blank.
            return name[at] == ' ' && at_an_end;
    }
}

}  // namespace

std::string quote_name(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (!needs_quoting(name, i)) {
            out += name[i];
            continue;
        }
        const auto byte = static_cast<unsigned char>(name[i]);
        out += '%';
        out += kHexDigits[byte >> 4U];
        out += kHexDigits[byte & 15U];
    }
    return out;
}

std::optional<std::string> unquote_name(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const std::string_view digits = text.substr(i + 1, 2);
        std::uint8_t byte = 0;
        const char* end = digits.data() + digits.size();
        const auto [stopped, error] = std::from_chars(digits.data(), end, byte, 16);
        if (digits.size() != 2 || error != std::errc() || stopped != end) return std::nullopt;
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

}  // namespace mqttwin::auth
