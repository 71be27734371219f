#include "scripted.hpp"

#include <stdexcept>
#include <utility>

namespace mqttwin::world {

VirtualWorld::ScriptedHost::ScriptedHost(FleetHost& the_fleet, std::shared_ptr<Script> the_script,
                                         const client::Options& options)
    : fleet(the_fleet),
      script(std::move(the_script)),
      asked(the_fleet.who.count(),
            {options.keep_alive, options.clean_start, options.session_expiry}),
      alarm(the_fleet.who.count(), Instant::never()) {
    fleet.clients.rebind(*this, fleet.world.pool_, *this);
}

// --- What the engine says ------------------------------------------------------------------------

void VirtualWorld::ScriptedHost::stir() {
    fleet.world.attention_ = true;
    if (stirred) return;
    stirred = true;
    fleet.world.stirred_.push_back(this);
}

void VirtualWorld::ScriptedHost::on_connack(Instant now, Slot device, const wire::Connack& packet) {
    fleet.on_connack(now, device, packet);
    script->on_connack(now, device, packet);
    stir();
}

void VirtualWorld::ScriptedHost::on_connected(Instant now, Slot device, bool session_present) {
    fleet.on_connected(now, device, session_present);
    script->on_connected(now, device, session_present);
    stir();
}

void VirtualWorld::ScriptedHost::on_disconnected(Instant now, Slot device,
                                                 client::DisconnectCause cause,
                                                 std::uint8_t reason) {
    fleet.on_disconnected(now, device, cause, reason);
    script->on_disconnected(now, device, cause, reason);
    stir();
}

void VirtualWorld::ScriptedHost::on_disconnect_received(Instant now, Slot device,
                                                        const wire::Disconnect& packet) {
    fleet.on_disconnect_received(now, device, packet);
    script->on_disconnect_received(now, device, packet);
    stir();
}

void VirtualWorld::ScriptedHost::on_message(Instant now, Slot device, const wire::Publish& message,
                                            const Stamp& stamp) {
    fleet.on_message(now, device, message, stamp);
    script->on_message(now, device, message, stamp);
    stir();
}

void VirtualWorld::ScriptedHost::on_acknowledged(Instant now, Slot device, const Stamp& stamp,
                                                 wire::QoS qos, const wire::Ack& packet) {
    fleet.on_acknowledged(now, device, stamp, qos, packet);
    script->on_acknowledged(now, device, stamp, qos, packet);
    stir();
}

void VirtualWorld::ScriptedHost::on_dropped(Instant now, Slot device, const Stamp& stamp,
                                            wire::QoS qos, client::PublishOutcome outcome) {
    fleet.on_dropped(now, device, stamp, qos, outcome);
    script->on_dropped(now, device, stamp, qos, outcome);
    stir();
}

void VirtualWorld::ScriptedHost::on_subscribed(Instant now, Slot device,
                                               const wire::ListAck& packet) {
    fleet.on_subscribed(now, device, packet);
    script->on_subscribed(now, device, packet);
    stir();
}

void VirtualWorld::ScriptedHost::on_unsubscribed(Instant now, Slot device,
                                                 const wire::ListAck& packet) {
    fleet.on_unsubscribed(now, device, packet);
    script->on_unsubscribed(now, device, packet);
    stir();
}

void VirtualWorld::ScriptedHost::on_fault(Instant now, Slot device, const Fault& fault) {
    fleet.on_fault(now, device, fault);
    script->on_fault(now, device, fault);
    stir();
}

// --- What a device says of itself ----------------------------------------------------------------

void VirtualWorld::ScriptedHost::client_id(Slot device, std::string& out) const {
    fleet.profile.client_id(device, out);
}

void VirtualWorld::ScriptedHost::complete(Slot device, wire::Connect& packet,
                                          std::vector<std::string>& scratch) const {
    fleet.profile.complete(device, packet, scratch);
    const auto found = own.find(device);
    if (found == own.end()) return;
    const ScriptedConnect& said = found->second;
    if (said.without_will) packet.has_will = false;
    if (said.will) {
        packet.has_will = true;
        packet.will = {};
        packet.will.topic = said.will->topic;
        packet.will.payload = as_bytes(said.will->payload);
        packet.will.qos = said.will->qos;
        packet.will.retain = said.will->retain;
        if (said.will->delay_interval > 0) {
            packet.will.properties.will_delay_interval = said.will->delay_interval;
            packet.will.properties.mark(wire::Property::will_delay_interval);
        }
    }
    if (said.user_name) {
        packet.has_user_name = true;
        packet.user_name = *said.user_name;
    }
    if (said.password) {
        packet.has_password = true;
        packet.password = as_bytes(*said.password);
    }
}

// --- Events --------------------------------------------------------------------------------------

void VirtualWorld::set_alarm(FleetHost& fleet, std::uint32_t device, Instant at) {
    Instant& alarm = fleet.scripted->alarm[device];
    if (at >= alarm) return;  // that one looks again
    alarm = at;
    queue_.push(event(at, fleet.population, device, EventKind::alarm));
}

void VirtualWorld::wake(FleetHost& fleet, std::uint32_t device) {
    ScriptedHost& host = *fleet.scripted;
    if (host.alarm[device] != now_) return;  // an earlier one took its place
    host.alarm[device] = Instant::never();
    const Instant next = host.script->on_alarm(now_, device);
    if (next != Instant::never()) set_alarm(fleet, device, max(next, now_));
}

bool VirtualWorld::attend() {
    attention_ = false;
    // By index: what is done may stir others.
    for (std::size_t i = 0; i < stirred_.size(); ++i) {
        ScriptedHost& host = *stirred_[i];
        host.stirred = false;
        try {
            host.script->act(now_);
        } catch (...) {
            stirred_.erase(stirred_.begin(), stirred_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            attention_ = !stirred_.empty();
            throw;
        }
    }
    stirred_.clear();
    attention_ = false;
    return !std::exchange(halted_, false);
}

void VirtualWorld::halt() {
    halted_ = true;
    attention_ = true;
}

// --- Commands ------------------------------------------------------------------------------------

VirtualWorld::ScriptedHost& VirtualWorld::scripted_at(std::uint32_t fleet, std::uint32_t device) {
    FleetHost& host = fleet_at(fleet);
    if (!host.scripted) throw std::invalid_argument("fleet: its devices have no script");
    (void)checked_device(host, device);
    return *host.scripted;
}

void VirtualWorld::set_alarm(std::uint32_t fleet, std::uint32_t device, Instant at) {
    set_alarm(scripted_at(fleet, device).fleet, device, max(at, now_));
}

void VirtualWorld::connect(std::uint32_t fleet, std::uint32_t device, ScriptedConnect said) {
    ScriptedHost& scripted = scripted_at(fleet, device);
    FleetHost& host = scripted.fleet;
    scripted.asked[device] = said.terms;
    if (said.terms.clean_start) host.clients.start_anew(device);
    if (said.will || said.without_will || said.user_name || said.password) {
        scripted.own[device] = std::move(said);
    } else {
        scripted.own.erase(device);
    }
    host.clients.connect(now_, device);
    drain(host);
}

bool VirtualWorld::disconnect(std::uint32_t fleet, std::uint32_t device,
                              const wire::Disconnect& packet) {
    FleetHost& host = fleet_at(fleet);
    const bool done = host.clients.disconnect(now_, checked_device(host, device), packet);
    drain(host);
    return done;
}

Fault VirtualWorld::check_publish(std::uint32_t fleet, std::uint32_t device,
                                  const wire::Publish& message) {
    return scripted_at(fleet, device).fleet.clients.check_publish(device, message);
}

ScriptedPublish VirtualWorld::publish(std::uint32_t fleet, std::uint32_t device,
                                      const wire::Publish& message) {
    return publish(scripted_at(fleet, device).fleet, device, message);
}

client::Clients& VirtualWorld::clients(std::uint32_t fleet, std::uint32_t device) {
    return scripted_at(fleet, device).fleet.clients;
}

void VirtualWorld::perform(std::uint32_t fleet) { drain(fleet_at(fleet)); }

void VirtualWorld::power_off(std::uint32_t fleet, std::uint32_t device) {
    FleetHost& host = scripted_at(fleet, device).fleet;
    const net::FlowId flow = flow_of(host, device);
    if (flow != net::kNoFlow && !is_real(flow)) {
        recorder_->ended(now_, host.tag(device), net::End::client, Recorder::EndedBy::fault);
        network_.vanish(now_, flow, net::End::client);
    }
    host.clients.reset(now_, device);
    drain(host);
    host.clients.handle_closed(now_, device);
    host.scripted->alarm[device] = Instant::never();
}

std::uint32_t VirtualWorld::outbox(std::uint32_t fleet, std::uint32_t device) {
    const client::Clients& engine = scripted_at(fleet, device).fleet.clients;
    return engine.in_flight(device) + engine.queued(device);
}

}  // namespace mqttwin::world
