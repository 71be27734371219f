#include "scenario.hpp"

#include <charconv>
#include <stdexcept>

namespace fidelity {

using mqttwin::net::GilbertElliott;
using mqttwin::net::PipeJitter;

Options::Options(int argc, char** argv) {
    for (int i = 2; i < argc; ++i) {
        const std::string one = argv[i];
        const std::size_t equals = one.find('=');
        if (equals == std::string::npos) throw std::invalid_argument("no value in " + one);
        values_[one.substr(0, equals)] = one.substr(equals + 1);
    }
}

double Options::number(const std::string& key, double otherwise) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return otherwise;
    double value = 0.0;
    const char* last = found->second.data() + found->second.size();
    if (std::from_chars(found->second.data(), last, value).ptr != last) {
        throw std::invalid_argument(key + " is no number: " + found->second);
    }
    return value;
}

std::string Options::text(const std::string& key, const std::string& otherwise) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
}

PipeSpec pipe_of(const Options& options) {
    PipeSpec spec;
    spec.latency = ms(options.number("rtt", 100) / 2 + options.number("hop", 90) / 1e3);
    spec.loss = options.number("loss", 0) / 100.0;
    spec.bandwidth = options.number("rate", 0);
    const std::uint32_t queue = options.count("queue", 0);  // as in the data: 0 is unbounded
    spec.queue_packets = queue == 0 ? mqttwin::net::kUnbounded : queue;
    const std::string jitter = options.text("jitter", "none");
    if (jitter == "uniform") spec.jitter_kind = PipeJitter::uniform;
    if (jitter == "normal") spec.jitter_kind = PipeJitter::normal;
    spec.jitter = ms(options.number("spread", 0));
    spec.reorder = options.count("reorder", 0) != 0;
    if (options.number("ge_r", 0) > 0) {
        spec.bursts.clock = GilbertElliott::Clock::packet;
        spec.bursts.to_bad = options.number("ge_p", 0);
        spec.bursts.to_good = options.number("ge_r", 0);
    } else if (options.number("ge_bad", 0) > 0) {
        spec.bursts.clock = GilbertElliott::Clock::time;
        spec.bursts.good = ms(options.number("ge_good", 0));
        spec.bursts.bad = ms(options.number("ge_bad", 0));
    }
    mqttwin::net::check(spec, "");
    return spec;
}

Profile profile_of(const Options& options) {
    Profile profile;
    profile.user_timeout = scaled(mqttwin::seconds(1), options.number("user", 0));
    profile.keep_alive_idle = scaled(mqttwin::seconds(1), options.number("idle", 0));
    profile.keep_alive_interval = scaled(mqttwin::seconds(1), options.number("probe_every", 75));
    profile.keep_alive_probes = options.count("probes", 9);
    profile.sack = options.count("sack", 1) != 0;
    profile.timestamps = options.count("timestamps", 1) != 0;
    profile.nagle = options.count("nagle", 0) != 0;
    profile.slow_start_after_idle = options.count("after_idle", 1) != 0;
    profile.initial_window = static_cast<std::uint16_t>(options.count("window", 10));
    return profile;
}

}  // namespace fidelity
