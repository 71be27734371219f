// The operator behind every container: malloc, which asks for huge pages where a block is large.
// free() takes back what it gives; it does not matter who calls whose operator.
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
#include <cstdlib>
#include <new>

#include "huge_pages.hpp"

namespace {

void* take(std::size_t size) noexcept {
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (block != nullptr && size >= 2 * mqttwin::kHugePage) {
        mqttwin::ask_for_huge_pages(block, size);
    }
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
