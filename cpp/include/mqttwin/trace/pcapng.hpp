// Packets in a pcapng file, which Wireshark, tshark and tcpdump open.
//
// Format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng. Only whole blocks go to the
// sink, so what an interrupted run leaves can be read up to the last of them. What is inside a
// packet is not looked at; capture.hpp makes frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/trace/event_log.hpp"

namespace mqttwin::trace {

/// A version 4 address in host order: 10.0.0.1 is 0x0A000001.
using Ipv4 = std::uint32_t;

/// What the section header says about where the packets come from.
struct PcapngHeader {
    std::string hardware;
    std::string os;
    std::string application;
    std::string comment;
};

/// One frame as an interface sees it. Views live until packet() returns.
struct PcapngPacket {
    std::uint32_t interface = 0;  // what add_interface returned
    std::int64_t at = 0;          // ns since 1970
    bool outbound = false;
    ByteView frame;  // from the Ethernet header on
    std::string_view comment;
};

/// Writes the file. Failure (a full disk, say) stops the file, not the run: error() keeps it.
class PcapngWriter {
   public:
    /// Of a comment or a name, in bytes; what is longer is cut.
    static constexpr std::size_t kMaxText = 1'024;
    /// Kept free under `max_bytes` for what close() writes, an interface.
    static constexpr std::uint64_t kTrailer = 160;

    struct Options {
        std::size_t buffer_bytes = 256 * 1024;  // gathered before they go to the sink
        std::uint64_t max_bytes = 0;            // of the whole file; 0 is no bound
    };

    PcapngWriter(std::unique_ptr<LogSink> sink, const PcapngHeader& header, Options options);
    PcapngWriter(const PcapngWriter&) = delete;
    PcapngWriter& operator=(const PcapngWriter&) = delete;
    ~PcapngWriter();

    /// An Ethernet interface with timestamps in nanoseconds, before its first packet.
    std::uint32_t add_interface(std::string_view name, std::string_view description);
    /// The name of an address, for whoever resolves addresses from the file.
    void name_host(Ipv4 address, std::string_view name);
    /// The times of the packets of an interface must not fall, or readers are confused.
    void packet(const PcapngPacket& packet);
    /// From now on packets are counted and left out.
    void stop() { stopped_ = true; }

    /// What was given so far is in the sink.
    void flush();
    /// Writes the interfaces' counts, and what was left out; also what the destructor does.
    void close();

    /// Empty as long as nothing went wrong.
    [[nodiscard]] const std::string& error() const { return sink_->error(); }
    /// Whether the bound was reached, the sink failed, or it was told to.
    [[nodiscard]] bool stopped() const { return stopped_; }
    /// Packets that were given after it had stopped.
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    /// Size of the file so far.
    [[nodiscard]] std::uint64_t bytes() const { return written_ + buffer_.size(); }

   private:
    struct Interface {
        std::uint64_t packets = 0;
        std::uint64_t left_out = 0;
        std::int64_t last = 0;
    };

    [[nodiscard]] bool fits() const;
    bool finish_block(std::size_t before);
    void write_statistics(std::uint32_t number);
    void send();

    std::unique_ptr<LogSink> sink_;
    std::size_t buffer_bytes_;
    std::uint64_t max_bytes_;
    std::vector<std::uint8_t> buffer_;  // whole blocks
    std::vector<Interface> interfaces_;
    std::uint64_t written_ = 0;
    std::uint64_t packets_ = 0;
    std::uint64_t left_out_ = 0;
    bool stopped_ = false;
    bool closed_ = false;
};

}  // namespace mqttwin::trace
