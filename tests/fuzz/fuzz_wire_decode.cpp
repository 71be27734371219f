// One packet of any type, version and sender. Whatever is accepted must survive being encoded and
// decoded again; whatever is refused must say why.
//
// Input: a byte that picks version and sender, the packet's first byte, its body.

#include <cstdlib>
#include <vector>

#include "../cpp/wire/any_packet.hpp"

using namespace mqttwin;
using namespace mqttwin::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// The body of an encoded packet, in memory of exactly its size.
Frame frame_in(const std::vector<std::uint8_t>& packet) {
    std::uint32_t header = 1;
    while (packet[header] & 0x80U) ++header;
    ++header;
    return {packet[0], ByteView(packet).subspan(header), header};
}

void check_fault(const Fault& fault, std::size_t packet_size) {
    require(fault.reason >= 0x80);
    require(fault.clause.starts_with("MQTT-"));
    require(!fault.what.empty());
    require(fault.offset <= packet_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    constexpr Version kVersions[] = {Version::v5, Version::v311, Version::v3, Version::v5};
    const Version version = kVersions[data[0] & 3U];
    const Sender sender = data[0] & 4U ? Sender::server : Sender::client;
    if (data[1] < 0x10) return 0;  // the framer refuses type 0
    const std::vector<std::uint8_t> body(data + 2, data + size);
    const Frame frame{data[1], body, 2};

    AnyPacket first;
    const Fault fault = decode_any(frame, version, sender, first);
    if (fault) {
        check_fault(fault, frame.size());
        return 0;
    }
    const Version spoken = first.type == PacketType::connect ? first.connect.version : version;
    BlobPool pool;
    const BlobId blob = encode_any(pool, spoken, first);
    require(blob != BlobId::none);
    const ByteView bytes = pool.bytes(blob);
    // Never longer than what came.
    std::size_t claimed = body.size();
    std::size_t header = 2;
    while (claimed >= 128) {
        claimed >>= 7;
        ++header;
    }
    require(bytes.size() <= body.size() + header);

    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    AnyPacket second;
    require(!decode_any(frame_in(copy), spoken, sender, second));
    require(same(first, second));
    const BlobId again = encode_any(pool, spoken, second);
    require(same_bytes(pool.bytes(again), copy));

    // Under a limit: within it, or nothing.
    if (first.type == PacketType::connack) {
        const auto limit = static_cast<std::uint32_t>(copy.size() / 2);
        const BlobId small = encode(pool, spoken, first.connack, limit);
        require(pool.bytes(small).size() <= limit);
    }
    return 0;
}
