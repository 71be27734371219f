#include "mqttwin/world/live.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <sys/random.h>

#include "verifier.hpp"

namespace mqttwin::world {

namespace {

// How long virtual devices may keep the loop from its sockets.
constexpr Duration kSlice = milliseconds(5);
// A quiet loop looks up now and then all the same.
constexpr Duration kLongestWait = seconds(1);

std::int64_t steady_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

Live::Live(VirtualWorld& world, const LiveOptions& options)
    : world_(&world),
      options_(options),
      sockets_(world.pool(), *this, options.limits),
      started_ns_(steady_ns()),
      anchor_virtual_(world.now()) {
    if (!(options.speed >= 0) || !std::isfinite(options.speed)) {
        throw std::invalid_argument("speed: must be a number over 0, or 0 for no limit");
    }
    world.attach(this);
    speed_ = options.speed;
    world.set_pace(speed_ > 0 ? speed_ : 1.0);
}

Live::~Live() {
    verifier_.reset();
    world_->forget_real();
    sockets_.flush();  // the last words
    world_->attach(nullptr);
}

Duration Live::clock() const { return {steady_ns() - started_ns_}; }

transport::Sockets::Listening Live::listen(std::uint32_t broker, const std::string& host,
                                           std::uint16_t port) {
    (void)world_->broker_counts(broker);  // throws
    auto listening = sockets_.listen(host, port);
    if (listening.id >= brokers_.size()) brokers_.resize(listening.id + 1);
    brokers_[listening.id] = broker;
    return listening;
}

// --- The clock -----------------------------------------------------------------------------------

bool Live::unlimited() const { return options_.speed <= 0 && sockets_.connections() == 0; }

// "As fast as possible" ends when a real client is there, and begins again when it has gone.
void Live::set_speed(Duration wall) {
    const double wanted = unlimited() ? 0.0 : options_.speed > 0 ? options_.speed : 1.0;
    if (wanted == speed_ && anchored_) return;
    speed_ = wanted;
    anchored_ = true;
    anchor_wall_ = wall;
    anchor_virtual_ = world_->now();
    if (speed_ > 0) world_->set_pace(speed_);
}

Instant Live::virtual_at(Duration wall) const {
    const Duration since = wall - anchor_wall_;
    if (speed_ == 1.0) return anchor_virtual_ + since;
    return anchor_virtual_ +
           Duration{static_cast<std::int64_t>(static_cast<double>(since.ns) * speed_)};
}

Duration Live::wall_until(Instant at, Duration wall) const {
    const double ahead = static_cast<double>((at - virtual_at(wall)).ns) / speed_;
    return {static_cast<std::int64_t>(
        std::clamp(std::ceil(ahead), 0.0, static_cast<double>(kLongestWait.ns)))};
}

bool Live::run(Instant until, Duration wall) {
    const Duration end = clock() + wall;
    Duration rest{0};
    for (;;) {
        sockets_.wait(rest);
        rest = {0};
        const std::lock_guard inside(turnstile_);
        const Duration began = clock();
        set_speed(began);
        const bool limited = speed_ > 0;
        const Instant target = limited ? max(min(until, virtual_at(began)), world_->now()) : until;
        const bool kept_up = world_->run(target, [&] { return clock() - began < kSlice; });
        behind_.store(kept_up ? 0 : (target - world_->now()).ns, std::memory_order_relaxed);
        sockets_.dispatch(began);
        hand_in_verified();
        sockets_.flush();
        if (world_->now() >= until) return true;
        if (stopped_.exchange(false)) return false;
        const Duration now = clock();
        if (now >= end) return false;
        if (limited && kept_up) {
            rest = min(wall_until(min(until, world_->next_event()), now), end - now);
        }
    }
}

void Live::resume() {
    const std::lock_guard inside(turnstile_);
    anchored_ = false;
}

void Live::stop() {
    stopped_.store(true);
    sockets_.wake();
}

void Live::wake() { sockets_.wake(); }

// --- What the sockets say ------------------------------------------------------------------------

bool Live::on_accepted(transport::ConnectionId id, transport::ListenerId listener,
                       std::string_view address) {
    return world_->real_accepted(id, brokers_[listener], address);
}

void Live::on_connected(transport::ConnectionId id) { world_->real_connected(id); }
void Live::on_bytes(transport::ConnectionId id, ByteView bytes) { world_->real_bytes(id, bytes); }
void Live::on_closed(transport::ConnectionId id, std::string_view why) {
    world_->real_closed(id, why == std::strerror(ECONNRESET));
}
void Live::on_backlog(transport::ConnectionId id, bool congested) {
    world_->real_backlog(id, congested);
}

// --- What the world wants ------------------------------------------------------------------------

std::uint32_t Live::open(const std::string& host, std::uint16_t port) {
    return sockets_.connect(host, port);
}
void Live::send(std::uint32_t connection, BlobId head, BlobId body) {
    sockets_.send(connection, head, body);
}
void Live::close(std::uint32_t connection) { sockets_.close(connection); }
void Live::abort(std::uint32_t connection) { sockets_.abort(connection); }

std::uint64_t Live::random_word() {
    std::uint64_t word = 0;
    while (::getrandom(&word, sizeof word, 0) != sizeof word) {
    }
    return word;
}

bool Live::verify(const Verification& check) {
    if (!verifier_) verifier_ = std::make_unique<Verifier>([this] { sockets_.wake(); });
    return verifier_->add(check);
}

void Live::hand_in_verified() {
    if (!verifier_) return;
    for (auto& [check, right] : verifier_->take()) world_->verified(check, right);
}

}  // namespace mqttwin::world
