// What a broker costs, asked of the kernel: CPU time and memory of another process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/types.h>
#include <time.h>

namespace mqttwin::live {

/// Nanoseconds of one of the system's clocks.
inline std::int64_t clock_ns(clockid_t clock) {
    timespec now{};
    if (clock_gettime(clock, &now) != 0) throw std::runtime_error("a clock cannot be read");
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

inline std::int64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

inline std::int64_t waited_ns(pid_t pid) {
    std::int64_t total = 0;
    std::error_code gone;
    const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
        std::ifstream file(task.path() / "schedstat");
        std::int64_t ran = 0;
        std::int64_t waited = 0;
        if (file >> ran >> waited) total += waited;
    }
    return total;
}

class BrokerProcess {
   public:
    explicit BrokerProcess(pid_t pid) : pid_(pid) {
        if (clock_getcpuclockid(pid, &clock_) != 0) {
            throw std::runtime_error("there is no process " + std::to_string(pid));
        }
    }

    /// User and system time of all its threads. The process's clock has the resolution of the
    /// scheduler, /proc/PID/stat that of a tick.
    [[nodiscard]] std::int64_t cpu_ns() const { return clock_ns(clock_); }

    /// Its proportional share of resident memory, in bytes: user memory, no socket buffers.
    [[nodiscard]] std::int64_t pss_bytes() const {
        std::ifstream file("/proc/" + std::to_string(pid_) + "/smaps_rollup");
        for (std::string line; std::getline(file, line);) {
            if (line.rfind("Pss:", 0) == 0) return std::stoll(line.substr(4)) * 1024;
        }
        throw std::runtime_error("the broker's memory cannot be read (another user's process?)");
    }

    /// How long its threads were ready and waited for a core, in all: what others on the machine
    /// did to it. 0 where the kernel does not say.
    [[nodiscard]] std::int64_t waited_ns() const { return live::waited_ns(pid_); }

   private:
    pid_t pid_;
    clockid_t clock_{};
};

}  // namespace mqttwin::live
