#include "mqttwin/sim/event_queue.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace mqttwin::sim {

namespace {

constexpr std::uint32_t kBuckets = 1024;        // of a rung, at most
constexpr std::uint32_t kPerBucket = 4;         // events a bucket is to get where there are few
constexpr std::uint32_t kSplit = 128;           // a bucket with more is split before it is sorted
constexpr std::size_t kSortedByInsertion = 16;  // so few are not counted
constexpr std::size_t kMoved = 128;             // events moved by one insertion into the bottom
constexpr std::size_t kSoon = 8;                // places from the front that are asked one by one
constexpr std::size_t kBottomRoom = 512;        // places of the bottom to begin with
static_assert(kSplit <= 2 * kMoved);

/// The events of a bucket are spread over its time: counted into places, of which few get more than
/// one or two, they are nearly sorted, and no comparison was a toss of a coin. False: they are
/// crowded, and nothing was done.
bool sort_by_counting(std::span<Event> events) {
    constexpr int kPlaceBits = 7;
    constexpr std::size_t kPlaces = std::size_t{1} << kPlaceBits;
    constexpr std::uint32_t kCrowd = 8;
    static_assert(kSplit <= 128);  // numbers of places in bytes
    std::int64_t first = events[0].at;
    std::int64_t last = first;
    for (const Event& event : events) {
        first = std::min(first, event.at);
        last = std::max(last, event.at);
    }
    const auto since = [first](std::int64_t at) {
        return static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(first);
    };
    // Up to four times as many as events.
    const int place_bits =
        std::min(kPlaceBits, static_cast<int>(std::bit_width(events.size() - 1)) + 1);
    const int shift = std::max(0, 64 - std::countl_zero(since(last)) - place_bits);
    std::array<std::uint8_t, kPlaces> places{};  // how many events; then where the next one goes
    for (const Event& event : events) ++places[since(event.at) >> shift];
    std::uint32_t before = 0;
    std::uint32_t most = 0;
    for (std::uint8_t& place : std::span(places).first(std::size_t{1} << place_bits)) {
        const std::uint32_t here = place;
        most = std::max(most, here);
        place = static_cast<std::uint8_t>(before);
        before += here;
    }
    if (most > kCrowd) return false;
    std::array<Event, kSplit> sorted;
    for (const Event& event : events) sorted[places[since(event.at) >> shift]++] = event;
    for (std::size_t i = 0; i < events.size(); ++i) {
        std::size_t place = i;
        for (; place > 0 && sorted[i] < events[place - 1]; --place) {
            events[place] = events[place - 1];
        }
        events[place] = sorted[i];
    }
    return true;
}

}  // namespace

std::size_t EventQueue::footprint() const {
    std::size_t bytes = chunks_.footprint() + bottom_.capacity() * sizeof(Event);
    for (const Rung& rung : rungs_) {
        bytes += sizeof rung + rung.buckets.capacity() * sizeof(Bucket);
    }
    return bytes;
}

/// Visits the events of a bucket and leaves it empty.
template <typename Visitor>
void EventQueue::consume(Bucket& bucket, Visitor&& visitor) {
    std::uint32_t left = bucket.count;
    std::uint32_t chunk = bucket.chunk;
    bucket = {};
    while (left > 0) {
        const std::uint32_t here = (left - 1) % kChunkEvents + 1;
        const std::uint32_t next = chunks_.next(chunk);
        chunks_.prefetch(next);
        const Event* events = chunks_.events(chunk);
        for (std::uint32_t i = 0; i < here; ++i) visitor(events[i]);
        chunks_.give_back(chunk);
        chunk = next;
        left -= here;
    }
}

// --- the bottom ---------------------------------------------------------------------------------

