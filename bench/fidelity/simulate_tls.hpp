// The scenario `tls` of simulate.cpp.
#pragma once

namespace fidelity {

/// mqttwin_fidelity tls key=value ...; returns the exit status.
int simulate_tls(int argc, char** argv);

}  // namespace fidelity
