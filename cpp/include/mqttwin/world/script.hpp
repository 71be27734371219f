// Devices whose behaviour is somebody else's code: what that code hears, and what it may want.
//
// A fleet with a script has the ordinary client engine and links; only who decides when to connect
// and what to publish is not a behaviour in columns. The code takes notes while the engine handles
// something (the listener's methods), and acts when the event is over, or when an alarm that it has
// set comes up: then it may do to the world whatever its owner may, but run it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/client/listener.hpp"
#include "mqttwin/client/options.hpp"

namespace mqttwin::world {

/// One for a fleet; devices are told apart by their index. What `act` and `on_alarm` throw ends the
/// run, at the instant at which it was thrown; the world can be run again.
class Script : public client::Listener {
   public:
    /// The device is switched on (the first time), or an alarm is due. Returns the next one;
    /// Instant::never(): none until VirtualWorld::set_alarm.
    virtual Instant on_alarm(Instant now, Slot device) = 0;
    /// At the end of an event in which a method of the listener was called.
    virtual void act(Instant now) = 0;
};

struct ScriptedWill {
    std::string topic;
    std::string payload;
    wire::QoS qos = wire::QoS::at_most_once;
    bool retain = false;
    std::uint32_t delay_interval = 0;  // seconds; MQTT 5.0
    void archive(Archive& a) { a(topic, payload, qos, retain, delay_interval); }
};

/// What a device says in CONNECT that differs from what its fleet says.
struct ScriptedConnect {
    using Will = ScriptedWill;

    client::ConnectTerms terms;
    /// Nothing: the fleet's.
    std::optional<Will> will;
    bool without_will = false;
    std::optional<std::string> user_name;
    std::optional<std::string> password;
    void archive(Archive& a) { a(terms, will, without_will, user_name, password); }
};

/// What became of a publish command. `number` tells the message in on_acknowledged and on_dropped
/// (Stamp::sequence); 0 for QoS 0.
struct ScriptedPublish {
    client::PublishOutcome outcome = client::PublishOutcome::refused;
    std::uint32_t number = 0;
};

}  // namespace mqttwin::world
