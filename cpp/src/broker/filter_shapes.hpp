// Which kinds of topic filters there are, and so where the filters that match a topic would be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/hash.hpp"
#include "mqttwin/base/short_text.hpp"
#include "mqttwin/session/slab.hpp"

namespace mqttwin::broker {

/// The shape of a filter is the kind of each of its levels: `a/+/c/#` and `x/+/z/#` have the same.
/// Whoever knows a topic and a shape knows the one filter of this shape that matches, and so its
/// hash. A fleet has very few shapes, whatever the number of its filters; those in use are a tree
/// that stays in the cache, and a match looks nowhere else until it knows every hash.
///
/// The tree also remembers roughly which texts its literal levels have, so that shapes of others'
/// filters cost nothing. A topic of n levels has fewer than 2^(n+1) places to look at, and never
/// more than there are filters.
class FilterShapes {
   public:
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    /// Where a filter is to be looked for: what has this shape, in a table by this hash.
    struct Place {
        std::uint32_t shape = kNone;
        std::uint32_t hash = 0;
    };

    /// `key` keys the hashes of the text that peers choose.
    explicit FilterShapes(std::uint64_t key);

    /// The place of a valid filter; shape kNone if no filter has its shape.
    [[nodiscard]] Place find(std::string_view filter) const;
    /// The same with a shape that is made if need be, for a filter that is added then if it is not
    /// there.
    Place make(std::string_view filter);
    /// A filter of this shape is there, or is no more.
    void add_filter(std::uint32_t shape);
    void remove_filter(std::uint32_t shape);

    /// A level of a topic.
    struct Level {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
        std::uint64_t text = 0;  // its first bytes, and where it has fewer, what is behind them
        std::uint64_t mask = 0;  // which of them are its own
    };
    /// Text is read by words: so much more than a topic can be read, whatever it is.
    static constexpr std::size_t kWord = 8;

    /// Where a filter that matches a topic would be.
    struct Candidate {
        Place place;
        std::uint32_t levels = 0;      // of the topic, which the filter has, too, or a `+` for them
        std::uint32_t rest = 0;        // characters of the filter behind them: `/#`, or `#` alone
        bool literal = true;           // none of its levels is a `+`
        std::uint32_t filter = kNone;  // the caller's
    };
    static constexpr std::size_t kAllOfIt = ~std::size_t{0};
    /// Appends one of each shape in use, and tells the topic's levels as far as the longest of them
    /// reaches. A filter `a/#` comes by its levels before the `#`, others come by all of their
    /// levels and before the former; among equals literal before `+`, by the first level where they
    /// differ. Returns how much of the topic decided that: all that begin with so much have the
    /// same, unless they begin with "$"; or kAllOfIt.
    std::size_t find_candidates(std::string_view topic, std::vector<Level>& levels,
                                std::vector<Candidate>& candidates);

    void archive(Archive& a) { a(shapes_); }
    [[nodiscard]] std::size_t footprint() const { return shapes_.capacity() * sizeof(Shape); }

   private:
    enum Kind : std::uint8_t { kLiteral, kPlus, kHash };
    static constexpr std::uint32_t kRoot = 0;
    static constexpr std::size_t kKinds = 3;

    /// The kinds of some first levels.
    struct Shape {
        std::uint64_t literals = 0;  // a bit for each literal level that follows
        std::uint32_t longer[kKinds] = {kNone, kNone, kNone};  // with another level, by its kind
        std::uint32_t shorter = kNone;
        std::uint32_t filters = 0;       // of just this shape
        std::uint32_t filters_from = 0;  // of this one and longer ones
        [[nodiscard]] bool goes_on() const {
            return (longer[kLiteral] & longer[kPlus]) != kNone;  // one is there
        }
    };
    /// A shape as far as a topic has been read, with what hashes to one of its filters.
    struct Branch {
        std::uint32_t shape = kRoot;
        bool literal = true;  // so far
        std::uint64_t hash = 0;
    };

    static Kind kind_of(std::string_view level);
    /// What a level adds to a hash.
    [[nodiscard]] std::uint64_t value_of(std::string_view level, Kind kind) const;
    /// The hash of levels and one more. A peer chooses the level, and knows neither of the factors.
    [[nodiscard]] std::uint64_t extend(std::uint64_t hash, std::uint64_t value) const {
        return fold_multiply(hash ^ value, factor_);
    }
    static std::uint64_t literal_bit(std::uint64_t value) {
        return std::uint64_t{1} << (value * 0x9E3779B97F4A7C15ULL >> 58U);
    }
    inline void add_with_hash(const Branch& branch, std::uint32_t depth,
                              std::vector<Candidate>& candidates) const;
    /// Goes along a filter; `follow(shape, kind, value of the level)` is the next shape or kNone.
    template <typename Follow>
    Place walk(std::string_view filter, Follow&& follow) const;

    std::uint64_t key_;
    std::uint64_t factor_;
    std::uint64_t plus_value_;
    std::uint64_t hash_value_;
    Slab<Shape> shapes_;
    std::vector<Branch> branches_;  // workspace of find_candidates: no shape comes twice
};

}  // namespace mqttwin::broker
