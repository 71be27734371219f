#include "mqttwin/world/recorder.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace mqttwin::world {

namespace {

using trace::Counter;
using trace::Family;

// broker::DropReason, and one more that only the network knows.
constexpr std::array<std::string_view, 8> kDropNames = {
    "queue_full",   "session_ended",     "packet_too_large", "message_expired",
    "offline_qos0", "refused_by_client", "restart",          "connection_lost"};
constexpr unsigned kConnectionLost = broker::kDropReasons;
static_assert(kDropNames.size() == kConnectionLost + 1);

// client::PublishOutcome from dropped_offline on, and one more.
constexpr std::array<std::string_view, 4> kUnsentNames = {"offline", "queue_full", "refused",
                                                          "connection_lost"};
constexpr unsigned kUnsentConnectionLost = 3;
constexpr unsigned unsent_reason(client::PublishOutcome outcome) {
    switch (outcome) {
        case client::PublishOutcome::dropped_offline:
            return 0;
        case client::PublishOutcome::dropped_queue_full:
            return 1;
        default:
            return 2;
    }
}

// client::DisconnectCause and broker::CloseCause, in their order.
constexpr std::array<std::string_view, 8> kDisconnectNames = {
    "by_command", "transport",    "connect_failed",  "refused",
    "by_server",  "ping_timeout", "connect_timeout", "protocol_fault"};
constexpr std::array<std::string_view, 9> kCloseNames = {
    "client_disconnect", "network",         "keep_alive",     "taken_over", "protocol_fault",
    "refused",           "connect_timeout", "administrative", "backlog"};
static_assert(kCloseNames.size() == broker::kCloseCauses);

bool is_publish(ByteView bytes) { return !bytes.empty() && (bytes[0] >> 4) == 3; }
unsigned qos_of(ByteView publish) { return (publish[0] >> 1) & 3U; }

constexpr trace::Direction direction_from(net::End sender) {
    return sender == net::End::client ? trace::Direction::up : trace::Direction::down;
}

}  // namespace

Recorder::Recorder(const RecorderOptions& options)
    : options_(options),
      series_(options.series_width, options.series_buckets,
              {"published", "delivered", "connects", "disconnects", "dropped"}, {"online"}),
      messages_(options.max_messages) {
    counters_.name_reasons(Family::dropped, kDropNames);
    counters_.name_reasons(Family::unsent, kUnsentNames);
    counters_.name_reasons(Family::disconnects, kDisconnectNames);
    counters_.name_reasons(Family::closes, kCloseNames);
}

void Recorder::add_fleet(std::string_view name, std::uint32_t base, std::uint32_t count,
                         std::uint32_t keep) {
    fleets_.push_back({std::string(name), base, count, keep, {}, nullptr});
    any_keep_ = any_keep_ || keep > 0;
    entities_.resize(std::size_t{base} + count);
    totals_.resize(entities_.size());
    if (log_) {
        for (std::uint32_t i = 0; i < count; ++i)
            log_->name_entity(base + i, entity_name(base + i));
    }
}

void Recorder::add_stranger(std::string_view name, std::uint32_t tag) {
    strangers_.emplace_back(name, tag);
    if (entities_.size() <= tag) entities_.resize(tag + std::size_t{1});
}

const Recorder::Fleet* Recorder::fleet_of(std::uint32_t tag) const {
    const auto after = std::upper_bound(
        fleets_.begin(), fleets_.end(), tag,
        [](std::uint32_t value, const Fleet& fleet) { return value < fleet.base; });
    if (after == fleets_.begin()) return nullptr;
    const Fleet& fleet = *std::prev(after);
    return tag - fleet.base < fleet.count ? &fleet : nullptr;
}

std::string Recorder::entity_name(std::uint32_t tag) const {
    const Fleet* fleet = fleet_of(tag);
    if (fleet == nullptr) return "?";
    return fleet->name + "/" + std::to_string(tag - fleet->base);
}

// --- The network ---------------------------------------------------------------------------------

Watch& Recorder::watch() {
    if (!watch_) watch_ = std::make_unique<Watch>();
    return *watch_;
}

void Recorder::opened(Instant now, std::uint32_t tag, net::End end) {
    if (watch_) watch_->on_opened(now, {tag}, direction_from(net::other(end)));
    if (tag >= entities_.size()) return;
    Entity& entity = entities_[tag];
    (end == net::End::server ? entity.up : entity.down).opened(now);
    if (log_ && log_->wants(tag)) {
        trace::Event event;
        event.kind = trace::Kind::open;
        event.at = now;
        event.entity = tag;
        event.direction = end == net::End::server ? trace::Direction::up : trace::Direction::down;
        log_->record(event);
    }
}

