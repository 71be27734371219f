// How a lone segment (network_lone.hpp) becomes what it would have been, and how it ends.
#include "network_lone.hpp"

namespace mqttwin::net {

/// The working record that there would have been.
void Network::unfold(Instant now, const Ref& r, std::uint32_t lone) {
    const Lone& one = lones_[lone];
    const End sender = one.sender;
    const End receiver = other(sender);
    Lane& l = r.lane(sender);
    Lane& back = r.lane(receiver);
    l.sent = one.sent;
    const bool owed = one.state == Lone::State::owed;
    for (const End end : {End::client, End::server}) {
        r.lane(end).timer_event = lone_owners_[lone].timer[side(end)];
    }
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
        case Lone::State::reading:
        case Lone::State::owed:
            l.written += one.bytes;
            l.out = one.bytes;
            back.owing = one.bytes;
            back.ack_at =
                owed ? one.at : tcp(r, receiver).owed_until(r.at(now, receiver), r.end(receiver));
            break;
        case Lone::State::settling:
            if (one.at <= now) break;
            l.settled = one.at;
            l.undo = one.undo;
            break;
    }
    release_lone(lone);
    if (owed) {  // while it is being read, `leave_lone` sees to it
        if (back.ack_at > now) schedule_timer(r, receiver);
        resume_unless_promised(now, r, sender);
    }
}

/// The other way round. In a dialogue whose answers carry the acknowledgements there always is
/// something under way; but in between it is no more than a segment that has been read, and its
/// acknowledgement that is owed.
void Network::fold(Instant now, const Ref& r) {
    if (!quiet_ || !r.p->quiet_path || r.flow->faulty || r.flow->forgotten) return;
    for (const End sender : {End::client, End::server}) {
        const End receiver = other(sender);
        tcp::Endpoint& from = r.end(sender);
        tcp::Endpoint& to = r.end(receiver);
        const Lane& l = r.lane(sender);
        const Lane& back = r.lane(receiver);
        tcp::Machine::Told out{l.sent, l.out};
        tcp::Machine::Told owed{back.ack_at, back.owing};
        if (from.flying) out = tcp(r, sender).resumed(from);
        if (to.flying) owed = tcp(r, receiver).resumed_owing(to);
        if (out.bytes == 0 || owed.bytes != out.bytes) continue;
        if (max(l.settled, back.settled) > now || owed.at <= now || !from.reading || !to.reading ||
            owed.at - out.at >= tcp(r, sender).patience(from)) {
            return;
        }
        if (from.flying) tcp(r, sender).ground(from);
        if (to.flying) tcp(r, receiver).ground(to);
        const std::array<Instant, 2> timer{r.lane(End::client).timer_event,
                                           r.lane(End::server).timer_event};
        release_busy(r.flow->busy);
        const std::uint32_t lone = take_lone_record(r);
        lone_owners_[lone].timer = timer;
        Lone& one = lones_[lone];
        one.bytes = out.bytes;
        one.at = owed.at;
        one.sent = out.at;
        one.sender = sender;
        one.state = Lone::State::owed;
        one.answered = 0;
        await_debt(r, lone);
        return;
    }
}

/// The flow is not touched, as by release_busy.
void Network::release_lone(std::uint32_t lone) {
    lone_owners_[lone] = {};
    lones_.give_back(lone);
}

}  // namespace mqttwin::net
