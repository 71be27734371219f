// The gate between a world and the real network: what the world wants done with real connections.
//
// What happens on them comes back through VirtualWorld::real_*. A real connection has a number that
// the gate chooses; it is free again after `close`, `abort` or VirtualWorld::real_closed.
#pragma once

#include <cstdint>
#include <string>

#include "mqttwin/auth/authenticator.hpp"
#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/stamp.hpp"

namespace mqttwin::world {

/// A password that is to be checked away from the loop: auth::verify_password of the decision's
/// record and password says.
struct Verification {
    void* broker = nullptr;  // the world's business, as the rest
    Slot slot = kNoSlot;
    std::uint32_t token = 0;
    auth::Decision decision;
};

class Gate {
   public:
    virtual ~Gate() = default;
    /// Begins a connection; real_connected or real_closed follows, never from within this call.
    virtual std::uint32_t open(const std::string& host, std::uint16_t port) = 0;
    /// The references become the gate's.
    virtual void send(std::uint32_t connection, BlobId head, BlobId body) = 0;
    /// After what was sent before.
    virtual void close(std::uint32_t connection) = 0;
    virtual void abort(std::uint32_t connection) = 0;
    /// From the system's source of randomness.
    virtual std::uint64_t random_word() = 0;
    /// VirtualWorld::verified follows, never from within this call. False: too many are waiting.
    virtual bool verify(const Verification& check) = 0;
};

}  // namespace mqttwin::world
