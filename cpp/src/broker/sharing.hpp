// Shared subscriptions (4.8.2): who gets a message, and who gets what a leaving member was owed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "state.hpp"

namespace mqttwin::broker {

/// If one group is all that matched, everybody in any group reads, and it is by turns: its member
/// whose turn it is, in State::matches, whatever the size of the group. The same as below.
bool choose_at_once(State& s, std::span<const SubscriptionIndex::Entry> group);

/// Leaves one member of each group in State::shared_matches. `publisher` is a hash of who sent it.
void choose_members(State& s, std::uint32_t publisher, std::string_view topic);

/// A session has left one group, or (kNoGroup) all of them because it ends: other members get what
/// it was owed. Its subscriptions are gone already.
void redistribute(State& s, Instant now, std::uint32_t session, std::uint32_t group);

}  // namespace mqttwin::broker