void Recorder::tell_sent(Instant now, std::uint32_t tag, net::End sender, ByteView head,
                         ByteView body) {
    if (watch_) watch_->on_sent(now, {tag}, direction_from(sender), head, body);
    if (log_) log_packet(trace::Kind::sent, now, tag, sender, head, head.size() + body.size());
}

void Recorder::tell_delivered(Instant now, std::uint32_t tag, net::End receiver, ByteView bytes) {
    const net::End sender = net::other(receiver);
    if (watch_) watch_->on_delivered(now, {tag}, direction_from(sender), bytes);
    if (log_ && tag < entities_.size())
        log_packet(trace::Kind::delivered, now, tag, sender, bytes, bytes.size());
}

void Recorder::sent_elsewhere(ByteView head) {
    if (!is_publish(head) || (head[0] & 0x08) != 0) return;
    count_published(static_cast<wire::QoS>(qos_of(head)));
}

void Recorder::heard_from_elsewhere(Instant now, std::uint32_t tag, ByteView bytes) {
    counters_.add(Counter::mqtt_bytes_down, bytes.size());
    totals_[tag].add_down(bytes.size());
    delivered(now, tag, net::End::client, bytes);
}

void Recorder::count_published(wire::QoS qos) {
    switch (qos) {
        case wire::QoS::at_most_once:
            counters_.add(Counter::published_qos0);
            break;
        case wire::QoS::at_least_once:
            counters_.add(Counter::published_qos1);
            break;
        case wire::QoS::exactly_once:
            counters_.add(Counter::published_qos2);
            break;
    }
}

void Recorder::ended(Instant now, std::uint32_t tag, net::End end, EndedBy by) {
    if (watch_) {
        watch_->on_ended(now, {tag}, direction_from(net::other(end)),
                         static_cast<std::uint8_t>(by));
    }
    if (tag >= entities_.size()) return;
    Entity& entity = entities_[tag];
    (end == net::End::server ? entity.up : entity.down).closed(now, static_cast<std::uint64_t>(by));
    if (log_ && log_->wants(tag)) {
        trace::Event event;
        event.kind = trace::Kind::close;
        event.at = now;
        event.entity = tag;
        event.direction = end == net::End::server ? trace::Direction::up : trace::Direction::down;
        event.reason = static_cast<std::uint8_t>(by);
        log_->record(event);
    }
}

void Recorder::undeliverable(Instant now, ByteView bytes, const Stamp& stamp) {
    if (counts_as_qos0(bytes, stamp)) drop(now, kConnectionLost, stamp);
}

void Recorder::lost_upward(Instant /*now*/, ByteView bytes, const Stamp& stamp) {
    if (!counts_as_qos0(bytes, stamp)) return;
    counters_.add(Family::unsent, kUnsentConnectionLost);
    lose(stamp.origin);
}

bool Recorder::counts_as_qos0(ByteView bytes, const Stamp& stamp) {
    return is_publish(bytes) && qos_of(bytes) == 0 && stamp.origin != Stamp::kReplay;
}

void Recorder::log_packet(trace::Kind kind, Instant now, std::uint32_t tag, net::End sender,
                          ByteView bytes, std::size_t size) {
    if (!log_->wants(tag) || bytes.empty()) return;
    trace::Event event;
    event.kind = kind;
    event.at = now;
    event.entity = tag;
    event.direction = direction_from(sender);
    event.packet = static_cast<std::uint8_t>(bytes[0] >> 4);
    event.bytes = static_cast<std::uint32_t>(size);
    if (is_publish(bytes)) {
        event.qos = static_cast<std::uint8_t>(qos_of(bytes));
        event.flags =
            static_cast<std::uint8_t>(((bytes[0] & 0x08) != 0 ? trace::Event::kDuplicate : 0) |
                                      ((bytes[0] & 0x01) != 0 ? trace::Event::kRetain : 0));
        // Our own engines encoded it, so the topic is where the header says.
        std::size_t at = 1;
        while (at < bytes.size() && (bytes[at] & 0x80) != 0) ++at;
        ++at;
        if (at + 2 <= bytes.size()) {
            const std::size_t length = (std::size_t{bytes[at]} << 8) | bytes[at + 1];
            at += 2;
            if (at + length <= bytes.size()) {
                event.topic = as_text(bytes.subspan(at, length));
                at += length;
                if (event.qos > 0 && at + 2 <= bytes.size()) {
                    event.packet_id =
                        static_cast<wire::PacketId>((unsigned{bytes[at]} << 8) | bytes[at + 1]);
                }
            }
        }
    } else if (bytes.size() >= 4 && event.packet >= 4 && event.packet <= 11) {
        event.packet_id = static_cast<wire::PacketId>((unsigned{bytes[2]} << 8) | bytes[3]);
    }
    log_->record(event);
}

