// The operator behind every container: malloc, but large blocks lie on huge pages (huge_pages.hpp).
// free() takes back what it gives; it does not matter who calls whose operator.
#include "huge_pages.hpp"

#if MQTTWIN_OWN_OPERATOR_NEW

#include <cstdlib>
#include <new>

void* operator new(std::size_t size) { return mqttwin::allocate(size, 1); }

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { std::free(block); }

#endif
