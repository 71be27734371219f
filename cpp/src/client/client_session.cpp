// Sessions that go on or start anew, and the subscriptions in them.
#include <cassert>

#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"

namespace mqttwin::client {
namespace {

// What a list keeps in Pending::message: its entries, and whether the profile asked for it.
constexpr std::uint32_t list_mark(std::size_t entries, bool of_profile) {
    return static_cast<std::uint32_t>(entries << 1) | (of_profile ? 1U : 0U);
}
constexpr std::uint32_t entries_of(const Pending& record) { return record.message >> 1; }
constexpr bool of_profile(const Pending& record) { return (record.message & 1U) != 0; }

// Size of a SUBSCRIBE or UNSUBSCRIBE whose list has this many bytes.
constexpr std::size_t list_packet_size(bool v5, std::size_t list_bytes) {
    const std::size_t remaining = 2 + (v5 ? 1U : 0U) + list_bytes;
    std::size_t length_bytes = 1;
    for (std::size_t rest = remaining >> 7; rest > 0; rest >>= 7) ++length_bytes;
    return 1 + length_bytes + remaining;
}

constexpr std::size_t entry_size(std::string_view filter) { return 2 + filter.size() + 1; }

}  // namespace

// The server has the session: PUBRELs again, in the order of their PUBRECs [MQTT-4.6.0-4], then
// PUBLISHes, which `pump` does [MQTT-4.4.0-1].
void Clients::resume_session(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.flow == kNone) return;
    SendWindow& window = flows_[c.flow].window;
    window.mark_unsent(pending_);
    window.for_each(pending_, [&](std::uint32_t index) {
        const Pending& record = pending_[index];
        if (record.state != SendState::awaiting_pubcomp) return;
        send_ack(now, client, wire::PacketType::pubrel, record.id, wire::reason::success);
    });
}

// The server has no session: ours is discarded [MQTT-3.2.2-5], but not the application's
// messages, which are published anew.
void Clients::renew_session(Instant now, Slot client) {
    Client& c = clients_[client];
    if (c.flow == kNone) return;
    flows_[c.flow].received.clear(*pool_);
    for (;;) {
        SendWindow& window = flows_[c.flow].window;
        const SendWindow::Place first{window.first(), kNoPending};
        if (!first || pending_[first.index].state != SendState::awaiting_pubcomp) break;
        const Pending done = pending_[first.index];
        window.remove(pending_, first);
        pending_.give_back(first.index);
        listener_->on_acknowledged(now, client, done.stamp, done.qos, wire::reason::success);
    }
    flows_[c.flow].window.requeue(pending_, flows_[c.flow].queue);
    settle(c);
}

// --- SUBSCRIBE and UNSUBSCRIBE -------------------------------------------------------------------

// The profile's subscriptions, in as few packets as the server's maximum packet size allows.
void Clients::subscribe_all(Instant now, Slot client) {
    const std::uint32_t wanted = profile_->subscription_count(client);
    clients_[client].subscribed = wanted == 0;
    if (wanted == 0) return;
    const std::size_t limit = terms_[clients_[client].terms].maximum_packet_size;

    texts_.resize(wanted);
    std::vector<wire::SubscriptionRequest> batch;
    batch.reserve(wanted);
    std::size_t bytes = 0;
    std::uint32_t too_large = 0;
    bool all_sent = true;
    const auto flush = [&] {
        if (!batch.empty() && send_subscribe(now, client, batch, true) == 0) all_sent = false;
        batch.clear();
        bytes = 0;
    };
    for (std::uint32_t n = 0; n < wanted; ++n) {
        std::string& filter = texts_[n];
        filter.clear();
        const wire::SubscriptionOptions options = profile_->subscription(client, n, filter);
        const std::size_t more = entry_size(filter);
        if (list_packet_size(v5(), more) > limit) {
            ++too_large;
            continue;
        }
        if (list_packet_size(v5(), bytes + more) > limit) flush();
        batch.push_back({filter, options});
        bytes += more;
    }
    flush();
    clients_[client].subscribed = all_sent && !awaits_profile_suback(clients_[client]);

    const std::uint8_t reason = wire::reason::packet_too_large;
    for (; too_large > 0 && clients_[client].phase == Phase::online; --too_large) {
        listener_->on_subscribed(now, client, {&reason, 1});
    }
}

