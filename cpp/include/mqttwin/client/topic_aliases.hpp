// Topic aliases of one connection, in either direction (MQTT 5.0, 3.3.2.3.4).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/blob_pool.hpp"

namespace mqttwin::client {

/// The topics behind the peer's aliases. Costs what the peer has used; `clear` before letting go.
class InboundAliases {
   public:
    /// Precondition: alias > 0.
    void set(BlobPool& pool, std::uint16_t alias, std::string_view topic);
    /// The topic behind an alias, BlobId::none where there is none.
    [[nodiscard]] BlobId find(std::uint16_t alias) const {
        return alias <= topics_.size() ? topics_[alias - 1U] : BlobId::none;
    }
    void clear(BlobPool& pool);
    void archive(Archive& a) { a(topics_); }

   private:
    std::vector<BlobId> topics_;
};

/// Own aliases for topics: the first `limit` topics that are asked for get one and keep it, so that
/// no alias ever changes its meaning on a connection.
class OutboundAliases {
   public:
    void allow(std::uint16_t limit) { limit_ = limit; }
    [[nodiscard]] bool allowed() const { return limit_ > 0; }

    struct Use {
        std::uint16_t alias = 0;  // 0: the topic has none, and gets none
        bool known = false;       // the peer has seen it together with its topic
    };
    [[nodiscard]] Use find(const BlobPool& pool, std::string_view topic) const;
    /// After `find` gave an alias that is not known: the peer is being told.
    void add(BlobPool& pool, std::string_view topic);
    void clear(BlobPool& pool);
    void archive(Archive& a) { a(topics_, by_topic_, limit_); }

   private:
    void rehash(const BlobPool& pool);
    [[nodiscard]] std::size_t place(const BlobPool& pool, std::string_view topic) const;

    std::vector<BlobId> topics_;           // of alias n at n - 1
    std::vector<std::uint16_t> by_topic_;  // aliases in a hash table, 0 is a free place
    std::uint16_t limit_ = 0;
};

}  // namespace mqttwin::client
