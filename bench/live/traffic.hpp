// Messages from publishers to subscribers, each one accounted for. A flow is what one publisher
// sends; its messages carry a number, so a subscriber notices what is missing, repeated or damaged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "connections.hpp"
#include "mqtt_bytes.hpp"
#include "options.hpp"

namespace mqttwin::live {

/// Deliveries; `lost` were skipped by a later one, `repeated` came again or out of order.
struct Account {
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t repeated = 0;
    std::uint64_t corrupt = 0;
};

inline std::string topic_of(std::uint32_t flow) { return "live/" + std::to_string(flow); }

class Traffic {
   public:
    /// Connections 0 to S-1 are the subscribers, S to S+P-1 the publishers, of which each has a
    /// flow; all have their CONNACK and SUBACK.
    Traffic(const Options& options, Connections& connections)
        : connections_(connections),
          subscribers_(options.subscribers),
          receivers_(options.workload == "fan-out" ? options.subscribers : 1),
          paired_(options.workload == "pairs"),
          outstanding_(options.rate > 0 ? 0 : options.outstanding),
          qos_(options.qos),
          payload_(options.payload),
          expected_(std::max(options.publishers, receivers_)) {
        for (std::uint32_t i = 0; i < options.publishers; ++i) add_flow(i);
    }

    /// Closed loop: every publisher sends as many as may be outstanding, and one for each that has
    /// arrived everywhere and is acknowledged.
    void start() {
        sending_ = true;
        if (outstanding_ == 0) return;
        for (Flow& flow : flows_) refill(flow);
        connections_.flush();
    }
    void stop() { sending_ = false; }

    /// Open loop: message `number` of all, which is due at `due_ns`.
    void send_due(std::uint64_t number, std::int64_t due_ns) {
        Flow& flow = flows_[number % flows_.size()];
        if (flow.sent - flow.acked >= most_unacknowledged) {
            throw std::runtime_error("the broker does not keep up with acknowledging");
        }
        send(flow, due_ns);
    }

    void handle(Connection& from, const Packet& packet) {
        switch (packet.type()) {
            case Type::publish:
                return take_delivery(from, packet);
            case Type::puback:
            case Type::pubcomp:
                return take_acknowledgement(from, packet);
            case Type::pubrec:
                return answer(from, packet, Type::pubrel);
            case Type::pubrel:
                return answer(from, packet, Type::pubcomp);
            default:
                throw std::runtime_error("the broker sent a packet that nobody asked for");
        }
    }

    /// Latencies of messages due from now on are kept (open loop).
    void sample_from(std::int64_t due_ns) { sample_from_ = due_ns; }
    void sample_until(std::int64_t due_ns) { sample_until_ = due_ns; }
    [[nodiscard]] std::vector<std::int64_t>& latencies_ns() { return latencies_; }

    [[nodiscard]] const Account& account() const { return account_; }

    /// Deliveries and acknowledgements that are still to come.
    [[nodiscard]] std::uint64_t pending() const {
        std::uint64_t deliveries = 0;
        std::uint64_t acknowledgements = 0;
        for (const Flow& flow : flows_) {
            deliveries += flow.sent * receivers_;
            acknowledgements += flow.sent - flow.acked;
        }
        return deliveries - account_.delivered - account_.lost + acknowledgements;
    }

   private:
    static constexpr std::uint64_t most_unacknowledged = 60'000;  // identifiers are 65,535

    struct Flow {
        Connection* publisher = nullptr;
        Bytes frame;                 // the PUBLISH, of which identifier and head change
        std::size_t body_at = 0;     // behind the fixed header
        std::size_t payload_at = 0;  // and the identifier is before it
        std::uint64_t sent = 0;
        std::uint64_t complete = 0;  // arrived at all receivers
        std::uint64_t acked = 0;
        std::vector<std::uint32_t> missing;  // receivers, by number modulo size; if several
    };

    // What a payload begins with; a pattern follows.
    struct Head {
        std::uint64_t number;
        std::int64_t due_ns;
        std::uint32_t flow;
    };
    static constexpr std::size_t head_size = 20;  // sizeof has padding
    static_assert(head_size <= smallest_payload);

    void add_flow(std::uint32_t index) {
        Flow& flow = flows_.emplace_back();
        flow.publisher = &connections_[subscribers_ + index];
        const std::string topic = topic_of(index);
        flow.frame = publish_packet(topic, qos_, payload_);
        flow.payload_at = flow.frame.size() - payload_;
        flow.body_at = flow.payload_at - (qos_ > 0 ? 2 : 0) - topic.size() - 2;
        for (std::size_t i = head_size; i < payload_; ++i) {
            flow.frame[flow.payload_at + i] = static_cast<std::uint8_t>(index + 7 * i);
        }
        if (receivers_ > 1) flow.missing.resize(outstanding_);
    }