// --- The clients ---------------------------------------------------------------------------------

void Recorder::published(Instant now, std::uint32_t tag, const wire::Publish& message) {
    if (watch_) watch_->on_published(now, tag, message);
    counters_.add(Counter::offered);
    counters_.add(Counter::payload_bytes_up, message.payload.size());
    totals_[tag].publish();
    series_.add(kPublished, now);
}

void Recorder::publish_outcome(Instant /*now*/, std::uint32_t tag, wire::QoS /*qos*/,
                               client::PublishOutcome outcome) {
    if (outcome == client::PublishOutcome::sent || outcome == client::PublishOutcome::queued) {
        return;
    }
    counters_.add(Family::unsent, unsent_reason(outcome));
    lose(tag);
}

void Recorder::dropped_by_device(Instant /*now*/, std::uint32_t tag, const Stamp& /*stamp*/,
                                 wire::QoS /*qos*/, client::PublishOutcome outcome) {
    counters_.add(Family::unsent, unsent_reason(outcome));
    lose(tag);
}

void Recorder::online(Instant now, std::uint32_t tag, bool session_present) {
    counters_.add(Counter::connects);
    if (totals_[tag].connects() > 0) counters_.add(Counter::reconnects);
    if (session_present) counters_.add(Counter::sessions_resumed);
    totals_[tag].online(now);
    series_.add(kConnects, now);
    series_.set(0, now, ++online_);
}

void Recorder::offline(Instant now, std::uint32_t tag, bool was_online,
                       client::DisconnectCause cause, std::uint8_t /*reason*/) {
    forget_given_up(tag);  // nothing more comes over that connection
    counters_.add(Family::disconnects, static_cast<unsigned>(cause));
    if (cause == client::DisconnectCause::refused) {
        counters_.add(Counter::connects_refused);
    } else if (!was_online) {
        counters_.add(Counter::connects_failed);
    }
    if (cause == client::DisconnectCause::ping_timeout) counters_.add(Counter::keep_alive_timeouts);
    if (!was_online) return;
    totals_[tag].offline(now);
    series_.add(kDisconnects, now);
    series_.set(0, now, --online_);
}

void Recorder::received(Instant now, std::uint32_t tag, const wire::Publish& message,
                        const Stamp& stamp) {
    counters_.add(Counter::payload_bytes_down, message.payload.size());
    Entity& entity = entities_[tag];
    ++entity.received;
    // First deliveries come in the order of their numbers, so a number that is not higher than
    // all before is a message that was here already.
    bool duplicate = stamp.sequence != 0 && stamp.sequence <= entity.highest;
    if (stamp.sequence > entity.highest) entity.highest = stamp.sequence;
    const bool replay = stamp.origin == Stamp::kReplay;
    if (!duplicate && !given_up_.empty()) duplicate = comes_after_all(tag, stamp);
    if (duplicate) {
        counters_.add(Counter::duplicates);
    } else if (replay) {
        counters_.add(Counter::replays);
    } else {
        counters_.add(Counter::delivered);
        series_.add(kDelivered, now);
        const Duration took = now - stamp.published;
        if (stamp.published.ns < 0) {
            // From somebody else's broker: who is owed what is its secret, and so is since when.
            counters_.add(Counter::expected);
        } else {
            latency_.record(took);
            if (took > options_.late_after) counters_.add(Counter::late);
        }
        if (stamp.origin < entities_.size()) measure(stamp, took);
    }
    if (messages_.size() < options_.max_messages) {
        trace::Delivery row;
        row.published = stamp.published;
        row.delivered = now;
        row.publisher = stamp.origin < entities_.size() ? stamp.origin : trace::kNoTag;
        row.subscriber = tag;
        row.payload_bytes = static_cast<std::uint32_t>(message.payload.size());
        row.topic = messages_.topic(message.topic);
        row.qos = static_cast<std::uint8_t>(message.qos);
        row.flags = static_cast<std::uint8_t>((duplicate ? trace::Delivery::kDuplicate : 0) |
                                              (replay ? trace::Delivery::kReplay : 0));
        messages_.append(row);
    } else if (options_.max_messages > 0) {
        messages_.append({});  // counts what the bound keeps out
    }
    if (any_keep_) {
        Fleet& fleet = fleets_[static_cast<std::size_t>(fleet_of(tag) - fleets_.data())];
        if (fleet.keep > 0) keep(fleet, now, tag, message, stamp, duplicate);
    }
}

