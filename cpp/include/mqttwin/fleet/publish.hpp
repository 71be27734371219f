// A publishing behaviour: when, where to, and what each device of a fleet publishes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/fleet/arrival.hpp"
#include "mqttwin/fleet/encoder.hpp"
#include "mqttwin/fleet/population.hpp"
#include "mqttwin/fleet/text_template.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::fleet {

struct PublishSpec {
    /// Keys the draws, so it must be unique within the fleet; empty: the topic.
    std::string name;
    std::string topic;  // a template
    ArrivalSpec arrival;
    PayloadSpec payload;
    wire::QoS qos = wire::QoS::at_most_once;
    bool retain = false;
    // MQTT 5.0
    std::optional<std::uint32_t> message_expiry;  // seconds
    std::string content_type;                     // empty: none
    std::vector<std::pair<std::string, std::string>> user_properties;
    void archive(Archive& a) {
        a(name, topic, arrival, payload, qos, retain, message_expiry, content_type,
          user_properties);
    }
};

/// A PublishSpec at work in one fleet. Four bytes of state a device, and what its generators need.
/// Copies are independent (a world forks).
class PublishBehaviour {
   public:
    PublishBehaviour(const PublishSpec& spec, const Population& population);

    /// When a device that starts at `start` publishes first; never() when it does not.
    [[nodiscard]] Instant first(Device device, Instant start) const {
        return arrival_.first(device, start);
    }
    /// The device's next message, due at `due` (what `first` or the last `fire` returned).
    /// Fills topic, payload, qos, retain and properties of `out` (views are valid until the next
    /// call); returns when to fire next, never() when no more.
    Instant fire(Device device, Instant due, wire::Publish& out);

    /// Messages of this device so far.
    [[nodiscard]] std::uint32_t fired(Device device) const { return number_[device]; }
    [[nodiscard]] wire::QoS qos() const { return qos_; }
    [[nodiscard]] const TextTemplate& topic() const { return topic_; }
    [[nodiscard]] const Payload& payload() const { return payload_; }
    [[nodiscard]] const std::string& name() const { return name_; }

    /// Fetches what `fire` will touch.
    void prefetch(Device device) const;
    /// The columns of mutable state, always in the same order (snapshots).
    [[nodiscard]] std::vector<std::span<std::uint8_t>> state();

   private:
    void set_properties(wire::Properties& properties) const;

    std::string name_;
    TextTemplate topic_;
    Arrival arrival_;
    Payload payload_;
    wire::QoS qos_;
    bool retain_;
    bool has_properties_ = false;
    std::optional<std::uint32_t> message_expiry_;
    std::string content_type_;
    std::vector<std::uint8_t> user_properties_;  // encoded
    std::uint32_t user_property_count_ = 0;
    std::vector<std::uint32_t> number_;
    std::string topic_scratch_;
};

}  // namespace mqttwin::fleet
