// Topic names and topic filters: their rules, and matching one against the other.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/fault.hpp"

namespace mqttwin::wire {

/// Well-formed UTF-8 as MQTT means it: no surrogates, no over-long forms, no U+0000
/// [MQTT-1.5.4-1], [MQTT-1.5.4-2].
bool valid_utf8(std::string_view text);

/// Faults of a topic name: empty, a wildcard, U+0000, over 65,535 bytes, bad UTF-8.
Fault check_topic_name(std::string_view topic);
/// Whether it is like most: ASCII without wildcards, of which check_topic_name finds no fault.
/// False says nothing.
bool is_common_topic_name(std::string_view topic);

/// Faults of a topic filter, `$share/NAME/FILTER` included.
Fault check_filter(std::string_view filter);

/// Whether a (valid) filter without `$share` prefix matches a (valid) topic name: `+`, `#`, and
/// no wildcard at the root for names that start with `$` [MQTT-4.7.2-1]. Reads level by level;
/// the subscription tree is judged against it.
bool matches(std::string_view filter, std::string_view topic);

struct SharedFilter {
    bool shared = false;
    std::string_view share_name;
    std::string_view filter;  // the whole filter where it is not shared
};
/// Takes `$share/NAME/FILTER` apart. Precondition: check_filter found no fault.
SharedFilter split_shared(std::string_view filter);

/// Walks the levels of a topic; "a//b" has an empty one in the middle.
class Levels {
   public:
    explicit Levels(std::string_view topic) : rest_(topic) {}
    [[nodiscard]] bool done() const { return done_; }
    std::string_view next() {
        const auto slash = rest_.find('/');
        const std::string_view level = rest_.substr(0, slash);
        if (slash == std::string_view::npos) {
            done_ = true;
        } else {
            rest_.remove_prefix(slash + 1);
        }
        return level;
    }

   private:
    std::string_view rest_;
    bool done_ = false;
};

}  // namespace mqttwin::wire
