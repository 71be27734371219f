#include "filter_shapes.hpp"

#include <algorithm>
#include <bit>

#include "mqttwin/base/hash.hpp"

namespace mqttwin::broker {
namespace {

// The hash of levels and one more.
std::uint64_t extend(std::uint64_t hash, std::uint64_t level) {
    return fold_multiply(hash ^ level, 0xE7037ED1A0B428DBULL);
}

std::uint32_t shorten(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

}  // namespace

FilterShapes::FilterShapes(std::uint64_t key)
    : key_(key), plus_hash_(mix64(key + 1)), hash_hash_(mix64(key + 2)) {
    shapes_.take();  // kRoot
}

FilterShapes::Kind FilterShapes::kind_of(std::string_view level) {
    if (level == "+") return kPlus;
    if (level == "#") return kHash;
    return kLiteral;
}

std::uint64_t FilterShapes::hash_of(std::string_view level, Kind kind) const {
    if (kind == kPlus) return plus_hash_;
    if (kind == kHash) return hash_hash_;
    return hash_text(level, key_);
}

template <typename Follow>
FilterShapes::Place FilterShapes::walk(std::string_view filter, Follow&& follow) const {
    Branch at{kRoot, key_};
    for (std::size_t begin = 0; begin <= filter.size() && at.shape != kNone;) {
        const std::size_t end = std::min(filter.find('/', begin), filter.size());
        const std::string_view level = filter.substr(begin, end - begin);
        const Kind kind = kind_of(level);
        const std::uint64_t hash = hash_of(level, kind);
        at = {follow(at.shape, kind, hash), extend(at.hash, hash)};
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
    return walk(filter, [this](std::uint32_t shape, Kind kind, std::uint64_t hash) {
        std::uint32_t longer = shapes_[shape].longer[kind];
        if (longer == kNone) {
            longer = shapes_.take();
            shapes_[longer].shorter = shape;
            shapes_[shape].longer[kind] = longer;
        }
        if (kind == kLiteral) shapes_[shape].literals |= literal_bit(hash);
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

void FilterShapes::split(std::string_view topic, std::vector<Level>& levels) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kSlashes = kOnes * '/';
    levels.clear();
    const char* const text = topic.data();
    const std::size_t size = topic.size();
    for (std::size_t begin = 0;;) {
        const std::uint64_t first = load_word(text + begin);
        std::size_t end = begin;
        // A byte of `found` is set for the first slash of a word (behind that, perhaps, for
        // others).
        for (std::uint64_t word = first;; word = load_word(text + end)) {
            const std::uint64_t x = word ^ kSlashes;
            const std::uint64_t found = (x - kOnes) & ~x & (kOnes << 7U);
            if (found != 0) {
                end += static_cast<std::size_t>(std::countr_zero(found)) / 8;
                break;
            }
            end += kWord;
            if (end >= size) break;
        }
        end = std::min(end, size);
        const std::size_t length = end - begin;
        const std::uint64_t all = ~std::uint64_t{0};
        levels.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(length),
                          first, length < kWord ? ~(all << 8 * length) : all});
        if (end == size) return;
        begin = end + 1;
    }
}

// Levels are compared byte by byte [MQTT-4.7.3-4], 3.1.1 [MQTT-4.7.3-4].
void FilterShapes::find_candidates(std::string_view topic, const std::vector<Level>& levels,
                                   std::vector<Candidate>& candidates) {
    // [MQTT-4.7.2-1], 3.1.1 [MQTT-4.7.2-1]: wildcards at the root do not match topics that begin
    // with "$".
    bool wildcards = !topic.starts_with('$');
    std::uint32_t depth = 0;
    const auto with_hash = [&](const Branch& branch) {
        const std::uint32_t shape = shapes_[branch.shape].longer[kHash];
        if (shape == kNone || !wildcards) return;
        candidates.push_back(
            {{shape, shorten(extend(branch.hash, hash_hash_))}, depth, depth == 0 ? 1U : 2U});
    };

    // Those of the levels so far are [first, last): each round appends those with a level more.
    std::size_t first = 0;
    std::size_t last = 1;
    if (branches_.empty()) branches_.resize(1);
    branches_[0] = {kRoot, key_};
    for (; depth < levels.size() && first != last; wildcards = true) {
        const Level& level = levels[depth];
        const std::uint64_t hash = level.size <= kWord
                                       ? hash_word(level.text & level.mask, level.size, key_)
                                       : hash_text(topic.substr(level.begin, level.size), key_);
        const std::uint64_t bit = literal_bit(hash);

        const std::size_t most = last + 2 * (last - first);
        if (branches_.size() < most) branches_.resize(2 * most);
        Branch* const branches = branches_.data();
        for (const std::size_t shorter = last; first != shorter; ++first) {
            const Branch branch = branches[first];
            const Shape& shape = shapes_[branch.shape];
            with_hash(branch);
            if ((shape.literals & bit) != 0) {
                branches[last++] = {shape.longer[kLiteral], extend(branch.hash, hash)};
            }
            if (shape.longer[kPlus] != kNone && wildcards) {
                branches[last++] = {shape.longer[kPlus], extend(branch.hash, plus_hash_)};
            }
        }
        ++depth;
    }
    for (std::size_t i = first; i != last; ++i) {
        if (shapes_[branches_[i].shape].filters == 0) continue;
        candidates.push_back({{branches_[i].shape, shorten(branches_[i].hash)}, depth});
    }
    for (std::size_t i = first; i != last; ++i) with_hash(branches_[i]);
}

}  // namespace mqttwin::broker
