#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/digest.hpp"

namespace mqttwin::trace {
namespace {

struct Step {
    Instant at;
    Direction direction = Direction::up;
    std::vector<std::uint8_t> bytes;
};

std::vector<std::uint8_t> message(std::size_t size, std::uint64_t seed) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(mix64(seed * 1000 + i));
    }
    return bytes;
}

std::vector<Step> history() {
    std::vector<Step> steps;
    for (std::uint64_t i = 0; i < 12; ++i) {
        steps.push_back({Instant{static_cast<std::int64_t>(1'000'000 * i)},
                         i % 3 == 0 ? Direction::down : Direction::up, message(7 * i, i)});
    }
    return steps;
}

Rolling roll(const std::vector<Step>& steps) {
    Rolling rolling;
    rolling.opened(Instant{5});
    for (const Step& step : steps) rolling.update(step.at, step.direction, step.bytes);
    rolling.closed(Instant{99'000'000}, 2);
    return rolling;
}

unsigned distance(const Rolling& x, const Rolling& y) {
    return static_cast<unsigned>(std::popcount(x.a ^ y.a) + std::popcount(x.b ^ y.b));
}

TEST(Rolling, IsTheSameForTheSameHistory) {
    EXPECT_EQ(roll(history()), roll(history()));
    EXPECT_NE(roll(history()), Rolling());
    EXPECT_EQ(sizeof(Rolling), 16U);
}

TEST(Rolling, IsTheSameOnEveryMachine) {
    // Written down once; a different value means that old digests no longer compare.
    Digest digest;
    digest.combine("meter/17", roll(history()));
    EXPECT_EQ(digest.hex(), "3935d7ef44a551db1e1b50e076a4fb6e");
}

TEST(Rolling, OneFlippedBitChangesIt) {
    const auto steps = history();
    const Rolling original = roll(steps);
    for (std::size_t s = 0; s < steps.size(); ++s) {
        for (std::size_t bit = 0; bit < steps[s].bytes.size() * 8; ++bit) {
            auto changed = steps;
            changed[s].bytes[bit / 8] =
                static_cast<std::uint8_t>(changed[s].bytes[bit / 8] ^ (1U << (bit % 8)));
            EXPECT_GT(distance(roll(changed), original), 24U) << "step " << s << " bit " << bit;
        }
    }
}

TEST(Rolling, OneNanosecondChangesIt) {
    const auto steps = history();
    const Rolling original = roll(steps);
    for (std::size_t s = 0; s < steps.size(); ++s) {
        for (const std::int64_t by : {-1, 1}) {
            auto changed = steps;
            changed[s].at.ns += by;
            EXPECT_GT(distance(roll(changed), original), 24U) << "step " << s;
        }
    }
}

TEST(Rolling, DirectionChangesIt) {
    auto steps = history();
    const Rolling original = roll(steps);
    steps[4].direction = Direction::down;
    EXPECT_NE(roll(steps), original);
}

TEST(Rolling, OneLostOrDoubledPacketChangesIt) {
    const auto steps = history();
    const Rolling original = roll(steps);
    for (std::size_t s = 0; s < steps.size(); ++s) {
        auto lost = steps;
        lost.erase(lost.begin() + static_cast<std::ptrdiff_t>(s));
        EXPECT_NE(roll(lost), original) << "step " << s;
        auto doubled = steps;
        doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(s), steps[s]);
        EXPECT_NE(roll(doubled), original) << "step " << s;
    }
}

TEST(Rolling, OrderChangesIt) {
    auto steps = history();
    for (Step& step : steps) step.at = Instant{7};  // not even the instants tell
    const Rolling original = roll(steps);
    for (std::size_t s = 0; s + 1 < steps.size(); ++s) {
        auto swapped = steps;
        std::swap(swapped[s], swapped[s + 1]);
        EXPECT_NE(roll(swapped), original) << "step " << s;
    }
}

