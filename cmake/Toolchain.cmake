# How everything is compiled. One rule stands above speed: the same seed gives the same digest with
# every compiler, on every x86-64 CPU.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

if(CMAKE_CXX_FLAGS MATCHES "-march=native|-ffast-math|-Ofast")
    message(FATAL_ERROR "-march=native, -ffast-math and -Ofast change what a seed means")
endif()

# a*b+c is never fused, whatever the compiler thinks of it.
add_compile_options(-ffp-contract=off)

# g++ clears and copies structures of a few cache lines by `rep stos` and `rep movs`, which take 13 to
# 28 ns on some CPUs whatever the size. A message meets a dozen of them.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(strategy "vector_loop:512:noalign,libcall:-1:noalign")
    add_compile_options(-mmemset-strategy=${strategy} -mmemcpy-strategy=${strategy})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow)
if(MQTTWIN_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    add_compile_options(-Wno-restrict) # false alarms in std::string, GCC bug 105651
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A false alarm where only one of msgpack's pair of operators has been inlined.
    add_compile_options($<$<CONFIG:Debug>:-Wno-mismatched-new-delete>)
endif()

add_compile_definitions(MQTTWIN_VERSION="${PROJECT_VERSION}")
if(CMAKE_BUILD_TYPE STREQUAL "Debug" OR MQTTWIN_SANITIZE)
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

# What runs spend their time with: one build records it, another one is compiled for it by the same
# compiler (./dev wheel). It changes where code lies and what is inlined, not what is computed.
if(MQTTWIN_RECORD_PROFILE OR MQTTWIN_USE_PROFILE)
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
        message(FATAL_ERROR "profiles are g++'s, from 12 on")
    endif()
    add_compile_options(-fprofile-prefix-path=${CMAKE_BINARY_DIR}) # files are named by what is behind it
endif()
if(MQTTWIN_RECORD_PROFILE)
    add_compile_options(-fprofile-generate=${MQTTWIN_RECORD_PROFILE})
    add_link_options(-fprofile-generate)
elseif(MQTTWIN_USE_PROFILE)
    if(NOT IS_DIRECTORY ${MQTTWIN_USE_PROFILE})
        message(FATAL_ERROR "MQTTWIN_USE_PROFILE: there is no directory ${MQTTWIN_USE_PROFILE}")
    endif()
    # What was not recorded is compiled as ever. Headers have the path of the other build there.
    add_compile_options(-fprofile-use=${MQTTWIN_USE_PROFILE} -fprofile-partial-training
                        -Wno-missing-profile -Wno-coverage-mismatch)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON) # pays only where it is known what is worth it
endif()

if(MQTTWIN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(MQTTWIN_SANITIZE)
    add_compile_options(-fsanitize=${MQTTWIN_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MQTTWIN_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # The instrumentation confuses g++'s flow analysis.
        add_compile_options(-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow
                            -Wno-stringop-overread)
        if(MQTTWIN_SANITIZE MATCHES "thread")
            add_compile_options(-Wno-tsan)
        endif()
    endif()
endif()

find_program(MQTTWIN_CCACHE ccache)
mark_as_advanced(MQTTWIN_CCACHE)
if(MQTTWIN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${MQTTWIN_CCACHE})
endif()
