// Real connections on their way into a capture. The kernel does not tell what its segments were:
// bytes and times are what our end read and wrote, and the segments around them are made up.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "mqttwin/base/bytes.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/trace/capture.hpp"

namespace mqttwin::world {

/// The addresses of a real peer, "1.2.3.4:567"; with IPv6 the address is a made-up one.
struct RealPeer {
    trace::Ipv4 address = 0;
    std::uint16_t port = 0;

    static RealPeer of(std::string_view text, std::uint32_t connection);
};

class RealCapture {
   public:
    explicit RealCapture(trace::Capture& file) : file_(&file) {}

    /// The connection is there: a handshake. `flow.connection` is the capture's to choose.
    void opened(Instant now, std::uint32_t connection, const trace::TcpFlow& flow);
    /// One that is not known was there before the capture: `flow` says whose it is.
    void bytes(Instant now, std::uint32_t connection, const trace::TcpFlow& flow, net::End sender,
               ByteView head, ByteView body);
    void closed(Instant now, std::uint32_t connection, net::End by, bool reset);

   private:
    struct Connection {
        trace::TcpFlow flow;
        std::array<std::uint32_t, 2> next{1, 1};  // by sender: sequence numbers
    };

    Connection& at(std::uint32_t connection, const trace::TcpFlow& flow);
    [[nodiscard]] trace::CapturedPacket segment(Instant now, const Connection& c,
                                                net::End sender) const;

    trace::Capture* file_;
    std::unordered_map<std::uint32_t, Connection> connections_;
    std::uint64_t numbered_ = 0;
};

}  // namespace mqttwin::world
