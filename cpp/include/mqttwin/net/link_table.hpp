// The links of a population of devices: one spec, and the state of each link in a row of as few
// words as the spec needs.
//
// A link of constant latency has no state, loss or jitter adds a draw counter (one word for both
// directions), constant loss another word, bandwidth an instant a direction, and so on: see
// `Layout`. Every draw is a function of (seed, population, purpose, device, number), so no device's
// fate depends on another's.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/computed_once.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/slab.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/link.hpp"
#include "mqttwin/net/shared_capacity.hpp"

namespace mqttwin::net {

class LinkTable {
   public:
    LinkTable() = default;
    /// Throws std::invalid_argument for a spec that `check` refuses.
    LinkTable(const LinkSpec& spec, std::uint64_t seed, std::string_view population,
              std::uint32_t devices);

    /// A packet of `bytes` on the IP level from the device (`up`) or to it. `now` never goes
    /// backwards. It passes the shared medium first, if there is one, then the device's own link.
    Passage offer(Instant now, std::uint32_t device, bool up, std::uint32_t bytes,
                  SharedCapacity* shared = nullptr) {
        Passage passage;
        offer(now, device, up, bytes, shared, passage);
        return passage;
    }
    /// The same into a new passage of the caller: copied as a whole right behind the small stores
    /// that make it, it would have to wait for them.
    void offer(Instant now, std::uint32_t device, bool up, std::uint32_t bytes,
               SharedCapacity* shared, Passage& passage) {
        if (!ways_[up ? 0 : 1].simple || shared != nullptr || bytes > spec_.mtu || any_down_ > 0) {
            passage = pass(now, device, up, bytes, shared);
        } else {
            offer_swiftly(now, device, up, bytes, passage);
        }
    }
    /// Both ways are simple, and no device's link is down.
    [[nodiscard]] bool swift() const {
        return ways_[0].simple && ways_[1].simple && any_down_ == 0;
    }
    /// As long as they are: the same without asking. Precondition: `bytes` are within the MTU.
    void offer_swiftly(Instant now, std::uint32_t device, bool up, std::uint32_t bytes,
                       Passage& passage) {
        const std::size_t side = up ? 0 : 1;
        const Way& way = computed_once(ways_[side]);
        assert(way.simple && any_down_ == 0 && bytes <= spec_.mtu);
        passage.departs = now;
        std::int64_t* const row = row_of(device);
        if (way.limited) {
            std::int64_t& taken = row[layout_.free[side]];
            Instant free{taken};
            if (!queue_up(now, sending_time(bytes, way.bandwidth), way.longest, free)) {
                passage.fate = Passage::Fate::queue_full;
                return;
            }
            taken = free.ns;
            passage.departs = free;
        }
        if (way.lossy && loses(row, device, up, take_number(row, up))) {
            passage.fate = Passage::Fate::lost;
            return;
        }
        passage.arrives = passage.departs + way.latency;
    }

    /// Somebody pulls the plug of one device: nothing passes in either direction until it is back.
    void set_down(std::uint32_t device, bool down);
    [[nodiscard]] bool is_down(std::uint32_t device) const {
        return any_down_ > 0 && ((down_[device / 64] >> (device % 64)) & 1) != 0;
    }
    /// Whether the device's link is up: neither an outage nor `set_down`. As in `offer`, time
    /// never goes backwards.
    bool up(Instant now, std::uint32_t device);
    /// When the device listens next: `now` if it does.
    Instant listens_at(Instant now, std::uint32_t device);

    [[nodiscard]] const LinkSpec& spec() const { return spec_; }
    [[nodiscard]] std::uint32_t devices() const { return devices_; }
    /// Bytes of state of each device, what waits in queues bounded by number apart.
    [[nodiscard]] std::size_t bytes_per_device() const { return width_ * sizeof(std::int64_t); }
    [[nodiscard]] std::size_t footprint() const;
    void prefetch(std::uint32_t device) const {
        if (width_ > 0) mqttwin::prefetch(rows_.data() + std::size_t{device} * width_);
    }
    /// The state of its devices' links, not what they are.
    void archive(Archive& a) {
        a(any_down_, rows_, down_, waiting_);
        if (rows_.size() != std::size_t{devices_} * width_) a.fail("links of other devices");
    }

   private:
    static constexpr std::uint8_t kAbsent = 0xFF;
    static constexpr std::uint32_t kNone = Slab<int>::kNone;

