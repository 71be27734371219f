// Bytes that are wrong: cut, lengthened, changed, misdirected. Decoding says what and where, reads
// nothing outside the packet (the address sanitizer watches) and takes no memory.
#include <chrono>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "wire_support.hpp"

namespace {
std::size_t allocations = 0;

void* counted(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size > 0 ? size : 1)) return p;
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
// Where only these are inlined, g++ takes them for another pair than the former.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace mqttwin::wire {
namespace {

void expect_well_told(const Fault& fault, const Packet& packet, Version version) {
    EXPECT_GE(fault.reason, 0x80);
    EXPECT_TRUE(fault.clause.starts_with("MQTT-")) << describe(fault);
    EXPECT_FALSE(fault.what.empty());
    EXPECT_LE(fault.offset, packet.bytes().size()) << describe(fault);
    // The general clause is that of the right standard; a CONNECT may end before it is known.
    if (packet.frame().type() == PacketType::connect) return;
    EXPECT_NE(fault.clause, version == Version::v5 ? "MQTT-4.8.0-1" : "MQTT-4.13.1-1")
        << describe(fault);
}

// Decodes, counts allocations, and when the packet is good, checks that it survives a round trip.
Fault attempt(const Packet& packet, Version version, Sender sender) {
    AnyPacket out;
    const std::size_t before = allocations;
    const Fault fault = decode_any(packet.frame(), version, sender, out);
    EXPECT_EQ(allocations, before) << "decoding took memory";
    if (fault) {
        if (packet.frame().type() != PacketType::pingreq &&
            packet.frame().type() != PacketType::pingresp) {
            expect_well_told(fault, packet, version);
        }
        return fault;
    }
    BlobPool pool;
    const Version sent_in =
        packet.frame().type() == PacketType::connect ? out.connect.version : version;
    const BlobId blob = encode_any(pool, sent_in, out);
    EXPECT_NE(blob, BlobId::none);
    const Packet again = packet_of(pool.bytes(blob));
    AnyPacket second;
    const Fault none = decode_any(again.frame(), sent_in, sender, second);
    EXPECT_FALSE(none) << describe(none) << " after " << hex_of(packet.bytes());
    EXPECT_TRUE(same(out, second)) << hex_of(packet.bytes());
    return {};
}

// Lengths at which a shortened body is a packet too.
bool may_end_at(const Sample& sample, std::size_t length) {
    const bool v5 = sample.version == Version::v5;
    switch (static_cast<PacketType>(sample.first >> 4)) {
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return v5 && (length == 2 || length == 3);
        case PacketType::disconnect:
            return v5 && (length == 0 || length == 1);
        case PacketType::auth:
            return length == 0;
        case PacketType::connect:
            // 3.1: "the remaining length takes precedence" over the flags of user name and
            // password, which are the last two fields of the sample.
            return sample.version == Version::v3 && sample.body.size() > 20 &&
                   (length + 8 == sample.body.size() || length + 14 == sample.body.size());
        default:
            return false;
    }
}

// Packets whose end is a payload or a list, which shrinks entry by entry.
bool has_open_end(const Sample& sample) {
    switch (static_cast<PacketType>(sample.first >> 4)) {
        case PacketType::publish:
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::suback:
            return true;
        case PacketType::unsuback:
            return sample.version == Version::v5;
        default:
            return false;
    }
}

TEST(Hostile, TruncatedAtEveryByte) {
    for (const Sample& sample : samples()) {
        for (std::size_t length = 0; length < sample.body.size(); ++length) {
            const Packet cut(sample.first, Bytes(sample.body.begin(),
                                                 sample.body.begin() + static_cast<long>(length)));
            const Fault fault = attempt(cut, sample.version, sample.sender);
            if (has_open_end(sample)) continue;
            EXPECT_EQ(!fault, may_end_at(sample, length))
                << sample.name << " cut to " << length << ": " << describe(fault);
        }
    }
}

TEST(Hostile, ShortenedListsEndAtEntriesOnly) {
    const auto good_lengths = [](std::uint8_t first, const Bytes& body, Version version) {
        std::string lengths;
        for (std::size_t n = 0; n <= body.size(); ++n) {
            const Packet cut(first, Bytes(body.begin(), body.begin() + static_cast<long>(n)));
            if (!attempt(cut, version, Sender::client)) lengths += std::to_string(n) + " ";
        }
        return lengths;
    };
    EXPECT_EQ(good_lengths(0x82, bytes_of("0001 00 0001'a' 00 0002'bc' 01"), Version::v5), "7 12 ");
    EXPECT_EQ(good_lengths(0x82, bytes_of("0001 0001'a' 00 0002'bc' 01"), Version::v311), "6 11 ");
    EXPECT_EQ(good_lengths(0xA2, bytes_of("0001 00 0001'a' 0002'bc'"), Version::v5), "6 10 ");
    EXPECT_EQ(good_lengths(0x90, bytes_of("0001 00 01 02"), Version::v5), "4 5 ");
    EXPECT_EQ(good_lengths(0xB0, bytes_of("0001"), Version::v311), "2 ");
    EXPECT_EQ(good_lengths(0x32, bytes_of("0001'a' 0001 00 'xy'"), Version::v5), "6 7 8 ");
}

TEST(Hostile, ExtendedByUpToThreeBytes) {
    for (const Sample& sample : samples()) {
        Bytes longer = sample.body;
        for (std::size_t extra = 1; extra <= 3; ++extra) {
            longer.push_back(0x00);
            for (unsigned last = 0; last < 256; ++last) {
                longer.back() = static_cast<std::uint8_t>(last);
                const Fault fault =
                    attempt(Packet(sample.first, longer), sample.version, sample.sender);
                const bool bare =
                    sample.version == Version::v5 && (may_end_at(sample, sample.body.size()));
                if (!has_open_end(sample) && !bare) {
                    EXPECT_TRUE(fault) << sample.name << " and " << extra << " bytes more";
                }
            }
            longer.back() = 0x00;
        }
    }
}

TEST(Hostile, AnyByteChangedToAnyOther) {
    for (const Sample& sample : samples()) {
        for (std::size_t i = 0; i < sample.body.size(); ++i) {
            Bytes changed = sample.body;
            for (unsigned value = 0; value < 256; ++value) {
                changed[i] = static_cast<std::uint8_t>(value);
                attempt(Packet(sample.first, changed), sample.version, sample.sender);
            }
        }
    }
}

TEST(Hostile, ReadAsTheOtherVersionOrSide) {
    for (const Sample& sample : samples()) {
        for (const Version version : {Version::v3, Version::v311, Version::v5}) {
            for (const Sender sender : {Sender::client, Sender::server}) {
                for (unsigned first = 0x10; first < 0x100; ++first) {
                    attempt(Packet(static_cast<std::uint8_t>(first), sample.body), version, sender);
                }
            }
        }
    }
}

TEST(Hostile, RefusesEveryWrongFlag) {
    for (const Sample& sample : samples()) {
        const auto type = static_cast<PacketType>(sample.first >> 4);
        if (type == PacketType::publish) continue;
        for (unsigned flags = 0; flags < 16; ++flags) {
            const auto first = static_cast<std::uint8_t>((sample.first & 0xF0U) | flags);
            const bool request = (sample.first & 0x0F) == 0x02;
            const bool good = flags == (sample.first & 0x0FU) ||
                              // MQTT 3.1 sends requests again with DUP
                              (sample.version == Version::v3 && request && flags == 0x0A);
            const Fault fault = attempt(Packet(first, sample.body), sample.version, sample.sender);
            EXPECT_EQ(!fault, good) << sample.name << " with flags " << flags;
            if (!good) {
                EXPECT_EQ(fault.reason, reason::malformed_packet);
                EXPECT_EQ(fault.offset, 0U);
            }
        }
    }
}

struct Wrong {
    std::string_view name;
    Version version;
    Sender sender;
    std::uint8_t first;
    std::string_view body;
    std::uint8_t reason;
    std::string_view clause;
    std::uint32_t offset;
};

constexpr Sender kClient = Sender::client;
constexpr Sender kServer = Sender::server;
constexpr Version kV3 = Version::v3;
constexpr Version kV311 = Version::v311;
constexpr Version kV5 = Version::v5;
constexpr std::uint8_t kMalformed = reason::malformed_packet;
constexpr std::uint8_t kProtocol = reason::protocol_error;
constexpr std::uint8_t kVersion = reason::unsupported_protocol_version;
constexpr std::uint8_t kTopic = reason::topic_name_invalid;

const Wrong kWrong[] = {
    // CONNECT
    {"another protocol", kV5, kClient, 0x10, "0004'HTTP' 05 02 0000 00 0000", kVersion,
     "MQTT-3.1.2-1", 4},
    {"lower case", kV5, kClient, 0x10, "0004'mqtt' 05 02 0000 00 0000", kVersion, "MQTT-3.1.2-1",
     4},
    {"level 6", kV5, kClient, 0x10, "0004'MQTT' 06 02 0000 00 0000", kVersion, "MQTT-3.1.2-2", 8},
    {"level 3 under MQTT", kV5, kClient, 0x10, "0004'MQTT' 03 02 0000 0000", kVersion,
     "MQTT-3.1.2-2", 8},
    {"level 4 under MQIsdp", kV5, kClient, 0x10, "0006'MQIsdp' 04 02 0000 0000", kVersion,
     "MQTT-3.1.2-2", 10},
    {"a bridge's level", kV5, kClient, 0x10, "0004'MQTT' 84 02 0000 0000", kVersion, "MQTT-3.1.2-2",
     8},
    {"reserved flag", kV5, kClient, 0x10, "0004'MQTT' 05 03 0000 00 0000", kMalformed,
     "MQTT-3.1.2-3", 9},
    {"reserved flag in 3.1.1", kV5, kClient, 0x10, "0004'MQTT' 04 03 0000 0000", kMalformed,
     "MQTT-3.1.2-3", 9},
    {"will QoS without will", kV5, kClient, 0x10, "0004'MQTT' 05 0A 0000 00 0000", kMalformed,
     "MQTT-3.1.2-11", 9},
    {"will QoS without will in 3.1.1", kV5, kClient, 0x10, "0004'MQTT' 04 0A 0000 0000", kMalformed,
     "MQTT-3.1.2-13", 9},
    {"will QoS 3", kV5, kClient, 0x10, "0004'MQTT' 05 1E 0000 00 0000 00 0001't' 0000", kMalformed,
     "MQTT-3.1.2-12", 9},
    {"will QoS 3 in 3.1.1", kV5, kClient, 0x10, "0004'MQTT' 04 1E 0000 0000 0001't' 0000",
     kMalformed, "MQTT-3.1.2-14", 9},
    {"will retain without will", kV5, kClient, 0x10, "0004'MQTT' 05 22 0000 00 0000", kMalformed,
     "MQTT-3.1.2-13", 9},
    {"will retain without will in 3.1.1", kV5, kClient, 0x10, "0004'MQTT' 04 22 0000 0000",
     kMalformed, "MQTT-3.1.2-15", 9},
    {"password alone in 3.1.1", kV5, kClient, 0x10, "0004'MQTT' 04 42 0000 0000 0001'p'",
     kMalformed, "MQTT-3.1.2-22", 9},
    {"no client identifier", kV5, kClient, 0x10, "0004'MQTT' 05 02 0000 00", kMalformed,
     "MQTT-4.13.1-1", 13},
    {"client identifier with U+0000", kV5, kClient, 0x10, "0004'MQTT' 05 02 0000 00 0002'a' 00",
     kMalformed, "MQTT-1.5.4-2", 16},
    {"client identifier in Latin-1", kV5, kClient, 0x10, "0004'MQTT' 04 02 0000 0002'a' E9",
     kMalformed, "MQTT-1.5.3-1", 15},
    {"empty will topic", kV5, kClient, 0x10, "0004'MQTT' 05 06 0000 00 0000 00 0000 0000", kTopic,
     "MQTT-4.7.3-1", 18},
    {"wildcard in will topic", kV5, kClient, 0x10,
     "0004'MQTT' 05 06 0000 00 0000 00 0003'a/#' 0000", kTopic, "MQTT-4.7.0-1", 20},
    {"will topic missing", kV5, kClient, 0x10, "0004'MQTT' 05 06 0000 00 0000", kMalformed,
     "MQTT-4.13.1-1", 15},
    {"user name without its flag", kV5, kClient, 0x10, "0004'MQTT' 05 02 0000 00 0000 0001'u'",
     kMalformed, "MQTT-4.13.1-1", 15},
    {"user name not UTF-8", kV5, kClient, 0x10, "0004'MQTT' 05 82 0000 00 0000 0001 FF", kMalformed,
     "MQTT-1.5.4-1", 17},
    // CONNACK
    {"acknowledge flags", kV5, kServer, 0x20, "02 00 00", kMalformed, "MQTT-3.2.2-1", 2},
    {"acknowledge flags in 3.1.1", kV311, kServer, 0x20, "80 00", kMalformed, "MQTT-4.8.0-1", 2},
    {"unknown connect reason", kV5, kServer, 0x20, "00 01 00", kProtocol, "MQTT-3.2.2-8", 3},
    {"return code 6", kV311, kServer, 0x20, "00 06", kProtocol, "MQTT-3.2.2-6", 3},
    {"session present when refused", kV5, kServer, 0x20, "01 87 00", kProtocol, "MQTT-3.2.2-6", 3},
    {"session present when refused in 3.1.1", kV311, kServer, 0x20, "01 05", kProtocol,
     "MQTT-3.2.2-4", 3},
    {"no property length", kV5, kServer, 0x20, "00 00", kMalformed, "MQTT-4.13.1-1", 4},
    // PUBLISH
    {"QoS 3", kV5, kClient, 0x36, "0001't' 0001 00", kMalformed, "MQTT-3.3.1-4", 0},
    {"QoS 3 in 3.1.1", kV311, kClient, 0x36, "0001't' 0001", kMalformed, "MQTT-3.3.1-4", 0},
    {"DUP with QoS 0", kV5, kClient, 0x38, "0001't' 00", kMalformed, "MQTT-3.3.1-2", 0},
    {"packet identifier 0", kV5, kClient, 0x32, "0001't' 0000 00", kProtocol, "MQTT-2.2.1-3", 5},
    {"packet identifier 0 in 3.1.1", kV311, kClient, 0x32, "0001't' 0000", kProtocol,
     "MQTT-2.3.1-1", 5},
    {"+ in topic", kV5, kClient, 0x30, "0003'a/+' 00", kTopic, "MQTT-3.3.2-2", 6},
    {"# in a long topic", kV5, kClient, 0x30, "000C'abcdefgh#jkl' 00", kTopic, "MQTT-3.3.2-2", 12},
    {"# behind an accent", kV311, kClient, 0x30, "0003 C3A9'#'", kTopic, "MQTT-3.3.2-2", 6},
    {"topic with U+0000", kV5, kClient, 0x30, "0003'a' 00 'b' 00", kMalformed, "MQTT-1.5.4-2", 5},
    {"topic with a surrogate", kV311, kClient, 0x30, "0003 EDBFBF", kMalformed, "MQTT-1.5.3-1", 4},
    {"empty topic", kV311, kClient, 0x30, "0000", kTopic, "MQTT-4.7.3-1", 4},
    {"empty topic without alias", kV5, kClient, 0x30, "0000 00", kProtocol, "MQTT-4.7.3-1", 4},
    {"topic beyond the packet", kV311, kClient, 0x30, "0004'abc'", kMalformed, "MQTT-4.8.0-1", 4},
    {"subscription identifier from a client", kV5, kClient, 0x30, "0001't' 02 0B01", kProtocol,
     "MQTT-3.3.4-6", 8},
    // Acknowledgements
    {"PUBACK of packet 0", kV5, kClient, 0x40, "0000", kProtocol, "MQTT-2.2.1-3", 2},
    {"PUBACK with a PUBREL's reason", kV5, kClient, 0x40, "0001 92", kProtocol, "MQTT-3.4.2-1", 4},
    {"PUBREC with an unknown reason", kV5, kClient, 0x50, "0001 01", kProtocol, "MQTT-3.5.2-1", 4},
    {"PUBREL with a PUBACK's reason", kV5, kClient, 0x62, "0001 87", kProtocol, "MQTT-3.6.2-1", 4},
    {"PUBCOMP with a PUBACK's reason", kV5, kClient, 0x70, "0001 10", kProtocol, "MQTT-3.7.2-1", 4},
    {"PUBREL without its flag", kV5, kClient, 0x60, "0001", kMalformed, "MQTT-3.6.1-1", 0},
    {"PUBACK with a reason in 3.1.1", kV311, kClient, 0x40, "0001 00", kMalformed, "MQTT-4.8.0-1",
     4},
    // SUBSCRIBE, UNSUBSCRIBE
    {"SUBSCRIBE without its flag", kV5, kClient, 0x80, "0001 00 0001'f' 00", kMalformed,
     "MQTT-3.8.1-1", 0},
    {"SUBSCRIBE of nothing", kV5, kClient, 0x82, "0001 00", kProtocol, "MQTT-3.8.3-2", 5},
    {"SUBSCRIBE of nothing in 3.1.1", kV311, kClient, 0x82, "0001", kProtocol, "MQTT-3.8.3-3", 4},
    {"reserved option bit", kV5, kClient, 0x82, "0001 00 0001'f' 40", kMalformed, "MQTT-3.8.3-5",
     8},
    {"options of 5.0 in 3.1.1", kV311, kClient, 0x82, "0001 0001'f' 04", kMalformed, "MQTT-3.8.3-4",
     7},
    {"subscription with QoS 3", kV5, kClient, 0x82, "0001 00 0001'f' 03", kProtocol,
     "MQTT-4.13.1-1", 8},
    {"subscription with QoS 3 in 3.1.1", kV311, kClient, 0x82, "0001 0001'f' 03", kMalformed,
     "MQTT-3.8.3-4", 7},
    {"retain handling 3", kV5, kClient, 0x82, "0001 00 0001'f' 30", kProtocol, "MQTT-4.13.1-1", 8},
    {"no local and shared", kV5, kClient, 0x82, "0001 00 000A'$share/g/f' 04", kProtocol,
     "MQTT-3.8.3-4", 17},
    {"empty filter", kV5, kClient, 0x82, "0001 00 0000 00", kProtocol, "MQTT-4.7.3-1", 7},
    {"filter not UTF-8", kV5, kClient, 0x82, "0001 00 0002'a' 80 00", kMalformed, "MQTT-1.5.4-1",
     8},
    {"second filter with U+0000", kV311, kClient, 0x82, "0001 0001'a' 00 0001 00 00", kMalformed,
     "MQTT-1.5.3-2", 10},
    {"SUBSCRIBE of packet 0", kV311, kClient, 0x82, "0000 0001'f' 00", kProtocol, "MQTT-2.3.1-1",
     2},
    {"UNSUBSCRIBE without its flag", kV311, kClient, 0xA0, "0001 0001'f'", kMalformed,
     "MQTT-3.10.1-1", 0},
    {"UNSUBSCRIBE of nothing", kV5, kClient, 0xA2, "0001 00", kProtocol, "MQTT-3.10.3-2", 5},
    {"UNSUBSCRIBE of an empty filter", kV5, kClient, 0xA2, "0001 00 0000", kProtocol,
     "MQTT-4.7.3-1", 7},
    // SUBACK, UNSUBACK
    {"SUBACK of nothing", kV5, kServer, 0x90, "0001 00", kProtocol, "MQTT-3.8.4-6", 5},
    {"SUBACK with QoS 3", kV5, kServer, 0x90, "0001 00 00 03", kProtocol, "MQTT-3.9.3-2", 6},
    {"SUBACK with a reason of 5.0 in 3.1.1", kV311, kServer, 0x90, "0001 87", kProtocol,
     "MQTT-3.9.3-2", 4},
    {"UNSUBACK of nothing", kV5, kServer, 0xB0, "0001 00", kProtocol, "MQTT-3.11.3-1", 5},
    {"UNSUBACK with a SUBACK's reason", kV5, kServer, 0xB0, "0001 00 01", kProtocol,
     "MQTT-3.11.3-2", 5},
    {"UNSUBACK with a list in 3.1.1", kV311, kServer, 0xB0, "0001 00", kMalformed, "MQTT-4.8.0-1",
     4},
    // The rest
    {"PINGREQ with a body", kV5, kClient, 0xC0, "00", kMalformed, "MQTT-4.13.1-1", 2},
    {"PINGRESP with flags", kV5, kServer, 0xD1, "", kMalformed, "MQTT-2.1.3-1", 0},
    {"DISCONNECT with flags", kV311, kClient, 0xE1, "", kMalformed, "MQTT-3.14.1-1", 0},
    {"DISCONNECT with a reason in 3.1.1", kV311, kClient, 0xE0, "00", kMalformed, "MQTT-4.8.0-1",
     2},
    {"DISCONNECT from a 3.1.1 server", kV311, kServer, 0xE0, "", kProtocol, "MQTT-4.8.0-1", 0},
    {"DISCONNECT with an unknown reason", kV5, kClient, 0xE0, "01", kProtocol, "MQTT-3.14.2-1", 2},
    {"session taken over, says a client", kV5, kClient, 0xE0, "8E", kProtocol, "MQTT-3.14.2-1", 2},
    {"with will message, says a server", kV5, kServer, 0xE0, "04", kProtocol, "MQTT-3.14.2-1", 2},
    {"session expiry from a server", kV5, kServer, 0xE0, "00 05 11 00000000", kProtocol,
     "MQTT-3.14.2-2", 9},
    {"AUTH in 3.1.1", kV311, kClient, 0xF0, "", kProtocol, "MQTT-4.8.0-1", 0},
    {"AUTH with flags", kV5, kClient, 0xF2, "", kMalformed, "MQTT-3.15.1-1", 0},
    {"AUTH with an unknown reason", kV5, kClient, 0xF0, "87 00", kProtocol, "MQTT-3.15.2-1", 2},
    {"AUTH with a reason only", kV5, kClient, 0xF0, "18", kMalformed, "MQTT-4.13.1-1", 3},
};

TEST(Hostile, EachWrongHasItsReasonClauseAndPlace) {
    for (const Wrong& wrong : kWrong) {
        SCOPED_TRACE(wrong.name);
        const Packet packet(wrong.first, bytes_of(wrong.body));
        AnyPacket out;
        const Fault fault = decode_any(packet.frame(), wrong.version, wrong.sender, out);
        EXPECT_EQ(fault.reason, wrong.reason) << describe(fault);
        EXPECT_EQ(fault.clause, wrong.clause) << describe(fault);
        EXPECT_EQ(fault.offset, wrong.offset) << describe(fault);
    }
}

TEST(Hostile, A3ClientMayLeaveOutWhatItsFlagsAnnounce) {
    const Packet packet(0x10, bytes_of("0006'MQIsdp' 03 C2 0000 0001'c'"));
    Connect out;
    ASSERT_FALSE(decode(packet.frame(), out));
    EXPECT_EQ(out.version, kV3);
    EXPECT_FALSE(out.has_user_name);
    EXPECT_FALSE(out.has_password);
    const Packet same_in_311(0x10, bytes_of("0004'MQTT' 04 C2 0000 0001'c'"));
    EXPECT_TRUE(decode(same_in_311.frame(), out));
}

TEST(Hostile, ARefusedConnectTellsWhichConnackItsSenderUnderstands) {
    const auto version_after = [](std::string_view body) {
        Connect out;
        EXPECT_TRUE(decode(Packet(0x10, bytes_of(body)).frame(), out));
        return out.version;
    };
    EXPECT_EQ(version_after("0004'HTTP' 05"), kV311);
    EXPECT_EQ(version_after("0004'MQTT' 06 02 0000 00 0000"), kV5);
    EXPECT_EQ(version_after("0004'MQTT' 84 02 0000 0000"), kV311);
    EXPECT_EQ(version_after("0004'MQTT' 00"), kV311);
    EXPECT_EQ(version_after("0004'MQTT' 05 03 0000 00 0000"), kV5);
    EXPECT_EQ(version_after("0004'MQTT' 04 03 0000 00 0000"), kV311);
    EXPECT_EQ(version_after("0006'MQIsdp' 03 02"), kV3);
}

TEST(Hostile, TopicsOfEveryLengthAreJudgedAlike) {
    // The fast path looks at eight bytes a step: a flaw must be found wherever it is.
    for (std::size_t size = 1; size <= 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            std::string topic(size, 'a');
            const auto decode_topic = [&] {
                return decode_hex(0x30, text_field(topic), kV311, kClient);
            };
            EXPECT_FALSE(decode_topic());
            for (const char c : {'+', '#', '\0', '\x80', '\xFF', '\xC3'}) {
                topic[at] = c;
                const Fault fault = decode_topic();
                EXPECT_TRUE(fault) << size << " " << at;
                EXPECT_EQ(fault.offset, 4 + at);
            }
            for (const char c : {'*', ',', '"', '$', '\x01', '\x7F', ' '}) {
                topic[at] = c;
                EXPECT_FALSE(decode_topic()) << size << " " << at << " " << c;
            }
        }
    }
}

