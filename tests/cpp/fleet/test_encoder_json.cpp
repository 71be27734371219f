// JSON, text, constant and random payloads.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>

#include "mqttwin/fleet/encoder.hpp"

#include "fleet_test.hpp"
#include "tiny_json.hpp"
#include "write_json.hpp"

namespace mqttwin::fleet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Payload payload_of(const PayloadSpec& spec, std::uint32_t count = 4) {
    return Payload(spec, fleet_of(count), "publish/t/payload");
}

std::string encoded(const PayloadSpec& spec, Device device = 0, std::uint32_t n = 0) {
    Payload payload = payload_of(spec);
    std::string text;
    for (std::uint32_t i = 0; i <= n; ++i) {
        text = as_text(payload.encode(device, i, Instant{0} + seconds(i)));
    }
    return text;
}

std::string refused(const PayloadSpec& spec) {
    return refusal([&] { payload_of(spec); });
}

FieldSpec field(std::string name, gen::Model model, int digits = -1) {
    return {std::move(name), {std::move(model), digits}};
}

TEST(JsonPayload, IsCompact) {
    const PayloadSpec spec = PayloadSpec::json(
        {field("t", gen::Constant{Column(21.387)}, 2), field("seq", gen::Counter{}),
         field("ok", gen::Constant{true}), field("unit", gen::Constant{std::string("C")}),
         field("raw", gen::Constant{Column(0.1)}), field("id", gen::Text{"{id}"})});
    EXPECT_EQ(encoded(spec, 3, 7),
              R"({"t":21.39,"seq":7,"ok":true,"unit":"C","raw":0.1,"id":"meter-3"})");
    EXPECT_EQ(encoded(PayloadSpec::json({})), "{}");
}

TEST(JsonPayload, EscapesWhatMustBe) {
    const std::string wild = "a\"b\\c\n\r\t\x01\x1F/\xC3\xA9";
    const PayloadSpec spec = PayloadSpec::json({field("k\"ey\n", gen::Constant{wild})});
    const std::string text = encoded(spec);
    EXPECT_EQ(text, "{\"k\\\"ey\\n\":\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f/\xC3\xA9\"}");
    const TinyJson json(text);
    EXPECT_EQ(json["k\"ey\n"], '"' + wild + '"');
}

TEST(JsonPayload, RealsReadBackAsTheSameDouble) {
    Payload payload = payload_of(
        PayloadSpec::json({field("a", gen::Normal{0, 1e-3}), field("b", gen::Normal{0, 1e12}),
                           field("c", gen::Uniform{-1, 1}, 4)}));
    const auto generator = [](const char* name, gen::Model model, int digits) {
        return Generator({std::move(model), digits}, fleet_of(4),
                         std::string("publish/t/payload/") + name, name);
    };
    Generator a = generator("a", gen::Normal{0, 1e-3}, -1);
    Generator b = generator("b", gen::Normal{0, 1e12}, -1);
    Generator c = generator("c", gen::Uniform{-1, 1}, 4);
    for (std::uint32_t n = 0; n < 2000; ++n) {
        const TinyJson json(as_text(payload.encode(1, n, Instant{0})));
        const Moment moment{1, n, Instant{0}, {}};
        ASSERT_EQ(json.size(), 3U);
        ASSERT_EQ(json.number("a"), a.next(moment).real);
        ASSERT_EQ(json.number("b"), b.next(moment).real);
        ASSERT_EQ(json.number("c"), c.next(moment).real);
    }
}

TEST(JsonPayload, MissingIsNull) {
    gen::Replay replay;
    replay.values = std::make_shared<const std::vector<double>>(std::vector<double>{1.5, kNan});
    const PayloadSpec spec = PayloadSpec::json({field("x", replay), field("y", gen::Counter{})});
    EXPECT_EQ(encoded(spec, 0, 0), R"({"x":1.5,"y":0})");
    EXPECT_EQ(encoded(spec, 0, 1), R"({"x":null,"y":1})");
    Value infinite;
    infinite.kind = Value::Kind::real;
    infinite.real = std::numeric_limits<double>::infinity();
    std::uint8_t buffer[kMaximumJsonNumber];
    EXPECT_EQ(std::string(buffer, put_json(buffer, infinite)), "null");
}

