#include "bindings.hpp"

#ifndef MQTTWIN_VERSION
#define MQTTWIN_VERSION "0"
#endif

PYBIND11_MODULE(_core, m) {
    m.doc() = "The C++ core of mqttwin.";
    m.attr("__version__") = MQTTWIN_VERSION;
    bind_auth(m);
    bind_trace(m);
    bind_columns(m);
    bind_fleet(m);
    bind_links(m);
    bind_client(m);
    bind_device_parts(m);
    bind_layers(m);
    bind_world(m);
    bind_snapshots(m);
}
