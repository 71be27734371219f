// The recorder's results: digest and tables.

#include <memory>
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
    Column names("name", Type::utf8);
    for (const Fleet& fleet : fleets_) {
        for (std::uint32_t i = 0; i < fleet.count; ++i) {
            names.append_text(fleet.name + "/" + std::to_string(i));
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

Table Recorder::devices(std::uint32_t fleet_number) const {
    const Fleet& fleet = fleets_.at(fleet_number);
    std::vector<std::uint32_t> device;
    std::vector<std::int64_t> published;
    std::vector<std::int64_t> delivered;
    std::vector<std::int64_t> received;
    std::vector<std::int64_t> connects;
    Column mean("latency_mean", Type::duration_ns);
    for (std::uint32_t i = 0; i < fleet.count; ++i) {
        const Entity& entity = entities_[fleet.base + i];
        device.push_back(i);
        published.push_back(entity.published);
        delivered.push_back(entity.delivered);
        received.push_back(entity.received);
        connects.push_back(entity.connects);
        if (entity.delivered > 0) {
            mean.append_int(entity.latency_sum / entity.delivered);
        } else {
            mean.append_null();
        }
    }
    std::vector<Column> columns;
    columns.push_back(Column::adopt("device", Type::uint32, std::move(device)));
    columns.push_back(Column::adopt("published", Type::int64, std::move(published)));
    columns.push_back(Column::adopt("delivered", Type::int64, std::move(delivered)));
    columns.push_back(Column::adopt("received", Type::int64, std::move(received)));
    columns.push_back(Column::adopt("connects", Type::int64, std::move(connects)));
    columns.push_back(std::move(mean));
    return Table::of(std::move(columns));
}

std::size_t Recorder::footprint() const {
    std::size_t bytes = entities_.capacity() * sizeof(Entity) + messages_.footprint();
    for (const Fleet& fleet : fleets_) {
        bytes += fleet.kept.text.capacity() + fleet.kept.at.capacity() * 33;
    }
    return bytes;
}

}  // namespace mqttwin::world
