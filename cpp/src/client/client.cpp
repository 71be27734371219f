// What all parts of the client engine use: its slots, its outbox, its clock.
#include "mqttwin/client/client.hpp"

#include <algorithm>
#include <cassert>

#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {

Clients::Clients(const Options& options, const Profile& profile, BlobPool& pool, Listener& listener,
                 Slot count, StreamKey backoff_stream)
    : options_(options),
      backoff_stream_(backoff_stream),
      profile_(&profile),
      pool_(&pool),
      listener_(&listener),
      clients_(count),
      deadlines_(count) {
    assert(options.receive_maximum > 0 && options.max_in_flight > 0);
    // So that an attempt that fails by time-out is over later than it began.
    options_.connect_timeout = max(options_.connect_timeout, nanoseconds(1));
    options_.ping_timeout = max(options_.ping_timeout, nanoseconds(1));
}

void Clients::rebind(const Profile& profile, BlobPool& pool, Listener& listener) {
    profile_ = &profile;
    pool_ = &pool;
    listener_ = &listener;
}

void Clients::move(Client& c, PhaseInput input) {
    for (const PhaseTransition& row : kPhaseTable) {
        if (row.from == c.phase && row.input == input) {
            c.phase = row.to;
            return;
        }
    }
    assert(false && "not in the table of phases");
}

// --- the outbox ----------------------------------------------------------------------------------

void Clients::send(Instant now, Slot client, BlobId blob) {
    Output& output = outbox_.emplace_back();
    output.slot = client;
    output.head = blob;
    clients_[client].last_sent = now;
}

void Clients::send_publish(Instant now, Slot client, BlobId blob, const Stamp& stamp) {
    send(now, client, blob);
    outbox_.back().is_publish = true;
    outbox_.back().stamp = stamp;
}

void Clients::ask(Output::Kind kind, Slot client) {
    Output& output = outbox_.emplace_back();
    output.kind = kind;
    output.slot = client;
}

// --- time ----------------------------------------------------------------------------------------

Instant Clients::deadline(const Client& c) const {
    switch (c.phase) {
        case Phase::idle:
            return Instant::never();
        case Phase::opening:
        case Phase::awaiting_connack:
        case Phase::backing_off:
            return c.due;
        case Phase::online:
            break;
    }
    if (c.awaiting_pingresp) return c.due;
    const std::uint16_t keep_alive = granted(c).keep_alive;
    return keep_alive == 0 ? Instant::never() : c.last_sent + seconds(keep_alive);
}

// A deadline that is later than the one on the heap is found out when that one comes up: sending
// pushes back the next PINGREQ without touching the heap.
void Clients::schedule(Slot client) {
    const Instant wanted = deadline(clients_[client]);
    if (wanted < deadlines_.at(client) || wanted == Instant::never()) {
        deadlines_.set(client, wanted);
    }
}

void Clients::handle_timeout(Instant now) {
    while (deadlines_.next() <= now) {
        const Slot client = deadlines_.first();
        if (deadline(clients_[client]) <= now) expire(now, client);
        deadlines_.set(client, deadline(clients_[client]));
    }
}

void Clients::expire(Instant now, Slot client) {
    Client& c = clients_[client];
    switch (c.phase) {
        case Phase::idle:
            return;
        case Phase::opening:
        case Phase::awaiting_connack:
            lose(now, client, DisconnectCause::connect_timeout, wire::reason::success,
                 Ending::abort);
            return;
        case Phase::backing_off:
            move(c, PhaseInput::waited);
            open(now, client);
            return;
        case Phase::online:
            break;
    }
    if (c.awaiting_pingresp) {
        lose(now, client, DisconnectCause::ping_timeout, wire::reason::success, Ending::abort);
        return;
    }
    // [MQTT-3.1.2-20]: nothing was sent for the keep-alive interval.
    send(now, client, wire::encode_pingreq(*pool_));
    c.awaiting_pingresp = true;
    c.due = now + min(options_.ping_timeout, seconds(granted(c).keep_alive));
}

// --- unfinished messages -------------------------------------------------------------------------

Clients::Flow& Clients::flow(Client& c) {
    if (c.flow == kNone) {
        c.flow = flows_.take();
        flows_[c.flow].window.resume_ids(c.last_id);
    }
    return flows_[c.flow];
}

// Gives the flow back when nothing is left in it. Packet identifiers go on where they were, so
// that a trace tells one message from the next.
void Clients::settle(Client& c) {
    if (c.flow == kNone) return;
    const Flow& f = flows_[c.flow];
    if (!f.window.empty() || !f.queue.empty() || !f.received.empty() || f.link != kNone) return;
    c.last_id = f.window.last_id();
    flows_.give_back(c.flow);
    c.flow = kNone;
}

// --- connections out of the ordinary -------------------------------------------------------------

Clients::Link& Clients::link(Client& c) {
    Flow& f = flow(c);
    if (f.link == kNone) f.link = links_.take();
    return links_[f.link];
}

Clients::Link* Clients::find_link(const Client& c) {
    if (c.flow == kNone || flows_[c.flow].link == kNone) return nullptr;
    return &links_[flows_[c.flow].link];
}

// Topic aliases, too, are those of one connection [MQTT-3.3.2-7].
void Clients::release_link(Client& c) {
    Link* l = find_link(c);
    if (l == nullptr) return;
    pool_->release(l->method);
    l->inbound.clear(*pool_);
    l->outbound.clear(*pool_);
    Flow& f = flows_[c.flow];
    links_.give_back(f.link);
    f.link = kNone;
}

// --- for the census ------------------------------------------------------------------------------

std::uint32_t Clients::in_flight(Slot client) const {
    const Client& c = clients_[client];
    if (c.flow == kNone) return 0;
    const SendWindow& window = flows_[c.flow].window;
    return window.messages() + window.unsent();
}

std::uint32_t Clients::queued(Slot client) const {
    const Client& c = clients_[client];
    return c.flow == kNone ? 0 : flows_[c.flow].queue.count();
}

void Clients::for_each_pending(
    const std::function<void(Slot, const Stamp&, wire::QoS)>& visit) const {
    for (Slot client = 0; client < count(); ++client) {
        const Client& c = clients_[client];
        if (c.flow == kNone) continue;
        const auto tell = [&](std::uint32_t index) {
            const Pending& record = pending_[index];
            if (is_list(record.state)) return;
            visit(client, record.stamp, record.qos);
        };
        flows_[c.flow].window.for_each(pending_, tell);
        flows_[c.flow].queue.for_each(pending_, tell);
    }
}

}  // namespace mqttwin::client
