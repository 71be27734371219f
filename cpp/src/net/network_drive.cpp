// Between the machines at both ends of a flow: segments out, segments in, deadlines, and what the
// owners of the ends are told.
#include <cassert>

#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

namespace {

constexpr FlowEvent arrival_event(End sender) {
    return sender == End::client ? FlowEvent::arrival_up : FlowEvent::arrival_down;
}
constexpr FlowEvent timer_event(End end) {
    return end == End::client ? FlowEvent::timer_client : FlowEvent::timer_server;
}

/// More than an acknowledgement of what has arrived.
bool tells(const tcp::Segment& s) {
    return s.length > 0 || s.syn || s.fin || s.reset || s.sacks > 0;
}

}  // namespace

// --- Out -----------------------------------------------------------------------------------------

/// What the machine of `end` has said is done, and told.
void Network::follow(Instant now, FlowId id, End end) {
    for (const tcp::Segment& segment : out_.segments) {
        Passage passage;
        if (decided_ != nullptr) {
            passage = *decided_;
            decided_ = nullptr;
        } else {
            passage = offer(now, id, end, segment.wire_bytes());
        }
        if (tap_ != nullptr) tap_->on_packet(now, id, end, segment, passage);
        if (passage.fate == Passage::Fate::arrives) {
            put(id, end, passage.arrives, segment, passage.held);
        } else if (passage.fate == Passage::Fate::no_way) {
            reset_by_middlebox(now, id, end, segment);
        }
    }
    const bool opened = out_.established;
    const bool closed = out_.peer_closed;
    const std::uint32_t delivered = out_.delivered;
    const tcp::Over how = out_.over;
    out_.clear();
    schedule_arrival(id, end);
    schedule_arrival(id, other(end));
    schedule_timer(id, end);
    // The owners may call back.
    if (opened) established(now, id, end);
    if (delivered > 0) hand_over(now, id, end, delivered);
    if (closed && endpoint(id, end).reading) peer_closed(now, id, end);  // else when it reads on
    if (how != tcp::Over::no) over(now, id, end, how);
}

void Network::put(FlowId id, End sender, Instant arrives, const tcp::Segment& segment, bool held) {
    Lane& l = lane(id, sender);
    const std::uint32_t index = packets_.take();
    packets_[index].arrives = arrives;
    packets_[index].segment = segment;
    packets_[index].held = held;
    // A probe of the window is to be answered, and so may be an ACK that was overtaken. Without
    // SACK it takes three acknowledgements that say nothing new to tell of a loss.
    const Flow& flow = flows_[id];
    const bool probe = tcp::before(segment.seq, flow.end[side(sender)].acked);
    packets_[index].tells =
        tells(segment) || probe || !machine(flow, sender).profile().sack || reorders(flow, sender);
    if (packets_[index].tells) ++l.telling;
    if (l.packets == kNone) {
        l.packets = l.last_packet = index;
    } else if (packets_[l.last_packet].arrives <= arrives) {
        packets_[l.last_packet].next = index;
        l.last_packet = index;
    } else {  // it overtakes
        std::uint32_t* place = &l.packets;
        while (packets_[*place].arrives <= arrives) place = &packets_[*place].next;
        packets_[index].next = *place;
        *place = index;
    }
}

void Network::push_event(const Flow& flow, Instant at, FlowEvent kind) {
    const sim::EventKey key{populations_[flow.population].rank, flow.index,
                            static_cast<std::uint8_t>(kind), flow.attempt};
    queue_->push({at.ns, key.pack()});
}

/// Something in this lane may change what the other end does: it needs an event.
void Network::schedule_arrival(FlowId id, End sender) {
    const Flow& flow = flows_[id];
    if (flow.busy == kNone || behind_ == id) return;
    Lane& l = busy_[flow.busy].lane[side(sender)];
    if (l.packets == kNone || l.arrival_event <= packets_[l.packets].arrives) return;
    const tcp::Endpoint& receiver = flow.end[side(other(sender))];
    const tcp::Machine& tcp = machine(flow, other(sender));
    Instant at = packets_[l.packets].arrives;
    if (quiet_ && receiver.state == tcp::State::established && !tcp.wants_acks(receiver)) {
        // The event that is there was set for an older one.
        if (l.telling == 0 && l.arrival_event != Instant::never()) return;
        // Mere ACKs may be told a little later, all at once, as of the instants of their arrival:
        // before a timer that they set could fire.
        const tcp::Segment& last = packets_[l.last_packet].segment;
        Instant latest = Instant::never();
        if (!tcp.acknowledges_all(receiver, last)) latest = at + tcp.least_timer(receiver);
        if (l.telling > 0) {
            std::uint32_t first = l.packets;
            while (!packets_[first].tells) first = packets_[first].next;
            latest = min(latest, packets_[first].arrives);
        }
        at = latest;
        if (at == Instant::never()) return;
    }
    if (l.arrival_event <= at) return;
    l.arrival_event = at;
    push_event(flow, at, arrival_event(sender));
}

