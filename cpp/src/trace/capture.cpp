#include "mqttwin/trace/capture.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

#include "tcp_frame.hpp"

namespace mqttwin::trace {
namespace {

constexpr std::size_t kMaxSpare = 1'024;  // frames kept for their memory

const Capture::Options& checked(const Capture::Options& options) {
    const auto refuse = [](const std::string& what) { throw std::invalid_argument(what); };
    if (options.max_bytes != 0 && options.max_bytes < Capture::kLeastBytes) {
        refuse("max_bytes must be 0 or at least " + std::to_string(Capture::kLeastBytes));
    }
    if (options.epoch < 0) refuse("epoch must not be before 1970");
    if (options.window_scale > Capture::kMaxWindowScale) {
        refuse("window_scale must be within 0 and " + std::to_string(Capture::kMaxWindowScale));
    }
    for (const Capture::Clients& range : options.clients) {
        if (range.last < range.first)
            refuse("clients must be ranges whose last is not before first");
    }
    return options;
}

/// Sorted and apart, so that one look tells.
std::vector<Capture::Clients> merged(std::vector<Capture::Clients> ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Capture::Clients> apart;
    for (const Capture::Clients& range : ranges) {
        if (!apart.empty() && range.first <= apart.back().last) {
            apart.back().last = std::max(apart.back().last, range.last);
        } else {
            apart.push_back(range);
        }
    }
    return apart;
}

PcapngHeader header_of(std::uint64_t seed) {
    return {"simulated links", "virtual time", "mqttwin " MQTTWIN_VERSION,
            "seed " + std::to_string(seed) + "; headers are synthetic, payloads are real"};
}

std::string_view text_of(CapturedPacket::Fate fate) {
    switch (fate) {
        case CapturedPacket::Fate::arrives:
            return {};
        case CapturedPacket::Fate::lost:
            return "lost on the link";
        case CapturedPacket::Fate::queue_full:
            return "dropped by a full queue";
        case CapturedPacket::Fate::too_big:
            return "dropped: larger than the MTU";
        case CapturedPacket::Fate::black_hole:
            return "swallowed by a black hole";
        case CapturedPacket::Fate::outage:
            return "lost in an outage";
        case CapturedPacket::Fate::asleep:
            return "dropped: too much waits for a device that sleeps";
    }
    return {};
}

std::string comment_on(const CapturedPacket& packet) {
    std::string comment(text_of(packet.fate));
    if (!comment.empty() && !packet.note.empty()) comment += "; ";
    comment += packet.note;
    return comment;
}

// Who sends what travels up is the client, whom nothing that travels up reaches.
constexpr Direction kClientSide = Direction::up;
constexpr Direction kServerSide = Direction::down;

}  // namespace

Capture::Capture(std::unique_ptr<LogSink> sink, std::uint64_t seed, const Options& options)
    : options_(checked(options)),
      writer_(std::move(sink), header_of(seed), {options.buffer_bytes, options.max_bytes}) {
    options_.clients = merged(std::move(options_.clients));
    if (options_.at != Point::server) writer_.add_interface("client", "at the clients");
    if (options_.at != Point::client) writer_.add_interface("server", "at the servers");
}

Capture::~Capture() { close(); }

bool Capture::wants(Ipv4 client) const {
    if (options_.clients.empty()) return true;
    const auto after =
        std::upper_bound(options_.clients.begin(), options_.clients.end(), client,
                         [](Ipv4 address, const Clients& range) { return address < range.first; });
    return after != options_.clients.begin() && client <= std::prev(after)->last;
}

void Capture::name_host(Ipv4 address, std::string_view name) { writer_.name_host(address, name); }

bool Capture::listens(Direction side) const {
    return options_.at == Point::both || (options_.at == Point::client) == (side == kClientSide);
}

std::uint32_t Capture::interface_of(Direction side) const {
    return options_.at == Point::both && side == kServerSide ? 1 : 0;
}

void Capture::record(const CapturedPacket& packet) {
    assert(packet.sent >= now_);
    if (!wants(packet.flow.client)) return;
    advance(packet.sent);
    const Direction sender = packet.direction;
    const Direction receiver = sender == kClientSide ? kServerSide : kClientSide;
    const bool arrives = packet.fate == CapturedPacket::Fate::arrives;
    const bool seen_there = arrives && listens(receiver);
    if (stopped()) {
        if (listens(sender)) writer_.packet({interface_of(sender), 0, true, {}, {}});
        if (seen_there) writer_.packet({interface_of(receiver), 0, false, {}, {}});
        return;
    }
    const bool up = packet.direction == Direction::up;
    const std::uint16_t number = identification_[up ? packet.flow.client : packet.flow.server]++;
    if (!listens(sender) && !seen_there) return;
    make_frame(packet, number, options_.window_scale, frame_);
    if (listens(sender)) {
        const std::string comment = comment_on(packet);
        writer_.packet(
            {interface_of(sender), options_.epoch + packet.sent.ns, true, frame_, comment});
    }
    if (seen_there) keep_for_arrival(packet, receiver);
}

void Capture::keep_for_arrival(const CapturedPacket& packet, Direction receiver) {
    assert(packet.arrives >= packet.sent);
    if (pending_bytes_ + frame_.size() > options_.max_pending_bytes) {
        fail("more than " + std::to_string(options_.max_pending_bytes) +
             " bytes were under way at once");
        writer_.packet({interface_of(receiver), 0, false, {}, {}});
        return;
    }
    Pending one;
    one.at = packet.arrives;
    one.order = order_++;
    one.interface = interface_of(receiver);
    if (!spare_.empty()) {
        one.frame = std::move(spare_.back());
        spare_.pop_back();
    }
    one.frame.assign(frame_.begin(), frame_.end());
    pending_bytes_ += one.frame.size();
    pending_.push_back(std::move(one));
    std::push_heap(pending_.begin(), pending_.end(), later);
}

bool Capture::later(const Pending& a, const Pending& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
}

void Capture::advance(Instant now) {
    now_ = max(now_, now);
    while (!pending_.empty() && pending_.front().at <= now) {
        std::pop_heap(pending_.begin(), pending_.end(), later);
        Pending& one = pending_.back();
        writer_.packet({one.interface, options_.epoch + one.at.ns, false, one.frame, {}});
        pending_bytes_ -= one.frame.size();
        if (spare_.size() < kMaxSpare) spare_.push_back(std::move(one.frame));
        pending_.pop_back();
    }
}

void Capture::fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    writer_.stop();
}

void Capture::close() {
    writer_.close();
    pending_.clear();
    pending_bytes_ = 0;
}

const std::string& Capture::problem() const {
    return problem_.empty() ? writer_.error() : problem_;
}

}  // namespace mqttwin::trace
