#include "mqttwin/net/names.hpp"

#include <algorithm>
#include <stdexcept>

namespace mqttwin::net {

namespace {

constexpr std::uint32_t kIpUdpHeader = 28;
constexpr std::size_t kLongestName = 253;  // RFC 1035, section 2.3.4, as text
constexpr std::size_t kLongestLabel = 63;

bool well_formed(std::string_view name) {
    if (name.empty() || name.size() > kLongestName) return false;
    std::size_t label = 0;
    for (const char c : name) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.') {
            if (label == 0) return false;
            label = 0;
        } else if (!word || ++label > kLongestLabel) {
            return false;
        }
    }
    return label > 0;
}

}  // namespace

std::uint32_t Names::add(std::string_view name, Address address, Duration ttl) {
    if (!well_formed(name)) {
        throw std::invalid_argument(
            "hostname must be labels of 1 to 63 letters, digits and hyphens, "
            "253 characters in all");
    }
    if (ttl.ns < 0 || ttl > hours(24 * 365)) {
        throw std::invalid_argument("ttl must be within 0 s to 365 days");
    }
    const auto taken = [name](const Record& r) { return r.name == name; };
    if (std::any_of(records_.begin(), records_.end(), taken)) {
        throw std::invalid_argument("hostname must be one that no other broker has");
    }
    records_.push_back({std::string(name), address, ttl});
    return static_cast<std::uint32_t>(records_.size() - 1);
}

std::uint32_t Names::find(std::string_view name) const {
    const auto same = [](char a, char b) {
        const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
        return lower(a) == lower(b);
    };
    for (std::size_t k = 0; k < records_.size(); ++k) {
        const std::string& known = records_[k].name;
        if (std::equal(known.begin(), known.end(), name.begin(), name.end(), same)) {
            return static_cast<std::uint32_t>(k);
        }
    }
    return kNoHost;
}

std::uint32_t Names::host_at(Address address) const {
    const auto found = hosts_.find(address);
    return found == hosts_.end() ? kNoHost : found->second;
}

Address Names::address_of(std::uint32_t host) const {
    for (const auto& [address, who] : hosts_) {
        if (who == host) return address;
    }
    return kNoHost;
}

std::uint32_t Names::question_bytes(std::uint32_t name) const {
    return question_bytes(records_[name].name);
}

std::uint32_t Names::question_bytes(std::string_view name) {
    return kIpUdpHeader + 12 + static_cast<std::uint32_t>(name.size()) + 2 + 4;
}

std::uint32_t Names::answer_bytes(std::uint32_t name) const { return question_bytes(name) + 16; }

}  // namespace mqttwin::net
