// What a run leaves behind: counts, latencies, rates, messages, and its digest.
//
// The recorder hears from the world, the clients and the brokers; none of them asks it anything,
// and nothing that it does changes a run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/prefetch.hpp"
#include "mqttwin/broker/broker.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/net/network.hpp"
#include "mqttwin/trace/coarse_histograms.hpp"
#include "mqttwin/trace/columns.hpp"
#include "mqttwin/trace/counts.hpp"
#include "mqttwin/trace/digest.hpp"
#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/trace/histogram.hpp"
#include "mqttwin/trace/messages.hpp"
#include "mqttwin/trace/series.hpp"
#include "mqttwin/world/device_totals.hpp"
#include "mqttwin/world/watch.hpp"

namespace mqttwin::world {

struct RecorderOptions {
    std::size_t max_messages = 1'000'000;  // rows of the message table
    Duration series_width = seconds(1);
    std::size_t series_buckets = 2880;
    Duration late_after = seconds(60);  // a first delivery later than this is "late"
};

class Recorder final : public broker::Observer {
   public:
    /// How an end of a connection came to its end; part of the digest.
    enum class EndedBy : std::uint8_t { itself, peer, reset, time_out, fault };

    explicit Recorder(const RecorderOptions& options);

    void add_fleet(std::string_view name, std::uint32_t base, std::uint32_t count,
                   std::uint32_t keep);
    /// An end of connections that is no device: its packets count for the digest.
    void add_stranger(std::string_view name, std::uint32_t tag);

    // From the world: the network.
    void opened(Instant now, std::uint32_t tag, net::End end);
    void sent(Instant now, std::uint32_t tag, net::End sender, ByteView head, ByteView body) {
        using trace::Counter;
        const std::size_t size = head.size() + body.size();
        if (sender == net::End::client) {
            counters_.add(Counter::mqtt_bytes_up, size);
            counters_.add(Counter::mqtt_packets_up);
            if (tag < totals_.size()) totals_[tag].add_up(size);
        } else {
            counters_.add(Counter::mqtt_bytes_down, size);
            counters_.add(Counter::mqtt_packets_down);
            if (tag < totals_.size()) totals_[tag].add_down(size);
        }
        // A PUBLISH with DUP, which is set on what is sent again [MQTT-3.3.1-1].
        if (!head.empty() && (head[0] & 0xF8) == 0x38) counters_.add(Counter::retransmissions);
        if (watch_ || log_) [[unlikely]] {
            tell_sent(now, tag, sender, head, body);
        }
    }
    void delivered(Instant now, std::uint32_t tag, net::End receiver, ByteView bytes) {
        if (watch_ || log_) [[unlikely]] {
            tell_delivered(now, tag, receiver, bytes);
        }
        if (tag >= entities_.size()) return;
        Entity& entity = entities_[tag];
        const bool rises = receiver == net::End::server;
        (rises ? entity.up : entity.down)
            .update(now, rises ? trace::Direction::up : trace::Direction::down, bytes);
    }
    void ended(Instant now, std::uint32_t tag, net::End end, EndedBy by);
    /// Sent by a broker, and will never reach its client.
    void undeliverable(Instant now, ByteView bytes, const Stamp& stamp);
    /// Sent by a device, and will never reach its broker.
    void lost_upward(Instant now, ByteView bytes, const Stamp& stamp);

    /// To and from somebody else's broker, which tells nobody what it does.
    void sent_elsewhere(ByteView head);
    void heard_from_elsewhere(Instant now, std::uint32_t tag, ByteView bytes);

    // From the world: the clients.
    void switched_on(Instant now, std::uint32_t tag) { totals_[tag].switched_on(now); }
    void published(Instant now, std::uint32_t tag, const wire::Publish& message);
    void publish_outcome(Instant now, std::uint32_t tag, wire::QoS qos,
                         client::PublishOutcome outcome);
    void online(Instant now, std::uint32_t tag, bool session_present);
    void offline(Instant now, std::uint32_t tag, bool was_online, client::DisconnectCause cause,
                 std::uint8_t reason);
    void received(Instant now, std::uint32_t tag, const wire::Publish& message, const Stamp& stamp);
    void acknowledged(Instant now, std::uint32_t tag, const Stamp& stamp, wire::QoS qos,
                      std::uint8_t reason);
    void dropped_by_device(Instant now, std::uint32_t tag, const Stamp& stamp, wire::QoS qos,
                           client::PublishOutcome outcome);

