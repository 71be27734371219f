#include "reader.hpp"

namespace mqttwin::wire {

bool Reader::uncommon_text(std::string_view text, std::string_view what) {
    const TextProblem problem = find_text_problem(text);
    if (problem.flaw == TextFlaw::none) return true;
    const auto* where = reinterpret_cast<const std::uint8_t*>(text.data()) + problem.offset;
    if (problem.flaw == TextFlaw::null) {  // [MQTT-1.5.4-2]
        return fail_at(where, reason::malformed_packet, clause::kNull, "U+0000 in a string");
    }
    return fail_at(where, reason::malformed_packet, clause::kUtf8, what);  // [MQTT-1.5.4-1]
}

bool Reader::long_variable(std::uint32_t& out) {
    const std::uint8_t* const first = at_;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        std::uint8_t b = 0;
        if (!byte(b)) return false;
        value |= std::uint32_t{b & 0x7FU} << (7 * i);
        if (b & 0x80U) continue;
        if (b == 0 && i > 0) {  // [MQTT-1.5.5-1]
            return fail_at(first, reason::malformed_packet, clause::kShortestForm,
                           "variable byte integer not in its shortest form");
        }
        out = value;
        return true;
    }
    return fail_at(first, reason::malformed_packet, clause::kViolation,
                   "variable byte integer of more than four bytes");
}

bool read_flags(Reader& reader, const Frame& frame) {
    const PacketType type = frame.type();
    const bool request = type == PacketType::pubrel || type == PacketType::subscribe ||
                         type == PacketType::unsubscribe;
    std::uint8_t flags = frame.flags();
    if (request && reader.version() == Version::v3) flags &= 0x07;  // DUP: MQTT 3.1, section 2.1
    if (flags == (request ? 0x02 : 0x00)) return true;
    Clause clause = clause::kFlags;  // 3.1.1 [MQTT-2.2.2-2]
    switch (type) {
        case PacketType::pubrel:  // [MQTT-3.6.1-1]
            clause = {"MQTT-3.6.1-1", "MQTT-3.6.1-1"};
            break;
        case PacketType::subscribe:  // [MQTT-3.8.1-1]
            clause = {"MQTT-3.8.1-1", "MQTT-3.8.1-1"};
            break;
        case PacketType::unsubscribe:  // [MQTT-3.10.1-1]
            clause = {"MQTT-3.10.1-1", "MQTT-3.10.1-1"};
            break;
        case PacketType::disconnect:  // [MQTT-3.14.1-1]
            clause = {"MQTT-3.14.1-1", "MQTT-3.14.1-1"};
            break;
        case PacketType::auth:  // [MQTT-3.15.1-1]
            clause = {"MQTT-3.15.1-1", "MQTT-4.8.0-1"};
            break;
        default:
            break;
    }
    return reader.fail_first(reason::malformed_packet, clause,
                             "reserved flags of the fixed header");
}

}  // namespace mqttwin::wire
