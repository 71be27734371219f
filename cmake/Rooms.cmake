# mqttwin_room(NAME [MAY_INCLUDE ROOM...] [USES PACKAGE...])
#
# A room is a static library of cpp/src/NAME/*.cpp whose public headers are
# cpp/include/mqttwin/NAME/*.hpp. Its own door is a directory in the build tree that holds
# mqttwin/NAME and nothing else; so a header of a room that is not linked is a header that is not
# found, and the arrows between rooms hold at every compile.
#
# A room without sources is an INTERFACE library, one without any file is left out.

set(MQTTWIN_ROOMS "")

function(mqttwin_room name)
    cmake_parse_arguments(PARSE_ARGV 1 room "" "" "MAY_INCLUDE;USES")

    set(source_dir ${PROJECT_SOURCE_DIR}/cpp/src/${name})
    set(header_dir ${PROJECT_SOURCE_DIR}/cpp/include/mqttwin/${name})
    file(GLOB sources CONFIGURE_DEPENDS ${source_dir}/*.cpp)
    file(GLOB headers CONFIGURE_DEPENDS ${header_dir}/*.hpp)
    set_property(GLOBAL PROPERTY MQTTWIN_ARROWS_${name} ${room_MAY_INCLUDE})
    if(NOT sources AND NOT headers)
        return()
    endif()

    if(sources)
        add_library(${name} STATIC ${sources})
        set(scope PUBLIC)
        set_target_properties(${name} PROPERTIES OUTPUT_NAME mqttwin_${name})
        target_include_directories(${name} PRIVATE ${source_dir})
    else()
        add_library(${name} INTERFACE)
        set(scope INTERFACE)
    endif()
    add_library(mqttwin::${name} ALIAS ${name})

    set(door ${PROJECT_BINARY_DIR}/include/${name})
    if(headers AND NOT EXISTS ${door}/mqttwin/${name})
        file(MAKE_DIRECTORY ${door}/mqttwin)
        file(CREATE_LINK ${header_dir} ${door}/mqttwin/${name} SYMBOLIC)
    endif()
    if(headers)
        target_include_directories(${name} ${scope} ${door})
    endif()

    # Where a room on the way is empty, the arrow goes through it.
    set(others ${room_MAY_INCLUDE})
    while(others)
        list(POP_FRONT others other)
        if(TARGET ${other})
            target_link_libraries(${name} ${scope} ${other})
        else()
            get_property(beyond GLOBAL PROPERTY MQTTWIN_ARROWS_${other})
            list(APPEND others ${beyond})
        endif()
    endwhile()
    foreach(package IN LISTS room_USES)
        mqttwin_package(${package})
        target_link_libraries(${name} ${scope} mqttwin::use_${package})
    endforeach()

    set_property(GLOBAL APPEND PROPERTY MQTTWIN_ROOMS ${name})
    set_property(GLOBAL PROPERTY MQTTWIN_HEADERS_${name} ${headers})
endfunction()

# Packages of the system; each is looked for when the first room asks for it.
function(mqttwin_package name)
    if(TARGET mqttwin_use_${name})
        return()
    endif()
    add_library(mqttwin_use_${name} INTERFACE)
    add_library(mqttwin::use_${name} ALIAS mqttwin_use_${name})

    if(name STREQUAL "msgpack")
        # Its CMake package has a different name in every distribution: the header tells.
        find_path(MQTTWIN_MSGPACK_DIR msgpack.hpp REQUIRED
                  DOC "Where msgpack-c for C++ is (libmsgpack-cxx-dev)")
        mark_as_advanced(MQTTWIN_MSGPACK_DIR)
        target_include_directories(mqttwin_use_msgpack SYSTEM INTERFACE ${MQTTWIN_MSGPACK_DIR})
        target_compile_definitions(mqttwin_use_msgpack INTERFACE MSGPACK_NO_BOOST)
    elseif(name STREQUAL "openssl")
        find_package(OpenSSL 3.0 REQUIRED)
        target_link_libraries(mqttwin_use_openssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)
    elseif(name STREQUAL "asio")
        find_package(Boost 1.74 REQUIRED)
        find_package(Threads REQUIRED)
        target_link_libraries(mqttwin_use_asio INTERFACE Boost::headers Threads::Threads)
        # Asio 1.74 uses std::exchange without including <utility>.
        target_compile_options(mqttwin_use_asio INTERFACE "SHELL:-include utility")
    else()
        message(FATAL_ERROR "no such package: ${name}")
    endif()
endfunction()

# mqttwin_link_rooms(TARGET): everything there is, for what stands outside the rooms.
function(mqttwin_link_rooms target)
    get_property(rooms GLOBAL PROPERTY MQTTWIN_ROOMS)
    target_link_libraries(${target} PRIVATE ${rooms})
endfunction()
