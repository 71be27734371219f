// What crosses a world's links, on its way into a capture: the network's numbers and the bytes that
// belong to them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/trace/capture.hpp"
#include "mqttwin/trace/stream_bytes.hpp"

#include "capture_real.hpp"

namespace mqttwin::world {

/// Only looks: a run is the same with and without.
class WorldCapture final : public net::Tap {
   public:
    /// Of what was written and not acknowledged, all connections together. Beyond it the capture
    /// ends, with a problem.
    static constexpr std::size_t kMaxKeptBytes = 256U << 20;

    /// What hosts are called in the file.
    struct Names {
        std::function<std::string(net::FlowId)> client;
        std::function<std::string(net::FlowId)> server;
    };

    /// Throws what trace::Capture throws.
    WorldCapture(std::unique_ptr<trace::LogSink> sink, std::uint64_t seed,
                 const trace::Capture::Options& options, const net::Network& network,
                 BlobPool& pool, Names names);
    WorldCapture(const WorldCapture&) = delete;
    WorldCapture& operator=(const WorldCapture&) = delete;
    ~WorldCapture() override;

    void on_packet(Instant now, net::FlowId flow, net::End sender, const net::tcp::Segment& segment,
                   const net::Passage& passage) override;
    void on_written(Instant now, net::FlowId flow, net::End sender, std::uint32_t begin,
                    BlobId head, BlobId body) override;
    void on_written(Instant now, net::FlowId flow, net::End sender, std::uint32_t begin,
                    ByteView bytes) override;
    void on_flow_freed(net::FlowId flow) override;

    /// For real connections, which the network knows nothing of.
    [[nodiscard]] RealCapture& real() { return real_; }

    /// Writes what has arrived until `now`, and ends the file.
    void finish(Instant now);
    [[nodiscard]] const trace::Capture& file() const { return capture_; }
    [[nodiscard]] std::size_t kept_bytes() const { return kept_bytes_; }

   private:
    struct Connection {
        trace::TcpFlow flow;
        std::array<trace::StreamBytes, 2> sent;  // by sender
    };

    [[nodiscard]] bool wants(net::FlowId flow) const;
    Connection& connection(net::FlowId flow);
    void name_hosts(net::FlowId flow, const trace::TcpFlow& as);
    void release(trace::StreamBytes& stream, std::uint32_t acknowledged);
    void forget_bytes();

    trace::Capture capture_;
    RealCapture real_{capture_};
    const net::Network* network_;
    BlobPool* pool_;
    Names names_;
    std::unordered_map<net::FlowId, Connection> connections_;
    std::uint64_t numbered_ = 0;  // connections so far
    std::size_t kept_bytes_ = 0;
    std::vector<bool> client_named_;  // by tag
    std::vector<bool> server_named_;  // by broker
    std::vector<ByteView> payload_;
    std::string note_;
};

}  // namespace mqttwin::world
