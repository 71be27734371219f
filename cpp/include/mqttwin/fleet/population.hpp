// Who a fleet is: what every description of behaviour is bound to.
//
// In this room a `...Spec` (and `Column`) is what a user says, free of any fleet; the class of the
// same name without `Spec` is that description bound to a population: checked, keyed, and with
// whatever state it needs in columns. Wrong descriptions throw std::invalid_argument with one line
// that names the parameter, what it was and what is allowed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/random.hpp"
#include "mqttwin/base/time.hpp"

namespace mqttwin::fleet {

/// The index of a device within its fleet.
using Device = std::uint32_t;

inline constexpr std::uint32_t kMaximumDevices = 1U << 24;
/// What an MQTT string can carry; no template may render more.
inline constexpr std::size_t kMaximumText = 65'535;

/// One text a device, for templates: a shared dictionary and an index into it.
class TextColumn {
   public:
    TextColumn(std::string name, const std::vector<std::string>& one_a_device);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::string_view at(Device device) const { return dictionary_[index_[device]]; }
    [[nodiscard]] std::size_t size() const { return index_.size(); }
    [[nodiscard]] std::size_t longest() const { return longest_; }
    /// For each distinct text the first device that has it: enough to check them all.
    [[nodiscard]] const std::vector<Device>& representatives() const { return representatives_; }
    TextColumn() = default;  // to be read from an archive
    void archive(Archive& a) { a(name_, dictionary_, index_, representatives_, longest_); }

   private:
    std::string name_;
    std::vector<std::string> dictionary_;
    std::vector<std::uint32_t> index_;
    std::vector<Device> representatives_;
    std::size_t longest_ = 0;
};

struct PopulationSpec {
    std::uint64_t seed = 0;
    std::string name;
    std::uint32_t count = 1;
    /// Template of the client identifier; may use every field but {id}. Must differ by device.
    std::string id = "{fleet}-{index}";
    /// {group} is index / group_size, or index % groups where groups is not 0. Both leave a
    /// device's group alone when devices are added at the end.
    std::uint32_t group_size = 100;
    std::uint32_t groups = 0;
    /// Unix time of the world's instant 0, for timestamps and the hour of the day.
    std::int64_t epoch_ns = 1'735'689'600'000'000'000;  // 2025-01-01T00:00:00Z
    std::vector<TextColumn> texts;

    void archive(Archive& a) { a(seed, name, count, id, group_size, groups, epoch_ns, texts); }
};

/// A fleet of `count` devices; immutable, and cheap to copy (copies share).
class Population {
   public:
    explicit Population(PopulationSpec spec);

    [[nodiscard]] std::uint64_t seed() const { return spec_->seed; }
    [[nodiscard]] const std::string& name() const { return spec_->name; }
    [[nodiscard]] std::uint32_t count() const { return spec_->count; }
    [[nodiscard]] const std::string& id() const { return spec_->id; }
    [[nodiscard]] std::uint32_t group_size() const { return spec_->group_size; }
    [[nodiscard]] std::uint32_t groups() const { return spec_->groups; }
    [[nodiscard]] std::int64_t epoch_ns() const { return spec_->epoch_ns; }
    [[nodiscard]] const std::vector<TextColumn>& texts() const { return spec_->texts; }
    [[nodiscard]] std::uint32_t group(Device device) const {
        return groups() != 0 ? device % groups() : device / group_size();
    }

    /// The streams of one purpose; the devices of the fleet are the entities in it.
    [[nodiscard]] StreamKey key(std::string_view purpose) const {
        return StreamKey::of(seed(), name(), purpose);
    }
    /// Keeps text columns alive in what is bound to this population.
    [[nodiscard]] std::shared_ptr<const PopulationSpec> share() const { return spec_; }

   private:
    std::shared_ptr<const PopulationSpec> spec_;
};

}  // namespace mqttwin::fleet
