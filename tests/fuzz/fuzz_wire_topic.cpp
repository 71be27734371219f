// A filter and a topic: the rules and the matching, against references that only try to be obvious.
//
// Input: the filter, a zero byte, the topic.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/wire/topic.hpp"

using namespace mqttwin;
using namespace mqttwin::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

using List = std::vector<std::string>;

List split(std::string_view text) {
    List levels(1);
    for (const char c : text) {
        if (c == '/') {
            levels.emplace_back();
        } else {
            levels.back() += c;
        }
    }
    return levels;
}

bool has_wildcard(std::string_view text) {
    return text.find('+') != std::string_view::npos || text.find('#') != std::string_view::npos;
}

bool good_levels(const List& levels) {
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const bool last = i + 1 == levels.size();
        if (levels[i] == "+" || (levels[i] == "#" && last)) continue;
        if (has_wildcard(levels[i])) return false;
    }
    return true;
}

bool good_filter(std::string_view filter) {
    if (filter.empty() || filter.size() > 65'535 || !valid_utf8(filter)) return false;
    List levels = split(filter);
    if (levels[0] == "$share" && levels.size() > 1) {
        if (levels[1].empty() || has_wildcard(levels[1]) || levels.size() < 3) return false;
        if (levels.size() == 3 && levels[2].empty()) return false;  // "$share/name/"
        levels.erase(levels.begin(), levels.begin() + 2);
    }
    return good_levels(levels);
}

bool good_topic(std::string_view topic) {
    return !topic.empty() && topic.size() <= 65'535 && valid_utf8(topic) && !has_wildcard(topic);
}

bool naive_match(const List& filter, const List& topic, std::size_t i = 0) {
    if (i < filter.size() && filter[i] == "#") return true;
    if (i == filter.size() || i == topic.size()) {
        return i == topic.size() && (i == filter.size() || filter[i] == "#");
    }
    return (filter[i] == "+" || filter[i] == topic[i]) && naive_match(filter, topic, i + 1);
}

bool naive(std::string_view filter, std::string_view topic) {
    const List levels = split(filter);
    const bool wild_root = levels[0] == "+" || levels[0] == "#";
    if (topic[0] == '$' && wild_root) return false;
    return naive_match(levels, split(topic));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t zero = input.find('\0');
    const std::string filter(input.substr(0, zero));
    const std::string topic(zero == std::string_view::npos ? "" : input.substr(zero + 1));

    require(!check_filter(filter) == good_filter(filter));
    require(!check_topic_name(topic) == good_topic(topic));
    if (!good_filter(filter)) return 0;

    const SharedFilter parts = split_shared(filter);
    require(parts.shared == filter.starts_with("$share/"));
    if (parts.shared) {
        require("$share/" + std::string(parts.share_name) + "/" + std::string(parts.filter) ==
                filter);
    }
    std::size_t levels = 0;
    for (Levels walk(parts.filter); !walk.done(); ++levels) walk.next();
    require(levels == split(parts.filter).size());
    // The reference recurses and copies: deep ones are for the unit tests.
    if (good_topic(topic) && size < 4096) {
        require(matches(parts.filter, topic) == naive(parts.filter, topic));
    }
    return 0;
}
