// $SYS topics: the names, what they say and when.
#include <algorithm>
#include <map>

#include "broker_test.hpp"

namespace mqttwin::broker {
namespace {

Options every_ten_seconds() {
    Options options;
    options.sys_interval = seconds(10);
    options.version_text = "mqttwin 1.2.3";
    return options;
}

// Topic and text of what was heard, "retain" and QoS apart.
std::map<std::string, std::string> said(Party& party) {
    std::map<std::string, std::string> values;
    for (const std::string& line : party.heard()) {
        const std::string prefix = "$SYS/broker/";
        const std::size_t at = line.find(prefix);
        const std::size_t equals = line.find('=');
        if (at == std::string::npos) continue;
        const std::size_t from = at + prefix.size();
        values[line.substr(from, equals - from)] = line.substr(equals + 1);
    }
    return values;
}

TEST(SysTopics, AreOffUnlessAskedFor) {
    Bench bench;
    EXPECT_EQ(bench.broker.next_deadline(), Instant::never());
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"$SYS/#"}});
    bench.after(hours(1));
    ann.hears({"SUBACK 1 00"});
}

TEST(SysTopics, HaveTheNamesThatPeopleKnow) {
    Bench bench(every_ten_seconds());
    Party& ann = bench.join("ann");
    Party& bob = bench.join("bob", Version::v311);
    bob.subscribes(1, {{"data/#", QoS::at_least_once}, {"$share/g/data/x"}});
    ann.publishes("data/x", "12345", QoS::at_least_once, {.id = 1, .retain = true});
    bob.vanishes();
    bench.after(seconds(10));
    ann.heard();
    ann.subscribes(1, {{"$SYS/#"}});
    const auto values = said(ann);
    const auto is = [&](const std::string& topic, const std::string& text) {
        const auto found = values.find(topic);
        ASSERT_NE(found, values.end()) << topic;
        EXPECT_EQ(found->second, text) << topic;
    };
    is("version", "mqttwin 1.2.3");
    is("uptime", "10 seconds");
    is("clients/connected", "1");
    is("clients/disconnected", "0");
    is("clients/total", "1");
    is("clients/maximum", "2");
    is("clients/expired", "0");
    is("messages/received", "4");  // two CONNECTs, SUBSCRIBE, PUBLISH
    is("messages/sent", "6");      // two CONNACKs, SUBACK, two PUBLISHes, PUBACK
    is("publish/messages/received", "1");
    is("publish/messages/sent", "2");
    is("publish/messages/dropped", "1");  // not acknowledged before the session ended
    is("publish/bytes/received", "5");
    is("publish/bytes/sent", "10");
    is("subscriptions/count", "0");
    is("shared_subscriptions/count", "0");
    is("load/connections/1min", "1.84");  // 12 a minute for 10 s: 12 (1 - exp(-1/6))
    is("load/connections/5min", "0.39");
    is("load/connections/15min", "0.13");
    for (const char* topic :
         {"bytes/received", "bytes/sent", "messages/stored", "store/messages/count",
          "store/messages/bytes", "retained messages/count", "load/messages/received/1min",
          "load/messages/sent/5min", "load/publish/received/15min", "load/publish/sent/1min",
          "load/publish/dropped/1min", "load/bytes/received/1min", "load/bytes/sent/1min",
          "load/sockets/1min"}) {
        EXPECT_TRUE(values.contains(topic)) << topic;
    }
}

TEST(SysTopics, OnlyWhatChangedIsSaid) {
    Bench bench(every_ten_seconds());
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"$SYS/broker/version"}, {"$SYS/broker/clients/+"}, {"$SYS/broker/uptime"}});
    bench.after(seconds(10));
    ann.heard();
    bench.after(seconds(10));
    ann.hears({"PUBLISH q0 $SYS/broker/uptime=20 seconds"});
    bench.join("bob");
    bench.after(seconds(10));
    const auto values = said(ann);
    EXPECT_EQ(values.at("clients/connected"), "2");
    EXPECT_FALSE(values.contains("version"));
    EXPECT_FALSE(values.contains("clients/expired"));
}

// [MQTT-4.7.2-1]
TEST(SysTopics, WildcardsAtTheRootDoNotMatchThem) {
    Bench bench(every_ten_seconds());
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"#"}, {"+/broker/uptime"}, {"+/#"}});
    bench.after(seconds(30));
    ann.hears({"SUBACK 1 00 00 00"});
    Party& late = bench.join("late");
    late.subscribes(1, {{"#"}, {"+/broker/uptime"}});
    late.hears({"SUBACK 1 00 00"});
}

TEST(SysTopics, ClientsCannotSayThem) {
    Bench bench(every_ten_seconds());
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"$SYS/#"}});
    ann.heard();
    ann.publishes("$SYS/broker/version", "mine", QoS::at_least_once, {.id = 1, .retain = true});
    ann.hears({"PUBACK 1 87"});
}

TEST(SysTopics, NeedNoRoomAmongRetainedMessages) {
    Options options = every_ten_seconds();
    options.max_retained = 1;
    Bench bench(options);
    bench.after(seconds(10));
    Party& ann = bench.join("ann");
    ann.subscribes(1, {{"$SYS/broker/version"}});
    ann.hears({"SUBACK 1 00", "PUBLISH q0 retain $SYS/broker/version=mqttwin 1.2.3"});
}

TEST(SysTopics, ARestartBeginsAnew) {
    for (const bool keep : {false, true}) {
        Bench bench(every_ten_seconds());
        bench.join("ann");
        bench.after(seconds(50));
        bench.broker.restart(bench.now, keep);
        bench.drain();
        bench.after(seconds(10));
        Party& ann = bench.join("ann");
        ann.subscribes(
            1,
            {{"$SYS/broker/uptime"}, {"$SYS/broker/version"}, {"$SYS/broker/messages/received"}});
        ann.hears({"SUBACK 1 00 00 00", "PUBLISH q0 retain $SYS/broker/uptime=10 seconds",
                   "PUBLISH q0 retain $SYS/broker/version=mqttwin 1.2.3",
                   "PUBLISH q0 retain $SYS/broker/messages/received=0"});
    }
}

TEST(SysTopics, ExpiredSessionsAreCounted) {
    Bench bench(every_ten_seconds());
    Party& ann = bench.join("ann");
    bench.enter(Hello(Version::v5, "bob").expires(5)).vanishes();
    ann.subscribes(1, {{"$SYS/broker/clients/expired"}});
    bench.after(seconds(20));
    ann.hears({"SUBACK 1 00", "PUBLISH q0 $SYS/broker/clients/expired=0",
               "PUBLISH q0 $SYS/broker/clients/expired=1"});
}

}  // namespace
}  // namespace mqttwin::broker
