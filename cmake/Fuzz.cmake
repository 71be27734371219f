# tests/fuzz/fuzz_NAME.cpp → fuzz_NAME. Under libFuzzer it looks for new inputs; in every other build
# it replays the ones kept in tests/fuzz/corpus/NAME, as a test.

set(fuzz_dir ${PROJECT_SOURCE_DIR}/tests/fuzz)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${fuzz_dir}/fuzz_*.cpp)
get_property(rooms GLOBAL PROPERTY MQTTWIN_ROOMS)

if(fuzz_sources AND rooms AND NOT MQTTWIN_FUZZ)
    add_library(fuzz_replay OBJECT ${fuzz_dir}/replay_main.cpp)
endif()

if(rooms)
    foreach(source IN LISTS fuzz_sources)
        cmake_path(GET source STEM target)
        string(REGEX REPLACE "^fuzz_" "" name ${target})

        add_executable(${target} ${source})
        mqttwin_link_rooms(${target})
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cpp/src)  # rooms' own headers
        if(MQTTWIN_FUZZ)
            target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        else()
            target_link_libraries(${target} PRIVATE fuzz_replay)
            add_test(NAME ${target} COMMAND ${target} ${fuzz_dir}/corpus/${name})
        endif()
    endforeach()
endif()
