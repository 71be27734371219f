// Normalisation form KC of Unicode 3.2, with the corrected composition rule (Corrigendum 5).
#pragma once

#include <string>
#include <string_view>

namespace mqttwin::auth {

/// Code points that Unicode 3.2 does not assign stay as they are.
std::u32string nfkc(std::u32string_view text);

}  // namespace mqttwin::auth
