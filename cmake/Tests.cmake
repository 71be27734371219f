# tests/cpp/ROOM/test_*.cpp → one executable test_ROOM, which sees what the room sees, its private
# headers, and tests/cpp/support/. Also the target `headers`: every public header on its own.

function(mqttwin_add_tests room)
    set(test_dir ${PROJECT_SOURCE_DIR}/tests/cpp/${room})
    file(GLOB tests CONFIGURE_DEPENDS ${test_dir}/test_*.cpp)
    if(NOT tests OR NOT TARGET ${room})
        return()
    endif()
    file(GLOB helpers CONFIGURE_DEPENDS ${test_dir}/*.cpp)
    find_package(GTest REQUIRED)

    add_executable(test_${room} ${helpers})
    target_link_libraries(test_${room} PRIVATE ${room} GTest::gmock GTest::gtest_main)
    target_include_directories(test_${room} PRIVATE ${PROJECT_SOURCE_DIR}/tests/cpp/support
                                                    ${PROJECT_SOURCE_DIR}/cpp/src/${room})
    # GoogleTest's macros are slow to optimise, and the rooms are what is to be fast.
    target_compile_options(test_${room} PRIVATE $<$<CONFIG:Release>:-O1>)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        # What GoogleTest's macros expand to.
        target_compile_options(test_${room} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
    endif()

    add_test(NAME ${room} COMMAND test_${room} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set(timeout 900)
    if(MQTTWIN_SANITIZE)
        set(timeout 3600) # which makes the longest ones twenty times as long
    endif()
    set_tests_properties(${room} PROPERTIES TIMEOUT ${timeout})
endfunction()

# A header compiles alone, and twice.
function(mqttwin_check_headers room)
    get_property(headers GLOBAL PROPERTY MQTTWIN_HEADERS_${room})
    if(NOT headers)
        return()
    endif()
    set(checks "")
    foreach(header IN LISTS headers)
        cmake_path(GET header STEM stem)
        set(include "#include \"mqttwin/${room}/${stem}.hpp\"\n")
        set(check ${PROJECT_BINARY_DIR}/headers/${room}/${stem}.cpp)
        file(CONFIGURE OUTPUT ${check} CONTENT "${include}${include}" @ONLY)
        list(APPEND checks ${check})
    endforeach()
    add_library(headers_${room} OBJECT EXCLUDE_FROM_ALL ${checks})
    target_link_libraries(headers_${room} PRIVATE ${room})
    target_compile_options(headers_${room} PRIVATE -O0 -g0)
    add_dependencies(headers headers_${room})
endfunction()

add_custom_target(headers)
get_property(rooms GLOBAL PROPERTY MQTTWIN_ROOMS)
foreach(room IN LISTS rooms)
    mqttwin_add_tests(${room})
    mqttwin_check_headers(${room})
endforeach()

# Sessions over the TCP model, captured: what tests/python/test_capture.py has tshark read.
file(GLOB session_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cpp/capture/*.cpp)
if(session_sources AND TARGET net AND TARGET trace)
    add_executable(mqttwin_captured_sessions ${session_sources})
    target_link_libraries(mqttwin_captured_sessions PRIVATE net trace)
    target_include_directories(mqttwin_captured_sessions PRIVATE ${PROJECT_SOURCE_DIR}/tests/cpp/net)
endif()