    static void write_head(std::uint8_t* at, const Head& head) {
        std::memcpy(at, &head.number, 8);
        std::memcpy(at + 8, &head.due_ns, 8);
        std::memcpy(at + 16, &head.flow, 4);
    }
    static Head read_head(const std::uint8_t* at) {
        Head head{};
        std::memcpy(&head.number, at, 8);
        std::memcpy(&head.due_ns, at + 8, 8);
        std::memcpy(&head.flow, at + 16, 4);
        return head;
    }

    void send(Flow& flow, std::int64_t due_ns) {
        const std::uint64_t number = flow.sent++;
        std::uint8_t* payload = flow.frame.data() + flow.payload_at;
        if (qos_ > 0) {
            const std::uint64_t id = 1 + number % 65'535;
            payload[-2] = static_cast<std::uint8_t>(id >> 8);
            payload[-1] = static_cast<std::uint8_t>(id);
        } else {
            ++flow.acked;
        }
        write_head(payload, {number, due_ns, static_cast<std::uint32_t>(&flow - flows_.data())});
        if (receivers_ > 1) flow.missing[number % flow.missing.size()] = receivers_;
        Bytes& out = flow.publisher->out;
        out.insert(out.end(), flow.frame.begin(), flow.frame.end());
        connections_.flush_later(*flow.publisher);
    }

    void refill(Flow& flow) {
        if (!sending_) return;
        while (flow.sent - std::min(flow.complete, flow.acked) < outstanding_) send(flow, 0);
    }

    void answer(Connection& to, const Packet& packet, Type type) {
        if (packet.body.size() != 2) throw std::runtime_error("the broker sent a long answer");
        append_answer(to.out, type, packet.body.data());
        connections_.flush_later(to);
    }

    void take_acknowledgement(Connection& from, const Packet& packet) {
        const std::size_t index = from.number - std::size_t{subscribers_};
        if (from.number < subscribers_ || packet.body.size() != 2 ||
            flows_[index].acked == flows_[index].sent) {
            ++account_.corrupt;
            return;
        }
        ++flows_[index].acked;
        refill(flows_[index]);
    }

    void take_delivery(Connection& subscriber, const Packet& packet) {
        if (subscriber.number >= subscribers_ || packet.body.size() < payload_ + 2) {
            ++account_.corrupt;
            return;
        }
        if (qos_ > 0) {
            const std::uint8_t* id = packet.body.data() + packet.body.size() - payload_ - 2;
            append_answer(subscriber.out, qos_ == 1 ? Type::puback : Type::pubrec, id);
            connections_.flush_later(subscriber);
        }
        const Head head = read_head(packet.body.data() + packet.body.size() - payload_);
        if (!is_sound(subscriber, packet, head)) {
            ++account_.corrupt;
            return;
        }
        std::uint64_t& expected = expected_[receivers_ > 1 ? subscriber.number : head.flow];
        if (head.number < expected) {
            ++account_.repeated;
            return;
        }
        account_.lost += head.number - expected;
        ++account_.delivered;
        if (head.due_ns >= sample_from_ && head.due_ns < sample_until_) {
            latencies_.push_back(connections_.read_at() - head.due_ns);
        }
        Flow& flow = flows_[head.flow];
        for (; expected <= head.number; ++expected) complete(flow, expected);
        if (outstanding_ > 0) refill(flow);
    }

    void complete(Flow& flow, std::uint64_t number) {
        if (receivers_ == 1 || --flow.missing[number % flow.missing.size()] == 0) ++flow.complete;
    }

    /// First byte, topic, and payload are those of a message that was sent to this subscriber.
    bool is_sound(const Connection& subscriber, const Packet& packet, const Head& head) const {
        if (head.flow >= flows_.size()) return false;
        const Flow& flow = flows_[head.flow];
        const std::size_t tail = payload_ - head_size;
        const std::size_t topic = flow.payload_at - (qos_ > 0 ? 2 : 0) - flow.body_at;
        return packet.first == flow.frame[0] && head.number < flow.sent &&
               (!paired_ || head.flow == subscriber.number) &&
               packet.body.size() == flow.frame.size() - flow.body_at &&
               std::memcmp(packet.body.data(), flow.frame.data() + flow.body_at, topic) == 0 &&
               std::memcmp(packet.body.data() + packet.body.size() - tail,
                           flow.frame.data() + flow.frame.size() - tail, tail) == 0;
    }

    Connections& connections_;
    std::uint32_t subscribers_;
    std::uint32_t receivers_;  // of each message
    bool paired_;              // subscriber i wants flow i
    std::uint32_t outstanding_;
    int qos_;
    std::size_t payload_;
    std::vector<std::uint64_t> expected_;  // next number, by receiver in fan-out, else by flow
    std::vector<Flow> flows_;
    bool sending_ = false;
    Account account_;
    std::int64_t sample_from_ = INT64_MAX;
    std::int64_t sample_until_ = INT64_MAX;
    std::vector<std::int64_t> latencies_;
};

}  // namespace mqttwin::live