void EventQueue::insert_bottom(Event event) {
    const Position x = position(event);
    if (head_ == tail_) {  // the queue was empty
        reserve_bottom(1);
        bottom_[tail_++] = event;
        top_start_ = x;
        return;
    }
    const Event* const begin = bottom_.data() + head_;
    // Behind those that are not later; instants mostly tell, and are half as much to compare.
    const auto behind_all = [&](auto&& not_later) {
        const Event* at = begin;
        for (std::size_t n = tail_ - head_; n > 0;) {
            const std::size_t half = (n + 1) / 2;
            // A branch would be a toss of a coin.
            at += half & -static_cast<std::size_t>(not_later(at[half - 1]));
            n -= half;
        }
        return at;
    };
    // What is soon is counted, not searched for: where links are short, most arrivals are.
    const Event* found = begin;
    if (tail_ - head_ > kSoon && event.at < begin[kSoon].at) {
        for (std::size_t i = 0; i < kSoon; ++i) found += begin[i].at <= event.at ? 1 : 0;
    } else {
        found = behind_all([&](const Event& e) { return e.at <= event.at; });
    }
    if (found != begin && position(found[-1]) > x) {
        found = behind_all([&](const Event& e) { return position(e) <= x; });
    }
    const auto before = static_cast<std::size_t>(found - begin);
    const std::size_t behind = tail_ - head_ - before;
    if (std::min(before, behind) > kMoved) {
        spread_bottom();
        --size_;
        push(event);
        return;
    }
    if (head_ == 0 || tail_ == bottom_.size()) reserve_bottom(tail_ - head_ + 1);
    Event* const place = bottom_.data() + head_ + before;
    if (before < behind) {
        std::copy(bottom_.data() + head_, place, bottom_.data() + head_ - 1);
        --head_;
        place[-1] = event;
    } else {
        std::copy_backward(place, bottom_.data() + tail_, bottom_.data() + tail_ + 1);
        ++tail_;
        *place = event;
    }
}

/// Leaves room for `count` events in all, and for more on both sides.
void EventQueue::reserve_bottom(std::size_t count) {
    const std::size_t held = tail_ - head_;
    std::vector<Event> old;
    if (bottom_.size() < 2 * count) {
        old.resize(std::max(kBottomRoom, 4 * count));
        old.swap(bottom_);
    } else {
        old.assign(bottom_.begin() + static_cast<std::ptrdiff_t>(head_),
                   bottom_.begin() + static_cast<std::ptrdiff_t>(tail_));
        head_ = 0;
    }
    const std::size_t start = (bottom_.size() - count) / 2;
    std::copy_n(old.data() + head_, held, bottom_.data() + start);
    head_ = start;
    tail_ = start + held;
}

void EventQueue::sort_bottom(std::size_t begin) {
    const std::span<Event> events(bottom_.data() + begin, tail_ - begin);
    const bool countable = events.size() > kSortedByInsertion && events.size() <= kSplit;
    if (!countable || !sort_by_counting(events)) std::sort(events.begin(), events.end());
}

/// Appends a bucket, whose events are all later, to the bottom.
void EventQueue::take_bucket(Bucket& bucket) {
    if (bottom_.size() - tail_ < bucket.count) reserve_bottom(tail_ - head_ + bucket.count);
    const std::size_t begin = tail_;
    consume(bucket, [this](const Event& event) { bottom_[tail_++] = event; });
    sort_bottom(begin);
}

// --- rungs --------------------------------------------------------------------------------------

/// Fills the bottom, in which only a few are left.
void EventQueue::refill() {
    const std::size_t start = bottom_.size() / 4;
    if (head_ > start) {
        const std::size_t left = tail_ - head_;
        std::copy_n(bottom_.data() + head_, left, bottom_.data() + start);
        head_ = start;
        tail_ = start + left;
    }
    while (tail_ - head_ < foreseen_ && tail_ - head_ < size_) {
        if (depth_ == 0) {
            refill_from_top();
            continue;
        }
        Rung& rung = rungs_[depth_ - 1];
        std::uint32_t next = rung.current;
        while (rung.buckets[next].count == 0) ++next;
        if (rung.buckets[next].count > kSplit) {
            Bucket bucket = rung.buckets[next];
            rung.buckets[next] = {};
            rung.count -= bucket.count;
            rung.set_current(next + 1);
            drop_empty_rung();
            split(bucket);
            continue;
        }
        do {
            rung.count -= rung.buckets[next].count;
            take_bucket(rung.buckets[next]);
            ++next;
            if (rung.count == 0 || tail_ - head_ >= 2 * foreseen_) break;
            while (rung.buckets[next].count == 0) ++next;
        } while (tail_ - head_ + rung.buckets[next].count <= kSplit);
        rung.set_current(next);
        drop_empty_rung();
    }
    // While there is no rung, what is later than the bottom is best left in the top.
    if (depth_ == 0 && head_ != tail_) top_start_ = position(bottom_[tail_ - 1]);
}

