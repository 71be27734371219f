#include "mqttwin/net/layers.hpp"

#include <array>
#include <string>

#include "tls_records.hpp"

namespace mqttwin::net {

namespace {

using Kind = Piece::Kind;

std::uint32_t in_records(const LayersSpec& spec, std::uint32_t bytes) {
    return spec.tls ? static_cast<std::uint32_t>(tls_sealed(*spec.tls, bytes)) : bytes;
}

/// One more write, when its sender has come as far as `after`.
void add(Script& script, const LayersSpec& spec, Side sender, std::size_t after, Kind kind,
         std::uint32_t bytes) {
    const std::uint32_t on_tcp = kind == Kind::alert ? bytes : in_records(spec, bytes);
    Step step;
    step.sender = sender;
    step.after = static_cast<std::uint8_t>(after);
    step.bytes = on_tcp;
    script.steps.push_back(step);
    script.pieces.push_back(
        {sender, spec.tls && kind != Kind::alert ? Kind::encrypted : kind, on_tcp});
}

void append(std::vector<std::uint8_t>& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
}

/// A frame with its payload, as it is on TCP or inside TLS.
void append_frame(std::vector<std::uint8_t>& out, FrameType type, ByteView payload, Side sender,
                  Stream& draws) {
    const std::uint64_t word = sender == Side::client ? draws.next() : 0;
    const auto mask = static_cast<std::uint32_t>(word);
    std::array<std::uint8_t, kMaxFrameHeader> header{};
    const std::uint32_t length = write_frame_header(type, payload.size(), sender, mask, header);
    out.insert(out.end(), header.begin(), header.begin() + length);
    const std::size_t begins = out.size();
    out.insert(out.end(), payload.begin(), payload.end());
    apply_mask(mask, 0, std::span(out).subspan(begins));
}

void append_piece(const LayersSpec& spec, const Script& script, const Piece& piece, Stream& draws,
                  std::vector<std::uint8_t>& out) {
    constexpr std::array<std::uint8_t, 2> kNormalClosure{0x03, 0xE8};  // 1000
    switch (piece.kind) {
        case Kind::upgrade:
            return append(out, upgrade_request(*spec.websocket, draws));
        case Kind::upgrade_reply:
            return append(out, upgrade_response(*spec.websocket, draws));
        case Kind::close_frame:
            return append_frame(out, FrameType::close, kNormalClosure, piece.sender, draws);
        default:
            return write_tls_piece(*spec.tls, piece, script.resumed, draws, out);
    }
}

}  // namespace

void check(const LayersSpec& spec, std::string_view where) {
    if (spec.tls) check(*spec.tls, std::string(where) + "tls.");
    if (spec.websocket) check(*spec.websocket, std::string(where) + "websocket.");
}

Script opening_script(const LayersSpec& spec, bool resumed, Stream& draws) {
    Script script;
    if (spec.tls) script = tls_handshake(*spec.tls, resumed, draws);
    if (!spec.websocket) return script;

    // The client asks as soon as TLS lets it, beside the tickets that come to it; the server
    // answers when it has read that.
    add(script, spec, Side::client, script.opens[index_of(Side::client)], Kind::upgrade,
        upgrade_request_bytes(*spec.websocket));
    add(script, spec, Side::server, script.steps.size(), Kind::upgrade_reply,
        upgrade_response_bytes(*spec.websocket));
    const auto all = static_cast<std::uint8_t>(script.steps.size());
    script.opens = {all, all};
    return script;
}

Script closing_script(const LayersSpec& spec, Side initiator) {
    Script script;
    const Side answering = other(initiator);
    if (spec.websocket) {
        add(script, spec, initiator, 0, Kind::close_frame, close_frame_bytes(initiator));
        add(script, spec, answering, 1, Kind::close_frame, close_frame_bytes(answering));
    }
    if (spec.tls) {
        const std::size_t frames = script.steps.size();
        const std::uint32_t alert = tls_close_notify(*spec.tls);
        add(script, spec, initiator, frames, Kind::alert, alert);
        add(script, spec, answering, frames + 1, Kind::alert, alert);
    }
    const auto all = static_cast<std::uint8_t>(script.steps.size());
    script.opens = {all, all};
    return script;
}

std::uint64_t sealed(const LayersSpec& spec, Side sender, std::uint64_t bytes) {
    if (bytes == 0) return 0;
    if (spec.websocket) bytes = frame_bytes(bytes, sender);
    return spec.tls ? tls_sealed(*spec.tls, bytes) : bytes;
}

void write_sealed(const LayersSpec& spec, Side sender, ByteView plain, Stream& draws,
                  std::vector<std::uint8_t>& out) {
    if (plain.empty()) return;
    if (spec.tls) {
        const std::uint64_t inside =
            spec.websocket ? frame_bytes(plain.size(), sender) : plain.size();
        return write_tls_data(*spec.tls, inside, draws, out);
    }
    if (spec.websocket) return append_frame(out, FrameType::binary, plain, sender, draws);
    out.insert(out.end(), plain.begin(), plain.end());
}

std::vector<std::uint8_t> write_script(const LayersSpec& spec, const Script& script, Side sender,
                                       Stream& draws) {
    std::vector<std::uint8_t> out;
    out.reserve(script.bytes(sender));
    for (const Piece& piece : script.pieces) {
        if (piece.sender == sender) append_piece(spec, script, piece, draws, out);
    }
    return out;
}

}  // namespace mqttwin::net
