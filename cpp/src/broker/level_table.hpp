// A tree of topic levels in one hash table, for the retained messages.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/hash.hpp"

namespace mqttwin::broker {

/// Nodes are cache lines in one open-addressing table. A node's key, and so its address, is a
/// chained hash of its path: whoever knows a topic knows where each of its prefixes would be.
///
/// Exactness does not rest on the hash: a node is only taken for a child if its parent and the text
/// of its level agree, so paths whose keys collide live side by side.
///
/// Payload is plain data of at most 24 bytes with `bool empty() const`; Hash is a function of
/// (text, key). References are good until a node is added or erased; ids last as long as the node.
template <typename Payload, auto Hash = hash_text>
class LevelTable {
   public:
    static constexpr std::uint32_t kRoot = 1;

    class alignas(64) Node {
       public:
        Payload payload;

        [[nodiscard]] std::uint64_t key() const { return key_; }
        [[nodiscard]] std::uint32_t id() const { return id_; }
        [[nodiscard]] std::uint32_t parent() const { return parent_; }
        [[nodiscard]] bool has_children() const { return children_ != 0; }

       private:
        friend class LevelTable;
        static constexpr std::size_t kInline = 42 - sizeof(Payload);

        std::uint32_t children_ = 0;
        char text_[kInline] = {};  // of the level; where it is too long, its place in `long_texts_`
        std::uint16_t text_size_ = 0;
        std::uint64_t key_ = 0;
        std::uint32_t id_ = 0;  // 0: the slot is free
        std::uint32_t parent_ = 0;
    };
    static_assert(sizeof(Node) == 64 && sizeof(Payload) <= 24);

    /// `key` keys the hashes of the text that peers choose.
    explicit LevelTable(std::uint64_t key) : key_(key) { clear(); }

    [[nodiscard]] std::uint64_t level_hash(std::string_view level) const {
        return Hash(level, key_);
    }
    [[nodiscard]] static std::uint64_t child_key(std::uint64_t parent_key, std::uint64_t level) {
        return fold_multiply(parent_key ^ level, 0xE7037ED1A0B428DBULL);
    }

    /// The child of a node, or null. `key` is child_key() of the parent's key and the level.
    [[nodiscard]] const Node* find(std::uint64_t key, std::uint32_t parent,
                                   std::string_view level) const {
        for (const Node* node = &slots_[home(key)]; node->id_ != 0 && node->key_ <= key; ++node) {
            if (node->key_ == key && node->parent_ == parent && text(*node) == level) return node;
        }
        return nullptr;
    }
    [[nodiscard]] const Node& at(std::uint32_t id) const { return slots_[slot_of_[id]]; }
    Node& at(std::uint32_t id) { return slots_[slot_of_[id]]; }
    [[nodiscard]] const Node& root() const { return at(kRoot); }
    /// The node of a path (levels joined by slashes), or null.
    [[nodiscard]] const Node* find_path(std::string_view path) const;

    /// The node of a path, added with all that leads there where it is missing. `on_add(node)` is
    /// called for each new node, from the root down; it may use at() and change payloads.
    template <typename OnAdd>
    Node& add_path(std::string_view path, OnAdd&& on_add);
    /// Erases a node and then its ancestors as far as they hold nothing and lead nowhere.
    /// `on_erase(node)` is called before each goes; it may use at() and change payloads.
    template <typename OnErase>
    void prune(std::uint32_t id, OnErase&& on_erase);
    void clear();

    /// The text of a node's level.
    [[nodiscard]] std::string_view text(const Node& node) const {
        if (node.text_size_ <= Node::kInline) return {node.text_, node.text_size_};
        return {long_texts_.data() + long_offset(node), node.text_size_};
    }
    /// Appends the path of a node.
    void append_path(std::uint32_t id, std::string& path) const;

