// Bytes in any chunking to frames.
#pragma once

#include <cstdint>
#include <utility>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/fault.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin::wire {

/// One control packet: its first byte and what follows the fixed header.
struct Frame {
    std::uint8_t first = 0;           // type and flags
    ByteView body;                    // `remaining length` bytes
    std::uint32_t header_length = 2;  // bytes of the fixed header

    [[nodiscard]] PacketType type() const { return static_cast<PacketType>(first >> 4); }
    [[nodiscard]] std::uint8_t flags() const { return first & 0x0F; }
    /// Bytes of the whole packet.
    [[nodiscard]] std::size_t size() const { return header_length + body.size(); }
};

/// The largest packet that MQTT can express: 5 header bytes and 268,435,455 of body.
inline constexpr std::uint32_t kMaximumPacketSize = 268'435'460;

/// The state of a cut stream between two calls: 8 bytes for each connection, no memory while
/// frames arrive whole. Plain data: the buffered start of a frame lives in the world's BlobPool.
struct FramerState {
    BlobId partial = BlobId::none;  // capacity grows with what arrived, not with what was claimed
    std::uint32_t filled = 0;       // bytes of `partial` that hold data
};

/// Splits a stream into frames.
///
///     FrameReader reader(pool, state, bytes, limit);
///     while (reader.next(frame)) handle(frame);      // frames live until the next call
///     if (reader.fault()) close(...);
///
/// When `next` says false, an unfinished frame is in `state`, or there is a fault and nothing is.
/// A frame that is whole in `bytes` is given without a copy. A frame longer than `limit` is a
/// fault (packet_too_large) as soon as its length is known; so is a remaining length of more than
/// four bytes, or not in its shortest form [MQTT-1.5.5-1] (3.1.1 leaves the latter open; no client
/// is known to send it, and the framer knows no version), and packet type 0. The same bytes give
/// the same frames and the same fault in any chunking.
/// Memory used for a frame under way is at most twice the bytes of it that arrived (rounded up to
/// a block of the pool, and while it moves to a larger block, both).
///
/// A connection that closes while one of its frames is handled says `abandon()`, which ends the
/// loop and drops the rest; or it leaves the loop, which does the same. The destructor does not
/// touch `state`.
class FrameReader {
   public:
    FrameReader(BlobPool& pool, FramerState& state, ByteView bytes, std::uint32_t limit);
    ~FrameReader();
    FrameReader(const FrameReader&) = delete;
    FrameReader& operator=(const FrameReader&) = delete;

    bool next(Frame& out) {
        // Most frames are whole, and short enough for one byte of length; most come alone.
        if (!stopped_ && delivered_ == BlobId::none && state_.partial == BlobId::none) {
            if (rest_.empty()) return false;
            if (rest_.size() >= 2 && rest_[0] >= 0x10 && rest_[1] < 0x80) {
                const std::size_t total = std::size_t{2} + rest_[1];
                if (total <= rest_.size() && total <= limit_) {
                    out = {rest_[0], rest_.subspan(2, total - 2), 2};
                    rest_ = rest_.subspan(total);
                    return true;
                }
            }
        }
        return next_uncommon(out);
    }
    [[nodiscard]] const Fault& fault() const { return fault_; }
    void abandon();
    /// What stands behind the frame given last, for whoever leaves the loop and comes back to it
    /// later; the reader is done. Precondition: `next` has just said true.
    ByteView take_rest() {
        stopped_ = true;
        return std::exchange(rest_, {});
    }

   private:
    bool next_uncommon(Frame& out);
    bool finish_partial(Frame& out);
    bool stop(const Fault& fault);
    void keep(std::uint32_t total);
    void keep_some(std::size_t count, std::size_t most);

    BlobPool& pool_;
    FramerState& state_;
    ByteView rest_;
    std::uint32_t limit_;
    BlobId delivered_ = BlobId::none;  // the assembled frame that the caller is looking at
    Fault fault_;
    bool stopped_ = false;  // abandoned, or at a fault
};

void release_framer(BlobPool& pool, FramerState& state);

}  // namespace mqttwin::wire
