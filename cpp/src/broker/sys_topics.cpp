#include "sys_topics.hpp"

#include <array>
#include <cmath>
#include <string_view>

#include "mqttwin/base/math.hpp"

#include "routing.hpp"
#include "state.hpp"

namespace mqttwin::broker {
namespace {

constexpr std::array<double, LoadAverage::kSpans> kSpanMinutes = {1, 5, 15};
constexpr std::array<std::string_view, LoadAverage::kSpans> kSpanNames = {"1min", "5min", "15min"};

// A value of at least 0 with two decimals, the same on every machine.
std::string hundredths(double value) {
    const auto all = static_cast<std::uint64_t>(std::llround(value * 100));
    const std::string cents = std::to_string(all % 100);
    return std::to_string(all / 100) + (cents.size() < 2 ? ".0" : ".") + cents;
}

/// One round: says what is different from the last one.
class Round {
   public:
    Round(State& s, Instant now) : s_(s), now_(now) {}

    void say(std::string_view topic, std::string text) {
        const std::size_t place = place_++;
        if (s_.sys.said.size() <= place) s_.sys.said.resize(place + 1);
        if (s_.sys.said[place] == text) return;
        s_.sys.said[place] = std::move(text);
        topic_ = "$SYS/broker/";
        topic_ += topic;
        wire::Publish publish;
        publish.topic = topic_;
        publish.payload = as_bytes(s_.sys.said[place]);
        publish.retain = true;
        Stamp stamp;
        stamp.published = now_;
        route(s_, now_, kNone, publish, stamp);
    }
    void say(std::string_view topic, std::uint64_t value) { say(topic, std::to_string(value)); }

    void load(std::string_view what, std::uint64_t total, Duration elapsed) {
        LoadAverage& average = s_.sys.loads[load_++];
        if (elapsed.ns > 0) average.update(total, elapsed);
        for (std::size_t span = 0; span < LoadAverage::kSpans; ++span) {
            std::string topic = "load/";
            topic += what;
            topic += '/';
            topic += kSpanNames[span];
            say(topic, hundredths(average.per_minute(span)));
        }
    }

   private:
    State& s_;
    Instant now_;
    std::string topic_;
    std::size_t place_ = 0;
    std::size_t load_ = 0;
};

void say_clients(Round& round, const State& s) {
    const std::uint64_t total = s.sessions.live();
    round.say("clients/total", total);
    round.say("clients/connected", s.connected);
    round.say("clients/active", s.connected);
    round.say("clients/disconnected", total - s.connected);
    round.say("clients/inactive", total - s.connected);
    round.say("clients/maximum", s.tally.clients_maximum);
    round.say("clients/expired", s.tally.sessions_expired);
}

void say_traffic(Round& round, const State& s) {
    const Tally t = s.tally;
    round.say("messages/received", t.messages_received);
    round.say("messages/sent", t.messages_sent);
    round.say("bytes/received", t.bytes_received);
    round.say("bytes/sent", t.bytes_sent);
    round.say("publish/messages/received", t.publishes_received);
    round.say("publish/messages/sent", t.publishes_sent);
    round.say("publish/messages/dropped", t.publishes_dropped);
    round.say("publish/bytes/received", t.publish_bytes_received);
    round.say("publish/bytes/sent", t.publish_bytes_sent);
}

void say_state(Round& round, const State& s) {
    round.say("messages/inflight", s.in_flight);
    round.say("messages/stored", s.messages.live());
    round.say("store/messages/count", s.messages.live());
    round.say("store/messages/bytes", s.messages.bytes());
    round.say("retained messages/count", s.retained.size());
    round.say("subscriptions/count", s.subscriptions.size());
    round.say("shared_subscriptions/count", s.groups.size());
}

void say_loads(Round& round, const State& s, Duration elapsed) {
    const Tally t = s.tally;
    round.load("messages/received", t.messages_received, elapsed);
    round.load("messages/sent", t.messages_sent, elapsed);
    round.load("publish/received", t.publishes_received, elapsed);
    round.load("publish/sent", t.publishes_sent, elapsed);
    round.load("publish/dropped", t.publishes_dropped, elapsed);
    round.load("bytes/received", t.bytes_received, elapsed);
    round.load("bytes/sent", t.bytes_sent, elapsed);
    round.load("sockets", t.sockets, elapsed);
    round.load("connections", t.connections, elapsed);
}

}  // namespace

void LoadAverage::update(std::uint64_t total, Duration elapsed) {
    const double minutes = elapsed.seconds() / 60;
    const double rate = static_cast<double>(total - before_) / minutes;
    before_ = total;
    for (std::size_t span = 0; span < kSpans; ++span) {
        const double kept = portable::exp(-minutes / kSpanMinutes[span]);
        average_[span] = rate + kept * (average_[span] - rate);
    }
}

void restart_sys_topics(State& s, Instant now) {
    s.tally = {};
    s.sys = {};
    if (s.options.sys_interval.ns > 0) s.sys.next = now;
}

void update_sys_topics(State& s, Instant now) {
    SysTopics& sys = s.sys;
    const bool first = sys.started.ns < 0;
    if (first) sys.started = now;
    const Duration elapsed = first ? Duration{} : now - sys.updated;
    sys.updated = now;
    sys.next = now + s.options.sys_interval;
    Round round(s, now);
    round.say("version", s.options.version_text);
    round.say("uptime", std::to_string((now - sys.started).ns / seconds(1).ns) + " seconds");
    say_clients(round, s);
    say_traffic(round, s);
    say_state(round, s);
    say_loads(round, s, elapsed);
}

}  // namespace mqttwin::broker
