// Many TCP connections on one thread: reads into one buffer, writes once per connection and turn.
//
// A turn of the loop is wait() → dispatch() → flush(). dispatch() reads from every connection that
// has something and hands it to the Handler, whose answers are queued by send(); flush() writes
// what is queued, with one system call per connection. That is what makes a busy server cheap: the
// more there is to do, the fewer calls a message costs.
//
// Asio does what is rare: addresses, names, listening, connecting. What is ready is asked of epoll
// itself: with an operation of Asio's reactor for every read, its system calls and bookkeeping
// would cost more than the broker.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::transport {

/// Small and dense; used again after the connection is over.
using ConnectionId = std::uint32_t;
using ListenerId = std::uint32_t;

/// What happened. Called from dispatch() and flush() only, and may call every command of Sockets.
class Handler {
   public:
    virtual ~Handler() = default;
    /// False: the connection is reset.
    virtual bool on_accepted(ConnectionId, ListenerId, std::string_view address) = 0;
    virtual void on_connected(ConnectionId) = 0;
    /// The bytes live until it returns.
    virtual void on_bytes(ConnectionId, ByteView bytes) = 0;
    /// The connection is over, or could not be made. Not called after an own close or abort.
    virtual void on_closed(ConnectionId, std::string_view why) = 0;
    /// More than Limits::backlog_mark waits to be written; or no longer half as much.
    virtual void on_backlog(ConnectionId, bool congested) = 0;
};

/// Every bound, with its default.
struct Limits {
    std::uint32_t max_connections = 1'000'000;
    /// Accepted in one turn, so that a storm of connections does not starve the others.
    std::uint32_t accepts_per_turn = 64;
    std::size_t read_buffer = std::size_t{64} << 10;  // bytes, shared by all connections
    /// Bytes that wait for one peer to read, before the Handler hears of it ...
    std::size_t backlog_mark = std::size_t{256} << 10;
    /// ... before the connection is reset ...
    std::size_t max_backlog = std::size_t{16} << 20;
    /// ... and that wait for all peers together. While more wait, the marks of all are this much
    /// divided by the number of those that read too slowly.
    std::size_t total_backlog = std::size_t{256} << 20;
    /// How long a closed connection may take to read what was sent before.
    Duration linger = seconds(10);
    Duration connect_timeout = seconds(30);
};

/// What the operating system refused; says what was tried.
class TransportError : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

/// Not thread-safe except for wake().
class Sockets {
   public:
    /// The pool must outlive the sockets.
    Sockets(BlobPool& pool, Handler& handler, const Limits& limits = {});
    ~Sockets();
    Sockets(const Sockets&) = delete;
    Sockets& operator=(const Sockets&) = delete;

    struct Listening {
        ListenerId id = 0;
        std::string host;
        std::uint16_t port = 0;
    };
    /// Host is an address or a name of this machine; port 0 asks for any. Throws TransportError.
    Listening listen(const std::string& host, std::uint16_t port);
    /// Lets nobody in any more; existing connections stay.
    void stop_listening();

    /// on_connected or on_closed follows, in a later dispatch().
    ConnectionId connect(const std::string& host, std::uint16_t port);
    /// Queues; written by the next flush(). The references become ours. Ignored when the
    /// connection is over.
    void send(ConnectionId id, BlobId head, BlobId body);
    /// Writes what was queued, then closes in good order.
    void close(ConnectionId id);
    /// Resets; what is queued is lost.
    void abort(ConnectionId id);

    /// Until something is ready, wake() is called, or this long at most. Touches nothing that the
    /// handler knows, so another thread may use the handler's world meanwhile.
    void wait(Duration at_most);
    /// Handles what is ready; false when nothing was.
    bool dispatch(Duration now);
    void flush();
    /// Ends a wait(); from any thread.
    void wake();

    [[nodiscard]] std::size_t connections() const;
    /// Bytes that wait to be written, of all connections.
    [[nodiscard]] std::size_t backlog() const;
    [[nodiscard]] const Limits& limits() const;

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mqttwin::transport
