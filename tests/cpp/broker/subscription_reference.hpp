// What the subscription index is to be: a list of filters that is read from end to end, and random
// filters and topics for both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/topic.hpp"

#include "subscription_index.hpp"

namespace mqttwin::broker {

inline constexpr std::uint32_t kNone = SubscriptionIndex::kNone;

inline SubscriptionData data_with(std::uint32_t identifier, std::uint32_t group = 0) {
    SubscriptionData data;
    data.identifier = identifier;
    data.group = group & 0xFFFFFFU;
    return data;
}

/// A level drawn from few texts, so that filters and topics meet; one is empty, some are long.
inline std::string random_level(Stream& stream) {
    static const std::vector<std::string> texts{"",
                                                "a",
                                                "b",
                                                "c",
                                                "$d",
                                                "temperature",
                                                "a-level-that-does-not-fit-into-a-node",
                                                "a-level-that-does-not-fit-into-a-nodE"};
    return texts[stream.below(texts.size())];
}

inline std::string random_topic(Stream& stream) {
    std::string topic;
    do {
        const std::uint64_t levels = 1 + stream.below(5);
        topic = stream.below(8) == 0 ? "$SYS" : random_level(stream);
        for (std::uint64_t i = 1; i < levels; ++i) topic += "/" + random_level(stream);
    } while (topic.empty());
    return topic;
}

inline std::string random_filter(Stream& stream) {
    std::string filter;
    do {
        const std::uint64_t levels = 1 + stream.below(5);
        filter.clear();
        for (std::uint64_t i = 0; i < levels; ++i) {
            if (i > 0) filter += '/';
            const std::uint64_t kind = stream.below(10);
            if (kind == 0 || (i + 1 == levels && kind == 1)) {
                filter += '#';
                break;
            }
            filter += kind < 4 ? "+" : (i == 0 && kind == 4) ? "$SYS" : random_level(stream);
        }
    } while (filter.empty());
    return filter;
}

/// What the index is to be: a list that is read from end to end.
class Reference {
   public:
    bool subscribe(const std::string& filter, std::uint32_t session, const SubscriptionData& data) {
        for (auto& [known_filter, known_session, known_data] : list_) {
            if (known_filter == filter && known_session == session &&
                known_data.group == data.group) {
                known_data = data;
                return false;
            }
        }
        list_.emplace_back(filter, session, data);
        return true;
    }
    bool unsubscribe(const std::string& filter, std::uint32_t session, std::uint32_t group) {
        return std::erase_if(list_, [&](const auto& entry) {
                   return std::get<0>(entry) == filter && std::get<1>(entry) == session &&
                          std::get<2>(entry).group == group;
               }) > 0;
    }
    std::size_t remove_session(std::uint32_t session) {
        return std::erase_if(list_,
                             [&](const auto& entry) { return std::get<1>(entry) == session; });
    }
    /// (filter, session, data) of what matches, by filter and then by order of subscription.
    [[nodiscard]] auto matches(std::string_view topic) const {
        auto found = list_;
        std::erase_if(found,
                      [&](const auto& entry) { return !wire::matches(std::get<0>(entry), topic); });
        sort_by_filter(found);
        return found;
    }
    [[nodiscard]] auto of_session(std::uint32_t session) const {
        auto found = list_;
        std::erase_if(found, [&](const auto& entry) { return std::get<1>(entry) != session; });
        sort_by_filter(found);
        return found;
    }
    [[nodiscard]] std::size_t size() const { return list_.size(); }

    using List = std::vector<std::tuple<std::string, std::uint32_t, SubscriptionData>>;
    static void sort_by_filter(List& list) {
        std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
            return std::get<0>(a) < std::get<0>(b);
        });
    }

   private:
    List list_;
};

/// The index with the heads that sessions would keep. Identifiers of subscriptions number filters,
/// so that a test knows which filter a visit came from.
struct Subject {
    SubscriptionIndex index{42};
    std::map<std::uint32_t, std::uint32_t> heads;
    std::vector<std::string> filters;

    std::uint32_t& head(std::uint32_t session) {
        return heads.try_emplace(session, kNone).first->second;
    }
    std::uint32_t number_of(const std::string& filter) {
        const auto found = std::find(filters.begin(), filters.end(), filter);
        if (found != filters.end()) return static_cast<std::uint32_t>(found - filters.begin());
        filters.push_back(filter);
        return static_cast<std::uint32_t>(filters.size() - 1);
    }
    Reference::List matches(std::string_view topic, std::uint32_t* hint = nullptr) {
        Reference::List found;
        const auto visit = [&](std::uint32_t session, const SubscriptionData& data) {
            found.emplace_back(filters[data.identifier], session, data);
        };
        if (hint == nullptr) {
            index.for_each_match(topic, visit);
        } else {
            index.match(topic, *hint);
            index.for_each_matched(visit);
        }
        return found;
    }
};

}  // namespace mqttwin::broker
