#include "groups.hpp"

#include "mqttwin/base/bytes.hpp"

namespace mqttwin::broker {

std::uint32_t Groups::find(const BlobPool& pool, std::string_view text, std::uint32_t hash) const {
    const std::uint32_t index = by_text_.find(hash, [&](std::uint32_t candidate) {
        return as_text(pool.bytes(groups_[candidate].text)) == text;
    });
    return index == TextTable::kNone ? kNoGroup : index + 1;
}

std::uint32_t Groups::make(BlobPool& pool, std::string_view text, std::uint32_t hash) {
    const std::uint32_t index = groups_.take();
    groups_[index].text = pool.make(as_bytes(text));
    groups_[index].hash = hash;
    by_text_.insert(hash, index);
    return index + 1;
}

void Groups::leave(BlobPool& pool, std::uint32_t group) {
    --groups_[group - 1].members;
    end_if_unused(pool, group);
}

void Groups::release(BlobPool& pool, std::uint32_t group) {
    if (group == kNoGroup) return;
    --groups_[group - 1].held;
    end_if_unused(pool, group);
}

void Groups::end_if_unused(BlobPool& pool, std::uint32_t group) {
    const Group& g = groups_[group - 1];
    if (g.members > 0 || g.held > 0) return;
    by_text_.erase(g.hash, group - 1);
    pool.release(g.text);
    groups_.give_back(group - 1);
}

}  // namespace mqttwin::broker
