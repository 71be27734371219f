// Taking MessagePack values apart: flat arrays of numbers and texts, and one flat map.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <msgpack.hpp>

#include "log_format.hpp"

namespace mqttwin::trace {

/// One element of a record.
struct Cell {
    enum class Kind : std::uint8_t { nil, number, negative, text };
    Kind kind = Kind::nil;
    std::uint64_t number = 0;  // two's complement of a negative one
    std::string_view text;     // into the buffer

    /// Whether it is a number, 0 to `most`.
    [[nodiscard]] bool fits(std::uint64_t most) const {
        return kind == Kind::number && number <= most;
    }
};

/// What the parser found at an offset.
enum class Parsed : std::uint8_t { value, incomplete, nonsense };

/// Collects an array of at most kMaxFields numbers, texts and nils; anything else is nonsense.
/// Nothing is allocated for what a damaged length claims.
class RecordVisitor : public msgpack::null_visitor {
   public:
    std::array<Cell, format::kMaxFields> cells;
    std::uint32_t size = 0;
    bool incomplete = false;

    bool start_array(std::uint32_t elements) {
        if (inside_ || elements == 0 || elements > cells.size()) return false;
        inside_ = true;
        return true;
    }
    bool start_map(std::uint32_t /*pairs*/) { return false; }
    bool visit_nil() { return push({}); }
    bool visit_boolean(bool /*value*/) { return false; }
    bool visit_float32(float /*value*/) { return false; }
    bool visit_float64(double /*value*/) { return false; }
    bool visit_bin(const char* /*data*/, std::uint32_t /*bytes*/) { return false; }
    bool visit_ext(const char* /*data*/, std::uint32_t /*bytes*/) { return false; }
    bool visit_positive_integer(std::uint64_t value) {
        return push({Cell::Kind::number, value, {}});
    }
    bool visit_negative_integer(std::int64_t value) {
        return push({Cell::Kind::negative, static_cast<std::uint64_t>(value), {}});
    }
    bool visit_str(const char* data, std::uint32_t bytes) {
        return push({Cell::Kind::text, 0, {data, bytes}});
    }
    void insufficient_bytes(std::size_t /*parsed*/, std::size_t /*at*/) { incomplete = true; }

   private:
    bool push(Cell cell) {
        if (!inside_) return false;
        cells[size++] = cell;
        return true;
    }
    bool inside_ = false;
};

/// Collects a map from texts to numbers or texts: the header.
class HeaderVisitor : public msgpack::null_visitor {
   public:
    std::vector<std::pair<std::string_view, Cell>> entries;
    bool incomplete = false;

    bool start_array(std::uint32_t /*elements*/) { return false; }
    bool start_map(std::uint32_t pairs) {
        if (inside_ || pairs > 1000) return false;
        inside_ = true;
        return true;
    }
    bool start_map_key() {
        key_ = true;
        return true;
    }
    bool start_map_value() {
        key_ = false;
        return true;
    }
    bool visit_nil() { return put({}); }
    bool visit_boolean(bool /*value*/) { return false; }
    bool visit_float32(float /*value*/) { return false; }
    bool visit_float64(double /*value*/) { return false; }
    bool visit_bin(const char* /*data*/, std::uint32_t /*bytes*/) { return false; }
    bool visit_ext(const char* /*data*/, std::uint32_t /*bytes*/) { return false; }
    bool visit_positive_integer(std::uint64_t value) {
        return put({Cell::Kind::number, value, {}});
    }
    bool visit_negative_integer(std::int64_t /*value*/) { return false; }
    bool visit_str(const char* data, std::uint32_t bytes) {
        if (inside_ && key_) {
            entries.emplace_back(std::string_view(data, bytes), Cell{});
            return true;
        }
        return put({Cell::Kind::text, 0, {data, bytes}});
    }
    void insufficient_bytes(std::size_t /*parsed*/, std::size_t /*at*/) { incomplete = true; }

   private:
    bool put(Cell cell) {
        if (!inside_ || key_) return false;
        entries.back().second = cell;
        return true;
    }
    bool inside_ = false;
    bool key_ = false;
};

/// Parses one value at `offset`, which moves behind it only if there was one.
template <typename Visitor>
Parsed parse_one(std::string_view bytes, std::size_t& offset, Visitor& visitor) {
    if (offset >= bytes.size()) return Parsed::incomplete;
    std::size_t end = offset;
    if (msgpack::parse(bytes.data(), bytes.size(), end, visitor)) {
        offset = end;
        return Parsed::value;
    }
    return visitor.incomplete ? Parsed::incomplete : Parsed::nonsense;
}

}  // namespace mqttwin::trace
