// The recorder's results: digest and tables.

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mqttwin/world/recorder.hpp"

namespace mqttwin::world {

using trace::Column;
using trace::Table;
using trace::Type;

std::string Recorder::digest() const {
    trace::Digest digest;
    for (const Fleet& fleet : fleets_) {
        for (std::uint32_t i = 0; i < fleet.count; ++i) {
            const Entity& entity = entities_[fleet.base + i];
            const std::string name = fleet.name + "/" + std::to_string(i);
            digest.combine(name, entity.down);
            digest.combine("broker:" + name, entity.up);
        }
    }
    for (const auto& [name, tag] : strangers_) {
        digest.combine(name, entities_[tag].down);
        digest.combine("broker:" + name, entities_[tag].up);
    }
    return digest.hex();
}

Table Recorder::messages() const {
    Column names("name", Type::utf8);  // of a million devices, where somebody asks for them
    if (messages_.size() > 0) {
        for (const Fleet& fleet : fleets_) {
            for (std::uint32_t i = 0; i < fleet.count; ++i) {
                names.append_text(fleet.name + "/" + std::to_string(i));
            }
        }
    }
    return messages_.table(std::make_shared<const trace::Array>(names.take()));
}

Table Recorder::series(Instant until) const {
    // The level holds until now; the instant itself would open another bucket.
    series_.set(0, until - nanoseconds(1), online_);
    return series_.table();
}

Table Recorder::received_table(std::uint32_t fleet_number) const {
    const Fleet& fleet = fleets_.at(fleet_number);
    const Kept& kept = fleet.kept;
    Column topic("topic", Type::dictionary);
    Column publisher("publisher", Type::dictionary);
    Column payload("payload", Type::binary);
    Column retain("retain", Type::boolean);
    Column duplicate("duplicate", Type::boolean);
    std::vector<std::uint8_t> qos;
    std::size_t begin = 0;
    for (std::size_t row = 0; row < kept.at.size(); ++row) {
        const std::string_view text = kept.text;
        topic.append_text(text.substr(begin, kept.topic_end[row] - begin));
        payload.append_bytes(as_bytes(
            text.substr(kept.topic_end[row], kept.payload_end[row] - kept.topic_end[row])));
        begin = kept.payload_end[row];
        if (kept.publisher[row] < entities_.size()) {
            publisher.append_text(entity_name(kept.publisher[row]));
        } else {
            publisher.append_null();
        }
        qos.push_back(kept.flags[row] & 3U);
        retain.append_bool((kept.flags[row] & 4U) != 0);
        duplicate.append_bool((kept.flags[row] & 8U) != 0);
    }
    std::vector<Column> columns;
    columns.push_back(Column::adopt("at", Type::duration_ns, kept.at));
    columns.push_back(Column::adopt("published", Type::duration_ns, kept.published));
    columns.push_back(Column::adopt("device", Type::uint32, kept.device));
    columns.push_back(std::move(publisher));
    columns.push_back(std::move(topic));
    columns.push_back(std::move(payload));
    columns.push_back(Column::adopt("qos", Type::uint8, std::move(qos)));
    columns.push_back(std::move(retain));
    columns.push_back(std::move(duplicate));
    return Table::of(std::move(columns), {{"not_kept", std::to_string(kept.not_kept)}});
}

Table Recorder::devices(std::uint32_t fleet_number, Instant now) const {
    const Fleet& fleet = fleets_.at(fleet_number);
    const auto column = [&fleet](const char* name, Type type, auto value) {
        std::vector<std::int64_t> values(fleet.count);
        for (std::uint32_t i = 0; i < fleet.count; ++i) values[i] = value(fleet.base + i);
        return Column::adopt(name, type, std::move(values));
    };
    // Latencies, of those that have any.
    const auto measured = [&fleet, this](const char* name, auto value) {
        Column out(name, Type::duration_ns);
        out.reserve(fleet.count);
        for (std::uint32_t tag = fleet.base; tag < fleet.base + fleet.count; ++tag) {
            if (entities_[tag].delivered > 0) {
                out.append_int(value(tag));
            } else {
                out.append_null();
            }
        }
        return out;
    };
    std::vector<std::uint32_t> device(fleet.count);
    for (std::uint32_t i = 0; i < fleet.count; ++i) device[i] = i;
    std::vector<Column> columns;
    columns.push_back(Column::adopt("device", Type::uint32, std::move(device)));
    const auto add = [&](const char* name, Type type, auto value) {
        columns.push_back(column(name, type, value));
    };
    add("published", Type::int64, [this](auto tag) { return totals_[tag].published(); });
    add("delivered", Type::int64, [this](auto tag) { return entities_[tag].delivered; });
    add("lost", Type::int64, [this](auto tag) { return totals_[tag].lost(); });
    add("received", Type::int64, [this](auto tag) { return entities_[tag].received; });
    add("connects", Type::int64, [this](auto tag) { return totals_[tag].connects(); });
    add("reconnects", Type::int64,
        [this](auto tag) { return std::max(totals_[tag].connects(), 1U) - 1; });
    add("offline", Type::duration_ns,
        [this, now](auto tag) { return totals_[tag].offline_until(now); });
    add("mqtt_bytes_up", Type::int64, [this](auto tag) { return totals_[tag].up(); });
    add("mqtt_bytes_down", Type::int64, [this](auto tag) { return totals_[tag].down(); });
    columns.push_back(measured("latency_mean", [this](auto tag) {
        return entities_[tag].latency_sum / entities_[tag].delivered;
    }));
    columns.push_back(
        measured("latency_max", [this](auto tag) { return entities_[tag].latency_max; }));
    if (fleet.latencies) {
        columns.push_back(quantile_column("latency_p50", fleet, 0.5));
        columns.push_back(quantile_column("latency_p90", fleet, 0.9));
        columns.push_back(quantile_column("latency_p99", fleet, 0.99));
    }
    return Table::of(std::move(columns));
}

Column Recorder::quantile_column(std::string name, const Fleet& fleet, double q) const {
    Column column(std::move(name), Type::duration_ns);
    column.reserve(fleet.count);
    for (std::uint32_t i = 0; i < fleet.count; ++i) {
        const std::int64_t value = fleet.latencies->quantile(i, q);
        if (value < 0) {
            column.append_null();
        } else {
            // The middle of the last bucket may lie beyond everything that is in it.
            column.append_int(std::min(value, entities_[fleet.base + i].latency_max));
        }
    }
    return column;
}

void Recorder::track_latency(std::uint32_t fleet_number) {
    Fleet& fleet = fleets_.at(fleet_number);
    if (!fleet.latencies) fleet.latencies = std::make_unique<trace::CoarseHistograms>(fleet.count);
    any_latencies_ = true;
}

Table Recorder::device_latency(std::uint32_t fleet_number, double q) const {
    const Fleet& fleet = fleets_.at(fleet_number);
    if (!fleet.latencies)
        throw std::invalid_argument("the latencies of its devices are not tracked");
    std::vector<Column> columns;
    columns.push_back(quantile_column("latency", fleet, q));
    return Table::of(std::move(columns));
}

std::size_t Recorder::latency_footprint() const {
    std::size_t bytes = 0;
    for (const Fleet& fleet : fleets_) bytes += fleet.latencies ? fleet.latencies->footprint() : 0;
    return bytes;
}

std::size_t Recorder::footprint() const {
    std::size_t bytes = entities_.capacity() * sizeof(Entity) +
                        totals_.capacity() * sizeof(DeviceTotals) + messages_.footprint();
    for (const Fleet& fleet : fleets_) {
        bytes += fleet.kept.text.capacity() + fleet.kept.at.capacity() * 33;
    }
    return bytes;
}

}  // namespace mqttwin::world
