// A cursor over one frame that never leaves it and remembers the first fault.
//
// Every read returns whether it succeeded; a decoder stops at the first false. The offset of a
// fault counts from the start of the frame, fixed header included.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqttwin/base/fault.hpp"
#include "mqttwin/wire/framer.hpp"
#include "mqttwin/wire/types.hpp"

#include "clauses.hpp"
#include "utf8.hpp"

namespace mqttwin::wire {

class Reader {
   public:
    /// `fault` is where the first one goes: the decoder's result, so that good packets copy none.
    Reader(const Frame& frame, Version version, Fault& fault)
        : at_(frame.body.data()),
          end_(at_ + frame.body.size()),
          start_(at_),
          header_length_(frame.header_length),
          version_(version),
          fault_(fault) {}

    [[nodiscard]] Version version() const { return version_; }
    void set_version(Version version) { version_ = version; }
    [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
    [[nodiscard]] bool at_end() const { return at_ == end_; }
    [[nodiscard]] const std::uint8_t* position() const { return at_; }
    [[nodiscard]] ByteView rest() const { return {at_, left()}; }

    bool byte(std::uint8_t& out) {
        if (left() < 1) [[unlikely]]
            return ends_early();
        out = *at_++;
        return true;
    }

    bool two(std::uint16_t& out) {
        if (left() < 2) [[unlikely]]
            return ends_early();
        out = static_cast<std::uint16_t>((at_[0] << 8) | at_[1]);
        at_ += 2;
        return true;
    }

    bool four(std::uint32_t& out) {
        if (left() < 4) [[unlikely]]
            return ends_early();
        out = (std::uint32_t{at_[0]} << 24) | (std::uint32_t{at_[1]} << 16) |
              (std::uint32_t{at_[2]} << 8) | at_[3];
        at_ += 4;
        return true;
    }

    /// A variable byte integer in as few bytes as possible [MQTT-1.5.5-1].
    bool variable(std::uint32_t& out) {
        if (left() >= 1 && *at_ < 0x80) [[likely]] {
            out = *at_++;
            return true;
        }
        return long_variable(out);
    }

    bool binary(ByteView& out) {
        std::uint16_t length = 0;
        if (!two(length)) return false;
        if (left() < length) [[unlikely]]
            return ends_early();
        out = {at_, length};
        at_ += length;
        return true;
    }

    /// A string whose content nobody has looked at.
    bool raw_text(std::string_view& out) {
        ByteView bytes;
        if (!binary(bytes)) return false;
        out = as_text(bytes);
        return true;
    }

    /// A UTF-8 string; `what` says what is wrong when it is not one.
    bool text(std::string_view& out, std::string_view what) {
        if (!raw_text(out)) return false;
        if (plain_text(out)) [[likely]]
            return true;
        return uncommon_text(out, what);
    }

    /// [MQTT-2.2.1-3], [MQTT-2.2.1-4]: 0 is no packet identifier.
    bool packet_id(PacketId& out) {
        if (!two(out)) return false;
        if (out == 0) [[unlikely]] {
            return fail_at(at_ - 2, reason::protocol_error, clause::kPacketId,
                           "packet identifier 0");
        }
        return true;
    }

    /// Nothing may follow what the packet's type foresees.
    bool finish() {
        if (at_end()) [[likely]]
            return true;
        return fail(reason::malformed_packet, clause::kViolation,
                    "bytes after the end of the packet");
    }

    /// A reader of the next `length` bytes alone, which the caller knows to be there; this one goes
    /// on behind them.
    Reader section(std::uint32_t length) {
        Reader part(*this);
        part.end_ = at_ + length;
        at_ += length;
        return part;
    }
    /// Goes on from a place that the caller has reached by itself.
    void skip_to(const std::uint8_t* position) { at_ = position; }

    /// A fault of the packet's first byte.
    [[gnu::cold, gnu::noinline]] bool fail_first(std::uint8_t code, const Clause& clause,
                                                 std::string_view what) {
        fault_ = {code, clause.in(version_), what, 0};
        return false;
    }
    // What follows is kept out of line, so that the paths of good packets stay short.
    [[gnu::cold, gnu::noinline]] bool fail(std::uint8_t code, const Clause& clause,
                                           std::string_view what) {
        return fail_at(at_, code, clause, what);
    }
    [[gnu::cold, gnu::noinline]] bool fail_at(const std::uint8_t* where, std::uint8_t code,
                                              const Clause& clause, std::string_view what) {
        fault_ = {code, clause.in(version_), what,
                  header_length_ + static_cast<std::uint32_t>(where - start_)};
        return false;
    }
    [[gnu::cold, gnu::noinline]] bool ends_early() {
        return fail(reason::malformed_packet, clause::kViolation, "packet ends within a field");
    }
    [[gnu::noinline]] bool uncommon_text(std::string_view text, std::string_view what);
    [[gnu::noinline]] bool long_variable(std::uint32_t& out);

   private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    const std::uint8_t* start_;
    std::uint32_t header_length_;
    Version version_;
    Fault& fault_;
};

/// [MQTT-2.1.3-1]: the four flag bits of every packet but PUBLISH have one value each. MQTT 3.1
/// let requests carry DUP.
bool read_flags(Reader& reader, const Frame& frame);

}  // namespace mqttwin::wire
