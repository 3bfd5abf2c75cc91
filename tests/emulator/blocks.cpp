// The blocks runtime. metal-cpp is compiled with blocks, but the functions that
// the backend calls make none, so nothing here is ever used.
#include <cstdlib>

extern "C" {
void* _NSConcreteGlobalBlock[32];
void* _NSConcreteStackBlock[32];
void* _Block_copy(const void*) { std::abort(); }
void _Block_release(const void*) { std::abort(); }
void _Block_object_assign(void*, const void*, int) { std::abort(); }
void _Block_object_dispose(const void*, int) { std::abort(); }
}
