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

/// For the whole huge pages within a block, of which no more is taken than what is touched. Without
/// effect where the system has none.
void ask_for_huge_pages(void* block, std::size_t size) noexcept;

}  // namespace mqttwin
