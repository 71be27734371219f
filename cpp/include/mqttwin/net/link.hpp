// What a link between a device and a broker is made of. Plain data; see docs/links.md.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/pipe.hpp"

namespace mqttwin::net {

/// When a device does not listen. What is sent to it then waits in the network; what it sends
/// itself wakes it.
struct SleepSpec {
    enum class Kind : std::uint8_t {
        off,
        cyclic,  // listens for `window` of every `period`, with a phase of its own: eDRX, duty
                 // cycle
        psm,     // `period` counts from its last packet: power saving mode, wakes as T3412 ends
    };
    Kind kind = Kind::off;
    Duration active{0};  // goes on listening so long after a packet (inactivity timer, T3324)
    Duration window{0};
    Duration period{0};
    Duration wake_up{0};         // what a packet of a sleeping device waits (radio set-up)
    std::uint32_t buffered = 8;  // packets that the network keeps for it, up to 65,535
};

/// The link is down in [from, to), for every device.
struct Outage {
    Instant from;
    Instant to;
};

/// Outages of each device on its own. The first begins at a random instant, so that at any time
/// the same share of devices is down.
struct RandomOutages {
    enum class Kind : std::uint8_t { off, fixed, exponential };
    Kind kind = Kind::off;
    Duration up{0};  // time between outages, or its mean
    Duration down{0};
};

/// A middlebox that keeps a table of flows: NAT, a carrier's firewall, a load balancer.
struct NatSpec {
    Duration idle_timeout{0};  // it forgets a flow without packets for so long; 0: never
    bool reset = false;        // tells both ends by a reset; else what comes later vanishes
};

enum class TcpProfileKind : std::uint8_t { linux_like, embedded };

/// TCP and socket options, of both ends. 0 turns one off.
struct TcpOptions {
    TcpProfileKind profile = TcpProfileKind::linux_like;
    Duration user_timeout{0};                    // TCP_USER_TIMEOUT
    Duration keep_alive_idle{0};                 // SO_KEEPALIVE after so long (TCP_KEEPIDLE)
    Duration keep_alive_interval = seconds(75);  // TCP_KEEPINTVL
    std::uint32_t keep_alive_count = 9;          // TCP_KEEPCNT
};

inline constexpr std::uint32_t kNotShared = 0xFFFF'FFFFU;

struct LinkSpec {
    PipeSpec up;               // device to broker
    PipeSpec down;             // broker to device
    std::uint32_t mtu = 1500;  // bytes of an IP packet; a larger one is dropped
    SleepSpec sleep;
    std::vector<Outage> outages;  // in order, none overlapping the next
    RandomOutages random_outages;
    NatSpec nat;
    TcpOptions tcp;
    std::uint32_t shared = kNotShared;  // index of the medium that it shares with other devices

    void archive(Archive& a) { a(up, down, mtu, sleep, outages, random_outages, nat, tcp, shared); }
};

/// Throws std::invalid_argument, naming the parameter and its range.
void check(const LinkSpec& spec);

}  // namespace mqttwin::net
