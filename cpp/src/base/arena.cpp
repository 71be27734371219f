#include "mqttwin/base/arena.hpp"

#include <atomic>
#include <cstdlib>
#include <utility>

#include "huge_pages.hpp"

namespace mqttwin {

namespace {

constexpr std::size_t kLittle = kHugePage / 4;  // up to here pieces are blocks of their own
constexpr std::size_t kBlock = 2 * kHugePage;   // of many pieces
constexpr std::size_t kAlignment = 64;          // a line of the cache

std::atomic<std::size_t> spare_bytes{0};

constexpr std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

void Arena::Free::operator()(std::byte* block) const { std::free(block); }

Arena::Block Arena::make(std::size_t bytes) {
    return Block(static_cast<std::byte*>(allocate(bytes, kAlignment)));
}

Arena::~Arena() { spare_bytes.fetch_sub(left_, std::memory_order_relaxed); }

std::size_t Arena::spare() { return spare_bytes.load(std::memory_order_relaxed); }

std::byte* Arena::take(std::size_t bytes) {
    bytes = aligned(bytes);
    taken_ += bytes;
    if (taken_ <= kLittle || bytes > kBlock) {
        return blocks_.emplace_back(make(bytes)).get();
    }
    if (left_ < bytes) {
        next_ = blocks_.emplace_back(make(kBlock)).get();
        spare_bytes.fetch_add(kBlock - left_, std::memory_order_relaxed);  // the rest is lost
        left_ = kBlock;
    }
    left_ -= bytes;
    spare_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return std::exchange(next_, next_ + bytes);
}

}  // namespace mqttwin
