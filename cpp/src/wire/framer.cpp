#include "mqttwin/wire/framer.hpp"

#include <algorithm>
#include <cstring>

namespace mqttwin::wire {

namespace {

constexpr std::size_t kMaximumHeader = 5;  // first byte, four bytes of length

enum class HeaderState : std::uint8_t { complete, incomplete, broken };

struct Header {
    HeaderState state = HeaderState::incomplete;
    std::uint32_t length = 0;  // of the header
    std::uint32_t total = 0;   // of the packet
    Fault fault;
};

Header broken(std::string_view clause, std::string_view what, std::uint32_t offset) {
    return {HeaderState::broken, 0, 0, {reason::malformed_packet, clause, what, offset}};
}

// Reads a fixed header from the first bytes of a packet, of which there may be too few.
Header read_header(ByteView bytes, std::uint32_t limit) {
    if (bytes.empty()) return {};
    if (bytes[0] < 0x10) {  // both standards reserve type 0
        return broken("MQTT-4.13.1-1", "reserved packet type 0", 0);
    }
    std::uint32_t remaining = 0;
    for (std::uint32_t i = 1; i < kMaximumHeader; ++i) {
        if (i == bytes.size()) return {};
        const std::uint8_t b = bytes[i];
        remaining |= std::uint32_t{b & 0x7FU} << (7 * (i - 1));
        if (b & 0x80U) continue;
        if (b == 0 && i > 1) {  // [MQTT-1.5.5-1]
            return broken("MQTT-1.5.5-1", "remaining length not in its shortest form", 1);
        }
        Header header{HeaderState::complete, i + 1, i + 1 + remaining, {}};
        if (header.total > limit) {  // [MQTT-3.1.2-24], [MQTT-3.2.2-15]; 3.1.1 [MQTT-4.8.0-2]
            header.state = HeaderState::broken;
            header.fault = {reason::packet_too_large, "MQTT-3.2.2-15",
                            "packet over the maximum packet size", 1};
        }
        return header;
    }
    return broken("MQTT-4.13.1-1", "remaining length of more than four bytes", 1);
}

Frame frame_of(ByteView packet, const Header& header) {
    return {packet[0], packet.subspan(header.length), header.length};
}

}  // namespace

FrameReader::FrameReader(BlobPool& pool, FramerState& state, ByteView bytes, std::uint32_t limit)
    : pool_(pool), state_(state), rest_(bytes), limit_(limit) {}

// The state may be gone by now (its connection closed while a frame was handled): not touched.
FrameReader::~FrameReader() { pool_.release(delivered_); }

bool FrameReader::next_uncommon(Frame& out) {
    if (delivered_ != BlobId::none) {
        pool_.release(delivered_);
        delivered_ = BlobId::none;
    }
    if (stopped_) return false;
    if (state_.partial != BlobId::none) return finish_partial(out);
    if (rest_.empty()) return false;

    const Header header = read_header(rest_, limit_);
    if (header.state == HeaderState::complete && header.total <= rest_.size()) [[likely]] {
        out = frame_of(rest_.first(header.total), header);
        rest_ = rest_.subspan(header.total);
        return true;
    }
    if (header.state == HeaderState::broken) {
        return stop(header.fault);
    }
    keep(header.total);
    return false;
}

bool FrameReader::stop(const Fault& fault) {
    fault_ = fault;
    stopped_ = true;
    return false;
}

// The start of a frame is in the state: as much of the new bytes as belongs to it goes there.
bool FrameReader::finish_partial(Frame& out) {
    Header header = read_header(pool_.bytes(state_.partial).first(state_.filled), limit_);
    while (header.state == HeaderState::incomplete) {
        if (rest_.empty()) return false;
        keep_some(1, kMaximumHeader);
        header = read_header(pool_.bytes(state_.partial).first(state_.filled), limit_);
    }
    if (header.state == HeaderState::broken) {
        release_framer(pool_, state_);
        return stop(header.fault);
    }
    keep(header.total);
    if (state_.filled < header.total) return false;
    delivered_ = state_.partial;
    const ByteView packet = pool_.bytes(delivered_).first(header.total);
    state_ = {};
    out = frame_of(packet, header);
    return true;
}

// Moves what there is of a frame of `total` bytes (0: not known yet) into the state.
void FrameReader::keep(std::uint32_t total) {
    if (total == 0) {
        keep_some(rest_.size(), kMaximumHeader);
    } else {
        keep_some(std::min<std::size_t>(rest_.size(), total - state_.filled), total);
    }
}

// Appends `count` bytes to the partial frame. Room grows to twice what has arrived, so that each
// byte is copied a bounded number of times, and never beyond `most`: what the frame can need.
void FrameReader::keep_some(std::size_t count, std::size_t most) {
    const std::size_t arrived = state_.filled + count;
    if (state_.partial == BlobId::none || pool_.bytes(state_.partial).size() < arrived) {
        const BlobId roomier = pool_.reserve(std::min(2 * arrived, most));
        const ByteView old = pool_.bytes(state_.partial).first(state_.filled);
        if (!old.empty()) std::memcpy(pool_.writable(roomier).data(), old.data(), old.size());
        pool_.release(state_.partial);
        state_.partial = roomier;
    }
    if (count > 0) {
        std::memcpy(pool_.writable(state_.partial).data() + state_.filled, rest_.data(), count);
    }
    state_.filled = static_cast<std::uint32_t>(arrived);
    rest_ = rest_.subspan(count);
}

void FrameReader::abandon() {
    stopped_ = true;
    if (state_.partial != BlobId::none) release_framer(pool_, state_);
}

void release_framer(BlobPool& pool, FramerState& state) {
    pool.release(state.partial);
    state = {};
}

}  // namespace mqttwin::wire
