// MessagePack, read back by msgpack-c, and packed structures.
#include <gtest/gtest.h>

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <cstring>
#include <limits>

#include <msgpack.hpp>

#include "mqttwin/fleet/encoder.hpp"

#include "fleet_test.hpp"
#include "struct_layout.hpp"
#include "write_msgpack.hpp"

namespace mqttwin::fleet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string encoded(const PayloadSpec& spec, Device device = 0, std::uint32_t n = 0) {
    Payload payload(spec, fleet_of(4), "publish/t/payload");
    return std::string(as_text(payload.encode(device, n, Instant{0})));
}

std::string refused(const PayloadSpec& spec) {
    return refusal([&] { Payload(spec, fleet_of(4), "publish/t/payload"); });
}

FieldSpec field(std::string name, gen::Model model) {
    return {std::move(name), {std::move(model)}};
}

FieldSpec number(double x) { return field("", gen::Constant{Column(x)}); }

gen::Replay missing() {
    gen::Replay replay;
    replay.values = std::make_shared<const std::vector<double>>(std::vector<double>{kNan});
    return replay;
}

msgpack::object_handle unpacked(const std::string& bytes) {
    std::size_t end = 0;
    msgpack::object_handle handle = msgpack::unpack(bytes.data(), bytes.size(), end);
    EXPECT_EQ(end, bytes.size());
    return handle;
}

TEST(MsgpackPayload, ReadsBack) {
    const std::string bytes =
        encoded(PayloadSpec::msgpack({field("t", gen::Constant{Column(21.39)}),
                                      field("n", gen::Counter{7}), field("ok", gen::Constant{true}),
                                      field("id", gen::Text{"{id}"}), field("gone", missing())}));
    const auto handle = unpacked(bytes);
    const msgpack::object& map = handle.get();
    ASSERT_EQ(map.type, msgpack::type::MAP);
    ASSERT_EQ(map.via.map.size, 5U);
    const auto* entry = map.via.map.ptr;
    EXPECT_EQ(entry[0].key.as<std::string>(), "t");
    EXPECT_EQ(entry[0].val.type, msgpack::type::FLOAT64);
    EXPECT_EQ(entry[0].val.as<double>(), 21.39);
    EXPECT_EQ(entry[1].val.as<int>(), 7);
    EXPECT_EQ(entry[2].val.as<bool>(), true);
    EXPECT_EQ(entry[3].val.as<std::string>(), "meter-0");
    EXPECT_TRUE(entry[4].val.is_nil());
}

// Against msgpack-c's packer, byte by byte: both choose the shortest form.
TEST(MsgpackPayload, IntegersAndTextsTakeTheShortestForm) {
    std::vector<std::int64_t> numbers = {0, INT64_MIN, INT64_MAX};
    for (int bit = 0; bit < 63; ++bit) {
        for (const std::int64_t near : {-1, 0, 1}) {
            numbers.push_back((std::int64_t{1} << bit) + near);
            numbers.push_back(-(std::int64_t{1} << bit) + near);
        }
    }
    for (const std::int64_t x : numbers) {
        msgpack::sbuffer expected;
        msgpack::pack(expected, x);
        std::uint8_t buffer[kMaximumMsgpackHead];
        const std::string written(buffer, put_msgpack_integer(buffer, x));
        EXPECT_EQ(written, std::string(expected.data(), expected.size())) << x;
    }
    for (const std::size_t size : {0, 1, 31, 32, 255, 256, 65'535, 65'536}) {
        const std::string text(size, 'x');
        msgpack::sbuffer expected;
        msgpack::pack(expected, text);
        std::vector<std::uint8_t> buffer(size + kMaximumMsgpackHead);
        const std::string written(buffer.data(), put_msgpack_text(buffer.data(), text));
        EXPECT_EQ(written, std::string(expected.data(), expected.size())) << size;
    }
    for (const std::uint32_t size : {0U, 15U, 16U, 65'535U, 65'536U}) {
        msgpack::sbuffer expected;
        msgpack::packer<msgpack::sbuffer>(expected).pack_map(size);
        std::uint8_t buffer[kMaximumMsgpackHead];
        const std::string written(buffer, put_msgpack_map(buffer, size));
        EXPECT_EQ(written, std::string(expected.data(), expected.size())) << size;
    }
}

