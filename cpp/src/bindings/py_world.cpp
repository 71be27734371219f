#include "py_world.hpp"

#include <chrono>

namespace py = pybind11;

namespace mqttwin {

class PyWorld::Busy {
   public:
    Busy(std::atomic<bool>& busy, std::atomic<std::thread::id>& runner)
        : busy_(&busy), runner_(&runner) {
        if (busy.exchange(true)) {
            busy_ = nullptr;
            throw std::runtime_error("the world is running in another thread");
        }
        runner = std::this_thread::get_id();
    }
    ~Busy() {
        if (busy_ == nullptr) return;
        *runner_ = std::thread::id();
        *busy_ = false;
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    std::atomic<bool>* busy_;
    std::atomic<std::thread::id>* runner_;
};

bool PyWorld::run(std::int64_t until, std::int64_t wall_ms) {
    if (live_) throw std::runtime_error("the world is live: it follows the wall clock");
    const Busy busy(busy_, runner_);
    if (until < world_.now().ns) throw py::value_error("until: lies in the past");
    const py::gil_scoped_release release;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(wall_ms);
    return world_.run({until}, [end] { return std::chrono::steady_clock::now() < end; });
}

void PyWorld::go_live(double speed, const transport::Limits& limits) {
    if (live_) throw std::runtime_error("the world is live already");
    const Busy busy(busy_, runner_);
    world::LiveOptions options;
    options.speed = speed;
    options.limits = limits;
    live_ = std::make_unique<world::Live>(world_, options);
}

world::Live& PyWorld::live() {
    if (!live_) throw std::runtime_error("the world is not live");
    return *live_;
}

bool PyWorld::serve(std::int64_t until, std::int64_t wall_ms) {
    world::Live& live = this->live();
    const Busy busy(busy_, runner_);
    const py::gil_scoped_release release;
    return live.run({until}, milliseconds(wall_ms));
}

void PyWorld::end_live() {
    const Busy busy(busy_, runner_);
    live_.reset();
}

}  // namespace mqttwin
