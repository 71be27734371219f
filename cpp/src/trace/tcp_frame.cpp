#include "tcp_frame.hpp"

#include <algorithm>
#include <cassert>

#include "mqttwin/base/hash.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kSynOptions = 20;  // whatever is in them: see Segment::wire_bytes()
[[maybe_unused]] constexpr std::size_t kMaxIpLength = 65'535;
constexpr std::uint32_t kMaxWindowField = 65'535;
constexpr std::uint16_t kEtherTypeIp = 0x0800;
constexpr std::uint16_t kDoNotFragment = 0x4000;
constexpr std::uint8_t kTimeToLive = 64;
constexpr std::uint8_t kProtocolTcp = 6;

enum Option : std::uint8_t {
    kEnd = 0,
    kNop = 1,
    kMss = 2,
    kWindowScale = 3,
    kSackPermitted = 4,
    kSack = 5,
    kTimestamp = 8,
};

/// Appends in network order.
class Out {
   public:
    explicit Out(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}

    void u8(std::uint32_t value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }
    void u16(std::uint32_t value) {
        u8(value >> 8);
        u8(value);
    }
    void u32(std::uint32_t value) {
        u16(value >> 16);
        u16(value);
    }
    void append(ByteView view) { bytes_.insert(bytes_.end(), view.begin(), view.end()); }
    void patch16(std::size_t at, std::uint16_t value) {
        bytes_[at] = static_cast<std::uint8_t>(value >> 8);
        bytes_[at + 1] = static_cast<std::uint8_t>(value);
    }
    /// Locally administered, with the address in it.
    void mac(Ipv4 address) {
        u16(0x0200);
        u32(address);
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] ByteView from(std::size_t offset) const {
        return ByteView(bytes_).subspan(offset);
    }

   private:
    std::vector<std::uint8_t>& bytes_;
};

std::size_t payload_size(const CapturedPacket& packet) {
    std::size_t size = 0;
    for (const ByteView view : packet.payload) size += view.size();
    return size;
}

std::size_t options_size(const CapturedPacket& packet) {
    if (packet.syn) return kSynOptions;
    const std::size_t sack = packet.sacks > 0 ? 4 + 8 * std::size_t{packet.sacks} : 0;
    return (packet.timestamp ? 12 : 0) + sack;
}

void put_timestamp(Out& out, const CapturedPacket& packet) {
    out.u8(kTimestamp);
    out.u8(10);
    out.u32(packet.ts_value);
    out.u32(packet.ts_echo);
}

/// In the order of Linux; what is not offered is padding.
void put_syn_options(Out& out, const CapturedPacket& packet, std::uint8_t window_scale) {
    const std::size_t begin = out.size();
    out.u8(kMss);
    out.u8(4);
    out.u16(packet.mss);
    if (packet.sack_permitted) {
        out.u8(kSackPermitted);
        out.u8(2);
    } else {
        out.u8(kNop);
        out.u8(kNop);
    }
    if (packet.timestamp) put_timestamp(out, packet);
    out.u8(kNop);
    out.u8(kWindowScale);
    out.u8(3);
    out.u8(window_scale);
    while (out.size() < begin + kSynOptions) out.u8(kEnd);
}

void put_options(Out& out, const CapturedPacket& packet, std::uint32_t peer_begins) {
    if (packet.timestamp) {
        out.u8(kNop);
        out.u8(kNop);
        put_timestamp(out, packet);
    }
    if (packet.sacks == 0) return;
    out.u8(kNop);
    out.u8(kNop);
    out.u8(kSack);
    out.u8(2U + 8U * packet.sacks);
    for (std::size_t i = 0; i < packet.sacks; ++i) {
        out.u32(packet.sack[i].begin + peer_begins);
        out.u32(packet.sack[i].end + peer_begins);
    }
}

