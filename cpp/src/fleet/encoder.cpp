#include "mqttwin/fleet/encoder.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"
#include "struct_layout.hpp"
#include "write_json.hpp"
#include "write_msgpack.hpp"

namespace mqttwin::fleet {

namespace {

using Format = PayloadSpec::Format;

bool has_names(Format format) { return format == Format::json || format == Format::msgpack; }

// For error messages and as part of the stream's name: raw fields may have no name.
std::string label_of(const PayloadSpec& spec, std::size_t i) {
    return spec.fields[i].name.empty() ? "field " + number_text(i) : spec.fields[i].name;
}

void check_names(const PayloadSpec& spec) {
    for (std::size_t i = 0; i < spec.fields.size(); ++i) {
        const std::string& name = spec.fields[i].name;
        if (name.empty()) {
            if (has_names(spec.format)) refuse(label_of(spec, i), {"must have a name"});
            continue;
        }
        if (!wire::valid_utf8(name)) refuse("field name", {"must be UTF-8 without U+0000"});
        if (name.size() > kMaximumText) refuse("field name", {"is longer than 65535 bytes"});
        const bool has_pad = spec.format == Format::msgpack && spec.minimum_size > 0;
        if (has_pad && name == "pad") {
            refuse("field \"pad\"", {"is what fills a payload up to minimum_size"});
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (spec.fields[j].name == name) {
                refuse(join({"field \"", name, "\""}), {"there are two of this name"});
            }
        }
    }
}

void check_layout(const PayloadSpec& spec) {
    const StructLayout layout = parse_struct_layout(spec.layout);
    if (layout.items.size() != spec.fields.size()) {
        refuse("struct layout",
               {"\"", spec.layout, "\" has ", number_text(layout.items.size()), " values, but ",
                number_text(spec.fields.size()), " fields are given"});
    }
}

std::vector<std::uint8_t> encoded(std::size_t room, auto write) {
    std::vector<std::uint8_t> bytes(room);
    const std::uint8_t* const end = write(bytes.data());
    bytes.resize(static_cast<std::size_t>(end - bytes.data()));
    return bytes;
}

std::vector<std::uint8_t> json_key(const std::string& name, bool is_first) {
    return encoded(name.size() * kMaximumJsonEscape + 4, [&](std::uint8_t* out) {
        out = put(out, is_first ? "{" : ",");
        return put(put_quoted(out, name), ":");
    });
}

std::vector<std::uint8_t> msgpack_key(const std::string& name, bool is_first, std::size_t entries) {
    return encoded(name.size() + 2 * kMaximumMsgpackHead, [&](std::uint8_t* out) {
        if (is_first) out = put_msgpack_map(out, entries);
        return put_msgpack_text(out, name);
    });
}

}  // namespace

PayloadSpec PayloadSpec::json(std::vector<FieldSpec> fields) {
    PayloadSpec spec;
    spec.format = Format::json;
    spec.fields = std::move(fields);
    return spec;
}

PayloadSpec PayloadSpec::msgpack(std::vector<FieldSpec> fields) {
    PayloadSpec spec = json(std::move(fields));
    spec.format = Format::msgpack;
    return spec;
}

PayloadSpec PayloadSpec::raw(std::string layout, std::vector<FieldSpec> fields) {
    PayloadSpec spec = json(std::move(fields));
    spec.format = Format::raw;
    spec.layout = std::move(layout);
    return spec;
}

PayloadSpec PayloadSpec::text(GeneratorSpec value) {
    PayloadSpec spec;
    spec.format = Format::text;
    spec.fields.push_back({"value", std::move(value)});
    return spec;
}

PayloadSpec PayloadSpec::constant(std::vector<std::uint8_t> bytes) {
    PayloadSpec spec;
    spec.format = Format::constant;
    spec.bytes = std::move(bytes);
    return spec;
}

PayloadSpec PayloadSpec::random(Column size) {
    PayloadSpec spec;
    spec.format = Format::random;
    spec.size = std::move(size);
    return spec;
}

void check(const PayloadSpec& spec) {
    if (spec.minimum_size > kMaximumPayload || spec.bytes.size() > kMaximumPayload) {
        const std::size_t size = std::max<std::size_t>(spec.minimum_size, spec.bytes.size());
        refuse("payload", {number_text(size), " bytes are not allowed (must be <= ",
                           number_text(kMaximumPayload), ")"});
    }
    check_names(spec);
    for (std::size_t i = 0; i < spec.fields.size(); ++i) {
        check(spec.fields[i].value, label_of(spec, i));
    }
    if (spec.format == Format::raw) check_layout(spec);
    if (spec.format == Format::random) {
        spec.size.check("payload size", Range::between(0.0, kMaximumPayload));
    }
    if (spec.format == Format::text && spec.fields.size() != 1) {
        refuse("payload", {"a text is one field"});
    }
}

Payload::Payload(const PayloadSpec& spec, const Population& population, std::string_view purpose)
    : format_(spec.format), minimum_size_(spec.minimum_size), key_(population.key(purpose)) {
    check(spec);
    if (format_ == Format::constant) {
        std::vector<std::uint8_t> bytes = spec.bytes;
        if (bytes.size() < minimum_size_) bytes.resize(minimum_size_);
        constant_ = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
        return;
    }
    if (format_ == Format::random) {
        size_ = spec.size.bound(population, join({purpose, "/size"}), "payload size",
                                Range::between(0.0, kMaximumPayload));
        return;
    }
    bind_fields(spec, population, purpose);
    if (needs_gap_) previous_.resize(population.count());
}

void Payload::bind_fields(const PayloadSpec& spec, const Population& population,
                          std::string_view purpose) {
    const bool padded_map = format_ == Format::msgpack && minimum_size_ > 0;
    const std::size_t entries = spec.fields.size() + (padded_map ? 1 : 0);
    StructLayout layout;
    if (format_ == Format::raw) layout = parse_struct_layout(spec.layout);
    big_endian_ = layout.big_endian;

    std::size_t room = 0;
    for (std::size_t i = 0; i < spec.fields.size(); ++i) {
        const std::string& name = spec.fields[i].name;
        const std::string label = label_of(spec, i);
        Field field{Generator(spec.fields[i].value, population, join({purpose, "/", label}), label),
                    {},
                    {}};
        if (format_ == Format::json) field.before = json_key(name, i == 0);
        if (format_ == Format::msgpack) field.before = msgpack_key(name, i == 0, entries);
        if (format_ == Format::raw) {
            field.item = layout.items[i];
            if ((field.item.code == 's') != (field.generator.kind() == Value::Kind::text)) {
                const std::string_view code(&field.item.code, 1);
                refuse(label, {"code ", code, " of the struct layout cannot hold its values"});
            }
            room += std::size_t{field.item.pad_before} + field.item.size;
        } else {
            room += field.before.size() + kMaximumJsonNumber +
                    field.generator.maximum_text() * kMaximumJsonEscape;
        }
        needs_gap_ = needs_gap_ || field.generator.needs_gap();
        fields_.push_back(std::move(field));
    }
    if (format_ == Format::json)
        tail_ =
            encoded(2, [&](std::uint8_t* out) { return put(out, fields_.empty() ? "{}" : "}"); });
    if (format_ == Format::raw) tail_.resize(layout.pad_after);
    if (format_ == Format::msgpack && fields_.empty()) {
        tail_ = encoded(kMaximumMsgpackHead,
                        [&](std::uint8_t* out) { return put_msgpack_map(out, entries); });
    }
    constexpr std::size_t kMaximumPad = 16;  // the head of a padding entry
    room += tail_.size() + kMaximumPad;
    if (room > kMaximumPayload) refuse("payload", {"may become larger than an MQTT packet"});
    scratch_.resize(std::max<std::size_t>(room, minimum_size_ + kMaximumPad));
}

ByteView Payload::encode(Device device, std::uint32_t n, Instant now) {
    if (format_ == Format::constant) return *constant_;
    if (format_ == Format::random) return random_bytes(device, n);

    Moment moment{device, n, now, Duration{0}};
    if (needs_gap_) {
        std::int64_t& previous = previous_[device];
        if (n > 0) moment.gap = now - Instant{previous};
        previous = now.ns;
    }
    std::uint8_t* out = scratch_.data();
    for (Field& field : fields_) {
        const Value value = field.generator.next(moment);
        switch (format_) {
            case Format::json:
                out = put_json(put(out, as_text(field.before)), value);
                break;
            case Format::msgpack:
                out = put_msgpack(put(out, as_text(field.before)), value);
                break;
            case Format::raw: {
                const Packed packed = pack(field.item, big_endian_, value, out);
                saturated_ += packed.fitted ? 0 : 1;
                out = packed.end;
                break;
            }
            case Format::text:
                out = value.kind == Value::Kind::text ? put(out, value.text) : put_json(out, value);
                break;
            case Format::constant:
            case Format::random:
                break;
        }
    }
    return padded(put(out, as_text(tail_)));
}

ByteView Payload::padded(std::uint8_t* end) {
    std::uint8_t* const begin = scratch_.data();
    auto size = static_cast<std::size_t>(end - begin);
    if (format_ == Format::msgpack && minimum_size_ > 0) {
        end = put_msgpack_pad(end, size, minimum_size_);
        size = static_cast<std::size_t>(end - begin);
    } else if (size < minimum_size_) {
        const bool is_text = format_ == Format::json || format_ == Format::text;
        std::memset(end, is_text ? ' ' : 0, minimum_size_ - size);
        size = minimum_size_;
    }
    return {begin, size};
}

ByteView Payload::random_bytes(Device device, std::uint32_t n) {
    const auto wanted = static_cast<std::size_t>(size_.at(device));
    const std::size_t size = std::max<std::size_t>(wanted, minimum_size_);
    constexpr std::size_t kBlock = 16;
    if (scratch_.size() < size + kBlock) scratch_.resize(size + kBlock);
    // Message n has the draws from n * 2^32 on, one for each block.
    std::uint64_t draw = std::uint64_t{n} << 32;
    for (std::size_t at = 0; at < wanted; at += kBlock) {
        const auto words = draw128(key_, device, draw++);
        std::memcpy(scratch_.data() + at, words.data(), kBlock);
    }
    if (wanted < size) std::memset(scratch_.data() + wanted, 0, size - wanted);
    return {scratch_.data(), size};
}

void Payload::prefetch(Device device) const {
    if (needs_gap_) mqttwin::prefetch(previous_.data() + device);
    for (const Field& field : fields_) field.generator.prefetch(device);
    size_.prefetch(device);
}

void Payload::state(std::vector<std::span<std::uint8_t>>& columns) {
    const auto add = [&columns](auto* data, std::size_t count) {
        if (count == 0) return;
        columns.emplace_back(reinterpret_cast<std::uint8_t*>(data), count * sizeof *data);
    };
    add(&saturated_, 1);
    add(previous_.data(), previous_.size());
    for (Field& field : fields_) {
        add(field.generator.state().data(), field.generator.state().size());
    }
}

}  // namespace mqttwin::fleet
