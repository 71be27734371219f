#include "filter_shapes.hpp"

#include <algorithm>
#include <bit>

#include "mqttwin/base/hash.hpp"

namespace mqttwin::broker {
namespace {

std::uint32_t shorten(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

// The level of a topic that begins there.
FilterShapes::Level cut(std::string_view topic, std::size_t begin) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kSlashes = kOnes * '/';
    const char* const text = topic.data();
    const std::uint64_t first = load_word(text + begin);
    std::size_t end = begin;
    // A byte of `found` is set for the first slash of a word (behind that, perhaps, for others).
    for (std::uint64_t word = first;; word = load_word(text + end)) {
        const std::uint64_t x = word ^ kSlashes;
        const std::uint64_t found = (x - kOnes) & ~x & (kOnes << 7U);
        if (found != 0) {
            end += static_cast<std::size_t>(std::countr_zero(found)) / 8;
            break;
        }
        end += FilterShapes::kWord;
        if (end >= topic.size()) break;
    }
    const std::size_t size = std::min(end, topic.size()) - begin;
    const std::uint64_t all = ~std::uint64_t{0};
    const std::uint64_t mask = size < FilterShapes::kWord ? ~(all << 8 * size) : all;
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(size), first, mask};
}

}  // namespace

FilterShapes::FilterShapes(std::uint64_t key)
    : key_(key),
      factor_(mix64(key + 3) | 1U),
      plus_value_(mix64(key + 1)),
      hash_value_(mix64(key + 2)) {
    shapes_.take();  // kRoot
}

FilterShapes::Kind FilterShapes::kind_of(std::string_view level) {
    if (level == "+") return kPlus;
    if (level == "#") return kHash;
    return kLiteral;
}

// Text that is a word is that word, for it contains no zero [MQTT-1.5.4-2], 3.1.1 [MQTT-1.5.3-2].
std::uint64_t FilterShapes::value_of(std::string_view level, Kind kind) const {
    if (kind == kPlus) return plus_value_;
    if (kind == kHash) return hash_value_;
    if (level.size() > kWord) return hash_text(level, key_);
    std::uint64_t word = 0;
    std::memcpy(&word, level.data(), level.size());
    return word;
}

template <typename Follow>
FilterShapes::Place FilterShapes::walk(std::string_view filter, Follow&& follow) const {
    Branch at{kRoot, true, key_};
    for (std::size_t begin = 0; begin <= filter.size() && at.shape != kNone;) {
        const std::size_t end = std::min(filter.find('/', begin), filter.size());
        const std::string_view level = filter.substr(begin, end - begin);
        const Kind kind = kind_of(level);
        const std::uint64_t value = value_of(level, kind);
        at = {follow(at.shape, kind, value), true, extend(at.hash, value)};
        begin = end + 1;
    }
    return {at.shape, shorten(at.hash)};
}

FilterShapes::Place FilterShapes::find(std::string_view filter) const {
    return walk(filter, [this](std::uint32_t shape, Kind kind, std::uint64_t) {
        return shapes_[shape].longer[kind];
    });
}

FilterShapes::Place FilterShapes::make(std::string_view filter) {
    return walk(filter, [this](std::uint32_t shape, Kind kind, std::uint64_t value) {
        std::uint32_t longer = shapes_[shape].longer[kind];
        if (longer == kNone) {
            longer = shapes_.take();
            shapes_[longer].shorter = shape;
            shapes_[shape].longer[kind] = longer;
        }
        if (kind == kLiteral) shapes_[shape].literals |= literal_bit(value);
        return longer;
    });
}

void FilterShapes::add_filter(std::uint32_t shape) {
    ++shapes_[shape].filters;
    for (; shape != kNone; shape = shapes_[shape].shorter) ++shapes_[shape].filters_from;
}

void FilterShapes::remove_filter(std::uint32_t shape) {
    --shapes_[shape].filters;
    while (shape != kRoot) {
        const std::uint32_t shorter = shapes_[shape].shorter;
        if (--shapes_[shape].filters_from == 0) {
            Shape& parent = shapes_[shorter];
            if (parent.longer[kLiteral] == shape) parent.literals = 0;
            *std::find(parent.longer, parent.longer + kKinds, shape) = kNone;
            shapes_.give_back(shape);
        }
        shape = shorter;
    }
    --shapes_[kRoot].filters_from;
}

// Levels are compared byte by byte [MQTT-4.7.3-4], 3.1.1 [MQTT-4.7.3-4].
std::size_t FilterShapes::find_candidates(std::string_view topic, std::vector<Level>& levels,
                                          std::vector<Candidate>& candidates) {
    // [MQTT-4.7.2-1], 3.1.1 [MQTT-4.7.2-1]: wildcards at the root do not match topics that begin
    // with "$".
    bool wildcards = !topic.starts_with('$');
    std::uint32_t depth = 0;
    const Shape* const shapes = &shapes_[kRoot];
    // Those of the levels so far are [first, last): each round appends those with a level more.
    if (branches_.size() < shapes_.capacity()) branches_.resize(shapes_.capacity());
    Branch* first = branches_.data();
    Branch* last = first;
    *last++ = {kRoot, true, key_};
    levels.clear();
    for (std::size_t begin = 0; begin <= topic.size() && first != last; wildcards = true) {
        if (last - first == 1 && !shapes[first->shape].goes_on()) {
            // A filter ends here, with a `#` at most: what else is in the topic does not matter.
            if (wildcards && shapes[first->shape].longer[kHash] != kNone) {
                add_with_hash(*first, depth, candidates);
            }
            return topic.starts_with('$') ? kAllOfIt : begin;
        }
        const Level& level = levels.emplace_back(cut(topic, begin));
        begin += level.size + std::size_t{1};
        const std::uint64_t value = level.size <= kWord
                                        ? level.text & level.mask
                                        : hash_text(topic.substr(level.begin, level.size), key_);
        const std::uint64_t bit = literal_bit(value);
        for (const Branch* const shorter = last; first != shorter; ++first) {
            const Branch& branch = *first;
            const Shape& shape = shapes[branch.shape];
            if (shape.longer[kHash] != kNone && wildcards) {
                add_with_hash(branch, depth, candidates);
            }
            if ((shape.literals & bit) != 0) {
                *last++ = {shape.longer[kLiteral], branch.literal, extend(branch.hash, value)};
            }
            if (shape.longer[kPlus] != kNone && wildcards) {
                *last++ = {shape.longer[kPlus], false, extend(branch.hash, plus_value_)};
            }
        }
        ++depth;
    }
    for (const Branch* i = first; i != last; ++i) {
        if (shapes[i->shape].filters == 0) continue;
        candidates.push_back({{i->shape, shorten(i->hash)}, depth, 0, i->literal});
    }
    for (const Branch* i = first; i != last; ++i) {
        if (shapes[i->shape].longer[kHash] == kNone || !wildcards) continue;
        add_with_hash(*i, depth, candidates);
    }
    return kAllOfIt;
}

// `…/#`, which also matches its parent level (4.7.1.2).
inline void FilterShapes::add_with_hash(const Branch& branch, std::uint32_t depth,
                                        std::vector<Candidate>& candidates) const {
    candidates.push_back(
        {{shapes_[branch.shape].longer[kHash], shorten(extend(branch.hash, hash_value_))},
         depth,
         depth == 0 ? 1U : 2U,
         branch.literal});
}

}  // namespace mqttwin::broker
