// What a world keeps for a fleet with a script, beside what it keeps for any fleet.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mqttwin/world/script.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

/// Stands between the client engine and the fleet: the fleet hears everything as ever, then the
/// script; and where a device has said something of itself, that is what CONNECT says.
struct VirtualWorld::ScriptedHost final : client::Listener, client::Profile {
    ScriptedHost(FleetHost& the_fleet, std::shared_ptr<Script> the_script,
                 const client::Options& options);

    // client::Listener
    void on_connack(Instant now, Slot device, const wire::Connack& packet) override;
    void on_connected(Instant now, Slot device, bool session_present) override;
    void on_disconnected(Instant now, Slot device, client::DisconnectCause cause,
                         std::uint8_t reason) override;
    void on_disconnect_received(Instant now, Slot device, const wire::Disconnect& packet) override;
    void on_message(Instant now, Slot device, const wire::Publish& message,
                    const Stamp& stamp) override;
    void on_acknowledged(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                         const wire::Ack& packet) override;
    void on_dropped(Instant now, Slot device, const Stamp& stamp, wire::QoS qos,
                    client::PublishOutcome outcome) override;
    void on_subscribed(Instant now, Slot device, const wire::ListAck& packet) override;
    void on_unsubscribed(Instant now, Slot device, const wire::ListAck& packet) override;
    void on_fault(Instant now, Slot device, const Fault& fault) override;

    // client::Profile
    void client_id(Slot device, std::string& out) const override;
    void terms(Slot device, client::ConnectTerms& out) const override { out = asked[device]; }
    void complete(Slot device, wire::Connect& packet,
                  std::vector<std::string>& scratch) const override;

    void stir();
    void archive(Archive& a) {
        a(asked, own, alarm);
        if (asked.size() != fleet.who.count() || alarm.size() != fleet.who.count()) {
            a.fail("a fleet of another size");
        }
    }

    FleetHost& fleet;
    std::shared_ptr<Script> script;
    std::vector<client::ConnectTerms> asked;
    std::unordered_map<Slot, ScriptedConnect> own;  // looked up, never walked through
    std::vector<Instant> alarm;                     // the event that counts
    bool stirred = false;                           // has notes to act upon
};

}  // namespace mqttwin::world