void EventQueue::drop_empty_rung() {
    if (rungs_[depth_ - 1].count == 0) --depth_;
}

void EventQueue::refill_from_top() {
    Bucket all = top_;
    top_ = {};
    if (all.count <= kSplit) {
        take_bucket(all);
        return;
    }
    split(all);
    if (depth_ == 0) return;
    const Rung& rung = rungs_[0];
    // Behind its buckets, or its instant.
    const Position span = rung.by_key ? 1 : Position{rung.used} << rung.shift;
    const Position end = (position(rung.first) >> 64U) + span;
    top_start_ = end > kLast >> 64U ? kLast : end << 64U;
}

/// Makes a bucket a rung, the finest; or the bottom, if its events are all the same.
void EventQueue::split(Bucket& bucket) {
    Event first = chunks_.events(bucket.chunk)[0];
    std::int64_t last_at = first.at;
    std::uint64_t last_key = first.key;
    visit(bucket, [&](const Event& event) {
        first = std::min(first, event);
        last_at = std::max(last_at, event.at);
        last_key = std::max(last_key, event.key);
    });
    const bool by_key = first.at == last_at;
    const std::uint64_t span =
        by_key ? last_key - first.key
               : static_cast<std::uint64_t>(last_at) - static_cast<std::uint64_t>(first.at);
    if (span == 0) {
        take_bucket(bucket);
        return;
    }
    if (depth_ == rungs_.size()) rungs_.emplace_back();
    Rung& rung = rungs_[depth_++];
    rung.used = std::min(kBuckets, std::bit_ceil(bucket.count / kPerBucket));
    rung.buckets.assign(rung.used, Bucket{});
    rung.count = bucket.count;
    rung.first = first;
    rung.by_key = by_key;
    const int bits = 64 - std::countl_zero(span);
    rung.shift = static_cast<std::uint32_t>(std::max(0, bits - std::countr_zero(rung.used)));
    rung.set_current(0);
    consume(bucket,
            [&](const Event& event) { append(rung.buckets[rung.bucket_of(event)], event); });
}

/// Too much was inserted into the bottom: back into buckets with it, and on with less.
void EventQueue::spread_bottom() {
    if (depth_ == 0) {
        Bucket all;
        for (std::size_t i = head_; i < tail_; ++i) append(all, bottom_[i]);
        split(all);
    } else {
        Rung& rung = rungs_[depth_ - 1];
        for (std::size_t i = head_; i < tail_; ++i) {
            append(rung.buckets[rung.bucket_of(bottom_[i])], bottom_[i]);
        }
        rung.count += tail_ - head_;
        rung.set_current(rung.bucket_of(bottom_[head_]));
    }
    head_ = tail_ = bottom_.size() / 4;
    refill();
}

/// Everything into the top.
void EventQueue::collapse() {
    for (std::size_t i = head_; i < tail_; ++i) append(top_, bottom_[i]);
    head_ = tail_;
    for (; depth_ > 0; --depth_) {
        Rung& rung = rungs_[depth_ - 1];
        for (std::uint32_t b = rung.current; b < rung.used; ++b) {
            consume(rung.buckets[b], [this](const Event& event) { append(top_, event); });
        }
    }
}

void EventQueue::archive(Archive& a) {
    std::vector<Event> events;
    std::int64_t last = last_at_;
    if (!a.reading()) {
        events.reserve(size_);
        for_each([&](const Event& event) { events.push_back(event); });
        std::sort(events.begin(), events.end());
    }
    a(events, last);
    if (!a.reading()) return;
    clear();
    for (const Event& event : events) {
        if (event.at < last) a.fail("an event of the past");
        push(event);
    }
    last_at_ = last;
}

}  // namespace mqttwin::sim
