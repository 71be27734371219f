// A capture of what crossed links: segments of a model in, Ethernet frames of a pcapng file out.
//
// The model has numbers and bytes; the headers around them are synthetic and correct: addresses,
// identification, checksums, initial sequence numbers, options. What is in them: docs/capture.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/trace/direction.hpp"
#include "mqttwin/trace/pcapng.hpp"

namespace mqttwin::trace {

/// Addresses for those who have none: 10.0.0.1 and on, below 2^24 - 2 ...
constexpr Ipv4 client_address(std::uint32_t number) { return 0x0A00'0001U + number; }
/// ... and 198.18.0.1 and on, the network for benchmarks (RFC 2544), below 2^17 - 2.
constexpr Ipv4 server_address(std::uint32_t number) { return 0xC612'0001U + number; }

struct TcpFlow {
    Ipv4 client = 0;
    Ipv4 server = 0;
    std::uint16_t client_port = 0;
    std::uint16_t server_port = 1883;
    /// No two connections of a capture have the same: initial sequence numbers are made of it, and
    /// by them a reader knows a port that is used again from a SYN that is sent again.
    std::uint64_t connection = 0;
};

/// One TCP segment on its way. Views live until record() returns.
struct CapturedPacket {
    static constexpr std::size_t kMaxSacks = 3;
    enum class Fate : std::uint8_t {
        arrives,
        lost,
        queue_full,
        too_big,
        black_hole,
        outage,
        asleep,
    };
    struct Range {
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
    };

    TcpFlow flow;
    Direction direction = Direction::up;
    Instant sent;
    Instant arrives;  // if it does
    Fate fate = Fate::arrives;
    std::string_view note;  // a comment of the caller's, beside the fate

    // As net::tcp::Segment has them: the SYN's number is 0, the window in bytes.
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint32_t window = 0;
    std::uint32_t ts_value = 0;
    std::uint32_t ts_echo = 0;
    std::array<Range, kMaxSacks> sack{};
    std::uint8_t sacks = 0;
    bool timestamp = false;
    bool syn = false;
    bool has_ack = false;
    bool fin = false;
    bool reset = false;
    bool push = false;
    // Options of a SYN.
    std::uint16_t mss = 1460;
    bool sack_permitted = true;

    std::span<const ByteView> payload;  // one after the other
};

/// Orders packets by time and writes them as a point of the link sees them.
///
/// A packet is recorded once, at the instant at which it is sent; what happens to it is known by
/// then. Its arrival is kept back until time has come that far.
class Capture {
   public:
    /// Where one listens. A packet that is lost is seen where it was sent only. `both` is one
    /// interface each, and so most packets twice.
    enum class Point : std::uint8_t { client, server, both };
    struct Clients {
        Ipv4 first = 0;
        Ipv4 last = 0;  // included
    };

    /// Instant 0 unless told otherwise: 2025-01-01T00:00:00Z, in ns since 1970.
    static constexpr std::int64_t kEpoch = 1'735'689'600LL * 1'000'000'000;
    static constexpr std::uint64_t kLeastBytes = 4'096;
    static constexpr std::uint8_t kMaxWindowScale = 14;  // RFC 7323, 2.3

    struct Options {
        Point at = Point::client;
        std::vector<Clients> clients;   // empty: every client
        std::uint64_t max_bytes = 0;    // of the file; 0 is no bound
        std::int64_t epoch = kEpoch;    // instant 0, ns since 1970
        std::uint8_t window_scale = 7;  // windows beyond 65,535 << scale are written as that
        std::size_t buffer_bytes = 256 * 1024;
        std::size_t max_pending_bytes = 256U << 20;  // frames that have not arrived yet
    };

    /// Throws std::invalid_argument, naming the option and its range; that `sink` has failed is a
    /// problem() like any other.
    Capture(std::unique_ptr<LogSink> sink, std::uint64_t seed, const Options& options);
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    ~Capture();

    /// Whether anything of that client is kept: ask before gathering a packet.
    [[nodiscard]] bool wants(Ipv4 client) const;
    /// Wireshark shows it in place of the address.
    void name_host(Ipv4 address, std::string_view name);
    /// `packet.sent` must not fall from call to call.
    void record(const CapturedPacket& packet);
    /// Writes what has arrived until then.
    void advance(Instant now);

    /// Ends it for a reason of the caller's: from now on packets are left out.
    void fail(std::string problem);
    /// What was seen so far is in the sink.
    void flush() { writer_.flush(); }
    /// Packets that are still under way are not written: nobody has seen them arrive.
    void close();

    /// What went wrong; empty if nothing did. That the bound was reached is no problem.
    [[nodiscard]] const std::string& problem() const;
    /// Whether the bound was reached, something went wrong or the capture was closed.
    [[nodiscard]] bool stopped() const { return writer_.stopped(); }
    [[nodiscard]] std::uint64_t packets() const { return writer_.packets(); }
    /// Packets that would be in the file, had it not stopped.
    [[nodiscard]] std::uint64_t left_out() const { return writer_.left_out(); }
    [[nodiscard]] std::uint64_t bytes() const { return writer_.bytes(); }

   private:
    struct Pending {
        Instant at;
        std::uint64_t order = 0;  // among those of the same instant
        std::uint32_t interface = 0;
        std::vector<std::uint8_t> frame;
    };
    static bool later(const Pending& a, const Pending& b);

    [[nodiscard]] bool listens(Direction side) const;
    [[nodiscard]] std::uint32_t interface_of(Direction side) const;
    void keep_for_arrival(const CapturedPacket& packet, Direction receiver);

    Options options_;
    PcapngWriter writer_;
    std::string problem_;
    std::vector<Pending> pending_;  // a heap, the first to arrive on top
    std::size_t pending_bytes_ = 0;
    std::uint64_t order_ = 0;
    Instant now_;
    std::vector<std::uint8_t> frame_;
    std::vector<std::vector<std::uint8_t>> spare_;  // frames to use again
    std::unordered_map<Ipv4, std::uint16_t> identification_;
};

}  // namespace mqttwin::trace
