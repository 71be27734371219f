// Captures sessions over the TCP model into a file, and prints what the model did, a segment a
// line.
//
//   mqttwin_captured_sessions FILE [key=value ...]
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mqttwin/trace/capture.hpp"

#include "session.hpp"

namespace mqttwin {
namespace {

using net::tcp::Segment;
using net::tcp::Wire;
using trace::Capture;
using trace::CapturedPacket;
using trace::Direction;

class Options {
   public:
    Options(int argc, char** argv) {
        for (int i = 2; i < argc; ++i) {
            const std::string one = argv[i];
            const std::size_t equals = one.find('=');
            if (equals == std::string::npos) throw std::invalid_argument("no value in " + one);
            values_[one.substr(0, equals)] = one.substr(equals + 1);
        }
    }
    [[nodiscard]] std::uint64_t number(const std::string& key, std::uint64_t otherwise) const {
        const auto found = values_.find(key);
        if (found == values_.end()) return otherwise;
        std::uint64_t value = 0;
        const char* last = found->second.data() + found->second.size();
        if (std::from_chars(found->second.data(), last, value).ptr != last) {
            throw std::invalid_argument(key + " is no number: " + found->second);
        }
        return value;
    }
    [[nodiscard]] Capture::Point point() const {
        const auto found = values_.find("at");
        if (found == values_.end() || found->second == "client") return Capture::Point::client;
        if (found->second == "server") return Capture::Point::server;
        if (found->second == "both") return Capture::Point::both;
        throw std::invalid_argument("at must be client, server or both");
    }

