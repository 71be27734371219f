#include "retained_store.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace mqttwin::broker {

std::uint32_t RetainedStore::set(std::string_view topic, std::uint32_t handle) {
    assert(handle != kNone);
    Node& node = nodes_.add_path(topic, [this](Node& added) { link(added); });
    ++sets_;
    node.payload.set_low = static_cast<std::uint32_t>(sets_);
    node.payload.set_high = static_cast<std::uint32_t>(sets_ >> 32U);
    const std::uint32_t replaced = std::exchange(node.payload.handle, handle);
    if (replaced == kNone) ++size_;
    return replaced;
}

std::uint32_t RetainedStore::erase(std::string_view topic) {
    const Node* found = nodes_.find_path(topic);
    if (found == nullptr || found->payload.empty()) return kNone;
    Node& node = nodes_.at(found->id());
    const std::uint32_t erased = std::exchange(node.payload.handle, kNone);
    nodes_.prune(node.id(), [this](const Node& gone) { unlink(gone); });
    --size_;
    return erased;
}

std::uint32_t RetainedStore::find(std::string_view topic) const {
    const Node* node = nodes_.find_path(topic);
    return node == nullptr ? kNone : node->payload.handle;
}

void RetainedStore::clear() {
    nodes_.clear();
    size_ = 0;
}

void RetainedStore::link(Node& node) {
    std::uint32_t& first = nodes_.at(node.parent()).payload.first_child;
    node.payload.next = first;
    if (first != 0) nodes_.at(first).payload.previous = node.id();
    first = node.id();
}

void RetainedStore::unlink(const Node& node) {
    const std::uint32_t next = node.payload.next;
    const std::uint32_t previous = node.payload.previous;
    if (next != 0) nodes_.at(next).payload.previous = previous;
    if (previous != 0) {
        nodes_.at(previous).payload.next = next;
    } else {
        nodes_.at(node.parent()).payload.first_child = next;
    }
}

void RetainedStore::accept(const Node& node, std::vector<Match>& matches) const {
    if (node.payload.empty()) return;
    const std::uint64_t set = std::uint64_t{node.payload.set_high} << 32U | node.payload.set_low;
    matches.push_back({set, node.id()});
}

void RetainedStore::accept_below(std::uint32_t top, std::vector<Match>& matches) const {
    std::vector<std::uint32_t> open{top};
    while (!open.empty()) {
        const Node& node = nodes_.at(open.back());
        open.pop_back();
        accept(node, matches);
        for (std::uint32_t id = node.payload.first_child; id != 0;
             id = nodes_.at(id).payload.next) {
            open.push_back(id);
        }
    }
}

std::vector<RetainedStore::Match> RetainedStore::find_matches(std::string_view filter) const {
    std::vector<Match> matches;
    std::vector<std::uint32_t> frontier{Nodes::kRoot};
    std::vector<std::uint32_t> next;
    bool all_below = false;
    for (std::size_t begin = 0; begin <= filter.size() && !frontier.empty();) {
        const std::size_t end = std::min(filter.find('/', begin), filter.size());
        const std::string_view level = filter.substr(begin, end - begin);
        const bool is_hash = level == "#";
        const bool at_root = begin == 0;
        begin = end + 1;
        if (is_hash && !at_root) {
            all_below = true;
            break;
        }
        const bool is_literal = !is_hash && level != "+";
        const std::uint64_t hash = nodes_.level_hash(level);
        next.clear();
        for (const std::uint32_t id : frontier) {
            const Node& node = nodes_.at(id);
            if (is_literal) {
                const Node* child = nodes_.find(Nodes::child_key(node.key(), hash), id, level);
                if (child != nullptr) next.push_back(child->id());
                continue;
            }
            std::uint32_t child = node.payload.first_child;
            for (; child != 0; child = nodes_.at(child).payload.next) {
                // [MQTT-4.7.2-1], 3.1.1 [MQTT-4.7.2-1]: wildcards at the root do not match topics
                // that begin with "$".
                if (at_root && nodes_.text(nodes_.at(child)).starts_with('$')) continue;
                next.push_back(child);
            }
        }
        frontier.swap(next);
        all_below = is_hash;
    }
    for (const std::uint32_t id : frontier) {
        if (all_below) {
            accept_below(id, matches);
        } else {
            accept(nodes_.at(id), matches);
        }
    }
    std::sort(matches.begin(), matches.end(),
              [](const Match& a, const Match& b) { return a.set < b.set; });
    return matches;
}

}  // namespace mqttwin::broker
