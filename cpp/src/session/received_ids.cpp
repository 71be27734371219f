#include "mqttwin/session/received_ids.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace mqttwin {
namespace {

// An array of identifiers grows by doubling; where it would reach the size of a bitmap of all
// identifiers, it becomes one, so a blob's size says which of the two it is.
constexpr std::size_t kBitmapBytes = 65536 / 8;
constexpr std::size_t kFirstBytes = 24;  // the pool's smallest block

std::span<wire::PacketId> ids_in(std::span<std::uint8_t> bytes) {
    return {reinterpret_cast<wire::PacketId*>(bytes.data()), bytes.size() / 2};
}

std::span<const wire::PacketId> ids_in(ByteView bytes) {
    return {reinterpret_cast<const wire::PacketId*>(bytes.data()), bytes.size() / 2};
}

bool test_bit(ByteView bitmap, wire::PacketId id) {
    return ((bitmap[id / 8U] >> (id % 8U)) & 1U) != 0;
}

void flip_bit(std::span<std::uint8_t> bitmap, wire::PacketId id) {
    bitmap[id / 8U] = static_cast<std::uint8_t>(bitmap[id / 8U] ^ (1U << (id % 8U)));
}

}  // namespace

bool ReceivedIds::is_bitmap(const BlobPool& pool) const {
    return pool.bytes(members_).size() == kBitmapBytes;
}

bool ReceivedIds::contains(const BlobPool& pool, wire::PacketId id) const {
    if (count_ == 0) return false;
    const ByteView bytes = pool.bytes(members_);
    if (is_bitmap(pool)) return test_bit(bytes, id);
    const auto ids = ids_in(bytes).first(count_);
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool ReceivedIds::insert(BlobPool& pool, wire::PacketId id) {
    if (contains(pool, id)) return false;
    if (members_ == BlobId::none) members_ = pool.reserve(kFirstBytes);
    if (!is_bitmap(pool) && count_ == pool.bytes(members_).size() / 2) grow(pool);
    if (is_bitmap(pool)) {
        flip_bit(pool.writable(members_), id);
    } else {
        ids_in(pool.writable(members_))[count_] = id;
    }
    ++count_;
    return true;
}

bool ReceivedIds::erase(BlobPool& pool, wire::PacketId id) {
    if (count_ == 0) return false;
    if (is_bitmap(pool)) {
        if (!test_bit(pool.bytes(members_), id)) return false;
        flip_bit(pool.writable(members_), id);
    } else {
        const auto ids = ids_in(pool.writable(members_)).first(count_);
        const auto found = std::find(ids.begin(), ids.end(), id);
        if (found == ids.end()) return false;
        *found = ids.back();
    }
    if (--count_ == 0) clear(pool);
    return true;
}

void ReceivedIds::clear(BlobPool& pool) {
    pool.release(members_);
    *this = ReceivedIds{};
}

void ReceivedIds::grow(BlobPool& pool) {
    const std::size_t size = std::min(pool.bytes(members_).size() * 2, kBitmapBytes);
    const BlobId larger = pool.reserve(size);
    const auto to = pool.writable(larger);
    const auto ids = ids_in(pool.bytes(members_)).first(count_);
    if (size == kBitmapBytes) {
        std::memset(to.data(), 0, to.size());
        for (const wire::PacketId id : ids) flip_bit(to, id);
    } else {
        std::memcpy(to.data(), ids.data(), ids.size_bytes());
    }
    pool.release(members_);
    members_ = larger;
}

}  // namespace mqttwin
