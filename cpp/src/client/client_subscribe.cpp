// SUBSCRIBE and UNSUBSCRIBE, by command and for a profile, and their answers.
#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"

#include "encoded_packet.hpp"

namespace mqttwin::client {
namespace {

// What a list keeps in Pending::message: its entries, and whether the profile asked for it.
constexpr std::uint32_t list_mark(std::size_t entries, bool of_profile) {
    return static_cast<std::uint32_t>(entries << 1) | (of_profile ? 1U : 0U);
}
constexpr std::uint32_t entries_of(const Pending& record) { return record.message >> 1; }
constexpr bool of_profile(const Pending& record) { return (record.message & 1U) != 0; }

// Size of a SUBSCRIBE without properties whose list has this many bytes.
constexpr std::size_t list_packet_size(bool v5, std::size_t list_bytes) {
    const std::size_t remaining = 2 + (v5 ? 1U : 0U) + list_bytes;
    std::size_t length_bytes = 1;
    for (std::size_t rest = remaining >> 7; rest > 0; rest >>= 7) ++length_bytes;
    return 1 + length_bytes + remaining;
}

constexpr std::size_t entry_size(std::string_view filter) { return 2 + filter.size() + 1; }

constexpr wire::PacketId kAnyId = 1;  // until it is known that the packet will be sent
constexpr Fault kTooLarge = {wire::reason::packet_too_large, "MQTT-3.2.2-15",
                             "larger than the server's maximum packet size", 0};

}  // namespace

// --- what the server takes -----------------------------------------------------------------------

Fault Clients::check_request(const Client& c, const wire::SubscriptionRequest& request) const {
    if (const Fault fault = wire::check_filter(request.filter)) return fault;  // [MQTT-3.8.3-1]
    const Grants& grants = granted(c);
    const bool shared = wire::split_shared(request.filter).shared;
    if (shared && request.options.no_local && v5()) {  // [MQTT-3.8.3-4]
        return {wire::reason::protocol_error, "MQTT-3.8.3-4", "No Local on a shared subscription",
                0};
    }
    if (shared && !grants.sharing) {
        return {wire::reason::shared_subscriptions_not_supported, "",
                "a shared subscription, which the server does not take", 0};
    }
    if (!grants.wildcards && request.filter.find_first_of("+#") != std::string_view::npos) {
        return {wire::reason::wildcard_subscriptions_not_supported, "",
                "a subscription with a wildcard, which the server does not take", 0};
    }
    return {};
}

Fault Clients::check_requests(const Client& c, std::span<const wire::SubscriptionRequest> requests,
                              const wire::Properties& properties) const {
    if (requests.empty()) {  // [MQTT-3.8.3-2]
        return {wire::reason::protocol_error, v5() ? "MQTT-3.8.3-2" : "MQTT-3.8.3-3",
                "a SUBSCRIBE without a filter", 0};
    }
    if (v5() && properties.subscription_identifier_count > 0 && !granted(c).identifiers) {
        return {wire::reason::subscription_identifiers_not_supported, "",
                "a subscription identifier, which the server does not take", 0};
    }
    for (const wire::SubscriptionRequest& request : requests) {
        if (const Fault fault = check_request(c, request)) return fault;
    }
    return {};
}

// Takes over the packet.
Fault Clients::check_size(const Client& c, BlobId packet) const {
    const bool fits =
        packet != BlobId::none && pool_->bytes(packet).size() <= granted(c).maximum_packet_size;
    pool_->release(packet);
    return fits ? Fault{} : kTooLarge;
}

Fault Clients::check_subscribe(Slot client, std::span<const wire::SubscriptionRequest> requests,
                               const wire::Properties& properties) const {
    const Client& c = clients_[client];
    if (const Fault fault = check_requests(c, requests, properties)) return fault;
    return check_size(
        c, wire::encode_subscribe(*pool_, options_.version, kAnyId, requests, properties));
}

Fault Clients::check_unsubscribe(Slot client, std::span<const std::string_view> filters,
                                 const wire::Properties& properties) const {
    if (filters.empty()) {  // [MQTT-3.10.3-2]
        return {wire::reason::protocol_error, "MQTT-3.10.3-2", "an UNSUBSCRIBE without a filter",
                0};
    }
    for (const std::string_view filter : filters) {  // [MQTT-3.10.3-1], 3.1.1 [MQTT-3.10.3-1]
        if (const Fault fault = wire::check_filter(filter)) return fault;
    }
    return check_size(clients_[client], wire::encode_unsubscribe(*pool_, options_.version, kAnyId,
                                                                 filters, properties));
}

// --- sending -------------------------------------------------------------------------------------

wire::PacketId Clients::subscribe(Instant now, Slot client,
                                  std::span<const wire::SubscriptionRequest> requests,
                                  const wire::Properties& properties) {
    const Client& c = clients_[client];
    // Not before CONNACK [MQTT-3.1.2-30]; then however much is under way [MQTT-3.3.4-8].
    if (c.phase != Phase::online || check_requests(c, requests, properties)) return 0;
    const BlobId blob =
        wire::encode_subscribe(*pool_, options_.version, kAnyId, requests, properties);
    return send_list(now, client, blob, SendState::awaiting_suback, requests.size(), false);
}

wire::PacketId Clients::unsubscribe(Instant now, Slot client,
                                    std::span<const std::string_view> filters,
                                    const wire::Properties& properties) {
    if (clients_[client].phase != Phase::online || check_unsubscribe(client, filters, properties)) {
        return 0;
    }
    const BlobId blob =
        wire::encode_unsubscribe(*pool_, options_.version, kAnyId, filters, properties);
    return send_list(now, client, blob, SendState::awaiting_unsuback, filters.size(), false);
}

// Takes over the packet; 0 when it is more than the server takes, or no identifier is free.
wire::PacketId Clients::send_list(Instant now, Slot client, BlobId blob, SendState state,
                                  std::size_t entries, bool of_profile) {
    Client& c = clients_[client];
    if (blob == BlobId::none) return 0;
    pool_->retain(blob);
    if (check_size(c, blob)) {
        pool_->release(blob);
        return 0;
    }
    const std::uint32_t index = pending_.take();
    Pending& record = pending_[index];
    record.message = list_mark(entries, of_profile);
    record.state = state;
    const wire::PacketId id = flow(c).window.add(pending_, index);
    if (id == 0) {
        pending_.give_back(index);
        pool_->release(blob);
        return 0;
    }
    set_list_id(*pool_, blob, id);
    send(now, client, blob);
    return id;
}

// The profile's subscriptions, in as few packets as the server's maximum packet size allows; what
// the server does not take is told the listener as if the server had refused it.
void Clients::subscribe_all(Instant now, Slot client) {
    const std::uint32_t wanted = profile_->subscription_count(client);
    clients_[client].subscribed = wanted == 0;
    if (wanted == 0) return;
    const std::size_t limit = granted(clients_[client]).maximum_packet_size;

    texts_.resize(wanted);
    std::vector<wire::SubscriptionRequest> batch;
    batch.reserve(wanted);
    std::vector<std::uint8_t> refused;
    std::size_t bytes = 0;
    bool all_sent = true;
    const auto flush = [&] {
        if (batch.empty()) return;
        const BlobId blob = wire::encode_subscribe(*pool_, options_.version, kAnyId, batch);
        if (send_list(now, client, blob, SendState::awaiting_suback, batch.size(), true) == 0) {
            all_sent = false;
        }
        batch.clear();
        bytes = 0;
    };
    for (std::uint32_t n = 0; n < wanted; ++n) {
        std::string& filter = texts_[n];
        filter.clear();
        const wire::SubscriptionOptions options = profile_->subscription(client, n, filter);
        const std::size_t more = entry_size(filter);
        Fault fault = check_request(clients_[client], {filter, options});
        if (!fault && list_packet_size(v5(), more) > limit) fault = kTooLarge;
        if (fault) {
            refused.push_back(fault.reason);
            continue;
        }
        if (list_packet_size(v5(), bytes + more) > limit) flush();
        batch.push_back({filter, options});
        bytes += more;
    }
    flush();
    clients_[client].subscribed = all_sent && !awaits_profile_suback(clients_[client]);

    for (const std::uint8_t& reason : refused) {
        if (clients_[client].phase != Phase::online) return;  // the listener has left
        wire::ListAck packet;
        packet.reasons = {&reason, 1};
        listener_->on_subscribed(now, client, packet);
    }
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

// --- SUBACK or UNSUBACK --------------------------------------------------------------------------

void Clients::receive_list_ack(Instant now, Slot client, const wire::Frame& frame) {
    wire::ListAck packet;
    Fault fault = wire::decode(frame, options_.version, packet);
    if (!fault) fault = check_problem(packet.properties);
    if (fault) {
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
        listener_->on_subscribed(now, client, packet);
    } else {
        listener_->on_unsubscribed(now, client, packet);
    }
}

}  // namespace mqttwin::client
