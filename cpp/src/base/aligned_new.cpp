// The same as operator_new.cpp for what is aligned more than usual. Apart from it, so that a
// program may have a plain operator of its own.
#include "huge_pages.hpp"

#if MQTTWIN_OWN_OPERATOR_NEW

#include <cstdlib>
#include <new>

void* operator new(std::size_t size, std::align_val_t alignment) {
    return mqttwin::allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* block, std::align_val_t /*alignment*/) noexcept { std::free(block); }
void operator delete(void* block, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    std::free(block);
}

#endif
