// QoS 1 and 2 in both directions over connections that break at every step.
#include <deque>
#include <map>
#include <set>

#include "mqttwin/wire/decode.hpp"

#include "client_test.hpp"

namespace mqttwin::client {
namespace {

using wire::PacketId;
using wire::PacketType;
using wire::QoS;

// The least server that keeps a session: one client, correct in both roles.
class ModelServer {
   public:
    explicit ModelServer(Bench& bench) : bench_(bench) {}

    // Messages that the client is to get.
    void send(std::string payload, QoS qos) {
        owed_.push_back({next_id_++, std::move(payload), qos, false});
        if (connected_) transmit(owed_.back(), false);
    }
    void drop_connection() {
        connected_ = false;
        down.clear();
    }
    // What a restart does that keeps nothing.
    void lose_session() {
        has_session_ = false;
        received_.clear();
        owed_.clear();
    }

    void handle(const Bytes& packet) {
        BlobPool pool;
        wire::FramerState state;
        wire::FrameReader reader(pool, state, packet, wire::kMaximumPacketSize);
        wire::Frame frame;
        ASSERT_TRUE(reader.next(frame));
        if (frame.type() == PacketType::connect) {
            handle_connect(frame);
        } else if (frame.type() == PacketType::publish) {
            handle_publish(frame);
        } else {
            handle_ack(frame);
        }
    }

    [[nodiscard]] bool settled() const { return owed_.empty() && received_.empty(); }

    std::deque<Bytes> down;
    std::map<std::string, int> arrived;  // payload: how often it was handed on

   private:
    struct Owed {
        PacketId id;
        std::string payload;
        QoS qos;
        bool released;
    };

    void handle_connect(const wire::Frame& frame) {
        wire::Connect packet;
        ASSERT_FALSE(wire::decode(frame, packet));
        if (packet.clean_start) lose_session();
        connected_ = true;
        down.push_back(bench_.connack(has_session_));
        has_session_ = true;
        for (const Owed& owed : owed_) transmit(owed, true);
    }
    void handle_publish(const wire::Frame& frame) {
        wire::Publish packet;
        ASSERT_FALSE(wire::decode(frame, bench_.options.version, wire::Sender::client, packet));
        const bool once = packet.qos == QoS::exactly_once;
        if (!once || received_.insert(packet.packet_id).second) {
            ++arrived[std::string(as_text(packet.payload))];
        } else {
            EXPECT_TRUE(packet.dup);
        }
        down.push_back(
            bench_.ack(once ? PacketType::pubrec : PacketType::puback, packet.packet_id));
    }
    void handle_ack(const wire::Frame& frame) {
        wire::Ack packet;
        ASSERT_FALSE(wire::decode(frame, bench_.options.version, packet));
        if (packet.type == PacketType::pubrel) {
            received_.erase(packet.packet_id);
            down.push_back(bench_.ack(PacketType::pubcomp, packet.packet_id));
            return;
        }
        for (auto owed = owed_.begin(); owed != owed_.end(); ++owed) {
            if (owed->id != packet.packet_id) continue;
            if (packet.type == PacketType::pubrec) {
                owed->released = true;
                down.push_back(bench_.ack(PacketType::pubrel, packet.packet_id));
            } else {
                owed_.erase(owed);
            }
            return;
        }
    }
    void transmit(const Owed& owed, bool again) {
        down.push_back(owed.released
                           ? bench_.ack(PacketType::pubrel, owed.id)
                           : bench_.message("down", owed.payload, owed.qos, owed.id, again));
    }

    Bench& bench_;
    bool connected_ = false;
    bool has_session_ = false;
    PacketId next_id_ = 100;
    std::set<PacketId> received_;
    std::vector<Owed> owed_;
};

// A client and a server on a wire that can be cut after any number of packets.
class Line {
   public:
    explicit Line(const Options& options) : bench(options), server(bench) { bench.connect(); }
    // Delivers one packet, up before down; false when the wire is empty.
    bool step() {
        collect();
        if (!up_.empty()) {
            const Bytes packet = up_.front();
            up_.pop_front();
            server.handle(packet);
            return true;
        }
        if (!server.down.empty()) {
            const Bytes packet = server.down.front();
            server.down.pop_front();
            bench.receive(packet);
            return true;
        }
        return false;
    }
    // What is on the wire is lost; half a packet still gets through.
    void cut() {
        collect();
        if (!server.down.empty()) {
            Bytes half = server.down.front();
            half.resize(half.size() / 2);
            bench.receive(half);
        }
        up_.clear();
        server.drop_connection();
        bench.closed();
        collect();
        bench.connect();
    }
    void run() {
        while (step()) {
        }
    }

    Bench bench;
    ModelServer server;

