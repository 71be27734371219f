#pragma once

#include "mqttwin/base/slab.hpp"
