// SO_KEEPALIVE (RFC 9293, section 3.8.4) as Linux does it: one timer, which traffic does not touch;
// it looks when it fires, and waits for the rest if something was heard meanwhile.
#include <algorithm>

#include "tcp_turn.hpp"

namespace mqttwin::net::tcp {

void Turn::begin_keep_alive() {
    if (p_.keep_alive_idle.ns <= 0) return;
    heard();
    arm_keep_alive(ticks_of(p_.keep_alive_idle, p_.jiffy));
}

void Turn::arm_keep_alive(std::uint32_t delay) { f_.keep_alive = fires_after(delay); }

void Turn::heard() {
    f_.heard = ticks();
    f_.keep_probes = 0;
}

void Turn::on_keep_alive() {
    const std::uint32_t idle = ticks_of(p_.keep_alive_idle, p_.jiffy);
    if (!f_.queue.empty() || f_.unsent()) {  // alive or not, the retransmission time-out finds out
        arm_keep_alive(idle);
        return;
    }
    const std::uint32_t silent = std::min(ticks() - f_.heard, ticks() - e_.last_received);
    if (silent < idle) {
        arm_keep_alive(idle - silent);
        return;
    }
    const bool gone = p_.user_timeout.ns > 0
                          ? silent >= ticks_of(p_.user_timeout, p_.jiffy) && f_.keep_probes > 0
                          : f_.keep_probes >= p_.keep_alive_probes;
    if (gone) {
        send_reset();
        finish(Over::time_out);
        return;
    }
    Segment& probe = make(e_.acked - 1, 0);  // old to the peer: it answers
    emit(probe);
    ++f_.keep_probes;
    arm_keep_alive(ticks_of(p_.keep_alive_interval, p_.jiffy));
}

}  // namespace mqttwin::net::tcp
