// What is said between TCP and the application: the handshakes of TLS and WebSocket, and goodbyes.
#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

namespace {

/// How long a server waits for a handshake above TCP.
constexpr Duration kHandshakePatience = seconds(60);

}  // namespace

/// TCP is established at `end`.
void Network::established(Instant now, const Ref& r, End end) {
    if (layers(r.id).none()) {
        tell_opened(now, r, end);
        return;
    }
    if (!r.flow->talking && end == End::client) begin_talk(r);
    if (r.flow->talking && end == End::server) {
        const Instant gives_up = now + kHandshakePatience;
        talks_.at(r.id).gives_up = gives_up;
        push_event(r, gives_up, FlowEvent::nudge);
    }
    talk(now, r);
}

void Network::begin_talk(const Ref& r) {
    Flow& flow = *r.flow;
    Population& p = *r.p;
    // A connection's draws: far more than a handshake takes.
    constexpr std::uint64_t kDraws = std::uint64_t{1} << 20U;
    Stream draws(p.scripts, flow.index, p.attempts[flow.index] * kDraws);
    const bool resumed = p.layers.tls && p.layers.tls->resumption && p.session[flow.index];
    flow.talking = true;
    talks_[r.id].script = opening_script(p.layers, resumed, draws);
}

void Network::secure(Instant now, FlowId id) {
    const Ref r = engage(now, id);
    r.flow->bare = false;
    if (!layers(id).none()) {
        r.end(End::client).opened = r.end(End::server).opened = false;
        established(now, r, End::client);
        established(now, r, End::server);
    }
    rest_unless_handling(now, r);
}

/// Writes what is due, and tells who may speak now. Talks end with their last word.
void Network::talk(Instant now, const Ref& r) {
    for (const End end : {End::client, End::server}) {
        if (!r.flow->talking) return;
        if (r.end(end).state != tcp::State::established) continue;
        if (r.end(end).done) continue;
        Talk& t = talks_.at(r.id);
        const Step* step = t.progress.due(t.script, end);
        if (step != nullptr && !t.thinking[side(end)]) {
            t.thinking[side(end)] = step->compute.ns > 0;
            if (step->compute.ns == 0) {
                say(now, r, end);
                talk(now, r);
                return;
            }
            push_event(r, now + step->compute,
                       end == End::client ? FlowEvent::think_client : FlowEvent::think_server);
        }
        if (!r.end(end).opened && t.progress.open(t.script, end)) {
            tell_opened(now, r, end);
        }
    }
    if (!r.flow->talking) return;
    const Talk& t = talks_.at(r.id);
    if (!t.progress.over(t.script)) return;
    Population& p = *r.p;
    if (!p.session.empty()) p.session[r.flow->index] = true;
    talks_.erase(r.id);
    r.flow->talking = false;
}

/// The next words of `end`.
void Network::say(Instant now, const Ref& r, End end) {
    Talk& t = talks_.at(r.id);
    t.thinking[side(end)] = false;
    const Step* step = t.progress.due(t.script, end);
    if (step == nullptr) return;
    const std::uint32_t bytes = step->bytes;
    const auto number = static_cast<std::size_t>(step - t.script.steps.data());
    t.progress.written(t.script, end);
    append_unit(now, r, end, Unit::Kind::script, BlobId::none, BlobId::none, bytes,
                tap_ == nullptr ? ByteView{} : shown_script(r, end, t.script, number));
    write(now, r, end, bytes);
}

void Network::tell_opened(Instant now, const Ref& r, End end) {
    r.end(end).opened = true;
    sink_->on_opened(now, r.id, end);
}

/// The bytes of one step of a handshake: those that TLS shows are valid, the others random.
ByteView Network::shown_script(const Ref& r, End sender, const Script& script, std::size_t step) {
    std::size_t begin = 0;
    for (std::size_t k = 0; k < step; ++k) {
        if (script.steps[k].sender == sender) begin += script.steps[k].bytes;
    }
    // The same stream for every step: a side's bytes are made as a whole.
    Stream draws(StreamKey::of(seed_, "capture", "handshake"), r.id);
    shown_ = write_script(layers(r.id), script, sender, draws);
    return ByteView(shown_).subspan(begin, script.steps[step].bytes);
}

ByteView Network::shown_sealed(const Ref& r, End sender, BlobId head, BlobId body) {
    Stream draws(StreamKey::of(seed_, "capture", "records"), r.id, r.lane(sender).written);
    shown_.clear();
    write_sealed(layers(r.id), sender, whole(head, body), draws, shown_);
    return shown_;
}

/// A client that is gone in the middle of a handshake does not say so.
void Network::give_up_talk(Instant now, const Ref& r) {
    const Flow& flow = *r.flow;
    if (!flow.talking || flow.end[side(End::server)].opened) return;
    if (now >= talks_.at(r.id).gives_up) abort(now, r.id, End::server);
}

/// What a side says before its FIN: a close frame, an alert. Nobody waits for the answer.
void Network::say_goodbye(Instant now, const Ref& r, End end, End initiator) {
    const Flow& flow = *r.flow;
    const LayersSpec& spec = layers(r.id);
    if (spec.none() || !flow.end[side(end)].opened) return;
    const tcp::State state = flow.end[side(end)].state;
    if (state != tcp::State::established && state != tcp::State::close_wait) return;
    const Script script = closing_script(spec, initiator);
    const std::uint32_t bytes = script.bytes(end);
    if (bytes == 0) return;
    ByteView shown;
    if (tap_ != nullptr) {
        Stream draws(StreamKey::of(seed_, "capture", "goodbye"), r.id);
        shown_ = write_script(spec, script, end, draws);
        shown = shown_;
    }
    append_unit(now, r, end, Unit::Kind::goodbye, BlobId::none, BlobId::none, bytes, shown);
    write(now, r, end, bytes);
}

}  // namespace mqttwin::net
