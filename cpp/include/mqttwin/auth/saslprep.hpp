// SASLprep (RFC 4013): the one spelling of a user name or password, however it was typed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mqttwin::auth {

/// Bytes of a text that saslprep() takes. Normalisation can make a text 11 times as long.
inline constexpr std::size_t kMaxUnprepared = 1024;

/// RFC 3454, section 7: what is kept may only have characters that Unicode 3.2 knows; what is
/// compared with it may have others, which then cannot match.
enum class Strings : std::uint8_t { stored, query };

struct Prepared {
    std::string text;
    std::string_view flaw;  // such as "has a prohibited character"; empty when all is well

    [[nodiscard]] explicit operator bool() const { return flaw.empty(); }
};

/// Maps, normalises (NFKC of Unicode 3.2) and checks a text; `text` is empty when there is a flaw.
/// A text of nothing but what is mapped to nothing comes out empty, without a flaw.
///
/// U+200B is both a space (table C.1.2) and mapped to nothing (B.1); here it becomes a space, which
/// is the step that RFC 4013 names first.
Prepared saslprep(std::string_view text, Strings strings);

}  // namespace mqttwin::auth
