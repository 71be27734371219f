// Large blocks lie on huge pages.
//
// A world of a million devices touches a few lines of memory in each of them, in an order that no
// prefetcher guesses; with pages of 4 KiB nearly each is a miss of the TLB as well. The C library
// asks for huge pages if it is told so (GLIBC_TUNABLES=glibc.malloc.hugetlb=1), but only when a
// process starts, which is Python's affair. So the operator behind every container is ours: it is
// malloc, and for what is large it asks. free() takes back what it gives; it does not matter who
// calls whose operator.
#if defined(__has_feature)
#define MQTTWIN_HAS_FEATURE(name) __has_feature(name)
#else
#define MQTTWIN_HAS_FEATURE(name) 0
#endif

// Sanitizers have operators of their own.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !MQTTWIN_HAS_FEATURE(address_sanitizer) && !MQTTWIN_HAS_FEATURE(thread_sanitizer) &&     \
    !MQTTWIN_HAS_FEATURE(memory_sanitizer)

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <sys/mman.h>

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U;

void* take(std::size_t size) noexcept {
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (size < 2 * kHugePage || block == nullptr) return block;
    // What is less than a page at the ends stays as it is: no byte more is taken than is touched.
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
    const std::uintptr_t end = (begin + size) / kHugePage * kHugePage;
    // Refused where the kernel has none: then it is as with malloc.
    (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
    return block;
}

}  // namespace

void* operator new(std::size_t size) {
    for (;;) {
        if (void* const block = take(size)) return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc();
        handler();
    }
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { std::free(block); }

#endif