    [[nodiscard]] std::size_t size() const { return count_ - 1; }
    void archive(Archive& a) {
        a(slots_, capacity_, count_, slot_of_, free_id_, long_texts_, wasted_text_);
    }
    [[nodiscard]] std::size_t footprint() const {
        return slots_.capacity() * sizeof(Node) + slot_of_.capacity() * sizeof(std::uint32_t) +
               long_texts_.capacity();
    }

   private:
    static constexpr std::size_t kFewest = 16;        // of slots
    static constexpr std::size_t kSlack = 64;         // slots behind the last home
    static constexpr std::size_t kLeastWaste = 4096;  // of bytes of text before they are collected

    /// Slots lie in the order of keys, so a search ends at the first key that is too large.
    [[nodiscard]] std::size_t home(std::uint64_t key) const {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::size_t>((static_cast<Wide>(key) * capacity_) >> 64);
    }
    static std::uint64_t long_offset(const Node& node) {
        std::uint64_t offset = 0;
        std::memcpy(&offset, node.text_, sizeof offset);
        return offset;
    }

    std::uint32_t add_child(std::uint32_t parent_id, std::uint64_t hash, std::string_view level);
    void insert(const Node& node);
    void erase_leaf(std::uint32_t id);
    void set_text(Node& node, std::string_view level);
    void drop_text(const Node& node);
    void resize(std::size_t capacity);

    std::uint64_t key_;
    std::vector<Node> slots_;  // capacity_ + kSlack, the last one always free
    std::size_t capacity_ = 0;
    std::size_t count_ = 0;               // the root included
    std::vector<std::uint32_t> slot_of_;  // by id; of a free id, the next free one
    std::uint32_t free_id_ = 0;
    std::string long_texts_;
    std::size_t wasted_text_ = 0;
};

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::clear() {
    slots_.assign(kFewest + kSlack, Node{});
    capacity_ = kFewest;
    count_ = 0;
    slot_of_.assign(kRoot + 1, 0);
    free_id_ = 0;
    long_texts_.clear();
    wasted_text_ = 0;
    Node root;
    root.id_ = kRoot;
    root.key_ = mix64(key_);
    insert(root);
}

template <typename Payload, auto Hash>
auto LevelTable<Payload, Hash>::find_path(std::string_view path) const -> const Node* {
    const Node* node = &root();
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view level = path.substr(begin, end - begin);
        node = find(child_key(node->key_, level_hash(level)), node->id_, level);
        if (node == nullptr) return nullptr;
        begin = end + 1;
    }
    return node;
}

template <typename Payload, auto Hash>
template <typename OnAdd>
auto LevelTable<Payload, Hash>::add_path(std::string_view path, OnAdd&& on_add) -> Node& {
    std::uint32_t id = kRoot;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view level = path.substr(begin, end - begin);
        const std::uint64_t hash = level_hash(level);
        if (const Node* child = find(child_key(at(id).key_, hash), id, level)) {
            id = child->id_;
        } else {
            id = add_child(id, hash, level);
            on_add(at(id));
        }
        begin = end + 1;
    }
    return at(id);
}

template <typename Payload, auto Hash>
template <typename OnErase>
void LevelTable<Payload, Hash>::prune(std::uint32_t id, OnErase&& on_erase) {
    while (id != kRoot && !at(id).has_children() && at(id).payload.empty()) {
        on_erase(at(id));
        const std::uint32_t parent = at(id).parent_;
        erase_leaf(id);
        id = parent;
    }
    // What a mass of devices leaves behind is given back.
    if (count_ * 5 < capacity_ && capacity_ > kFewest) resize(std::max(count_ * 2, kFewest));
}

