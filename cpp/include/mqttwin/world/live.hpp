// A world on the wall clock: its brokers on real sockets, its devices paced in real time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mqttwin/base/time.hpp"
#include "mqttwin/transport/sockets.hpp"
#include "mqttwin/world/gate.hpp"
#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {

struct LiveOptions {
    /// Virtual seconds in a second of the wall clock; 0 is "as fast as possible", which is 1 while
    /// a real connection is there. Timers of real connections follow the wall clock all the same.
    double speed = 1.0;
    transport::Limits limits;
};

class Verifier;

/// A lock that is fair between a busy loop and whoever wants something in between.
class Turnstile {
   public:
    void lock() {
        const std::lock_guard next(next_);
        inside_.lock();
    }
    void unlock() { inside_.unlock(); }

   private:
    std::mutex next_;
    std::mutex inside_;
};

/// Drives a world. One thread calls run(); others may use the world while they hold turnstile(),
/// and call wake() when they have let it go.
class Live final : private transport::Handler, private Gate {
   public:
    /// The world must outlive it, and has no other gate meanwhile.
    Live(VirtualWorld& world, const LiveOptions& options);
    ~Live() override;
    Live(const Live&) = delete;
    Live& operator=(const Live&) = delete;

    /// Lets real clients connect to a broker. Not while another thread is in run(). Throws
    /// transport::TransportError, and std::invalid_argument for a broker that is none of ours.
    transport::Sockets::Listening listen(std::uint32_t broker, const std::string& host,
                                         std::uint16_t port);

    /// Runs until the virtual instant (true), or for `wall` at most, or until stop().
    bool run(Instant until, Duration wall);
    /// Before a run() that follows a pause: the time in between does not count.
    void resume();
    /// Ends a run() that is under way, or the next; from any thread, also from a signal handler's
    /// thread.
    void stop();
    void wake();
    Turnstile& turnstile() { return turnstile_; }

    /// By how much virtual time is behind what the wall clock asks for.
    [[nodiscard]] Duration behind() const { return {behind_.load(std::memory_order_relaxed)}; }
    [[nodiscard]] std::size_t connections() const { return sockets_.connections(); }
    [[nodiscard]] std::size_t backlog() const { return sockets_.backlog(); }

   private:
    // transport::Handler
    bool on_accepted(transport::ConnectionId id, transport::ListenerId listener,
                     std::string_view address) override;
    void on_connected(transport::ConnectionId id) override;
    void on_bytes(transport::ConnectionId id, ByteView bytes) override;
    void on_closed(transport::ConnectionId id, std::string_view why) override;
    void on_backlog(transport::ConnectionId id, bool congested) override;
    // Gate
    std::uint32_t open(const std::string& host, std::uint16_t port) override;
    void send(std::uint32_t connection, BlobId head, BlobId body) override;
    void close(std::uint32_t connection) override;
    void abort(std::uint32_t connection) override;
    std::uint64_t random_word() override;
    bool verify(const Verification& check) override;

    [[nodiscard]] Duration clock() const;
    [[nodiscard]] bool unlimited() const;
    void set_speed(Duration wall);
    [[nodiscard]] Instant virtual_at(Duration wall) const;
    [[nodiscard]] Duration wall_until(Instant at, Duration wall) const;

    void hand_in_verified();

    VirtualWorld* world_;
    LiveOptions options_;
    transport::Sockets sockets_;
    Turnstile turnstile_;
    std::vector<std::uint32_t> brokers_;  // by listener
    std::int64_t started_ns_ = 0;
    double speed_ = 1.0;  // at present; 0: unlimited
    bool anchored_ = false;
    Duration anchor_wall_{0};  // when the present speed began
    Instant anchor_virtual_{0};
    std::atomic<std::int64_t> behind_{0};
    std::atomic<bool> stopped_{false};
    std::unique_ptr<Verifier> verifier_;  // made when the first password comes
};

}  // namespace mqttwin::world
