#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/world/background_sink.hpp"

namespace mqttwin::world {
namespace {

// A disk that writes when it is told to, and may be full.
struct Disk {
    std::mutex mutex;
    std::condition_variable changed;
    std::string content;
    std::size_t room = SIZE_MAX;
    bool stuck = false;
    bool closed = false;

    void release() {
        const std::lock_guard lock(mutex);
        stuck = false;
        changed.notify_all();
    }
};

class DiskSink final : public trace::LogSink {
   public:
    explicit DiskSink(Disk& disk) : disk_(disk) {}
    void write(ByteView block) override {
        std::unique_lock lock(disk_.mutex);
        disk_.changed.wait(lock, [this] { return !disk_.stuck; });
        if (disk_.content.size() + block.size() > disk_.room) error_ = "no room";
        if (error_.empty()) disk_.content += as_text(block);
    }
    void close() override { disk_.closed = true; }
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    Disk& disk_;
    std::string error_;
};

trace::Event event(std::int64_t i) {
    trace::Event out;
    out.kind = trace::Kind::sent;
    out.at = Instant{i};
    out.entity = static_cast<std::uint32_t>(i % 7);
    out.topic = i % 2 == 0 ? "a/b" : "c";
    return out;
}

// What a log of so many events is, written directly or by a thread.
std::string log_of(std::int64_t events, bool background) {
    Disk disk;
    std::unique_ptr<trace::LogSink> sink = std::make_unique<DiskSink>(disk);
    if (background) sink = std::make_unique<BackgroundSink>(std::move(sink), 1000);
    trace::EventLog::Options options;
    options.block_bytes = 300;
    trace::EventLog log(std::move(sink), {}, options);
    for (std::int64_t i = 0; i < events; ++i) log.record(event(i));
    log.close();
    EXPECT_EQ(log.error(), "");
    EXPECT_TRUE(disk.closed);
    return disk.content;
}

TEST(BackgroundSink, TheBytesAreTheSame) {
    const std::string written = log_of(5000, true);
    EXPECT_GT(written.size(), 40'000U);
    EXPECT_EQ(written, log_of(5000, false));
}

TEST(BackgroundSink, AFasterWriterWaits) {
    Disk disk;
    disk.stuck = true;
    const std::string block(400, 'x');
    BackgroundSink sink(std::make_unique<DiskSink>(disk), 1000);
    sink.write(as_bytes(std::string_view(block)));  // on the disk, and stuck there
    sink.write(as_bytes(std::string_view(block)));
    std::mutex mutex;
    bool third = false;
    std::thread writer([&] {
        sink.write(as_bytes(std::string_view(block)));
        const std::lock_guard lock(mutex);
        third = true;
    });
    {
        const std::lock_guard lock(mutex);
        EXPECT_FALSE(third);
    }
    disk.release();
    writer.join();
    sink.close();
    EXPECT_TRUE(third);
    EXPECT_EQ(disk.content, std::string(1200, 'x'));
}

TEST(BackgroundSink, AFailureIsToldAndNobodyWaits) {
    Disk disk;
    disk.room = 1000;
    trace::EventLog::Options options;
    options.block_bytes = 300;
    trace::EventLog log(std::make_unique<BackgroundSink>(std::make_unique<DiskSink>(disk), 500), {},
                        options);
    // As many as it takes until the thread's failure has been heard of.
    std::int64_t i = 0;
    while (log.error().empty() && i < 1'000'000) log.record(event(i++));
    EXPECT_EQ(log.error(), "no room");
    EXPECT_TRUE(log.stopped());
    log.record(event(i));
    log.close();
    EXPECT_LE(disk.content.size(), 1000U);
    EXPECT_EQ(log.error(), "no room");
}

TEST(BackgroundSink, AFailureAtTheEndIsToldByClose) {
    Disk disk;
    disk.room = 10;
    BackgroundSink sink(std::make_unique<DiskSink>(disk));
    sink.write(as_bytes(std::string_view("more than ten bytes")));
    sink.close();
    EXPECT_EQ(sink.error(), "no room");
    sink.close();
}

TEST(BackgroundSink, WhatCannotBeOpenedIsAnErrorAtOnce) {
    BackgroundSink sink(trace::file_sink("/no/such/directory/log"));
    EXPECT_NE(sink.error().find("cannot create"), std::string::npos);
    sink.write(as_bytes(std::string_view("x")));
    sink.close();
}

}  // namespace
}  // namespace mqttwin::world
