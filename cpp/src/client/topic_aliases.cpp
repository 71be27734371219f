#include "mqttwin/client/topic_aliases.hpp"

#include <cassert>

#include "mqttwin/base/hash.hpp"

namespace mqttwin::client {
namespace {

constexpr std::size_t kFirstPlaces = 16;  // a power of two, as all sizes of the table

}  // namespace

void InboundAliases::set(BlobPool& pool, std::uint16_t alias, std::string_view topic) {
    assert(alias > 0);
    if (topics_.size() < alias) topics_.resize(alias, BlobId::none);
    BlobId& slot = topics_[alias - 1U];
    if (as_text(pool.bytes(slot)) == topic) return;
    pool.release(slot);
    slot = pool.make(as_bytes(topic));
}

void InboundAliases::clear(BlobPool& pool) {
    for (const BlobId topic : topics_) pool.release(topic);
    topics_.clear();
}

// Where a topic is, or the free place where it would be.
std::size_t OutboundAliases::place(const BlobPool& pool, std::string_view topic) const {
    const std::size_t mask = by_topic_.size() - 1;
    std::size_t at = hash_text(topic) & mask;
    while (by_topic_[at] != 0 && as_text(pool.bytes(topics_[by_topic_[at] - 1U])) != topic) {
        at = (at + 1) & mask;
    }
    return at;
}

OutboundAliases::Use OutboundAliases::find(const BlobPool& pool, std::string_view topic) const {
    if (!by_topic_.empty()) {
        const std::uint16_t alias = by_topic_[place(pool, topic)];
        if (alias != 0) return {alias, true};
    }
    if (topics_.size() >= limit_) return {};  // [MQTT-3.2.2-17]; and none is 0 [MQTT-3.3.2-8]
    return {static_cast<std::uint16_t>(topics_.size() + 1), false};
}

void OutboundAliases::add(BlobPool& pool, std::string_view topic) {
    topics_.push_back(pool.make(as_bytes(topic)));
    // At most half full, so that looking for a place ends soon.
    if (topics_.size() * 2 > by_topic_.size()) {
        rehash(pool);
    } else {
        by_topic_[place(pool, topic)] = static_cast<std::uint16_t>(topics_.size());
    }
}

void OutboundAliases::rehash(const BlobPool& pool) {
    by_topic_.assign(by_topic_.empty() ? kFirstPlaces : by_topic_.size() * 2, 0);
    for (std::size_t n = 0; n < topics_.size(); ++n) {
        const std::string_view topic = as_text(pool.bytes(topics_[n]));
        by_topic_[place(pool, topic)] = static_cast<std::uint16_t>(n + 1);
    }
}

void OutboundAliases::clear(BlobPool& pool) {
    for (const BlobId topic : topics_) pool.release(topic);
    topics_.clear();
    by_topic_.clear();
    limit_ = 0;
}

}  // namespace mqttwin::client
