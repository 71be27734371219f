// A world as Python holds it: one thread runs it; while it is served live, others get in between.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include <pybind11/pybind11.h>

#include "mqttwin/world/live.hpp"
#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin {

class PyWorld {
   public:
    explicit PyWorld(const world::WorldOptions& options) : world_(options) {}

    /// The world for the length of an expression. Says "busy" to a second thread that comes in
    /// while a run has released the GIL; of a live world, waits for its loop to let it in.
    class Access {
       public:
        explicit Access(PyWorld& owner) : world_(&owner.world_), live_(owner.live_.get()) {
            if (owner.in_callback()) {  // it has the world already
                live_ = nullptr;
                return;
            }
            if (live_ == nullptr) {
                if (owner.busy_) {
                    throw std::runtime_error("the world is running in another thread");
                }
                return;
            }
            // The loop holds the lock for a few milliseconds at most. It may want the GIL in that
            // time, for devices whose code is Python.
            const pybind11::gil_scoped_release release;
            live_->turnstile().lock();
        }
        ~Access() {
            if (live_ == nullptr) return;
            live_->turnstile().unlock();
            live_->wake();
        }
        Access(const Access&) = delete;
        Access& operator=(const Access&) = delete;

        world::VirtualWorld* operator->() const { return world_; }
        world::VirtualWorld& operator*() const { return *world_; }

       private:
        world::VirtualWorld* world_;
        world::Live* live_;
    };

    Access get() { return Access(*this); }

    /// Virtual time, for `wall_ms` of real time at most; true when `until` was reached.
    bool run(std::int64_t until, std::int64_t wall_ms);

    // Live.
    void go_live(double speed, const transport::Limits& limits);
    world::Live& live();
    [[nodiscard]] bool is_live() const { return live_ != nullptr; }
    bool serve(std::int64_t until, std::int64_t wall_ms);
    void end_live();

   private:
    class Busy;
    /// This thread is inside of a run: it is a device's code that wants the world.
    [[nodiscard]] bool in_callback() const { return runner_ == std::this_thread::get_id(); }

    world::VirtualWorld world_;
    std::unique_ptr<world::Live> live_;
    std::atomic<bool> busy_{false};
    std::atomic<std::thread::id> runner_{};
};

}  // namespace mqttwin
