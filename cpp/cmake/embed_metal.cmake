# Writes OUTPUT, a C++ file with the Metal source SOURCE as two strings: its own
# includes put in place, because Metal's compiler at run time sees no files, and
# cut where its list of kernels is included, because each of them is compiled
# when it is needed.
cmake_minimum_required(VERSION 3.26)

get_filename_component(folder ${SOURCE} DIRECTORY)
file(READ ${SOURCE} text)
set(kernels "\n// The kernels that are asked for.\n")
while(text MATCHES "\n#include \"([^\"]+)\"\n")
  set(line "${CMAKE_MATCH_0}")
  set(name ${CMAKE_MATCH_1})
  string(FIND "${text}" "${line}" at)
  string(LENGTH "${line}" length)
  string(SUBSTRING "${text}" 0 ${at} before)
  math(EXPR behind "${at} + ${length}")
  string(SUBSTRING "${text}" ${behind} -1 after)
  set(included "")
  if(name STREQUAL "kernels.def")
    set(included "${kernels}")
  elseif(NOT name IN_LIST seen)
    list(APPEND seen ${name})
    file(READ ${folder}/${name} included)
    string(REPLACE "\n#pragma once\n" "\n" included "${included}")
  endif()
  # Some includes follow one another, and the pattern needs both line ends.
  set(text "${before}\n${included}\n${after}")
endwhile()

# A string in pieces, since a compiler need not take longer ones.
function(to_literal text out)
  string(LENGTH "${text}" length)
  set(literal "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND literal "\n    R\"metal(${piece})metal\"")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${out} "${literal}" PARENT_SCOPE)
endfunction()

string(FIND "${text}" "${kernels}" at)
string(LENGTH "${kernels}" length)
math(EXPR behind "${at} + ${length}")
string(SUBSTRING "${text}" 0 ${behind} before)
string(SUBSTRING "${text}" ${behind} -1 after)
to_literal("${before}" before)
to_literal("${after}" after)
file(WRITE ${OUTPUT} "// Made of metal/; do not edit.
#include \"source.h\"

namespace upsweep {

std::string metal_source(const std::string& kernels) {
  return std::string(${before}) +
         kernels +${after};
}

}  // namespace upsweep
")
