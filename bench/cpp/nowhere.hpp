// Where a benchmark has a log written to.
#pragma once

#include <string>

#include <benchmark/benchmark.h>

#include "mqttwin/trace/event_log.hpp"

namespace mqttwin {

/// What is logged is encoded, and goes nowhere: what encoding costs.
class Nowhere final : public trace::LogSink {
   public:
    void write(ByteView block) override { benchmark::DoNotOptimize(block.data()); }
    void close() override {}
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    std::string error_;
};

}  // namespace mqttwin