void Network::schedule_timer(FlowId id, End end) {
    const Flow& flow = flows_[id];
    if (flow.busy == kNone || behind_ == id) return;
    const Instant deadline = machine(flow, end).deadline(flow.end[side(end)]);
    Lane& l = busy_[flow.busy].lane[side(end)];
    // Deadlines mostly move away: the event that is there looks again.
    if (deadline >= l.timer_event) return;
    l.timer_event = deadline;
    push_event(flow, deadline, timer_event(end));
}

// --- In ------------------------------------------------------------------------------------------

void Network::handle_event(Instant now, FlowEvent kind, std::uint8_t generation,
                           std::uint16_t population, std::uint32_t index, Sink& sink) {
    sink_ = &sink;
    FlowId id = populations_[population].newest[index];
    while (id != kNoFlow && flows_[id].attempt != generation) id = flows_[id].older;
    if (id == kNoFlow) return;  // over since
    if (kind == FlowEvent::think_client || kind == FlowEvent::think_server ||
        kind == FlowEvent::lookup || kind == FlowEvent::nudge) {
        handling_ = id;
        engage(now, id);
        if (kind == FlowEvent::lookup) {
            handle_lookup(now, id);
        } else if (kind == FlowEvent::nudge) {
            handle_nudge(now, id);
        } else if (flows_[id].talk != kNone) {
            const End thinker = kind == FlowEvent::think_client ? End::client : End::server;
            if (endpoint(id, thinker).state == tcp::State::established) say(now, id, thinker);
            talk(now, id);
        }
        handling_ = kNoFlow;
        rest(now, id);
        return;
    }
    if (flows_[id].busy == kNone) return;
    handling_ = id;
    engage(now, id);
    const bool up = kind == FlowEvent::arrival_up || kind == FlowEvent::timer_client;
    const End end = up ? End::client : End::server;
    Lane& l = lane(id, end);
    if (kind == FlowEvent::arrival_up || kind == FlowEvent::arrival_down) {
        if (l.arrival_event <= now) l.arrival_event = Instant::never();
        arrive(now, id, end);
        schedule_arrival(id, end);
    } else {
        if (l.timer_event <= now) l.timer_event = Instant::never();
        catch_up(now, id, end);
        if (endpoint(id, end).flight != tcp::kNoFlight) {
            out_.clear();
            machine(flows_[id], end).handle_deadline(now, endpoint(id, end), out_);
            follow(now, id, end);
        }
    }
    handling_ = kNoFlow;
    rest(now, id);
}

std::uint32_t Network::pop_packet(Lane& l) {
    const std::uint32_t index = l.packets;
    l.packets = packets_[index].next;
    if (l.packets == kNone) l.last_packet = kNone;
    if (packets_[index].tells) --l.telling;
    packets_.give_back(index);
    return index;
}

void Network::arrive(Instant now, FlowId id, End sender) {
    for (;;) {
        catch_up(now, id, other(sender));
        Lane& l = lane(id, sender);
        if (l.packets == kNone || packets_[l.packets].arrives > now) return;
        const std::uint32_t index = pop_packet(l);
        const tcp::Segment segment = packets_[index].segment;
        take(packets_[index].arrives, id, other(sender), segment);
    }
}

/// Acknowledgements that have arrived without an event, as of when they did.
void Network::catch_up(Instant now, FlowId id, End end) {
    {
        const Lane& l = lane(id, other(end));
        if (l.packets == kNone || packets_[l.packets].arrives > now) return;
    }
    const FlowId before = behind_;
    behind_ = id;  // what the next one changes needs no event, for it could be over by now
    bool any = false;
    for (;;) {
        Lane& l = lane(id, other(end));
        if (l.packets == kNone || packets_[l.packets].arrives > now) break;
        if (packets_[l.packets].tells) break;  // has its own event, at this instant
        any = true;
        const std::uint32_t index = pop_packet(l);
        const tcp::Segment segment = packets_[index].segment;
        take(packets_[index].arrives, id, end, segment);
    }
    behind_ = before;
    if (!any) return;
    schedule_timer(id, end);
    schedule_arrival(id, end);
    const Lane& l = lane(id, other(end));
    if (l.packets != kNone && packets_[l.packets].arrives > now) schedule_arrival(id, other(end));
}

void Network::take(Instant now, FlowId id, End receiver, const tcp::Segment& segment) {
    const Flow& flow = flows_[id];
    if (flow.silent[side(receiver)]) {
        // It is gone.
    } else if (flow.end[side(receiver)].state == tcp::State::closed) {
        if (receiver == End::server && !flow.accepted && segment.syn) {
            request(now, id, segment);
        } else {
            answer_for_nobody(now, id, receiver, segment);
        }
    } else if (!quiet_ || !take_quietly(now, id, receiver, segment)) {
        wake(now, id, receiver);
        out_.clear();
        machine(flows_[id], receiver).receive(now, endpoint(id, receiver), segment, out_);
        follow(now, id, receiver);
    }
    // Its quiet sender cannot know whether an ACK is on the way.
    if (segment.length > 0 && lane(id, other(receiver)).out > 0)
        resume_unless_promised(now, id, other(receiver));
}

