// Short texts that mostly are the same, by words, of which the last may overlap the one before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mqttwin {

/// The first eight characters of a text, which may be shorter: so many can be read.
inline std::uint64_t load_word(const char* text) {
    std::uint64_t word = 0;
    std::memcpy(&word, text, sizeof word);
    return word;
}

/// Whether the first `size` characters of both are the same.
inline bool same_text(const char* a, const char* b, std::size_t size) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    if (size < kWord) return size == 0 || std::memcmp(a, b, size) == 0;
    const std::size_t last = size - kWord;
    std::uint64_t differs = load_word(a + last) ^ load_word(b + last);
    for (std::size_t i = 0; i < last; i += kWord) differs |= load_word(a + i) ^ load_word(b + i);
    return differs == 0;
}
inline void copy_text(char* to, const char* from, std::size_t size) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    if (size < kWord) {
        if (size > 0) std::memcpy(to, from, size);
        return;
    }
    const std::size_t last = size - kWord;
    for (std::size_t i = 0; i < last; i += kWord) std::memcpy(to + i, from + i, kWord);
    std::memcpy(to + last, from + last, kWord);
}

}  // namespace mqttwin
