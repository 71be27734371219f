#include "message_store.hpp"

#include <cassert>

#include "mqttwin/wire/decode.hpp"

namespace mqttwin::broker {
namespace {

// The fixed header of a frame that was found good, or written by ourselves. Its remaining length
// counts a payload that may be kept elsewhere; the body given is what is here.
wire::Frame frame_of(ByteView bytes) {
    std::uint32_t length = 1;
    while ((bytes[length] & 0x80U) != 0) ++length;
    ++length;
    wire::Frame frame;
    frame.first = bytes[0];
    frame.body = bytes.subspan(length);
    frame.header_length = length;
    return frame;
}

}  // namespace

void keep_end_to_end(wire::Publish& publish) {
    constexpr std::uint64_t kForwarded =
        (std::uint64_t{1} << static_cast<unsigned>(wire::Property::payload_format_indicator)) |
        (std::uint64_t{1} << static_cast<unsigned>(wire::Property::message_expiry_interval)) |
        (std::uint64_t{1} << static_cast<unsigned>(wire::Property::content_type)) |
        (std::uint64_t{1} << static_cast<unsigned>(wire::Property::response_topic)) |
        (std::uint64_t{1} << static_cast<unsigned>(wire::Property::correlation_data));
    publish.dup = false;  // [MQTT-3.3.1-3]: each delivery has its own
    publish.packet_id = 0;
    publish.properties.present &= kForwarded;
    publish.properties.subscription_identifiers = {};
    publish.properties.subscription_identifier_count = 0;
}

std::uint32_t MessageStore::add(const BlobPool& pool, const Message& message) {
    bytes_ += bytes_of(pool, message);
    const std::uint32_t index = messages_.take();
    messages_[index] = message;
    messages_[index].references = 1;
    return index;
}

void MessageStore::release(BlobPool& pool, std::uint32_t index) {
    Message& m = messages_[index];
    assert(m.references > 0);
    if (--m.references > 0) return;
    bytes_ -= bytes_of(pool, m);
    pool.release(m.frame);
    pool.release(m.payload);
    messages_.give_back(index);
}

void MessageStore::clear(BlobPool& pool) {
    for (std::uint32_t index = 0; index < messages_.capacity(); ++index) {
        if (messages_[index].references == 0) continue;  // not in use
        messages_[index].references = 1;
        release(pool, index);
    }
}

wire::Publish MessageStore::view(const BlobPool& pool, Instant now, std::uint32_t index) const {
    const Message& m = messages_[index];
    wire::Publish publish;
    const Fault fault = wire::decode(frame_of(pool.bytes(m.frame)), wire::Version::v5,
                                     wire::Sender::server, publish);
    assert(!fault);
    static_cast<void>(fault);
    publish.qos = wire::QoS::at_most_once;
    publish.dup = publish.retain = false;
    publish.packet_id = 0;
    if (m.payload != BlobId::none) publish.payload = pool.bytes(m.payload);
    if (m.expiry != Message::kNoExpiry) {
        const std::int64_t waited = (now - m.accepted).ns / seconds(1).ns;
        const auto left = static_cast<std::int64_t>(m.expiry) - waited;
        publish.properties.message_expiry_interval =
            left > 0 ? static_cast<std::uint32_t>(left) : 0;
    }
    return publish;
}

}  // namespace mqttwin::broker
