// Sockets: what their owners do with them, and what the network does to them.
#include "mqttwin/world/sockets.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

Sockets& VirtualWorld::sockets() {
    if (sockets_ == nullptr) sockets_ = std::make_unique<Sockets>(*this);
    return *sockets_;
}

Sockets::Socket& Sockets::at(SocketId id) {
    if (id >= sockets_.size() || sockets_[id].state == State::closed) {
        throw std::invalid_argument("socket: there is no such one");
    }
    return sockets_[id];
}

const Sockets::Socket& Sockets::at(SocketId id) const { return const_cast<Sockets*>(this)->at(id); }

SocketId Sockets::make(std::uint32_t host) {
    ++host_at(host).open;
    SocketId id = 0;
    if (free_.empty()) {
        id = static_cast<SocketId>(sockets_.size());
        sockets_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
        sockets_[id] = {};
    }
    sockets_[id].host = host;
    return id;
}

SocketId* Sockets::find(net::FlowId flow, net::End end) {
    const auto found = by_flow_.find({flow, end});
    return found == by_flow_.end() ? nullptr : &found->second;
}

bool Sockets::owns(net::FlowId flow, net::End end) const {
    return by_flow_.count({flow, end}) > 0 ||
           (end == net::End::server && listeners_.count(world_->network_.broker(flow)) > 0);
}

void Sockets::forget(SocketId id) {
    Socket& s = sockets_[id];
    if (s.flow != net::kNoFlow) by_flow_.erase({s.flow, s.end});
    s.flow = net::kNoFlow;
}

/// News if somebody waits for what the socket is ready for.
void Sockets::tell(SocketId id) {
    const Socket& s = sockets_[id];
    const Ready now = ready(id);
    if ((s.watch_read && now.readable) || (s.watch_write && now.writable)) {
        SocketNews news;
        news.kind = SocketNews::Kind::socket;
        news.host = s.host;
        news.number = id;
        news_.push_back(news);
    }
}

// --- What owners do ------------------------------------------------------------------------------

SocketId Sockets::open(std::uint32_t host) {
    if (host_at(host).open >= kMaximumOpen) {
        throw std::length_error("sockets: a host has at most 200 open ones");
    }
    return make(host);
}

void Sockets::connect(SocketId id, net::Address address) {
    Socket& s = at(id);
    if (s.state != State::fresh) throw std::invalid_argument("socket: is connected already");
    const std::uint32_t broker = world_->network_.names().host_at(address);
    s.state = State::connecting;
    s.end = net::End::client;
    s.flow = world_->network_.open(world_->now_, hosts_[s.host].population, 0, broker);
    by_flow_[{s.flow, s.end}] = id;
}

std::uint32_t Sockets::listen(SocketId id, std::string name) {
    if (at(id).state != State::fresh) throw std::invalid_argument("socket: is connected already");
    const std::uint32_t listener = world_->add_listener(std::move(name));
    Socket& s = at(id);
    s.state = State::listening;
    s.listener = listener;
    listeners_[listener] = id;
    return listener;
}

SocketId Sockets::accept(SocketId id) {
    Socket& s = at(id);
    if (s.state != State::listening) throw std::invalid_argument("socket: does not listen");
    if (s.waiting.empty()) return kNoSocket;
    const SocketId next = s.waiting.front();
    s.waiting.pop_front();
    return next;
}

std::size_t Sockets::send(SocketId id, ByteView bytes, SocketError& error) {
    Socket& s = at(id);
    error = std::exchange(s.error, SocketError::none);
    if (error != SocketError::none) return 0;
    if (s.finished || (s.state != State::open && !s.peer_finished)) {
        const bool busy = s.state == State::connecting || s.state == State::securing;
        error = busy ? SocketError::again : SocketError::broken_pipe;
        return 0;
    }
    if (s.flow == net::kNoFlow) {
        // The peer is gone for good, but that is not known before it has answered to this.
        if (s.wrote_after_end) error = SocketError::broken_pipe;
        s.wrote_after_end = true;
        return error == SocketError::none ? bytes.size() : 0;
    }
    std::size_t sent = 0;
    net::Network& network = world_->network_;
    while (sent < bytes.size() && !network.congested(s.flow, s.end)) {
        const ByteView piece = bytes.subspan(sent, std::min(kPiece, bytes.size() - sent));
        network.send(world_->now_, s.flow, s.end, world_->pool_.make(piece), BlobId::none,
                     piece.size(), {world_->now_, Stamp::kNobody, 0});
        sent += piece.size();
    }
    if (network.congested(s.flow, s.end) && !s.blocked) {
        s.blocked = true;
        unsettled_.push_back(id);
    }
    if (sent == 0 && !bytes.empty()) error = SocketError::again;
    return sent;
}

std::vector<std::uint8_t> Sockets::receive(SocketId id, std::size_t most, bool peek,
                                           SocketError& error) {
    Socket& s = at(id);
    error = SocketError::none;
    const std::size_t size = std::min(most, s.unread());
    const auto from = s.received.begin() + static_cast<std::ptrdiff_t>(s.taken);
    std::vector<std::uint8_t> out(from, from + static_cast<std::ptrdiff_t>(size));
    if (size == 0) {
        error = std::exchange(s.error, SocketError::none);
        const bool ended = s.peer_finished || s.state == State::over;
        if (error == SocketError::none && most > 0 && !ended) error = SocketError::again;
        return out;
    }
    if (peek) return out;
    s.taken += size;
    if (s.taken == s.received.size()) {
        s.received.clear();
        s.taken = 0;
    }
    if (s.paused && s.unread() <= kReceiveMark / 2) {
        s.paused = false;
        if (s.flow != net::kNoFlow) {
            world_->network_.set_reading(world_->now_, s.flow, s.end, true);
        }
    }
    return out;
}

