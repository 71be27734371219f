#include "mqttwin/fleet/population.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "mqttwin/base/hash.hpp"
#include "mqttwin/fleet/text_template.hpp"
#include "mqttwin/wire/topic.hpp"

#include "refuse.hpp"

namespace mqttwin::fleet {

namespace {

bool is_name(std::string_view text) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

void check_text_columns(const PopulationSpec& spec) {
    for (std::size_t i = 0; i < spec.texts.size(); ++i) {
        const TextColumn& column = spec.texts[i];
        const std::string_view name = column.name();
        const std::string parameter = join({"text column \"", name, "\""});
        if (!is_name(name)) refuse(parameter, {"must be named by letters, digits and _"});
        for (const std::string_view taken : {"id", "index", "group", "fleet"}) {
            if (name == taken) refuse(parameter, {"this field has a meaning already"});
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (spec.texts[j].name() == name) refuse(parameter, {"there are two of this name"});
        }
        if (column.size() != spec.count) {
            refuse(parameter, {number_text(column.size()), " texts for ", number_text(spec.count),
                               " devices (must be one each)"});
        }
    }
}

// Two clients of one identifier would take each other's session over for ever [MQTT-3.1.4-3].
void check_identifiers(const PopulationSpec& spec, const TextTemplate& id) {
    for (const Device device : id.representatives()) {
        if (!wire::valid_utf8(id.text(device))) refuse("id", {"must be UTF-8 without U+0000"});
    }
    if (spec.count == 1 || id.distinct_by_index()) return;
    std::vector<std::uint64_t> hashes(spec.count);
    std::string text;
    for (Device device = 0; device < spec.count; ++device) {
        text.clear();
        id.render(device, text);
        hashes[device] = hash_text(text);
    }
    std::sort(hashes.begin(), hashes.end());
    if (std::adjacent_find(hashes.begin(), hashes.end()) != hashes.end()) {
        refuse(join({"id \"", spec.id, "\""}),
               {"gives two devices the same client identifier (use {index})"});
    }
}

}  // namespace

TextColumn::TextColumn(std::string name, const std::vector<std::string>& one_a_device)
    : name_(std::move(name)) {
    std::unordered_map<std::string_view, std::uint32_t> known;
    index_.reserve(one_a_device.size());
    for (const std::string& text : one_a_device) {
        const auto [entry, is_new] =
            known.emplace(text, static_cast<std::uint32_t>(dictionary_.size()));
        if (is_new) {
            representatives_.push_back(static_cast<Device>(index_.size()));
            dictionary_.push_back(text);
            longest_ = std::max(longest_, text.size());
        }
        index_.push_back(entry->second);
    }
}

Population::Population(PopulationSpec spec) {
    if (spec.name.empty()) refuse("fleet name", {"must not be empty"});
    if (spec.count < 1 || spec.count > kMaximumDevices) {
        refuse(join({"fleet \"", spec.name, "\", count"}),
               {number_text(spec.count),
                " is not allowed (must be >= 1 and <= ", number_text(kMaximumDevices), ")"});
    }
    if (spec.groups == 0 && spec.group_size == 0) {
        refuse("group_size", {"0 is not allowed (must be >= 1)"});
    }
    // Half of what 64 bits of nanoseconds hold is left for the world's own time.
    constexpr std::int64_t kFarthest = 4'600'000'000'000'000'000;
    if (spec.epoch_ns < -kFarthest || spec.epoch_ns > kFarthest) {
        refuse("epoch", {number_text(spec.epoch_ns),
                         " ns is not allowed (must be within 145 years of 1970)"});
    }
    check_text_columns(spec);
    spec_ = std::make_shared<const PopulationSpec>(std::move(spec));
    check_identifiers(*spec_, TextTemplate("{id}", *this, "id"));
}

}  // namespace mqttwin::fleet
