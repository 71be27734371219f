// The quiet exchange: a small write on an idle connection costs one event, that of its arrival.
//
// The sender's timers need none, for when the segment arrives it is known whether its ACK will, and
// when: the sender is then settled beforehand, and put back if something else happens first. What
// is lost, late, large or crossing goes to the machines. The result is the same
// (test_network_quiet.cpp).
#include <stdexcept>
#include <utility>

#include "mqttwin/base/computed_once.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/net/tcp_quiet.hpp"

namespace mqttwin::net {

bool Network::write_quietly(Instant now, const Ref& r, End sender, std::uint32_t bytes) {
    tcp::Endpoint& e = computed_once(r.end(sender));
    tcp::Machine& machine = tcp(r, sender);
    Lane& l = r.lane(sender);
    if (!r.p->quiet_path || r.flow->faulty || r.flow->forgotten) return false;
    if (l.out > 0 || l.settled > now || !machine.can_write_quietly(e, bytes)) return false;
    l.settled = Instant{-1};
    Passage passage;
    offer(now, r, sender, machine.quiet_wire_bytes(e, bytes), passage);
    if (passage.fate != Passage::Fate::arrives || passage.arrives - now >= machine.patience(e)) {
        write_unquietly(now, r, sender, bytes, passage);
        return true;
    }
    const std::uint32_t index = packets_.take_used();
    Packet& packet = packets_[index];
    packet.arrives = passage.arrives;
    packet.tells = true;
    packet.held = false;
    machine.write_quietly(r.at(now, sender), e, bytes, l.owing > 0, packet.segment);
    if (tap_ != nullptr) tap_->on_packet(now, r.id, sender, packet.segment, Passage(passage));
    l.owing = 0;
    l.ack_at = Instant::never();
    l.out = bytes;
    l.sent = now;
    l.promised = false;
    // What the other end has out is acknowledged by this, in time?
    Lane& back = r.lane(other(sender));
    if (back.out > 0) {
        const tcp::Endpoint& peer = r.end(other(sender));
        back.promised = passage.arrives - back.sent < tcp(r, other(sender)).patience(peer);
    }
    packets_.link(l, index);
    schedule_arrival(r, sender);
    return true;
}

/// The machine is to know, for this segment is lost or late.
void Network::write_unquietly(Instant now, const Ref& r, End sender, std::uint32_t bytes,
                              Passage passage) {
    decided_ = passage;
    rouse(now, r, sender);
    out_.clear();
    tcp(r, sender).write(r.at(now, sender), r.end(sender), bytes, out_);
    follow(now, r, sender);
}

/// The same where more is under way, as long as it is plain.
bool Network::write_plainly(Instant now, const Ref& r, End sender, std::uint32_t bytes) {
    tcp::Endpoint& e = computed_once(r.end(sender));
    const Lane& l = computed_once(r.lane(sender));
    if (!e.flying || l.owing > 0 || l.out > 0) return false;
    const std::uint32_t index = packets_.take_used();
    Packet& packet = packets_[index];
    if (!tcp(r, sender).write_plainly(r.at(now, sender), e, bytes, packet.segment)) {
        packets_.give_back(index);
        return false;
    }
    Passage passage;
    offer(now, r, sender, packet.segment.wire_bytes(), passage);
    if (tap_ != nullptr) tap_->on_packet(now, r.id, sender, packet.segment, Passage(passage));
    if (passage.fate == Passage::Fate::arrives) {
        packet.arrives = passage.arrives;
        packet.tells = true;
        packet.held = passage.held;
        packets_.link(r.lane(sender), index);
        schedule_arrival(r, sender);
    } else {
        const tcp::Segment segment = packet.segment;
        packets_.give_back(index);
        if (passage.fate == Passage::Fate::no_way) reset_by_middlebox(now, r, sender, segment);
    }
    schedule_arrival(r, other(sender));  // an ACK under way is not that of everything any more
    schedule_timer(r, sender);
    return true;
}

/// `sender` is what it will be when `ack` has arrived. False: it has more on its mind.
inline bool Network::settle(const Ref& r, End sender, Instant arrives, const tcp::Segment& ack) {
    tcp::Endpoint& e = computed_once(r.end(sender));
    tcp::Machine& machine = tcp(r, sender);
    Lane& l = computed_once(r.lane(sender));
    if (l.out == 0 || !machine.can_acknowledge_quietly(e, l.out, ack)) return false;
    if (arrives - l.sent >= machine.patience(e)) return false;
    if (reorders(r, other(sender))) return false;  // an ACK that is overtaken may be answered
    tcp::Machine::remember(e, ack, l.undo);
    l.settled = arrives;
    machine.acknowledge_quietly(arrives, e, l.sent, l.sent, l.owing > 0, ack);
    l.out = l.earlier = 0;
    return true;
}

bool Network::take_quietly(Instant now, const Ref& r, End receiver, const tcp::Segment& segment) {
    tcp::Endpoint& e = computed_once(r.end(receiver));
    tcp::Machine& machine = tcp(r, receiver);
    Lane& l = computed_once(r.lane(receiver));
    if (l.settled > now) return false;
    l.settled = Instant{-1};
    const bool data = segment.length > 0;
    if (data ? !machine.can_receive_quietly(e, l.out, segment)
             : l.out == 0 || !machine.can_acknowledge_quietly(e, l.out, segment)) {
        return false;
    }
    if (l.out > 0) {
        machine.acknowledge_quietly(now, e, l.sent, l.sent, l.owing > 0, segment);
        l.out = 0;
    }
    if (!data) return true;
    const std::uint32_t index = packets_.take_used();  // for the acknowledgement
    tcp::Segment& ack = packets_[index].segment;
    bool under_way = false;
    if (machine.receive_quietly(r.at(now, receiver), e, segment, l.owing > 0, ack)) {
        l.owing = 0;
        l.ack_at = Instant::never();
        Passage passage;
        if (decided_) {
            passage = *std::exchange(decided_, std::nullopt);
        } else {
            offer(now, r, receiver, ack.wire_bytes(), passage);
        }
        if (tap_ != nullptr)
            tap_->on_packet(now, r.id, receiver, tcp::Segment(ack), Passage(passage));
        under_way = passage.fate == Passage::Fate::arrives &&
                    !settle(r, other(receiver), passage.arrives, ack);
        if (under_way) {
            const bool others = l.packets != kNone && l.telling == 0;
            put(r, receiver, passage.arrives, index, false);
            // A mere ACK behind others: whatever takes those takes it, too.
            const bool mere = others && l.last_packet == index && !packets_[index].tells;
            if (!mere) schedule_arrival(r, receiver);
        }
    } else {
        l.owing = segment.length;
        l.ack_at = machine.owed_until(r.at(now, receiver), e);
    }
    if (!under_way) packets_.give_back(index);
    hand_over(now, r, receiver, segment.length);
    if (l.owing > 0) schedule_timer(r, receiver);
    return true;
}

/// Quietly if nothing is under way at the receiver, else plainly.
bool Network::take_simply(Instant now, const Ref& r, End receiver, const tcp::Segment& segment) {
    tcp::Endpoint& e = computed_once(r.end(receiver));
    if (!e.flying) return take_quietly(now, r, receiver, segment);
    const Lane& l = computed_once(r.lane(receiver));
    if (l.owing > 0 || l.out > 0 || r.lane(other(receiver)).first <= now) return false;
    out_.clear();
    if (!tcp(r, receiver).receive_plainly(r.at(now, receiver), e, segment, out_)) return false;
    if (segment.length > 0 || !out_.segments.empty()) {
        follow(now, r, receiver);
    } else if (behind_ != r.id) {
        schedule_arrival(r, other(receiver));
        schedule_timer(r, receiver);
    }
    return true;
}

/// The ACK that is owed is the machine's business from now on.
void Network::settle_debt(Instant now, const Ref& r, End end) {
    Lane& l = r.lane(end);
    if (l.owing == 0) return;
    const std::uint32_t received = l.owing;
    l.owing = 0;
    tcp(r, end).resume_owing(r.at(now, end), r.end(end), received, l.ack_at);
    l.ack_at = Instant::never();
    schedule_timer(r, end);
}

/// Whatever this end has out or owes is the machine's business from now on.
void Network::wake(Instant now, const Ref& r, End end) {
    catch_up(now, r, end);
    rouse(now, r, end);
}

void Network::rouse(Instant now, const Ref& r, End end) {
    Lane& l = r.lane(end);
    if (l.settled > now) {
        tcp::Endpoint& e = r.end(end);
        const std::uint32_t index = packets_.take_used();
        Packet& packet = packets_[index];
        packet.arrives = l.settled;
        packet.segment = tcp::Machine::take_back(e, l.undo);
        packet.tells = packet.held = false;
        l.out = packet.segment.ack - e.acked;
        // Its ACK is a packet again, ahead of what was sent after it.
        Lane& back = r.lane(other(end));
        std::uint32_t* place = &back.packets;
        while (*place != kNone && packets_[*place].arrives < l.settled) {
            place = &packets_[*place].next;
        }
        packet.next = *place;
        *place = index;
        if (packet.next == kNone) back.last_packet = index;
        back.first = packets_[back.packets].arrives;
        if (l.earlier > 0) {
            const std::uint32_t second = l.out - l.earlier;
            l.out = 0;
            resume_both(r, end, l.earlier, l.earlier_sent, second, l.sent);
            schedule_timer(r, end);
            schedule_arrival(r, other(end));
        }
    }
    l.settled = Instant{-1};
    if (l.out > 0) resume(r, end);
    settle_debt(now, r, end);
}

void Network::resume(const Ref& r, End end) {
    Lane& l = r.lane(end);
    const std::uint32_t bytes = l.out;
    l.out = 0;
    tcp(r, end).resume(r.end(end), r.at(l.sent, end), bytes);
    schedule_timer(r, end);
    schedule_arrival(r, other(end));
}

/// The same with two that are out. The second again.
tcp::Segment Network::resume_both(const Ref& r, End end, std::uint32_t earlier,
                                  Instant earlier_sent, std::uint32_t bytes, Instant sent) {
    tcp::Machine& machine = tcp(r, end);
    machine.resume(r.end(end), r.at(earlier_sent, end), earlier);
    tcp::Segment segment;
    // It was when it was sent (can_write_second_quietly), and nothing has happened since.
    if (!machine.write_plainly(r.at(sent, end), r.end(end), bytes, segment)) {
        throw std::logic_error("the second segment of a pair is not plain");
    }
    return segment;
}

void Network::resume_unless_promised(Instant now, const Ref& r, End sender) {
    const Lane& l = r.lane(sender);
    if (l.out == 0 || l.promised) return;
    if (r.end(sender).state == tcp::State::closed) return;
    catch_up(now, r, sender);
    if (l.out > 0) resume(r, sender);
}

}  // namespace mqttwin::net
