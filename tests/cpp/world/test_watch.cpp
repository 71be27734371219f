// Who looks at a running world: what spies, publications and packets keep, and what becomes of it.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqttwin/wire/encode.hpp"
#include "mqttwin/world/watch.hpp"

namespace mqttwin::world {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using trace::Direction;
using Fate = WatchedPacket::Fate;
using Kind = WatchedPacket::Kind;
using Bytes = std::vector<std::uint8_t>;

constexpr Who kDevice{7, false};
constexpr Who kRealOne{7, true};  // the same number, somebody else

Instant at(std::int64_t s) { return Instant{} + seconds(s); }

ByteView view(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

wire::Publish message(std::string_view topic, std::string_view payload,
                      wire::QoS qos = wire::QoS::at_least_once) {
    wire::Publish out;
    out.topic = topic;
    out.payload = view(payload);
    out.qos = qos;
    out.packet_id = qos == wire::QoS::at_most_once ? 0 : 9;
    return out;
}

class Encoded {
   public:
    Bytes connect(std::string_view client_id, wire::Version version) {
        wire::Connect packet;
        packet.client_id = client_id;
        packet.version = version;
        return taken(wire::encode(pool_, packet));
    }
    Bytes publish(std::string_view payload) {
        return taken(wire::encode(pool_, wire::Version::v5, message("t", payload)));
    }

   private:
    Bytes taken(BlobId blob) {
        const ByteView bytes = pool_.bytes(blob);
        Bytes out(bytes.begin(), bytes.end());
        pool_.release(blob);
        return out;
    }
    BlobPool pool_;
};

std::vector<Fate> fates(const Watch& watch) {
    std::vector<Fate> out;
    for (const WatchedPacket* packet : watch.packets()) out.push_back(packet->fate);
    return out;
}

// --- Messages ------------------------------------------------------------------------------------

TEST(Watch, ASpySeesWhatMatchesUntilItIsTaken) {
    Watch watch;
    const auto pumps = watch.add_spy("pump/+", 10, 1000);
    const auto all = watch.add_spy("#", 10, 1000);
    watch.on_routed(at(2), 5, {at(1), 5, 1}, message("pump/1", "a"));
    watch.on_routed(at(3), 5, {at(3), 5, 2}, message("motor/1", "b"));
    const auto seen = watch.spy(pumps).take();
    ASSERT_THAT(seen, SizeIs(1));
    EXPECT_EQ(seen[0].at, at(2));
    EXPECT_EQ(seen[0].published, at(1));
    EXPECT_EQ(seen[0].publisher, 5U);
    EXPECT_THAT(watch.spy(pumps).take(), IsEmpty());
    EXPECT_THAT(watch.spy(all).take(), SizeIs(2));
}

TEST(Watch, FiltersThatAreNoneAreRefused) {
    Watch watch;
    for (const char* filter : {"", "a/#/b", "a+", "$share/g/a"}) {
        EXPECT_THROW(watch.add_spy(filter, 1, 1), std::invalid_argument) << filter;
    }
    for (std::size_t n = 0; n < Watch::kMaxSpies; ++n) watch.add_spy("a", 1, 1);
    EXPECT_THROW(watch.add_spy("a", 1, 1), std::invalid_argument);
}

TEST(Watch, TheOldestMessagesGiveWay) {
    Watch watch;
    const auto few = watch.add_spy("#", 2, 1000);
    const auto small = watch.add_spy("#", 10, 40);
    for (int n = 0; n < 5; ++n) watch.on_routed(at(n), 1, {}, message("t", "12345678"));
    EXPECT_EQ(watch.spy(few).left_out(), 3U);
    EXPECT_EQ(watch.spy(few).take().front().at, at(3));
    EXPECT_GT(watch.spy(small).left_out(), 0U);  // a message takes more than 8 bytes
    EXPECT_THAT(watch.spy(small).take(), SizeIs(5 - watch.spy(small).left_out()));
    watch.on_routed(at(9), 1, {}, message("t", std::string(100, 'x')));
    EXPECT_THAT(watch.spy(small).take(), IsEmpty());  // too large by itself
}

TEST(Watch, ARedeliveryHasItsFlagAndAWillItsBytes) {
    Watch watch;
    const auto spy = watch.add_spy("#", 10, 1000);
    wire::Publish again = message("t", "x");
    again.dup = true;
    watch.on_routed(at(1), 1, {}, again);
    wire::Publish will = message("t", "gone");
    will.packet_id = 0;
    watch.on_routed(at(1), 1, {}, will);
    const auto seen = watch.spy(spy).take();
    ASSERT_THAT(seen, SizeIs(2));
    EXPECT_EQ(seen[0].bytes[0], 0x3A);
    EXPECT_EQ(seen[1].bytes[0], 0x32);
}

TEST(Watch, WhatARealClientSendsHasItsName) {
    Watch watch;
    Encoded encoded;
    watch.keep_packets(10);
    watch.on_delivered(at(0), kRealOne, Direction::up,
                       encoded.connect("real", wire::Version::v311));
    const auto spy = watch.add_spy("#", 10, 1000);
    watch.handling(kRealOne, true);
    watch.on_routed(at(1), Stamp::kNobody, {}, message("t", "1"));
    watch.handling(kRealOne, false);
    watch.on_routed(at(1), Stamp::kNobody, {}, message("t", "2"));
    const auto seen = watch.spy(spy).take();
    ASSERT_THAT(seen, SizeIs(2));
    EXPECT_EQ(seen[0].client, "real");
    EXPECT_EQ(seen[1].client, "");  // the broker's own
    EXPECT_EQ(watch.client_id(kRealOne), "real");
    EXPECT_EQ(watch.client_id(kDevice), "");
}

TEST(Watch, PublicationsAreKeptOnceSomebodyWantsThem) {
    Watch watch;
    watch.on_published(at(1), 3, message("t", "early"));
    watch.keep_published(10, 1000);
    watch.on_published(at(2), 3, message("t", "x"));
    watch.keep_published(1, 1);  // the first bounds stay
    watch.on_published(at(3), 4, message("t", "y"));
    const auto made = watch.published().take();
    ASSERT_THAT(made, SizeIs(2));
    EXPECT_EQ(made[0].published, at(2));
    EXPECT_EQ(made[1].publisher, 4U);
}

// --- Packets -------------------------------------------------------------------------------------

class WatchPackets : public testing::Test {
   protected:
    WatchPackets() { watch_.keep_packets(100); }

    void send(Instant now, const Bytes& bytes, Direction direction = Direction::up) {
        watch_.on_sent(now, kDevice, direction, bytes, {});
    }
    void deliver(Instant now, ByteView bytes, Direction direction = Direction::up) {
        watch_.on_delivered(now, kDevice, direction, bytes);
    }

    Watch watch_;
    Encoded encoded_;
};

TEST_F(WatchPackets, APacketArrivesWhole) {
    const Bytes first = encoded_.publish("1");
    const Bytes second = encoded_.publish("22");
    send(at(1), first);
    send(at(2), second);
    deliver(at(4), second);  // told by what is in it: the first may be lost
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::under_way, Fate::arrived));
    deliver(at(5), first);
    const auto packets = watch_.packets();
    EXPECT_EQ(packets[0]->sent, at(1));
    EXPECT_EQ(packets[0]->arrived, at(5));
    EXPECT_EQ(packets[0]->arrived_bytes, packets[0]->size);
    EXPECT_EQ(packets[0]->bytes, first);
}

