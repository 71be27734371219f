#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <msgpack.hpp>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/world/snapshot.hpp"

namespace mqttwin::world {

namespace {

constexpr std::string_view kMagic = "mqttwin-snapshot";
/// To be raised whenever a record that an archive holds changes.
constexpr std::uint64_t kVersion = 8;
/// Chains begin somewhere.
constexpr std::uint64_t kFirstCheck = 0x243F6A8885A308D3ULL;

std::string system_text(int code) { return std::generic_category().message(code); }

std::uint64_t check_of(ByteView piece, std::uint64_t before) {
    return hash_text(as_text(piece), before);
}

std::string place(std::size_t byte) { return "byte " + std::to_string(byte) + ": "; }

/// A file that replaces another one only when it is whole.
class Output {
   public:
    explicit Output(const std::filesystem::path& path)
        : path_(path), part_(path.string() + ".part"), file_(std::fopen(part_.c_str(), "wb")) {
        if (file_ == nullptr) fail(errno);
    }
    ~Output() {
        if (file_ == nullptr) return;
        std::fclose(file_);
        std::remove(part_.c_str());
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    void write(const char* data, std::size_t size) {
        if (std::fwrite(data, 1, size, file_) != size) fail(errno);
    }
    void finish() {
        if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail(errno);
        std::FILE* file = std::exchange(file_, nullptr);
        if (std::fclose(file) != 0 || std::rename(part_.c_str(), path_.c_str()) != 0) {
            const int code = errno;
            std::remove(part_.c_str());
            fail(code);
        }
    }

   private:
    [[noreturn]] void fail(int code) const {
        throw SnapshotError(path_.string() + ": cannot write: " + system_text(code));
    }

    std::filesystem::path path_;
    std::string part_;
    std::FILE* file_;
};

/// A file as bytes.
class Input {
   public:
    explicit Input(const std::filesystem::path& path) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) throw SnapshotError(path.string() + ": " + system_text(errno));
        struct stat status{};
        int code = ::fstat(file, &status) == 0 ? 0 : errno;
        if (code == 0 && !S_ISREG(status.st_mode)) code = EISDIR;
        if (code == 0 && status.st_size > 0) {
            size_ = static_cast<std::size_t>(status.st_size);
            void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
            if (data == MAP_FAILED) {
                code = errno;
            } else {
                data_ = static_cast<const char*>(data);
            }
        }
        ::close(file);
        if (code != 0) throw SnapshotError(path.string() + ": " + system_text(code));
    }
    ~Input() {
        if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;

    [[nodiscard]] const char* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }

   private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

/// The values of a file, one after the other.
class Values {
   public:
    explicit Values(const Input& file) : file_(&file) {}

    msgpack::object_handle next() {
        bool referenced = false;
        last_ = offset_;
        if (offset_ == file_->size()) fail("the snapshot was not finished");
        try {
            return msgpack::unpack(
                file_->data(), file_->size(), offset_, referenced,
                [](msgpack::type::object_type, std::size_t, void*) { return true; }, nullptr);
        } catch (const msgpack::insufficient_bytes&) {
            fail("the file ends in the middle of a piece");
        } catch (const msgpack::unpack_error&) {
            fail("damaged: this is no MessagePack");
        }
    }
    [[nodiscard]] bool at_end() const { return offset_ == file_->size(); }
    /// About the value that was read last.
    [[noreturn]] void fail(const std::string& what) const {
        throw SnapshotError(place(last_) + what);
    }

