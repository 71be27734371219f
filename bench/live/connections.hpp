// Many connections on one epoll. A turn reads what has come, lets the packets be handled, and then
// writes once for each connection that has something to say: the generator shares the machine with
// the broker and must not be what limits it.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker_process.hpp"
#include "mqtt_bytes.hpp"

namespace mqttwin::live {

[[noreturn]] inline void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

struct Connection {
    int fd = -1;
    std::uint32_t number = 0;  // in the order of connecting
    Bytes out;                 // not yet written
    Bytes rest;                // the beginning of a packet whose end has not come
    bool to_flush = false;
    bool blocked = false;  // the socket is full, EPOLLOUT will tell
};

class Connections {
   public:
    Connections(const std::string& host, std::uint16_t port) : input_(input_size) {
        address_.sin_family = AF_INET;
        address_.sin_port = htons(port);
        if (inet_pton(AF_INET, host.c_str(), &address_.sin_addr) != 1) {
            throw std::runtime_error("not an IPv4 address: " + host);
        }
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) fail("epoll_create1");
    }
    ~Connections() {
        for (const Connection& one : all_) close(one.fd);
        close(epoll_);
    }
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;

    /// A new TCP connection. On the loopback interface the kernel completes it without the broker,
    /// as long as the broker's backlog has room; so this blocks.
    Connection& open() {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) fail("socket");
        Connection& one = all_.emplace_back();
        one.fd = fd;
        one.number = static_cast<std::uint32_t>(all_.size() - 1);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the interface of sockets
        if (connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) {
            fail("connect");
        }
        const int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &one;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
        return one;
    }

    [[nodiscard]] Connection& operator[](std::size_t number) { return all_[number]; }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

    /// What was appended to `one.out` is to be written at the end of the turn.
    void flush_later(Connection& one) {
        if (one.to_flush) return;
        one.to_flush = true;
        to_flush_.push_back(&one);
    }

    /// Waits for input, hands each packet to `take(Connection&, Packet)`, writes. Throws
    /// std::runtime_error when the broker closes a connection.
    template <class Take>
    void turn(int timeout_ms, Take&& take) {
        const int ready = epoll_wait(epoll_, events_.data(), events_a_turn, timeout_ms);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; ++i) {
            auto& one = *static_cast<Connection*>(events_[i].data.ptr);
            if ((events_[i].events & EPOLLOUT) != 0) unblock(one);
            if ((events_[i].events & ~EPOLLOUT) != 0) read(one, take);
        }
        flush();
    }

    void flush() {
        for (Connection* one : to_flush_) {
            one->to_flush = false;
            if (!one->blocked) write(*one);
        }
        to_flush_.clear();
    }

    /// When the bytes being handled were read.
    [[nodiscard]] std::int64_t read_at() const { return read_at_; }

   private:
    static constexpr std::size_t input_size = std::size_t{256} * 1024;
    static constexpr int events_a_turn = 1024;

    template <class Take>
    void read(Connection& one, Take&& take) {
        const std::size_t kept = one.rest.size();
        if (kept > 0) std::memcpy(input_.data(), one.rest.data(), kept);
        const ssize_t got = recv(one.fd, input_.data() + kept, input_.size() - kept, MSG_DONTWAIT);
        if (got < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            fail("connection " + std::to_string(one.number));
        }
        if (got == 0) {
            throw std::runtime_error("the broker closed connection " + std::to_string(one.number));
        }
        read_at_ = now_ns();
        const View bytes(input_.data(), kept + static_cast<std::size_t>(got));
        const std::size_t used =
            for_each_packet(bytes, [&](const Packet& packet) { take(one, packet); });
        one.rest.assign(bytes.begin() + static_cast<std::ptrdiff_t>(used), bytes.end());
    }

    void write(Connection& one) {
        const ssize_t sent =
            send(one.fd, one.out.data(), one.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            fail("connection " + std::to_string(one.number));
        }
        const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
        if (done == one.out.size()) {
            one.out.clear();
            return;
        }
        one.out.erase(one.out.begin(), one.out.begin() + static_cast<std::ptrdiff_t>(done));
        one.blocked = true;
        watch(one, EPOLLIN | EPOLLOUT);
    }

    void unblock(Connection& one) {
        one.blocked = false;
        watch(one, EPOLLIN);
        flush_later(one);
    }

    void watch(Connection& one, std::uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.ptr = &one;
        if (epoll_ctl(epoll_, EPOLL_CTL_MOD, one.fd, &event) != 0) fail("epoll_ctl");
    }

    sockaddr_in address_{};
    int epoll_ = -1;
    std::deque<Connection> all_;  // addresses stay
    std::vector<Connection*> to_flush_;
    std::array<epoll_event, events_a_turn> events_{};
    Bytes input_;  // one for all: what is handled at once need not be kept
    std::int64_t read_at_ = 0;
};

}  // namespace mqttwin::live
