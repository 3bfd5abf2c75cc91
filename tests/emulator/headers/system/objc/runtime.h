// What metal-cpp takes from the Objective-C runtime; objc.cpp has it.
#pragma once

#include <stddef.h>

struct objc_object {
  void* isa;
};
typedef struct objc_selector* SEL;

extern "C" {
void* objc_lookUpClass(const char* name);
void* objc_getProtocol(const char* name);
SEL sel_registerName(const char* name);
}
