// The contract between an engine (client or broker) and the world that drives it.
//
// An engine owns no clock, socket, thread or randomness. A world calls
//     handle_open / handle_bytes / handle_closed (now, connection, ...)
//                                                   when the network did something,
//     handle_timeout(now)                           when next_deadline() has come,
//     a command such as publish(now, client, ...)   when somebody wants something,
// and after each call drains the outbox: bytes go to the network, a close closes. An engine never
// calls out to the network while it is handling something. Instants never go backwards.
#pragma once

#include <cstdint>
#include <vector>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin {

/// One thing that an engine wants done.
struct Output {
    enum class Kind : std::uint8_t {
        open,   // client: open a connection for this slot
        send,   // send `head`, then `body`; the references become the world's
        close,  // send what was queued before, then close in good order
        abort,  // close at once (reset); what is under way is lost
        /// Broker: who is this? `stamp.sequence` is the token; see Broker::credentials; answer with
        /// Broker::handle_authenticated, now or later.
        authenticate,
    };
    Kind kind = Kind::send;
    /// Send only: the bytes are a PUBLISH packet (`stamp` is meaningful); observers count these.
    bool is_publish = false;
    Slot slot = kNoSlot;
    BlobId head = BlobId::none;
    BlobId body = BlobId::none;  // a payload shared by many sends
    Stamp stamp;
};

/// In the order in which things were decided; the world takes it empty.
using Outbox = std::vector<Output>;

}  // namespace mqttwin
