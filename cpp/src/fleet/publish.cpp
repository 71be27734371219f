#include "mqttwin/fleet/publish.hpp"

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/wire/encode.hpp"
#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

std::string name_of(const PublishSpec& spec) { return spec.name.empty() ? spec.topic : spec.name; }

std::string purpose_of(const PublishSpec& spec, std::string_view part) {
    return join({"publish/", name_of(spec), "/", part});
}

void check_text(std::string_view text, std::string_view parameter) {
    if (text.size() > kMaximumText) {
        refuse(parameter, {number_text(text.size()),
                           " bytes are not allowed (must be <= ", number_text(kMaximumText), ")"});
    }
    if (!wire::valid_utf8(text)) refuse(parameter, {"must be UTF-8 without U+0000"});
}

}  // namespace

PublishBehaviour::PublishBehaviour(const PublishSpec& spec, const Population& population)
    : name_(name_of(spec)),
      topic_(spec.topic, population, "topic"),
      arrival_(spec.arrival, population, purpose_of(spec, "arrival")),
      payload_(spec.payload, population, purpose_of(spec, "payload")),
      qos_(spec.qos),
      retain_(spec.retain),
      message_expiry_(spec.message_expiry),
      content_type_(spec.content_type),
      number_(population.count()) {
    check_topics(topic_, "topic");
    topic_scratch_.resize(topic_.room());
    if (static_cast<unsigned>(qos_) > 2) {
        refuse("qos",
               {number_text(static_cast<unsigned>(qos_)), " is not allowed (must be 0, 1 or 2)"});
    }
    check_text(content_type_, "content_type");
    for (const auto& [name, value] : spec.user_properties) {
        check_text(name, "user property");
        check_text(value, "user property");
        wire::append_user_property(user_properties_, name, value);
    }
    user_property_count_ = static_cast<std::uint32_t>(spec.user_properties.size());
    has_properties_ = message_expiry_ || !content_type_.empty() || user_property_count_ > 0;
}

Instant PublishBehaviour::fire(Device device, Instant due, wire::Publish& out) {
    const std::uint32_t n = number_[device]++;
    out.payload = payload_.encode(device, n, due);
    if (topic_.is_constant()) {
        out.topic = topic_.rendered_constant();
    } else {
        const char* const begin = topic_scratch_.data();
        const char* const end = topic_.render(device, topic_scratch_.data());
        out.topic = {begin, static_cast<std::size_t>(end - begin)};
    }
    out.qos = qos_;
    out.retain = retain_;
    out.dup = false;
    out.packet_id = 0;
    if (has_properties_ || !out.properties.empty()) set_properties(out.properties);
    return arrival_.next(device, due, n + 1);
}

void PublishBehaviour::set_properties(wire::Properties& properties) const {
    properties = {};
    if (message_expiry_) {
        properties.message_expiry_interval = *message_expiry_;
        properties.mark(wire::Property::message_expiry_interval);
    }
    if (!content_type_.empty()) {
        properties.content_type = content_type_;
        properties.mark(wire::Property::content_type);
    }
    properties.user_properties = user_properties_;
    properties.user_property_count = user_property_count_;
}

void PublishBehaviour::prefetch(Device device) const {
    mqttwin::prefetch(number_.data() + device);
    arrival_.prefetch(device);
    payload_.prefetch(device);
}

std::vector<std::span<std::uint8_t>> PublishBehaviour::state() {
    std::vector<std::span<std::uint8_t>> columns;
    columns.emplace_back(reinterpret_cast<std::uint8_t*>(number_.data()),
                         number_.size() * sizeof number_[0]);
    payload_.state(columns);
    return columns;
}

}  // namespace mqttwin::fleet
