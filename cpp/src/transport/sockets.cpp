#include "mqttwin/transport/sockets.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outgoing.hpp"

namespace mqttwin::transport {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kEventsPerTurn = 512;
// How often attempts to connect are looked after, while there are some.
constexpr int kConnectPollMs = 2;
// What an event belongs to, where it is no connection: in the upper half of its data.
constexpr std::uint32_t kListenerEvent = 0xFFFF'FFFFU;
constexpr std::uint32_t kWakeEvent = 0xFFFF'FFFEU;
constexpr std::uint32_t kGenerations = 0xFFFF'FFF0U;  // fewer than the markers
// Out of descriptors: when to try to accept again.
constexpr Duration kAcceptPause = milliseconds(100);
// What everybody may have waiting, however many read too slowly.
constexpr std::size_t kLowestMark = std::size_t{4} << 10;

std::string text_of(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    const std::string port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

enum class State : std::uint8_t { free, connecting, open, lingering };

struct Connection {
    Chain outgoing;
    int fd = -1;
    std::uint32_t generation = 0;  // tells an event of an earlier connection with this number
    State state = State::free;
    bool dirty = false;      // in Impl::dirty
    bool blocked = false;    // waits until the kernel takes more
    bool congested = false;  // the handler has been told
    bool closing = false;    // after what waits
    std::uint32_t watched = 0;
};

struct Deadline {
    Duration at;
    ConnectionId id = 0;
    std::uint32_t generation = 0;
};

}  // namespace

struct Sockets::Impl {
    struct Listener {
        tcp::acceptor acceptor;
        bool paused = false;  // out of descriptors
    };
    struct Connecting {
        Connecting(asio::io_context& io, ConnectionId connection, std::uint32_t its_generation)
            : resolver(io), socket(io), id(connection), generation(its_generation) {}
        tcp::resolver resolver;
        tcp::socket socket;
        ConnectionId id;
        std::uint32_t generation;
        boost::system::error_code result;
    };

