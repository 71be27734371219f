#include "mqttwin/net/lane_lists.hpp"

namespace mqttwin::net {

void Packets::overtake(Lane& l, std::uint32_t index) {
    Packet& packet = (*this)[index];
    std::uint32_t* place = &l.packets;
    while ((*this)[*place].arrives <= packet.arrives) place = &(*this)[*place].next;
    packet.next = *place;
    *place = index;
    l.first = (*this)[l.packets].arrives;
}

}  // namespace mqttwin::net
