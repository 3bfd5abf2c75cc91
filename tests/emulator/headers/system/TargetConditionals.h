// The system that metal-cpp is to be compiled for: a Mac.
#pragma once

#define TARGET_OS_OSX 1
