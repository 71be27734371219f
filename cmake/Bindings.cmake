# The extension module mqttwin._core.

file(GLOB binding_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cpp/src/bindings/*.cpp)

if(binding_sources)
    set(venv_python ${PROJECT_SOURCE_DIR}/.venv/bin/python)
    if(NOT SKBUILD AND NOT Python_EXECUTABLE AND EXISTS ${venv_python})
        set(Python_EXECUTABLE ${venv_python})
    endif()
    find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)

    execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
                    OUTPUT_VARIABLE pybind11_hint OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(PYBIND11_FINDPYTHON ON)
    find_package(pybind11 3.0 CONFIG REQUIRED HINTS "${pybind11_hint}")

    # NO_EXTRAS: optimising at link time gained nothing that could be measured, and took a minute.
    pybind11_add_module(_core MODULE NO_EXTRAS ${binding_sources})
    mqttwin_link_rooms(_core)
    if(MQTTWIN_INPLACE)
        set_target_properties(_core PROPERTIES
                              LIBRARY_OUTPUT_DIRECTORY ${PROJECT_SOURCE_DIR}/python/mqttwin)
    endif()
    install(TARGETS _core LIBRARY DESTINATION mqttwin COMPONENT python)
endif()

# Can be named even while there are no bindings.
add_custom_target(package)
if(TARGET _core)
    add_dependencies(package _core)
endif()
