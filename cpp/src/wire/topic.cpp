#include "mqttwin/wire/topic.hpp"

#include "mqttwin/wire/types.hpp"

#include "clauses.hpp"
#include "utf8.hpp"

namespace mqttwin::wire {

namespace {

constexpr std::size_t kMaximumTopicBytes = 65'535;
constexpr std::string_view kSharePrefix = "$share/";

Fault text_fault(std::string_view text) {
    const TextProblem problem = find_text_problem(text);
    const auto offset = static_cast<std::uint32_t>(problem.offset);
    switch (problem.flaw) {
        case TextFlaw::malformed:
            return {reason::malformed_packet, clause::kUtf8.v5, "malformed UTF-8 in a topic",
                    offset};
        case TextFlaw::null:
            return {reason::malformed_packet, "MQTT-4.7.3-2", "U+0000 in a topic", offset};
        case TextFlaw::none:
            break;
    }
    return {};
}

// A filter after its `$share/NAME/`, if any: wildcards stand alone, `#` comes last.
Fault check_levels(std::string_view filter, std::size_t start) {
    for (std::size_t i = start; i < filter.size(); ++i) {
        const char c = filter[i];
        if (c != '+' && c != '#') continue;
        const auto offset = static_cast<std::uint32_t>(i);
        const bool first = i == start || filter[i - 1] == '/';
        const bool last = i + 1 == filter.size();
        if (c == '#' && (!first || !last)) {  // [MQTT-4.7.1-1], 3.1.1 [MQTT-4.7.1-2]
            return {reason::topic_filter_invalid, "MQTT-4.7.1-1",
                    "# is not the whole last level of a filter", offset};
        }
        // [MQTT-4.7.1-2], 3.1.1 [MQTT-4.7.1-3]
        if (c == '+' && (!first || (!last && filter[i + 1] != '/'))) {
            return {reason::topic_filter_invalid, "MQTT-4.7.1-2",
                    "+ is not a whole level of a filter", offset};
        }
    }
    return {};
}

}  // namespace

bool is_common_topic_name(std::string_view topic) {
    return !topic.empty() && topic.size() <= kMaximumTopicBytes && plain_name(topic);
}

Fault check_topic_name(std::string_view topic) {
    if (is_common_topic_name(topic)) return {};
    if (topic.empty()) {  // [MQTT-4.7.3-1]
        return {reason::topic_name_invalid, "MQTT-4.7.3-1", "empty topic name", 0};
    }
    if (topic.size() > kMaximumTopicBytes) {  // [MQTT-4.7.3-3]
        return {reason::topic_name_invalid, "MQTT-4.7.3-3", "topic name over 65,535 bytes",
                kMaximumTopicBytes};
    }
    if (const Fault fault = text_fault(topic)) return fault;
    const std::size_t wildcard = topic.find_first_of("+#");
    // [MQTT-4.7.0-1], [MQTT-3.3.2-2]; 3.1.1 [MQTT-4.7.1-1]
    if (wildcard != std::string_view::npos) {
        return {reason::topic_name_invalid, "MQTT-4.7.0-1", "wildcard in a topic name",
                static_cast<std::uint32_t>(wildcard)};
    }
    return {};
}

Fault check_filter(std::string_view filter) {
    if (filter.empty()) {  // [MQTT-4.7.3-1]
        return {reason::topic_filter_invalid, "MQTT-4.7.3-1", "empty topic filter", 0};
    }
    if (filter.size() > kMaximumTopicBytes) {  // [MQTT-4.7.3-3]
        return {reason::topic_filter_invalid, "MQTT-4.7.3-3", "topic filter over 65,535 bytes",
                kMaximumTopicBytes};
    }
    if (!plain_text(filter)) {
        if (const Fault fault = text_fault(filter)) return fault;
    }
    if (!filter.starts_with(kSharePrefix)) return check_levels(filter, 0);

    const std::size_t name = kSharePrefix.size();
    const std::size_t slash = filter.find('/', name);
    const std::string_view share_name = filter.substr(name, slash - name);
    if (share_name.empty()) {  // [MQTT-4.8.2-1]
        return {reason::topic_filter_invalid, "MQTT-4.8.2-1", "$share without a share name",
                static_cast<std::uint32_t>(name)};
    }
    const std::size_t wildcard = share_name.find_first_of("+#");
    if (wildcard != std::string_view::npos) {  // [MQTT-4.8.2-2]
        return {reason::topic_filter_invalid, "MQTT-4.8.2-2", "wildcard in a share name",
                static_cast<std::uint32_t>(name + wildcard)};
    }
    if (slash == std::string_view::npos || slash + 1 == filter.size()) {  // [MQTT-4.8.2-2]
        return {reason::topic_filter_invalid, "MQTT-4.8.2-2", "share name without a topic filter",
                static_cast<std::uint32_t>(filter.size())};
    }
    return check_levels(filter, slash + 1);
}

bool matches(std::string_view filter, std::string_view topic) {
    // [MQTT-4.7.2-1]: what starts with $ is not for wildcards at the root.
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')))
        return false;
    Levels wanted(filter);
    Levels given(topic);
    while (!wanted.done()) {
        const std::string_view level = wanted.next();
        if (level == "#") return true;  // also the parent itself: "a/#" matches "a"
        if (given.done()) return false;
        const std::string_view name = given.next();
        // [MQTT-4.7.3-4]: byte by byte, nothing is normalized.
        if (level != "+" && level != name) return false;
    }
    return given.done();
}

SharedFilter split_shared(std::string_view filter) {
    if (!filter.starts_with(kSharePrefix)) return {false, {}, filter};
    filter.remove_prefix(kSharePrefix.size());
    const std::size_t slash = filter.find('/');
    return {true, filter.substr(0, slash), filter.substr(slash + 1)};
}

}  // namespace mqttwin::wire
