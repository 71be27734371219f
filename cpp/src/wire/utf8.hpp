// UTF-8 as MQTT means it, eight or sixteen bytes a step while the text is plain ASCII.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "mqttwin/base/hash.hpp"

#ifdef __SSE2__  // every x86-64 CPU has it
#include <emmintrin.h>
#endif

namespace mqttwin::wire {

enum class TextFlaw : std::uint8_t {
    none,
    malformed,  // [MQTT-1.5.4-1] (3.1.1: [MQTT-1.5.3-1])
    null,       // [MQTT-1.5.4-2] (3.1.1: [MQTT-1.5.3-2])
};

struct TextProblem {
    TextFlaw flaw = TextFlaw::none;
    std::size_t offset = 0;
};

/// The first flaw of a text, wherever it is. The general case: call it when the fast one says no.
TextProblem find_text_problem(std::string_view text);

namespace detail {

inline constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101ULL;
inline constexpr std::uint64_t kHighs = 0x8080'8080'8080'8080ULL;

// What is not plain: a byte that is 0 or above 127.
struct Text {
    // Of a word: nonzero when there is one. Borrows only spread from a byte that is 0, so a word
    // without flaws is never suspected, and one with a flaw never passes.
    static constexpr std::uint64_t flaws(std::uint64_t word) {
        return (word | (word - kOnes)) & kHighs;
    }
#ifdef __SSE2__
    // Of sixteen bytes: in the highest bit of each.
    static __m128i flaws(__m128i bytes) {
        return _mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
    }
#endif
};

// The same, and '+' and '#' as well: they differ in one bit (0x2B, 0x23), so one test finds both.
struct Name {
    static constexpr std::uint64_t flaws(std::uint64_t word) {
        const std::uint64_t wild = (word | (kOnes * 0x08)) ^ (kOnes * 0x2B);
        return (word | (word - kOnes) | (wild - kOnes)) & kHighs;
    }
#ifdef __SSE2__
    static __m128i flaws(__m128i bytes) {
        const __m128i wild = _mm_or_si128(bytes, _mm_set1_epi8(0x08));
        return _mm_or_si128(Text::flaws(bytes), _mm_cmpeq_epi8(wild, _mm_set1_epi8(0x2B)));
    }
#endif
};

// The first 1 to 7 bytes of a text in one word, repeated or filled up with harmless ones.
inline std::uint64_t load_short(const std::uint8_t* p, std::size_t n) {
    if (n >= 4) {
        std::uint32_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, p, 4);
        std::memcpy(&high, p + n - 4, 4);
        return (std::uint64_t{high} << 32) | low;
    }
    return (kOnes << 24) | (std::uint64_t{p[n - 1]} << 16) | (std::uint64_t{p[n / 2]} << 8) | p[0];
}

template <typename Kind>
inline bool all_plain(std::string_view text) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(text.data());
    const std::size_t n = text.size();
#ifdef __SSE2__
    if (n >= 16) {
        const auto load = [p](std::size_t i) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        };
        __m128i found = Kind::flaws(load(n - 16));
        for (std::size_t i = 0; i + 16 < n; i += 16)
            found = _mm_or_si128(found, Kind::flaws(load(i)));
        return _mm_movemask_epi8(found) == 0;
    }
#endif
    if (n < 8) return n == 0 || Kind::flaws(load_short(p, n)) == 0;
    std::uint64_t found = Kind::flaws(load64(p + n - 8));
    for (std::size_t i = 0; i + 8 < n; i += 8) found |= Kind::flaws(load64(p + i));
    return found == 0;
}

}  // namespace detail

/// Whether a text is ASCII without U+0000, which most are: then nothing else need be asked.
inline bool plain_text(std::string_view text) { return detail::all_plain<detail::Text>(text); }

/// Whether a text is ASCII without U+0000 and without wildcards.
inline bool plain_name(std::string_view text) { return detail::all_plain<detail::Name>(text); }

}  // namespace mqttwin::wire
