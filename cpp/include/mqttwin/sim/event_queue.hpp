// What happens next: the events of a world in a total order that nobody else's events can change.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/base/slab.hpp"

namespace mqttwin::sim {

/// What an event's key says: whose event it is, and what kind.
///
/// The order of events is the instant, then the key. So ties are settled by the entity's stable
/// rank (its population's rank in the world, then its index there), then by kind and detail; never
/// by the order of insertion, and an unrelated entity changes nothing. The key is global: events
/// of a world that is cut into partitions merge into the same order.
struct EventKey {
    std::uint16_t population = 0;  // rank of the population, by name
    std::uint32_t entity = 0;      // index within it
    std::uint8_t kind = 0;
    std::uint8_t detail = 0;

    [[nodiscard]] constexpr std::uint64_t pack() const {
        return std::uint64_t{population} << 48U | std::uint64_t{entity} << 16U |
               std::uint64_t{kind} << 8U | detail;
    }
    [[nodiscard]] static constexpr EventKey unpack(std::uint64_t key) {
        return {static_cast<std::uint16_t>(key >> 48U), static_cast<std::uint32_t>(key >> 16U),
                static_cast<std::uint8_t>(key >> 8U), static_cast<std::uint8_t>(key)};
    }
    friend constexpr auto operator<=>(const EventKey&, const EventKey&) = default;
};

/// Plain data, handed over in two registers; two equal events are interchangeable.
struct Event {
    std::int64_t at = 0;    // nanoseconds
    std::uint64_t key = 0;  // EventKey::pack()

    friend constexpr auto operator<=>(const Event&, const Event&) = default;
};

/// A ladder queue (Tang, Goh, Thng: "Ladder queue: an O(1) priority queue structure for large-scale
/// discrete event simulation", ACM TOMACS 15(3), 2005), in chunks.
///
/// The next few dozen events are sorted (`bottom`), the rest only sorted into buckets, finer the
/// sooner: rungs of up to 1,024 buckets, each rung inside one bucket of the rung above it, and a
/// heap without order for all that is later (`top`). A bucket is a chain of chunks of 64 events. So
/// pushing writes to the end of one of few chunks, and popping reads chunks from end to end: both
/// stay fast when there are far more events than the cache holds.
///
/// Buckets divide instants or, where all events are of one instant, keys: so a million events at
/// once are no worse than others.
///
/// State is plain and holds no pointers into itself: a copy is a fork.
class EventQueue {
   public:
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }

    /// Precondition: not earlier than the instant of the last event popped.
    void push(Event event);
    /// The next event. Precondition of both: not empty. A push or pop ends the reference.
    [[nodiscard]] const Event& top() const {
        assert(size_ != 0);
        return bottom_[head_];
    }
    Event pop();

    /// From the next pop on so many of the next events, one at least, are sorted after each.
    static constexpr std::size_t kMostForeseen = 64;
    void foresee(std::size_t n) {
        assert(n > 0 && n <= kMostForeseen);
        foreseen_ = n;
    }
    /// At most `n` of the next events, soonest first; fewer where no more are sorted so far, one at
    /// least unless the queue is empty. To load what they will touch. Until the next push or pop.
    [[nodiscard]] std::span<const Event> upcoming(std::size_t n) const {
        return std::span(bottom_).subspan(head_, n < tail_ - head_ ? n : tail_ - head_);
    }

    /// Calls visitor(const Event&) for each pending event, in no particular order.
    template <typename Visitor>
    void for_each(Visitor&& visitor) const;
    /// Replaces the key of each pending event by function(key): ranks have moved because a
    /// population was added.
    template <typename Function>
    void rekey(Function&& function);

    /// Forgets everything, also what was popped last.
    void clear() { *this = {}; }
    /// The events; not how they lie, which makes no difference.
    void archive(Archive& a);
    /// Bytes held.
    [[nodiscard]] std::size_t footprint() const;

   private:
    /// An event as one number that orders like (at, key).
    __extension__ using Position = unsigned __int128;
    static constexpr Position kLast = ~Position{0};
    static Position position(const Event& event) {
        constexpr std::uint64_t kSign = 1ULL << 63U;
        return Position{static_cast<std::uint64_t>(event.at) ^ kSign} << 64U | event.key;
    }

    static constexpr std::uint32_t kChunkEvents = 64;
    static constexpr std::uint32_t kNone = 0xFFFF'FFFFU;

    struct Chunk {
        Event events[kChunkEvents];
    };
    /// Chunks by index, and which one comes behind each.
    class Chunks {
       public:
        std::uint32_t take(std::uint32_t next) {
            const std::uint32_t chunk = chunks_.take_used();
            if (chunk >= next_.size()) next_.resize(chunk + 1);
            next_[chunk] = next;
            return chunk;
        }
        void give_back(std::uint32_t chunk) { chunks_.give_back(chunk); }
        Event* events(std::uint32_t chunk) { return chunks_[chunk].events; }
        [[nodiscard]] const Event* events(std::uint32_t chunk) const {
            return chunks_[chunk].events;
        }
        [[nodiscard]] std::uint32_t next(std::uint32_t chunk) const { return next_[chunk]; }
        /// The beginning of one; the processor sees from there what it is about.
        void prefetch(std::uint32_t chunk) const {
            if (chunk >= next_.size()) return;
            const Event* const begin = events(chunk);
            for (std::uint32_t i = 0; i < 16; i += 4) mqttwin::prefetch(begin + i);
        }
        [[nodiscard]] std::size_t footprint() const {
            return chunks_.footprint() + next_.capacity() * sizeof next_[0];
        }