TEST(Digits, AreThoseOfEveryLength) {
    const auto check = [](std::uint64_t x) {
        char text[24];
        const int zeros = write_24_digits(x, text);
        EXPECT_EQ(std::string(text + zeros, text + 24), std::to_string(x));
        EXPECT_EQ(std::string(text, text + zeros),
                  std::string(static_cast<std::size_t>(zeros), '0'));
    };
    Stream random(StreamKey{42}, 0);
    for (int bits = 0; bits < 64; ++bits) {
        for (int i = 0; i < 1000; ++i) check(random.next() >> bits);
    }
    for (std::uint64_t ten = 1; ten < 10'000'000'000'000'000'000ULL; ten *= 10) {
        for (const std::uint64_t x : {ten - 1, ten, ten + 1, ten * 9}) check(x);
    }
    for (std::uint64_t x = 0; x < 20'000; ++x) check(x);
    check(UINT64_MAX);
}

TEST(JsonPayload, DecimalsAreWrittenInFull) {
    std::uint8_t buffer[kMaximumJsonNumber];
    const auto decimal = [&](std::int64_t units, int digits) {
        return std::string(buffer, put_decimal(buffer, units, digits));
    };
    EXPECT_EQ(decimal(2140, 2), "21.40");
    EXPECT_EQ(decimal(0, 3), "0.000");
    EXPECT_EQ(decimal(7, 0), "7");
    EXPECT_EQ(decimal(4'503'599'627'370'495, 9), "4503599.627370495");
    EXPECT_EQ(decimal(12'345'678'901'234'567, 21), "0.000012345678901234567");
    const auto rounded = [](double x) {
        return encoded(PayloadSpec::text({gen::Constant{Column(x)}, 2}));
    };
    EXPECT_EQ(rounded(-0.05), "-0.05");
    EXPECT_EQ(rounded(-7), "-7.00");
    EXPECT_EQ(rounded(-0.001), "0.00");
}

// The digits of std::to_chars, for every exponent that the shortcut takes and those around it.
TEST(JsonPayload, ShortestDecimalsAreThoseOfToChars) {
    const auto digits_of = [](double x) {
        char text[32];
        char* const end = std::to_chars(text, text + 32, x, std::chars_format::scientific).ptr;
        std::string digits;
        for (const char* c = text; c != end && *c != 'e'; ++c) {
            if (*c != '.') digits += *c;
        }
        return digits;
    };
    const auto check = [&](double x) {
        const Decimal decimal = shortest_decimal(x);
        if (decimal.decimals < 0) return false;
        std::uint8_t buffer[kMaximumJsonNumber];
        const std::string text(buffer, put_decimal(buffer, decimal.digits, decimal.decimals));
        EXPECT_EQ(std::strtod(text.c_str(), nullptr), x) << text;
        std::string digits = std::to_string(decimal.digits);
        while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
        EXPECT_EQ(digits, digits_of(x)) << text;
        return true;
    };
    std::size_t taken = 0;
    Stream random(StreamKey{42}, 0);
    for (std::uint64_t exponent = 1000; exponent < 1080; ++exponent) {
        for (int i = 0; i < 1000; ++i) {
            const std::uint64_t fraction = random.next() >> 12;
            taken += check(std::bit_cast<double>((exponent << 52) | fraction)) ? 1 : 0;
            // The ends of the exponent's range.
            check(std::bit_cast<double>((exponent << 52) | (fraction >> 40)));
            check(std::bit_cast<double>((exponent << 52) | (~fraction >> 12)));
        }
    }
    EXPECT_EQ(taken, 67U * 1000);
    // Decimals of a few digits, and their neighbours.
    for (int i = 1; i < 100'000; ++i) {
        const double x = static_cast<double>(i) / 1000;
        check(x);
        check(std::nextafter(x, 0));
        check(std::nextafter(x, 1e9));
    }
    for (const double x : {100'000.0, 1e14 + 0.5, 123'456'789.0, 0.1 + 0.2, 1e-4, 3e-5}) {
        EXPECT_TRUE(check(x)) << x;
    }
    for (const double x : {0.0, 1.0, 0.5, 1e-9, 1e18, 1e300, 5e-324}) EXPECT_FALSE(check(x)) << x;
}

TEST(JsonPayload, ExtremeNumbersFit) {
    const double extremes[] = {1e300, -1e300, 5e-324, -2.2250738585072014e-308,
                               -1.2345678901234567e-105};
    for (const double x : extremes) {
        Value value;
        value.kind = Value::Kind::real;
        value.real = x;
        std::uint8_t buffer[kMaximumJsonNumber];
        const std::string text(buffer, put_json(buffer, value));
        EXPECT_EQ(std::strtod(text.c_str(), nullptr), x) << text;
    }
    const PayloadSpec spec = PayloadSpec::json(
        {field("a", gen::Constant{INT64_MIN}), field("b", gen::Constant{INT64_MAX})});
    EXPECT_EQ(encoded(spec), R"({"a":-9223372036854775808,"b":9223372036854775807})");
}

TEST(JsonPayload, IsFilledUpWithSpaces) {
    PayloadSpec spec = PayloadSpec::json({field("n", gen::Counter{})});
    spec.minimum_size = 10;
    EXPECT_EQ(encoded(spec), "{\"n\":0}   ");
    EXPECT_EQ(TinyJson(encoded(spec)).number("n"), 0);
    spec.minimum_size = 7;
    EXPECT_EQ(encoded(spec), "{\"n\":0}");
}

TEST(Payload, RefusesBadFields) {
    EXPECT_EQ(refused(PayloadSpec::json({field("", gen::Counter{})})), "field 0: must have a name");
    EXPECT_EQ(refused(PayloadSpec::json({field("a", gen::Counter{}), field("a", gen::Counter{})})),
              "field \"a\": there are two of this name");
    EXPECT_EQ(refused(PayloadSpec::json({field("t", gen::Normal{0, kNan})})),
              "t.sd: nan is not allowed (must be >= 0 and <= 1e+300)");
    EXPECT_NE(refused(PayloadSpec::json({field("\xFF", gen::Counter{})})), "");
    PayloadSpec spec = PayloadSpec::constant({});
    spec.minimum_size = kMaximumPayload + 1;
    EXPECT_EQ(refused(spec), "payload: 268369921 bytes are not allowed (must be <= 268369920)");
}

TEST(TextPayload, IsOneBareValue) {
    EXPECT_EQ(encoded(PayloadSpec::text({gen::Constant{Column(21.4)}})), "21.4");
    EXPECT_EQ(encoded(PayloadSpec::text({gen::Text{"hello \"{id}\""}}), 2), "hello \"meter-2\"");
    EXPECT_EQ(encoded(PayloadSpec::text({gen::Boolean{1.0}})), "true");
}

TEST(ConstantPayload, IsSharedAndFilledUp) {
    PayloadSpec spec = PayloadSpec::constant({1, 2, 3});
    Payload payload = payload_of(spec);
    const ByteView first = payload.encode(0, 0, Instant{0});
    EXPECT_EQ(first.size(), 3U);
    EXPECT_EQ(first[2], 3);
    EXPECT_EQ(payload.encode(3, 9, Instant{5}).data(), first.data());
    spec.minimum_size = 5;
    EXPECT_EQ(encoded(spec), std::string("\1\2\3\0\0", 5));
    EXPECT_EQ(encoded(PayloadSpec::constant({})), "");
}

TEST(RandomPayload, HasItsDevicesSizeAndIsFresh) {
    Payload payload = payload_of(PayloadSpec::random(Column::values({0, 1, 100, 100'000})));
    for (Device d = 0; d < 4; ++d) {
        constexpr std::size_t sizes[] = {0, 1, 100, 100'000};
        EXPECT_EQ(payload.encode(d, 0, Instant{0}).size(), sizes[d]);
    }
    const std::string first(as_text(payload.encode(3, 1, Instant{0})));
    const std::string again(as_text(payload.encode(3, 1, Instant{9})));
    const std::string second(as_text(payload.encode(3, 2, Instant{0})));
    EXPECT_EQ(first, again);
    EXPECT_NE(first, second);
    // The shorter one is a beginning of the longer one's stream: blocks count from the front.
    double sum = 0;
    for (const char c : first) sum += static_cast<std::uint8_t>(c);
    const double variance = (256.0 * 256 - 1) / 12;
    EXPECT_NEAR(sum / 1e5, 127.5, kErrors * std::sqrt(variance / 1e5));
    EXPECT_EQ(refused(PayloadSpec::random(-1)),
              "payload size: -1 is not allowed (must be >= 0 and <= 268369920)");
    EXPECT_NE(refused(PayloadSpec::random(3e8)), "");
    PayloadSpec padded = PayloadSpec::random(3);
    padded.minimum_size = 8;
    EXPECT_EQ(encoded(padded).size(), 8U);
    EXPECT_EQ(encoded(padded).substr(3), std::string(5, '\0'));
}

}  // namespace
}  // namespace mqttwin::fleet
