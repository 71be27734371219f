#include "sessions.hpp"

#include <cassert>

#include "connections.hpp"
#include "delivery.hpp"
#include "sharing.hpp"
#include "wills.hpp"

namespace mqttwin::broker {
namespace {

Instant deadline_of(const State& s, const Session& session) {
    if (session.connected()) return Instant::never();
    if (session.will == kNone) return session.ends_at;
    return min(session.ends_at, s.wills[session.will].due);
}

void arm_session(State& s, std::uint32_t index) {
    Session& session = s.sessions[index];
    const Instant at = deadline_of(s, session);
    if (at == Instant::never() || !session.armed.later_than(at)) return;
    s.session_deadlines.arm(at, session.order, index);
    session.armed.set(at);
}

void remove_subscriptions(State& s, Session& session) {
    if (session.in_groups) {
        s.subscriptions.for_each_of_session(session.subscriptions,
                                            [&](std::string_view, const SubscriptionData& data) {
                                                if (data.group != Groups::kNoGroup)
                                                    s.groups.leave(*s.pool, data.group);
                                            });
    }
    s.subscriptions.remove_session(session.subscriptions);
}

}  // namespace

// [MQTT-3.1.3-2]: the client identifier says which session it is.
std::uint32_t find_session(const State& s, std::string_view client_id, std::uint32_t hash) {
    return s.clients.find(hash, [&](std::uint32_t index) {
        return as_text(s.pool->bytes(s.sessions[index].client_id)) == client_id;
    });
}

std::uint32_t make_session(State& s, std::string_view client_id, std::uint32_t hash) {
    const std::uint32_t index = s.sessions.take();
    Session& session = s.sessions[index];
    session.client_id = s.pool->make(as_bytes(client_id));
    session.order = hash;
    session.live = true;
    s.clients.insert(hash, index);
    return index;
}

void unplug_session(State& s, std::uint32_t index) {
    Session& session = s.sessions[index];
    assert(session.connected());
    session.connection = kNoSlot;
    session.limited = session.aliased = session.congested = session.quiet = false;
    note_readiness(s, session);
    --s.connected;
}

// A session has lasted as long as its connection [MQTT-4.1.0-1]; what is left to it is its expiry
// interval [MQTT-3.1.2-23]. 3.1.1 [MQTT-4.1.0-1], [MQTT-4.1.0-2]
void begin_absence(State& s, Instant now, std::uint32_t index, bool keep_will) {
    Session& session = s.sessions[index];
    assert(!session.connected());
    if (!keep_will) discard_will(s, session);
    if (session.expiry == 0) {
        end_session(s, now, index, DropReason::session_ended);
        return;
    }
    session.ends_at = session.expiry == Session::kNeverExpires
                          ? Instant::never()
                          : later(now, paced(s, session.real, seconds(session.expiry)));
    if (session.will != kNone) {
        Will& will = s.wills[session.will];
        if (will.delay == 0) {
            publish_will(s, now, index);
        } else {
            // [MQTT-3.1.3-9]
            will.due = later(now, paced(s, session.real, seconds(will.delay)));
        }
    }
    arm_session(s, index);
}

void end_session(State& s, Instant now, std::uint32_t index, DropReason reason) {
    Session& session = s.sessions[index];
    assert(!session.connected());
    if (session.in_groups) {
        remove_subscriptions(s, session);
        redistribute(s, now, index, Groups::kNoGroup);
    }
    drop_everything(s, now, session, reason);
    // [MQTT-3.1.2-8]: the will goes out with the session at the latest; nothing of the session is
    // there to receive it.
    const std::uint32_t will = session.will;
    const std::uint32_t tag = session.tag;
    session.will = kNone;
    forget_session(s, index);
    if (will != kNone) publish_will(s, now, will, tag, kNone);
}

// All that belongs to it; retained messages do not (3.1.1 [MQTT-3.1.2-7]).
void forget_session(State& s, std::uint32_t index) {
    Session& session = s.sessions[index];
    remove_subscriptions(s, session);
    drop_traffic(s, session);
    discard_will(s, session);
    s.clients.erase(session.order, index);
    s.pool->release(session.client_id);
    session.client_id = BlobId::none;
    session.live = false;
    note_readiness(s, session);
    s.sessions.give_back(index);
}

void note_readiness(State& s, Session& session) {
    const bool reads = session.connected() && !session.congested;
    const bool unready = session.live && session.in_groups && !reads;
    if (unready == session.unready) return;
    session.unready = unready;
    s.unready += unready ? 1U : ~std::uint64_t{0};
}

Traffic& traffic_of(State& s, std::uint32_t index) {
    Session& session = s.sessions[index];
    if (session.traffic == kNone) {
        session.traffic = s.traffic.take();
        s.traffic[session.traffic].window.resume_ids(session.last_id);
    }
    return s.traffic[session.traffic];
}

void settle_traffic(State& s, std::uint32_t index) {
    Session& session = s.sessions[index];
    if (session.traffic == kNone || !s.traffic[session.traffic].idle()) return;
    Traffic& traffic = s.traffic[session.traffic];
    session.last_id = traffic.window.last_id();
    traffic.received.clear(*s.pool);
    s.traffic.give_back(session.traffic);
    session.traffic = kNone;
}

void handle_session_deadline(State& s, Instant now) {
    const DeadlineHeap::Entry entry = s.session_deadlines.pop();
    const std::uint32_t index = entry.slot;
    {
        Session& session = s.sessions[index];
        // Of a session that is no more, or overtaken by an earlier entry.
        if (!session.live || !session.armed.is(entry.at)) return;
        session.armed.clear();
        if (deadline_of(s, session) > now || entry.order != session.order) {
            arm_session(s, index);
            return;
        }
    }
    if (s.sessions[index].ends_at <= now) {  // [MQTT-4.1.0-2]
        ++s.tally.sessions_expired;
        end_session(s, now, index, DropReason::session_ended);
        return;
    }
    publish_will(s, now, index);  // its delay is over
    arm_session(s, index);
}

void stretch_sessions(State& s, Instant now, double factor) {
    const auto stretch = [&](Instant& at) {
        if (at != Instant::never()) at = later(now, scaled(at - now, factor));
    };
    for (std::uint32_t index = 0; index < s.sessions.capacity(); ++index) {
        Session& session = s.sessions[index];
        if (!session.live || !session.real || session.connected()) continue;
        stretch(session.ends_at);
        if (session.will != kNone) stretch(s.wills[session.will].due);
        arm_session(s, index);
    }
}

}  // namespace mqttwin::broker
