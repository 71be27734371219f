// A bench for client engines: what they send as readable lines, what a server says as bytes.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/base/blob_pool.hpp"
#include "mqttwin/client/client.hpp"
#include "mqttwin/wire/packets.hpp"

namespace mqttwin::client {

using Bytes = std::vector<std::uint8_t>;
using Lines = std::vector<std::string>;

/// One packet from a client as text, such as "PUBLISH q1 id=7 dup a/b=21.5" or "PUBREL 7".
std::string describe(wire::Version version, ByteView packet);

/// Everything a listener hears, as lines: "connected fresh", "message q1 a/b=21.5", ...
class Recorder : public Listener {
   public:
    void on_connected(Instant now, Slot client, bool session_present) override;
    void on_disconnected(Instant now, Slot client, DisconnectCause cause,
                         std::uint8_t reason) override;
    void on_message(Instant now, Slot client, const wire::Publish& packet,
                    const Stamp& stamp) override;
    void on_acknowledged(Instant now, Slot client, const Stamp& stamp, wire::QoS qos,
                         const wire::Ack& packet) override;
    void on_dropped(Instant now, Slot client, const Stamp& stamp, wire::QoS qos,
                    PublishOutcome outcome) override;
    void on_subscribed(Instant now, Slot client, const wire::ListAck& packet) override;
    void on_unsubscribed(Instant now, Slot client, const wire::ListAck& packet) override;
    void on_connack(Instant now, Slot client, const wire::Connack& packet) override;
    void on_disconnect_received(Instant now, Slot client, const wire::Disconnect& packet) override;
    void on_authenticate(Instant now, Slot client, const wire::Auth& packet) override;
    void on_fault(Instant now, Slot client, const Fault& fault) override;

    Lines take(Slot client);

    // What an application does when it is told something.
    std::function<void(Instant, Slot)> when_connected;
    std::function<void(Instant, Slot, const wire::Publish&)> when_message;
    std::function<void(Instant, Slot)> when_subscribed;
    std::function<void(Instant, Slot, const Stamp&)> when_acknowledged;
    std::function<void(Instant, Slot, const wire::Connack&)> when_connack;
    std::function<void(Instant, Slot, const wire::Auth&)> when_authenticate;
    /// What came with answers, as lines: "PUBACK 1 reason=…", "DISCONNECT server=…".
    Lines details;
    std::vector<Stamp> message_stamps;
    std::vector<Fault> faults;

   private:
    void add(Slot client, std::string line);
    void add_details(const std::string& packet, const wire::Properties& properties);
    std::vector<Lines> lines_;
};

class TestProfile : public Profile {
   public:
    void client_id(Slot client, std::string& out) const override;
    [[nodiscard]] std::uint32_t subscription_count(Slot client) const override;
    wire::SubscriptionOptions subscription(Slot client, std::uint32_t n,
                                           std::string& filter) const override;
    void complete(Slot client, wire::Connect& packet,
                  std::vector<std::string>& scratch) const override;

    bool anonymous = false;
    std::vector<std::pair<std::string, wire::QoS>> subscriptions;
    std::string user_name;
    std::string will_topic;
    std::string method;  // and data, of an enhanced authentication
    std::string data;
    wire::Properties connect_properties;
    wire::Properties will_properties;
};

/// What a client engine put into its outbox for one slot.
struct Sent {
    Output::Kind kind = Output::Kind::send;
    bool is_publish = false;
    Bytes bytes;
    Stamp stamp;
};

/// Clients, their surroundings, and both hands of the world.
class Bench {
   public:
    explicit Bench(const Options& options = {}, Slot count = 1, std::uint64_t seed = 1);

    // The world: performs the outbox into `sent`.
    void drain();
    /// Lines of what a slot has asked for since the last time: packets, "open", "close", "abort".
    Lines take(Slot client = 0);
    std::vector<Sent> take_sent(Slot client = 0);

    void connect(Slot client = 0);
    /// From idle or opening to online, and forgets what that took.
    void go_online(Slot client = 0, bool session_present = false,
                   const wire::Properties& properties = {});
    void open(Slot client = 0);
    void receive(const Bytes& bytes, Slot client = 0, const Stamp& stamp = {});
    void closed(Slot client = 0);
    /// Lets time pass; wakes the engine as often as it asks for.
    void wait(Duration duration);
    void wait_until(Instant at);

    PublishOutcome publish(std::string_view topic, std::string_view payload, wire::QoS qos,
                           std::uint32_t tag = 0, Slot client = 0);

    // What a server says.
    Bytes connack(bool session_present = false, std::uint8_t reason = 0,
                  const wire::Properties& properties = {});
    Bytes ack(wire::PacketType type, wire::PacketId id, std::uint8_t reason = 0,
              const wire::Properties& properties = {});
    Bytes suback(wire::PacketId id, Bytes reasons, const wire::Properties& properties = {});
    Bytes unsuback(wire::PacketId id, Bytes reasons, const wire::Properties& properties = {});
    Bytes message(std::string_view topic, std::string_view payload, wire::QoS qos,
                  wire::PacketId id = 0, bool dup = false);
    Bytes message(const wire::Publish& packet);
    Bytes pingresp();
    Bytes server_disconnect(std::uint8_t reason, const wire::Properties& properties = {});
    Bytes auth(std::uint8_t reason, std::string_view method, std::string_view data = {});

    /// Everything that engines keep in the pool is given back: nothing leaked.
    void expect_no_leak();

    Options options;
    BlobPool pool;
    TestProfile profile;
    Recorder heard;
    Clients clients;
    Instant now;

   private:
    Bytes taken(BlobId blob);
    std::vector<std::vector<Sent>> sent_;
};

// Properties as tests write them; texts are literals.
wire::Properties with_number(wire::Property id, std::uint32_t value, wire::Properties base = {});
wire::Properties with_text(wire::Property id, std::string_view text, wire::Properties base = {});
/// One user property, "kind: test".
wire::Properties with_user_property(wire::Properties base = {});
wire::Properties with_subscription_identifier();

inline Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Options version_options(wire::Version version);
std::string version_name(wire::Version version);

/// A fixture for what holds in both versions.
class BothVersions : public ::testing::TestWithParam<wire::Version> {
   protected:
    [[nodiscard]] Options options() const { return version_options(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == wire::Version::v5; }
};

#define MQTTWIN_BOTH_VERSIONS(suite)                                                    \
    INSTANTIATE_TEST_SUITE_P(Version, suite,                                            \
                             ::testing::Values(wire::Version::v311, wire::Version::v5), \
                             [](const auto& tested) { return version_name(tested.param); })

}  // namespace mqttwin::client
