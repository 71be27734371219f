#include "mqttwin/base/archive.hpp"

#include <bit>
#include <cstring>

#include <msgpack.hpp>

namespace mqttwin {

namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;

/// What msgpack::packer writes to.
struct Buffer {
    std::vector<std::uint8_t>* bytes;
    void write(const char* data, std::size_t size) {
        const auto* begin = reinterpret_cast<const std::uint8_t*>(data);
        bytes->insert(bytes->end(), begin, begin + size);
    }
};

struct Packer : Buffer, msgpack::packer<Buffer> {
    explicit Packer(std::vector<std::uint8_t>& into)
        : Buffer{&into}, msgpack::packer<Buffer>(static_cast<Buffer&>(*this)) {}
};

}  // namespace

/// The next value of a stream; what it refers to stays in the stream.
struct Archive::Reader {
    static msgpack::object_handle next(Archive& a) {
        const auto* data = reinterpret_cast<const char*>(a.bytes_.data());
        bool referenced = false;
        try {
            return msgpack::unpack(
                data, a.bytes_.size(), a.offset_, referenced,
                [](msgpack::type::object_type, std::size_t, void*) { return true; }, nullptr);
        } catch (const msgpack::unpack_error&) {
            a.fail("there is no whole value");
        }
    }
};

Archive::Archive(Sink sink) : sink_(std::move(sink)) {}
Archive::Archive(ByteView bytes) : bytes_(bytes) {}
Archive::~Archive() = default;

void Archive::flush() {
    if (!buffer_.empty()) sink_(buffer_);
    buffer_.clear();
}

void Archive::fail(const std::string& what) const {
    std::string where = " at byte " + std::to_string(offset_);
    if (!section_.empty()) where += ", in \"" + section_ + "\"";
    throw ArchiveError(what + where);
}

void Archive::section(std::string_view name) {
    std::string found(name);
    text(found);
    if (found != name) fail("expected \"" + std::string(name) + "\"");
    section_ = name;
}

void Archive::number(std::uint64_t& value) {
    if (!reading()) {
        Packer(buffer_).pack_uint64(value);
        if (buffer_.size() >= kBuffer) flush();
        return;
    }
    const auto object = Reader::next(*this);
    if (object->type != msgpack::type::POSITIVE_INTEGER) fail("expected a number from 0 on");
    value = object->via.u64;
}

void Archive::number(std::int64_t& value) {
    if (!reading()) {
        Packer(buffer_).pack_int64(value);
        if (buffer_.size() >= kBuffer) flush();
        return;
    }
    const auto object = Reader::next(*this);
    if (object->type == msgpack::type::NEGATIVE_INTEGER) {
        value = object->via.i64;
        return;
    }
    if (object->type != msgpack::type::POSITIVE_INTEGER ||
        object->via.u64 > static_cast<std::uint64_t>(INT64_MAX)) {
        fail("expected a whole number");
    }
    value = static_cast<std::int64_t>(object->via.u64);
}

// As its bits: some packers make an integer of a real number that is one, and -0 becomes 0.
void Archive::real(double& value) {
    auto bits = std::bit_cast<std::uint64_t>(value);
    number(bits);
    value = std::bit_cast<double>(bits);
}

void Archive::text(std::string& value) {
    if (!reading()) {
        // Not all of it is UTF-8.
        Packer(buffer_).pack_bin(static_cast<std::uint32_t>(value.size()));
        Buffer{&buffer_}.write(value.data(), value.size());
        if (buffer_.size() >= kBuffer) flush();
        return;
    }
    const auto object = Reader::next(*this);
    if (object->type != msgpack::type::BIN) fail("expected a text");
    value.assign(object->via.bin.ptr, object->via.bin.size);
}

void Archive::block(void* data, std::size_t size) {
    auto* at = static_cast<char*>(data);
    for (std::size_t left = size; left > 0;) {
        const std::size_t piece = left < kPiece ? left : kPiece;
        if (!reading()) {
            Packer(buffer_).pack_bin(static_cast<std::uint32_t>(piece));
            if (piece < kBuffer) {
                Buffer{&buffer_}.write(at, piece);
            } else {  // straight through
                flush();
                sink_({reinterpret_cast<const std::uint8_t*>(at), piece});
            }
            if (buffer_.size() >= kBuffer) flush();
        } else {
            const auto object = Reader::next(*this);
            if (object->type != msgpack::type::BIN) fail("expected bytes");
            if (object->via.bin.size != piece) {
                fail("expected " + std::to_string(piece) + " bytes, found " +
                     std::to_string(object->via.bin.size));
            }
            std::memcpy(at, object->via.bin.ptr, piece);
        }
        at += piece;
        left -= piece;
    }
}

std::size_t Archive::count(std::size_t elements, std::size_t least) {
    std::uint64_t number_of = elements;
    number(number_of);
    if (reading() && number_of > (bytes_.size() - offset_) / least) {
        fail(std::to_string(number_of) + " elements do not fit into what is left");
    }
    return number_of;
}

void Archive::same_count(std::size_t elements, const char* otherwise) {
    if (count(elements) != elements) fail(otherwise);
}

void Archive::end() {
    if (offset_ != bytes_.size()) fail("something follows the end");
}

void Archive::field(std::vector<bool>& values) {
    std::vector<std::uint8_t> bits((values.size() + 7) / 8);
    std::uint64_t size = values.size();
    number(size);
    if (reading() && size / 8 > bytes_.size() - offset_) fail("too many bits");
    if (!reading()) {
        for (std::size_t i = 0; i < size; ++i) {
            if (values[i]) bits[i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
        }
    }
    bits.resize((size + 7) / 8);
    block(bits.data(), bits.size());
    if (!reading()) return;
    values.assign(size, false);
    for (std::size_t i = 0; i < size; ++i) values[i] = (bits[i / 8] >> (i % 8) & 1U) != 0;
}

}  // namespace mqttwin
