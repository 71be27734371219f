#include "mqttwin/world/watch.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"
#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

namespace {

constexpr std::size_t index_of(trace::Direction direction) {
    return direction == trace::Direction::up ? 0 : 1;
}

}  // namespace

// --- Messages ------------------------------------------------------------------------------------

void WatchedMessages::add(WatchedMessage message) {
    bytes_ += message.bytes.size();
    messages_.push_back(std::move(message));
    while (!messages_.empty() && (messages_.size() > max_messages_ || bytes_ > max_bytes_)) {
        bytes_ -= messages_.front().bytes.size();
        messages_.pop_front();
        ++left_out_;
    }
}

std::vector<WatchedMessage> WatchedMessages::take() {
    std::vector<WatchedMessage> all(std::make_move_iterator(messages_.begin()),
                                    std::make_move_iterator(messages_.end()));
    messages_.clear();
    bytes_ = 0;
    return all;
}

std::uint32_t Watch::add_spy(std::string_view filter, std::size_t max_messages,
                             std::size_t max_bytes) {
    if (const Fault fault = wire::check_filter(filter)) {
        throw std::invalid_argument("filter must be a topic filter: " + std::string(fault.what));
    }
    if (wire::split_shared(filter).shared) {
        throw std::invalid_argument("filter must not be shared: a spy sees every message");
    }
    if (spies_.size() == kMaxSpies) throw std::invalid_argument("a world has at most 1,000 spies");
    spies_.push_back({std::string(filter), WatchedMessages(max_messages, max_bytes)});
    return static_cast<std::uint32_t>(spies_.size() - 1);
}

void Watch::keep_published(std::size_t max_messages, std::size_t max_bytes) {
    if (keeps_published_) return;
    keeps_published_ = true;
    published_ = WatchedMessages(max_messages, max_bytes);
}

WatchedMessage Watch::message_of(Instant now, const wire::Publish& message) {
    WatchedMessage out;
    out.at = now;
    wire::Publish packet = message;
    if (packet.packet_id == 0) packet.packet_id = 1;  // a will has none, and decoding wants one
    const BlobId blob = wire::encode(pool_, wire::Version::v5, packet);
    const ByteView bytes = pool_.bytes(blob);
    out.bytes.assign(bytes.begin(), bytes.end());
    if (message.dup && message.qos != wire::QoS::at_most_once) out.bytes[0] |= 0x08;  // not encoded
    pool_.release(blob);
    return out;
}

void Watch::on_published(Instant now, std::uint32_t tag, const wire::Publish& message) {
    if (!keeps_published_) return;
    WatchedMessage out = message_of(now, message);
    out.published = now;
    out.publisher = tag;
    published_.add(std::move(out));
}

void Watch::on_routed(Instant now, std::uint32_t publisher, const Stamp& stamp,
                      const wire::Publish& message) {
    for (Spy& spy : spies_) {
        if (!wire::matches(spy.filter, message.topic)) continue;
        WatchedMessage out = message_of(now, message);
        out.published = stamp.published;
        out.publisher = publisher;
        if (publisher == Stamp::kNobody && handling_) out.client = client_id(handled_);
        spy.messages.add(std::move(out));
    }
}

void Watch::handling(Who who, bool begins) {
    handled_ = who;
    handling_ = begins;
}

// --- Packets -------------------------------------------------------------------------------------

void Watch::keep_packets(std::size_t count) {
    if (count > kMaxPackets) {
        throw std::invalid_argument("packets must be at most 1,000,000, not " +
                                    std::to_string(count));
    }
    ring_.clear();
    ring_.resize(count);
    seen_ = 0;
    for (auto& [key, peer] : peers_) {
        for (auto& numbers : peer.under_way) numbers.clear();
    }
}

std::vector<const WatchedPacket*> Watch::packets() const {
    std::vector<const WatchedPacket*> all;
    const std::uint64_t count = std::min<std::uint64_t>(seen_, ring_.size());
    all.reserve(count);
    for (std::uint64_t n = seen_ - count; n < seen_; ++n) all.push_back(&ring_[n % ring_.size()]);
    return all;
}

std::string_view Watch::client_id(Who who) const {
    const auto place = peers_.find(who.key());
    return place == peers_.end() ? std::string_view{} : place->second.client_id;
}

WatchedPacket& Watch::next(Instant now, Who who, trace::Direction direction) {
    WatchedPacket& packet = ring_[seen_++ % ring_.size()];
    std::vector<std::uint8_t> bytes = std::move(packet.bytes);  // its memory is used again
    packet = {};
    packet.bytes = std::move(bytes);
    packet.bytes.clear();
    packet.who = who;
    packet.direction = direction;
    packet.sent = now;
    return packet;
}

WatchedPacket* Watch::find(std::uint64_t number) {
    if (number >= seen_ || seen_ - number > ring_.size()) return nullptr;
    return &ring_[number % ring_.size()];
}

// Which version the packets after it are of, and who speaks.
void Watch::look_at_connect(Peer& peer, ByteView bytes) {
    if (bytes.empty() || (bytes[0] >> 4) != static_cast<unsigned>(wire::PacketType::connect)) {
        return;
    }
    wire::FramerState state;
    wire::FrameReader reader(pool_, state, bytes, wire::kMaximumPacketSize);
    wire::Frame frame;
    wire::Connect connect;
    if (reader.next(frame)) {
        const bool whole = !wire::decode(frame, connect);
        peer.version = connect.version;
        if (whole) peer.client_id = connect.client_id;
    }
    wire::release_framer(pool_, state);
}

