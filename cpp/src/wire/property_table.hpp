// The table of properties, as the rest of the room uses it.
#pragma once

#include <array>
#include <cstdint>

#include "mqttwin/wire/properties.hpp"

#include "reader.hpp"

namespace mqttwin::wire {

/// Every property, ordered by identifier (MQTT 5.0, table 2-4).
extern const std::array<PropertyRule, 27> kPropertyRules;

/// Bit n: property n may stand in this place. What a packet may not carry is never written.
std::uint64_t properties_allowed(PropertyPlaces place);

bool read_some_properties(Reader& reader, PropertyPlaces place, Properties& out);

/// Reads a property length and the properties of a packet of a 5.0 connection. `out` must be in
/// its default state. Single values are checked here; what needs another field, by the caller.
inline bool read_properties(Reader& reader, PropertyPlaces place, Properties& out) {
    if (reader.left() > 0 && *reader.position() == 0) [[likely]] {
        reader.skip_to(reader.position() + 1);
        return true;
    }
    return read_some_properties(reader, place, out);
}

inline std::size_t big_endian_at(const std::uint8_t* p) { return (std::size_t{p[0]} << 8) | p[1]; }

/// Bytes of a property with its identifier, in a validated run.
std::size_t property_size(const std::uint8_t* p);

/// Calls `use(ByteView)` with every unbroken run of user properties, identifiers included, in a
/// validated run of properties: what is sent on as it came need not be taken apart.
template <class Use>
void each_user_property_run(ByteView encoded, Use use) {
    constexpr auto kUser = static_cast<std::uint8_t>(Property::user_property);
    const std::uint8_t* at = encoded.data();
    const std::uint8_t* const end = at + encoded.size();
    while (at < end) {
        const std::uint8_t* const first = at;
        while (at < end && *at == kUser) {
            at += 3 + big_endian_at(at + 1);  // the name
            at += 2 + big_endian_at(at);      // the value
        }
        if (at > first) use(ByteView(first, at));
        if (at < end) at += property_size(at);
    }
}

/// The default state, at no cost when it is there already.
inline void clear(Properties& properties) {
    if (!properties.empty()) properties = Properties{};
}

}  // namespace mqttwin::wire