    // broker::Observer
    void on_connect(Instant now, Slot connection, std::uint32_t tag, std::string_view client_id,
                    bool session_present) override;
    void on_close(Instant now, Slot connection, std::uint32_t tag, broker::CloseCause cause,
                  std::uint8_t reason) override;
    void on_publish(Instant now, std::uint32_t publisher, const Stamp& stamp,
                    const wire::Publish& message, std::uint32_t matched) override;
    void on_expected(Instant now, std::uint32_t subscriber, const Stamp& stamp,
                     wire::QoS qos) override;
    void on_drop(Instant now, std::uint32_t subscriber, const Stamp& stamp, wire::QoS qos,
                 broker::DropReason reason) override;
    void on_rerouted(Instant now, std::uint32_t from, std::uint32_t to, const Stamp& stamp,
                     wire::QoS qos) override;
    void on_fault(Instant now, Slot connection, std::uint32_t tag, const Fault& fault) override;

    // Results.
    [[nodiscard]] const trace::Counters& counters() const { return counters_; }
    [[nodiscard]] const trace::Histogram& latency() const { return latency_; }
    [[nodiscard]] const trace::Histogram& ingest() const { return ingest_; }
    [[nodiscard]] const trace::Histogram& ack() const { return ack_; }
    [[nodiscard]] std::string digest() const;
    [[nodiscard]] trace::Table messages() const;
    [[nodiscard]] trace::Table series(Instant until) const;
    [[nodiscard]] trace::Table received_table(std::uint32_t fleet) const;
    /// One row a device, with what was until `now`.
    [[nodiscard]] trace::Table devices(std::uint32_t fleet, Instant now) const;
    /// From now on each device of the fleet has a coarse histogram of its messages' latencies.
    void track_latency(std::uint32_t fleet);
    /// A column: that quantile of each device's latencies. Throws std::invalid_argument: they are
    /// not tracked.
    [[nodiscard]] trace::Table device_latency(std::uint32_t fleet, double q) const;
    [[nodiscard]] std::size_t footprint() const;
    /// What track_latency takes.
    [[nodiscard]] std::size_t latency_footprint() const;
    /// "meter/17"
    [[nodiscard]] std::string entity_name(std::uint32_t tag) const;

    /// Loads what is kept for a device: what has arrived, and what it has done and been sent.
    void prefetch_entity(std::uint32_t tag) const {
        if (tag < entities_.size()) mqttwin::prefetch(&entities_[tag]);
    }
    void prefetch_totals(std::uint32_t tag) const {
        if (tag < totals_.size()) mqttwin::prefetch(&totals_[tag]);
    }

    // For the census.
    [[nodiscard]] bool is_device(std::uint32_t tag) const { return fleet_of(tag) != nullptr; }
    [[nodiscard]] bool still_owed(std::uint32_t subscriber, const Stamp& stamp) const;
    /// Bytes that are a PUBLISH of QoS 0 which somebody is owed.
    static bool counts_as_qos0(ByteView bytes, const Stamp& stamp);

    /// Logs every event from now on.
    void start_log(std::unique_ptr<trace::EventLog> log);
    /// Ends the log; what went wrong with it, or nothing.
    std::string stop_log();
    /// What has gone wrong with it so far.
    [[nodiscard]] std::string log_problem() const { return log_ ? log_->error() : std::string(); }
    [[nodiscard]] bool logging() const { return log_ != nullptr; }
    /// A device as records name it. Throws std::out_of_range: there is no such fleet.
    [[nodiscard]] std::uint32_t tag_of(std::uint32_t fleet, std::uint32_t device) const {
        return fleets_.at(fleet).base + device;
    }

    /// For those who look while it runs; from the first call on it hears everything.
    Watch& watch();
    /// Nothing, while nobody does.
    [[nodiscard]] Watch* watching() { return watch_.get(); }
    /// What was recorded. Reading: of the same fleets. Not the log, and not who watches.
    void archive(Archive& a);

