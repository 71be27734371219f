#include <algorithm>

#include "mqttwin/auth/scram.hpp"

#include "base64.hpp"

namespace mqttwin::auth {

std::string nonce_text(const Nonce& nonce) { return to_base64(nonce); }

bool is_nonce(std::string_view text, std::size_t max_size) {
    const auto allowed = [](char c) { return c > ' ' && c < 0x7F && c != ','; };
    return !text.empty() && text.size() <= max_size &&
           std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace mqttwin::auth