TEST(MsgpackPayload, IsFilledUpToTheByte) {
    for (const std::uint32_t wanted : {1U, 8U, 9U, 13U, 200U, 267U, 268U, 269U, 270U, 271U, 300U,
                                       65'800U, 65'806U, 65'807U, 65'808U, 65'809U, 70'000U}) {
        PayloadSpec spec = PayloadSpec::msgpack({field("n", gen::Counter{})});
        spec.minimum_size = wanted;
        const std::string bytes = encoded(spec);
        EXPECT_EQ(bytes.size(), std::max(wanted, 10U)) << wanted;
        const auto handle = unpacked(bytes);
        ASSERT_EQ(handle.get().via.map.size, 2U);
        EXPECT_EQ(handle.get().via.map.ptr[1].key.as<std::string>(), "pad");
        EXPECT_EQ(handle.get().via.map.ptr[1].val.type, msgpack::type::BIN);
    }
    PayloadSpec spec = PayloadSpec::msgpack({field("pad", gen::Counter{})});
    EXPECT_EQ(refused(spec), "");
    spec.minimum_size = 10;
    EXPECT_EQ(refused(spec), "field \"pad\": is what fills a payload up to minimum_size");
    spec.fields.clear();
    EXPECT_EQ(unpacked(encoded(spec)).get().via.map.size, 1U);
    EXPECT_EQ(encoded(PayloadSpec::msgpack({})), "\x80");
}

// Expected bytes: python3 -c 'import struct; print(struct.pack("<hhlI f d", ...).hex())'
TEST(RawPayload, IsWhatPythonsStructPacks) {
    const auto bytes = [](std::initializer_list<int> list) {
        std::string text;
        for (const int b : list) text += static_cast<char>(b);
        return text;
    };
    EXPECT_EQ(encoded(PayloadSpec::raw("<hB", {number(-2), number(200)})),
              bytes({0xFE, 0xFF, 0xC8}));
    EXPECT_EQ(encoded(PayloadSpec::raw(">hB", {number(-2), number(200)})),
              bytes({0xFF, 0xFE, 0xC8}));
    EXPECT_EQ(encoded(PayloadSpec::raw("!I", {number(0x01020304)})), bytes({1, 2, 3, 4}));
    EXPECT_EQ(encoded(PayloadSpec::raw(
                  "= 2h x q 2x", {number(1), number(2), field("", gen::Constant{INT64_MIN})})),
              bytes({1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0}));
    EXPECT_EQ(encoded(PayloadSpec::raw("<fd", {number(1.5), number(-0.1)})),
              bytes({0, 0, 0xC0, 0x3F, 0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0xBF}));
    EXPECT_EQ(encoded(PayloadSpec::raw(
                  "<3s?6s", {field("", gen::Text{"{id}"}), field("", gen::Constant{true}),
                             field("", gen::Constant{std::string("ab")})})),
              std::string("met\1ab\0\0\0\0", 10));
    EXPECT_EQ(encoded(PayloadSpec::raw("<4x", {})), std::string(4, '\0'));
}

struct Saturation {
    const char* code;
    double given;
    std::int64_t packed;
    bool fits;
};

