#include "mqttwin/trace/stream_bytes.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace mqttwin::trace {
namespace {

constexpr std::size_t kFewReleased = 16;  // do not move the rest for these

bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

std::uint32_t append_zeros(std::uint32_t count, std::vector<ByteView>& out) {
    static constexpr std::array<std::uint8_t, 2'048> kZeros{};
    for (std::uint32_t left = count; left > 0;) {
        const std::uint32_t some = std::min<std::uint32_t>(left, kZeros.size());
        out.push_back(ByteView(kZeros).first(some));
        left -= some;
    }
    return count;
}

/// Bytes `from` to before `to` of a write, within what of them is in `blob`, which begins at `at`.
void append_part(ByteView blob, std::size_t at, std::size_t from, std::size_t to,
                 std::vector<ByteView>& out) {
    const std::size_t begin = std::max(from, at);
    const std::size_t end = std::min(to, at + blob.size());
    if (begin < end) out.push_back(blob.subspan(begin - at, end - begin));
}

}  // namespace

void StreamBytes::add(BlobPool& pool, std::uint32_t seq, BlobId head, BlobId body) {
    assert(size() == 0 || writes_.back().end == seq);
    const std::size_t bytes = pool.bytes(head).size() + pool.bytes(body).size();
    if (bytes == 0) return;
    pool.retain(head);
    pool.retain(body);
    writes_.push_back({seq, seq + static_cast<std::uint32_t>(bytes), head, body});
}

std::uint32_t StreamBytes::append_bytes(const BlobPool& pool, std::uint32_t begin,
                                        std::uint32_t end, std::vector<ByteView>& out) const {
    if (size() == 0) return append_zeros(end - begin, out);
    std::uint32_t absent = 0;
    const std::uint32_t known = writes_[first_].begin;
    if (before(begin, known)) {
        const std::uint32_t until = before(known, end) ? known : end;
        absent += append_zeros(until - begin, out);
        begin = until;
    }
    auto write =
        std::partition_point(writes_.begin() + static_cast<std::ptrdiff_t>(first_), writes_.end(),
                             [begin](const Write& w) { return !before(begin, w.end); });
    for (; write != writes_.end() && before(begin, end); ++write) {
        const std::uint32_t until = before(write->end, end) ? write->end : end;
        const std::size_t from = begin - write->begin;
        const std::size_t to = until - write->begin;
        const ByteView head = pool.bytes(write->head);
        append_part(head, 0, from, to, out);
        append_part(pool.bytes(write->body), head.size(), from, to, out);
        begin = until;
    }
    return absent + append_zeros(end - begin, out);
}

void StreamBytes::release_up_to(BlobPool& pool, std::uint32_t ack) {
    while (first_ < writes_.size() && !before(ack, writes_[first_].end)) {
        pool.release(writes_[first_].head);
        pool.release(writes_[first_].body);
        ++first_;
    }
    if (first_ == writes_.size() || (first_ > kFewReleased && 2 * first_ > writes_.size())) {
        writes_.erase(writes_.begin(), writes_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
}

void StreamBytes::clear(BlobPool& pool) {
    if (size() > 0) release_up_to(pool, writes_.back().end);
}

}  // namespace mqttwin::trace
