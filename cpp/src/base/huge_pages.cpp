#include "huge_pages.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

#include <stdlib.h>  // posix_memalign

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mqttwin {

namespace {

constexpr std::size_t kMany = std::size_t{64} << 10U;  // bytes of many records
constexpr std::size_t kLine = 64;                      // of the cache

/// The last page of a block is a huge one, too, if at least half of it is used.
std::size_t with_whole_last_page(std::size_t size) noexcept {
    const std::size_t tail = size % kHugePage;
    const bool possible = size <= std::numeric_limits<std::size_t>::max() - kHugePage;
    return tail >= kHugePage / 2 && possible ? size + (kHugePage - tail) : size;
}

void* take(std::size_t size, std::size_t alignment) noexcept {
    const bool large = size >= kHugePage / 2;
    if (large) {
        alignment = std::max(alignment, kHugePage);
        size = with_whole_last_page(size);
    }
    if (size >= kMany) alignment = std::max(alignment, kLine);
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size == 0 ? 1 : size);
    void* block = nullptr;
    if (::posix_memalign(&block, alignment, size) != 0) return nullptr;
    if (large) ask_for_huge_pages(block, size);
    return block;
}

}  // namespace

/// As the standard wants it: whoever can find more memory is asked until there is some.
void* allocate(std::size_t size, std::size_t alignment) {
    for (;;) {
        if (void* const block = take(size, alignment)) return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc();
        handler();
    }
}

void ask_for_huge_pages([[maybe_unused]] void* block, [[maybe_unused]] std::size_t size) noexcept {
#if defined(__linux__)
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
    const std::uintptr_t end = (begin + size) / kHugePage * kHugePage;
    if (first >= end) return;
    // Refused where the kernel has none: then it is as it was.
    (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#endif
}

}  // namespace mqttwin
