// The sending half of a session, the same for a client and a broker: messages in flight with
// their packet identifiers, and messages waiting for a place among them.
#pragma once

#include <cstdint>

#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/session/engine.hpp"
#include "mqttwin/session/qos_table.hpp"
#include "mqttwin/session/received_ids.hpp"
#include "mqttwin/session/slab.hpp"
#include "mqttwin/wire/types.hpp"

namespace mqttwin {

/// A message in flight or waiting, or a SUBSCRIBE or UNSUBSCRIBE awaiting its answer. Lives in a
/// slab that all sessions of an engine share; `next` links those of one session.
struct Pending {
    Stamp stamp;
    /// The owner's handle: a client keeps the encoded packet (a BlobId), a broker its message.
    /// Free for the owner's use in SUBSCRIBE and UNSUBSCRIBE.
    std::uint32_t message = 0;
    std::uint32_t next = Slab<int>::kNone;
    wire::PacketId id = 0;  // 0 while waiting in a queue
    SendState state = SendState::none;
    wire::QoS qos = wire::QoS::at_most_once;
    /// Not yet sent (again) on this connection; kept by SendWindow.
    bool unsent = false;
    /// Sent before: DUP is set when it is sent again [MQTT-3.3.1-1]. The owner's.
    bool sent_before = false;
};
static_assert(sizeof(Pending) == 32);

using PendingSlab = Slab<Pending>;
inline constexpr std::uint32_t kNoPending = PendingSlab::kNone;

/// Messages that wait, first in, first out. 12 bytes; the owner sees to its bound.
class MessageQueue {
   public:
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::uint32_t count() const { return count_; }
    /// The oldest, or kNoPending.
    [[nodiscard]] std::uint32_t front() const { return first_; }

    /// Takes a record that is in no list.
    void push_back(PendingSlab& slab, std::uint32_t index);
    /// Unlinks the oldest, which the caller then gives back or adds to a window.
    /// Precondition: not empty.
    std::uint32_t pop_front(PendingSlab& slab);
    /// Unlinks the record after `previous` (kNoPending: the oldest).
    std::uint32_t remove_after(PendingSlab& slab, std::uint32_t previous);

    /// `visit(index)`, oldest first; may give the record back, may not change the queue otherwise.
    template <typename Visit>
    void for_each(const PendingSlab& slab, Visit visit) const {
        for (std::uint32_t at = first_; at != kNoPending;) {
            const std::uint32_t next = slab[at].next;
            visit(at);
            at = next;
        }
    }
    /// `release(index)` for each, oldest first, then gives all of them back.
    template <typename Release>
    void clear(PendingSlab& slab, Release release) {
        for_each(slab, [&](std::uint32_t index) {
            release(index);
            slab.give_back(index);
        });
        *this = MessageQueue{};
    }

   private:
    friend class SendWindow;
    std::uint32_t first_ = kNoPending;
    std::uint32_t last_ = kNoPending;
    std::uint32_t count_ = 0;
};
static_assert(sizeof(MessageQueue) == 12);

/// What one session has sent and not seen acknowledged, with the packet identifiers in use.
///
/// One list: first the messages that await PUBCOMP, in the order in which their PUBRECs came
/// [MQTT-4.6.0-4]; then everything else in the order in which it was first sent [MQTT-4.6.0-1].
/// So a peer that answers in order is served in O(1), and a walk gives the order of redelivery.
/// The owner bounds `messages()` (receive maximum, own limit) before it adds.
class SendWindow {
   public:
    /// Packet identifiers that exist: no session has more in use.
    static constexpr std::uint32_t kIdentifiers = 65535;

    /// Links a record (in no list; `state` and `qos` set) under a packet identifier that is not
    /// in use [MQTT-2.2.1-3], [MQTT-2.2.1-4], [MQTT-4.3.2-1], [MQTT-4.3.3-1] (3.1.1:
    /// [MQTT-4.3.2-1], [MQTT-4.3.3-1]), and returns that; 0, with nothing done, when all are in
    /// use. Identifiers are handed out in a circle. O(1), but for one walk and 8 KiB of stack each
    /// time that an identifier still in use is met.
    wire::PacketId add(PendingSlab& slab, std::uint32_t index);

