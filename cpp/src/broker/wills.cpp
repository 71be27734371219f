#include "wills.hpp"

#include <cassert>

#include "delivery.hpp"
#include "routing.hpp"

namespace mqttwin::broker {

void keep_will(State& s, Instant now, std::uint32_t index, const wire::Will& will) {
    assert(s.sessions[index].will == kNone);
    wire::Publish publish;
    publish.topic = will.topic;
    publish.payload = will.payload;
    publish.qos = will.qos;
    publish.retain = will.retain;
    publish.properties = will.properties;  // user properties in their order [MQTT-3.1.3-10]
    keep_end_to_end(publish);
    Fanout fanout(publish, Stamp{});
    const std::uint32_t message = fanout.message(s, now);
    s.messages.retain(message);
    fanout.finish(s);

    const std::uint32_t record = s.wills.take();
    s.wills[record].message = message;
    s.wills[record].delay = will.properties.will_delay_interval;
    s.sessions[index].will = record;
}

void discard_will(State& s, Session& session) {
    if (session.will == kNone) return;
    s.messages.release(*s.pool, s.wills[session.will].message);
    s.wills.give_back(session.will);
    session.will = kNone;
}

void publish_will(State& s, Instant now, std::uint32_t index) {
    Session& session = s.sessions[index];
    const std::uint32_t will = session.will;
    session.will = kNone;
    publish_will(s, now, will, session.tag, index);
}

void publish_will(State& s, Instant now, std::uint32_t will, std::uint32_t tag,
                  std::uint32_t publisher) {
    const std::uint32_t message = s.wills[will].message;
    s.wills.give_back(will);
    const Message& kept = s.messages[message];
    // Its lifetime starts now: the will's expiry interval becomes the publication's (3.1.3.2.4).
    wire::Publish publish = s.messages.view(*s.pool, kept.accepted, message);
    publish.qos = kept.qos;
    publish.retain = kept.retain;  // [MQTT-3.1.2-14] [MQTT-3.1.2-15]
    Stamp stamp;
    stamp.published = now;
    stamp.origin = tag;
    route(s, now, publisher, publish, stamp);
    s.messages.release(*s.pool, message);
}

}  // namespace mqttwin::broker
