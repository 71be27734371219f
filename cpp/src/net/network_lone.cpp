// How a lone segment (network_lone.hpp) becomes what it would have been, and how it ends.
#include "mqttwin/net/network.hpp"
#include "mqttwin/net/tcp_quiet.hpp"

namespace mqttwin::net {

/// The working record that there would have been.
void Network::unfold(Instant now, const Ref& r, std::uint32_t lone) {
    const Lone& one = lones_[lone];
    const End sender = one.sender;
    const End receiver = other(sender);
    Lane& l = r.lane(sender);
    Lane& back = r.lane(receiver);
    l.sent = one.sent;
    switch (one.state) {
        case Lone::State::coming: {
            link_unit(l, Unit::Kind::data, one.head, one.body, one.bytes).stamp = one.stamp;
            const std::uint32_t index = packets_.take_used();
            Packet& packet = packets_[index];
            packet.arrives = one.at;
            packet.segment = tcp(r, sender).quiet_segment(r.end(sender), one.bytes, one.timestamp);
            packet.tells = true;
            packet.held = false;
            link_packet(l, index);
            l.out = one.bytes;
            l.arrival_event = one.at;
            back.written += one.answered;
            back.out = one.answered;
            back.sent = one.answered_sent;
            back.promised = one.promised && one.answered > 0;
            break;
        }
        case Lone::State::owed:
            l.written += one.bytes;
            l.out = one.bytes;
            back.owing = one.bytes;
            back.ack_at = tcp(r, receiver).owed_until(r.at(now, receiver), r.end(receiver));
            break;
        case Lone::State::settling:
            if (one.at <= now) break;
            l.settled = one.at;
            l.undo = one.undo;
            break;
    }
    release_lone(lone);
}

/// The flow is not touched, as by release_busy.
void Network::release_lone(std::uint32_t lone) {
    lone_owners_[lone] = {};
    lones_.give_back(lone);
}

}  // namespace mqttwin::net
