// Shared subscriptions: which group a `$share/NAME/FILTER` is, and whose turn it is.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/session/slab.hpp"

#include "text_table.hpp"

namespace mqttwin::broker {

/// Groups by the whole text of the shared subscription: the same name with another filter is
/// another group (4.8.2). A group lives while it has members.
class Groups {
   public:
    /// SubscriptionData::group of "not shared".
    static constexpr std::uint32_t kNoGroup = 0;

    /// The group with this text, or kNoGroup.
    [[nodiscard]] std::uint32_t find(const BlobPool& pool, std::string_view text,
                                     std::uint32_t hash) const;
    /// A group without members. Precondition: there is none with this text.
    std::uint32_t make(BlobPool& pool, std::string_view text, std::uint32_t hash);

    void join(std::uint32_t group) { ++groups_[group - 1].members; }
    void leave(BlobPool& pool, std::uint32_t group);

    /// Counts up with every message of the group.
    std::uint32_t next_turn(std::uint32_t group) { return groups_[group - 1].turn++; }

   private:
    struct Group {
        BlobId text = BlobId::none;
        std::uint32_t hash = 0;
        std::uint32_t members = 0;
        std::uint32_t turn = 0;
    };
    Slab<Group> groups_;  // at index group - 1
    TextTable by_text_;
};

}  // namespace mqttwin::broker
