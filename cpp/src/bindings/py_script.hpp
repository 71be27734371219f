// Devices whose code is Python: what happens to them becomes notes, which a dispatcher reads.
#pragma once

#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

#include "mqttwin/world/script.hpp"

#include "client_face.hpp"

namespace mqttwin {

/// A note is a tuple: its kind, the device's index, and what belongs to that kind.
class PyScript final : public world::Script {
   public:
    enum Note : int {
        kConnack,       // reason, properties
        kConnected,     // session_present
        kDisconnected,  // cause, reason
        kDisconnect,    // reason, properties: the server's
        kMessage,       // topic, payload, qos, retain, duplicate, packet_id, properties
        kAcknowledged,  // number, reason, properties
        kDropped,       // number, why
        kListAck,       // packet_id, reasons, properties
        kFault,         // what, reason, clause
    };

    /// `wake(device, now)` and `finish(device, now, wanted, error)` return the next alarm,
    /// `hear(notes, now)` nothing.
    PyScript(py::object wake, py::object finish, py::object hear)
        : wake_(std::move(wake)), finish_(std::move(finish)), hear_(std::move(hear)) {}
    ~PyScript() override {
        const py::gil_scoped_acquire gil;
        let_go();
    }
    PyScript(const PyScript&) = delete;
    PyScript& operator=(const PyScript&) = delete;

    // A coroutine that sleeps, where nothing else of its device is pending, is lent: it is resumed
    // when its alarm comes, and while it only sleeps again nobody else is asked. That is what most
    // wake-ups are, and of ten thousand devices each costs the memory that it touches.
    void lend(Slot device, py::object coroutine, std::int64_t due);
    struct Reclaimed {
        std::int64_t due;
        bool running;
    };
    /// Takes it back; `running`: it is what runs now, and `finish` will be called.
    Reclaimed reclaim(Slot device);
    /// The device whose lent coroutine runs now; -1: none.
    [[nodiscard]] std::int64_t running() const { return running_; }
    /// Whether `finish` is called after every turn: somebody watches.
    bool watched = false;

    /// For Python's collector: what it holds refers to the world that it belongs to.
    int traverse(visitproc visit, void* argument);
    void let_go();

    Instant on_alarm(Instant now, Slot device) override;
    void act(Instant now) override;

    void on_connack(Instant, Slot device, const wire::Connack& packet) override {
        note(kConnack, device, [&] {
            return py::make_tuple(static_cast<int>(kConnack), device,
                                  static_cast<int>(packet.reason), to_dict(packet.properties));
        });
    }
    void on_connected(Instant, Slot device, bool session_present) override {
        note(kConnected, device,
             [&] { return py::make_tuple(static_cast<int>(kConnected), device, session_present); });
    }
    void on_disconnected(Instant, Slot device, client::DisconnectCause cause,
                         std::uint8_t reason) override {
        note(kDisconnected, device, [&] {
            return py::make_tuple(static_cast<int>(kDisconnected), device,
                                  kCauses[static_cast<std::size_t>(cause)],
                                  static_cast<int>(reason));
        });
    }
    void on_disconnect_received(Instant, Slot device, const wire::Disconnect& packet) override {
        note(kDisconnect, device, [&] {
            return py::make_tuple(static_cast<int>(kDisconnect), device,
                                  static_cast<int>(packet.reason), to_dict(packet.properties));
        });
    }
    void on_message(Instant, Slot device, const wire::Publish& packet, const Stamp&) override {
        note(kMessage, device, [&] {
            return py::make_tuple(static_cast<int>(kMessage), device, text(packet.topic),
                                  bytes(packet.payload), static_cast<int>(packet.qos),
                                  packet.retain, packet.dup, packet.packet_id,
                                  to_dict(packet.properties));
        });
    }
    void on_acknowledged(Instant, Slot device, const Stamp& stamp, wire::QoS,
                         const wire::Ack& packet) override {
        note(kAcknowledged, device, [&] {
            return py::make_tuple(static_cast<int>(kAcknowledged), device, stamp.sequence,
                                  static_cast<int>(packet.reason), to_dict(packet.properties));
        });
    }
    void on_dropped(Instant, Slot device, const Stamp& stamp, wire::QoS,
                    client::PublishOutcome outcome) override {
        note(kDropped, device, [&] {
            return py::make_tuple(static_cast<int>(kDropped), device, stamp.sequence,
                                  kOutcomes[static_cast<std::size_t>(outcome)]);
        });
    }
    void on_subscribed(Instant, Slot device, const wire::ListAck& packet) override {
        note_list(device, packet);
    }
    void on_unsubscribed(Instant, Slot device, const wire::ListAck& packet) override {
        note_list(device, packet);
    }
    void on_fault(Instant, Slot device, const Fault& fault) override {
        note(kFault, device, [&] {
            return py::make_tuple(static_cast<int>(kFault), device, text(fault.what),
                                  static_cast<int>(fault.reason), text(fault.clause));
        });
    }

   private:
    template <typename Make>
    void note(Note, Slot, Make make) {
        const py::gil_scoped_acquire gil;
        if (!notes_) notes_ = py::list();
        static_cast<py::list>(notes_).append(make());
    }
    void note_list(Slot device, const wire::ListAck& packet) {
        note(kListAck, device, [&] {
            return py::make_tuple(static_cast<int>(kListAck), device, packet.packet_id,
                                  codes(packet.reasons), to_dict(packet.properties));
        });
    }

    struct Lent {
        py::object coroutine;
        std::int64_t due = 0;
    };
    [[nodiscard]] bool resume(Instant now, Slot device, Instant& next);

    py::object wake_;
    py::object finish_;
    py::object hear_;
    std::vector<Lent> lent_;  // by device
    std::int64_t running_ = -1;
    py::object notes_;  // a list, as long as what an event makes; none: nothing to tell
};

}  // namespace mqttwin