void Sockets::finish(SocketId id) {
    Socket& s = at(id);
    s.finished = true;
    if (s.flow != net::kNoFlow && s.state == State::open) {
        world_->network_.finish(world_->now_, s.flow, s.end);
    }
}

void Sockets::secure(SocketId id) {
    Socket& s = at(id);
    if (s.state != State::open || s.end != net::End::client || s.flow == net::kNoFlow) {
        throw std::invalid_argument("socket: is not one that is connected to a server");
    }
    s.state = State::securing;
    world_->network_.secure(world_->now_, s.flow);
}

void Sockets::close(SocketId id, bool abort) {
    Socket& s = at(id);
    net::Network& network = world_->network_;
    if (s.state == State::listening) {
        world_->brokers_[s.listener]->down = true;
        const std::deque<SocketId> waiting = std::move(s.waiting);
        for (const SocketId each : waiting) close(each, true);
        listeners_.erase(s.listener);
    } else if (s.flow != net::kNoFlow) {
        const net::FlowId flow = s.flow;
        const net::End end = s.end;
        const bool reset = abort || s.unread() > 0;
        forget(id);
        if (end == net::End::server) network.set_server_slot(flow, kNoSlot);
        const auto by = Recorder::EndedBy::itself;
        world_->recorder_->ended(world_->now_, network.tag(flow), end, by);
        if (reset) {
            network.abort(world_->now_, flow, end);
        } else {
            network.close(world_->now_, flow, end);
        }
    }
    Socket& closed = sockets_[id];
    --hosts_[closed.host].open;
    const std::uint32_t host = closed.host;
    closed = {};
    closed.host = host;
    closed.state = State::closed;
    free_.push_back(id);
}

Sockets::Ready Sockets::ready(SocketId id) const {
    const Socket& s = at(id);
    Ready r;
    r.connecting = s.state == State::connecting;
    r.securing = s.state == State::securing;
    const bool over = s.state == State::over || s.error != SocketError::none;
    r.readable = over || s.unread() > 0 || s.peer_finished || !s.waiting.empty();
    r.writable = over || (s.state == State::open && !s.blocked);
    return r;
}

SocketError Sockets::take_error(SocketId id) {
    return std::exchange(at(id).error, SocketError::none);
}

void Sockets::watch(SocketId id, bool read, bool write) {
    Socket& s = at(id);
    s.watch_read = read;
    s.watch_write = write;
}

// --- What the network does -----------------------------------------------------------------------

bool Sockets::on_request(net::FlowId flow) {
    const auto found = listeners_.find(world_->network_.broker(flow));
    if (found == listeners_.end()) return true;
    const Socket& s = sockets_[found->second];
    return s.waiting.size() < kMaximumBacklog && hosts_[s.host].open < kMaximumOpen;
}

void Sockets::on_opened(net::FlowId flow, net::End end) {
    if (const SocketId* id = find(flow, end)) {
        sockets_[*id].state = State::open;
        tell(*id);
        return;
    }
    const SocketId listener = listeners_.at(world_->network_.broker(flow));
    const SocketId id = make(sockets_[listener].host);
    Socket& s = sockets_[id];
    s.state = State::open;
    s.flow = flow;
    s.end = end;
    by_flow_[{flow, end}] = id;
    world_->network_.set_server_slot(flow, id);
    sockets_[listener].waiting.push_back(id);
    tell(listener);
}

void Sockets::on_bytes(net::FlowId flow, net::End end, ByteView bytes) {
    const SocketId* found = find(flow, end);
    if (found == nullptr) return;
    const SocketId id = *found;
    Socket& s = sockets_[id];
    const std::size_t before = s.unread();
    if (s.taken > 0 && s.taken >= s.received.size() / 2) {
        s.received.erase(s.received.begin(),
                         s.received.begin() + static_cast<std::ptrdiff_t>(s.taken));
        s.taken = 0;
    }
    s.received.insert(s.received.end(), bytes.begin(), bytes.end());
    if (before <= kReceiveMark && s.unread() > kReceiveMark) unsettled_.push_back(id);
    tell(id);
}

void Sockets::on_closed(net::FlowId flow, net::End end, net::Ending how) {
    const SocketId* found = find(flow, end);
    if (found == nullptr) return;
    const SocketId id = *found;
    Socket& s = sockets_[id];
    const bool young = s.state == State::connecting;
    forget(id);
    if (end == net::End::server) world_->network_.set_server_slot(flow, kNoSlot);
    s.peer_finished = true;
    if (how == net::Ending::orderly && s.state != State::securing) {
        s.state = young ? State::over : State::open;
    } else {
        s.state = State::over;
        // What has arrived before a reset is gone with it.
        s.received.clear();
        s.taken = 0;
        s.error = how == net::Ending::time_out ? SocketError::timed_out
                  : young                      ? SocketError::refused
                                               : SocketError::reset;
    }
    s.blocked = false;
    tell(id);
}

/// Whoever waits for room may have it now; whoever does not read lets its window close.
void Sockets::settle(Instant now) {
    if (unsettled_.empty()) return;
    const std::vector<SocketId> looked_at = std::exchange(unsettled_, {});
    for (const SocketId id : looked_at) {
        Socket& s = sockets_[id];
        if (s.flow == net::kNoFlow) continue;
        if (!s.paused && s.unread() > kReceiveMark) {
            s.paused = true;
            world_->network_.set_reading(now, s.flow, s.end, false);
        }
        if (!s.blocked) continue;
        if (world_->network_.congested(s.flow, s.end)) {
            unsettled_.push_back(id);
        } else {
            s.blocked = false;
            tell(id);
        }
    }
}

}  // namespace mqttwin::world
