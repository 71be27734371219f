// What a scenario is given: key=value words, the link they describe, and a stream for the
// application.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "flow_bench.hpp"

namespace fidelity {

using mqttwin::net::tcp::Profile;

class Options {
   public:
    /// Words from the third on; throws std::invalid_argument for one without a value.
    Options(int argc, char** argv);
    [[nodiscard]] double number(const std::string& key, double otherwise) const;
    [[nodiscard]] std::uint32_t count(const std::string& key, std::uint32_t otherwise) const {
        return static_cast<std::uint32_t>(number(key, otherwise));
    }
    [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const;

   private:
    std::map<std::string, std::string> values_;
};

inline Duration ms(double value) { return scaled(mqttwin::milliseconds(1), value); }
inline double in_ms(Duration d) { return static_cast<double>(d.ns) * 1e-6; }

/// One direction of the link; both are alike.
PipeSpec pipe_of(const Options& options);

/// Linux, with mechanisms switched off or set as the options say.
Profile profile_of(const Options& options);

struct Cell {
    const Options& options;
    PipeSpec pipe = pipe_of(options);
    Profile profile = profile_of(options);
    std::uint64_t seed = options.count("seed", 1);
    std::uint32_t flows = options.count("flows", 1'000);

    [[nodiscard]] mqttwin::Stream stream(std::uint32_t flow) const {
        return {mqttwin::StreamKey::of(seed, "fidelity", "application"), flow};
    }
};

constexpr Duration kTooLong = mqttwin::seconds(600);

// silence.cpp
void dead(const Cell& cell);
void outage(const Cell& cell);
// session.cpp
void wire(const Cell& cell);

}  // namespace fidelity
