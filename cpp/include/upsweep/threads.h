// The number of threads that work of the CPU may use.
#pragma once

namespace upsweep {

/// How many threads scan and copy on the CPU: at first UPSWEEP_NUM_THREADS or,
/// without that variable, one for each processor that the process may use.
int get_num_threads();
/// Sets that number, of 1 to 1024, and returns the one before. Results never
/// depend on it. A forked child starts with the number of the start. Throws
/// std::invalid_argument for any other number.
int set_num_threads(int threads);

}  // namespace upsweep
