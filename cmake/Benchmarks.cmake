# bench/cpp/bench_*.cpp → mqttwin_bench; bench/fidelity/*.cpp → mqttwin_fidelity;
# bench/live/load_generator.cpp → mqttwin_live_load.

file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/cpp/bench_*.cpp)
get_property(rooms GLOBAL PROPERTY MQTTWIN_ROOMS)

# Can be named even while there is nothing to measure.
add_custom_target(benchmarks)
if(bench_sources AND rooms)
    find_package(benchmark REQUIRED)
    add_executable(mqttwin_bench ${bench_sources})
    mqttwin_link_rooms(mqttwin_bench)
    target_link_libraries(mqttwin_bench PRIVATE benchmark::benchmark benchmark::benchmark_main)
    add_dependencies(benchmarks mqttwin_bench)
endif()

# The TCP model alone, repeated for each cell of the measurements.
file(GLOB fidelity_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/fidelity/*.cpp)
if(fidelity_sources AND TARGET net)
    add_executable(mqttwin_fidelity ${fidelity_sources})
    target_link_libraries(mqttwin_fidelity PRIVATE net)
    add_dependencies(benchmarks mqttwin_fidelity)
endif()

# It shares no code with what it measures, and knows Linux only: epoll, clocks of other processes.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_executable(mqttwin_live_load ${PROJECT_SOURCE_DIR}/bench/live/load_generator.cpp)
    add_dependencies(benchmarks mqttwin_live_load)
endif()
