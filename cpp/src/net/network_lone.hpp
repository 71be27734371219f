// The lone segment: a quiet exchange (network_quiet.cpp) on a connection that has nothing else to
// do needs neither lanes nor lists. All of it is one record of two cache lines, from the write
// until the acknowledgement has arrived.
//
// The rules are those of tcp_quiet.hpp. What is not as usual unfolds into the working record that
// there would have been, and goes the way of network_quiet.cpp.
//
// A header, because most of a fleet's traffic goes this way, and each function has one caller.
#pragma once

#include "mqttwin/base/computed_once.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/net/tcp_quiet.hpp"

namespace mqttwin::net {

/// False: nothing was done.
[[gnu::always_inline]] inline bool Network::send_lone(Instant now, Ref& r, End sender, BlobId head,
                                                      BlobId body, std::uint32_t bytes,
                                                      const Stamp& stamp) {
    Flow& flow = *r.flow;
    tcp::Endpoint& e = computed_once(r.end(sender));
    tcp::Machine& machine = tcp(r, sender);
    if (!quiet_ || !r.p->quiet_path || flow.faulty || flow.forgotten ||
        !machine.can_write_quietly(e, bytes)) {
        return false;
    }
    std::uint32_t lone = lone_of(r.id, flow);
    bool answers = false;
    if (lone != kNone) {
        const Lone& before = lones_[lone];
        const bool unanswered =
            before.state == Lone::State::reading || before.state == Lone::State::owed;
        answers = unanswered && before.sender == other(sender);
        const bool over = before.state == Lone::State::settling && before.at <= now;
        if (!answers && !over) {
            return before.state == Lone::State::owed && before.sender == sender &&
                   send_second(now, r, lone, head, body, bytes, stamp);
        }
    }
    Passage passage;
    offer_small(now, r, sender, machine.quiet_wire_bytes(e, bytes), passage);
    if (passage.fate != Passage::Fate::arrives || passage.arrives - now >= machine.patience(e)) {
        engage(now, r);
        append_unit(now, r, sender, Unit::Kind::data, head, body, bytes).stamp = stamp;
        write_unquietly(now, r, sender, bytes, passage);
        rest_unless_handling(now, r);
        return true;
    }
    if (lone == kNone) {
        lone = take_lone_record(now, r);
    } else {
        lone_owners_[lone].ticket = 0;
    }
    release_crowd(now);  // also of who uses its own record again: else each would keep its own
    Lone& one = lones_[lone];
    if (answers) {
        const End peer = other(sender);
        one.earlier = one.bytes;
        one.earlier_sent = one.sent;
        one.promised = passage.arrives - one.sent < tcp(r, peer).patience(r.end(peer));
    } else {
        one.earlier = 0;
    }
    one.bytes = bytes;
    one.at = passage.arrives;
    one.sent = now;
    one.stamp = stamp;
    one.head = head;
    one.body = body;
    one.sender = sender;
    one.state = Lone::State::coming;
    one.pair = false;
    tcp::Segment segment;  // can be made again
    machine.write_quietly({now, phase(r, sender)}, e, bytes, answers, segment);
    one.timestamp = segment.ts_value;
    if (tap_ != nullptr) {  // sees copies: what nobody else can see stays in registers
        tap_->on_written(now, r.id, sender, e.acked, head, body);
        tap_->on_packet(now, r.id, sender, tcp::Segment(segment), Passage(passage));
    }
    push_event(r, one.at, arrival_event(sender));
    if (answers && !one.promised && r.id != handling_) {  // else `leave_lone` sees to it
        engage(now, r);
        resume_unless_promised(now, r, other(sender));
    }
    return true;
}

/// It has been read, and nobody has answered yet. False: its sender may be impatient before the
/// acknowledgement is sent at the latest.
inline bool Network::let_owe(Instant now, const Ref& r, std::uint32_t lone) {
    Lone& one = lones_[lone];
    const End receiver = other(one.sender);
    const Instant until = tcp(r, receiver).owed_until({now, phase(r, receiver)}, r.end(receiver));
    if (until - one.sent >= tcp(r, one.sender).patience(r.end(one.sender))) return false;
    one.state = Lone::State::owed;
    one.at = until;
    await_debt(r, lone);
    return true;
}

/// An event for when it is due, unless there is one before, which looks again.
inline void Network::await_debt(const Ref& r, std::uint32_t lone) {
    const Lone& one = lones_[lone];
    const End receiver = other(one.sender);
    Instant& timer = lone_owners_[lone].timer[side(receiver)];
    if (timer <= one.at) return;
    timer = one.at;
    push_event(r, timer, timer_event(receiver));
}

/// A timer of an end with no more than a lone segment. False: nothing is due.
inline bool Network::lone_timer(Instant now, const Ref& r, std::uint32_t lone, End end) {
    const Lone& one = lones_[lone];
    Instant& timer = lone_owners_[lone].timer[side(end)];
    if (timer <= now) timer = Instant::never();
    if (one.state != Lone::State::owed || one.sender == end) return false;
    if (one.at <= now) return true;
    await_debt(r, lone);
    return false;
}

/// What the reader has done may want more than a lone segment. As behind `take_quietly`.
inline void Network::leave_lone(Instant now, Ref& r, End sender) {
    if (const std::uint32_t lone = lone_of(r.id, *r.flow); lone != kNone) {
        const Lone& one = lones_[lone];
        const bool answer = one.state == Lone::State::coming && one.earlier > 0;
        if (one.state == Lone::State::reading) {
            if (let_owe(now, r, lone)) return;
        } else if (!answer || one.promised) {
            return;
        }
    } else if (!engaged(r.id)) {
        return;
    }
    r = engage(now, r.id);
    if (r.lane(other(sender)).owing > 0) schedule_timer(r, other(sender));
    if (r.lane(sender).out > 0) resume_unless_promised(now, r, sender);
    schedule_arrival(r, sender);
}

/// It has been read, and its acknowledgement arrives then.
[[gnu::always_inline]] inline void Network::settle_lone(Instant now, Lone& one, std::uint32_t lone,
                                                        Instant arrives) {
    one.at = arrives;
    one.state = Lone::State::settling;
    if (arrives > now) {
        let_settle(now, arrives, kLone + lone, lone_owners_[lone].ticket);
    } else {
        release_lone(lone);
    }
}

/// The reader is told; and may answer. What it writes carries nothing else, and waits for nothing,
/// if the segment is acknowledged already.
[[gnu::always_inline]] inline void Network::read_lone(Instant now, Ref& r, End sender,
                                                      bool acknowledged, BlobId head, BlobId body,
                                                      const Stamp& stamp) {
    handling_ = r.id;
    deliver(now, r.id, other(sender), head, body, stamp);
    if (!acknowledged || r.flow->busy < kLone) leave_lone(now, r, sender);
    handling_ = kNoFlow;
    if (r.busy != nullptr) rest(now, r);
}

/// It has arrived. False: there is more to it, and it has been unfolded.
[[gnu::always_inline]] inline bool Network::take_lone(Instant now, Ref& r, std::uint32_t lone) {
    Lone& one = lones_[lone];
    const End sender = one.sender;
    const End receiver = other(sender);
    tcp::Endpoint& from = computed_once(r.end(sender));
    tcp::Endpoint& to = computed_once(r.end(receiver));
    tcp::Machine& machine = tcp(r, receiver);
    tcp::Machine& sending = tcp(r, sender);
    const tcp::Segment segment = sending.quiet_segment(from, one.bytes, one.timestamp);
    if (!machine.can_receive_quietly(to, one.earlier, segment)) {
        engage(now, r);
        return false;
    }
    Passage passage;  // of the acknowledgement, unless an answer may carry it
    if (!to.ping_pong) {
        // Nothing has happened to the sender since, so it takes that quietly.
        if (from.cwnd < 2 || reorders(r, receiver)) {
            engage(now, r);
            return false;
        }
        offer_small(now, r, receiver, machine.quiet_wire_bytes(to, 0), passage);
        if (passage.fate != Passage::Fate::arrives ||
            passage.arrives - one.sent >= sending.patience(from)) {
            decided_ = passage;
            engage(now, r);
            return false;
        }
    }
    if (one.earlier > 0) {
        machine.acknowledge_quietly(now, to, one.earlier_sent, one.earlier_sent, false, segment);
    }
    const Stamp stamp = one.stamp;
    const BlobId head = one.head;
    const BlobId body = one.body;
    tcp::Segment ack;
    if (machine.receive_quietly({now, phase(r, receiver)}, to, segment, false, ack)) {
        if (tap_ != nullptr)
            tap_->on_packet(now, r.id, receiver, tcp::Segment(ack), Passage(passage));
        tcp::Machine::remember(from, ack, one.undo);
        sending.acknowledge_quietly(passage.arrives, from, one.sent, one.sent, false, ack);
        settle_lone(now, one, lone, passage.arrives);
    } else {
        one.state = Lone::State::reading;
    }
    read_lone(now, r, sender, one.state != Lone::State::reading, head, body, stamp);
    return true;
}

}  // namespace mqttwin::net