    /// The record with this identifier, or kNoPending. O(1) for the next one expected to be
    /// answered, otherwise a walk. `hint` is the state that the answer belongs to.
    struct Place {
        std::uint32_t index = kNoPending;
        std::uint32_t previous = kNoPending;
        explicit operator bool() const { return index != kNoPending; }
    };
    [[nodiscard]] Place find(const PendingSlab& slab, wire::PacketId id, SendState hint) const;

    /// What an answer does, by the table; `index` is the record it concerns, if there is one.
    /// Nothing has changed yet.
    struct Verdict {
        const SendTransition* transition = nullptr;
        Place place;
    };
    [[nodiscard]] Verdict judge(const PendingSlab& slab, wire::PacketId id, SendInput input) const;

    /// PUBREC came: the record awaits PUBCOMP from now on (does nothing if it did already).
    void release(PendingSlab& slab, Place place);
    /// Unlinks a record and frees its identifier; the caller gives it back or queues it.
    void remove(PendingSlab& slab, Place place);

    /// Messages (not lists) in the window: what counts against a receive maximum. Those that have
    /// not been sent on this connection yet (`mark_unsent`) do not.
    [[nodiscard]] std::uint32_t messages() const { return messages_ - unsent_; }
    /// Messages and lists: identifiers in use.
    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::uint32_t first() const { return first_; }

    // Redelivery on a new connection: what awaits PUBCOMP gets its PUBREL again; PUBLISHes are
    // marked, and sent in order as the peer's receive maximum allows, before anything new.
    void mark_unsent(PendingSlab& slab);
    [[nodiscard]] std::uint32_t unsent() const { return unsent_; }
    /// The first that is marked.
    [[nodiscard]] Place next_unsent(const PendingSlab& slab) const;
    void mark_sent(PendingSlab& slab, std::uint32_t index);

    /// Lists do not survive their connection: `release(index)` for each, then they are given back.
    template <typename Release>
    void drop_lists(PendingSlab& slab, Release release) {
        Place at{first_, kNoPending};
        while (at) {
            const std::uint32_t next = slab[at.index].next;
            if (!is_list(slab[at.index].state)) {
                at.previous = at.index;
            } else {
                remove(slab, at);
                release(at.index);
                slab.give_back(at.index);
            }
            at.index = next;
        }
    }
    /// The session is over for the peer, not for us: moves all messages, in order, to the head of
    /// `queue`, without identifiers. Precondition: nothing awaits PUBCOMP, no lists.
    void requeue(PendingSlab& slab, MessageQueue& queue);

    /// `visit(index)` in the order of redelivery; may not change the window.
    template <typename Visit>
    void for_each(const PendingSlab& slab, Visit visit) const {
        for (std::uint32_t at = first_; at != kNoPending;) {
            const std::uint32_t next = slab[at].next;
            visit(at);
            at = next;
        }
    }
    /// `release(index)` for each, then gives all back. Identifiers go on where they were.
    template <typename Release>
    void clear(PendingSlab& slab, Release release) {
        for_each(slab, [&](std::uint32_t index) {
            release(index);
            slab.give_back(index);
        });
        const wire::PacketId last_id = last_id_;
        *this = SendWindow{};
        last_id_ = last_id;
    }

    /// The identifier handed out last, for an owner that drops empty windows and restores them.
    [[nodiscard]] wire::PacketId last_id() const { return last_id_; }
    /// Precondition: the window is empty.
    void resume_ids(wire::PacketId last_id);

    /// Loads the oldest record.
    void prefetch(const PendingSlab& slab) const {
        if (first_ != kNoPending) prefetch_all(slab[first_]);
    }

   private:
    [[nodiscard]] Place find_from(const PendingSlab& slab, Place from, wire::PacketId id) const;
    [[nodiscard]] Place after_released(const PendingSlab& slab) const;
    void unlink(PendingSlab& slab, Place place);
    void find_free_run(const PendingSlab& slab);

    std::uint32_t first_ = kNoPending;
    std::uint32_t last_ = kNoPending;
    std::uint32_t last_released_ = kNoPending;  // end of the part that awaits PUBCOMP
    std::uint16_t count_ = 0;
    std::uint16_t messages_ = 0;
    std::uint16_t unsent_ = 0;
    wire::PacketId last_id_ = 0;
    // How many identifiers after last_id_, in the circle 1 to 65,535, are known to be free.
    // Identifiers come into use nowhere else, so the knowledge lasts until they are used up.
    std::uint16_t free_run_ = 0;
};
static_assert(sizeof(SendWindow) <= 24);

}  // namespace mqttwin
