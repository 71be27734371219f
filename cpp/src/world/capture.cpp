#include "capture.hpp"

#include <stdexcept>
#include <utility>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

namespace {

// Linux takes ports for outgoing connections from here (ip_local_port_range).
constexpr std::uint64_t kFirstPort = 32'768;
constexpr std::uint64_t kPorts = 28'232;

constexpr std::size_t side(net::End end) { return static_cast<std::size_t>(end); }

/// The ports of IANA's registry, by which a reader knows what it sees.
std::uint16_t port_of(const net::LayersSpec& layers) {
    if (layers.websocket) return layers.tls ? 443 : 80;
    return layers.tls ? 8883 : 1883;
}

using Fate = trace::CapturedPacket::Fate;

Fate fate_of(net::Passage::Fate fate) {
    switch (fate) {
        case net::Passage::Fate::arrives:
            return Fate::arrives;
        case net::Passage::Fate::lost:
            return Fate::lost;
        case net::Passage::Fate::queue_full:
            return Fate::queue_full;
        case net::Passage::Fate::too_big:
            return Fate::too_big;
        case net::Passage::Fate::no_way:
            return trace::CapturedPacket::Fate::black_hole;
        case net::Passage::Fate::outage:
            return Fate::outage;
        case net::Passage::Fate::asleep:
            return Fate::asleep;
    }
    return Fate::lost;
}

trace::CapturedPacket numbers_of(const net::tcp::Segment& segment) {
    static_assert(trace::CapturedPacket::kMaxSacks == net::tcp::Segment::kMaxSacks);
    trace::CapturedPacket packet;
    packet.seq = segment.seq;
    packet.ack = segment.ack;
    packet.window = segment.window;
    packet.ts_value = segment.ts_value;
    packet.ts_echo = segment.ts_echo;
    for (std::size_t i = 0; i < segment.sacks; ++i) {
        packet.sack[i] = {segment.sack[i].begin, segment.sack[i].end};
    }
    packet.sacks = segment.sacks;
    packet.timestamp = segment.timestamp;
    packet.syn = segment.syn;
    packet.has_ack = segment.has_ack;
    packet.fin = segment.fin;
    packet.reset = segment.reset;
    packet.push = segment.push;
    return packet;
}

/// True for the first call with this number.
bool first_time(std::vector<bool>& seen, std::uint32_t number) {
    if (seen.size() <= number) seen.resize(number + std::size_t{1}, false);
    if (seen[number]) return false;
    seen[number] = true;
    return true;
}

}  // namespace

WorldCapture::WorldCapture(std::unique_ptr<trace::LogSink> sink, std::uint64_t seed,
                           const trace::Capture::Options& options, const net::Network& network,
                           BlobPool& pool, Names names)
    : capture_(std::move(sink), seed, options),
      network_(&network),
      pool_(&pool),
      names_(std::move(names)) {}

WorldCapture::~WorldCapture() { forget_bytes(); }

bool WorldCapture::wants(net::FlowId flow) const {
    return capture_.wants(trace::client_address(network_->tag(flow)));
}

WorldCapture::Connection& WorldCapture::connection(net::FlowId flow) {
    const auto [place, is_new] = connections_.try_emplace(flow);
    if (is_new) {
        trace::TcpFlow& as = place->second.flow;
        as.client = trace::client_address(network_->tag(flow));
        as.server = trace::server_address(network_->broker(flow));
        as.connection = numbered_++;
        as.client_port = static_cast<std::uint16_t>(kFirstPort + as.connection % kPorts);
        as.server_port = port_of(network_->layers(flow));
        name_hosts(flow, as);
    }
    return place->second;
}

void WorldCapture::name_hosts(net::FlowId flow, const trace::TcpFlow& as) {
    if (first_time(client_named_, network_->tag(flow))) {
        capture_.name_host(as.client, names_.client(flow));
    }
    if (first_time(server_named_, network_->broker(flow))) {
        capture_.name_host(as.server, names_.server(flow));
    }
}

