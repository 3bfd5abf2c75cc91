# The CUDA backend: whether it is built, and what it is built of. Sets
# UPSWEEP_WITH_CUDA; upsweep_add_cuda(target) then adds it to a target.
set(UPSWEEP_CUDA
    AUTO
    CACHE STRING "The CUDA backend: AUTO (where it can be built), ON or OFF")
set_property(CACHE UPSWEEP_CUDA PROPERTY STRINGS AUTO ON OFF)
# All other chips from 7.5 on take intermediate code, one for 7.5 and one for what
# came after it, which the driver translates where it runs; it keeps the
# translation.
set(UPSWEEP_CUDA_ARCHITECTURES
    80 90
    CACHE STRING "Chips that the kernels are compiled for, as in 90 for 9.0")

# Says why there is no CUDA backend, or fails where it was asked for.
macro(upsweep_no_cuda reason)
  if(NOT UPSWEEP_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "UPSWEEP_CUDA is ${UPSWEEP_CUDA}, but ${reason}.")
  endif()
  message(STATUS "CUDA backend: no, ${reason}")
  set(UPSWEEP_WITH_CUDA OFF)
endmacro()

if(NOT UPSWEEP_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "UPSWEEP_CUDA must be AUTO, ON or OFF, not "
                      "\"${UPSWEEP_CUDA}\".")
endif()
set(UPSWEEP_WITH_CUDA ON)
if(UPSWEEP_CUDA STREQUAL "OFF")
  set(UPSWEEP_WITH_CUDA OFF)
elseif(UPSWEEP_WITH_METAL)
  upsweep_no_cuda("the GPU is Metal's")
elseif(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  upsweep_no_cuda("the system is ${CMAKE_SYSTEM_NAME}, not Linux")
else()
  find_package(Python 3.10 QUIET COMPONENTS Interpreter)
  # PyPI's packages have it in a folder of their own.
  if(Python_FOUND)
    execute_process(
      COMMAND ${Python_EXECUTABLE} -c
              "import sysconfig; print(sysconfig.get_path('purelib'))"
      OUTPUT_VARIABLE site OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  find_program(
    UPSWEEP_NVCC nvcc
    HINTS ENV CUDA_HOME ENV CUDA_PATH
    PATHS /usr/local/cuda "${site}/nvidia/cu13" "${site}/nvidia/cuda_nvcc"
    PATH_SUFFIXES bin
    DOC "NVIDIA's compiler")
  if(NOT UPSWEEP_NVCC)
    upsweep_no_cuda("there is no nvcc")
  elseif(NOT Python_FOUND)
    upsweep_no_cuda("there is no Python to translate the kernels")
  else()
    execute_process(COMMAND ${UPSWEEP_NVCC} --version
                    OUTPUT_VARIABLE version ERROR_QUIET)
    if(version MATCHES "release ([0-9]+)\\.([0-9]+)")
      math(EXPR UPSWEEP_CUDA_VERSION
           "${CMAKE_MATCH_1} * 1000 + ${CMAKE_MATCH_2} * 10")
      message(STATUS "CUDA backend: yes, with ${UPSWEEP_NVCC} "
                     "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
    else()
      upsweep_no_cuda("${UPSWEEP_NVCC} does not run")
    endif()
  endif()
endif()

function(upsweep_add_cuda target)
  set(metal ${CMAKE_CURRENT_SOURCE_DIR}/../metal)
  set(build ${CMAKE_CURRENT_BINARY_DIR}/cuda_kernels)
  file(MAKE_DIRECTORY ${build})
  file(GLOB sources CONFIGURE_DEPENDS ${metal}/*)
  file(STRINGS ${metal}/kernels.def sets
       REGEX "^UPSWEEP_(KERNEL|COPY|VJP|JVP)\\(")
  list(TRANSFORM sets REPLACE "^UPSWEEP_[A-Z]+\\(([a-z0-9_]+),.*" "\\1")
  set(old "")
  set(new "")
  foreach(chip IN LISTS UPSWEEP_CUDA_ARCHITECTURES)
    if(chip VERSION_LESS 80)
      string(APPEND old ",sm_${chip}")
    else()
      string(APPEND new ",sm_${chip}")
    endif()
  endforeach()
  # Compiling anything at all takes nvcc a second, so two sets share an image. More
  # would take chips long that translate them on first use.
  set(units "")
  foreach(set IN LISTS sets)
    string(REGEX REPLACE "^((resets_)?)(max|min)_" "\\1extremum_" unit ${set})
    string(REGEX REPLACE "^((resets_)?)(prod|sum)_" "\\1total_" unit ${unit})
    list(APPEND units ${unit})
    list(APPEND sets_of_${unit} ${set})
    string(APPEND table "    {\"${set}\", upsweep_${unit}},\n")
  endforeach()
  list(REMOVE_DUPLICATES units)
  set(images "")
  foreach(unit IN LISTS units)
    list(JOIN sets_of_${unit} "," names)
    add_custom_command(
      OUTPUT ${build}/${unit}.fatbin
      COMMAND ${Python_EXECUTABLE} ${metal}/translate.py
              --prelude prelude_cuda.h --tuning ${metal}/tuning_nvidia.h
              --kernels ${names} ${metal}/scan.metal > ${build}/${unit}.cu
      # Results are defined to the bit: no contraction.
      COMMAND ${UPSWEEP_NVCC} -fatbin --compress-mode=size -std=c++17
              --fmad=false --expt-relaxed-constexpr
              -ccbin ${CMAKE_CXX_COMPILER} -I${metal}
              "-gencode=arch=compute_75,code=[compute_75${old}]"
              "-gencode=arch=compute_80,code=[compute_80${new}]"
              -o ${build}/${unit}.fatbin ${build}/${unit}.cu
      DEPENDS ${sources}
      COMMENT "Compiling the kernels ${names} for CUDA"
      VERBATIM)
    list(APPEND images ${build}/${unit}.fatbin)
    string(APPEND labels "IMAGE(${unit})\n")
  endforeach()

  file(READ ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/cuda_kernels.cpp.in template)
  file(CONFIGURE OUTPUT ${build}/kernels.cpp CONTENT "${template}" @ONLY)
  set_source_files_properties(${build}/kernels.cpp
                              PROPERTIES OBJECT_DEPENDS "${images}")
  target_sources(
    ${target}
    PRIVATE src/cuda/backend.cpp src/cuda/device.cpp src/cuda/driver.cpp
            src/cuda/event.cpp src/cuda/scratch.cpp src/cuda/storage.cpp
            src/cuda/stream.cpp
            ${build}/kernels.cpp)
  target_compile_definitions(${target} PRIVATE UPSWEEP_CUDA)
  target_include_directories(${target} PRIVATE src/cuda)
  target_link_libraries(${target} PUBLIC ${CMAKE_DL_LIBS})
endfunction()
