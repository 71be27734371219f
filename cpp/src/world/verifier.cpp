#include "verifier.hpp"

namespace mqttwin::world {

Verifier::~Verifier() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    something_.notify_one();
    thread_.join();
}

bool Verifier::add(const Verification& check) {
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= kMaximumWaiting) return false;
        waiting_.push_back(check);
    }
    something_.notify_one();
    return true;
}

std::vector<std::pair<Verification, bool>> Verifier::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(found_, {});
}

void Verifier::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        something_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (ending_) return;
        Verification check = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        const bool right = auth::verify_password(check.decision.record, check.decision.password);
        lock.lock();
        found_.emplace_back(std::move(check), right);
        done_();
    }
}

}  // namespace mqttwin::world
