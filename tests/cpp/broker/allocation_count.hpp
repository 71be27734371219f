// How often this test program has asked the system for memory.
#pragma once

#include <cstddef>

namespace mqttwin::broker {

std::size_t allocation_count();

}  // namespace mqttwin::broker
