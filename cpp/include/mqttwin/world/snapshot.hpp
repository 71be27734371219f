// A world in a file, or in memory, from which any number of worlds go on.
//
// A file is a sequence of MessagePack values:
//     a map      {"format": "mqttwin-snapshot", "version": 8, "mqttwin": "0.1.0"}
//     arrays     [bytes, check]: a piece of an archive (see base/archive.hpp), and a hash of it
//                chained to the one before
//     a map      {"pieces": n, "bytes": n}: what is not there was not finished.
// It is as trustworthy as whoever made it: damage is found, malice is not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/world/virtual_world.hpp"

namespace mqttwin::world {

/// A snapshot cannot be written or read. what() says which file, where in it, and why.
class SnapshotError : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

/// Whole, or not at all: an older file of that name is replaced when everything is written. `notes`
/// are the caller's. Throws SnapshotError, and what VirtualWorld::archive throws.
void save_snapshot(VirtualWorld& world, std::string notes, const std::filesystem::path& path);

class Snapshot {
   public:
    /// Of a world as it is now, in memory.
    Snapshot(VirtualWorld& world, std::string notes);
    /// Reads all of a file, and checks it. Throws SnapshotError.
    explicit Snapshot(const std::filesystem::path& path);

    [[nodiscard]] const std::string& notes() const { return notes_; }
    /// What a world has to be made with before `restore`.
    [[nodiscard]] const WorldOptions& options() const { return options_; }
    /// Puts a fresh world where the other one was; as often as wanted. Throws SnapshotError.
    void restore(VirtualWorld& fresh, const Scripts& scripts = {}) const;
    [[nodiscard]] std::size_t size() const { return body_.size(); }

   private:
    void read_front();

    std::string origin_ = "snapshot";  // the file, for messages
    std::vector<std::uint8_t> body_;
    std::string notes_;
    WorldOptions options_;
};

}  // namespace mqttwin::world
