// The one place where metal-cpp defines its selectors and classes. It looks
// them up when the library is loaded, which does not call Metal itself.
#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
#define METALCPP_SYMBOL_VISIBILITY_HIDDEN
#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
