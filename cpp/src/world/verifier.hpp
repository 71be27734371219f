// Checks passwords in a thread of its own, because each takes milliseconds.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "mqttwin/world/gate.hpp"

namespace mqttwin::world {

class Verifier {
   public:
    /// Checks that may wait; whoever comes then is told that the server is busy.
    static constexpr std::size_t kMaximumWaiting = 1000;

    /// `done` is called in the other thread when there is something to take.
    explicit Verifier(std::function<void()> done)
        : done_(std::move(done)), thread_([this] { work(); }) {}
    ~Verifier();
    Verifier(const Verifier&) = delete;
    Verifier& operator=(const Verifier&) = delete;

    bool add(const Verification& check);
    /// What has been found out since the last call: whether the password is right.
    std::vector<std::pair<Verification, bool>> take();

   private:
    void work();

    std::function<void()> done_;
    std::mutex mutex_;
    std::condition_variable something_;
    bool ending_ = false;
    std::deque<Verification> waiting_;
    std::vector<std::pair<Verification, bool>> found_;
    std::thread thread_;
};

}  // namespace mqttwin::world