   private:
    void collect() {
        for (const Sent& sent : bench.take_sent()) {
            if (sent.kind == Output::Kind::send) up_.push_back(sent.bytes);
            if (sent.kind == Output::Kind::open) bench.open();
        }
        if (!bench.clients.outbox().empty()) collect();
    }
    std::deque<Bytes> up_;
};

class ExactlyOnce : public BothVersions {
   protected:
    [[nodiscard]] Options keeping() const {
        Options chosen = options();
        chosen.clean_start = false;
        chosen.session_expiry = 3600;
        chosen.max_in_flight = 3;
        return chosen;
    }
    static void start(Line& line) {
        for (std::uint32_t n = 0; n < 5; ++n) {
            line.bench.publish("up", "u2-" + std::to_string(n), QoS::exactly_once, n);
            line.bench.publish("up", "u1-" + std::to_string(n), QoS::at_least_once, 100 + n);
            line.server.send("d2-" + std::to_string(n), QoS::exactly_once);
            line.server.send("d1-" + std::to_string(n), QoS::at_least_once);
        }
    }
    static void expect_delivered(Line& line, const std::string& when) {
        std::map<std::string, int> heard;
        for (const std::string& text : line.bench.heard.take(0)) ++heard[text];
        for (std::uint32_t n = 0; n < 5; ++n) {
            const std::string number = std::to_string(n);
            EXPECT_EQ(line.server.arrived["u2-" + number], 1) << when;
            EXPECT_GE(line.server.arrived["u1-" + number], 1) << when;
            EXPECT_EQ(heard["message q2 down=d2-" + number], 1) << when;
            EXPECT_GE(heard["message q1 down=d1-" + number], 1) << when;
            EXPECT_EQ(heard["acknowledged " + number + " q2 00"], 1) << when;
            EXPECT_EQ(heard["acknowledged " + std::to_string(100 + n) + " q1 00"], 1) << when;
        }
        EXPECT_TRUE(line.server.settled()) << when;
        EXPECT_EQ(line.bench.clients.in_flight(0), 0U) << when;
        EXPECT_EQ(line.bench.clients.queued(0), 0U) << when;
        EXPECT_EQ(line.bench.pool.live(), 0U) << when;
        line.bench.expect_no_leak();
    }
};
MQTTWIN_BOTH_VERSIONS(ExactlyOnce);

TEST_P(ExactlyOnce, HoldsWithoutACut) {
    Line line(keeping());
    start(line);
    line.run();
    expect_delivered(line, "no cut");
}

TEST_P(ExactlyOnce, HoldsWithACutAfterAnyPacketAndAnotherSoonAfter) {
    for (int first = 0; first < 80; ++first) {
        for (int second = 0; second < 25; ++second) {
            Line line(keeping());
            start(line);
            for (int n = 0; n < first; ++n) line.step();
            line.cut();
            for (int n = 0; n < second; ++n) line.step();
            line.cut();
            line.run();
            expect_delivered(line, std::to_string(first) + " and " + std::to_string(second));
        }
    }
}

TEST_P(ExactlyOnce, HoldsOverHundredsOfRandomCuts) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Line line(keeping());
        start(line);
        Stream stream(StreamKey::of(seed, "test", "cuts"), 0);
        for (int cut = 0; cut < 30; ++cut) {
            const std::uint64_t steps = stream.below(12);
            for (std::uint64_t n = 0; n < steps; ++n) line.step();
            line.cut();
        }
        line.run();
        expect_delivered(line, "seed " + std::to_string(seed));
    }
}

TEST_P(ExactlyOnce, BecomesAtLeastOnceWhenTheServerLosesTheSession) {
    for (int first = 0; first < 60; ++first) {
        Line line(keeping());
        for (std::uint32_t n = 0; n < 5; ++n) {
            line.bench.publish("up", "u2-" + std::to_string(n), QoS::exactly_once, n);
            line.bench.publish("up", "u1-" + std::to_string(n), QoS::at_least_once, 100 + n);
        }
        for (int n = 0; n < first; ++n) line.step();
        line.cut();
        line.server.lose_session();
        line.run();
        std::map<std::string, int> heard;
        for (const std::string& text : line.bench.heard.take(0)) ++heard[text];
        for (std::uint32_t n = 0; n < 5; ++n) {
            const std::string number = std::to_string(n);
            EXPECT_GE(line.server.arrived["u2-" + number], 1) << first;
            EXPECT_LE(line.server.arrived["u2-" + number], 2) << first;
            EXPECT_GE(line.server.arrived["u1-" + number], 1) << first;
            EXPECT_EQ(heard["acknowledged " + number + " q2 00"], 1) << first;
            EXPECT_EQ(heard["acknowledged " + std::to_string(100 + n) + " q1 00"], 1) << first;
        }
        EXPECT_TRUE(line.server.settled()) << first;
        line.bench.expect_no_leak();
    }
}

}  // namespace
}  // namespace mqttwin::client
