// A world as an archive: what it was told to be, then where it stands.
//
// Reading builds the world from its description as its owner once did, and then puts every room
// into the state that was written. So what follows from a description (keys, templates, profiles of
// TCP) is never stored, and cannot disagree with it.
#include <stdexcept>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"
#include "scripted.hpp"

namespace mqttwin::world {

namespace {

enum class Kind : std::uint8_t { broker, fleet };

}  // namespace

WorldOptions VirtualWorld::options_of(Archive& a) {
    WorldOptions options;
    a.section("world");
    a(options);
    return options;
}

std::string VirtualWorld::not_archivable() const {
    if (gate_ != nullptr) return "it is live: real sockets cannot be stored";
    if (attention_) return "devices have not heard yet what befell them";
    if (sockets_ != nullptr) return "hosts with simulated sockets run somebody's code";
    for (const Population& p : populations_) {
        if (p.peers != nullptr) return "the raw clients \"" + p.name + "\" are somebody's code";
        if (p.broker != nullptr && p.broker->listener) {
            return "the raw server \"" + p.name + "\" is somebody's code";
        }
        if (p.broker != nullptr && p.broker->remote()) {
            return "the broker \"" + p.name + "\" is beyond real sockets";
        }
    }
    return {};
}

void VirtualWorld::archive(Archive& a, const Scripts& scripts) {
    if (a.reading()) {
        if (!populations_.empty()) throw std::logic_error("the world is not a fresh one");
        try {
            archive_description(a, scripts);
            archive_state(a);
        } catch (...) {
            // What engines hold and what the pool has are not of one piece.
            for (auto& broker : brokers_) broker->engine.abandon();
            throw;
        }
        return;
    }
    const std::string hindrance = not_archivable();
    if (!hindrance.empty()) throw std::invalid_argument(hindrance);
    WorldOptions options = options_;
    a.section("world");
    a(options);
    archive_description(a, scripts);
    archive_state(a);
}

void VirtualWorld::archive_description(Archive& a, const Scripts& scripts) {
    a.section("media");
    const std::size_t media = a.count(network_.shared_count());
    for (std::size_t i = 0; i < media; ++i) {
        net::SharedSpec spec;
        if (!a.reading()) spec = network_.shared(i);
        a(spec);
        if (a.reading()) add_shared(spec);
    }
    a.section("populations");
    const std::size_t populations = a.count(populations_.size());
    for (std::size_t i = 0; i < populations; ++i) {
        Kind kind = Kind::broker;
        if (!a.reading() && populations_[i].fleet != nullptr) kind = Kind::fleet;
        a(kind);
        if (kind == Kind::broker) {
            archive_broker(a, a.reading() ? nullptr : populations_[i].broker);
        } else if (kind == Kind::fleet) {
            archive_fleet(a, a.reading() ? nullptr : populations_[i].fleet, scripts);
        } else {
            a.fail("neither a broker nor a fleet");
        }
    }
}

void VirtualWorld::archive_broker(Archive& a, BrokerHost* broker) {
    std::string name;
    broker::Options options;
    std::optional<auth::Policy> doorman;
    std::string hostname;
    if (broker != nullptr) {
        name = broker->name;
        options = broker->engine.options();  // commands change some
        if (broker->doorman) doorman = broker->doorman->policy();
        if (broker->dns_name != kUnnamed) hostname = network_.names().text(broker->dns_name);
    }
    a(name, options, doorman, hostname);
    if (broker != nullptr) return;
    const std::uint32_t number = add_broker(std::move(name), options);
    if (!hostname.empty()) name_broker(number, hostname, Duration{});
    if (doorman) set_doorman(number, false, auth::Users(), *doorman);
}

void VirtualWorld::archive_fleet(Archive& a, FleetHost* fleet, const Scripts& scripts) {
    FleetSpec spec;
    std::vector<fleet::PublishSpec> publishes;
    if (fleet != nullptr) {
        spec = spec_of(*fleet);
        publishes = fleet->publishes;
    }
    bool scripted = fleet != nullptr && fleet->scripted;
    a(spec, publishes, scripted);
    if (fleet != nullptr) return;
    if (scripted) {
        const auto script = scripts.find(spec.population.name);
        if (script == scripts.end()) {
            throw std::invalid_argument("the devices of \"" + spec.population.name +
                                        "\" run somebody's code, which is not here");
        }
        spec.script = script->second;
    }
    const std::uint32_t number = add_fleet(spec);
    for (const fleet::PublishSpec& publish : publishes) add_publish(number, publish);
}

void VirtualWorld::archive_state(Archive& a) {
    a.section("state");
    a(now_, events_, last_address_, next_tag_, pool_, queue_, network_);
    a.section("records");
    a(*recorder_);
    for (auto& broker : brokers_) {
        BrokerHost& host = *broker;
        a(host.engine, host.dns_name, host.down, host.passwords, host.flow, host.free_slots);
        a(host.armed);
        if (host.doorman) a(*host.doorman);
    }
    for (auto& fleet : fleets_) {
        FleetHost& host = *fleet;
        a.section("fleet");
        a(host.clients, host.numbered, host.started, host.is_online, host.online);
        a(host.armed);
        if (host.numbered.size() != host.who.count() || host.started.size() != host.who.count() ||
            host.is_online.size() != host.who.count()) {
            a.fail("a fleet of another size");
        }
        if (host.scripted) a(*host.scripted);
        for (fleet::PublishBehaviour& behaviour : host.behaviours) {
            for (const auto column : behaviour.state()) a.block(column.data(), column.size());
        }
    }
    a.section("end");
}

FleetSpec VirtualWorld::spec_of(const FleetHost& fleet) {
    FleetSpec spec = fleet.spec;
    spec.population = *fleet.who.share();
    return spec;
}

FleetSpec VirtualWorld::spec(std::uint32_t fleet) { return spec_of(fleet_at(fleet)); }

const fleet::Population& VirtualWorld::population(std::uint32_t fleet) {
    return fleet_at(fleet).who;
}

const std::vector<fleet::PublishSpec>& VirtualWorld::publishes(std::uint32_t fleet) {
    return fleet_at(fleet).publishes;
}

}  // namespace mqttwin::world
