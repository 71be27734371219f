// Between the machines at both ends of a flow: segments out, segments in, deadlines, and what the
// owners of the ends are told.
#include <utility>

#include "mqttwin/base/computed_once.hpp"
#include "mqttwin/net/network.hpp"

#include "network_lone.hpp"

namespace mqttwin::net {

namespace {

constexpr End timed_end(FlowEvent timer) {
    return timer == FlowEvent::timer_client ? End::client : End::server;
}

/// More than an acknowledgement of what has arrived.
bool tells(const tcp::Segment& s) {
    return s.length > 0 || s.syn || s.fin || s.reset || s.sacks > 0;
}

}  // namespace

// --- Out -----------------------------------------------------------------------------------------

/// What the machine of `end` has said is done, and told.
void Network::follow(Instant now, const Ref& r, End end) {
    for (const tcp::Segment& segment : out_.segments) {
        Passage passage;
        if (decided_) {
            passage = *std::exchange(decided_, std::nullopt);
        } else {
            offer(now, r, end, segment.wire_bytes(), passage);
        }
        if (tap_ != nullptr) tap_->on_packet(now, r.id, end, segment, passage);
        if (passage.fate == Passage::Fate::arrives) {
            put(r, end, passage.arrives, segment, passage.held);
        } else if (passage.fate == Passage::Fate::no_way) {
            reset_by_middlebox(now, r, end, segment);
        }
    }
    const bool opened = out_.established;
    const bool closed = out_.peer_closed;
    const std::uint32_t delivered = out_.delivered;
    const tcp::Over how = out_.over;
    out_.clear();
    schedule_arrival(r, end);
    schedule_arrival(r, other(end));
    schedule_timer(r, end);
    // The owners may call back.
    if (opened) established(now, r, end);
    if (delivered > 0) hand_over(now, r, end, delivered);
    if (closed && r.end(end).reading) peer_closed(now, r, end);  // else when it reads on
    if (how != tcp::Over::no) over(now, r, end, how);
}

void Network::put(const Ref& r, End sender, Instant arrives, const tcp::Segment& segment,
                  bool held) {
    const std::uint32_t index = packets_.take_used();
    packets_[index].segment = segment;
    put(r, sender, arrives, index, held);
}

/// The same where its segment is there already.
void Network::put(const Ref& r, End sender, Instant arrives, std::uint32_t index, bool held) {
    Packet& packet = packets_[index];
    packet.arrives = arrives;
    packet.held = held;
    // A probe of the window is to be answered, and so may be an ACK that was overtaken. Without
    // SACK it takes three acknowledgements that say nothing new to tell of a loss.
    packet.tells = tells(packet.segment) || tcp::before(packet.segment.seq, r.end(sender).acked) ||
                   !tcp(r, sender).profile().sack || reorders(r, sender);
    packets_.link(r.lane(sender), index);
}

/// Something in this lane may change what the other end does: it needs an event.
void Network::find_arrival(const Ref& r, End sender) {
    Lane& l = computed_once(r.lane(sender));
    const tcp::Endpoint& receiver = computed_once(r.end(other(sender)));
    Instant at = l.first;
    // The first may be a mere ACK.
    if (quiet_ && (l.telling == 0 || !packets_[l.packets].tells) &&
        receiver.state == tcp::State::established) {
        const tcp::Machine& machine = tcp(r, other(sender));
        if (!machine.wants_acks(receiver)) {
            // Mere ACKs may be told a little later, all at once, as of the instants of their
            // arrival: before a timer that they set could fire. The event of a timer that is there
            // takes them, too; so does one that was set for older ones, if it is soon enough.
            const Instant timer = r.lane(other(sender)).timer_event;
            const auto taken_by = [&](Instant latest) {
                return l.arrival_event <= latest || (timer >= at && timer <= latest);
            };
            // Mostly known without asking how soon that is.
            if (l.telling == 0 && taken_by(at + machine.tick())) return;
            const tcp::Segment& last = packets_[l.last_packet].segment;
            Instant latest = Instant::never();
            if (!machine.needs_no_timer(receiver, last)) {
                latest = at + machine.least_timer(receiver);
                if (taken_by(latest)) latest = Instant::never();
            }
            if (l.telling > 0) {
                std::uint32_t first = l.packets;
                while (!packets_[first].tells) first = packets_[first].next;
                latest = min(latest, packets_[first].arrives);
            }
            at = latest;
            if (at == Instant::never()) return;
        }
    }
    if (l.arrival_event <= at) return;
    l.arrival_event = at;
    push_event(r, at, arrival_event(sender));
}

void Network::set_timer(const Ref& r, End end, Instant deadline) {
    r.lane(end).timer_event = deadline;
    push_event(r, deadline, timer_event(end));
}

// --- In ------------------------------------------------------------------------------------------

void Network::handle_event(Instant now, FlowEvent kind, std::uint8_t generation,
                           std::uint16_t population, std::uint32_t index, Sink& sink) {
    sink_ = &sink;
    Population& p = populations_[population];
    FlowId id = p.newest[index].flow();
    while (id != kNoFlow && flows_[id].attempt != generation) id = older(id);
    if (id == kNoFlow) return;  // over since
    if (kind > FlowEvent::timer_server) {
        handle_other_event(now, kind, id);
        return;
    }
    Flow& flow = flows_[id];
    Ref r{id, &flow, &p, busy_of(id, flow)};
    if (r.busy == nullptr) {
        const std::uint32_t lone = lone_of(id, flow);
        if (lone == kNone) return;
        if (kind >= FlowEvent::timer_client) {
            if (!lone_timer(now, r, lone, timed_end(kind))) return;
        } else {
            const Lone& one = lones_[lone];
            if (!one.arrives() || one.at > now || kind != arrival_event(one.sender)) {
                return;  // it was for what was before
            }
            const bool follows = one.state == Lone::State::following;
            if (follows ? take_second(now, r, lone) : take_lone(now, r, lone)) return;
        }
    }
    handling_ = id;
    engage(now, r);
    if (kind == FlowEvent::arrival_up || kind == FlowEvent::arrival_down) {
        const End sender = kind == FlowEvent::arrival_up ? End::client : End::server;
        Lane& l = r.lane(sender);
        if (l.arrival_event <= now) l.arrival_event = Instant::never();
        arrive(now, r, sender);
        schedule_arrival(r, sender);
    } else {
        const End end = timed_end(kind);
        Lane& l = r.lane(end);
        if (l.timer_event <= now) l.timer_event = Instant::never();
        catch_up(now, r, end);
        if (l.owing > 0 && l.ack_at <= now) settle_debt(now, r, end);
        if (l.owing > 0) schedule_timer(r, end);
        if (r.end(end).flying) {
            if (tcp(r, end).deadline(r.end(end)) <= now) {
                out_.clear();
                tcp(r, end).handle_deadline(r.at(now, end), r.end(end), out_);
                follow(now, r, end);
            } else {
                schedule_timer(r, end);           // it has moved away,
                schedule_arrival(r, other(end));  // and may have been what ACKs waited for
            }
        }
    }
    handling_ = kNoFlow;
    rest(now, r);
}

void Network::handle_other_event(Instant now, FlowEvent kind, FlowId id) {
    handling_ = id;
    const Ref r = engage(now, id);
    if (kind == FlowEvent::lookup) {
        handle_lookup(now, r);
    } else if (kind == FlowEvent::nudge) {
        handle_nudge(now, r);
    } else if (r.flow->talking) {
        const End thinker = kind == FlowEvent::think_client ? End::client : End::server;
        if (r.end(thinker).state == tcp::State::established) say(now, r, thinker);
        talk(now, r);
    }
    handling_ = kNoFlow;
    rest(now, r);
}

void Network::arrive(Instant now, const Ref& r, End sender) {
    const Lane& l = r.lane(sender);
    while (l.first <= now) {
        if (!packets_[l.packets].tells) {
            take_acks(now, r, other(sender));
            continue;
        }
        const std::uint32_t index = packets_.pop(r.lane(sender));
        const Packet& packet = packets_[index];
        take(packet.arrives, r, other(sender), packet.segment);
        packets_.give_back(index);
    }
}

void Network::take_acks(Instant now, const Ref& r, End end) {
    Lane& l = r.lane(other(end));
    if (packets_[l.packets].tells) return;  // has its own event, at this instant
    const FlowId before = behind_;
    behind_ = r.id;  // what the next one changes needs no event, for it could be over by now
    while (l.first <= now && !packets_[l.packets].tells) {
        const std::uint32_t index = packets_.pop(l);
        const Packet& packet = packets_[index];
        take(packet.arrives, r, end, packet.segment);
        packets_.give_back(index);
    }
    behind_ = before;
    schedule_timer(r, end);
    schedule_arrival(r, end);
    if (l.first > now) schedule_arrival(r, other(end));
}

void Network::take(Instant now, const Ref& r, End receiver, const tcp::Segment& segment) {
    if (r.end(receiver).silent) {
        // It is gone.
    } else if (r.end(receiver).state == tcp::State::closed) {
        if (receiver == End::server && !r.flow->accepted && segment.syn) {
            request(now, r, segment);
        } else {
            answer_for_nobody(now, r, receiver, segment);
        }
    } else if (!quiet_ || !take_simply(now, r, receiver, segment)) {
        wake(now, r, receiver);
        out_.clear();
        tcp(r, receiver).receive(r.at(now, receiver), r.end(receiver), segment, out_);
        follow(now, r, receiver);
    }
    // Its quiet sender cannot know whether an ACK is on the way.
    if (segment.length > 0 && r.lane(other(receiver)).out > 0)
        resume_unless_promised(now, r, other(receiver));
}

void Network::request(Instant now, const Ref& r, const tcp::Segment& segment) {
    if (!sink_->on_request(now, r.id)) {
        answer_for_nobody(now, r, End::server, segment);
        return;
    }
    r.flow->accepted = true;
    out_.clear();
    tcp(r, End::server).accept(r.at(now, End::server), r.end(End::server), segment, out_);
    follow(now, r, End::server);
}

/// Nobody is there for it: a host that is up answers with a reset.
void Network::answer_for_nobody(Instant now, const Ref& r, End end, const tcp::Segment& segment) {
    tcp::Segment answer;
    if (!tcp::Machine::refuse(segment, answer)) return;
    Passage passage;
    offer(now, r, end, answer.wire_bytes(), passage);
    if (tap_ != nullptr) tap_->on_packet(now, r.id, end, answer, passage);
    if (passage.fate != Passage::Fate::arrives) return;
    put(r, end, passage.arrives, answer);
    schedule_arrival(r, end);
}

// --- Telling the owners --------------------------------------------------------------------------

void Network::hand_over_many(Instant now, const Ref& r, End receiver, std::uint32_t bytes) {
    const End sender = other(receiver);
    Lane& l = r.lane(sender);
    const bool faulty = r.flow->faulty;
    l.read += faulty ? until_fault(r, sender, bytes) : bytes;
    const bool struck = faulty && at_fault(r, sender);
    bool deaf = false;
    bool talked = false;
    while (l.units != kNone) {
        const std::uint32_t index = l.units;
        const Unit& unit = units_[index];
        if (tcp::after(unit.end, l.read)) break;
        l.units = unit.next;
        if (unit.next == kNone) l.last_unit = kNone;
        if (unit.kind != Unit::Kind::data) {
            if (unit.kind == Unit::Kind::script && r.flow->talking) {
                Talk& t = talks_.at(r.id);
                t.progress.read(t.script, receiver, unit.bytes);
                talked = true;
            }
        } else if (r.end(receiver).done) {
            discard(now, r, receiver, unit);
            deaf = true;
        } else {
            if (talked) {  // the handshake's last words make an application of it
                talk(now, r);
                talked = false;
            }
            deliver(now, r, receiver, unit);
        }
        units_.give_back(index);
    }
    if (talked) talk(now, r);
    if (struck && r.flow->faulty) {
        hand_over_part(now, r, receiver);
        strike(now, r);
    }
    if (deaf) deny(now, r, receiver);
}

/// A socket that was closed before its bytes came answers with a reset.
void Network::deny(Instant now, const Ref& r, End receiver) {
    if (r.end(receiver).state == tcp::State::closed) return;
    wake(now, r, receiver);
    out_.clear();
    tcp(r, receiver).abort(r.at(now, receiver), r.end(receiver), out_);
    follow(now, r, receiver);
}

/// What of the first unread write has come through before a fault struck in the middle of it.
void Network::hand_over_part(Instant now, const Ref& r, End receiver) {
    const Lane& l = r.lane(other(receiver));
    if (l.units == kNone || r.end(receiver).done) return;
    if (faults_.at({r.flow->population, r.flow->index}).kind == Fault::Kind::stall) return;
    const Unit& unit = units_[l.units];
    if (unit.kind != Unit::Kind::data || !layers(r.id).none()) return;
    const std::uint32_t part = l.read - (unit.end - unit.bytes);
    if (part == 0 || part > unit.bytes) return;
    sink_->on_bytes(now, r.id, receiver, whole(unit.head, unit.body).first(part), unit.stamp);
}

void Network::peer_closed(Instant now, const Ref& r, End end) {
    Flow& flow = *r.flow;
    if (!flow.end[side(end)].done) {
        flow.end[side(end)].done = true;
        const bool known = flow.end[side(end)].opened || end == End::client;
        say_goodbye(now, r, end, other(end));
        if (known) sink_->on_closed(now, r.id, end, Ending::orderly);
    }
    if (r.end(end).state == tcp::State::closed) return;
    wake(now, r, end);
    out_.clear();
    tcp(r, end).close(r.at(now, end), r.end(end), out_);
    follow(now, r, end);
}

void Network::over(Instant now, const Ref& r, End end, tcp::Over how) {
    Flow& flow = *r.flow;
    if (flow.end[side(end)].done) return;
    flow.end[side(end)].done = true;
    const bool known = flow.end[side(end)].opened || end == End::client;
    if (!known) return;
    sink_->on_closed(now, r.id, end, how == tcp::Over::time_out ? Ending::time_out : Ending::reset);
}

}  // namespace mqttwin::net