void Watch::on_opened(Instant now, Who who, trace::Direction receiving) {
    if (ring_.empty() || receiving == trace::Direction::up) return;
    Peer& p = peer(who);
    lose_under_way(p, trace::Direction::up);
    lose_under_way(p, trace::Direction::down);
    for (wire::FramerState& state : p.framer) wire::release_framer(pool_, state);
    next(now, who, receiving).kind = WatchedPacket::Kind::opened;
}

void Watch::on_sent(Instant now, Who who, trace::Direction direction, ByteView head,
                    ByteView body) {
    if (ring_.empty()) return;
    Peer& p = peer(who);
    if (direction == trace::Direction::up) look_at_connect(p, head);
    if (!who.real) {
        std::deque<std::uint64_t>& numbers = p.under_way[index_of(direction)];
        if (numbers.size() == kMaxUnderWay) numbers.pop_front();
        numbers.push_back(seen_);
    }
    WatchedPacket& packet = next(now, who, direction);
    packet.version = p.version;
    packet.size = static_cast<std::uint32_t>(head.size() + body.size());
    head = head.first(std::min(head.size(), kKeptBytes));
    body = body.first(std::min(body.size(), kKeptBytes - head.size()));
    packet.bytes.assign(head.begin(), head.end());
    packet.bytes.insert(packet.bytes.end(), body.begin(), body.end());
}

// A device's writes arrive whole, or in part where a fault strikes in the middle; what earlier
// connections left under way does not arrive any more, and is passed over.
void Watch::on_delivered(Instant now, Who who, trace::Direction direction, ByteView bytes) {
    if (ring_.empty() || bytes.empty()) return;
    Peer& p = peer(who);
    std::deque<std::uint64_t>& numbers = p.under_way[index_of(direction)];
    if (numbers.empty()) return split(now, who, p, direction, bytes);
    const auto same = [&](std::uint64_t number) {
        const WatchedPacket* packet = find(number);
        return packet != nullptr && packet->size == bytes.size() &&
               std::equal(packet->bytes.begin(), packet->bytes.end(), bytes.begin());
    };
    auto place = std::find_if(numbers.begin(), numbers.end(), same);
    const bool whole = place != numbers.end();
    if (!whole) place = numbers.begin();
    WatchedPacket* packet = find(*place);
    if (packet == nullptr) {
        numbers.erase(place);
        return;
    }
    packet->arrived = now;
    packet->arrived_bytes += static_cast<std::uint32_t>(bytes.size());
    packet->fate = packet->arrived_bytes >= packet->size ? WatchedPacket::Fate::arrived
                                                         : WatchedPacket::Fate::in_part;
    if (packet->fate == WatchedPacket::Fate::arrived) numbers.erase(place);
}

// Nobody told where its packets begin: raw and real clients.
void Watch::split(Instant now, Who who, Peer& peer, trace::Direction direction, ByteView bytes) {
    wire::FrameReader reader(pool_, peer.framer[index_of(direction)], bytes,
                             wire::kMaximumPacketSize);
    wire::Frame frame;
    while (reader.next(frame)) {
        scratch_.assign(1, frame.first);
        std::size_t rest = frame.body.size();
        do {  // the remaining length, in its shortest form
            scratch_.push_back(static_cast<std::uint8_t>((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)));
            rest >>= 7;
        } while (rest > 0);
        const std::size_t kept = std::min(frame.body.size(), kKeptBytes);
        scratch_.insert(scratch_.end(), frame.body.begin(),
                        frame.body.begin() + static_cast<std::ptrdiff_t>(kept));
        if (direction == trace::Direction::up) look_at_connect(peer, scratch_);
        WatchedPacket& packet = next(Instant{-1}, who, direction);
        packet.arrived = now;
        packet.fate = WatchedPacket::Fate::arrived;
        packet.version = peer.version;
        packet.size = static_cast<std::uint32_t>(frame.size());
        packet.arrived_bytes = packet.size;
        packet.bytes = scratch_;
    }
}

void Watch::lose_under_way(Peer& peer, trace::Direction direction) {
    for (const std::uint64_t number : peer.under_way[index_of(direction)]) {
        WatchedPacket* packet = find(number);
        if (packet != nullptr && packet->fate == WatchedPacket::Fate::under_way) {
            packet->fate = WatchedPacket::Fate::lost;
        }
    }
    peer.under_way[index_of(direction)].clear();
}

void Watch::on_ended(Instant now, Who who, trace::Direction receiving, std::uint8_t by) {
    if (ring_.empty()) return;
    Peer& p = peer(who);
    lose_under_way(p, receiving);  // nobody reads it any more
    WatchedPacket& packet = next(now, who, receiving);
    packet.kind = WatchedPacket::Kind::ended;
    packet.ended_by = by;
    if (!who.real || receiving != trace::Direction::up) return;
    for (wire::FramerState& state : p.framer) wire::release_framer(pool_, state);
}

// --- The world's side ----------------------------------------------------------------------------

std::string VirtualWorld::client_id(std::uint32_t tag) const {
    std::string id;
    for (const auto& fleet : fleets_) {
        if (tag < fleet->base || tag - fleet->base >= fleet->who.count()) continue;
        fleet->profile.client_id(tag - fleet->base, id);
    }
    return id;
}

std::uint32_t VirtualWorld::tag_of(std::uint32_t fleet, std::uint32_t device) {
    const FleetHost& host = fleet_at(fleet);
    return host.tag(checked_device(host, device));
}

}  // namespace mqttwin::world