void Network::request(Instant now, FlowId id, const tcp::Segment& segment) {
    if (!sink_->on_request(now, id)) {
        answer_for_nobody(now, id, End::server, segment);
        return;
    }
    Flow& flow = flows_[id];
    flow.accepted = true;
    out_.clear();
    machine(flow, End::server).accept(now, flow.end[1], segment, out_);
    follow(now, id, End::server);
}

/// Nobody is there for it: a host that is up answers with a reset.
void Network::answer_for_nobody(Instant now, FlowId id, End end, const tcp::Segment& segment) {
    tcp::Segment answer;
    if (!tcp::Machine::refuse(segment, answer)) return;
    const Passage passage = offer(now, id, end, answer.wire_bytes());
    if (tap_ != nullptr) tap_->on_packet(now, id, end, answer, passage);
    if (passage.fate != Passage::Fate::arrives) return;
    put(id, end, passage.arrives, answer);
    schedule_arrival(id, end);
}

// --- Telling the owners --------------------------------------------------------------------------

/// The next `bytes` of the stream have been read at `receiver`.
void Network::hand_over(Instant now, FlowId id, End receiver, std::uint32_t bytes) {
    const End sender = other(receiver);
    lane(id, sender).read += until_fault(id, sender, bytes);
    const bool struck = at_fault(id, sender);
    bool deaf = false;
    bool talked = false;
    for (;;) {
        Lane& l = lane(id, sender);
        const std::uint32_t index = l.units;
        if (index == kNone || tcp::after(units_[index].end, l.read)) break;
        const Unit unit = units_[index];
        l.units = unit.next;
        if (unit.next == kNone) l.last_unit = kNone;
        units_.give_back(index);
        if (unit.kind != UnitKind::data) {
            if (unit.kind == UnitKind::script && flows_[id].talk != kNone) {
                Talk& t = talks_[flows_[id].talk];
                t.progress.read(t.script, receiver, unit.bytes);
                talked = true;
            }
            continue;
        }
        if (flows_[id].done[side(receiver)]) {
            discard(now, id, receiver, unit);
            deaf = true;
            continue;
        }
        if (talked) {  // the handshake's last words make an application of it
            talk(now, id);
            talked = false;
        }
        // One buffer serves all deliveries; nobody delivers while somebody is handling.
        sink_->on_bytes(now, id, receiver, whole(unit), unit.stamp);
        pool_->release(unit.head);
        pool_->release(unit.body);
    }
    if (talked) talk(now, id);
    if (struck && flows_[id].faulty) {
        hand_over_part(now, id, receiver);
        strike(now, id);
    }
    // A socket that was closed before its bytes came answers with a reset.
    if (deaf && endpoint(id, receiver).state != tcp::State::closed) {
        wake(now, id, receiver);
        out_.clear();
        machine(flows_[id], receiver).abort(now, endpoint(id, receiver), out_);
        follow(now, id, receiver);
    }
}

/// What of the first unread write has come through before a fault struck in the middle of it.
void Network::hand_over_part(Instant now, FlowId id, End receiver) {
    const Lane& l = lane(id, other(receiver));
    if (l.units == kNone || flows_[id].done[side(receiver)]) return;
    if (faults_.at({flows_[id].population, flows_[id].index}).kind == Fault::Kind::stall) return;
    const Unit& unit = units_[l.units];
    if (unit.kind != UnitKind::data || !layers(id).none()) return;
    const std::uint32_t part = l.read - (unit.end - unit.bytes);
    if (part == 0 || part > unit.bytes) return;
    sink_->on_bytes(now, id, receiver, whole(unit).first(part), unit.stamp);
}

void Network::peer_closed(Instant now, FlowId id, End end) {
    Flow& flow = flows_[id];
    if (!flow.done[side(end)]) {
        flow.done[side(end)] = true;
        const bool known = flow.opened[side(end)] || end == End::client;
        say_goodbye(now, id, end, other(end));
        if (known) sink_->on_closed(now, id, end, Ending::orderly);
    }
    if (endpoint(id, end).state == tcp::State::closed) return;
    wake(now, id, end);
    out_.clear();
    machine(flows_[id], end).close(now, endpoint(id, end), out_);
    follow(now, id, end);
}

void Network::over(Instant now, FlowId id, End end, tcp::Over how) {
    Flow& flow = flows_[id];
    if (flow.done[side(end)]) return;
    flow.done[side(end)] = true;
    const bool known = flow.opened[side(end)] || end == End::client;
    if (!known) return;
    sink_->on_closed(now, id, end, how == tcp::Over::time_out ? Ending::time_out : Ending::reset);
}

}  // namespace mqttwin::net