    /// Where in a row a word is, if anywhere.
    struct Layout {
        std::uint8_t draws = kAbsent;   // counters, 32 bits each: up, down
        std::uint8_t losses = kAbsent;  // the number of the next lost packet: the same
        std::uint8_t flags = kAbsent;   // see `Flags`
        std::array<std::uint8_t, 2> free{kAbsent, kAbsent};     // the bandwidth is taken until then
        std::array<std::uint8_t, 2> arrival{kAbsent, kAbsent};  // the last, where order needs it
        std::array<std::uint8_t, 2> seen{kAbsent, kAbsent};  // when the state of bursts was drawn
        std::array<std::uint8_t, 2> waiting{kAbsent,
                                            kAbsent};  // first and last of a queue, 32 bits
        std::uint8_t counts = kAbsent;                 // of those queues, 32 bits each
        std::uint8_t last_packet = kAbsent;            // for sleep
        std::uint8_t held_until = kAbsent;             // for sleep
        std::uint8_t turn = kAbsent;                   // the next change of a random outage
    };
    /// Small things, in one word.
    struct Flags {
        std::array<bool, 2> bad{};
        bool down = false;
        bool begun = false;         // the outages
        std::uint16_t held = 0;     // packets kept while it sleeps
        std::uint32_t changes = 0;  // of random outages, drawn so far
        [[nodiscard]] std::int64_t pack() const;
        static Flags unpack(std::int64_t word);
    };
    struct Way {
        bool simple = true;  // latency, independent loss, a queue bounded by bytes; nothing else
        bool ordered = false;
        Duration latency;
        bool varies = false;     // the loss, with time
        double loss = 0.0;       // unless it does
        double loss_rate = 0.0;  // a packet: -ln(1 - loss), which is never below the loss
        double bandwidth = 0.0;
        bool lossy = false;    // loss > 0
        bool limited = false;  // bandwidth > 0
        Duration longest;      // of the queue
        StreamKey packets;
        StreamKey losses;
        StreamKey bursts;
        std::size_t hint = 0;  // into the latency curve
    };
    struct Waiting {
        Instant departs;
        std::uint32_t next = kNone;
    };

    void lay_out();
    std::int64_t* row_of(std::uint32_t device) {
        return rows_.data() + std::size_t{device} * width_;
    }
    std::int64_t& word(std::uint32_t device, std::uint8_t which) { return row_of(device)[which]; }
    /// The number of a packet among those of its direction, from which all its draws follow.
    std::uint32_t take_number(std::int64_t* row, bool up) {
        return take_half(row[layout_.draws], up, 1);
    }
    /// Of a word in which 32 bits stand for each direction: those of one.
    static std::uint32_t half(const std::int64_t& word, bool up) {
        std::uint32_t value;
        std::memcpy(&value, bytes_of(word) + (up ? 0 : sizeof value), sizeof value);
        return value;
    }
    /// Adds to them; what they were before.
    static std::uint32_t take_half(std::int64_t& word, bool up, std::uint32_t more) {
        const std::uint32_t value = half(word, up);
        const std::uint32_t next = value + more;
        std::memcpy(bytes_of(word) + (up ? 0 : sizeof next), &next, sizeof next);
        return value;
    }
    static const std::byte* bytes_of(const std::int64_t& word) {
        static_assert(std::endian::native == std::endian::little, "the lower half comes first");
        return reinterpret_cast<const std::byte*>(&word);
    }
    static std::byte* bytes_of(std::int64_t& word) { return reinterpret_cast<std::byte*>(&word); }

    /// Independent loss of a constant share, asked once for each packet. Not drawn for each: the
    /// number of packets until the next loss is geometric, and drawn once a loss. Losses are
    /// distributed as if each packet were drawn for, and packets that are not lost cost no draw.
    bool loses(const std::int64_t* row, std::uint32_t device, bool up, std::uint32_t number) {
        if (half(row[layout_.losses], up) != number) [[likely]] {
            return false;
        }
        return meet_loss(device, up, number);
    }
    bool meet_loss(std::uint32_t device, bool up, std::uint32_t number);
    Passage pass(Instant now, std::uint32_t device, bool up, std::uint32_t bytes,
                 SharedCapacity* shared);
    bool queue(Instant now, std::uint32_t device, std::size_t side, std::uint32_t bytes,
               Passage& passage);
    bool lost_in_burst(Instant now, std::uint32_t device, std::size_t side, std::uint32_t number);
    bool in_scheduled_outage(Instant now);
    bool in_random_outage(Instant now, std::uint32_t device);
    bool find_awake(Instant now, std::uint32_t device, bool up, Passage& passage);
    [[nodiscard]] Instant next_window(Instant now, std::uint32_t device, Instant last) const;

    LinkSpec spec_;
    std::uint32_t devices_ = 0;
    std::uint32_t any_down_ = 0;
    std::size_t width_ = 0;  // words of a row
    Layout layout_;
    std::array<Way, 2> ways_;
    StreamKey sleep_key_;
    StreamKey outage_key_;
    std::size_t outage_hint_ = 0;
    std::vector<std::int64_t> rows_;
    std::vector<std::uint64_t> down_;  // a bit a device, from the first `set_down` on
    Slab<Waiting> waiting_;
};

}  // namespace mqttwin::net
