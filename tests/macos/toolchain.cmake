# Compiles for macOS on Apple silicon with the clang, linker and system headers
# of ziglang (PyPI). UPSWEEP_ZIG is a folder with one command for each tool.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(tools $ENV{UPSWEEP_ZIG})
set(CMAKE_C_COMPILER ${tools}/cc)
set(CMAKE_CXX_COMPILER ${tools}/c++)
set(CMAKE_AR ${tools}/ar)
set(CMAKE_RANLIB ${tools}/ranlib)
# Libraries get their run-time paths when they are linked.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_NAME_TOOL ${tools}/install_name_tool)
set(CMAKE_OSX_DEPLOYMENT_TARGET "")
set(CMAKE_OSX_SYSROOT "")

# What Apple's SDK would have of the frameworks; and without optimisation ziglang
# adds checks that need a library of its own.
set(here ${CMAKE_CURRENT_LIST_DIR})
set(CMAKE_CXX_FLAGS_INIT
    "-isystem ${here}/../emulator/headers/frameworks -fno-sanitize=undefined")
set(CMAKE_SHARED_LINKER_FLAGS_INIT
    "-F${here}/frameworks -L${here}/libraries -Wl,-headerpad_max_install_names")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
