// Sockets of hosts in virtual time: what firmware that speaks to an operating system sees of the
// network. Never blocks, owns no thread: who waits is the owner's business, which is told what has
// become ready after the event that made it so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/net/layers.hpp"
#include "mqttwin/net/link.hpp"
#include "mqttwin/net/network.hpp"

namespace mqttwin::world {

class VirtualWorld;

using SocketId = std::uint32_t;

/// Why a connection is over, or never was; an error of a socket is told once.
enum class SocketError : std::uint8_t { none, refused, reset, timed_out, broken_pipe, again };

/// What has happened to a host since its owner looked last.
struct SocketNews {
    enum class Kind : std::uint8_t {
        timer,   // the instant that was armed has come
        socket,  // `number` is ready for something that is watched
        answer,  // to the question `number`; `address` is kNoHost if there is none such
    };
    Kind kind = Kind::timer;
    std::uint32_t host = 0;
    std::uint32_t number = 0;
    net::Address address = net::kNoHost;
    bool timed_out = false;  // nobody has answered
};

class Sockets {
   public:
    /// Unread bytes of a socket beyond which it lets the window close.
    static constexpr std::size_t kReceiveMark = std::size_t{64} << 10U;
    /// A write is taken in pieces of this size, as long as the send buffer has room.
    static constexpr std::size_t kPiece = std::size_t{16} << 10U;
    /// Sockets of a host: the network tells connections of a device apart by 8 bits.
    static constexpr std::uint32_t kMaximumOpen = 200;
    /// Connections that wait to be accepted; more are refused.
    static constexpr std::size_t kMaximumBacklog = 128;
    /// Questions to the name server that a host has under way.
    static constexpr std::size_t kMaximumLookups = 200;

    explicit Sockets(VirtualWorld& world) : world_(&world) {}

    // Hosts.
    /// `layers` are spoken by sockets that ask for them: see `secure`.
    std::uint32_t add_host(std::string_view name, const net::LinkSpec& link,
                           const net::LayersSpec& layers, Duration resolver);
    /// One timer a host: it comes up among the world's events, as one of the host's.
    void arm(std::uint32_t host, Instant at);
    /// Asks a name server over the host's link: no cache, two tries of 5 s (resolv.conf(5)).
    std::uint32_t ask(std::uint32_t host, std::string_view name);
    [[nodiscard]] std::uint32_t tag(std::uint32_t host) const { return hosts_.at(host).tag; }
    void set_link_down(std::uint32_t host, bool down);
    /// What befalls the host's newest connection at a byte, or its next one.
    void set_fault(std::uint32_t host, const net::Fault& fault);
    void clear_fault(std::uint32_t host);
    /// Readers of the host's connections that stalled read again, at one end or the other.
    void resume_reading(std::uint32_t host, net::End reader);
    /// Every connection of the host is gone without a word: power lost, out of coverage.
    void vanish(std::uint32_t host);
    /// Every connection is reset at both ends.
    void cut(std::uint32_t host);

    // Sockets.
    SocketId open(std::uint32_t host);
    /// To a broker's, or a listener's, address.
    void connect(SocketId id, net::Address address);
    /// Connections are accepted from now on; returns the number that stands where a broker's does.
    std::uint32_t listen(SocketId id, std::string name);
    /// The next connection, or kNoSocket; the new socket belongs to the listener's host.
    SocketId accept(SocketId id);
    /// How many bytes were taken; `error` says why none were.
    std::size_t send(SocketId id, ByteView bytes, SocketError& error);
    /// Takes up to `most` bytes out; nothing without an error is the end of the stream.
    std::vector<std::uint8_t> receive(SocketId id, std::size_t most, bool peek, SocketError& error);
    /// No more is sent, but what comes is heard.
    void finish(SocketId id);
    /// Begins the handshake of the layers; the socket is writable again when it is over.
    void secure(SocketId id);
    /// `abort`: by a reset, as also where something has not been read.
    void close(SocketId id, bool abort);

    struct Ready {
        bool readable = false;
        bool writable = false;
        bool connecting = false;
        bool securing = false;
    };
    [[nodiscard]] Ready ready(SocketId id) const;
    /// The error that is pending, once: SO_ERROR.
    SocketError take_error(SocketId id);
    /// Whose news are wanted; what is ready already is no news.
    void watch(SocketId id, bool read, bool write);

    /// What has happened; the world's `run` returns early as long as there is any.
    std::vector<SocketNews> take_news() { return std::exchange(news_, {}); }
    [[nodiscard]] bool has_news() const { return !news_.empty(); }

    static constexpr SocketId kNoSocket = 0xFFFF'FFFFU;

    // The world's side.
    void handle_timer(Instant now, std::uint16_t population);
    void handle_lookup(Instant now, std::uint16_t population, std::uint8_t detail);
    /// After an event of the network.
    void settle(Instant now);
    [[nodiscard]] bool owns(net::FlowId flow, net::End end) const;
    bool on_request(net::FlowId flow);
    void on_opened(net::FlowId flow, net::End end);
    void on_bytes(net::FlowId flow, net::End end, ByteView bytes);
    void on_closed(net::FlowId flow, net::End end, net::Ending how);

   private:
    enum class State : std::uint8_t { fresh, connecting, securing, open, over, listening, closed };
    struct Socket {
        std::uint32_t host = 0;
        State state = State::fresh;
        net::FlowId flow = net::kNoFlow;
        net::End end = net::End::client;
        SocketError error = SocketError::none;
        bool peer_finished = false;  // end of what it sends
        bool finished = false;       // by ourselves
        bool wrote_after_end = false;
        bool paused = false;  // the window is closing: too much is unread
        bool blocked = false;
        bool watch_read = false;
        bool watch_write = false;
        std::vector<std::uint8_t> received;
        std::size_t taken = 0;  // of those
        std::uint32_t listener = 0;
        std::deque<SocketId> waiting;

        [[nodiscard]] std::size_t unread() const { return received.size() - taken; }
    };
    struct Lookup {
        std::uint32_t number = 0;
        std::string name;
        Instant asked;
        std::uint32_t tries = 0;
        bool answered = false;
        bool lost = false;
        bool used = false;
        net::Address address = net::kNoHost;
    };
    struct Host {
        std::uint16_t population = 0;
        std::uint32_t tag = 0;
        Duration resolver;
        Instant armed = Instant::never();
        std::uint32_t open = 0;
        std::vector<Lookup> lookups;  // by the detail of their events
    };

    Socket& at(SocketId id);
    [[nodiscard]] const Socket& at(SocketId id) const;
    Host& host_at(std::uint32_t host);
    SocketId make(std::uint32_t host);
    SocketId* find(net::FlowId flow, net::End end);
    void tell(SocketId id);
    void break_off(std::uint32_t host, bool silent);
    void forget(SocketId id);
    void ask_again(Host& host, std::uint8_t detail);
    void push_lookup(Host& host, std::uint8_t detail, Instant at);

    VirtualWorld* world_;
    std::vector<Host> hosts_;
    std::map<std::uint16_t, std::uint32_t> host_of_;  // by population
    std::vector<Socket> sockets_;
    std::vector<SocketId> free_;
    std::map<std::pair<net::FlowId, net::End>, SocketId> by_flow_;
    std::map<std::uint32_t, SocketId> listeners_;  // by the broker's number
    std::vector<SocketId> unsettled_;              // wait for room, or have let the window close
    std::vector<SocketNews> news_;
    std::uint32_t questions_ = 0;
};

}  // namespace mqttwin::world
