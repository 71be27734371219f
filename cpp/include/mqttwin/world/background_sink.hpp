// A log that is written by another thread, so that a run waits for no disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/trace/event_log.hpp"

namespace mqttwin::world {

/// Hands blocks to another sink in a thread of its own, in their order: the bytes are the same.
///
/// What is queued is bounded: a run that is faster than the disk waits for it. A failure is told
/// by the first write() or close() after it.
class BackgroundSink final : public trace::LogSink {
   public:
    static constexpr std::size_t kMaxQueuedBytes = 16U << 20;

    explicit BackgroundSink(std::unique_ptr<trace::LogSink> inner,
                            std::size_t max_queued_bytes = kMaxQueuedBytes);
    ~BackgroundSink() override;

    void write(ByteView block) override;
    /// Returns when everything is written.
    void close() override;
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    using Block = std::vector<std::uint8_t>;

    void run();
    void hear(const std::unique_lock<std::mutex>& held);

    std::unique_ptr<trace::LogSink> inner_;  // the thread's own, until it has ended
    std::size_t max_queued_bytes_;
    std::string error_;  // the caller's copy

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Block> queue_;
    std::vector<Block> spare_;  // to be filled again
    std::size_t queued_bytes_ = 0;
    bool closing_ = false;
    std::string failure_;

    std::thread thread_;
};

}  // namespace mqttwin::world
