// Shared subscriptions: which group a `$share/NAME/FILTER` is, and whose turn it is.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/session/slab.hpp"

#include "text_table.hpp"

namespace mqttwin::broker {

/// Groups by the whole text of the shared subscription: the same name with another filter is
/// another group (4.8.2). A group lives while it has members, or messages that came by it.
class Groups {
   public:
    /// SubscriptionData::group of "not shared".
    static constexpr std::uint32_t kNoGroup = 0;
    /// So many at once: what a subscription has room for.
    static constexpr std::uint32_t kMost = (1U << 24U) - 1;

    /// The group with this text, or kNoGroup.
    [[nodiscard]] std::uint32_t find(const BlobPool& pool, std::string_view text,
                                     std::uint32_t hash) const;
    /// A group without members. Precondition: there is none with this text.
    std::uint32_t make(BlobPool& pool, std::string_view text, std::uint32_t hash);

    void join(std::uint32_t group) { ++groups_[group - 1].members; }
    void leave(BlobPool& pool, std::uint32_t group);
    [[nodiscard]] std::uint32_t members(std::uint32_t group) const {
        return groups_[group - 1].members;
    }
    /// For each message that came by the group and is owed to a member; kNoGroup is nothing.
    void hold(std::uint32_t group) {
        if (group != kNoGroup) ++groups_[group - 1].held;
    }
    void release(BlobPool& pool, std::uint32_t group);

    /// Counts up with every message of the group.
    std::uint32_t next_turn(std::uint32_t group) { return groups_[group - 1].turn++; }
    [[nodiscard]] std::uint32_t hash(std::uint32_t group) const { return groups_[group - 1].hash; }
    /// The session that got the group's last message; none in the beginning.
    [[nodiscard]] std::uint32_t latest(std::uint32_t group) const {
        return groups_[group - 1].latest;
    }
    void set_latest(std::uint32_t group, std::uint32_t session) {
        groups_[group - 1].latest = session;
    }
    [[nodiscard]] std::size_t size() const { return groups_.live(); }
    void archive(Archive& a) { a(groups_, by_text_); }

   private:
    struct Group {
        BlobId text = BlobId::none;
        std::uint32_t hash = 0;
        std::uint32_t members = 0;
        std::uint32_t held = 0;
        std::uint32_t turn = 0;
        std::uint32_t latest = 0xFFFF'FFFFU;
    };
    void end_if_unused(BlobPool& pool, std::uint32_t group);

    Slab<Group> groups_;  // at index group - 1
    TextTable by_text_;
};

}  // namespace mqttwin::broker