wire::PacketId Clients::subscribe(Instant now, Slot client,
                                  std::span<const wire::SubscriptionRequest> requests) {
    if (clients_[client].phase != Phase::online || requests.empty()) return 0;
    return send_subscribe(now, client, requests, false);
}

wire::PacketId Clients::send_subscribe(Instant now, Slot client,
                                       std::span<const wire::SubscriptionRequest> requests,
                                       bool of_profile) {
    std::size_t bytes = 0;
    for (const wire::SubscriptionRequest& request : requests) bytes += entry_size(request.filter);
    const std::size_t limit = terms_[clients_[client].terms].maximum_packet_size;
    if (list_packet_size(v5(), bytes) > limit) return 0;
    const wire::PacketId id =
        add_list(client, SendState::awaiting_suback, requests.size(), of_profile);
    if (id != 0) {
        send(now, client, wire::encode_subscribe(*pool_, options_.version, id, requests));
    }
    return id;
}

wire::PacketId Clients::unsubscribe(Instant now, Slot client,
                                    std::span<const std::string_view> filters) {
    Client& c = clients_[client];
    if (c.phase != Phase::online || filters.empty()) return 0;
    std::size_t bytes = 0;
    for (const std::string_view filter : filters) bytes += 2 + filter.size();
    if (list_packet_size(v5(), bytes) > terms_[c.terms].maximum_packet_size) return 0;
    const wire::PacketId id = add_list(client, SendState::awaiting_unsuback, filters.size(), false);
    if (id != 0) {
        send(now, client, wire::encode_unsubscribe(*pool_, options_.version, id, filters));
    }
    return id;
}

wire::PacketId Clients::add_list(Slot client, SendState state, std::size_t entries,
                                 bool of_profile) {
    Client& c = clients_[client];
    const std::uint32_t index = pending_.take();
    Pending& record = pending_[index];
    record.message = list_mark(entries, of_profile);
    record.state = state;
    const wire::PacketId id = flow(c).window.add(pending_, index);
    if (id == 0) pending_.give_back(index);
    return id;
}

bool Clients::awaits_profile_suback(const Client& c) const {
    if (c.flow == kNone) return false;
    bool found = false;
    flows_[c.flow].window.for_each(pending_, [&](std::uint32_t index) {
        const Pending& record = pending_[index];
        if (record.state == SendState::awaiting_suback && of_profile(record)) found = true;
    });
    return found;
}

// SUBACK or UNSUBACK.
void Clients::receive_list_ack(Instant now, Slot client, const wire::Frame& frame) {
    wire::ListAck packet;
    if (const Fault fault = wire::decode(frame, options_.version, packet)) {
        fail(now, client, fault);
        return;
    }
    Client& c = clients_[client];
    const bool subscribing = packet.type == wire::PacketType::suback;
    const SendInput input = subscribing ? SendInput::suback : SendInput::unsuback;
    SendWindow::Verdict verdict{&send_transition(SendState::none, input), {}};
    if (c.flow != kNone) verdict = flows_[c.flow].window.judge(pending_, packet.packet_id, input);
    if (verdict.transition->action != SendAction::complete) {
        fail(now, client,  // [MQTT-2.2.1-6], [MQTT-3.8.4-2]
             {wire::reason::protocol_error, v5() ? "MQTT-2.2.1-6" : "MQTT-2.3.1-7",
              "answer to a list that was not sent", frame.header_length});
        return;
    }
    const Pending answered = pending_[verdict.place.index];
    const bool has_reasons = subscribing || v5();
    if (has_reasons && packet.reasons.size() != entries_of(answered)) {
        // [MQTT-3.8.4-6], [MQTT-3.11.3-1]: one for each filter, in order.
        std::string_view clause = subscribing ? "MQTT-3.8.4-6" : "MQTT-3.11.3-1";
        if (!v5()) clause = "MQTT-3.8.4-5";
        fail(now, client,
             {wire::reason::protocol_error, clause, "not one reason code for each filter",
              frame.header_length + 2});
        return;
    }
    flows_[c.flow].window.remove(pending_, verdict.place);
    pending_.give_back(verdict.place.index);
    if (of_profile(answered) && !awaits_profile_suback(c)) c.subscribed = true;
    settle(c);
    if (subscribing) {
        listener_->on_subscribed(now, client, packet.reasons);
    } else {
        listener_->on_unsubscribed(now, client, packet.reasons);
    }
}

}  // namespace mqttwin::client
