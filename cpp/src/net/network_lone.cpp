// How a lone segment (network_lone.hpp) becomes what it would have been, and how it ends.
#include "network_lone.hpp"

#include <cassert>

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
    const bool follows = one.state == Lone::State::following;
    for (const End end : {End::client, End::server}) {
        r.lane(end).timer_event = lone_owners_[lone].timer[side(end)];
    }
    switch (one.state) {
        case Lone::State::coming: {
            units_.append(l, Unit::Kind::data, one.head, one.body, one.bytes).stamp = one.stamp;
            const std::uint32_t index = packets_.take_used();
            Packet& packet = packets_[index];
            packet.arrives = one.at;
            packet.segment = tcp(r, sender).quiet_segment(r.end(sender), one.bytes, one.timestamp);
            packet.tells = true;
            packet.held = false;
            packets_.link(l, index);
            l.out = one.bytes;
            l.arrival_event = one.at;
            back.written += one.earlier;
            back.out = one.earlier;
            back.sent = one.earlier_sent;
            back.promised = one.promised && one.earlier > 0;
            break;
        }
        case Lone::State::following: {
            l.written += one.earlier;
            back.owing = one.earlier;
            back.ack_at = one.owed_until;
            units_.append(l, Unit::Kind::data, one.head, one.body, one.bytes).stamp = one.stamp;
            const std::uint32_t index = packets_.take_used();
            Packet& packet = packets_[index];
            packet.arrives = one.at;
            packet.segment =
                resume_both(r, sender, one.earlier, one.earlier_sent, one.bytes, one.sent);
            packet.tells = true;
            packet.held = false;
            packets_.link(l, index);
            l.arrival_event = one.at;
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
            l.earlier = one.pair ? one.earlier : 0;
            l.earlier_sent = one.earlier_sent;
            break;
    }
    release_lone(lone);
    if (follows) {
        schedule_timer(r, sender);
        if (back.ack_at > now) schedule_timer(r, receiver);
    }
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
        assert(l.owing == 0 && back.out == 0);  // a quiet end has either, not both
        if (from.flying) tcp(r, sender).ground(from);
        if (to.flying) tcp(r, receiver).ground(to);
        const std::array<Instant, 2> timer{r.lane(End::client).timer_event,
                                           r.lane(End::server).timer_event};
        release_busy(r.flow->busy);
        const std::uint32_t lone = take_lone_record(now, r);
        lone_owners_[lone].timer = timer;
        Lone& one = lones_[lone];
        one.bytes = out.bytes;
        one.at = owed.at;
        one.sent = out.at;
        one.sender = sender;
        one.state = Lone::State::owed;
        one.earlier = 0;
        one.promised = one.pair = false;
        await_debt(r, lone);
        return;
    }
}

/// Behind one that has been read and not acknowledged: when it has been read, both are at once.
/// False: nothing was done.
bool Network::send_second(Instant now, Ref& r, std::uint32_t lone, BlobId head, BlobId body,
                          std::uint32_t bytes, const Stamp& stamp) {
    Lone& one = lones_[lone];
    const End sender = one.sender;
    tcp::Endpoint& e = r.end(sender);
    tcp::Machine& machine = tcp(r, sender);
    if (!machine.can_write_second_quietly(e, one.bytes, bytes)) return false;
    Passage passage;
    offer_small(now, r, sender, machine.quiet_wire_bytes(e, bytes), passage);
    if (passage.fate != Passage::Fate::arrives || passage.arrives >= one.at ||
        passage.arrives - now >= machine.patience_with_two(e, now - one.sent)) {
        engage(now, r);
        append_unit(now, r, sender, Unit::Kind::data, head, body, bytes).stamp = stamp;
        write_unquietly(now, r, sender, bytes, passage);
        rest_unless_handling(now, r);
        return true;
    }
    one.earlier = one.bytes;
    one.earlier_sent = one.sent;
    one.owed_until = one.at;
    one.pair = true;
    one.bytes = bytes;
    one.at = passage.arrives;
    one.sent = now;
    one.stamp = stamp;
    one.head = head;
    one.body = body;
    one.state = Lone::State::following;
    tcp::Segment segment;
    machine.write_quietly({now, phase(r, sender)}, e, bytes, false, segment);
    segment.seq += one.earlier;
    one.timestamp = segment.ts_value;
    if (tap_ != nullptr) {
        tap_->on_written(now, r.id, sender, segment.seq, head, body);
        tap_->on_packet(now, r.id, sender, segment, passage);
    }
    push_event(r, one.at, arrival_event(sender));
    return true;
}

/// As `take_lone`: the second of a pair.
bool Network::take_second(Instant now, Ref& r, std::uint32_t lone) {
    Lone& one = lones_[lone];
    const End sender = one.sender;
    const End receiver = other(sender);
    tcp::Endpoint& from = r.end(sender);
    tcp::Endpoint& to = r.end(receiver);
    tcp::Machine& machine = tcp(r, receiver);
    tcp::Machine& sending = tcp(r, sender);
    tcp::Segment segment = sending.quiet_segment(from, one.bytes, one.timestamp);
    segment.seq += one.earlier;
    if (!machine.can_receive_quietly(to, 0, segment) || reorders(r, receiver)) {
        engage(now, r);
        return false;
    }
    Passage passage;
    offer_small(now, r, receiver, machine.quiet_wire_bytes(to, 0), passage);
    if (passage.fate != Passage::Fate::arrives ||
        passage.arrives - one.sent >=
            sending.patience_with_two(from, one.sent - one.earlier_sent)) {
        decided_ = passage;
        engage(now, r);
        return false;
    }
    const Stamp stamp = one.stamp;
    const BlobId head = one.head;
    const BlobId body = one.body;
    tcp::Segment ack;
    machine.receive_quietly({now, phase(r, receiver)}, to, segment, true, ack);
    if (tap_ != nullptr) tap_->on_packet(now, r.id, receiver, ack, passage);
    tcp::Machine::remember(from, ack, one.undo);
    sending.acknowledge_quietly(passage.arrives, from, one.earlier_sent, one.sent, false, ack);
    settle_lone(now, one, lone, passage.arrives);
    read_lone(now, r, sender, true, head, body, stamp);
    return true;
}

/// The flow is not touched, as by release_busy.
void Network::release_lone(std::uint32_t lone) {
    lone_owners_[lone] = {};
    lones_.give_back(lone);
}

}  // namespace mqttwin::net