void WorldCapture::on_packet(Instant now, net::FlowId flow, net::End sender,
                             const net::tcp::Segment& segment, const net::Passage& passage) {
    if (!wants(flow)) return;
    trace::CapturedPacket packet = numbers_of(segment);
    packet.direction = sender == net::End::client ? trace::Direction::up : trace::Direction::down;
    packet.sent = now;
    packet.arrives = passage.arrives;
    packet.fate = fate_of(passage.fate);
    payload_.clear();
    if (capture_.stopped()) {  // it is counted
        forget_bytes();
        packet.flow.client = trace::client_address(network_->tag(flow));
        capture_.record(packet);
        return;
    }
    Connection& c = connection(flow);
    packet.flow = c.flow;
    if (segment.syn) {
        const net::tcp::Profile& profile = network_->profile(flow, sender);
        packet.mss = static_cast<std::uint16_t>(profile.mtu - 40U);
        packet.sack_permitted = profile.sack;
    }
    trace::StreamBytes& stream = c.sent[side(sender)];
    release(stream, network_->acknowledged(now, flow, sender));
    const std::uint32_t absent =
        stream.append_bytes(*pool_, segment.seq, segment.seq + segment.length, payload_);
    packet.payload = payload_;
    if (absent > 0) {
        note_ = std::to_string(absent) + " bytes from before the capture are written as zeros";
        packet.note = note_;
    }
    capture_.record(packet);
}

void WorldCapture::on_written(Instant now, net::FlowId flow, net::End sender, std::uint32_t begin,
                              BlobId head, BlobId body) {
    if (capture_.stopped() || !wants(flow)) return;
    trace::StreamBytes& stream = connection(flow).sent[side(sender)];
    release(stream, network_->acknowledged(now, flow, sender));
    kept_bytes_ -= stream.bytes();
    stream.add(*pool_, begin, head, body);
    kept_bytes_ += stream.bytes();
    if (kept_bytes_ <= kMaxKeptBytes) return;
    capture_.fail("more than " + std::to_string(kMaxKeptBytes) + " bytes were not acknowledged");
    forget_bytes();
}

void WorldCapture::on_written(Instant now, net::FlowId flow, net::End sender, std::uint32_t begin,
                              ByteView bytes) {
    if (capture_.stopped() || !wants(flow)) return;
    const BlobId blob = pool_->make(bytes);
    on_written(now, flow, sender, begin, blob, BlobId::none);
    pool_->release(blob);
}

void WorldCapture::on_flow_freed(net::FlowId flow) {
    const auto place = connections_.find(flow);
    if (place == connections_.end()) return;
    for (trace::StreamBytes& stream : place->second.sent) {
        kept_bytes_ -= stream.bytes();
        stream.clear(*pool_);
    }
    connections_.erase(place);
}

void WorldCapture::release(trace::StreamBytes& stream, std::uint32_t acknowledged) {
    kept_bytes_ -= stream.bytes();
    stream.release_up_to(*pool_, acknowledged);
    kept_bytes_ += stream.bytes();
}

void WorldCapture::forget_bytes() {
    for (auto& [flow, c] : connections_) {
        for (trace::StreamBytes& stream : c.sent) stream.clear(*pool_);
    }
    connections_.clear();
    kept_bytes_ = 0;
}

void WorldCapture::finish(Instant now) {
    capture_.advance(now);
    capture_.close();
}

// --- The world's side ----------------------------------------------------------------------------

void VirtualWorld::start_capture(std::unique_ptr<trace::LogSink> sink,
                                 const trace::Capture::Options& options) {
    if (capture_) throw std::invalid_argument("a capture is running already");
    WorldCapture::Names names;
    names.client = [this](net::FlowId flow) {
        const Population& who = populations_[network_.population(flow)];
        return who.name + "/" + std::to_string(network_.index(flow));
    };
    names.server = [this](net::FlowId flow) { return brokers_[network_.broker(flow)]->name; };
    capture_ = std::make_unique<WorldCapture>(std::move(sink), options_.seed, options, network_,
                                              pool_, std::move(names));
    network_.tell_streams(now_, *capture_);
    network_.set_tap(capture_.get());
}

VirtualWorld::Captured VirtualWorld::stop_capture() {
    if (!capture_) return {};
    network_.set_tap(nullptr);
    capture_->finish(now_);
    const trace::Capture& file = capture_->file();
    Captured captured{file.packets(), file.left_out(), file.bytes(), file.problem()};
    capture_.reset();
    return captured;
}

trace::Capture::Clients VirtualWorld::addresses(std::uint32_t fleet, std::uint32_t first,
                                                std::uint32_t last) {
    const FleetHost& host = fleet_at(fleet);
    return {trace::client_address(host.tag(checked_device(host, first))),
            trace::client_address(host.tag(checked_device(host, last)))};
}

}  // namespace mqttwin::world
