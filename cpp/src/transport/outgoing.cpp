#include "outgoing.hpp"

#include <algorithm>
#include <cstring>

namespace mqttwin::transport {

void Outgoing::push(Chain& chain, BlobId head, BlobId body) {
    const std::size_t size = pool_->bytes(head).size() + pool_->bytes(body).size();
    const std::uint32_t index = waiting_.take();
    waiting_[index] = {head, body, Chain::kNone};
    if (chain.empty()) {
        chain.first = index;
    } else {
        waiting_[chain.last].next = index;
    }
    chain.last = index;
    chain.bytes += size;
    bytes_ += size;
}

void Outgoing::discard(BlobId head, BlobId body) {
    pool_->release(head);
    pool_->release(body);
}

// Adds a piece, from `skip` on; false when there is no room for it.
bool Outgoing::add(ByteView view, std::size_t skip, std::size_t& pieces, std::size_t& used) {
    if (skip >= view.size()) return true;
    view = view.subspan(skip);
    if (view.size() <= kCopied) {
        if (used + view.size() > buffer_.size()) return false;
        std::uint8_t* const place = buffer_.data() + used;
        const bool adjoins =
            pieces > 0 && static_cast<std::uint8_t*>(pieces_[pieces - 1].iov_base) +
                                  pieces_[pieces - 1].iov_len ==
                              place;
        if (!adjoins && pieces == kPieces) return false;
        std::memcpy(place, view.data(), view.size());
        used += view.size();
        if (adjoins) {
            pieces_[pieces - 1].iov_len += view.size();
        } else {
            pieces_[pieces++] = {place, view.size()};
        }
        return true;
    }
    if (pieces == kPieces) return false;
    pieces_[pieces++] = {const_cast<std::uint8_t*>(view.data()), view.size()};
    return true;
}

std::span<iovec> Outgoing::gather(const Chain& chain, std::size_t& bytes) {
    std::size_t pieces = 0;
    std::size_t used = 0;
    std::size_t skip = chain.written;
    for (std::uint32_t index = chain.first; index != Chain::kNone;) {
        const Waiting& packet = waiting_[index];
        const ByteView head = pool_->bytes(packet.head);
        const ByteView body = pool_->bytes(packet.body);
        if (!add(head, skip, pieces, used)) break;
        skip -= std::min(skip, head.size());
        if (!add(body, skip, pieces, used)) break;
        skip = 0;
        index = packet.next;
    }
    bytes = 0;
    for (std::size_t i = 0; i < pieces; ++i) bytes += pieces_[i].iov_len;
    return {pieces_.data(), pieces};
}

void Outgoing::pop(Chain& chain, std::size_t bytes) {
    chain.bytes -= bytes;
    bytes_ -= bytes;
    bytes += chain.written;
    while (!chain.empty()) {
        const Waiting packet = waiting_[chain.first];
        const std::size_t size =
            pool_->bytes(packet.head).size() + pool_->bytes(packet.body).size();
        if (bytes < size) break;
        bytes -= size;
        discard(packet.head, packet.body);
        waiting_.give_back(chain.first);
        chain.first = packet.next;
    }
    chain.written = static_cast<std::uint32_t>(bytes);
    if (chain.empty()) chain.last = Chain::kNone;
}

void Outgoing::clear(Chain& chain) {
    bytes_ -= chain.bytes;
    while (!chain.empty()) {
        const Waiting packet = waiting_[chain.first];
        discard(packet.head, packet.body);
        waiting_.give_back(chain.first);
        chain.first = packet.next;
    }
    chain = {};
}

}  // namespace mqttwin::transport
