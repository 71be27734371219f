#include "capture_real.hpp"

#include <algorithm>
#include <charconv>

namespace mqttwin::world {

namespace {

constexpr std::size_t kSegment = 1'448;  // what Linux puts into a packet of Ethernet
constexpr std::uint32_t kWindow = 65'535;
constexpr std::string_view kNote =
    "a real connection: bytes and times are what the broker's process read and wrote, segments "
    "are made up";
// Apart from those of virtual connections, which count from 0.
constexpr std::uint64_t kReal = std::uint64_t{1} << 63U;
// Peers without an IPv4 address stand at the end of the devices'.
constexpr std::uint32_t kNoAddress = 0x00FF'0000U;

constexpr std::size_t side(net::End end) { return static_cast<std::size_t>(end); }

trace::Direction direction(net::End sender) {
    return sender == net::End::client ? trace::Direction::up : trace::Direction::down;
}

/// "1.2.3.4"; false if it is none.
bool read_ipv4(std::string_view text, trace::Ipv4& address) {
    address = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (int part = 0; part < 4; ++part) {
        if (part > 0 && (at == end || *at++ != '.')) return false;
        std::uint8_t value = 0;
        const auto [next, error] = std::from_chars(at, end, value);
        if (error != std::errc{}) return false;
        at = next;
        address = address << 8U | value;
    }
    return at == end;
}

}  // namespace

RealPeer RealPeer::of(std::string_view text, std::uint32_t connection) {
    RealPeer peer;
    const std::size_t colon = text.rfind(':');
    if (colon != std::string_view::npos) {
        const std::string_view port = text.substr(colon + 1);
        (void)std::from_chars(port.data(), port.data() + port.size(), peer.port);
    }
    if (!read_ipv4(text.substr(0, colon), peer.address)) {
        peer.address = trace::client_address(kNoAddress + (connection & 0xFFFFU));
    }
    return peer;
}

RealCapture::Connection& RealCapture::at(std::uint32_t connection, const trace::TcpFlow& flow) {
    const auto [place, is_new] = connections_.try_emplace(connection);
    if (is_new) {
        place->second.flow = flow;
        place->second.flow.connection = kReal | numbered_++;
    }
    return place->second;
}

trace::CapturedPacket RealCapture::segment(Instant now, const Connection& c,
                                           net::End sender) const {
    trace::CapturedPacket packet;
    packet.flow = c.flow;
    packet.direction = direction(sender);
    packet.sent = packet.arrives = now;
    packet.seq = c.next[side(sender)];
    packet.ack = c.next[side(other(sender))];
    packet.has_ack = true;
    packet.window = kWindow;
    return packet;
}

void RealCapture::opened(Instant now, std::uint32_t connection, const trace::TcpFlow& flow) {
    connections_.erase(connection);
    const Connection& c = at(connection, flow);
    trace::CapturedPacket syn = segment(now, c, net::End::client);
    syn.seq = syn.ack = 0;
    syn.syn = true;
    syn.has_ack = false;
    syn.note = kNote;
    file_->record(syn);
    trace::CapturedPacket answer = segment(now, c, net::End::server);
    answer.seq = 0;
    answer.syn = true;
    file_->record(answer);
    file_->record(segment(now, c, net::End::client));
}

void RealCapture::bytes(Instant now, std::uint32_t connection, const trace::TcpFlow& flow,
                        net::End sender, ByteView head, ByteView body) {
    Connection& c = at(connection, flow);
    std::size_t left = head.size() + body.size();
    while (left > 0) {
        const ByteView first = head.first(std::min(head.size(), kSegment));
        head = head.subspan(first.size());
        const ByteView second = body.first(std::min(body.size(), kSegment - first.size()));
        body = body.subspan(second.size());
        const std::array<ByteView, 2> payload{first, second};
        trace::CapturedPacket packet = segment(now, c, sender);
        packet.payload = payload;
        left -= first.size() + second.size();
        packet.push = left == 0;
        file_->record(packet);
        c.next[side(sender)] += static_cast<std::uint32_t>(first.size() + second.size());
    }
}

void RealCapture::closed(Instant now, std::uint32_t connection, net::End by, bool reset) {
    const auto place = connections_.find(connection);
    if (place == connections_.end()) return;
    Connection& c = place->second;
    trace::CapturedPacket packet = segment(now, c, by);
    packet.reset = reset;
    packet.fin = !reset;
    file_->record(packet);
    if (!reset) {
        ++c.next[side(by)];
        trace::CapturedPacket answer = segment(now, c, other(by));
        answer.fin = true;
        file_->record(answer);
        ++c.next[side(other(by))];
        file_->record(segment(now, c, by));
    }
    connections_.erase(place);
}

}  // namespace mqttwin::world