   private:
    const Input* file_;
    std::size_t offset_ = 0;
    std::size_t last_ = 0;
};

const msgpack::object* find(const msgpack::object& map, std::string_view key) {
    if (map.type != msgpack::type::MAP) return nullptr;
    for (const auto& entry : map.via.map) {
        if (entry.key.type == msgpack::type::STR &&
            std::string_view(entry.key.via.str.ptr, entry.key.via.str.size) == key) {
            return &entry.val;
        }
    }
    return nullptr;
}

std::string text_at(const msgpack::object& map, std::string_view key) {
    const msgpack::object* value = find(map, key);
    if (value == nullptr || value->type != msgpack::type::STR) return {};
    return {value->via.str.ptr, value->via.str.size};
}

std::uint64_t number_at(const msgpack::object& map, std::string_view key) {
    const msgpack::object* value = find(map, key);
    if (value == nullptr || value->type != msgpack::type::POSITIVE_INTEGER) return 0;
    return value->via.u64;
}

void check_header(Values& values) {
    const auto header = values.next();
    if (text_at(header.get(), "format") != kMagic) values.fail("this is no snapshot of a world");
    const std::uint64_t version = number_at(header.get(), "version");
    if (version != kVersion) {
        values.fail("a snapshot of format " + std::to_string(version) + "; this mqttwin reads " +
                    std::to_string(kVersion));
    }
    const std::string writer = text_at(header.get(), "mqttwin");
    if (writer != MQTTWIN_VERSION) {
        values.fail("written by mqttwin " + writer + "; this is " + MQTTWIN_VERSION);
    }
}

std::vector<std::uint8_t> read_pieces(Values& values) {
    std::vector<std::uint8_t> body;
    std::uint64_t check = kFirstCheck;
    for (std::uint64_t pieces = 0;; ++pieces) {
        const auto piece = values.next();
        if (piece->type == msgpack::type::MAP) {
            if (number_at(piece.get(), "pieces") != pieces ||
                number_at(piece.get(), "bytes") != body.size()) {
                values.fail("damaged: pieces are missing");
            }
            if (!values.at_end()) values.fail("something follows the end");
            return body;
        }
        if (piece->type != msgpack::type::ARRAY || piece->via.array.size != 2 ||
            piece->via.array.ptr[0].type != msgpack::type::BIN ||
            piece->via.array.ptr[1].type != msgpack::type::POSITIVE_INTEGER) {
            values.fail("damaged: neither a piece nor the end");
        }
        const msgpack::object& bytes = piece->via.array.ptr[0];
        const ByteView view{reinterpret_cast<const std::uint8_t*>(bytes.via.bin.ptr),
                            bytes.via.bin.size};
        check = check_of(view, check);
        if (piece->via.array.ptr[1].via.u64 != check) values.fail("damaged: the check is wrong");
        body.insert(body.end(), view.begin(), view.end());
    }
}

void write_body(VirtualWorld& world, std::string notes, Archive::Sink sink) {
    Archive a(std::move(sink));
    a.section("notes");
    a(notes);
    world.archive(a);
    a.flush();
}

}  // namespace

void save_snapshot(VirtualWorld& world, std::string notes, const std::filesystem::path& path) {
    Output file(path);
    msgpack::packer<Output> packer(file);
    packer.pack_map(3);
    packer.pack(std::string("format"));
    packer.pack(std::string(kMagic));
    packer.pack(std::string("version"));
    packer.pack(kVersion);
    packer.pack(std::string("mqttwin"));
    packer.pack(std::string(MQTTWIN_VERSION));
    std::uint64_t pieces = 0;
    std::uint64_t bytes = 0;
    std::uint64_t check = kFirstCheck;
    write_body(world, std::move(notes), [&](ByteView piece) {
        check = check_of(piece, check);
        packer.pack_array(2);
        packer.pack_bin(static_cast<std::uint32_t>(piece.size()));
        packer.pack_bin_body(reinterpret_cast<const char*>(piece.data()),
                             static_cast<std::uint32_t>(piece.size()));
        packer.pack_uint64(check);
        ++pieces;
        bytes += piece.size();
    });
    packer.pack_map(2);
    packer.pack(std::string("pieces"));
    packer.pack(pieces);
    packer.pack(std::string("bytes"));
    packer.pack(bytes);
    file.finish();
}

Snapshot::Snapshot(VirtualWorld& world, std::string notes) {
    write_body(world, std::move(notes),
               [&](ByteView piece) { body_.insert(body_.end(), piece.begin(), piece.end()); });
    read_front();
}

Snapshot::Snapshot(const std::filesystem::path& path) : origin_(path.string()) {
    const Input file(path);
    try {
        Values values(file);
        if (file.size() == 0) throw SnapshotError("the file is empty");
        check_header(values);
        body_ = read_pieces(values);
        read_front();
    } catch (const SnapshotError& error) {
        throw SnapshotError(origin_ + ": " + error.what());
    }
}

void Snapshot::read_front() {
    try {
        Archive a{ByteView(body_)};
        a.section("notes");
        a(notes_);
        options_ = VirtualWorld::options_of(a);
    } catch (const ArchiveError& error) {
        throw SnapshotError(error.what());
    }
}

void Snapshot::restore(VirtualWorld& fresh, const Scripts& scripts) const {
    try {
        Archive a{ByteView(body_)};
        std::string notes;
        a.section("notes");
        a(notes);
        (void)VirtualWorld::options_of(a);
        fresh.archive(a, scripts);
        a.end();
    } catch (const ArchiveError& error) {
        throw SnapshotError(origin_ + ": " + error.what());
    } catch (const std::invalid_argument& error) {
        throw SnapshotError(origin_ + ": " + error.what());
    }
}

}  // namespace mqttwin::world
