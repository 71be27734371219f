// Raw ends in virtual time: bytes in, bytes out, no engine.

#include <stdexcept>
#include <string>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

std::uint32_t VirtualWorld::add_peers(std::string_view name, std::uint32_t count,
                                      std::uint32_t broker, const net::LinkSpec& link) {
    if (count == 0) throw std::invalid_argument("count: must be at least 1");
    if (broker >= brokers_.size()) throw std::invalid_argument("broker: there is no such one");
    const std::uint16_t population = add_population(name);
    network_.add_population(population, name, next_tag_, count, link);
    next_tag_ += count;
    peers_.push_back(std::make_unique<PeerHost>());
    PeerHost& host = *peers_.back();
    host.population = population;
    host.broker = broker;
    host.ends.resize(count);
    populations_[population].peers = &host;
    has_raw_ = true;
    return static_cast<std::uint32_t>(peers_.size() - 1);
}

std::uint32_t VirtualWorld::add_listener(std::string name) {
    const std::uint32_t listener = add_broker(std::move(name), {});
    brokers_[listener]->listener = true;
    has_raw_ = true;
    return listener;
}

VirtualWorld::PeerHost& VirtualWorld::peers_at(std::uint32_t peers) {
    if (peers >= peers_.size()) throw std::invalid_argument("peers: there are no such ones");
    return *peers_[peers];
}

RawEnd& VirtualWorld::peer(std::uint32_t peers, std::uint32_t index) {
    PeerHost& host = peers_at(peers);
    if (index >= host.ends.size()) {
        throw std::invalid_argument("index: must be below " + std::to_string(host.ends.size()) +
                                    ", not " + std::to_string(index));
    }
    return host.ends[index];
}

RawEnd& VirtualWorld::accepted(std::uint32_t listener, std::uint32_t connection) {
    BrokerHost& host = broker_at(listener);
    if (connection >= host.accepted.size()) {
        throw std::invalid_argument("connection: there is no such one yet");
    }
    return host.accepted[connection];
}

std::uint32_t VirtualWorld::accepted_count(std::uint32_t listener) const {
    const BrokerHost& host = const_cast<VirtualWorld*>(this)->broker_at(listener);
    return static_cast<std::uint32_t>(host.accepted.size());
}

RawEnd* VirtualWorld::raw_end(net::FlowId flow, net::End end) {
    if (end == net::End::client) {
        PeerHost* peers = populations_[network_.population(flow)].peers;
        return peers == nullptr ? nullptr : &peers->ends[network_.index(flow)];
    }
    BrokerHost& broker = *brokers_[network_.broker(flow)];
    const Slot slot = network_.server_slot(flow);
    return !broker.listener || slot == kNoSlot ? nullptr : &broker.accepted[slot];
}

void VirtualWorld::peer_open(std::uint32_t peers, std::uint32_t index) {
    RawEnd& end = peer(peers, index);
    if (end.flow != net::kNoFlow) throw std::invalid_argument("the peer has a connection already");
    const PeerHost& host = *peers_[peers];
    end.received.clear();
    end.state = RawState::opening;
    end.flow = network_.open(now_, host.population, index, host.broker);
}

void VirtualWorld::raw_send(RawEnd& end, ByteView bytes) {
    if (end.state != RawState::open) throw std::invalid_argument("the connection is not open");
    if (bytes.empty()) return;
    network_.send(now_, end.flow, end.end, pool_.make(bytes), BlobId::none, bytes.size(),
                  {now_, Stamp::kNobody, 0});
}

void VirtualWorld::raw_close(RawEnd& end) {
    if (end.flow == net::kNoFlow) return;
    network_.close(now_, end.flow, end.end);
    end.flow = net::kNoFlow;
    end.state = RawState::closed;
}

void VirtualWorld::raw_abort(RawEnd& end) {
    if (end.flow == net::kNoFlow) return;
    network_.abort(now_, end.flow, end.end);
    end.flow = net::kNoFlow;
    end.state = RawState::reset;
}

void VirtualWorld::raw_vanish(RawEnd& end) {
    if (end.flow == net::kNoFlow) return;
    network_.vanish(now_, end.flow, end.end);
    end.flow = net::kNoFlow;
    end.state = RawState::closed;
}

}  // namespace mqttwin::world
