// Large blocks lie on huge pages.
//
// A world of a million devices touches a few lines of memory in each of them, in an order that no
// prefetcher guesses; with pages of 4 KiB nearly each is a miss of the TLB as well. The C library
// asks for huge pages if it is told so (GLIBC_TUNABLES=glibc.malloc.hugetlb=1), but only when a
// process starts, which is Python's affair. So we ask: for large containers (operator_new.cpp) and
// for what comes in chunks (arena.hpp).
#pragma once

#include <cstddef>

namespace mqttwin {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20U;

// Sanitizers have operators of their own.
#if defined(__has_feature)
#define MQTTWIN_HAS_FEATURE(name) __has_feature(name)
#else
#define MQTTWIN_HAS_FEATURE(name) 0
#endif
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !MQTTWIN_HAS_FEATURE(address_sanitizer) && !MQTTWIN_HAS_FEATURE(thread_sanitizer) &&     \
    !MQTTWIN_HAS_FEATURE(memory_sanitizer)
#define MQTTWIN_OWN_OPERATOR_NEW 1
#else
#define MQTTWIN_OWN_OPERATOR_NEW 0
#endif
#undef MQTTWIN_HAS_FEATURE

/// For the whole huge pages within a block, of which no more is taken than what is touched. Without
/// effect where the system has none.
void ask_for_huge_pages(void* block, std::size_t size) noexcept;

/// What an operator new gives: a block for std::free. Where it holds many records, those that
/// divide a line of the cache lie in one; from half a huge page on it lies on huge ones, and may be
/// up to half of one larger than was asked for. Throws std::bad_alloc.
void* allocate(std::size_t size, std::size_t alignment);

}  // namespace mqttwin
