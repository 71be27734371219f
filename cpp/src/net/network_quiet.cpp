// The quiet exchange: a small write on an idle connection costs one event, that of its arrival.
//
// The sender's timers need none, for when the segment arrives it is known whether its ACK will, and
// when: the sender is then settled beforehand, and put back if something else happens first. What
// is lost, late, large or crossing goes to the machines. The result is the same
// (test_network_quiet.cpp).
#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

bool Network::write_quietly(Instant now, FlowId id, End sender, std::uint32_t bytes) {
    Flow& flow = flows_[id];
    tcp::Endpoint& e = flow.end[side(sender)];
    tcp::Machine& tcp = machine(flow, sender);
    Lane& l = lane(id, sender);
    if (!populations_[flow.population].quiet_path || flow.faulty || flow.forgotten) return false;
    if (l.out > 0 || l.settled > now || !tcp.can_write_quietly(e, bytes)) return false;
    l.settled = Instant{-1};
    const Passage passage = offer(now, id, sender, tcp.quiet_wire_bytes(e, bytes));
    if (passage.fate != Passage::Fate::arrives || passage.arrives - now >= tcp.patience(e)) {
        decided_ = &passage;
        rouse(now, id, sender);
        out_.clear();
        tcp.write(now, e, bytes, out_);
        follow(now, id, sender);
        return true;
    }
    const tcp::Segment segment = tcp.write_quietly(now, e, bytes, l.owing > 0);
    if (tap_ != nullptr) tap_->on_packet(now, id, sender, segment, passage);
    l.owing = 0;
    l.out = bytes;
    l.sent = now;
    l.promised = false;
    // What the other end has out is acknowledged by this, in time?
    Lane& back = lane(id, other(sender));
    if (back.out > 0) {
        const tcp::Endpoint& peer = flow.end[side(other(sender))];
        back.promised = passage.arrives - back.sent < machine(flow, other(sender)).patience(peer);
    }
    put(id, sender, passage.arrives, segment);
    schedule_arrival(id, sender);
    return true;
}

bool Network::take_quietly(Instant now, FlowId id, End receiver, const tcp::Segment& segment) {
    Flow& flow = flows_[id];
    tcp::Endpoint& e = flow.end[side(receiver)];
    tcp::Machine& tcp = machine(flow, receiver);
    Lane& l = lane(id, receiver);
    if (l.settled > now) return false;
    l.settled = Instant{-1};
    const bool data = segment.length > 0;
    if (data ? !tcp.can_receive_quietly(e, l.out, segment)
             : l.out == 0 || !tcp.can_acknowledge_quietly(e, l.out, segment)) {
        return false;
    }
    if (l.out > 0) {
        tcp.acknowledge_quietly(now, e, l.sent, segment);
        l.out = 0;
    }
    if (!data) return true;
    tcp::Segment ack;
    if (tcp.receive_quietly(now, e, segment, ack)) {
        const Passage passage = offer(now, id, receiver, ack.wire_bytes());
        if (tap_ != nullptr) tap_->on_packet(now, id, receiver, ack, passage);
        if (passage.fate == Passage::Fate::arrives &&
            !settle(id, other(receiver), passage.arrives, ack)) {
            put(id, receiver, passage.arrives, ack);
            schedule_arrival(id, receiver);
        }
        hand_over(now, id, receiver, segment.length);
        return true;
    }
    l.owing = segment.length;
    hand_over(now, id, receiver, segment.length);
    settle_debt(now, id, receiver);
    return true;
}

/// The ACK that is owed was not carried by an answer: the machine's timer sends it.
void Network::settle_debt(Instant now, FlowId id, End end) {
    Lane& l = lane(id, end);
    if (l.owing == 0) return;
    const std::uint32_t received = l.owing;
    l.owing = 0;
    machine(flows_[id], end).resume_owing(now, endpoint(id, end), received);
    schedule_timer(id, end);
}

/// `sender` is what it will be when `ack` has arrived. False: it has more on its mind.
bool Network::settle(FlowId id, End sender, Instant arrives, const tcp::Segment& ack) {
    Flow& flow = flows_[id];
    tcp::Endpoint& e = flow.end[side(sender)];
    tcp::Machine& tcp = machine(flow, sender);
    Lane& l = lane(id, sender);
    if (l.out == 0 || !tcp.can_acknowledge_quietly(e, l.out, ack)) return false;
    if (arrives - l.sent >= tcp.patience(e)) return false;
    if (reorders(flow, other(sender))) return false;  // an ACK that is overtaken may be answered
    l.before = e;
    l.ack = ack;
    l.settled = arrives;
    tcp.acknowledge_quietly(arrives, e, l.sent, ack);
    l.out = 0;
    return true;
}

/// Whatever this end has out or owes is the machine's business from now on.
void Network::wake(Instant now, FlowId id, End end) {
    catch_up(now, id, end);
    rouse(now, id, end);
}

void Network::rouse(Instant now, FlowId id, End end) {
    Lane& l = lane(id, end);
    if (l.settled > now) {
        tcp::Endpoint& e = endpoint(id, end);
        const std::uint32_t bytes = l.ack.ack - l.before.acked;
        e = l.before;
        l.out = bytes;
        // Its ACK is a packet again, ahead of what was sent after it.
        Lane& back = lane(id, other(end));
        const std::uint32_t index = packets_.take();
        packets_[index].arrives = l.settled;
        packets_[index].segment = l.ack;
        std::uint32_t* place = &back.packets;
        while (*place != kNone && packets_[*place].arrives < l.settled) {
            place = &packets_[*place].next;
        }
        packets_[index].next = *place;
        *place = index;
        if (packets_[index].next == kNone) back.last_packet = index;
        l.settled = Instant{-1};
    }
    l.settled = Instant{-1};
    if (l.out > 0) resume(id, end);
    settle_debt(now, id, end);
}

void Network::resume(FlowId id, End end) {
    Lane& l = lane(id, end);
    const std::uint32_t bytes = l.out;
    l.out = 0;
    machine(flows_[id], end).resume(endpoint(id, end), l.sent, bytes);
    schedule_timer(id, end);
    schedule_arrival(id, other(end));
}

void Network::resume_unless_promised(FlowId id, End sender) {
    Lane& l = lane(id, sender);
    if (l.out == 0 || l.promised) return;
    if (endpoint(id, sender).state == tcp::State::closed) return;
    resume(id, sender);
}

}  // namespace mqttwin::net