template <typename Payload, auto Hash>
std::uint32_t LevelTable<Payload, Hash>::add_child(std::uint32_t parent_id, std::uint64_t hash,
                                                   std::string_view level) {
    Node child;
    child.key_ = child_key(at(parent_id).key_, hash);
    child.parent_ = parent_id;
    set_text(child, level);
    if (free_id_ != 0) {
        child.id_ = free_id_;
        free_id_ = slot_of_[free_id_];
    } else {
        child.id_ = static_cast<std::uint32_t>(slot_of_.size());
        slot_of_.push_back(0);
    }
    insert(child);
    ++at(parent_id).children_;
    return child.id_;
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::insert(const Node& node) {
    if ((count_ + 1) * 4 > capacity_ * 3) resize(capacity_ + capacity_ / 2);
    for (;;) {
        std::size_t place = home(node.key_);
        while (slots_[place].id_ != 0 && slots_[place].key_ < node.key_) ++place;
        std::size_t end = place;
        while (slots_[end].id_ != 0) ++end;
        if (end + 1 < slots_.size()) {
            for (; end > place; --end) {
                slots_[end] = slots_[end - 1];
                slot_of_[slots_[end].id_] = static_cast<std::uint32_t>(end);
            }
            slots_[place] = node;
            slot_of_[node.id_] = static_cast<std::uint32_t>(place);
            ++count_;
            return;
        }
        resize(capacity_ + capacity_ / 2);  // the slack is full
    }
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::erase_leaf(std::uint32_t id) {
    const Node& node = at(id);
    drop_text(node);
    --at(node.parent_).children_;

    std::size_t hole = slot_of_[id];
    // Those behind move up to the first that is where it belongs.
    for (; slots_[hole + 1].id_ != 0 && home(slots_[hole + 1].key_) <= hole; ++hole) {
        slots_[hole] = slots_[hole + 1];
        slot_of_[slots_[hole].id_] = static_cast<std::uint32_t>(hole);
    }
    slots_[hole] = Node{};
    slot_of_[id] = free_id_;
    free_id_ = id;
    --count_;
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::set_text(Node& node, std::string_view level) {
    assert(level.size() <= 0xFFFF);
    node.text_size_ = static_cast<std::uint16_t>(level.size());
    if (level.size() <= Node::kInline) {
        std::copy(level.begin(), level.end(), node.text_);
        return;
    }
    const std::uint64_t offset = long_texts_.size();
    std::memcpy(node.text_, &offset, sizeof offset);
    long_texts_ += level;
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::drop_text(const Node& node) {
    if (node.text_size_ <= Node::kInline) return;
    wasted_text_ += node.text_size_;
    if (wasted_text_ < kLeastWaste || wasted_text_ * 2 < long_texts_.size()) return;
    std::string kept;
    kept.reserve(long_texts_.size() - wasted_text_);
    for (Node& other : slots_) {
        if (other.id_ == 0 || other.text_size_ <= Node::kInline || &other == &node) continue;
        const std::uint64_t offset = kept.size();
        kept += text(other);
        std::memcpy(other.text_, &offset, sizeof offset);
    }
    long_texts_ = std::move(kept);
    wasted_text_ = 0;
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::append_path(std::uint32_t id, std::string& path) const {
    std::vector<const Node*> levels;
    for (const Node* node = &at(id); node->id_ != kRoot; node = &at(node->parent_)) {
        levels.push_back(node);
    }
    for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
        if (level != levels.rbegin()) path += '/';
        path += text(**level);
    }
}

template <typename Payload, auto Hash>
void LevelTable<Payload, Hash>::resize(std::size_t capacity) {
    for (;; capacity += capacity / 2) {
        std::vector<Node> slots(capacity + kSlack);
        capacity_ = capacity;
        // Homes rise with the key, so one pass over the old slots fills the new ones in order.
        std::size_t place = 0;
        const Node* node = slots_.data();
        const Node* end = node + slots_.size();
        for (; node != end; ++node) {
            if (node->id_ == 0) continue;
            place = std::max(place, home(node->key_));
            if (place + 1 >= slots.size()) break;
            slots[place++] = *node;
        }
        if (node != end) continue;  // the slack was too small for the last ones
        slots_ = std::move(slots);
        break;
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].id_ != 0) slot_of_[slots_[i].id_] = static_cast<std::uint32_t>(i);
    }
}

}  // namespace mqttwin::broker
