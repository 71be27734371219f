// MQTT 5.0 properties as a Python dict, both ways.
//
// Keys are the names of the standard in snake case: "content_type": str, "correlation_data": bytes,
// "message_expiry_interval": int. What may repeat has a plural name: "user_properties" is a list of
// (name, value), "subscription_identifiers" of a received message a list of int. SUBSCRIBE has one
// "subscription_identifier".
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>

#include "mqttwin/wire/properties.hpp"

namespace mqttwin {

/// Only what is present.
pybind11::dict to_dict(const wire::Properties& properties);

/// Properties together with what they point at. Neither copied nor moved.
class OwnedProperties {
   public:
    OwnedProperties() = default;
    OwnedProperties(const OwnedProperties&) = delete;
    OwnedProperties& operator=(const OwnedProperties&) = delete;

    /// Reads a dict for a place where properties may stand. pybind11::value_error names the key
    /// that does not belong there, or whose value is none that MQTT can express.
    void assign(const pybind11::dict& dict, wire::PropertyPlaces place);

    wire::Properties view;

   private:
    void assign_one(const std::string& name, const pybind11::handle& value,
                    wire::PropertyPlaces place);
    void assign_user_properties(const pybind11::handle& value);
    std::string_view keep(std::string text);

    std::deque<std::string> texts_;  // stays where it is when it grows
    std::vector<std::uint8_t> user_properties_;
    std::vector<std::uint8_t> identifiers_;
};

/// A Python str or bytes-like object as MQTT can carry it: UTF-8 without U+0000, 65,535 bytes.
/// `what` is for the pybind11::value_error.
std::string text_from(const pybind11::handle& value, const std::string& what);
std::string bytes_from(const pybind11::handle& value, const std::string& what);
/// The same without a limit of MQTT's: payloads.
std::string payload_from(const pybind11::handle& value, const std::string& what);

}  // namespace mqttwin
