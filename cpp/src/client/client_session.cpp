// Sessions that go on or start anew: what becomes of the messages in them.
#include "mqttwin/client/client.hpp"

namespace mqttwin::client {

// The server has the session, and so have we, however long it took [MQTT-4.1.0-1] (3.1.1:
// [MQTT-4.1.0-1], [MQTT-4.1.0-2]): PUBRELs again, in the order of their PUBRECs [MQTT-4.6.0-4],
// then PUBLISHes, which `pump` does [MQTT-4.4.0-1].
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
    Flow& f = flows_[c.flow];
    f.received.clear(*pool_);
    std::vector<Pending> done;
    for (SendWindow::Place first{f.window.first(), kNoPending};
         first && pending_[first.index].state == SendState::awaiting_pubcomp;
         first.index = f.window.first()) {
        done.push_back(pending_[first.index]);
        f.window.remove(pending_, first);
        pending_.give_back(first.index);
    }
    f.window.requeue(pending_, f.queue);
    settle(c);
    // Only now, because a listener may publish or leave.
    for (const Pending& record : done) {
        wire::Ack packet;
        packet.type = wire::PacketType::pubcomp;
        packet.packet_id = record.id;
        listener_->on_acknowledged(now, client, record.stamp, record.qos, packet);
    }
}

}  // namespace mqttwin::client
