// Payloads: fields and how they become bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/fleet/column.hpp"
#include "mqttwin/fleet/generator.hpp"

namespace mqttwin::fleet {

/// The largest payload: it fits into an MQTT packet beside any topic.
inline constexpr std::uint32_t kMaximumPayload = 268'369'920;

struct FieldSpec {
    std::string name;
    GeneratorSpec value;
    void archive(Archive& a) { a(name, value); }
};

/// What a payload is made of. Use the makers below.
struct PayloadSpec {
    enum class Format : std::uint8_t { json, msgpack, raw, text, constant, random };
    Format format = Format::constant;
    std::vector<FieldSpec> fields;
    std::string layout;               // raw
    std::vector<std::uint8_t> bytes;  // constant
    Column size = 0.0;                // random
    /// Shorter payloads are filled up: JSON and text with spaces at the end, MessagePack with a
    /// last entry "pad" of zero bytes, everything else with zero bytes.
    std::uint32_t minimum_size = 0;

    void archive(Archive& a) { a(format, fields, layout, bytes, size, minimum_size); }

    /// A compact JSON object. Real numbers are the shortest text that reads back as the same
    /// double (or have their fixed digits); a missing or infinite value is null.
    static PayloadSpec json(std::vector<FieldSpec> fields);
    /// A MessagePack map: integers in their shortest form, reals as float 64, missing as nil.
    static PayloadSpec msgpack(std::vector<FieldSpec> fields);
    /// A packed structure in the notation of Python's struct module, whose first character must
    /// give the byte order ("<", ">", "!" or "="), so that there is no alignment: codes
    /// x ? b B h H i I l L q Q f d s with counts. Reals are rounded for integer codes. What does
    /// not fit is saturated, a text cut, a missing value 0 (NaN for f and d); `saturated()` counts.
    static PayloadSpec raw(std::string layout, std::vector<FieldSpec> fields);
    /// One bare value as text: 21.4
    static PayloadSpec text(GeneratorSpec value);
    static PayloadSpec constant(std::vector<std::uint8_t> bytes);
    /// Random bytes; the size is a number a device (its fraction is cut off).
    static PayloadSpec random(Column size);
};

/// One value of a structure: its code, its bytes, and the zero bytes in front of it.
struct StructItem {
    char code = 0;
    std::uint32_t size = 0;
    std::uint32_t pad_before = 0;
};

/// Refuses what no fleet could make right.
void check(const PayloadSpec& spec);

/// A payload for one fleet.
class Payload {
   public:
    Payload(const PayloadSpec& spec, const Population& population, std::string_view purpose);

    /// The payload of message `n` of a device; the view is valid until the next call. Messages of
    /// a device are asked for in order.
    ByteView encode(Device device, std::uint32_t n, Instant now);

    /// Values that did not fit into their raw code.
    [[nodiscard]] std::uint64_t saturated() const { return saturated_; }
    void prefetch(Device device) const;
    /// Appends the columns of mutable state, always in the same order (snapshots).
    void state(std::vector<std::span<std::uint8_t>>& columns);

   private:
    using Format = PayloadSpec::Format;
    struct Field {
        Generator generator;
        std::vector<std::uint8_t> before;  // encoded: JSON `,"name":`, MessagePack key
        StructItem item;                   // raw
    };

    void bind_fields(const PayloadSpec& spec, const Population& population,
                     std::string_view purpose);
    ByteView random_bytes(Device device, std::uint32_t n);
    ByteView padded(std::uint8_t* end);

    Format format_ = Format::constant;
    bool big_endian_ = false;
    bool needs_gap_ = false;
    std::uint32_t minimum_size_ = 0;
    std::uint64_t saturated_ = 0;
    std::vector<Field> fields_;
    std::vector<std::uint8_t> tail_;
    Column size_;
    StreamKey key_{};
    std::shared_ptr<const std::vector<std::uint8_t>> constant_;
    std::vector<std::int64_t> previous_;  // the instant of the last message, where needed
    std::vector<std::uint8_t> scratch_;
};

}  // namespace mqttwin::fleet
