// Who hears of what the network does: the owners of the ends, and those who only look.
#pragma once

#include <cstdint>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/base/stamp.hpp"
#include "mqttwin/base/time.hpp"
#include "mqttwin/net/network_records.hpp"
#include "mqttwin/net/pipe.hpp"
#include "mqttwin/net/tcp_segment.hpp"

namespace mqttwin::net {

enum class Ending : std::uint8_t {
    orderly,   // FIN from the other end
    reset,     // RST from the other end, or nobody listens there
    time_out,  // retransmitted for too long
};

/// Who hears of what arrives. Called from `handle_event` only; may call every command.
class Sink {
   public:
    virtual ~Sink() = default;
    /// A connection request reached the server's host. False: nobody listens, refuse it.
    virtual bool on_request(Instant now, FlowId flow) = 0;
    /// This end sees the connection established.
    virtual void on_opened(Instant now, FlowId flow, End end) = 0;
    /// What one `send` put in, whole.
    virtual void on_bytes(Instant now, FlowId flow, End receiver, ByteView bytes,
                          const Stamp& stamp) = 0;
    /// The connection is over for this end, which did not end it itself.
    virtual void on_closed(Instant now, FlowId flow, End end, Ending how) = 0;
    /// What one `send` put in will never arrive. Also from within commands.
    virtual void on_discarded(Instant now, FlowId flow, End receiver, ByteView bytes,
                              const Stamp& stamp) = 0;
};

/// Who looks at what crosses links: captures, tests. Only looks.
class Tap {
   public:
    virtual ~Tap() = default;
    /// A segment leaves `sender`'s host, and what the link makes of it.
    virtual void on_packet(Instant now, FlowId flow, End sender, const tcp::Segment& segment,
                           const Passage& passage) = 0;
    /// Bytes were put into a stream, from position `begin` on. Retain what is to be kept.
    virtual void on_written(Instant now, FlowId flow, End sender, std::uint32_t begin, BlobId head,
                            BlobId body) = 0;
    /// The same where no blob holds them: the view lives until this returns.
    virtual void on_written(Instant now, FlowId flow, End sender, std::uint32_t begin,
                            ByteView bytes) = 0;
    virtual void on_flow_freed(FlowId flow) = 0;
};

}  // namespace mqttwin::net