// What a first delivery means to the device whose message it is.
void Recorder::measure(const Stamp& stamp, Duration took) {
    Entity& origin = entities_[stamp.origin];
    ++origin.delivered;
    origin.latency_sum += took.ns;
    origin.latency_max = std::max(origin.latency_max, took.ns);
    if (!any_latencies_) return;
    const Fleet* fleet = fleet_of(stamp.origin);
    if (fleet == nullptr || fleet->latencies == nullptr) return;
    fleet->latencies->record(stamp.origin - fleet->base, took.ns);
}

void Recorder::keep(Fleet& fleet, Instant now, std::uint32_t tag, const wire::Publish& message,
                    const Stamp& stamp, bool duplicate) {
    Kept& kept = fleet.kept;
    // Offsets are 32 bits: the texts of a fleet are bounded, too.
    const std::size_t size = message.topic.size() + message.payload.size();
    if (kept.at.size() >= fleet.keep || kept.text.size() + size > 0xFFFF'FFFFU) {
        ++kept.not_kept;
        return;
    }
    kept.at.push_back(now.ns);
    kept.published.push_back(stamp.published.ns);
    kept.device.push_back(tag - fleet.base);
    kept.publisher.push_back(stamp.origin);
    kept.text.append(message.topic);
    kept.topic_end.push_back(static_cast<std::uint32_t>(kept.text.size()));
    kept.text.append(as_text(message.payload));
    kept.payload_end.push_back(static_cast<std::uint32_t>(kept.text.size()));
    kept.flags.push_back(static_cast<std::uint8_t>(
        static_cast<unsigned>(message.qos) | (message.retain ? 4U : 0U) | (duplicate ? 8U : 0U)));
}

void Recorder::acknowledged(Instant now, std::uint32_t /*tag*/, const Stamp& stamp,
                            wire::QoS /*qos*/, std::uint8_t reason) {
    if (reason >= wire::reason::unspecified_error) {
        counters_.add(Counter::refused);
        return;
    }
    counters_.add(Counter::acknowledged);
    ack_.record(now - stamp.published);
}

// --- The brokers ---------------------------------------------------------------------------------

void Recorder::on_connect(Instant /*now*/, Slot /*connection*/, std::uint32_t tag,
                          std::string_view /*client_id*/, bool session_present) {
    // A new session numbers its messages from 1 again.
    if (session_present || tag >= entities_.size()) return;
    entities_[tag].highest = 0;
    forget_given_up(tag);
}

void Recorder::on_close(Instant /*now*/, Slot /*connection*/, std::uint32_t /*tag*/,
                        broker::CloseCause cause, std::uint8_t /*reason*/) {
    counters_.add(Family::closes, static_cast<unsigned>(cause));
    if (cause == broker::CloseCause::keep_alive) counters_.add(Counter::keep_alive_timeouts);
}

void Recorder::on_publish(Instant now, std::uint32_t publisher, const Stamp& stamp,
                          const wire::Publish& message, std::uint32_t matched) {
    if (watch_) watch_->on_routed(now, publisher, stamp, message);
    count_published(message.qos);
    if (matched == 0) counters_.add(Counter::unmatched);
    if (stamp.origin >= entities_.size()) return;
    if (stamp.sequence != 0) {
        // A device's own QoS > 0 messages are numbered and come in order.
        Entity& origin = entities_[stamp.origin];
        if (stamp.sequence <= origin.routed) {
            counters_.add(Counter::rerouted);
            return;
        }
        origin.routed = stamp.sequence;
    }
    // A will is published by the broker itself, at its own instant: it was not on the way.
    if (stamp.published < now) ingest_.record(now - stamp.published);
}

// What is owed to somebody who is no device of this world is not part of its census: nobody here
// hears whether it arrived.
void Recorder::on_expected(Instant /*now*/, std::uint32_t subscriber, const Stamp& /*stamp*/,
                           wire::QoS /*qos*/) {
    if (subscriber == Stamp::kNobody) return;
    counters_.add(Counter::expected);
}

