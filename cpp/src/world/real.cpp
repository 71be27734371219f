// Real connections: the same engines, with a gate where the virtual network would be.

#include <algorithm>
#include <stdexcept>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

#include "capture.hpp"
#include "hosts.hpp"

namespace mqttwin::world {

std::uint32_t VirtualWorld::add_remote(std::string name, std::string host, std::uint16_t port) {
    if (host.empty()) throw std::invalid_argument("host: must not be empty");
    if (port == 0) throw std::invalid_argument("port: must be 1 to 65535, not 0");
    const std::uint32_t number = add_broker(std::move(name), {});
    brokers_[number]->remote_host = std::move(host);
    brokers_[number]->remote_port = port;
    return number;
}

void VirtualWorld::set_pace(double virtual_seconds_per_wall_second) {
    pace_ = virtual_seconds_per_wall_second;
    for (const auto& broker : brokers_) {
        broker->engine.set_pace(now_, pace_);
        arm(*broker);
    }
}

VirtualWorld::RealEnd VirtualWorld::real_end(std::uint32_t connection) const {
    return connection < real_.size() ? real_[connection] : RealEnd{};
}

bool VirtualWorld::real_accepted(std::uint32_t connection, std::uint32_t broker,
                                 std::string_view address) {
    BrokerHost& host = broker_at(broker);
    if (host.down) return false;
    if (connection >= real_.size()) real_.resize(connection + 1);
    const Slot slot = take_slot(host, connection | kReal);
    const RealPeer from = RealPeer::of(address, connection);
    real_[connection] = {&host, nullptr, slot, from.address, from.port};
    if (capture_) capture_->real().opened(now_, connection, real_flow(real_[connection]));
    broker::Peer peer;
    peer.address = address;
    peer.real = true;
    peer.authenticate = has_doorman(host, true);
    peer.nonce = gate_->random_word();
    host.engine.handle_open(now_, slot, peer);
    drain(host);
    return true;
}

void VirtualWorld::real_connected(std::uint32_t connection) {
    const RealEnd end = real_end(connection);
    if (end.fleet == nullptr) return;
    if (capture_) capture_->real().opened(now_, connection, real_flow(end));
    end.fleet->clients.handle_open(now_, end.slot);
    drain(*end.fleet);
}

void VirtualWorld::real_bytes(std::uint32_t connection, ByteView bytes) {
    const RealEnd end = real_end(connection);
    if (capture_) {
        capture_real(connection, end.broker != nullptr ? net::End::client : net::End::server,
                     bytes);
    }
    if (end.broker != nullptr) {
        Watch* const watch = recorder_->watching();
        if (watch != nullptr) {
            watch->on_delivered(now_, {connection, true}, trace::Direction::up, bytes);
            watch->handling({connection, true}, true);
        }
        end.broker->engine.handle_bytes(now_, end.slot, bytes, {now_, Stamp::kNobody, 0});
        drain(*end.broker);
        if (watch != nullptr) watch->handling({}, false);
    } else if (end.fleet != nullptr) {
        recorder_->heard_from_elsewhere(now_, end.fleet->tag(end.slot), bytes);
        end.fleet->clients.handle_bytes(now_, end.slot, bytes, {});  // published: nobody knows when
        drain(*end.fleet);
    }
}

void VirtualWorld::real_closed(std::uint32_t connection, bool reset) {
    const RealEnd end = real_end(connection);
    capture_real_end(connection, end.broker != nullptr ? net::End::client : net::End::server,
                     reset);
    if (end.broker != nullptr) {
        Watch* const watch = recorder_->watching();
        if (watch != nullptr) {
            watch->on_ended(now_, {connection, true}, trace::Direction::up,
                            static_cast<std::uint8_t>(Recorder::EndedBy::peer));
            watch->handling({connection, true}, true);  // its will
        }
        real_[connection] = {};
        free_slot(*end.broker, end.slot);
        end.broker->engine.handle_closed(now_, end.slot);
        drain(*end.broker);
        if (watch != nullptr) watch->handling({}, false);
    } else if (end.fleet != nullptr) {
        real_[connection] = {};
        end.fleet->real[end.slot] = net::kNoFlow;
        recorder_->ended(now_, end.fleet->tag(end.slot), net::End::client, Recorder::EndedBy::peer);
        end.fleet->clients.handle_closed(now_, end.slot);
        drain(*end.fleet);
    }
}

void VirtualWorld::real_backlog(std::uint32_t connection, bool congested) {
    const RealEnd end = real_end(connection);
    if (end.broker == nullptr) return;
    end.broker->engine.handle_backlog(now_, end.slot, congested);
    drain(*end.broker);
}

void VirtualWorld::forget_real() {
    for (std::uint32_t connection = 0; connection < real_.size(); ++connection) {
        const RealEnd end = real_[connection];
        if (end.broker != nullptr) {
            end.broker->engine.close(now_, end.slot, broker::CloseCause::administrative,
                                     wire::reason::server_shutting_down);
            drain(*end.broker);
        } else if (end.fleet != nullptr) {
            gate_->abort(connection);
            real_closed(connection);
        }
    }
}

// --- Captures ------------------------------------------------------------------------------------

trace::TcpFlow VirtualWorld::real_flow(const RealEnd& end) const {
    trace::TcpFlow flow;
    if (end.broker != nullptr) {
        flow.client = end.peer;
        flow.client_port = end.port;
        const auto is_it = [&](const auto& broker) { return broker.get() == end.broker; };
        const auto place = std::find_if(brokers_.begin(), brokers_.end(), is_it);
        flow.server = trace::server_address(static_cast<std::uint32_t>(place - brokers_.begin()));
    } else {
        flow.client = trace::client_address(end.fleet->tag(end.slot));
        flow.client_port = static_cast<std::uint16_t>(32'768 + end.slot % 28'232);
        flow.server = trace::server_address(end.fleet->broker);
    }
    return flow;
}

void VirtualWorld::capture_real(std::uint32_t connection, net::End sender, ByteView head,
                                ByteView body) {
    const RealEnd end = real_end(connection);
    if (end.broker == nullptr && end.fleet == nullptr) return;
    capture_->real().bytes(now_, connection, real_flow(end), sender, head, body);
}

void VirtualWorld::capture_real_end(std::uint32_t connection, net::End by, bool reset) {
    if (capture_) capture_->real().closed(now_, connection, by, reset);
}

// --- What engines want done with them ------------------------------------------------------------

// A broker's.
void VirtualWorld::perform_real(const Output& out, std::uint32_t connection) {
    Watch* const watch = recorder_->watching();
    switch (out.kind) {
        case Output::Kind::send:
            if (watch != nullptr) {
                watch->on_sent(now_, {connection, true}, trace::Direction::down,
                               pool_.bytes(out.head), pool_.bytes(out.body));
            }
            if (capture_) {
                capture_real(connection, net::End::server, pool_.bytes(out.head),
                             pool_.bytes(out.body));
            }
            gate_->send(connection, out.head, out.body);
            break;
        case Output::Kind::close:
        case Output::Kind::abort: {
            capture_real_end(connection, net::End::server, out.kind == Output::Kind::abort);
            if (watch != nullptr) {
                watch->on_ended(now_, {connection, true}, trace::Direction::up,
                                static_cast<std::uint8_t>(Recorder::EndedBy::itself));
            }
            const RealEnd end = real_[connection];
            real_[connection] = {};
            free_slot(*end.broker, end.slot);
            if (out.kind == Output::Kind::close) {
                gate_->close(connection);
            } else {
                gate_->abort(connection);
            }
            break;
        }
        default:
            break;
    }
}

// A device's, whose broker is somebody else's.
void VirtualWorld::perform_real(FleetHost& fleet, const Output& out) {
    if (fleet.real.empty()) fleet.real.assign(fleet.who.count(), net::kNoFlow);
    net::FlowId& flow = fleet.real[out.slot];
    const std::uint32_t tag = fleet.tag(out.slot);
    const std::uint32_t connection = flow & ~kReal;
    switch (out.kind) {
        case Output::Kind::open: {
            const BrokerHost& remote = *brokers_[fleet.broker];
            if (gate_ == nullptr) {
                fleet.clients.handle_closed(now_, out.slot);
                break;
            }
            const std::uint32_t opened = gate_->open(remote.remote_host, remote.remote_port);
            if (opened >= real_.size()) real_.resize(opened + 1);
            real_[opened] = {nullptr, &fleet, out.slot};
            flow = opened | kReal;
            break;
        }
        case Output::Kind::send:
            recorder_->sent(now_, tag, net::End::client, pool_.bytes(out.head),
                            pool_.bytes(out.body));
            recorder_->sent_elsewhere(pool_.bytes(out.head));
            if (capture_) {
                capture_real(connection, net::End::client, pool_.bytes(out.head),
                             pool_.bytes(out.body));
            }
            gate_->send(connection, out.head, out.body);
            break;
        case Output::Kind::close:
        case Output::Kind::abort:
            recorder_->ended(now_, tag, net::End::client, Recorder::EndedBy::itself);
            capture_real_end(connection, net::End::client, out.kind == Output::Kind::abort);
            real_[connection] = {};
            flow = net::kNoFlow;
            if (out.kind == Output::Kind::close) {
                gate_->close(connection);
            } else {
                gate_->abort(connection);
            }
            fleet.clients.handle_closed(now_, out.slot);
            break;
        default:
            break;
    }
}

}  // namespace mqttwin::world
