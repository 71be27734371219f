#include "mqttwin/world/virtual_world.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "capture.hpp"
#include "hosts.hpp"
#include "look_ahead.hpp"
#include "scripted.hpp"

namespace mqttwin::world {

namespace {

// How many events pass between two questions to `keep_going`.
constexpr std::uint32_t kEventsBetweenQuestions = 4096;

}  // namespace

VirtualWorld::VirtualWorld(const WorldOptions& options)
    : options_(options),
      network_(queue_, pool_, options.seed),
      recorder_(std::make_unique<Recorder>(options.recorder)),
      look_ahead_(std::make_unique<LookAhead>(*this)) {
    network_.set_sink(*this);
}

VirtualWorld::~VirtualWorld() = default;

// --- Description ---------------------------------------------------------------------------------

std::uint16_t VirtualWorld::add_population(std::string_view name) {
    if (name.empty()) throw std::invalid_argument("name: must not be empty");
    for (const Population& p : populations_) {
        if (p.name == name) {
            throw std::invalid_argument("name: there is a fleet or broker \"" + std::string(name) +
                                        "\" already");
        }
    }
    if (populations_.size() == kMaximumPopulations) {
        throw std::invalid_argument("a world holds at most 65,536 fleets and brokers");
    }
    const auto added = static_cast<std::uint16_t>(populations_.size());
    populations_.emplace_back();
    populations_.back().name = name;

    // Ranks follow names, so who was there first has no say. Pending events learn the new ranks.
    std::vector<std::uint16_t> order(populations_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint16_t>(i);
    std::sort(order.begin(), order.end(), [this](std::uint16_t a, std::uint16_t b) {
        return populations_[a].name < populations_[b].name;
    });
    std::vector<std::uint16_t> new_rank(populations_.size());
    for (std::size_t r = 0; r < order.size(); ++r) {
        new_rank[order[r]] = static_cast<std::uint16_t>(r);
    }
    if (!queue_.empty()) {
        queue_.rekey([&](std::uint64_t key) {
            sim::EventKey changed = sim::EventKey::unpack(key);
            changed.population = new_rank[by_rank_[changed.population]];
            return changed.pack();
        });
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
        populations_[i].rank = new_rank[i];
        network_.set_rank(static_cast<std::uint16_t>(i), new_rank[i]);
    }
    by_rank_ = std::move(order);
    return added;
}

std::uint32_t VirtualWorld::add_broker(std::string name, const broker::Options& options) {
    const std::uint16_t population = add_population(name);
    brokers_.push_back(std::make_unique<BrokerHost>(*this, std::move(name), options, population));
    populations_[population].broker = brokers_.back().get();
    const auto number = static_cast<std::uint32_t>(brokers_.size() - 1);
    network_.names().put_host(number, number);
    arm(*brokers_.back());  // $SYS topics are due at once
    return static_cast<std::uint32_t>(brokers_.size() - 1);
}

std::uint32_t VirtualWorld::add_fleet(const FleetSpec& spec) {
    if (spec.broker >= brokers_.size()) throw std::invalid_argument("broker: there is no such one");
    fleet::PopulationSpec population_spec = spec.population;
    population_spec.seed = options_.seed;
    fleet::Population who(std::move(population_spec));
    // Everything that can be refused is refused before the world changes.
    const net::Reach reach = reach_of(spec);
    net::check(spec.link);
    net::check(spec.layers, "");
    if (spec.link.shared != net::kNotShared && spec.link.shared >= network_.shared_count()) {
        throw std::invalid_argument("shared must be a medium of this world");
    }
    (void)fleet::FleetProfile(spec.profile, who);
    const std::uint16_t population = add_population(who.name());
    const std::uint32_t base = next_tag_;
    next_tag_ += who.count();
    network_.add_population(population, who.name(), base, who.count(), spec.link, reach,
                            spec.layers);
    recorder_->add_fleet(who.name(), base, who.count(), spec.keep);
    fleets_.push_back(std::make_unique<FleetHost>(*this, spec, who, base, population));
    FleetHost& host = *fleets_.back();
    populations_[population].fleet = &host;
    if (who.count() < LookAhead::kFewDevices) devices_of_small_fleets_ += who.count();
    if (spec.script) host.scripted = std::make_shared<ScriptedHost>(host, spec.script, spec.client);
    const StreamKey ramp = who.key("ramp");
    for (std::uint32_t device = 0; device < who.count(); ++device) {
        Duration wait = spec.start;
        if (spec.ramp.ns > 0) wait += scaled(spec.ramp, unit_from(draw64(ramp, device, 0)));
        if (host.scripted) {
            set_alarm(host, device, now_ + wait);
            continue;
        }
        queue_.push(event(now_ + wait, population, device, EventKind::connect));
    }
    return static_cast<std::uint32_t>(fleets_.size() - 1);
}

void VirtualWorld::add_publish(std::uint32_t fleet, const fleet::PublishSpec& spec) {
    FleetHost& host = fleet_at(fleet);
    if (host.behaviours.size() == kMaximumBehaviours) {
        throw std::invalid_argument("a fleet has at most 256 publishing behaviours");
    }
    host.behaviours.emplace_back(spec, host.who);
    host.publishes.push_back(spec);
    const auto number = static_cast<std::uint8_t>(host.behaviours.size() - 1);
    for (std::uint32_t device = 0; device < host.who.count(); ++device) {
        if (!host.started[device]) continue;
        const Instant first = host.behaviours.back().first(device, now_);
        if (first != Instant::never()) {
            queue_.push(event(first, host.population, device, EventKind::behaviour, number));
        }
    }
}

void VirtualWorld::add_subscribe(std::uint32_t fleet, const fleet::SubscriptionSpec& spec) {
    FleetHost& host = fleet_at(fleet);
    fleet::ProfileSpec changed = host.spec.profile;
    changed.subscriptions.push_back(spec);
    host.profile = fleet::FleetProfile(changed, host.who);
    host.spec.profile = std::move(changed);
    const auto number = static_cast<std::uint32_t>(host.spec.profile.subscriptions.size() - 1);
    std::string filter;
    for (std::uint32_t device = 0; device < host.who.count(); ++device) {
        if (host.clients.phase(device) != client::Phase::online) continue;
        const auto options = host.profile.subscription(device, number, filter);
        const wire::SubscriptionRequest request{filter, options};
        host.clients.subscribe(now_, device, {&request, 1});
        drain(host);
    }
}

sim::Event VirtualWorld::event(Instant at, std::uint16_t population, std::uint32_t index,
                               EventKind kind, std::uint8_t detail) const {
    const sim::EventKey key{populations_[population].rank, index, static_cast<std::uint8_t>(kind),
                            detail};
    return {at.ns, key.pack()};
}

// --- Running -------------------------------------------------------------------------------------

bool VirtualWorld::run(Instant until, const std::function<bool()>& keep_going) {
    std::uint32_t countdown = kEventsBetweenQuestions;
    if (attention_ && !attend()) return false;
    while (!queue_.empty() && queue_.top().at <= until.ns) {
        if (sockets_ != nullptr && sockets_->has_news()) return false;
        if (--countdown == 0) {
            if (!keep_going()) return false;
            countdown = kEventsBetweenQuestions;
        }
        if (queue_.size() >= LookAhead::kEventsWorthIt) look_ahead_->step();
        const sim::Event next = queue_.pop();
        now_ = {next.at};
        ++events_;
        dispatch(next);
        if (attention_ && !attend()) [[unlikely]] {
            return false;
        }
    }
    if (sockets_ != nullptr && sockets_->has_news()) return false;
    now_ = max(now_, until);
    return true;
}

void VirtualWorld::dispatch(const sim::Event& next) {
    const auto [rank, index, kind, detail] = sim::EventKey::unpack(next.key);
    const Population& who = populations_[by_rank_[rank]];
    if (kind <= static_cast<std::uint8_t>(net::FlowEvent::last)) {
        network_.handle_event(now_, static_cast<net::FlowEvent>(kind), detail, by_rank_[rank],
                              index, *this);
        if (sockets_ != nullptr) sockets_->settle(now_);
        return;
    }
    switch (static_cast<EventKind>(kind)) {
        case EventKind::behaviour:
            behave(*who.fleet, index, detail);
            break;
        case EventKind::client_deadline: {
            FleetHost& fleet = *who.fleet;
            if (fleet.armed != now_) break;  // an earlier one took its place
            fleet.armed = Instant::never();
            fleet.clients.handle_timeout(now_);
            drain(fleet);
            break;
        }
        case EventKind::broker_deadline: {
            BrokerHost& broker = *who.broker;
            if (broker.armed != now_) break;
            broker.armed = Instant::never();
            broker.engine.handle_timeout(now_);
            drain(broker);
            break;
        }
        case EventKind::connect:
            recorder_->switched_on(now_, who.fleet->tag(index));
            who.fleet->clients.connect(now_, index);
            drain(*who.fleet);
            break;
        case EventKind::alarm:
            wake(*who.fleet, index);
            break;
        case EventKind::host_timer:
            sockets_->handle_timer(now_, by_rank_[rank]);
            break;
        case EventKind::host_lookup:
            sockets_->handle_lookup(now_, by_rank_[rank], detail);
            break;
    }
}

void VirtualWorld::behave(FleetHost& fleet, std::uint32_t device, std::uint8_t behaviour) {
    const Instant next = fleet.behaviours[behaviour].fire(device, now_, outgoing_);
    publish(fleet, device, outgoing_);
    if (next != Instant::never()) {
        queue_.push(event(next, fleet.population, device, EventKind::behaviour, behaviour));
    }
}

/// A device has made a message.
ScriptedPublish VirtualWorld::publish(FleetHost& fleet, std::uint32_t device,
                                      const wire::Publish& message) {
    Stamp stamp{now_, fleet.tag(device), 0};
    if (message.qos != wire::QoS::at_most_once) {
        stamp.sequence = ++fleet.numbered[device];
        acknowledged_ = true;
    }
    recorder_->published(now_, fleet.tag(device), message);
    const auto outcome = fleet.clients.publish(now_, device, message, stamp);
    recorder_->publish_outcome(now_, fleet.tag(device), message.qos, outcome);
    drain(fleet);
    return {outcome, stamp.sequence};
}

void VirtualWorld::arm(FleetHost& fleet) {
    const Instant deadline = fleet.clients.next_deadline();
    if (deadline >= fleet.armed) return;
    fleet.armed = max(deadline, now_);
    queue_.push(event(fleet.armed, fleet.population, 0, EventKind::client_deadline));
}

void VirtualWorld::arm(BrokerHost& broker) {
    const Instant deadline = broker.engine.next_deadline();
    if (deadline >= broker.armed) return;
    broker.armed = max(deadline, now_);
    queue_.push(event(broker.armed, broker.population, 0, EventKind::broker_deadline));
}

// --- What engines want done ----------------------------------------------------------------------

/// The device's present connection.
net::FlowId VirtualWorld::flow_of(const FleetHost& fleet, std::uint32_t device) const {
    if (!fleet.real.empty() && fleet.real[device] != net::kNoFlow) return fleet.real[device];
    const net::FlowId flow = network_.newest(fleet.population, device);
    if (flow == net::kNoFlow || network_.ended(flow, net::End::client)) return net::kNoFlow;
    return flow;
}

inline void VirtualWorld::send(net::FlowId flow, net::End sender, std::uint32_t tag, BlobId head,
                               BlobId body, const Stamp& stamp) {
    const ByteView first = pool_.bytes(head);
    const ByteView second = pool_.bytes(body);
    recorder_->sent(now_, tag, sender, first, second);
    network_.send(now_, flow, sender, head, body, first.size() + second.size(), stamp);
}

void VirtualWorld::drain(FleetHost& fleet) {
    Outbox& outbox = fleet.clients.outbox();
    // By index: what the engine answers to a close is drained, too.
    for (std::size_t i = 0; i < outbox.size(); ++i) {
        // Field by field, as it was written: a wider load would have to wait for the stores.
        const Output& out = outbox[i];
        const Output::Kind kind = out.kind;
        const Slot slot = out.slot;
        const BlobId head = out.head;
        const BlobId body = out.body;
        const Stamp stamp = out.stamp;
        const net::FlowId flow = flow_of(fleet, slot);
        const std::uint32_t tag = fleet.tag(slot);
        if (is_real(flow) || (kind == Output::Kind::open && brokers_[fleet.broker]->remote())) {
            perform_real(fleet, Output(out));
            continue;
        }
        switch (kind) {
            case Output::Kind::open:
                (void)network_.open(now_, fleet.population, slot, fleet.broker);
                break;
            case Output::Kind::send:
                if (flow == net::kNoFlow) {
                    recorder_->lost_upward(now_, pool_.bytes(head), stamp);
                    pool_.release(head);
                    pool_.release(body);
                    break;
                }
                send(flow, net::End::client, tag, head, body, stamp);
                break;
            case Output::Kind::close:
            case Output::Kind::abort:
                if (flow == net::kNoFlow) break;
                recorder_->ended(now_, tag, net::End::client, Recorder::EndedBy::itself);
                if (kind == Output::Kind::close) {
                    network_.close(now_, flow, net::End::client);
                } else {
                    network_.abort(now_, flow, net::End::client);
                }
                fleet.clients.handle_closed(now_, slot);
                break;
            case Output::Kind::authenticate:  // a broker's question
                break;
        }
    }
    outbox.clear();
    arm(fleet);
}

void VirtualWorld::drain(BrokerHost& broker) {
    Outbox& outbox = broker.engine.outbox();
    // By index: what the engine does once it knows who somebody is, is drained, too.
    for (std::size_t i = 0; i < outbox.size(); ++i) {
        // Field by field, as it was written: a wider load would have to wait for the stores.
        const Output& out = outbox[i];
        const Output::Kind kind = out.kind;
        const Slot slot = out.slot;
        const BlobId head = out.head;
        const BlobId body = out.body;
        const Stamp stamp = out.stamp;
        if (kind == Output::Kind::authenticate) {
            authenticate(broker, Output(out));
            continue;
        }
        const net::FlowId flow = slot < broker.flow.size() ? broker.flow[slot] : net::kNoFlow;
        if (is_real(flow)) {
            perform_real(Output(out), flow & ~kReal);
            continue;
        }
        if (flow == net::kNoFlow || network_.ended(flow, net::End::server)) {
            if (kind == Output::Kind::send) {
                if (flow == net::kNoFlow || !is_stranger(flow)) {
                    recorder_->undeliverable(now_, pool_.bytes(head), stamp);
                }
                pool_.release(head);
                pool_.release(body);
            }
            continue;
        }
        switch (kind) {
            case Output::Kind::send:
                send(flow, net::End::server, network_.tag(flow), head, body, stamp);
                break;
            case Output::Kind::close:
                recorder_->ended(now_, network_.tag(flow), net::End::server,
                                 Recorder::EndedBy::itself);
                free_slot(broker, slot);
                network_.close(now_, flow, net::End::server);
                break;
            case Output::Kind::abort:
                recorder_->ended(now_, network_.tag(flow), net::End::server,
                                 Recorder::EndedBy::itself);
                free_slot(broker, slot);
                network_.abort(now_, flow, net::End::server);
                break;
            case Output::Kind::open:  // a broker opens nothing
            case Output::Kind::authenticate:
                break;
        }
    }
    outbox.clear();
    arm(broker);
}

Slot VirtualWorld::take_slot(BrokerHost& broker, net::FlowId flow) {
    if (broker.free_slots.empty()) {
        broker.flow.push_back(flow);
        return static_cast<Slot>(broker.flow.size() - 1);
    }
    const Slot slot = broker.free_slots.back();
    broker.free_slots.pop_back();
    broker.flow[slot] = flow;
    return slot;
}

void VirtualWorld::free_slot(BrokerHost& broker, Slot slot) {
    const auto& doorman = is_real(broker.flow[slot]) ? broker.real_doorman : broker.doorman;
    if (doorman) doorman->forget(slot);
    if (!is_real(broker.flow[slot])) network_.set_server_slot(broker.flow[slot], kNoSlot);
    broker.flow[slot] = net::kNoFlow;
    broker.free_slots.push_back(slot);
}

// --- What the network did ------------------------------------------------------------------------

VirtualWorld::FleetHost& VirtualWorld::fleet_of(net::FlowId flow) {
    return *populations_[network_.population(flow)].fleet;
}

bool VirtualWorld::on_request(Instant /*now*/, net::FlowId flow) {
    if (brokers_[network_.broker(flow)]->down) return false;
    return sockets_ == nullptr || sockets_->on_request(flow);
}

void VirtualWorld::on_opened(Instant now, net::FlowId flow, net::End end) {
    if (end == net::End::server && network_.server_slot(flow) != kNoSlot) return;  // TLS, later
    recorder_->opened(now, network_.tag(flow), end);
    if (sockets_ != nullptr && sockets_->owns(flow, end)) return sockets_->on_opened(flow, end);
    if (end == net::End::client) {
        if (RawEnd* raw = raw_end(flow, end)) {
            raw->state = RawState::open;
            return;
        }
        FleetHost& fleet = fleet_of(flow);
        fleet.clients.handle_open(now, network_.index(flow));
        drain(fleet);
        return;
    }
    BrokerHost& broker = *brokers_[network_.broker(flow)];
    if (broker.down) {
        network_.abort(now, flow, net::End::server);
        return;
    }
    if (broker.listener) {
        network_.set_server_slot(flow, static_cast<Slot>(broker.accepted.size()));
        RawEnd& raw = broker.accepted.emplace_back();
        raw.flow = flow;
        raw.end = net::End::server;
        raw.state = RawState::open;
        return;
    }
    const Slot slot = take_slot(broker, flow);
    network_.set_server_slot(flow, slot);
    broker::Peer peer;
    peer.tag = is_stranger(flow) ? Stamp::kNobody : network_.tag(flow);
    peer.authenticate = has_doorman(broker, false);
    broker.engine.handle_open(now, slot, peer);
    drain(broker);
}

void VirtualWorld::on_bytes(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                            const Stamp& stamp) {
    const net::Flow& record = network_.flow(flow);
    if (receiver == net::End::server && record.server_slot != kNoSlot) {
        look_ahead_->before_routing(record, *brokers_[record.broker]);
    }
    recorder_->delivered(now, network_.tag(record), receiver, bytes);
    if (sockets_ != nullptr && sockets_->owns(flow, receiver)) {
        return sockets_->on_bytes(flow, receiver, bytes);
    }
    if (RawEnd* raw = has_raw_ ? raw_end(flow, receiver) : nullptr) {
        if (raw->received.size() + bytes.size() > RawEnd::kMaximumUnread) return raw_abort(*raw);
        raw->received.insert(raw->received.end(), bytes.begin(), bytes.end());
        return;
    }
    if (receiver == net::End::client) {
        look_ahead_->before_reading(flow, record);
        FleetHost& fleet = *populations_[record.population].fleet;
        fleet.clients.handle_bytes(now, record.index, bytes, stamp);
        if (fleet.clients.outbox().empty()) {  // a message of QoS 0 is not answered
            arm(fleet);
        } else {
            drain(fleet);
        }
        return;
    }
    const Slot slot = record.server_slot;
    if (slot == kNoSlot) return;
    BrokerHost& broker = *brokers_[record.broker];
    broker.engine.handle_bytes(now, slot, bytes, stamp, network_.delivered());
    look_ahead_->leave_trail(record, broker);
    drain(broker);
}

void VirtualWorld::on_closed(Instant now, net::FlowId flow, net::End end, net::Ending how) {
    const auto by = how == net::Ending::time_out ? Recorder::EndedBy::time_out
                    : how == net::Ending::reset  ? Recorder::EndedBy::reset
                                                 : Recorder::EndedBy::peer;
    recorder_->ended(now, network_.tag(flow), end, by);
    if (sockets_ != nullptr && sockets_->owns(flow, end)) {
        return sockets_->on_closed(flow, end, how);
    }
    if (RawEnd* raw = raw_end(flow, end)) {
        const bool refused = raw->state == RawState::opening && how == net::Ending::reset;
        raw->state = refused                        ? RawState::refused
                     : how == net::Ending::time_out ? RawState::timed_out
                     : how == net::Ending::reset    ? RawState::reset
                                                    : RawState::closed;
        raw->flow = net::kNoFlow;
        return;
    }
    if (end == net::End::client) {
        FleetHost& fleet = fleet_of(flow);
        const std::uint32_t device = network_.index(flow);
        fleet.clients.handle_closed(now, device);
        drain(fleet);
        return;
    }
    const Slot slot = network_.server_slot(flow);
    if (slot == kNoSlot) return;
    BrokerHost& broker = *brokers_[network_.broker(flow)];
    free_slot(broker, slot);
    broker.engine.handle_closed(now, slot);
    drain(broker);
}

void VirtualWorld::on_discarded(Instant now, net::FlowId flow, net::End receiver, ByteView bytes,
                                const Stamp& stamp) {
    if (is_stranger(flow)) return;  // the census is one of devices
    if (receiver == net::End::client) {
        recorder_->undeliverable(now, bytes, stamp);
    } else {
        recorder_->lost_upward(now, bytes, stamp);
    }
}

}  // namespace mqttwin::world
