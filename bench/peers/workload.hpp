// workload.py, for the programs in C++.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

namespace workload {

constexpr double kPeriod = 1.0;  // s, all of these
constexpr double kJitter = 0.1;
constexpr double kDelay = 0.02;
constexpr double kRamp = 2.0;
constexpr double kReady = 4.0;
constexpr double kMeasured = 60.0;
constexpr double kStep = 1.0;
constexpr double kLeastCpu = 0.5;
constexpr unsigned kBytes = 88;

inline double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline long peak_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmHWM:", 0) == 0) return std::atol(line.c_str() + 6);
    }
    return 0;
}

[[noreturn]] inline void give_up(double limit) {
    std::fprintf(stderr, "not ready after %g s of CPU time\n", limit);
    std::_Exit(3);
}

/// Runs, and prints what workload.measure prints.
inline void measure(const std::function<void(double)>& run_until,
                    const std::function<unsigned long()>& delivered, double limit) {
    for (double at = 1; at <= kReady; at += kStep) {
        if (cpu_seconds() > limit) give_up(limit);
        run_until(at);
    }
    const double setup = cpu_seconds();
    const unsigned long before = delivered();
    double virtual_seconds = 0;
    double cpu = 0;
    while ((virtual_seconds < kMeasured || cpu < kLeastCpu) && cpu < limit) {
        virtual_seconds += kStep;
        run_until(kReady + virtual_seconds);
        cpu = cpu_seconds() - setup;
    }
    std::printf(R"({"messages": %lu, "cpu": %.6f, "virtual": %.1f, "setup": %.6f, "peak_kib": %ld})"
                "\n",
                delivered() - before, cpu, virtual_seconds, setup, peak_kib());
}

}  // namespace workload
