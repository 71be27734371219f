// From a name to a host: a question over the device's own link, an answer that is believed for a
// while, and a connection to whoever is there.
#include "mqttwin/net/network.hpp"

namespace mqttwin::net {

/// Connects to whatever host the device believes to be its broker's; asks first if it must.
void Network::dial(Instant now, const Ref& r) {
    Flow& flow = *r.flow;
    Population& p = *r.p;
    std::uint32_t host = broker(r.id);
    if (p.reach.kind == Reach::Kind::address) {
        host = names_.host_at(p.reach.address);
    } else if (p.reach.kind == Reach::Kind::name) {
        const NameCache& known = p.cache[flow.index];
        if (known.expires <= now) {
            ask(now, r);
            return;
        }
        host = names_.host_at(known.address);
    }
    if (host == kNoHost) {
        flow.end[side(End::server)].silent = true;  // a SYN into nowhere
        if (flow.broker == Flow::kNoBroker) flow.broker = 0;
    } else {
        flow.broker = static_cast<std::uint16_t>(host);
    }
    for (Lane& l : r.busy->lane) l.read = l.written = 1;  // a SYN has the first number
    out_.clear();
    tcp(r, End::client).connect(r.at(now, End::client), flow.end[0], out_);
    follow(now, r, End::client);
}

void Network::ask(Instant now, const Ref& r) {
    const Population& p = *r.p;
    Lookup& lookup = lookups_[r.id];
    ++lookup.tries;
    lookup.asked = now;
    lookup.answered = false;
    const Passage passage = datagram(now, r.flow->population, r.flow->index, End::client,
                                     names_.question_bytes(p.reach.name));
    const Instant enough = now + Names::kPatience;
    const Instant answers = passage.arrives + p.reach.resolver;
    lookup.lost = passage.fate != Passage::Fate::arrives || answers >= enough;
    push_event(r, lookup.lost ? enough : answers, FlowEvent::lookup);
}

void Network::handle_lookup(Instant now, const Ref& r) {
    const auto found = lookups_.find(r.id);
    if (found == lookups_.end()) return;
    Lookup& lookup = found->second;
    const Flow& flow = *r.flow;
    Population& p = *r.p;
    if (lookup.lost) {
        if (lookup.tries < Names::kTries) {
            ask(now, r);
            return;
        }
        lookups_.erase(found);
        over(now, r, End::client, tcp::Over::time_out);
        return;
    }
    if (!lookup.answered) {
        lookup.answered = true;
        // The address is what the record says as the server writes its answer.
        p.cache[flow.index].address = names_.address(p.reach.name);
        const Passage passage = datagram(now, flow.population, flow.index, End::server,
                                         names_.answer_bytes(p.reach.name));
        const Instant enough = lookup.asked + Names::kPatience;
        lookup.lost = passage.fate != Passage::Fate::arrives || passage.arrives >= enough;
        push_event(r, lookup.lost ? enough : passage.arrives, FlowEvent::lookup);
        return;
    }
    lookups_.erase(found);
    // No answer is believed for no time at all: this connection is what it was for.
    p.cache[flow.index].expires = now + max(names_.ttl(p.reach.name), nanoseconds(1));
    dial(now, r);
}

Passage Network::datagram(Instant now, std::uint16_t population, std::uint32_t index, End sender,
                          std::uint32_t bytes) {
    Population& p = populations_[population];
    Traffic& traffic = p.traffic[side(sender)];
    traffic.send(bytes);
    LinkTable& links = p.links;
    const std::uint32_t medium = links.spec().shared;
    SharedCapacity* shared = medium == kNotShared ? nullptr : &shared_[medium];
    const Passage passage = links.offer(now, index, sender == End::client, bytes, shared);
    if (passage.fate != Passage::Fate::arrives) traffic.lose(bytes);
    if (passage.woke) release_held(now, population, index);
    return passage;
}

void Network::move_host(Instant now, std::uint32_t broker, Address to) {
    const Address from = names_.address_of(broker);
    if (from != kNoHost) names_.remove_host(from);
    names_.put_host(to, broker);
    for (Population& p : populations_) {
        for (const Newest& newest : p.newest) {
            FlowId next = kNoFlow;
            for (FlowId id = newest.flow(); id != kNoFlow; id = next) {
                next = older(id);
                if (lookups_.count(id) > 0) continue;  // goes where the answer says
                if (flows_[id].broker == broker && !flows_[id].end[side(End::server)].silent) {
                    vanish(now, id, End::server);
                }
            }
        }
    }
}

}  // namespace mqttwin::net
