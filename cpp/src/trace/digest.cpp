#include "mqttwin/trace/digest.hpp"

namespace mqttwin::trace {
namespace {

// A permutation of 128 bits in which every bit of the result depends on every bit given: four
// rounds of a Feistel network whose round function mixes a word completely.
void scramble(std::uint64_t& a, std::uint64_t& b) {
    a ^= mix64(b + 0x9E3779B97F4A7C15ULL);
    b ^= mix64(a + 0xD1B54A32D192ED03ULL);
    a ^= mix64(b + 0x8CB92BA72F3D8DD7ULL);
    b ^= mix64(a + 0xABC98388FB8FAC03ULL);
}

}  // namespace

void Digest::combine(std::string_view name, const Rolling& end) {
    // The name goes in twice, under different keys and on both sides of the state, so that ends
    // which swap their names, or their histories, do not add up to the same.
    std::uint64_t a = end.a + hash_text(name, 0x6A09E667F3BCC909ULL);
    std::uint64_t b = end.b ^ hash_text(name, 0xBB67AE8584CAA73BULL);
    scramble(a, b);
    a += hash_text(name, 0x3C6EF372FE94F82BULL);
    scramble(a, b);
    add(a, b);
}

std::string Digest::hex() const {
    constexpr char digits[] = "0123456789abcdef";
    std::string text(32, '0');
    for (unsigned i = 0; i < 16; ++i) {
        text[15 - i] = digits[(high_ >> (4 * i)) & 15];
        text[31 - i] = digits[(low_ >> (4 * i)) & 15];
    }
    return text;
}

}  // namespace mqttwin::trace
