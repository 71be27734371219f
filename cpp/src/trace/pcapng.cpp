#include "mqttwin/trace/pcapng.hpp"

#include <bit>
#include <cstring>
#include <utility>

namespace mqttwin::trace {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is in the writer's order");

// Block types, by the sections of the draft.
constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kNameResolution = 4;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;

constexpr std::uint16_t kLinkEthernet = 1;
constexpr std::uint8_t kNanoseconds = 9;  // 10^-9 s a tick
constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;

// Options; the numbers mean something else in each kind of block.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kHardware = 2;
constexpr std::uint16_t kOs = 3;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kInterfaceText = 3;
constexpr std::uint16_t kResolution = 9;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kReceived = 4;
constexpr std::uint16_t kDropped = 5;
constexpr std::uint16_t kNameOfIpv4 = 1;

/// A block at the end of a buffer; its length is written on both sides by end().
class Block {
   public:
    Block(std::vector<std::uint8_t>& out, std::uint32_t type) : out_(out), begin_(out.size()) {
        put(type);
        put(std::uint32_t{0});
    }
    /// In the order of the machine, which is little endian.
    template <typename Integer>
    void put(Integer value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out_.insert(out_.end(), bytes, bytes + sizeof(Integer));
    }
    void put_time(std::int64_t ns) {
        put(static_cast<std::uint32_t>(static_cast<std::uint64_t>(ns) >> 32));
        put(static_cast<std::uint32_t>(static_cast<std::uint64_t>(ns)));
    }
    void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
    void pad() {
        while ((out_.size() - begin_) % 4 != 0) out_.push_back(0);
    }
    void option(std::uint16_t code, ByteView value) {
        put(code);
        put(static_cast<std::uint16_t>(value.size()));
        bytes(value);
        pad();
    }
    /// None if there is nothing to say.
    void text(std::uint16_t code, std::string_view value) {
        if (!value.empty()) option(code, as_bytes(value.substr(0, PcapngWriter::kMaxText)));
    }
    template <typename Integer>
    void number(std::uint16_t code, Integer value) {
        put(code);
        put(static_cast<std::uint16_t>(sizeof(Integer)));
        put(value);
        pad();
    }
    void end_options() {
        put(kEndOfOptions);
        put(std::uint16_t{0});
    }
    void end() {
        const auto length = static_cast<std::uint32_t>(out_.size() - begin_ + 4);
        put(length);
        std::memcpy(out_.data() + begin_ + 4, &length, 4);
    }

   private:
    std::vector<std::uint8_t>& out_;
    std::size_t begin_;
};

}  // namespace

PcapngWriter::PcapngWriter(std::unique_ptr<LogSink> sink, const PcapngHeader& header,
                           Options options)
    : sink_(std::move(sink)),
      buffer_bytes_(options.buffer_bytes),
      max_bytes_(options.max_bytes),
      stopped_(!sink_->error().empty()) {
    Block block(buffer_, kSectionHeader);
    block.put(kByteOrderMagic);
    block.put(std::uint16_t{1});  // version 1.0
    block.put(std::uint16_t{0});
    block.put(~std::uint64_t{0});  // the length of the section is not known
    block.text(kComment, header.comment);
    block.text(kHardware, header.hardware);
    block.text(kOs, header.os);
    block.text(kApplication, header.application);
    block.end_options();
    block.end();
}

PcapngWriter::~PcapngWriter() { close(); }

std::uint32_t PcapngWriter::add_interface(std::string_view name, std::string_view description) {
    Block block(buffer_, kInterfaceDescription);
    block.put(kLinkEthernet);
    block.put(std::uint16_t{0});
    block.put(std::uint32_t{0});  // packets are never cut
    block.text(kInterfaceName, name);
    block.text(kInterfaceText, description);
    block.number(kResolution, kNanoseconds);
    block.end_options();
    block.end();
    interfaces_.emplace_back();
    return static_cast<std::uint32_t>(interfaces_.size() - 1);
}

void PcapngWriter::name_host(Ipv4 address, std::string_view name) {
    if (stopped_ || name.empty()) return;
    name = name.substr(0, kMaxText);
    const std::size_t before = buffer_.size();
    Block block(buffer_, kNameResolution);
    block.put(kNameOfIpv4);
    block.put(static_cast<std::uint16_t>(4 + name.size() + 1));
    for (int shift = 24; shift >= 0; shift -= 8)
        block.put(static_cast<std::uint8_t>(address >> shift));
    block.bytes(as_bytes(name));
    block.put(std::uint8_t{0});
    block.pad();
    block.end_options();  // the end of the records looks the same
    block.end();
    finish_block(before);
}

void PcapngWriter::packet(const PcapngPacket& packet) {
    Interface& interface = interfaces_[packet.interface];
    if (!stopped_) {
        const std::size_t before = buffer_.size();
        const auto size = static_cast<std::uint32_t>(packet.frame.size());
        Block block(buffer_, kEnhancedPacket);
        block.put(packet.interface);
        block.put_time(packet.at);
        block.put(size);
        block.put(size);
        block.bytes(packet.frame);
        block.pad();
        block.text(kComment, packet.comment);
        block.number(kPacketFlags, packet.outbound ? kOutbound : kInbound);
        block.end_options();
        block.end();
        if (finish_block(before)) {
            interface.last = packet.at;
            ++packets_;
            ++interface.packets;
            return;
        }
    }
    ++left_out_;
    ++interface.left_out;
}

bool PcapngWriter::fits() const {
    return max_bytes_ == 0 || bytes() + kTrailer * interfaces_.size() <= max_bytes_;
}

// Takes a block back that would break the bound, and sends a full buffer on its way.
bool PcapngWriter::finish_block(std::size_t before) {
    if (!fits()) {
        buffer_.resize(before);
        stopped_ = true;
        return false;
    }
    if (buffer_.size() >= buffer_bytes_) send();
    return true;
}

void PcapngWriter::send() {
    if (buffer_.empty()) return;
    sink_->write(buffer_);
    written_ += buffer_.size();
    buffer_.clear();
    if (!sink_->error().empty()) stopped_ = true;
}

void PcapngWriter::write_statistics(std::uint32_t number) {
    const Interface& interface = interfaces_[number];
    Block block(buffer_, kInterfaceStatistics);
    block.put(number);
    block.put_time(interface.last);
    if (interface.left_out > 0) block.text(kComment, "the file was full: packets were left out");
    block.number(kReceived, interface.packets + interface.left_out);
    block.number(kDropped, interface.left_out);
    block.end_options();
    block.end();
}

void PcapngWriter::flush() {
    if (!closed_) send();
}

void PcapngWriter::close() {
    if (closed_) return;
    closed_ = true;
    stopped_ = true;
    for (std::uint32_t i = 0; i < interfaces_.size(); ++i) write_statistics(i);
    send();
    sink_->close();
}

}  // namespace mqttwin::trace
