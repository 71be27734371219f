#include "mqttwin/fleet/profile.hpp"

#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

TextTemplate checked_text(const std::string& text, const Population& population,
                          std::string_view parameter) {
    TextTemplate result(text, population, parameter);
    for (const Device device : result.representatives()) {
        if (!wire::valid_utf8(result.text(device))) {
            refuse(parameter, {"must be UTF-8 without U+0000"});
        }
    }
    return result;
}

void check_qos(wire::QoS qos, std::string_view parameter) {
    if (static_cast<unsigned>(qos) <= 2) return;
    refuse(parameter,
           {number_text(static_cast<unsigned>(qos)), " is not allowed (must be 0, 1 or 2)"});
}

// The text of a device: the template's own where all have the same, rendered to `room` otherwise.
std::string_view text_of(const TextTemplate& text, Device device, std::string& room) {
    if (text.is_constant()) return text.rendered_constant();
    room.clear();
    text.render(device, room);
    return room;
}

}  // namespace

FleetProfile::FleetProfile(const ProfileSpec& spec, const Population& population)
    : id_("{id}", population, "id"), will_(spec.will) {
    for (const SubscriptionSpec& subscription : spec.subscriptions) {
        check_qos(subscription.options.qos, "subscription qos");
        subscriptions_.push_back(
            {TextTemplate(subscription.filter, population, "filter"), subscription.options});
        check_filters(subscriptions_.back().filter, "filter");
    }
    if (will_) {
        check_qos(will_->qos, "will qos");
        will_topic_ = TextTemplate(will_->topic, population, "will topic");
        check_topics(will_topic_, "will topic");
        if (will_->payload.size() > kMaximumText) {
            refuse("will payload",
                   {number_text(will_->payload.size()),
                    " bytes are not allowed (must be <= ", number_text(kMaximumText), ")"});
        }
        if (!will_->payload_is_bytes) {
            will_payload_ = TextTemplate(will_->payload, population, "will payload");
        }
    }
    has_user_name_ = spec.user_name.has_value();
    has_password_ = spec.password.has_value();
    if (has_user_name_) user_name_ = checked_text(*spec.user_name, population, "user name");
    if (has_password_) password_ = TextTemplate(*spec.password, population, "password");
}

void FleetProfile::client_id(Slot client, std::string& out) const {
    out.clear();
    id_.render(client, out);
}

std::uint32_t FleetProfile::subscription_count(Slot) const {
    return static_cast<std::uint32_t>(subscriptions_.size());
}

wire::SubscriptionOptions FleetProfile::subscription(Slot client, std::uint32_t n,
                                                     std::string& filter) const {
    filter.clear();
    subscriptions_[n].filter.render(client, filter);
    return subscriptions_[n].options;
}

void FleetProfile::complete(Slot client, wire::Connect& packet,
                            std::vector<std::string>& scratch) const {
    // Sized before the first view is taken: growing would move short texts away.
    if (scratch.size() < 4) scratch.resize(4);
    if (will_) {
        packet.has_will = true;
        packet.will.topic = text_of(will_topic_, client, scratch[0]);
        packet.will.payload = will_->payload_is_bytes
                                  ? as_bytes(will_->payload)
                                  : as_bytes(text_of(will_payload_, client, scratch[1]));
        packet.will.qos = will_->qos;
        packet.will.retain = will_->retain;
        if (will_->delay_interval > 0) {
            packet.will.properties.will_delay_interval = will_->delay_interval;
            packet.will.properties.mark(wire::Property::will_delay_interval);
        }
    }
    if (has_user_name_) {
        packet.has_user_name = true;
        packet.user_name = text_of(user_name_, client, scratch[2]);
    }
    if (has_password_) {
        packet.has_password = true;
        packet.password = as_bytes(text_of(password_, client, scratch[3]));
    }
}

}  // namespace mqttwin::fleet
