// What a test looks at while a world runs: spies, and packets.

#include <string>
#include <vector>

#include <pybind11/stl.h>

#include "mqttwin/wire/decode.hpp"
#include "mqttwin/wire/properties.hpp"

#include "bindings.hpp"
#include "property_dict.hpp"
#include "py_world.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using wire::PacketType;
using world::Watch;
using world::WatchedMessage;
using world::WatchedPacket;

py::str text_of(std::string_view text) {
    // What a stranger calls a text need not be one.
    return py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}
py::bytes bytes_of(ByteView bytes) { return {as_text(bytes).data(), bytes.size()}; }

/// A packet of which only the first bytes were kept is as long as it was, with zeros: only
/// payloads are so long.
class WholeFrame {
   public:
    WholeFrame(const std::vector<std::uint8_t>& kept, std::size_t size) : bytes_(kept) {
        bytes_.resize(std::max(size, kept.size()), 0);
        wire::FrameReader reader(pool_, state_, ByteView(bytes_), wire::kMaximumPacketSize);
        found_ = reader.next(frame_);
        wire::release_framer(pool_, state_);
    }
    [[nodiscard]] bool found() const { return found_; }
    [[nodiscard]] const wire::Frame& frame() const { return frame_; }

   private:
    std::vector<std::uint8_t> bytes_;
    BlobPool pool_;
    wire::FramerState state_;
    wire::Frame frame_;
    bool found_ = false;
};

py::list messages_of(world::VirtualWorld& world, const std::vector<WatchedMessage>& messages) {
    py::list out;
    for (const WatchedMessage& message : messages) {
        const WholeFrame whole(message.bytes, message.bytes.size());
        wire::Publish publish;
        if (!whole.found() ||
            wire::decode(whole.frame(), wire::Version::v5, wire::Sender::client, publish)) {
            continue;  // it was encoded here
        }
        const bool device = message.publisher != Stamp::kNobody;
        const std::string client = device ? world.client_id(message.publisher) : message.client;
        out.append(py::make_tuple(message.at.ns, message.published.ns,
                                  device ? py::cast(message.publisher) : py::none(),
                                  text_of(client), text_of(publish.topic),
                                  bytes_of(publish.payload), static_cast<int>(publish.qos),
                                  publish.retain, publish.dup, to_dict(publish.properties)));
    }
    return out;
}

// --- Key fields of packets -----------------------------------------------------------------------

struct Reader {
    const wire::Frame& frame;
    wire::Version version;
    wire::Sender sender;

    Fault read(py::dict& out, wire::Connect&& p) const {
        const Fault fault = wire::decode(frame, p);
        if (fault) return fault;
        out["client_id"] = text_of(p.client_id);
        out["version"] = static_cast<int>(p.version);
        out["clean_start"] = p.clean_start;
        out["keep_alive"] = p.keep_alive;
        if (p.has_user_name) out["user_name"] = text_of(p.user_name);
        if (p.has_will) {
            out["will_topic"] = text_of(p.will.topic);
            out["will_payload"] = bytes_of(p.will.payload);
            out["will_qos"] = static_cast<int>(p.will.qos);
            out["will_retain"] = p.will.retain;
        }
        out["properties"] = to_dict(p.properties);
        return {};
    }
    Fault read(py::dict& out, wire::Connack&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["session_present"] = p.session_present;
        out["reason"] = p.reason;
        out["properties"] = to_dict(p.properties);
        return {};
    }
    Fault read(py::dict& out, wire::Publish&& p) const {
        const Fault fault = wire::decode(frame, version, sender, p);
        if (fault) return fault;
        out["topic"] = text_of(p.topic);
        out["qos"] = static_cast<int>(p.qos);
        if (p.packet_id != 0) out["packet_id"] = p.packet_id;
        out["retain"] = p.retain;
        out["dup"] = p.dup;
        out["payload_bytes"] = p.payload.size();
        out["payload"] = bytes_of(p.payload.first(std::min<std::size_t>(p.payload.size(), 64)));
        out["properties"] = to_dict(p.properties);
        return {};
    }
    Fault read(py::dict& out, wire::Ack&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["packet_id"] = p.packet_id;
        out["reason"] = p.reason;
        return {};
    }
    Fault read(py::dict& out, wire::Subscribe&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["packet_id"] = p.packet_id;
        py::list filters;
        wire::SubscriptionRequests requests(p);
        for (auto one = requests.next(); !one.filter.empty(); one = requests.next()) {
            filters.append(py::make_tuple(text_of(one.filter), static_cast<int>(one.options.qos)));
        }
        out["filters"] = filters;
        return {};
    }
    Fault read(py::dict& out, wire::Unsubscribe&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["packet_id"] = p.packet_id;
        py::list filters;
        wire::FilterList list(p);
        for (auto one = list.next(); !one.empty(); one = list.next()) filters.append(text_of(one));
        out["filters"] = filters;
        return {};
    }
    Fault read(py::dict& out, wire::ListAck&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["packet_id"] = p.packet_id;
        py::list reasons;
        for (const std::uint8_t reason : p.reasons) reasons.append(reason);
        out["reasons"] = reasons;
        return {};
    }
    Fault read(py::dict& out, wire::Disconnect&& p) const {
        const Fault fault = wire::decode(frame, version, sender, p);
        if (fault) return fault;
        out["reason"] = p.reason;
        return {};
    }
    Fault read(py::dict& out, wire::Auth&& p) const {
        const Fault fault = wire::decode(frame, version, p);
        if (fault) return fault;
        out["reason"] = p.reason;
        return {};
    }
    [[nodiscard]] Fault read_any(py::dict& out) const {
        switch (frame.type()) {
            case PacketType::connect:
                return read(out, wire::Connect{});
            case PacketType::connack:
                return read(out, wire::Connack{});
            case PacketType::publish:
                return read(out, wire::Publish{});
            case PacketType::puback:
            case PacketType::pubrec:
            case PacketType::pubrel:
            case PacketType::pubcomp:
                return read(out, wire::Ack{});
            case PacketType::subscribe:
                return read(out, wire::Subscribe{});
            case PacketType::unsubscribe:
                return read(out, wire::Unsubscribe{});
            case PacketType::suback:
            case PacketType::unsuback:
                return read(out, wire::ListAck{});
            case PacketType::disconnect:
                return read(out, wire::Disconnect{});
            case PacketType::auth:
                return read(out, wire::Auth{});
            default:
                return wire::decode_empty(frame);
        }
    }
};