TEST_F(WatchPackets, APacketArrivesInPart) {
    const Bytes bytes = encoded_.publish("0123456789");
    send(at(1), bytes);
    deliver(at(2), ByteView(bytes).first(5));
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::in_part));
    EXPECT_EQ(watch_.packets()[0]->arrived_bytes, 5U);
    deliver(at(3), ByteView(bytes).subspan(5));
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::arrived));
}

TEST_F(WatchPackets, AHeadAndAPayloadAreOnePacket) {
    const Bytes bytes = encoded_.publish("0123456789");
    const ByteView whole(bytes);
    watch_.on_sent(at(1), kDevice, Direction::down, whole.first(6), whole.subspan(6));
    deliver(at(2), bytes, Direction::down);
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::arrived));
    EXPECT_EQ(watch_.packets()[0]->bytes, bytes);
}

TEST_F(WatchPackets, WhoLosesTheConnectionReadsNothingAnyMore) {
    send(at(1), encoded_.publish("up"));
    send(at(1), encoded_.publish("down"), Direction::down);
    watch_.on_ended(at(2), kDevice, Direction::down, 2);
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::under_way, Fate::lost, Fate::under_way));
    EXPECT_EQ(watch_.packets()[2]->kind, Kind::ended);
    EXPECT_EQ(watch_.packets()[2]->ended_by, 2);
    watch_.on_opened(at(3), kDevice, Direction::down);  // and what was sent before is of the past
    EXPECT_THAT(fates(watch_),
                ElementsAre(Fate::lost, Fate::lost, Fate::under_way, Fate::under_way));
    EXPECT_EQ(watch_.packets()[3]->kind, Kind::opened);
    watch_.on_opened(at(3), kDevice, Direction::up);  // told once, at the client's end
    EXPECT_THAT(watch_.packets(), SizeIs(4));
}

