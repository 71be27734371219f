#include "utf8.hpp"

#include "mqttwin/wire/topic.hpp"

namespace mqttwin::wire {

namespace {

// What may follow a lead byte (Unicode 15, table 3-7). The second byte's range is what keeps
// over-long forms, surrogates and code points beyond U+10FFFF out.
struct Sequence {
    std::size_t length = 0;  // 0: not a lead byte
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xBF;
};

Sequence sequence_of(std::uint8_t lead) {
    if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
    if (lead == 0xE0) return {3, 0xA0, 0xBF};  // below: over-long
    if (lead == 0xED) return {3, 0x80, 0x9F};  // above: surrogates
    if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
    if (lead == 0xF0) return {4, 0x90, 0xBF};  // below: over-long
    if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
    if (lead == 0xF4) return {4, 0x80, 0x8F};  // above: beyond U+10FFFF
    return {};
}

}  // namespace

// Where U+FEFF stands it is a character like any other [MQTT-1.5.4-3] (3.1.1: [MQTT-1.5.3-3]).
TextProblem find_text_problem(std::string_view text) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(text.data());
    const std::size_t n = text.size();
    std::size_t i = 0;
    while (i < n) {
        if (i + 8 <= n && detail::Text::flaws(load64(p + i)) == 0) {
            i += 8;
            continue;
        }
        const std::uint8_t lead = p[i];
        if (lead == 0) return {TextFlaw::null, i};
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const Sequence sequence = sequence_of(lead);
        if (sequence.length == 0 || sequence.length > n - i) return {TextFlaw::malformed, i};
        if (p[i + 1] < sequence.low || p[i + 1] > sequence.high) return {TextFlaw::malformed, i};
        for (std::size_t k = 2; k < sequence.length; ++k) {
            if ((p[i + k] & 0xC0) != 0x80) return {TextFlaw::malformed, i};
        }
        i += sequence.length;
    }
    return {};
}

bool valid_utf8(std::string_view text) {
    return plain_text(text) || find_text_problem(text).flaw == TextFlaw::none;
}

}  // namespace mqttwin::wire