    Impl(BlobPool& pool, Handler& the_handler, const Limits& the_limits)
        : handler(the_handler),
          limits(the_limits),
          outgoing(pool),
          epoll(descriptor("epoll", ::epoll_create1(EPOLL_CLOEXEC))),
          awake(descriptor("eventfd", ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
          buffer(the_limits.read_buffer) {
        control(EPOLL_CTL_ADD, awake.native_handle(), EPOLLIN, std::uint64_t{kWakeEvent} << 32);
    }

    asio::posix::stream_descriptor descriptor(const char* what, int fd) {
        if (fd < 0) throw TransportError(std::string(what) + ": " + std::strerror(errno));
        return asio::posix::stream_descriptor(io, fd);
    }
    bool control(int operation, int fd, std::uint32_t wanted, std::uint64_t data) {
        epoll_event event{};
        event.events = wanted;
        event.data.u64 = data;
        return ::epoll_ctl(epoll.native_handle(), operation, fd, &event) == 0;
    }
    void pause(ListenerId id, bool paused);

    ConnectionId take(int fd, State state);
    void watch(ConnectionId id, std::uint32_t wanted);
    void accept(ListenerId id, Duration now);
    void finish_connecting();
    void read(ConnectionId id, Duration now);
    void write(ConnectionId id, Duration now);
    void judge_backlog(ConnectionId id);
    [[nodiscard]] std::size_t mark() const;
    void touch(ConnectionId id);
    void linger(ConnectionId id, Duration now);
    void lose(ConnectionId id, std::string_view why);
    void destroy(ConnectionId id);
    void expire(Duration now);
    [[nodiscard]] bool is(ConnectionId id, std::uint32_t generation) const {
        return id < connections.size() && connections[id].generation == generation &&
               connections[id].state != State::free;
    }

    Handler& handler;
    Limits limits;
    Outgoing outgoing;
    asio::io_context io{1};
    asio::posix::stream_descriptor epoll;
    asio::posix::stream_descriptor awake;
    std::array<epoll_event, kEventsPerTurn> events{};
    std::size_t event_count = 0;
    std::vector<std::uint8_t> buffer;
    std::vector<std::unique_ptr<Listener>> listeners;
    Duration accept_again{0};
    std::vector<std::shared_ptr<Connecting>> connecting;
    std::atomic<std::size_t> attempts{0};  // as many; also read while waiting
    std::vector<std::shared_ptr<Connecting>> connected;
    std::vector<Connection> connections;
    std::deque<ConnectionId> unused;  // the one that has rested longest goes first
    std::size_t open = 0;
    std::size_t blocked = 0;
    std::vector<ConnectionId> dirty;
    std::deque<Deadline> lingering;
    std::deque<Deadline> hurrying;  // connecting
    Duration now{0};                // of the latest dispatch
};

// --- Connections ---------------------------------------------------------------------------------

ConnectionId Sockets::Impl::take(int fd, State state) {
    ConnectionId id = 0;
    if (unused.empty()) {
        id = static_cast<ConnectionId>(connections.size());
        connections.emplace_back();
    } else {
        id = unused.front();
        unused.pop_front();
    }
    Connection& c = connections[id];
    c.fd = fd;
    c.state = state;
    ++open;
    return id;
}

void Sockets::Impl::watch(ConnectionId id, std::uint32_t wanted) {
    Connection& c = connections[id];
    if (c.watched == wanted) return;
    const int operation = c.watched != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const std::uint64_t data = (std::uint64_t{c.generation} << 32) | id;
    if (control(operation, c.fd, wanted, data)) c.watched = wanted;
}

void Sockets::Impl::touch(ConnectionId id) {
    Connection& c = connections[id];
    if (c.dirty) return;
    c.dirty = true;
    dirty.push_back(id);
}

void Sockets::Impl::destroy(ConnectionId id) {
    Connection& c = connections[id];
    if (c.blocked) --blocked;
    outgoing.clear(c.outgoing);
    if (c.fd >= 0) ::close(c.fd);
    const std::uint32_t generation = (c.generation + 1) % kGenerations;
    const bool was_dirty = c.dirty;
    c = {};
    c.generation = generation;
    c.dirty = was_dirty;  // it stays in the list, harmlessly
    --open;
    unused.push_back(id);
}

void Sockets::Impl::lose(ConnectionId id, std::string_view why) {
    const bool tell = connections[id].state != State::lingering && !connections[id].closing;
    destroy(id);
    if (tell) handler.on_closed(id, why);
}

// Everything is written: says so to the peer, and waits for its end. Closed at once, a socket that
// has unread bytes would reset the connection, and the peer might never see our last words.
void Sockets::Impl::linger(ConnectionId id, Duration at) {
    Connection& c = connections[id];
    c.state = State::lingering;
    if (::shutdown(c.fd, SHUT_WR) != 0) return destroy(id);
    watch(id, EPOLLIN);
    lingering.push_back({at + limits.linger, id, c.generation});
}

void Sockets::Impl::expire(Duration at) {
    while (!lingering.empty() && lingering.front().at <= at) {
        const Deadline deadline = lingering.front();
        lingering.pop_front();
        if (is(deadline.id, deadline.generation)) destroy(deadline.id);
    }
    while (!hurrying.empty() && hurrying.front().at <= at) {
        const Deadline deadline = hurrying.front();
        hurrying.pop_front();
        if (is(deadline.id, deadline.generation) &&
            connections[deadline.id].state == State::connecting) {
            lose(deadline.id, "no answer in time");
        }
    }
}

// --- Listening and connecting --------------------------------------------------------------------

// Readiness to accept is reported until somebody is accepted, which would keep the loop spinning.
void Sockets::Impl::pause(ListenerId id, bool paused) {
    Listener& listener = *listeners[id];
    if (listener.paused == paused) return;
    listener.paused = paused;
    control(EPOLL_CTL_MOD, listener.acceptor.native_handle(), paused ? 0U : EPOLLIN,
            (std::uint64_t{kListenerEvent} << 32) | id);
}

void Sockets::Impl::accept(ListenerId id, Duration at) {
    Listener& listener = *listeners[id];
    for (std::uint32_t n = 0; n < limits.accepts_per_turn; ++n) {
        tcp::endpoint peer;
        auto size = static_cast<socklen_t>(peer.capacity());
        const int fd = ::accept4(listener.acceptor.native_handle(), peer.data(), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                accept_again = at + kAcceptPause;
                pause(id, true);
            }
            return;  // EAGAIN: nobody is left
        }
        peer.resize(size);
        if (open >= limits.max_connections) {
            ::close(fd);
            continue;
        }
        const int on = 1;
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const ConnectionId connection = take(fd, State::open);
        watch(connection, EPOLLIN);
        if (!handler.on_accepted(connection, id, text_of(peer)) &&
            connections[connection].fd == fd) {
            destroy(connection);
        }
    }
}

void Sockets::Impl::finish_connecting() {
    auto finished = std::move(connected);
    connected.clear();
    for (const auto& attempt : finished) {
        connecting.erase(std::find(connecting.begin(), connecting.end(), attempt));
        --attempts;
        if (!is(attempt->id, attempt->generation)) continue;  // closed meanwhile
        if (attempt->result) {
            lose(attempt->id, attempt->result.message());
            continue;
        }
        boost::system::error_code error;
        attempt->socket.set_option(tcp::no_delay(true), error);
        attempt->socket.native_non_blocking(true, error);
        Connection& c = connections[attempt->id];
        c.fd = attempt->socket.release(error);
        if (error) {
            lose(attempt->id, error.message());
            continue;
        }
        c.state = State::open;
        watch(attempt->id, EPOLLIN);
        handler.on_connected(attempt->id);
    }
}

// --- Reading and writing -------------------------------------------------------------------------

void Sockets::Impl::read(ConnectionId id, Duration /*at*/) {
    const Connection& c = connections[id];
    const ssize_t got = ::recv(c.fd, buffer.data(), buffer.size(), 0);
    if (got > 0) {
        if (c.state == State::open && !c.closing) {
            handler.on_bytes(id, {buffer.data(), static_cast<std::size_t>(got)});
        }
        return;
    }
    if (got == 0) return lose(id, "closed by the peer");
    if (errno == EAGAIN || errno == EINTR) return;
    lose(id, std::strerror(errno));
}

std::size_t Sockets::Impl::mark() const {
    const std::size_t share = limits.total_backlog / std::max<std::size_t>(blocked, 1);
    return std::clamp(share, kLowestMark, std::max(limits.backlog_mark, kLowestMark));
}

void Sockets::Impl::judge_backlog(ConnectionId id) {
    Connection& c = connections[id];
    if (c.outgoing.bytes > limits.max_backlog) return lose(id, "reads too slowly");
    const std::size_t most = mark();
    const bool congested = c.outgoing.bytes > (c.congested ? most / 2 : most);
    // Who does not read what it is sent is not read from either: TCP tells it to wait.
    watch(id, (c.blocked ? EPOLLOUT : 0U) | (congested && c.blocked ? 0U : EPOLLIN));
    if (congested == c.congested) return;
    c.congested = congested;
    if (!c.closing) handler.on_backlog(id, congested);
}

void Sockets::Impl::write(ConnectionId id, Duration at) {
    while (!connections[id].outgoing.empty()) {
        std::size_t bytes = 0;
        const auto pieces = outgoing.gather(connections[id].outgoing, bytes);
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        const ssize_t put = ::sendmsg(connections[id].fd, &message, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno != EAGAIN) return lose(id, std::strerror(errno));
        if (put > 0) outgoing.pop(connections[id].outgoing, static_cast<std::size_t>(put));
        if (put < 0 || static_cast<std::size_t>(put) < bytes) {
            Connection& c = connections[id];
            if (!c.blocked) ++blocked;
            c.blocked = true;
            return judge_backlog(id);
        }
    }
    Connection& c = connections[id];
    if (c.blocked) --blocked;
    const bool was_blocked = c.blocked;
    c.blocked = false;
    if (c.closing) return linger(id, at);
    if (was_blocked) judge_backlog(id);
}

// --- The interface -------------------------------------------------------------------------------

Sockets::Sockets(BlobPool& pool, Handler& handler, const Limits& limits)
    : impl_(std::make_unique<Impl>(pool, handler, limits)) {}

Sockets::~Sockets() {
    for (ConnectionId id = 0; id < impl_->connections.size(); ++id) {
        if (impl_->connections[id].state != State::free) impl_->destroy(id);
    }
}

Sockets::Listening Sockets::listen(const std::string& host, std::uint16_t port) {
    Impl& s = *impl_;
    const std::string where = host + " port " + std::to_string(port);
    boost::system::error_code error;
    tcp::resolver resolver(s.io);
    const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
    if (error || found.empty()) {
        throw TransportError("cannot listen on " + where + ": " + error.message());
    }
    tcp::endpoint endpoint = found.begin()->endpoint();
    for (const auto& entry : found) {  // "localhost" has two addresses; clients try the old one
        if (entry.endpoint().address().is_v4()) {
            endpoint = entry.endpoint();
            break;
        }
    }
    auto listener = std::make_unique<Impl::Listener>(Impl::Listener{tcp::acceptor(s.io)});
    tcp::acceptor& acceptor = listener->acceptor;
    const auto check = [&] {
        if (error) throw TransportError("cannot listen on " + where + ": " + error.message());
    };
    acceptor.open(endpoint.protocol(), error);
    check();
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    acceptor.bind(endpoint, error);
    check();
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
    check();
    acceptor.native_non_blocking(true, error);
    check();
    const tcp::endpoint bound = acceptor.local_endpoint(error);
    check();
    const auto id = static_cast<ListenerId>(s.listeners.size());
    s.control(EPOLL_CTL_ADD, acceptor.native_handle(), EPOLLIN,
              (std::uint64_t{kListenerEvent} << 32) | id);
    s.listeners.push_back(std::move(listener));
    return {id, bound.address().to_string(), bound.port()};
}

void Sockets::stop_listening() {
    for (const auto& listener : impl_->listeners) {
        boost::system::error_code error;
        listener->acceptor.close(error);
    }
}

ConnectionId Sockets::connect(const std::string& host, std::uint16_t port) {
    Impl& s = *impl_;
    const ConnectionId id = s.take(-1, State::connecting);
    const std::uint32_t generation = s.connections[id].generation;
    s.hurrying.push_back({s.now + s.limits.connect_timeout, id, generation});
    auto attempt = std::make_shared<Impl::Connecting>(s.io, id, generation);
    s.connecting.push_back(attempt);
    ++s.attempts;
    attempt->resolver.async_resolve(
        host, std::to_string(port),
        [&s, attempt](const boost::system::error_code& error,
                      const tcp::resolver::results_type& found) {
            if (error) {
                attempt->result = error;
                s.connected.push_back(attempt);
                return;
            }
            asio::async_connect(
                attempt->socket, found,
                [&s, attempt](const boost::system::error_code& failed, const tcp::endpoint&) {
                    attempt->result = failed;
                    s.connected.push_back(attempt);
                });
        });
    return id;
}

void Sockets::send(ConnectionId id, BlobId head, BlobId body) {
    Impl& s = *impl_;
    Connection& c = s.connections[id];
    if (c.state != State::open || c.closing) return s.outgoing.discard(head, body);
    s.outgoing.push(c.outgoing, head, body);
    // A blocked one is written to when it has room, and looked at when its bounds are passed.
    const std::size_t bound = c.congested ? s.limits.max_backlog : s.mark();
    if (!c.blocked || c.outgoing.bytes > bound) s.touch(id);
}

void Sockets::close(ConnectionId id) {
    Impl& s = *impl_;
    Connection& c = s.connections[id];
    if (c.state == State::connecting) return s.destroy(id);
    if (c.state != State::open) return;
    c.closing = true;
    if (c.blocked) {
        s.lingering.push_back({s.now + s.limits.linger, id, c.generation});
    } else {
        s.touch(id);
    }
}

void Sockets::abort(ConnectionId id) {
    Impl& s = *impl_;
    Connection& c = s.connections[id];
    if (c.state == State::free) return;
    if (c.fd >= 0) {
        const ::linger now{1, 0};  // a reset instead of a FIN
        (void)::setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    s.destroy(id);
}

void Sockets::wait(Duration at_most) {
    Impl& s = *impl_;
    constexpr std::int64_t kMs = 1'000'000;
    const bool attempting = s.attempts.load() > 0;
    if (s.accept_again > s.now) at_most = min(at_most, kAcceptPause);
    // Rounded up: an early look would find nothing to do, again and again.
    int timeout = static_cast<int>(std::min<std::int64_t>((at_most.ns + kMs - 1) / kMs, 60'000));
    if (attempting) timeout = std::min(timeout, kConnectPollMs);
    const int n = ::epoll_wait(s.epoll.native_handle(), s.events.data(),
                               static_cast<int>(s.events.size()), timeout);
    s.event_count = n > 0 ? static_cast<std::size_t>(n) : 0;
    if (attempting) {
        s.io.restart();
        s.io.poll();
    }
}

bool Sockets::dispatch(Duration now) {
    Impl& s = *impl_;
    s.now = now;
    const bool something = s.event_count > 0 || !s.connected.empty();
    if (s.accept_again.ns != 0 && s.accept_again <= now) {
        s.accept_again = {0};
        for (ListenerId id = 0; id < s.listeners.size(); ++id) s.pause(id, false);
    }
    s.finish_connecting();
    for (std::size_t i = 0; i < s.event_count; ++i) {
        const auto low = static_cast<std::uint32_t>(s.events[i].data.u64);
        const auto high = static_cast<std::uint32_t>(s.events[i].data.u64 >> 32);
        const std::uint32_t what = s.events[i].events;
        if (high == kListenerEvent) {
            s.accept(low, now);
        } else if (high == kWakeEvent) {
            std::uint64_t count = 0;
            (void)!::read(s.awake.native_handle(), &count, sizeof count);
        } else if (s.is(low, high)) {
            if ((what & EPOLLOUT) != 0) s.touch(low);
            if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) s.read(low, now);
        }
    }
    s.event_count = 0;
    s.expire(now);
    return something;
}

void Sockets::flush() {
    Impl& s = *impl_;
    // By index: what waits for room to be written again is added behind.
    for (std::size_t i = 0; i < s.dirty.size(); ++i) {
        const ConnectionId id = s.dirty[i];
        Connection& c = s.connections[id];
        c.dirty = false;
        if (c.state == State::open) s.write(id, s.now);
    }
    s.dirty.clear();
}

void Sockets::wake() {
    const std::uint64_t one = 1;
    (void)!::write(impl_->awake.native_handle(), &one, sizeof one);
}

std::size_t Sockets::connections() const { return impl_->open; }
std::size_t Sockets::backlog() const { return impl_->outgoing.bytes(); }
const Limits& Sockets::limits() const { return impl_->limits; }

}  // namespace mqttwin::transport