py::tuple packet_of(PyWorld::Access& world, const Watch& watch, const WatchedPacket& packet) {
    constexpr const char* kKinds[] = {"packet", "opened", "ended"};
    constexpr const char* kFates[] = {"under way", "arrived", "in part", "lost"};
    constexpr const char* kEndings[] = {"itself", "peer", "reset", "time_out", "fault"};
    std::string client(watch.client_id(packet.who));
    if (client.empty() && !packet.who.real) client = world->client_id(packet.who.number);
    if (client.empty()) client = "client " + std::to_string(packet.who.number);
    py::dict fields;
    std::string name;
    if (packet.kind == WatchedPacket::Kind::packet && !packet.bytes.empty()) {
        name = wire::packet_name(static_cast<PacketType>(packet.bytes[0] >> 4));
        const WholeFrame whole(packet.bytes, packet.size);
        const auto sender =
            packet.direction == trace::Direction::up ? wire::Sender::client : wire::Sender::server;
        const Fault fault = whole.found()
                                ? Reader{whole.frame(), packet.version, sender}.read_any(fields)
                                : Fault{wire::reason::malformed_packet, "", "is no packet", 0};
        if (fault) fields["malformed"] = text_of(fault.what);
    } else if (packet.kind == WatchedPacket::Kind::ended) {
        fields["by"] = kEndings[packet.ended_by];
    }
    return py::make_tuple(packet.sent.ns, packet.arrived.ns, text_of(client), packet.who.real,
                          packet.direction == trace::Direction::up ? "up" : "down",
                          kKinds[static_cast<std::size_t>(packet.kind)],
                          kFates[static_cast<std::size_t>(packet.fate)], name, packet.size,
                          packet.arrived_bytes, fields);
}

py::list packets_of(PyWorld& self) {
    auto world = self.get();
    py::list out;
    if (const Watch* watch = world->recorder().watching()) {
        for (const WatchedPacket* packet : watch->packets()) {
            out.append(packet_of(world, *watch, *packet));
        }
    }
    return out;
}

}  // namespace

void bind_watch(py::class_<PyWorld>& cls) {
    cls.def(
           "add_spy",
           [](PyWorld& self, const std::string& filter, std::size_t messages, std::size_t bytes) {
               return self.get()->recorder().watch().add_spy(filter, messages, bytes);
           },
           py::arg("filter"), py::arg("messages"), py::arg("bytes"))
        .def(
            "take_spied",
            [](PyWorld& self, std::uint32_t spy) {
                auto world = self.get();
                auto& messages = world->recorder().watch().spy(spy);
                return py::make_tuple(messages_of(*world, messages.take()), messages.left_out());
            },
            py::arg("spy"))
        .def(
            "keep_published",
            [](PyWorld& self, std::size_t messages, std::size_t bytes) {
                self.get()->recorder().watch().keep_published(messages, bytes);
            },
            py::arg("messages"), py::arg("bytes"))
        .def("take_published",
             [](PyWorld& self) {
                 auto world = self.get();
                 auto& messages = world->recorder().watch().published();
                 return py::make_tuple(messages_of(*world, messages.take()), messages.left_out());
             })
        .def(
            "keep_packets",
            [](PyWorld& self, std::size_t count) {
                self.get()->recorder().watch().keep_packets(count);
            },
            py::arg("count"))
        .def("packets", &packets_of)
        .def_property_readonly("packets_seen",
                               [](PyWorld& self) -> std::uint64_t {
                                   auto world = self.get();
                                   const Watch* watch = world->recorder().watching();
                                   return watch == nullptr ? 0 : watch->packets_seen();
                               })
        .def(
            "tag_of",
            [](PyWorld& self, std::uint32_t fleet, std::uint32_t device) {
                return self.get()->tag_of(fleet, device);
            },
            py::arg("fleet"), py::arg("device"));
}

}  // namespace mqttwin
