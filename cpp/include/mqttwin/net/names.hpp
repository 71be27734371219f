// How a device finds its broker: by a name, by an address that somebody wrote into it, or as if it
// knew.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::net {

/// An address of a host; what it looks like is a capture's business.
using Address = std::uint32_t;
inline constexpr std::uint32_t kNoHost = 0xFFFF'FFFFU;

/// How a population reaches its broker.
struct Reach {
    enum class Kind : std::uint8_t {
        known,    // wherever it is, at no cost
        name,     // asks a name server, and believes the answer for its time to live
        address,  // the one that was right when the device was made
    };
    Kind kind = Kind::known;
    std::uint32_t name = 0;               // Names::add
    Address address = 0;                  // of `address`
    Duration resolver = milliseconds(5);  // what the name server takes to answer
};

/// What a device remembers of a name.
struct NameCache {
    Instant expires{-1};
    Address address = 0;
};

/// Where hosts are, and what their names say.
class Names {
   public:
    /// Seconds that a resolver waits for an answer, and how often it asks: resolv.conf(5)'s
    /// defaults.
    static constexpr Duration kPatience = seconds(5);
    static constexpr std::uint32_t kTries = 2;

    /// Throws std::invalid_argument: a name that is none, or that is taken.
    std::uint32_t add(std::string_view name, Address address, Duration ttl);
    /// The number of a name, or kNoHost: there is none such. Case makes no difference.
    [[nodiscard]] std::uint32_t find(std::string_view name) const;
    /// From now on; who has asked before believes the old answer until its time is over.
    void set(std::uint32_t name, Address address) { records_.at(name).address = address; }
    void set_ttl(std::uint32_t name, Duration ttl) { records_.at(name).ttl = ttl; }
    [[nodiscard]] Address address(std::uint32_t name) const { return records_[name].address; }
    [[nodiscard]] Duration ttl(std::uint32_t name) const { return records_[name].ttl; }
    [[nodiscard]] const std::string& text(std::uint32_t name) const { return records_[name].name; }

    void put_host(Address address, std::uint32_t host) { hosts_[address] = host; }
    void remove_host(Address address) { hosts_.erase(address); }
    /// kNoHost: nobody is there, and nobody says so.
    [[nodiscard]] std::uint32_t host_at(Address address) const;
    [[nodiscard]] Address address_of(std::uint32_t host) const;

    /// Bytes on the IP level (RFC 1035: a header of 12, the name, type and class; an A record of
    /// 16).
    [[nodiscard]] std::uint32_t question_bytes(std::uint32_t name) const;
    [[nodiscard]] static std::uint32_t question_bytes(std::string_view name);
    [[nodiscard]] std::uint32_t answer_bytes(std::uint32_t name) const;
    void archive(Archive& a) { a(records_, hosts_); }

   private:
    struct Record {
        std::string name;
        Address address = 0;
        Duration ttl;

        void archive(Archive& a) { a(name, address, ttl); }
    };
    std::vector<Record> records_;
    std::map<Address, std::uint32_t> hosts_;
};

}  // namespace mqttwin::net
