# _xla_handlers: what XLA calls for upsweep.jax, a library without Python in it. It needs
# XLA's headers, which jaxlib has, and links nothing of XLA.
set(UPSWEEP_XLA_HEADERS
    AUTO
    CACHE STRING "The folder that has xla/ffi/api/ffi.h; AUTO: jaxlib's; OFF")

if(UPSWEEP_XLA_HEADERS STREQUAL "AUTO")
  # Not by import, because pip hides what is installed from the builds that it isolates.
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
            "import sysconfig; print(sysconfig.get_path('platlib'))"
    OUTPUT_VARIABLE packages
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(headers "${packages}/jaxlib/include")
else()
  set(headers "${UPSWEEP_XLA_HEADERS}")
endif()

if(EXISTS "${headers}/xla/ffi/api/ffi.h")
  message(STATUS "upsweep.jax: handlers, with the headers in ${headers}")
  add_library(_xla_handlers MODULE src/xla.cpp)
  set_target_properties(
    _xla_handlers
    PROPERTIES PREFIX "" SUFFIX ".so" CXX_VISIBILITY_PRESET hidden
               VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(_xla_handlers SYSTEM PRIVATE "${headers}")
  target_link_libraries(_xla_handlers PRIVATE upsweep::upsweep)
  target_compile_options(_xla_handlers PRIVATE -Wall -Wextra)
elseif(UPSWEEP_XLA_HEADERS STREQUAL "AUTO")
  message(STATUS "upsweep.jax: callbacks only, as jaxlib is not in ${packages}")
elseif(UPSWEEP_XLA_HEADERS)
  message(FATAL_ERROR "UPSWEEP_XLA_HEADERS: ${headers} has no xla/ffi/api/ffi.h")
endif()
