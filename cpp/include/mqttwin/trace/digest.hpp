// The digest of a run: one number that any changed bit, instant or order changes.
//
// Not a cryptographic hash: it detects accidents (a lost packet, a compiler that fuses a product),
// not forgeries. The chance that an accident goes unnoticed is below 2^-64.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/direction.hpp"

namespace mqttwin::trace {

/// What happened at one end of a connection so far, order included, in 16 bytes.
///
/// Each delivery is a record of its own: (instant, direction, bytes as that delivery brought
/// them). What one event of the network delivers is decided by the network alone, so the value
/// does not depend on how a run is split into calls; the same bytes in two deliveries are a
/// different history from the same bytes in one, and give a different value. A new state is all
/// zeros, so that columns of them can be cleared at once.
struct Rolling {
    std::uint64_t a = 0;
    std::uint64_t b = 0;

    void update(Instant at, Direction direction, ByteView bytes) {
        absorb(at, kDelivered | static_cast<std::uint64_t>(direction), bytes);
    }
    /// A connection was opened at this end. `detail`: what else belongs to it, such as an attempt.
    void opened(Instant at, std::uint64_t detail = 0) { absorb_word(at, kOpened, detail); }
    /// A connection was closed at this end, for a reason that the caller numbers.
    void closed(Instant at, std::uint64_t reason) { absorb_word(at, kClosed, reason); }

    friend bool operator==(const Rolling&, const Rolling&) = default;

   private:
    // Low byte of the second word of a record; the length is in the bytes above.
    static constexpr std::uint64_t kDelivered = 0x10;
    static constexpr std::uint64_t kOpened = 0x20;
    static constexpr std::uint64_t kClosed = 0x30;

    // Digits of the fractional part of pi, made odd: nothing up the sleeve.
    static constexpr std::uint64_t kPi0 = 0x243F6A8885A308D3ULL;
    static constexpr std::uint64_t kPi1 = 0x13198A2E03707345ULL;
    static constexpr std::uint64_t kPi2 = 0xA4093822299F31D1ULL;
    static constexpr std::uint64_t kPi3 = 0x082EFA98EC4E6C89ULL;
    static constexpr std::uint64_t kPi4 = 0x452821E638D01377ULL;
    static constexpr std::uint64_t kPi5 = 0xBE5466CF34E90C6DULL;

    /// A sum of products of 128 bits, each of two words and their keys for this place: NH (Black,
    /// Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: fast and secure message authentication", 1999),
    /// in which two texts of one length meet with a chance of 2^-64 over the keys. The processor
    /// works on many products at once.
    ///
    /// Keys are those of a linear congruential generator. Multiples of a constant would not do:
    /// with them, changes that are balanced around a place cancel out.
    class Sum {
       public:
        void add(std::uint64_t v, std::uint64_t w) {
            sum_ += static_cast<Wide>(v + key_) * (w + other_key_);
            key_ = key_ * kFactor + kPi0;
            other_key_ = other_key_ * kFactor + kPi1;
        }
        [[nodiscard]] std::uint64_t low() const { return static_cast<std::uint64_t>(sum_); }
        [[nodiscard]] std::uint64_t high() const { return static_cast<std::uint64_t>(sum_ >> 64); }

       private:
        __extension__ using Wide = unsigned __int128;
        static constexpr std::uint64_t kFactor = 0xD1342543DE82EF95ULL;  // Steele, Vigna 2021
        Wide sum_ = 0;
        std::uint64_t key_ = kPi3;
        std::uint64_t other_key_ = kPi4;
    };

    // The record is hashed beside the state and only then joined to it, so that the processor
    // works on several records at once.
    void absorb(Instant at, std::uint64_t tag, ByteView bytes) {
        Sum sum;
        const std::uint8_t* p = bytes.data();
        std::size_t n = bytes.size();
        for (; n >= 16; n -= 16, p += 16) sum.add(load64(p), load64(p + 8));
        // The last bytes by two loads that overlap, or three bytes: the length tells which.
        if (n >= 8) {
            sum.add(load64(p), load64(p + n - 8));
        } else if (n >= 4) {
            sum.add(load32(p), load32(p + n - 4));
        } else if (n > 0) {
            sum.add(p[0] | std::uint64_t{p[n / 2]} << 8, p[n - 1]);
        }
        const std::uint64_t what = tag | (static_cast<std::uint64_t>(bytes.size()) << 8);
        join(sum.low() + fold_multiply(static_cast<std::uint64_t>(at.ns) ^ kPi2, kPi5),
             sum.high() ^ what);
    }
    void absorb_word(Instant at, std::uint64_t tag, std::uint64_t word) {
        std::uint8_t bytes[8];
        std::memcpy(bytes, &word, 8);
        absorb(at, tag, bytes);
    }
    static std::uint64_t load32(const std::uint8_t* p) {
        std::uint32_t value = 0;
        std::memcpy(&value, p, 4);
        return value;
    }
    // A permutation of the state for every record: nothing of what came before is ever lost.
    void join(std::uint64_t x, std::uint64_t y) {
        a ^= x;
        b ^= y;
        b += fold_multiply(a ^ kPi4, kPi5);
        a += fold_multiply(b ^ kPi3, kPi2);
        b = std::rotl(b, 23) + a;
    }
};
static_assert(sizeof(Rolling) == 16);

/// The digest of many connection ends, whatever the order in which they are combined.
class Digest {
   public:
    /// Adds one end under its name, which must be unique within the run ("meter/17" at the
    /// client's end, "broker:meter/17" at the broker's, say).
    void combine(std::string_view name, const Rolling& end);
    /// Adds all that another digest holds: a world in parts.
    void merge(const Digest& other) { add(other.low_, other.high_); }

    /// 32 hexadecimal digits, the most significant first.
    [[nodiscard]] std::string hex() const;

    friend bool operator==(const Digest&, const Digest&) = default;

   private:
    void add(std::uint64_t low, std::uint64_t high) {
        low_ += low;
        high_ += high + (low_ < low ? 1 : 0);
    }

    std::uint64_t low_ = 0;
    std::uint64_t high_ = 0;
};

}  // namespace mqttwin::trace