       private:
        ChunkedSlab<Chunk> chunks_;
        std::vector<std::uint32_t> next_;
    };

    /// Events without order. All chunks but the first are full.
    struct Bucket {
        std::uint32_t chunk = kNone;
        std::uint32_t count = 0;
    };

    struct Rung {
        Event first;             // the earliest when it was made: where its first bucket begins
        bool by_key = false;     // all have its instant; else buckets hold whole instants
        Position threshold = 0;  // where bucket `current` begins: what is earlier is not for here
        std::vector<Bucket> buckets;
        std::uint32_t used = 0;     // how many of them
        std::uint32_t current = 0;  // those before it have gone to finer rungs or the bottom
        std::uint32_t shift = 0;    // log2 of a bucket's width
        std::size_t count = 0;      // of events, never 0 between calls

        /// The bucket of an event; the first and the last also take what lies outside.
        [[nodiscard]] std::uint32_t bucket_of(const Event& event) const {
            if (by_key) [[unlikely]]
                return bucket_of_key(event);
            if (event.at <= first.at) return 0;
            return within(
                (static_cast<std::uint64_t>(event.at) - static_cast<std::uint64_t>(first.at)) >>
                shift);
        }
        [[nodiscard]] std::uint32_t bucket_of_key(const Event& event) const {
            if (event <= first) return 0;
            return event.at == first.at ? within((event.key - first.key) >> shift) : used - 1;
        }
        [[nodiscard]] std::uint32_t within(std::uint64_t bucket) const {
            return bucket < used ? static_cast<std::uint32_t>(bucket) : used - 1;
        }
        void set_current(std::uint32_t bucket) {
            current = bucket;
            const Position begin = position(first);
            const Position passed = Position{bucket} << shift;
            threshold = bucket == 0 ? begin
                        : by_key    ? begin + passed
                                    : ((begin >> 64U) + passed) << 64U;
        }
    };

    void append(Bucket& bucket, Event event) {
        const std::uint32_t place = bucket.count++ % kChunkEvents;
        if (place == 0) bucket.chunk = chunks_.take(bucket.chunk);
        chunks_.events(bucket.chunk)[place] = event;
    }
    template <typename Visitor>
    void visit(const Bucket& bucket, Visitor&& visitor) const;
    template <typename Visitor>
    void consume(Bucket& bucket, Visitor&& visitor);

    void insert_bottom(Event event);
    void reserve_bottom(std::size_t count);
    void sort_bottom(std::size_t begin);
    void take_bucket(Bucket& bucket);
    void refill();
    void refill_from_top();
    void split(Bucket& bucket);
    void spread_bottom();
    void collapse();
    void drop_empty_rung();

    std::size_t size_ = 0;
    std::int64_t last_at_ = std::numeric_limits<std::int64_t>::min();
    // The bottom: sorted, empty only if the queue is. Everything earlier than the finest rung.
    std::vector<Event> bottom_;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
    std::size_t foreseen_ = 20;
    // The first `depth_` are in use, the coarsest first; the rest keep their memory.
    std::vector<Rung> rungs_;
    std::size_t depth_ = 0;
    Bucket top_;
    Position top_start_ = 0;  // what is not earlier goes to the top
    Chunks chunks_;
};

inline void EventQueue::push(Event event) {
    assert(event.at >= last_at_);
    ++size_;
    const Position x = position(event);
    if (x >= top_start_ && size_ != 1) {
        append(top_, event);
        return;
    }
    for (std::size_t i = 0; i < depth_; ++i) {
        Rung& rung = rungs_[i];
        if (x >= rung.threshold) {
            append(rung.buckets[rung.bucket_of(event)], event);
            ++rung.count;
            return;
        }
    }
    insert_bottom(event);
}

inline Event EventQueue::pop() {
    assert(size_ != 0);
    const Event event = bottom_[head_++];
    last_at_ = event.at;
    --size_;
    if (tail_ - head_ < foreseen_ && tail_ - head_ < size_) refill();
    return event;
}

template <typename Visitor>
void EventQueue::visit(const Bucket& bucket, Visitor&& visitor) const {
    std::uint32_t left = bucket.count;
    for (std::uint32_t chunk = bucket.chunk; left > 0; chunk = chunks_.next(chunk)) {
        const std::uint32_t here = (left - 1) % kChunkEvents + 1;
        chunks_.prefetch(chunks_.next(chunk));
        const Event* events = chunks_.events(chunk);
        for (std::uint32_t i = 0; i < here; ++i) visitor(events[i]);
        left -= here;
    }
}

template <typename Visitor>
void EventQueue::for_each(Visitor&& visitor) const {
    for (const Event& event : upcoming(size_)) visitor(event);
    for (std::size_t i = 0; i < depth_; ++i) {
        for (std::uint32_t b = rungs_[i].current; b < rungs_[i].used; ++b) {
            visit(rungs_[i].buckets[b], visitor);
        }
    }
    visit(top_, visitor);
}

template <typename Function>
void EventQueue::rekey(Function&& function) {
    collapse();
    std::uint32_t left = top_.count;
    for (std::uint32_t chunk = top_.chunk; left > 0; chunk = chunks_.next(chunk)) {
        const std::uint32_t here = (left - 1) % kChunkEvents + 1;
        Event* events = chunks_.events(chunk);
        for (std::uint32_t i = 0; i < here; ++i) events[i].key = function(events[i].key);
        left -= here;
    }
    refill();
}

}  // namespace mqttwin::sim
