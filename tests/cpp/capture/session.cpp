#include "session.hpp"

#include <string>

namespace mqttwin {
namespace {

using net::tcp::Over;
using net::tcp::Segment;
using net::tcp::State;

constexpr int kClient = 0;
constexpr int kServer = 1;
constexpr Duration kStep = milliseconds(1);  // of the applications' attention
constexpr std::size_t kLargest = 4'000;      // bytes of a payload: several segments

constexpr std::size_t index(int side) { return static_cast<std::size_t>(side); }

}  // namespace

Session::Session(const SessionSpec& spec)
    : spec_(spec),
      wire_(spec.latency,
            spec.embedded ? net::tcp::embedded_profile() : net::tcp::linux_profile()) {
    wire_.now = spec.begin;
    wire_.listening = spec.listening;
    for (std::uint64_t side = 0; side < 2; ++side) {
        luck_[side] = Stream(StreamKey::of(spec.seed, "capture", "link"), 2 * spec.number + side);
    }
    sizes_ = Stream(StreamKey::of(spec.seed, "capture", "sizes"), spec.number);
    wire_.lose = [this](int side, const Segment&, std::size_t) {
        arrivals_.push_back(Instant::never());
        const bool unlucky = luck_[index(side)].chance(spec_.loss);
        return unlucky || (spec_.half_open && side == kServer && published_ > spec_.messages / 2);
    };
    wire_.delay = [this](int side, const Segment&) {
        const Duration extra = scaled(spec_.jitter, luck_[index(side)].unit());
        arrivals_.back() = wire_.now + spec_.latency + extra;
        return extra;
    };
}

void Session::send(int side, BlobId blob, Message message) {
    Side& from = side_[index(side)];
    const ByteView bytes = pool_.bytes(blob);
    from.stream.insert(from.stream.end(), bytes.begin(), bytes.end());
    message.end = static_cast<std::uint32_t>(from.stream.size());
    from.under_way.push_back(message);
    ++from.packets;
    wire_.write(side, static_cast<std::uint32_t>(bytes.size()));
    pool_.release(blob);
}

void Session::publish(int side, wire::QoS qos, std::size_t bytes) {
    const std::vector<std::uint8_t> payload(bytes, static_cast<std::uint8_t>('a' + bytes % 26));
    wire::Publish packet;
    packet.topic = side == kClient ? "site/pump/flow" : "site/pump/commands";
    packet.payload = payload;
    packet.qos = qos;
    packet.packet_id = qos == wire::QoS::at_most_once ? wire::PacketId{0} : next_id_++;
    send(side, encode(pool_, spec_.version, packet),
         {0, wire::PacketType::publish, qos, packet.packet_id});
}

void Session::acknowledge(int side, wire::PacketType type, wire::PacketId id) {
    wire::Ack ack;
    ack.type = type;
    ack.packet_id = id;
    send(side, encode(pool_, spec_.version, ack), {0, type, {}, id});
}

void Session::client_heard(const Message& message) {
    using wire::PacketType;
    if (message.type == PacketType::connack) {
        const std::vector<wire::SubscriptionRequest> wanted = {{"site/pump/commands", {}}};
        send(kClient, encode_subscribe(pool_, spec_.version, next_id_++, wanted),
             {0, PacketType::subscribe, {}, 1});
    } else if (message.type == PacketType::suback) {
        next_ = wire_.now;
    } else if (message.type == PacketType::pubrec) {
        acknowledge(kClient, PacketType::pubrel, message.id);
    } else if (message.type == PacketType::pingresp) {
        send(kClient, encode(pool_, spec_.version, wire::Disconnect{}),
             {0, PacketType::disconnect, {}, 0});
        spec_.abort ? wire_.abort(kClient) : wire_.close(kClient);
        side_[index(kClient)].closed = true;
    }
}

void Session::server_heard(const Message& message) {
    using wire::PacketType;
    if (message.type == PacketType::connect) {
        send(kServer, encode(pool_, spec_.version, wire::Connack{}),
             {0, PacketType::connack, {}, 0});
    } else if (message.type == PacketType::subscribe) {
        const std::uint8_t granted = 0;
        wire::ListAck ack;
        ack.packet_id = message.id;
        ack.reasons = {&granted, 1};
        send(kServer, encode(pool_, spec_.version, ack), {0, PacketType::suback, {}, message.id});
    } else if (message.type == PacketType::publish) {
        if (message.qos == wire::QoS::at_least_once) {
            acknowledge(kServer, PacketType::puback, message.id);
        } else if (message.qos == wire::QoS::exactly_once) {
            acknowledge(kServer, PacketType::pubrec, message.id);
        } else {
            publish(kServer, wire::QoS::at_most_once, sizes_.below(kLargest));
        }
    } else if (message.type == PacketType::pubrel) {
        acknowledge(kServer, PacketType::pubcomp, message.id);
    } else if (message.type == PacketType::pingreq) {
        send(kServer, wire::encode_pingresp(pool_), {0, PacketType::pingresp, {}, 0});
    }
}

void Session::step() {
    Side& client = side_[index(kClient)];
    Side& server = side_[index(kServer)];
    if (wire_.established[index(kClient)] && client.packets == 0) {
        wire::Connect connect;
        connect.version = spec_.version;
        connect.client_id = "pump";
        connect.keep_alive = 60;
        send(kClient, encode(pool_, connect), {0, wire::PacketType::connect, {}, 0});
    }
    while (!client.under_way.empty() &&
           client.under_way.front().end <= wire_.delivered[index(kServer)]) {
        const Message message = client.under_way.front();
        client.under_way.pop_front();
        server_heard(message);
    }
    while (!server.under_way.empty() && !client.closed &&
           server.under_way.front().end <= wire_.delivered[index(kClient)]) {
        const Message message = server.under_way.front();
        server.under_way.pop_front();
        client_heard(message);
    }
    if (!client.closed && wire_.now >= next_) {
        next_ = wire_.now + spec_.interval;
        if (published_ < spec_.messages) {
            const auto qos = static_cast<wire::QoS>(published_++ % 3);
            publish(kClient, qos, sizes_.below(kLargest));
        } else {
            next_ = Instant::never();
            send(kClient, wire::encode_pingreq(pool_), {0, wire::PacketType::pingreq, {}, 0});
        }
    }
    if (wire_.peer_closed[index(kServer)] && !server.closed) {
        server.closed = true;
        wire_.close(kServer);
    }
}

void Session::run(Duration at_most) {
    const Instant until = wire_.now + at_most;
    wire_.connect();
    while (wire_.now < until) {
        wire_.run_for(kStep);
        const bool client_gone = wire_.over[index(kClient)] != Over::no;
        const bool server_gone = wire_.over[index(kServer)] != Over::no;
        if (client_gone && (server_gone || wire_.end[1].state == State::closed)) break;
        if (!client_gone && !server_gone) step();
    }
    wire_.run_for(spec_.latency * 4);  // last words
}

}  // namespace mqttwin
