// Retained messages: a handle for each topic, found by topic or by filter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"

#include "level_table.hpp"

namespace mqttwin::broker {

/// The retained message of each topic, as a handle whose meaning is the caller's.
class RetainedStore {
   public:
    /// "No message"; never a handle.
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    /// `key` keys the hashes of the text that peers choose.
    explicit RetainedStore(std::uint64_t key) : nodes_(key) {}

    /// Returns the handle that was replaced, or kNone.
    std::uint32_t set(std::string_view topic, std::uint32_t handle);
    /// Returns the handle that the topic had, or kNone.
    std::uint32_t erase(std::string_view topic);
    /// The handle of a topic, or kNone.
    [[nodiscard]] std::uint32_t find(std::string_view topic) const;

    /// Calls visitor(std::string_view topic, std::uint32_t handle) for each topic that a valid
    /// filter (without `$share/…/`) matches, in the order in which they were last set, oldest
    /// first. The text lives until the visitor returns. The visitor must not change this store.
    template <typename Visitor>
    void for_each_match(std::string_view filter, Visitor&& visitor) const {
        std::string topic;
        for (const Match& match : find_matches(filter)) {
            topic.clear();
            nodes_.append_path(match.node, topic);
            visitor(std::string_view(topic), nodes_.at(match.node).payload.handle);
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    /// Bytes held.
    [[nodiscard]] std::size_t footprint() const { return nodes_.footprint(); }
    void archive(Archive& a) { a(nodes_, size_, sets_); }
    void clear();

   private:
    /// A node's message, and its place among the children of its parent, which are in no order.
    struct Topic {
        std::uint32_t handle = kNone;
        std::uint32_t set_low = 0;  // when it was set, counted in calls of set()
        std::uint32_t set_high = 0;
        std::uint32_t first_child = 0;  // ids of nodes; 0 is none
        std::uint32_t next = 0;
        std::uint32_t previous = 0;
        [[nodiscard]] bool empty() const { return handle == kNone; }
    };
    using Nodes = LevelTable<Topic>;
    using Node = Nodes::Node;

    struct Match {
        std::uint64_t set = 0;
        std::uint32_t node = 0;
    };

    [[nodiscard]] std::vector<Match> find_matches(std::string_view filter) const;
    void accept(const Node& node, std::vector<Match>& matches) const;
    void accept_below(std::uint32_t top, std::vector<Match>& matches) const;
    void link(Node& node);
    void unlink(const Node& node);

    Nodes nodes_;
    std::size_t size_ = 0;
    std::uint64_t sets_ = 0;
};

}  // namespace mqttwin::broker