TEST_F(WatchPackets, TheOldestPacketsGiveWay) {
    watch_.keep_packets(3);
    const Bytes gone = encoded_.publish("0");
    send(at(0), gone);
    for (int n = 1; n < 5; ++n) send(at(n), encoded_.publish(std::to_string(n)));
    EXPECT_EQ(watch_.packets_seen(), 5U);
    const auto packets = watch_.packets();
    ASSERT_THAT(packets, SizeIs(3));
    EXPECT_EQ(packets[0]->sent, at(2));
    EXPECT_EQ(packets[2]->sent, at(4));
    deliver(at(9), gone);  // of a packet that nobody remembers
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::under_way, Fate::under_way, Fate::under_way));
    watch_.keep_packets(0);
    send(at(10), gone);
    EXPECT_THAT(watch_.packets(), IsEmpty());
    EXPECT_THROW(watch_.keep_packets(Watch::kMaxPackets + 1), std::invalid_argument);
}

TEST_F(WatchPackets, OfALongPacketTheBeginningIsKept) {
    const Bytes bytes = encoded_.publish(std::string(5000, 'x'));
    send(at(1), bytes);
    EXPECT_EQ(watch_.packets()[0]->size, bytes.size());
    EXPECT_THAT(watch_.packets()[0]->bytes, SizeIs(Watch::kKeptBytes));
    deliver(at(2), bytes);
    EXPECT_THAT(fates(watch_), ElementsAre(Fate::arrived));
}

TEST_F(WatchPackets, SoManyAreFollowedUntilTheyArrive) {
    watch_.keep_packets(Watch::kMaxUnderWay + 10);
    const Bytes bytes = encoded_.publish("x");
    for (std::size_t n = 0; n <= Watch::kMaxUnderWay; ++n) send(at(1), bytes);
    for (std::size_t n = 0; n <= Watch::kMaxUnderWay; ++n) deliver(at(2), bytes);
    const auto packets = watch_.packets();
    EXPECT_EQ(packets.front()->fate, Fate::under_way);  // the first was given up
    EXPECT_EQ(packets[1]->fate, Fate::arrived);
    EXPECT_EQ(packets[Watch::kMaxUnderWay]->fate, Fate::arrived);
}

TEST_F(WatchPackets, AConnectSaysWhoAndWhichVersion) {
    send(at(0), encoded_.connect("old", wire::Version::v311));
    send(at(1), encoded_.publish("x"));
    EXPECT_EQ(watch_.client_id(kDevice), "old");
    EXPECT_EQ(watch_.packets()[1]->version, wire::Version::v311);
    send(at(2), encoded_.connect("new", wire::Version::v5));
    EXPECT_EQ(watch_.client_id(kDevice), "new");
    EXPECT_EQ(watch_.packets()[2]->version, wire::Version::v5);
}

TEST_F(WatchPackets, TheBytesOfARealClientAreSplitIntoPackets) {
    Bytes bytes = encoded_.connect("real", wire::Version::v5);
    const std::size_t connect = bytes.size();
    const Bytes publish = encoded_.publish(std::string(300, 'x'));
    bytes.insert(bytes.end(), publish.begin(), publish.end());
    for (std::size_t n = 0; n < bytes.size(); n += 7) {
        const std::size_t size = std::min<std::size_t>(7, bytes.size() - n);
        watch_.on_delivered(at(1), kRealOne, Direction::up, ByteView(bytes).subspan(n, size));
    }
    const auto packets = watch_.packets();
    ASSERT_THAT(packets, SizeIs(2));
    EXPECT_EQ(packets[0]->size, connect);
    EXPECT_LT(packets[0]->sent, Instant{});  // nobody told
    EXPECT_EQ(packets[0]->arrived, at(1));
    EXPECT_EQ(packets[1]->bytes, publish);
    EXPECT_EQ(packets[1]->fate, Fate::arrived);
    EXPECT_TRUE(packets[1]->who.real);
    // Half a packet does not reach into the next connection.
    watch_.on_delivered(at(2), kRealOne, Direction::up, ByteView(publish).first(50));
    watch_.on_ended(at(3), kRealOne, Direction::up, 1);
    watch_.on_delivered(at(4), kRealOne, Direction::up, publish);
    EXPECT_EQ(watch_.packets().back()->bytes, publish);
}

}  // namespace
}  // namespace mqttwin::world