TEST(Hostile, TopicsAtTheirLimits) {
    EXPECT_FALSE(decode_hex(0x30, text_field(std::string(65'535, 'x')), kV311, kClient));
    EXPECT_FALSE(decode_hex(0x30, text_field(std::string(65'535, '/')), kV5, kClient).reason !=
                 reason::malformed_packet);  // no property length
    EXPECT_FALSE(decode_hex(0x30, text_field(std::string(32'000, '/')), kV311, kClient));
    EXPECT_FALSE(decode_hex(0x30, text_field("$x"), kV311, kClient));
}

// Thousands of user properties cost time in proportion to their bytes: twice as many, twice the
// time. (The bound is generous, for busy machines; quadratic would be a thousandfold.)
TEST(Hostile, UserPropertiesTakeLinearTime) {
    const auto nanoseconds_for = [](int count) {
        std::vector<std::uint8_t> user;
        for (int i = 0; i < count; ++i) append_user_property(user, "k", "\xC3\xA9");
        const Packet packet(0x30, bytes_of("0001't'") + section(user));
        Publish out;
        auto best = std::chrono::nanoseconds::max();
        for (int round = 0; round < 9; ++round) {
            const auto start = std::chrono::steady_clock::now();
            EXPECT_FALSE(decode(packet.frame(), kV5, kClient, out));
            best =
                std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
        }
        EXPECT_EQ(out.properties.user_property_count, static_cast<std::uint32_t>(count));
        return static_cast<double>(best.count());
    };
    const double few = nanoseconds_for(50);
    const double many = nanoseconds_for(50'000);
    EXPECT_LT(many, 1000 * few * 20);
}

}  // namespace
}  // namespace mqttwin::wire
