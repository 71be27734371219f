// What is said between TCP and the application: the handshakes of TLS and WebSocket, and goodbyes.
#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

namespace {

/// How long a server waits for a handshake above TCP.
constexpr Duration kHandshakePatience = seconds(60);

}  // namespace

/// TCP is established at `end`.
void Network::established(Instant now, FlowId id, End end) {
    if (layers(id).none()) {
        tell_opened(now, id, end);
        return;
    }
    if (flows_[id].talk == kNone && end == End::client) begin_talk(now, id);
    if (flows_[id].talk != kNone && end == End::server) {
        const Instant gives_up = now + kHandshakePatience;
        talks_[flows_[id].talk].gives_up = gives_up;
        push_event(flows_[id], gives_up, FlowEvent::nudge);
    }
    talk(now, id);
}

void Network::begin_talk(Instant now, FlowId id) {
    (void)now;
    Flow& flow = flows_[id];
    Population& p = populations_[flow.population];
    // A connection's draws: far more than a handshake takes.
    constexpr std::uint64_t kDraws = std::uint64_t{1} << 20U;
    Stream draws(p.scripts, flow.index, p.attempts[flow.index] * kDraws);
    const bool resumed = p.layers.tls && p.layers.tls->resumption && p.session[flow.index];
    flow.talk = talks_.take();
    talks_[flow.talk].script = opening_script(p.layers, resumed, draws);
}

void Network::secure(Instant now, FlowId id) {
    Flow& flow = flows_[id];
    flow.plain = false;
    engage(now, id);
    if (!layers(id).none()) {
        flow.opened = {};
        established(now, id, End::client);
        established(now, id, End::server);
    }
    if (id != handling_) rest(now, id);
}

/// Writes what is due, and tells who may speak now. Talks end with their last word.
void Network::talk(Instant now, FlowId id) {
    for (const End end : {End::client, End::server}) {
        if (flows_[id].talk == kNone) return;
        if (endpoint(id, end).state != tcp::State::established) continue;
        if (flows_[id].done[side(end)]) continue;
        Talk& t = talks_[flows_[id].talk];
        const Step* step = t.progress.due(t.script, end);
        if (step != nullptr && !t.thinking[side(end)]) {
            t.thinking[side(end)] = step->compute.ns > 0;
            if (step->compute.ns == 0) {
                say(now, id, end);
                talk(now, id);
                return;
            }
            push_event(flows_[id], now + step->compute,
                       end == End::client ? FlowEvent::think_client : FlowEvent::think_server);
        }
        if (!flows_[id].opened[side(end)] && t.progress.open(t.script, end)) {
            tell_opened(now, id, end);
        }
    }
    if (flows_[id].talk == kNone) return;
    const Talk& t = talks_[flows_[id].talk];
    if (!t.progress.over(t.script)) return;
    Population& p = populations_[flows_[id].population];
    if (!p.session.empty()) p.session[flows_[id].index] = true;
    talks_.give_back(flows_[id].talk);
    flows_[id].talk = kNone;
}

/// The next words of `end`.
void Network::say(Instant now, FlowId id, End end) {
    Talk& t = talks_[flows_[id].talk];
    t.thinking[side(end)] = false;
    const Step* step = t.progress.due(t.script, end);
    if (step == nullptr) return;
    const std::uint32_t bytes = step->bytes;
    const auto number = static_cast<std::size_t>(step - t.script.steps.data());
    t.progress.written(t.script, end);
    Unit unit;
    unit.kind = UnitKind::script;
    append_unit(now, id, end, unit, bytes,
                tap_ == nullptr ? ByteView{} : shown_script(id, end, t.script, number));
    write(now, id, end, bytes);
}

void Network::tell_opened(Instant now, FlowId id, End end) {
    flows_[id].opened[side(end)] = true;
    sink_->on_opened(now, id, end);
}

/// The bytes of one step of a handshake: those that TLS shows are valid, the others random.
ByteView Network::shown_script(FlowId id, End sender, const Script& script, std::size_t step) {
    std::size_t begin = 0;
    for (std::size_t k = 0; k < step; ++k) {
        if (script.steps[k].sender == sender) begin += script.steps[k].bytes;
    }
    // The same stream for every step: a side's bytes are made as a whole.
    Stream draws(StreamKey::of(seed_, "capture", "handshake"), id);
    shown_ = write_script(layers(id), script, sender, draws);
    return ByteView(shown_).subspan(begin, script.steps[step].bytes);
}

ByteView Network::shown_sealed(FlowId id, End sender, const Unit& unit) {
    Stream draws(StreamKey::of(seed_, "capture", "records"), id, lane(id, sender).written);
    shown_.clear();
    write_sealed(layers(id), sender, whole(unit), draws, shown_);
    return shown_;
}

/// A client that is gone in the middle of a handshake does not say so.
void Network::give_up_talk(Instant now, FlowId id) {
    const Flow& flow = flows_[id];
    if (flow.talk == kNone || flow.opened[side(End::server)]) return;
    if (now >= talks_[flow.talk].gives_up) abort(now, id, End::server);
}

/// What a side says before its FIN: a close frame, an alert. Nobody waits for the answer.
void Network::say_goodbye(Instant now, FlowId id, End end, End initiator) {
    const Flow& flow = flows_[id];
    const LayersSpec& spec = layers(id);
    if (spec.none() || !flow.opened[side(end)]) return;
    const tcp::State state = flow.end[side(end)].state;
    if (state != tcp::State::established && state != tcp::State::close_wait) return;
    const Script script = closing_script(spec, initiator);
    const std::uint32_t bytes = script.bytes(end);
    if (bytes == 0) return;
    Unit unit;
    unit.kind = UnitKind::goodbye;
    ByteView shown;
    if (tap_ != nullptr) {
        Stream draws(StreamKey::of(seed_, "capture", "goodbye"), id);
        shown_ = write_script(spec, script, end, draws);
        shown = shown_;
    }
    append_unit(now, id, end, unit, bytes, shown);
    write(now, id, end, bytes);
}

}  // namespace mqttwin::net
