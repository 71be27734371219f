// Certificates that can be parsed, for captures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mqttwin::net {

/// A certificate of `bytes` bytes in DER (128 to 64 KiB): the signature takes what is left, and
/// where the length of a length is in the way, the serial number.
std::vector<std::uint8_t> certificate_of(std::size_t bytes);

}  // namespace mqttwin::net