std::uint32_t flags_of(const CapturedPacket& packet) {
    return (packet.fin ? 0x01U : 0U) | (packet.syn ? 0x02U : 0U) | (packet.reset ? 0x04U : 0U) |
           (packet.push ? 0x08U : 0U) | (packet.has_ack ? 0x10U : 0U);
}

/// Rounded up: a small window must not look like a closed one.
std::uint32_t window_field(const CapturedPacket& packet, std::uint8_t window_scale) {
    if (packet.syn) return std::min(packet.window, kMaxWindowField);
    const std::uint64_t unit = std::uint64_t{1} << window_scale;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>((packet.window + unit - 1) / unit, kMaxWindowField));
}

}  // namespace

std::uint32_t add_to_checksum(std::uint32_t sum, ByteView bytes) {
    std::uint64_t wide = sum;  // 65,535 bytes do not fill it
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) wide += (std::uint32_t{bytes[i]} << 8) | bytes[i + 1];
    if (i < bytes.size()) wide += std::uint32_t{bytes[i]} << 8;
    while (wide >> 16 != 0) wide = (wide & 0xFFFF) + (wide >> 16);
    return static_cast<std::uint32_t>(wide);
}

std::uint16_t fold_checksum(std::uint32_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

std::uint32_t initial_sequence(std::uint64_t connection, Direction direction) {
    const std::uint64_t side = 2 * connection + static_cast<std::uint64_t>(direction);
    return static_cast<std::uint32_t>(mix64(side + 1));  // that of 0 would be 0
}

void make_frame(const CapturedPacket& packet, std::uint16_t identification,
                std::uint8_t window_scale, std::vector<std::uint8_t>& frame) {
    const bool up = packet.direction == Direction::up;
    const TcpFlow& flow = packet.flow;
    const Ipv4 source = up ? flow.client : flow.server;
    const Ipv4 destination = up ? flow.server : flow.client;
    const std::uint32_t begins = initial_sequence(flow.connection, packet.direction);
    const std::uint32_t peer_begins =
        initial_sequence(flow.connection, up ? Direction::down : Direction::up);
    const std::size_t tcp_header = kTcpHeader + options_size(packet);
    const std::size_t tcp_length = tcp_header + payload_size(packet);
    assert(kIpHeader + tcp_length <= kMaxIpLength);

    frame.clear();
    frame.reserve(kEthernetHeader + kIpHeader + tcp_length);
    Out out(frame);
    out.mac(destination);
    out.mac(source);
    out.u16(kEtherTypeIp);

    const std::size_t ip = out.size();
    out.u16(0x4500);  // version 4, five words, no service class
    out.u16(static_cast<std::uint32_t>(kIpHeader + tcp_length));
    out.u16(identification);
    out.u16(kDoNotFragment);
    out.u8(kTimeToLive);
    out.u8(kProtocolTcp);
    out.u16(0);
    out.u32(source);
    out.u32(destination);
    out.patch16(ip + 10, fold_checksum(add_to_checksum(0, out.from(ip))));

    const std::size_t tcp = out.size();
    out.u16(up ? flow.client_port : flow.server_port);
    out.u16(up ? flow.server_port : flow.client_port);
    out.u32(packet.seq + begins);
    out.u32(packet.has_ack ? packet.ack + peer_begins : 0);
    out.u8(static_cast<std::uint32_t>(tcp_header / 4) << 4);
    out.u8(flags_of(packet));
    out.u16(window_field(packet, window_scale));
    out.u16(0);
    out.u16(0);  // nothing urgent
    if (packet.syn) {
        put_syn_options(out, packet, window_scale);
    } else {
        put_options(out, packet, peer_begins);
    }
    for (const ByteView view : packet.payload) out.append(view);

    // The pseudo header: both addresses, the protocol, the length.
    std::uint32_t sum = add_to_checksum(0, out.from(ip).subspan(12, 8));
    sum += kProtocolTcp + static_cast<std::uint32_t>(tcp_length);
    out.patch16(tcp + 16, fold_checksum(add_to_checksum(sum, out.from(tcp))));
}

}  // namespace mqttwin::trace