// Payloads of a structure that a sum of products with evenly spaced keys would not tell apart:
// changes that are balanced around a place, next to words that are all the same.
TEST(Rolling, BalancedChangesChangeIt) {
    const auto digests = [](std::size_t rows, std::uint64_t values, std::uint64_t second,
                            bool counter) {
        std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
        std::uint64_t all = 1;
        for (std::size_t i = 0; i < rows; ++i) all *= values;
        for (std::uint64_t n = 0; n < all; ++n) {
            std::vector<std::uint8_t> bytes;
            std::uint64_t rest = n;
            for (std::size_t row = 0; row < rows; ++row, rest /= values) {
                const std::uint64_t words[] = {counter ? row : rest % values,
                                               counter ? rest % values : second};
                const auto* from = reinterpret_cast<const std::uint8_t*>(words);
                bytes.insert(bytes.end(), from, from + sizeof words);
            }
            Rolling rolling;
            rolling.update(Instant{1}, Direction::up, bytes);
            seen.insert({rolling.a, rolling.b});
        }
        EXPECT_EQ(seen.size(), all);
    };
    digests(6, 3, 0, false);
    digests(6, 3, 0x2020'2020'2020'2020, false);
    digests(8, 2, 0, true);
    const auto of = [](const std::string& text) {
        Rolling rolling;
        rolling.update(Instant{1}, Direction::up, as_bytes(text));
        return rolling;
    };
    const auto records = [](std::initializer_list<const char*> readings) {
        std::string text;
        for (const char* reading : readings) text += std::string("temp=") + reading + ";ok=1;\n";
        return text;
    };
    EXPECT_NE(of(records({"2101", "2102", "2102", "2101"})),
              of(records({"2102", "2101", "2101", "2102"})));
}

TEST(Rolling, OpeningAndClosingChangeIt) {
    const auto with = [](Instant opened, std::uint64_t detail, Instant closed, std::uint64_t why) {
        Rolling rolling;
        rolling.opened(opened, detail);
        rolling.closed(closed, why);
        return rolling;
    };
    const Rolling original = with(Instant{1}, 0, Instant{9}, 3);
    EXPECT_NE(with(Instant{2}, 0, Instant{9}, 3), original);
    EXPECT_NE(with(Instant{1}, 1, Instant{9}, 3), original);
    EXPECT_NE(with(Instant{1}, 0, Instant{8}, 3), original);
    EXPECT_NE(with(Instant{1}, 0, Instant{9}, 4), original);
    Rolling opened;
    Rolling closed;
    Rolling delivered;
    opened.opened(Instant{1}, 0);
    closed.closed(Instant{1}, 0);
    delivered.update(Instant{1}, Direction::up, std::vector<std::uint8_t>(8, 0));
    EXPECT_NE(opened, closed);
    EXPECT_NE(opened, delivered);
    EXPECT_NE(closed, delivered);
}

TEST(Rolling, EveryDeliveryIsARecordOfItsOwn) {
    const auto bytes = message(64, 1);
    Rolling whole;
    whole.update(Instant{1}, Direction::up, bytes);
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen = {{whole.a, whole.b}};
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        Rolling parts;
        parts.update(Instant{1}, Direction::up, ByteView(bytes).first(cut));
        parts.update(Instant{1}, Direction::up, ByteView(bytes).subspan(cut));
        EXPECT_TRUE(seen.emplace(parts.a, parts.b).second) << cut;
    }
}

TEST(Rolling, LengthsOfZerosDiffer) {
    std::set<std::uint64_t> a;
    std::set<std::uint64_t> b;
    for (std::size_t size = 0; size < 300; ++size) {
        Rolling rolling;
        rolling.update(Instant{0}, Direction::up, std::vector<std::uint8_t>(size, 0));
        EXPECT_TRUE(a.insert(rolling.a).second);
        EXPECT_TRUE(b.insert(rolling.b).second);
    }
}

TEST(Digest, OrderOfCombiningDoesNotMatter) {
    std::vector<std::pair<std::string, Rolling>> ends;
    for (std::uint64_t i = 0; i < 50; ++i) {
        Rolling rolling;
        rolling.update(Instant{static_cast<std::int64_t>(i)}, Direction::up, message(20, i));
        ends.emplace_back("meter/" + std::to_string(i), rolling);
    }
    const auto digest_of = [](const auto& list) {
        Digest digest;
        for (const auto& end : list) digest.combine(end.first, end.second);
        return digest;
    };
    const Digest original = digest_of(ends);
    auto shuffled = ends;
    std::reverse(shuffled.begin(), shuffled.end());
    std::rotate(shuffled.begin(), shuffled.begin() + 17, shuffled.end());
    EXPECT_EQ(digest_of(shuffled), original);
    EXPECT_EQ(digest_of(shuffled).hex(), original.hex());

    Digest first;
    Digest second;
    for (std::size_t i = 0; i < ends.size(); ++i) {
        (i % 2 == 0 ? first : second).combine(ends[i].first, ends[i].second);
    }
    first.merge(second);
    EXPECT_EQ(first, original);

    auto swapped = ends;
    std::swap(swapped[3].second, swapped[4].second);
    EXPECT_NE(digest_of(swapped), original) << "two entities lived each other's life";
    auto missing = ends;
    missing.pop_back();
    EXPECT_NE(digest_of(missing), original);
    auto renamed = ends;
    renamed[0].first = "meter/0 ";
    EXPECT_NE(digest_of(renamed), original);
    auto idle = ends;
    idle.emplace_back("idle", Rolling());
    EXPECT_NE(digest_of(idle), original) << "one that did nothing is there all the same";
}

TEST(Digest, IsThirtyTwoHexadecimalDigits) {
    EXPECT_EQ(Digest().hex(), std::string(32, '0'));
    Digest digest;
    digest.combine("a", Rolling());
    const std::string hex = digest.hex();
    EXPECT_EQ(hex.size(), 32U);
    EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(Digest, EveryBitOfAStateReachesEveryBit) {
    const Rolling state{0x0123456789ABCDEFULL, 0xFEDCBA9876543210ULL};
    Digest original;
    original.combine("x", state);
    std::vector<unsigned> flips(128, 0);
    for (unsigned bit = 0; bit < 128; ++bit) {
        Rolling changed = state;
        (bit < 64 ? changed.a : changed.b) ^= std::uint64_t{1} << (bit % 64);
        Digest digest;
        digest.combine("x", changed);
        for (unsigned digit = 0; digit < 32; ++digit) {
            const auto value = [digit](const Digest& d) {
                return static_cast<unsigned>(std::stoul(d.hex().substr(digit, 1), nullptr, 16));
            };
            const unsigned difference = value(digest) ^ value(original);
            for (unsigned k = 0; k < 4; ++k) flips[4 * digit + k] += (difference >> k) & 1;
        }
    }
    for (unsigned bit = 0; bit < 128; ++bit) {
        EXPECT_GT(flips[bit], 32U) << bit;
        EXPECT_LT(flips[bit], 96U) << bit;
    }
}

}  // namespace
}  // namespace mqttwin::trace
