// Everything that a run counts, by name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/trace/columns.hpp"

namespace mqttwin::trace {

// X(identifier, unit, what it counts)
#define MQTTWIN_COUNTERS(X)                                                                       \
    X(published_qos0, "messages", "accepted and routed by a broker, QoS 0")                       \
    X(published_qos1, "messages", "accepted and routed by a broker, QoS 1")                       \
    X(published_qos2, "messages", "accepted and routed by a broker, QoS 2")                       \
    X(unmatched, "messages", "published, and no subscription matched")                            \
    X(rerouted, "messages", "QoS 1, sent again after a reconnect and routed a second time")       \
    X(expected, "deliveries", "owed: one for each publish and each subscriber it matched")        \
    X(delivered, "deliveries", "first deliveries to a subscriber")                                \
    X(pending, "deliveries", "owed, and still queued or in flight when the run ended")            \
    X(duplicates, "deliveries", "further deliveries of the same message to the same subscriber")  \
    X(replays, "deliveries", "retained messages sent because of a new subscription")              \
    X(late, "deliveries", "first deliveries that took longer than the run's limit")               \
    X(offered, "messages", "handed to a client for publishing")                                   \
    X(acknowledged, "messages", "PUBACK or PUBCOMP without error at the publisher")               \
    X(refused, "messages", "PUBACK or PUBREC with an error at the publisher")                     \
    X(retransmissions, "packets", "PUBLISH and PUBREL sent again after a reconnect")              \
    X(payload_bytes_up, "bytes", "application payload, client to broker")                         \
    X(payload_bytes_down, "bytes", "application payload, broker to client")                       \
    X(mqtt_bytes_up, "bytes", "MQTT packets, client to broker")                                   \
    X(mqtt_bytes_down, "bytes", "MQTT packets, broker to client")                                 \
    X(ip_bytes_up, "bytes", "IP packets with their headers, client to broker")                    \
    X(ip_bytes_down, "bytes", "IP packets with their headers, broker to client")                  \
    X(mqtt_packets_up, "packets", "MQTT packets, client to broker")                               \
    X(mqtt_packets_down, "packets", "MQTT packets, broker to client")                             \
    X(ip_packets_up, "packets", "IP packets, client to broker")                                   \
    X(ip_packets_down, "packets", "IP packets, broker to client")                                 \
    X(ip_packets_lost, "packets", "IP packets that the network lost, either way")                 \
    X(connects, "connects", "CONNACK with success")                                               \
    X(connects_refused, "connects", "CONNACK with an error")                                      \
    X(connects_failed, "connects", "no CONNACK: not reached, broken or timed out before it")      \
    X(reconnects, "connects", "successful connects that were not the client's first")             \
    X(sessions_resumed, "connects", "successful connects with session present")                   \
    X(subscribes, "subscriptions", "granted")                                                     \
    X(keep_alive_timeouts, "connections", "closed because the keep-alive ran out, at either end") \
    X(protocol_faults, "faults", "packets that broke the protocol")

enum class Counter : std::uint8_t {
#define MQTTWIN_X(name, unit, what) name,
    MQTTWIN_COUNTERS(MQTTWIN_X)
#undef MQTTWIN_X
};

// X(identifier, what it counts); each has one counter a reason, a small integer whose names the
// world gives.
#define MQTTWIN_COUNTER_FAMILIES(X)                                         \
    X(dropped, "deliveries that will never happen, by the broker's reason") \
    X(unsent, "messages that a client never sent, by its reason")           \
    X(disconnects, "connections that ended, by the cause the client saw")   \
    X(closes, "connections that ended, by the cause the broker saw")

enum class Family : std::uint8_t {
#define MQTTWIN_X(name, what) name,
    MQTTWIN_COUNTER_FAMILIES(MQTTWIN_X)
#undef MQTTWIN_X
};

#define MQTTWIN_X(...) +1
inline constexpr std::size_t kCounters = 0 MQTTWIN_COUNTERS(MQTTWIN_X);
inline constexpr std::size_t kFamilies = 0 MQTTWIN_COUNTER_FAMILIES(MQTTWIN_X);
#undef MQTTWIN_X

/// "published_qos0", "messages", "accepted and routed by a broker, QoS 0".
struct CounterInfo {
    std::string_view name;
    std::string_view unit;
    std::string_view what;
};
const CounterInfo& info(Counter counter);
const CounterInfo& info(Family family);

/// One number for each counter, and one for each reason of each family.
class Counters {
   public:
    static constexpr std::size_t kReasons = 32;  // a family; larger reasons count as the last

    void add(Counter counter, std::uint64_t n = 1) {
        values_[static_cast<std::size_t>(counter)] += n;
    }
    void add(Family family, unsigned reason, std::uint64_t n = 1) {
        reasons_[static_cast<std::size_t>(family)][reason < kReasons ? reason : kReasons - 1] += n;
    }
    /// One that was counted was none.
    void take_back(Family family, unsigned reason) {
        --reasons_[static_cast<std::size_t>(family)][reason < kReasons ? reason : kReasons - 1];
    }
    void set(Counter counter, std::uint64_t value) {
        values_[static_cast<std::size_t>(counter)] = value;
    }

    [[nodiscard]] std::uint64_t operator[](Counter counter) const {
        return values_[static_cast<std::size_t>(counter)];
    }
    [[nodiscard]] std::uint64_t get(Family family, unsigned reason) const {
        return reason < kReasons ? reasons_[static_cast<std::size_t>(family)][reason] : 0;
    }
    [[nodiscard]] std::uint64_t total(Family family) const;
    [[nodiscard]] std::uint64_t published() const {
        return (*this)[Counter::published_qos0] + (*this)[Counter::published_qos1] +
               (*this)[Counter::published_qos2];
    }

    /// expected - delivered - dropped - pending: 0 when every message is accounted for.
    [[nodiscard]] std::int64_t unaccounted() const;

    /// Names of a family's reasons, by number. Without one a reason is called "3".
    void name_reasons(Family family, std::span<const std::string_view> names);
    [[nodiscard]] std::string reason_name(Family family, unsigned reason) const;

    /// Adds another run's, or another part's, counts; names that are missing here are taken over.
    void merge(const Counters& other);

    /// Calls visit(name, value) for every counter and, as "dropped.queue_full", for every reason
    /// that has a name or a count.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (std::size_t i = 0; i < kCounters; ++i) {
            visit(std::string(info(static_cast<Counter>(i)).name), values_[i]);
        }
        for (std::size_t f = 0; f < kFamilies; ++f) {
            const auto family = static_cast<Family>(f);
            for (unsigned r = 0; r < kReasons; ++r) {
                if (reasons_[f][r] == 0 && r >= names_[f].size()) continue;
                visit(std::string(info(family).name) + "." + reason_name(family, r),
                      reasons_[f][r]);
            }
        }
    }

    /// Columns: name (utf8), value (int64), in the order of for_each.
    [[nodiscard]] Table table() const;

    /// Counts, not names.
    friend bool operator==(const Counters& a, const Counters& b) {
        return a.values_ == b.values_ && a.reasons_ == b.reasons_;
    }
    /// Counts, not names.
    void archive(Archive& a) { a(values_, reasons_); }

   private:
    std::array<std::uint64_t, kCounters> values_{};
    std::array<std::array<std::uint64_t, kReasons>, kFamilies> reasons_{};
    std::array<std::vector<std::string>, kFamilies> names_;
};

}  // namespace mqttwin::trace
