# The Metal backend: whether it is built, and what it is built of. Sets
# UPSWEEP_WITH_METAL; upsweep_add_metal(target) then adds it to a target.
set(UPSWEEP_METAL
    AUTO
    CACHE STRING "The Metal backend: AUTO (where it can be built), ON or OFF")
set_property(CACHE UPSWEEP_METAL PROPERTY STRINGS AUTO ON OFF)
set(UPSWEEP_METAL_CPP
    ""
    CACHE PATH "A copy of Apple's metal-cpp headers; fetched where it is empty")
option(UPSWEEP_METAL_EMULATOR
       "For tests: the Metal backend on the software device of tests/emulator"
       OFF)

# Says why there is no Metal backend, or fails where it was asked for.
macro(upsweep_no_metal reason)
  if(NOT UPSWEEP_METAL STREQUAL "AUTO")
    message(FATAL_ERROR "UPSWEEP_METAL is ${UPSWEEP_METAL}, but ${reason}.")
  endif()
  message(STATUS "Metal backend: no, ${reason}")
  set(UPSWEEP_WITH_METAL OFF)
endmacro()

# Apple's archive of metal-cpp, unpacked once, as UPSWEEP_METAL_CPP.
macro(upsweep_fetch_metal_cpp)
  set(UPSWEEP_METAL_CPP ${CMAKE_BINARY_DIR}/metal-cpp)
  if(NOT EXISTS ${UPSWEEP_METAL_CPP})
    set(archive ${CMAKE_BINARY_DIR}/metal-cpp_26.zip)
    file(DOWNLOAD https://developer.apple.com/metal/cpp/files/metal-cpp_26.zip
         ${archive} STATUS status)
    file(SHA256 ${archive} hash)
    if(hash STREQUAL
       "4df3c078b9aadcb516212e9cb03004cbc5ce9a3e9c068fa3144d021db585a3a4")
      file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${CMAKE_BINARY_DIR})
    else()
      message(STATUS "metal-cpp from Apple: ${status}, SHA-256 ${hash}")
    endif()
  endif()
endmacro()

if(NOT UPSWEEP_METAL MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "UPSWEEP_METAL must be AUTO, ON or OFF, not "
                      "\"${UPSWEEP_METAL}\".")
endif()
set(UPSWEEP_WITH_METAL ON)
if(UPSWEEP_METAL STREQUAL "OFF")
  set(UPSWEEP_WITH_METAL OFF)
elseif(NOT APPLE AND NOT UPSWEEP_METAL_EMULATOR)
  upsweep_no_metal("the system is ${CMAKE_SYSTEM_NAME}, not macOS")
elseif(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  upsweep_no_metal("metal-cpp needs clang, not ${CMAKE_CXX_COMPILER_ID}")
else()
  if(NOT UPSWEEP_METAL_CPP AND APPLE)
    upsweep_fetch_metal_cpp()
  endif()
  if(NOT EXISTS "${UPSWEEP_METAL_CPP}/Metal/Metal.hpp")
    upsweep_no_metal(
      "there is no metal-cpp; UPSWEEP_METAL_CPP may name a copy of it")
  else()
    message(STATUS "Metal backend: yes, with ${UPSWEEP_METAL_CPP}")
  endif()
endif()

set(UPSWEEP_METAL_DIR ${CMAKE_CURRENT_SOURCE_DIR}/../metal)
set(UPSWEEP_EMBED_METAL ${CMAKE_CURRENT_LIST_DIR}/embed_metal.cmake)

# upsweep.metallib, where this machine has Apple's compiler for Metal: the
# command line tools alone do not bring it, and Xcode may have a stub in its
# place that only says so.
function(upsweep_add_metallib)
  find_program(UPSWEEP_XCRUN xcrun)
  if(UPSWEEP_XCRUN)
    execute_process(COMMAND ${UPSWEEP_XCRUN} -sdk macosx metal --version
                    RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
  endif()
  if(NOT UPSWEEP_XCRUN OR missing)
    message(STATUS "Metal kernels: compiled where they run")
    return()
  endif()
  message(STATUS "Metal kernels: compiled here")
  set(library ${CMAKE_CURRENT_BINARY_DIR}/upsweep.metallib)
  file(GLOB sources CONFIGURE_DEPENDS ${UPSWEEP_METAL_DIR}/*)
  add_custom_command(
    OUTPUT ${library}
    COMMAND ${UPSWEEP_XCRUN} -sdk macosx metal -std=metal3.1
            -mmacosx-version-min=14.0 -fno-fast-math -Wno-c++17-extensions -O2
            ${UPSWEEP_METAL_DIR}/scan.metal -o ${library}
    DEPENDS ${sources})
  add_custom_target(upsweep_metallib ALL DEPENDS ${library})
  install(FILES ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

function(upsweep_add_metal target)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/metal_source.cpp)
  file(GLOB sources CONFIGURE_DEPENDS ${UPSWEEP_METAL_DIR}/*)
  add_custom_command(
    OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${UPSWEEP_METAL_DIR}/scan.metal -D
            OUTPUT=${embedded} -P ${UPSWEEP_EMBED_METAL}
    DEPENDS ${sources} ${UPSWEEP_EMBED_METAL})
  set(files
      src/metal/backend.cpp src/metal/device.cpp src/metal/library.cpp
      src/metal/metal_cpp.cpp src/metal/storage.cpp src/metal/stream.cpp)
  # metal-cpp uses blocks in its types.
  set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS -fblocks)
  target_sources(${target} PRIVATE ${files} ${embedded})
  target_compile_definitions(${target} PRIVATE UPSWEEP_METAL)
  target_include_directories(${target} PRIVATE src/metal)
  target_include_directories(${target} SYSTEM PRIVATE ${UPSWEEP_METAL_CPP})
  if(UPSWEEP_METAL_EMULATOR)
    # All of it: nothing refers to kernels by name.
    target_link_libraries(
      ${target} PUBLIC $<LINK_LIBRARY:WHOLE_ARCHIVE,upsweep_emulator>)
  else()
    # Without CoreGraphics the system has no default device.
    target_link_libraries(
      ${target} PUBLIC "-framework Metal" "-framework Foundation"
                       "-framework CoreGraphics" -lobjc)
    upsweep_add_metallib()
  endif()
endfunction()
