// An address that is computed once.
#pragma once

namespace mqttwin {

/// The same place, of which the compiler does not know how it was found. Where an address is an
/// index times the size of a record, g++ computes it again at each use rather than keep it: the
/// ends of a flow nine times a hop (bench/RESULTS.md, "Addresses that are kept").
template <typename T>
[[gnu::always_inline]] inline T& computed_once(T& place) {
    T* address = &place;
    asm("" : "+r"(address));
    return *address;
}

}  // namespace mqttwin
