// Hosts that have sockets: their timer, their questions to a name server, and what befalls them.
#include <stdexcept>

#include "mqttwin/world/sockets.hpp"
#include "mqttwin/world/virtual_world.hpp"

#include "hosts.hpp"

namespace mqttwin::world {

Sockets::Host& Sockets::host_at(std::uint32_t host) {
    if (host >= hosts_.size()) throw std::invalid_argument("host: there is no such one");
    return hosts_[host];
}

std::uint32_t Sockets::add_host(std::string_view name, const net::LinkSpec& link,
                                const net::LayersSpec& layers, Duration resolver) {
    net::check(link);
    net::check(layers, "");
    if (resolver.ns < 0) throw std::invalid_argument("resolver must be at least 0 s");
    if (link.shared != net::kNotShared && link.shared >= world_->network_.shared_count()) {
        throw std::invalid_argument("shared must be a medium of this world");
    }
    Host host;
    host.population = world_->add_population(name);
    host.resolver = resolver;
    host.tag = world_->next_tag_++;
    world_->network_.add_population(host.population, name, host.tag, 1, link, {}, layers);
    world_->recorder_->add_stranger(name, host.tag);
    world_->network_.layer_on_demand(host.population);
    world_->populations_[host.population].has_sockets = true;
    const auto number = static_cast<std::uint32_t>(hosts_.size());
    host_of_[host.population] = number;
    hosts_.push_back(std::move(host));
    return number;
}

void Sockets::arm(std::uint32_t number, Instant at) {
    Host& host = host_at(number);
    at = max(at, world_->now_);
    if (at == host.armed) return;
    host.armed = at;
    if (at == Instant::never()) return;
    world_->queue_.push(world_->event(at, host.population, 0, EventKind::host_timer));
}

void Sockets::handle_timer(Instant now, std::uint16_t population) {
    const std::uint32_t number = host_of_.at(population);
    Host& host = hosts_[number];
    if (host.armed != now) return;  // another one took its place
    host.armed = Instant::never();
    SocketNews news;
    news.host = number;
    news_.push_back(news);
}

// --- Names ---------------------------------------------------------------------------------------

std::uint32_t Sockets::ask(std::uint32_t number, std::string_view name) {
    Host& host = host_at(number);
    std::size_t detail = 0;
    while (detail < host.lookups.size() && host.lookups[detail].used) ++detail;
    if (detail == kMaximumLookups) {
        throw std::length_error("names: a host has at most 200 questions under way");
    }
    if (detail == host.lookups.size()) host.lookups.emplace_back();
    Lookup& lookup = host.lookups[detail];
    lookup = {};
    lookup.used = true;
    lookup.number = questions_++;
    lookup.name = name;
    ask_again(host, static_cast<std::uint8_t>(detail));
    return lookup.number;
}

void Sockets::push_lookup(Host& host, std::uint8_t detail, Instant at) {
    world_->queue_.push(world_->event(at, host.population, 0, EventKind::host_lookup, detail));
}

void Sockets::ask_again(Host& host, std::uint8_t detail) {
    Lookup& lookup = host.lookups[detail];
    ++lookup.tries;
    lookup.asked = world_->now_;
    lookup.answered = false;
    const net::Passage passage =
        world_->network_.datagram(world_->now_, host.population, 0, net::End::client,
                                  net::Names::question_bytes(lookup.name));
    const Instant enough = world_->now_ + net::Names::kPatience;
    const Instant answers = passage.arrives + host.resolver;
    lookup.lost = passage.fate != net::Passage::Fate::arrives || answers >= enough;
    push_lookup(host, detail, lookup.lost ? enough : answers);
}

void Sockets::handle_lookup(Instant now, std::uint16_t population, std::uint8_t detail) {
    const std::uint32_t number = host_of_.at(population);
    Host& host = hosts_[number];
    Lookup& lookup = host.lookups[detail];
    if (lookup.lost && lookup.tries < net::Names::kTries) {
        ask_again(host, detail);
        return;
    }
    if (!lookup.lost && !lookup.answered) {
        lookup.answered = true;
        // The address is what the record says as the server writes its answer.
        const net::Names& names = world_->network_.names();
        const std::uint32_t known = names.find(lookup.name);
        lookup.address = known == net::kNoHost ? net::kNoHost : names.address(known);
        const std::uint32_t bytes = known == net::kNoHost ? net::Names::question_bytes(lookup.name)
                                                          : names.answer_bytes(known);
        const net::Passage passage =
            world_->network_.datagram(now, host.population, 0, net::End::server, bytes);
        const Instant enough = lookup.asked + net::Names::kPatience;
        lookup.lost = passage.fate != net::Passage::Fate::arrives || passage.arrives >= enough;
        push_lookup(host, detail, lookup.lost ? enough : passage.arrives);
        return;
    }
    SocketNews news;
    news.kind = SocketNews::Kind::answer;
    news.host = number;
    news.number = lookup.number;
    news.address = lookup.lost ? net::kNoHost : lookup.address;
    news.timed_out = lookup.lost;
    lookup = {};
    news_.push_back(news);
}

// --- What befalls a host -------------------------------------------------------------------------

void Sockets::set_link_down(std::uint32_t host, bool down) {
    world_->network_.set_link_down(host_at(host).population, 0, down);
}

void Sockets::set_fault(std::uint32_t host, const net::Fault& fault) {
    world_->network_.set_fault(world_->now_, host_at(host).population, 0, fault);
}

void Sockets::clear_fault(std::uint32_t host) {
    world_->network_.clear_fault(host_at(host).population, 0);
}

void Sockets::resume_reading(std::uint32_t host, net::End reader) {
    (void)host_at(host);
    for (const Socket& s : sockets_) {
        if (s.host != host || s.flow == net::kNoFlow || s.end != net::End::client) continue;
        if (reader == net::End::client && s.paused) continue;  // its own window is closed
        world_->network_.set_reading(world_->now_, s.flow, reader, true);
    }
}

void Sockets::vanish(std::uint32_t host) { break_off(host, true); }
void Sockets::cut(std::uint32_t host) { break_off(host, false); }

void Sockets::break_off(std::uint32_t number, bool silent) {
    (void)host_at(number);
    net::Network& network = world_->network_;
    for (SocketId id = 0; id < sockets_.size(); ++id) {
        Socket& s = sockets_[id];
        if (s.host != number || s.flow == net::kNoFlow) continue;
        const net::FlowId flow = s.flow;
        const net::End end = s.end;
        forget(id);
        if (end == net::End::server) network.set_server_slot(flow, kNoSlot);
        world_->recorder_->ended(world_->now_, network.tag(flow), end, Recorder::EndedBy::fault);
        if (silent) {
            network.vanish(world_->now_, flow, end);
        } else {
            network.abort(world_->now_, flow, end);
        }
        s.state = State::over;
        s.peer_finished = true;
        s.error = SocketError::reset;
        s.received.clear();
        s.taken = 0;
        tell(id);
    }
}

}  // namespace mqttwin::world