TEST(RawPayload, SaturatesAndCounts) {
    const Saturation cases[] = {
        {"<b", 127, 127, true},
        {"<b", 128, 127, false},
        {"<b", -128, -128, true},
        {"<b", -128.4, -128, true},
        {"<b", -128.5, -128, false},
        {"<b", 127.49, 127, true},
        {"<b", 127.5, 127, false},
        {"<B", 255, 255, true},
        {"<B", 256, 255, false},
        {"<B", -1, 0, false},
        {"<B", -0.4, 0, true},
        {"<h", 40'000, 32'767, false},
        {"<H", 65'535, 65'535, true},
        {"<i", 3e9, INT32_MAX, false},
        {"<l", -3e9, INT32_MIN, false},
        {"<I", 4'294'967'295.0, 4'294'967'295, true},
        {"<L", 4'294'967'296.0, 4'294'967'295, false},
        {"<q", 1e19, INT64_MAX, false},
        {"<q", -1e19, INT64_MIN, false},
        {"<q", 4'503'599'627'370'497.0, 4'503'599'627'370'497, true},
        {"<Q", 1e19, static_cast<std::int64_t>(10'000'000'000'000'000'000ULL), true},
        {"<Q", 1e20, -1, false},
        {"<?", 1, 1, true},
        {"<?", 5, 1, false},
        {"<h", 2.5, 3, true},
        {"<h", -2.5, -3, true},
    };
    for (const Saturation& c : cases) {
        Payload payload(PayloadSpec::raw(c.code, {number(c.given)}), fleet_of(1), "p");
        const ByteView bytes = payload.encode(0, 0, Instant{0});
        std::uint64_t bits = 0;
        std::memcpy(&bits, bytes.data(), bytes.size());
        const std::uint64_t mask = ~std::uint64_t{0} >> (64 - 8 * bytes.size());
        EXPECT_EQ(bits, static_cast<std::uint64_t>(c.packed) & mask) << c.code << ' ' << c.given;
        EXPECT_EQ(payload.saturated(), c.fits ? 0U : 1U) << c.code << ' ' << c.given;
    }
    Payload big(PayloadSpec::raw("<Q", {field("", gen::Constant{std::int64_t{-5}})}), fleet_of(1),
                "p");
    EXPECT_EQ(big.encode(0, 0, Instant{0})[0], 0);
    EXPECT_EQ(big.saturated(), 1U);
    Payload text(PayloadSpec::raw("<2s", {field("", gen::Constant{std::string("abc")})}),
                 fleet_of(1), "p");
    EXPECT_EQ(as_text(text.encode(0, 0, Instant{0})), "ab");
    EXPECT_EQ(text.saturated(), 1U);
}

TEST(RawPayload, FloatsSaturateInsteadOfBecomingInfinite) {
    const auto as_float = [](double x) {
        const std::string bytes = encoded(PayloadSpec::raw("<f", {number(x)}));
        float value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    };
    EXPECT_EQ(as_float(0.1), 0.1F);
    EXPECT_EQ(as_float(1e39), std::numeric_limits<float>::max());
    EXPECT_EQ(as_float(-1e39), -std::numeric_limits<float>::max());
    std::uint8_t buffer[8];
    Value value;
    value.kind = Value::Kind::real;
    value.real = kInfinity;
    EXPECT_TRUE(pack({'f', 4, 0}, false, value, buffer).fitted);
    EXPECT_FALSE(pack({'i', 4, 0}, false, value, buffer).fitted);
}

TEST(RawPayload, MissingIsNanOrZeroAndCounted) {
    Payload payload(PayloadSpec::raw("<dh", {field("a", missing()), field("b", missing())}),
                    fleet_of(1), "p");
    const ByteView bytes = payload.encode(0, 0, Instant{0});
    double value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    EXPECT_TRUE(value != value);
    EXPECT_EQ(bytes[8], 0);
    EXPECT_EQ(payload.saturated(), 2U);
}

TEST(RawPayload, RefusesBadLayouts) {
    EXPECT_EQ(refused(PayloadSpec::raw("hh", {})),
              "struct layout: \"hh\" must begin with <, >, ! or = (a packed layout)");
    EXPECT_NE(refused(PayloadSpec::raw("", {})), "");
    EXPECT_NE(refused(PayloadSpec::raw("@h", {number(1)})), "");
    EXPECT_EQ(refused(PayloadSpec::raw("<hz", {number(1), number(2)})),
              "struct layout: \"<hz\" has \"z\" at column 3 (there are x ? b B h H i I l L q Q f d "
              "s)");
    EXPECT_NE(refused(PayloadSpec::raw("<3", {})), "");
    EXPECT_NE(refused(PayloadSpec::raw("<99999999999h", {})), "");
    EXPECT_EQ(refused(PayloadSpec::raw("<hh", {number(1)})),
              "struct layout: \"<hh\" has 2 values, but 1 fields are given");
    EXPECT_EQ(refused(PayloadSpec::raw("<h", {field("name", gen::Text{"a"})})),
              "name: code h of the struct layout cannot hold its values");
    EXPECT_EQ(refused(PayloadSpec::raw("<4s", {number(1)})),
              "field 0: code s of the struct layout cannot hold its values");
}

}  // namespace
}  // namespace mqttwin::fleet
