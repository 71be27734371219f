// Loading early what is going to be touched.
#pragma once

#include <cstddef>

namespace mqttwin {

/// Starts loading the line of the cache that holds this address, which need not be one.
///
/// Not __builtin_prefetch where it can be helped: g++ 12 takes a function that does nothing else
/// for one without effect, and leaves calls of it out.
inline void prefetch(const void* address) {
#if defined(__x86_64__) || defined(__amd64__)
    asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address);
#endif
}

/// The same for every line of a record, wherever it begins.
template <typename Record>
void prefetch_all(const Record& record) {
    const auto* bytes = reinterpret_cast<const char*>(&record);
    for (std::size_t line = 0; line < sizeof record; line += 64) prefetch(bytes + line);
    if (alignof(Record) < 64) prefetch(bytes + sizeof record - 1);
}

}  // namespace mqttwin