void Recorder::on_rerouted(Instant now, std::uint32_t from, std::uint32_t to, const Stamp& stamp,
                           wire::QoS /*qos*/) {
    if (stamp.origin == Stamp::kReplay) return;
    const bool was_owed =
        from != Stamp::kNobody && (stamp.sequence == 0 || still_owed(from, stamp));
    const bool is_owed = to != Stamp::kNobody;
    if (was_owed && is_owed && stamp.sequence != 0) {
        given_up_[{from, stamp.sequence}] = {now, {}, true};
    }
    if (is_owed && !was_owed) counters_.add(Counter::expected);
    if (was_owed && !is_owed) {
        counters_.set(Counter::expected, counters_[Counter::expected] - 1);
    }
}

bool Recorder::still_owed(std::uint32_t subscriber, const Stamp& stamp) const {
    if (stamp.origin == Stamp::kReplay) return false;
    if (subscriber >= entities_.size()) return false;
    return stamp.sequence == 0 || stamp.sequence > entities_[subscriber].highest;
}

void Recorder::on_drop(Instant now, std::uint32_t subscriber, const Stamp& stamp, wire::QoS qos,
                       broker::DropReason reason) {
    if (stamp.origin == Stamp::kReplay || subscriber == Stamp::kNobody) return;
    // It arrived, only its acknowledgement did not: that is not a loss.
    if (qos != wire::QoS::at_most_once && !still_owed(subscriber, stamp)) return;
    drop(now, static_cast<unsigned>(reason), stamp);
    if (stamp.sequence != 0) given_up_[{subscriber, stamp.sequence}] = {now, reason, false};
}

void Recorder::forget_given_up(std::uint32_t tag) {
    if (given_up_.empty()) return;
    given_up_.erase(given_up_.lower_bound({tag, 0}), given_up_.lower_bound({tag + 1, 0}));
}

// A session ended while this message was on its way, and it came before the end of the connection.
// True: another member of the group has been given it meanwhile.
bool Recorder::comes_after_all(std::uint32_t subscriber, const Stamp& stamp) {
    const auto found = given_up_.find({subscriber, stamp.sequence});
    if (found == given_up_.end()) return false;
    const GivenUp given_up = found->second;
    given_up_.erase(found);
    if (given_up.rerouted) return true;
    counters_.take_back(Family::dropped, static_cast<unsigned>(given_up.reason));
    series_.take_back(kDropped, given_up.at);
    if (stamp.origin < totals_.size()) totals_[stamp.origin].find();
    return false;
}

void Recorder::drop(Instant now, unsigned reason, const Stamp& stamp) {
    lose(stamp.origin);
    counters_.add(Family::dropped, reason);
    series_.add(kDropped, now);
}

void Recorder::on_fault(Instant now, Slot /*connection*/, std::uint32_t tag, const Fault& fault) {
    counters_.add(Counter::protocol_faults);
    if (log_ && log_->wants(tag)) {
        trace::Event event;
        event.at = now;
        event.entity = tag;
        event.reason = fault.reason;
        const std::string text = std::string(fault.clause) + ": " + std::string(fault.what);
        event.text = text;
        log_->record(event);
    }
}

// --- The log -------------------------------------------------------------------------------------

void Recorder::start_log(std::unique_ptr<trace::EventLog> log) {
    log_ = std::move(log);
    for (const Fleet& fleet : fleets_) {
        for (std::uint32_t i = 0; i < fleet.count; ++i) {
            if (log_->wants(fleet.base + i)) {
                log_->name_entity(fleet.base + i, entity_name(fleet.base + i));
            }
        }
    }
}

std::string Recorder::stop_log() {
    if (!log_) return {};
    log_->close();
    std::string error = log_->error();
    log_.reset();
    return error;
}

void Recorder::archive(Archive& a) {
    const std::size_t devices = entities_.size();
    a(options_, counters_, latency_, ingest_, ack_, series_, messages_, entities_, totals_);
    if (entities_.size() != devices || totals_.size() != devices) a.fail("other devices");
    a.same_count(fleets_.size(), "other fleets");
    for (Fleet& fleet : fleets_) {
        a(fleet.kept);
        bool tracked = fleet.latencies != nullptr;
        a(tracked);
        if (!tracked) continue;
        if (a.reading()) fleet.latencies = std::make_unique<trace::CoarseHistograms>(fleet.count);
        a(*fleet.latencies);
    }
    a(any_keep_, any_latencies_, online_, given_up_);
}

}  // namespace mqttwin::world
