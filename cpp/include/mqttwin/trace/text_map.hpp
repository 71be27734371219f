// A hash map keyed by text that is looked up by views, without making a string first.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mqttwin/base/hash.hpp"

namespace mqttwin::trace {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return hash_text(text); }
};

/// For numbering only: its order of iteration means nothing.
template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

}  // namespace mqttwin::trace
