// The texts of a fleet's clients: identifiers, subscriptions, wills and credentials.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/fleet/population.hpp"
#include "mqttwin/fleet/text_template.hpp"

namespace mqttwin::fleet {

struct SubscriptionSpec {
    std::string filter;  // a template
    wire::SubscriptionOptions options;
    void archive(Archive& a) { a(filter, options); }
};

struct WillSpec {
    std::string topic;    // a template
    std::string payload;  // a template, unless payload_is_bytes
    bool payload_is_bytes = false;
    wire::QoS qos = wire::QoS::at_most_once;
    bool retain = false;
    std::uint32_t delay_interval = 0;  // seconds; MQTT 5.0
    void archive(Archive& a) { a(topic, payload, payload_is_bytes, qos, retain, delay_interval); }
};

struct ProfileSpec {
    std::vector<SubscriptionSpec> subscriptions;
    std::optional<WillSpec> will;
    std::optional<std::string> user_name;  // a template
    std::optional<std::string> password;   // a template
    void archive(Archive& a) { a(subscriptions, will, user_name, password); }
};

/// The profile of one fleet; the slot of a client is the index of its device.
class FleetProfile final : public client::Profile {
   public:
    FleetProfile(const ProfileSpec& spec, const Population& population);

    /// Replaces `out`.
    void client_id(Slot client, std::string& out) const override;
    [[nodiscard]] std::uint32_t subscription_count(Slot client) const override;
    /// Replaces `filter`.
    wire::SubscriptionOptions subscription(Slot client, std::uint32_t n,
                                           std::string& filter) const override;
    /// Takes `scratch` for itself; the packet's views live as long as it and this profile do.
    void complete(Slot client, wire::Connect& packet,
                  std::vector<std::string>& scratch) const override;

   private:
    struct Subscription {
        TextTemplate filter;
        wire::SubscriptionOptions options;
    };
    TextTemplate id_;
    std::vector<Subscription> subscriptions_;
    std::optional<WillSpec> will_;
    TextTemplate will_topic_;
    TextTemplate will_payload_;
    bool has_user_name_ = false;
    bool has_password_ = false;
    TextTemplate user_name_;
    TextTemplate password_;
};

}  // namespace mqttwin::fleet
