// From a publisher to every session with a matching subscription.
#pragma once

#include <cstdint>

#include "state.hpp"

namespace mqttwin::broker {

/// Retains the message if it says so and gives each matching session its copy. `publisher` is the
/// session that sent it, or kNone. Returns how many sessions matched. `publish` is changed: what
/// belongs to its last hop alone goes. `packet`: as which it came, if that is what others get.
std::uint32_t route(State& s, Instant now, std::uint32_t publisher, wire::Publish& publish,
                    const Stamp& stamp, BlobId packet = BlobId::none);

/// Whether there is room for this message in the retained store.
[[nodiscard]] bool may_be_retained(const State& s, const wire::Publish& publish);

/// Gives a session the retained messages that a new subscription matches.
void replay_retained(State& s, Instant now, std::uint32_t session, std::string_view filter,
                     const SubscriptionData& data);

}  // namespace mqttwin::broker
