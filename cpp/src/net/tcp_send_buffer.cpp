// The send buffer: how much an application that writes on and on has handed over. It counts memory,
// not bytes, and grows only while the window is not full; so in a recovery, when what has arrived
// out of order is still held, it is what limits the sender.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

namespace {

// Of a kernel of 64 bit: what a full segment may take, and what a piece takes beside its bytes.
constexpr std::uint32_t kSegmentMemory = 2'304;
constexpr std::uint32_t kPieceMemory = 896;
constexpr std::uint32_t kLargestPiece = 65'215;
constexpr std::uint32_t kSegmentsInPiece = 2;  // once it is sent, in slow start

}  // namespace

/// Twice the window, each segment at its worst.
void Turn::expand_send_buffer() {
    const std::uint32_t least = std::max<std::uint32_t>(p_.initial_window, e_.reordering + 1U);
    const std::uint32_t most = std::max<std::uint32_t>(e_.cwnd, least);
    const std::uint32_t wanted = std::min(2 * most * kSegmentMemory, p_.send_buffer_max);
    f_.send_buffer = std::max({f_.send_buffer, p_.send_buffer, wanted});
}

/// What is written is cut into pieces of at most half the peer's window, in whole segments.
std::uint32_t Turn::piece() const {
    const std::uint32_t window = std::max(f_.widest, e_.peer_window);
    return std::max(std::min(window / 2, kLargestPiece) / p_.mss(), 1U) * p_.mss();
}

std::uint32_t Turn::memory() const {
    const std::uint32_t sent = (f_.out() + kSegmentsInPiece - 1) / kSegmentsInPiece;
    std::uint32_t unsent = 0;
    if (f_.filled != f_.next) {
        const std::uint32_t size = piece();
        unsent = (f_.filled - f_.next + size - 1) / size;
    }
    return f_.filled - e_.acked + (sent + unsent) * kPieceMemory;
}

/// The application writes until the buffer takes no more; a piece that has begun is finished.
void Turn::fill() {
    if (p_.send_buffer == 0) {
        f_.filled = f_.written;
        return;
    }
    if (f_.send_buffer == 0) expand_send_buffer();
    while (f_.waiting() && memory() < f_.send_buffer) {
        const std::uint32_t rest = f_.written - f_.filled;
        f_.filled += rest <= p_.mss() ? rest : std::min(piece(), rest);  // a piece is a segment
    }
}

/// A third of the buffer is free: the application is told, and writes.
void Turn::on_space() {
    if (!f_.waiting() || e_.state == State::closed) return;
    if (f_.in_flight() < e_.cwnd) expand_send_buffer();
    if (memory() > f_.send_buffer / 3 * 2) return;
    fill();
    push(false);
}

}  // namespace mqttwin::net::tcp