   private:
    /// What has arrived from a device and at it, and what became of its messages: one cache line.
    /// What it does itself is in its DeviceTotals: so either is loaded where the other is not.
    struct alignas(64) Entity {
        trace::Rolling up;          // as delivered at the broker's end
        trace::Rolling down;        // as delivered at the device's end
        std::uint32_t highest = 0;  // Stamp::sequence received so far, in this session
        std::uint32_t received = 0;
        std::uint32_t routed = 0;     // highest own QoS > 0 publish that a broker routed
        std::uint32_t delivered = 0;  // first deliveries of own messages
        std::int64_t latency_sum = 0;
        std::int64_t latency_max = 0;
    };
    static_assert(sizeof(Entity) == 64);

    struct Kept {
        std::vector<std::int64_t> at;
        std::vector<std::int64_t> published;
        std::vector<std::uint32_t> device;
        std::vector<std::uint32_t> publisher;
        std::vector<std::uint32_t> topic_end;  // offsets into `text`, payload behind topic
        std::vector<std::uint32_t> payload_end;
        std::vector<std::uint8_t> flags;  // QoS, retain, duplicate
        std::string text;
        std::uint64_t not_kept = 0;
        void archive(Archive& a) {
            a(at, published, device, publisher, topic_end, payload_end, flags, text, not_kept);
        }
    };
    struct Fleet {
        std::string name;
        std::uint32_t base = 0;
        std::uint32_t count = 0;
        std::uint32_t keep = 0;
        Kept kept;
        std::unique_ptr<trace::CoarseHistograms> latencies;  // where they are tracked
    };
    /// What had been sent and is owed no more: it may still arrive.
    struct GivenUp {
        Instant at;
        broker::DropReason reason{};  // for which it was dropped ...
        bool rerouted = false;        // ... unless another member of the group has been given it
    };
    enum SeriesCounter : std::size_t { kPublished, kDelivered, kConnects, kDisconnects, kDropped };

    [[nodiscard]] const Fleet* fleet_of(std::uint32_t tag) const;
    void keep(Fleet& fleet, Instant now, std::uint32_t tag, const wire::Publish& message,
              const Stamp& stamp, bool duplicate);
    // Whoever watches, and the log.
    void tell_sent(Instant now, std::uint32_t tag, net::End sender, ByteView head, ByteView body);
    void tell_delivered(Instant now, std::uint32_t tag, net::End receiver, ByteView bytes);
    void log_packet(trace::Kind kind, Instant now, std::uint32_t tag, net::End sender,
                    ByteView bytes, std::size_t size);
    void drop(Instant now, unsigned reason, const Stamp& stamp);
    void lose(std::uint32_t tag) {
        if (tag < totals_.size()) totals_[tag].lose();
    }
    void forget_given_up(std::uint32_t tag);
    bool comes_after_all(std::uint32_t subscriber, const Stamp& stamp);
    void measure(const Stamp& stamp, Duration took);
    [[nodiscard]] trace::Column quantile_column(std::string name, const Fleet& fleet,
                                                double q) const;
    void count_published(wire::QoS qos);

    RecorderOptions options_;
    trace::Counters counters_;
    trace::Histogram latency_;
    trace::Histogram ingest_;
    trace::Histogram ack_;
    mutable trace::TimeSeries series_;
    trace::MessageLog messages_;
    std::vector<Entity> entities_;
    std::vector<DeviceTotals> totals_;  // beside the entities
    /// By subscriber and Stamp::sequence, until its connection or session is another.
    std::map<std::pair<std::uint32_t, std::uint32_t>, GivenUp> given_up_;
    std::vector<Fleet> fleets_;                                     // by ascending base
    std::vector<std::pair<std::string, std::uint32_t>> strangers_;  // with their tags
    bool any_keep_ = false;
    bool any_latencies_ = false;
    std::int64_t online_ = 0;
    std::unique_ptr<trace::EventLog> log_;
    std::unique_ptr<Watch> watch_;
};

}  // namespace mqttwin::world
