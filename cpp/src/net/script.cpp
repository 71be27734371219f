#include "mqttwin/net/script.hpp"

#include <algorithm>

namespace mqttwin::net {

namespace {

/// The first step of `side` at or behind `from`.
std::size_t next_of(const Script& script, Side side, std::size_t from) {
    while (from < script.steps.size() && script.steps[from].sender != side) ++from;
    return from;
}

}  // namespace

std::uint32_t Script::bytes(Side sender) const {
    std::uint32_t sum = 0;
    for (const Step& step : steps) sum += step.sender == sender ? step.bytes : 0;
    return sum;
}

bool Progress::reached(const Script& script, Side side, std::size_t steps) const {
    std::uint32_t from_peer = 0;
    for (std::size_t k = 0; k < steps; ++k) {
        if (script.steps[k].sender == side) {
            if (k >= written_[index_of(side)]) return false;
        } else {
            from_peer += script.steps[k].bytes;
        }
    }
    return read_[index_of(side)] >= from_peer;
}

const Step* Progress::due(const Script& script, Side side) const {
    const std::size_t k = next_of(script, side, written_[index_of(side)]);
    if (k == script.steps.size() || !reached(script, side, script.steps[k].after)) return nullptr;
    return &script.steps[k];
}

void Progress::written(const Script& script, Side side) {
    std::uint8_t& done = written_[index_of(side)];
    done =
        static_cast<std::uint8_t>(std::min(next_of(script, side, done) + 1, script.steps.size()));
}

std::uint32_t Progress::read(const Script& script, Side side, std::uint32_t bytes) {
    std::uint32_t& done = read_[index_of(side)];
    const std::uint32_t mine = std::min(bytes, script.bytes(other(side)) - done);
    done += mine;
    return bytes - mine;
}

bool Progress::open(const Script& script, Side side) const {
    return reached(script, side, script.opens[index_of(side)]);
}

bool Progress::over(const Script& script) const {
    return reached(script, Side::client, script.steps.size()) &&
           reached(script, Side::server, script.steps.size());
}

}  // namespace mqttwin::net
