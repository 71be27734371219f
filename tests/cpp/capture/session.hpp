// An MQTT session between two ends of the TCP model, and every segment of it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/encode.hpp"

#include "tcp_wire.hpp"

namespace mqttwin {

struct SessionSpec {
    std::uint64_t seed = 1;
    std::uint64_t number = 0;  // of the connection
    Instant begin;
    double loss = 0.0;
    Duration latency = milliseconds(25);
    Duration jitter{0};  // uniform on top, with reordering
    Duration interval = milliseconds(200);
    std::uint32_t messages = 20;
    wire::Version version = wire::Version::v5;
    bool embedded = false;  // the small stack at both ends
    bool listening = true;
    bool abort = false;      // the client resets in place of closing
    bool half_open = false;  // from the middle on, everything that the server sends is lost
};

/// CONNECT, SUBSCRIBE, messages of QoS 0, 1, 2 each way, a ping, DISCONNECT.
class Session {
   public:
    explicit Session(const SessionSpec& spec);

    /// To the end of the connection at both sides, or so long.
    void run(Duration at_most);

    /// What was sent by a side: byte k of the stream has sequence number k + 1.
    [[nodiscard]] ByteView stream(int side) const {
        return side_[static_cast<std::size_t>(side)].stream;
    }
    [[nodiscard]] const net::tcp::Wire& wire() const { return wire_; }
    /// Of the n-th segment of wire().seen, if it was not lost.
    [[nodiscard]] Instant arrival(std::size_t n) const { return arrivals_[n]; }
    /// Control packets that a side has written.
    [[nodiscard]] std::uint32_t packets(int side) const {
        return side_[static_cast<std::size_t>(side)].packets;
    }

   private:
    struct Message {
        std::uint32_t end = 0;  // in the stream
        wire::PacketType type = wire::PacketType::connect;
        wire::QoS qos = wire::QoS::at_most_once;
        wire::PacketId id = 0;
    };
    struct Side {
        std::vector<std::uint8_t> stream;
        std::deque<Message> under_way;
        std::uint32_t packets = 0;
        bool closed = false;
    };

    void send(int side, BlobId blob, Message message);
    void publish(int side, wire::QoS qos, std::size_t bytes);
    void acknowledge(int side, wire::PacketType type, wire::PacketId id);
    void client_heard(const Message& message);
    void server_heard(const Message& message);
    void step();

    SessionSpec spec_;
    BlobPool pool_;
    net::tcp::Wire wire_;
    std::array<Side, 2> side_;
    std::array<Stream, 2> luck_;  // of the segments
    Stream sizes_;                // of the payloads
    std::vector<Instant> arrivals_;
    std::uint32_t published_ = 0;
    wire::PacketId next_id_ = 1;
    Instant next_ = Instant::never();
};

}  // namespace mqttwin
