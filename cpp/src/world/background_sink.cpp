#include "mqttwin/world/background_sink.hpp"

#include <utility>

namespace mqttwin::world {

BackgroundSink::BackgroundSink(std::unique_ptr<trace::LogSink> inner, std::size_t max_queued_bytes)
    : inner_(std::move(inner)), max_queued_bytes_(max_queued_bytes), error_(inner_->error()) {
    if (error_.empty()) thread_ = std::thread([this] { run(); });
}

BackgroundSink::~BackgroundSink() { close(); }

void BackgroundSink::hear(const std::unique_lock<std::mutex>& /*held*/) {
    if (error_.empty()) error_ = failure_;
}

void BackgroundSink::write(ByteView block) {
    if (!error_.empty() || block.empty()) return;
    std::unique_lock lock(mutex_);
    // A block that is larger than the bound goes alone.
    changed_.wait(lock, [&] {
        return !failure_.empty() || queue_.empty() ||
               queued_bytes_ + block.size() <= max_queued_bytes_;
    });
    hear(lock);
    if (!error_.empty()) return;
    Block copy;
    if (!spare_.empty()) {
        copy = std::move(spare_.back());
        spare_.pop_back();
    }
    copy.assign(block.begin(), block.end());
    queued_bytes_ += copy.size();
    queue_.push_back(std::move(copy));
    lock.unlock();  // or whoever wakes up would wait for it at once
    changed_.notify_all();
}

void BackgroundSink::close() {
    if (!thread_.joinable()) return;
    {
        const std::unique_lock lock(mutex_);
        closing_ = true;
        changed_.notify_all();
    }
    thread_.join();
    const std::unique_lock lock(mutex_);
    hear(lock);
}

void BackgroundSink::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
        if (queue_.empty()) break;
        Block block = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        inner_->write(block);
        lock.lock();
        // Only now: what is being written is in memory, too.
        queued_bytes_ -= block.size();
        spare_.push_back(std::move(block));
        failure_ = inner_->error();
        if (!failure_.empty()) queue_.clear();
        changed_.notify_all();
    }
    inner_->close();
    failure_ = inner_->error();
}

}  // namespace mqttwin::world