   private:
    std::map<std::string, std::string> values_;
};

/// A segment of one of the sessions.
struct Crossing {
    const Session* session = nullptr;
    std::size_t n = 0;
    trace::TcpFlow flow;
    [[nodiscard]] const Wire::Seen& seen() const { return session->wire().seen[n]; }
};

CapturedPacket packet_of(const Crossing& crossing, const std::array<ByteView, 2>& payload) {
    const Wire::Seen& seen = crossing.seen();
    const Segment& s = seen.segment;
    CapturedPacket packet;
    packet.flow = crossing.flow;
    packet.direction = seen.sender == 0 ? Direction::up : Direction::down;
    packet.sent = seen.at;
    packet.arrives = crossing.session->arrival(crossing.n);
    packet.fate = seen.lost ? CapturedPacket::Fate::lost : CapturedPacket::Fate::arrives;
    packet.seq = s.seq;
    packet.ack = s.ack;
    packet.window = s.window;
    packet.ts_value = s.ts_value;
    packet.ts_echo = s.ts_echo;
    for (std::size_t i = 0; i < s.sacks; ++i) packet.sack[i] = {s.sack[i].begin, s.sack[i].end};
    packet.sacks = s.sacks;
    packet.timestamp = s.timestamp;
    packet.syn = s.syn;
    packet.has_ack = s.has_ack;
    packet.fin = s.fin;
    packet.reset = s.reset;
    packet.push = s.push;
    const net::tcp::Profile& profile = crossing.session->wire().machine.profile();
    packet.mss = static_cast<std::uint16_t>(profile.mtu - 40);
    packet.sack_permitted = profile.sack;
    packet.payload = payload;
    return packet;
}

/// In two views, of which the first has an odd length as often as not.
std::array<ByteView, 2> payload_of(const Crossing& crossing) {
    const Wire::Seen& seen = crossing.seen();
    const std::uint32_t length = seen.segment.length;
    if (length == 0) return {};
    const ByteView all =
        crossing.session->stream(seen.sender).subspan(seen.segment.seq - 1, length);
    const std::size_t cut = length / 3;
    return {all.first(cut), all.subspan(cut)};
}

void print(const Crossing& crossing, std::map<const Session*, std::array<std::uint32_t, 2>>& ends) {
    const Wire::Seen& seen = crossing.seen();
    const Segment& s = seen.segment;
    std::uint32_t& end = ends[crossing.session][static_cast<std::size_t>(seen.sender)];
    const bool takes_room = s.end() != s.seq;
    const bool again = takes_room && net::tcp::before(s.seq, end);
    if (takes_room && net::tcp::after(s.end(), end)) end = s.end();
    std::printf("%lld,%lld,%llu,%d,%u,%u,%u,%u,%d\n", static_cast<long long>(seen.at.ns),
                seen.lost ? -1LL : static_cast<long long>(crossing.session->arrival(crossing.n).ns),
                static_cast<unsigned long long>(crossing.flow.connection), seen.sender, s.seq,
                s.length, s.wire_bytes(), s.end() - s.seq, again ? 1 : 0);
}

int main_of(int argc, char** argv) {
    if (argc < 2)
        throw std::invalid_argument("usage: mqttwin_captured_sessions FILE [key=value ...]");
    const Options options(argc, argv);
    std::vector<std::unique_ptr<Session>> sessions;
    std::vector<Crossing> crossings;
    const std::uint64_t flows = options.number("flows", 1);
    const std::uint64_t in_a_row = options.number("in_a_row", 1);
    for (std::uint64_t flow = 0; flow < flows; ++flow) {
        Instant begin = Instant{0} + milliseconds(10) * static_cast<std::int64_t>(flow);
        for (std::uint64_t k = 0; k < in_a_row; ++k) {
            SessionSpec spec;
            spec.seed = options.number("seed", 1);
            spec.number = flow * in_a_row + k;
            spec.begin = begin;
            spec.loss = static_cast<double>(options.number("loss", 0)) / 100;
            spec.latency = milliseconds(static_cast<std::int64_t>(options.number("latency", 25)));
            spec.jitter = milliseconds(static_cast<std::int64_t>(options.number("jitter", 0)));
            spec.interval =
                milliseconds(static_cast<std::int64_t>(options.number("interval", 200)));
            spec.messages = static_cast<std::uint32_t>(options.number("messages", 20));
            spec.version =
                options.number("version", 5) == 5 ? wire::Version::v5 : wire::Version::v311;
            spec.embedded = options.number("embedded", 0) != 0;
            spec.listening = options.number("listening", 1) != 0;
            spec.abort = options.number("abort", 0) != 0;
            spec.half_open = options.number("half_open", 0) != 0;
            auto session = std::make_unique<Session>(spec);
            session->run(seconds(3'600));
            begin = session->wire().now + seconds(1);
            trace::TcpFlow where;
            where.client = trace::client_address(static_cast<std::uint32_t>(flow));
            where.server = trace::server_address(0);
            where.client_port = 49'152;
            where.connection = spec.number;
            for (std::size_t n = 0; n < session->wire().seen.size(); ++n) {
                crossings.push_back({session.get(), n, where});
            }
            std::fprintf(stderr, "packets %u %u retransmissions %llu\n", session->packets(0),
                         session->packets(1),
                         static_cast<unsigned long long>(
                             session->wire().machine.counters().retransmissions));
            sessions.push_back(std::move(session));
        }
    }
    std::stable_sort(crossings.begin(), crossings.end(), [](const Crossing& a, const Crossing& b) {
        return a.seen().at < b.seen().at;
    });

    Capture::Options how;
    how.at = options.point();
    how.max_bytes = options.number("max_bytes", 0);
    Capture capture(trace::file_sink(argv[1]), options.number("seed", 1), how);
    for (std::uint32_t flow = 0; flow < flows; ++flow) {
        capture.name_host(trace::client_address(flow), "pump/" + std::to_string(flow));
    }
    capture.name_host(trace::server_address(0), "broker");
    std::map<const Session*, std::array<std::uint32_t, 2>> ends;
    for (const Crossing& crossing : crossings) {
        const std::array<ByteView, 2> payload = payload_of(crossing);
        capture.record(packet_of(crossing, payload));
        print(crossing, ends);
    }
    for (const auto& session : sessions) capture.advance(session->wire().now);
    capture.close();
    if (!capture.problem().empty()) throw std::runtime_error(capture.problem());
    return 0;
}

}  // namespace
}  // namespace mqttwin

int main(int argc, char** argv) {
    try {
        return mqttwin::main_of(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mqttwin_captured_sessions: %s\n", error.what());
        return 2;
    }
}
