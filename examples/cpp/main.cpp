// A tour of upsweep from C++: scans, views, streams, shared memory, errors.
#include <upsweep/upsweep.h>

#include <iostream>
#include <numeric>
#include <vector>

namespace {

// Prints a 1-d or 2-d float32 array, of any strides.
void print(const char* title, const upsweep::array& a) {
  const float* first = a.data<float>();
  const auto& strides = a.strides();
  const bool table = a.ndim() == 2;
  std::cout << title << '\n';
  for (int64_t row = 0; row < (table ? a.shape(0) : 1); ++row) {
    const float* element = first + (table ? row * strides[0] : 0);
    for (int64_t i = 0; i < a.shape(-1); ++i)
      std::cout << ' ' << element[i * strides.back()];
    std::cout << '\n';
  }
}

// What is left of the light along two rays, before and after each sample.
void transmittance() {
  const std::vector<float> clear = {0.9f, 0.5f, 0.1f, 1.0f, 0.75f, 0.5f};
  const upsweep::array rays(clear.data(), {2, 3});
  print("before each sample",
        upsweep::cumprod(rays, /*axis=*/-1, /*reverse=*/false,
                         /*inclusive=*/false));
  print("after each sample", upsweep::cumprod(rays, -1));
}

// Views share storage, and any strides are a legal input.
void views() {
  const upsweep::array a = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  const upsweep::array table = upsweep::reshape(a, {2, 3});
  print("down the columns", upsweep::cumprod(table, 0));
  print("of the transpose", upsweep::cumprod(upsweep::transpose(table), 0));
  print("of every other element, backwards",
        upsweep::cumprod(upsweep::slice(a, {5}, {-2}, {3})));
}

// Two streams run side by side; the second scan waits for the first because it
// reads its result.
void streams() {
  const upsweep::Device cpu(upsweep::DeviceType::cpu);
  const upsweep::Stream first = upsweep::new_stream(cpu);
  const upsweep::Stream second = upsweep::new_stream(cpu);
  const upsweep::array factors = upsweep::full({1 << 20}, upsweep::array(1.0f));
  const upsweep::array product = upsweep::cumprod(factors, false, true, first);
  const upsweep::array total = upsweep::cumsum(product, false, true, second);
  const upsweep::array last =
      upsweep::slice(total, {total.size() - 1}, {1}, {1});
  std::cout << "sum of a million ones: " << last.item<float>() << '\n';
}

// An array over memory of the application, which gets it back at the end.
void shared_memory() {
  auto* values = new std::vector<double>(10);
  std::iota(values->begin(), values->end(), 1.0);
  const upsweep::array a = upsweep::array::adopt(
      values->data(), {10}, {1}, upsweep::float64, [values] { delete values; });
  const upsweep::array factorials = upsweep::cumprod(a);
  std::cout << "10! = " << factorials.data<double>()[9] << '\n';
}

// Errors are exceptions, and the library stays usable after each.
void errors() {
  const upsweep::array a = {1.0f, 2.0f};
  try {
    upsweep::cumprod(a, /*axis=*/2);
  } catch (const std::out_of_range& error) {
    std::cout << "as expected: " << error.what() << '\n';
  }
  const size_t limit = upsweep::set_memory_limit(1 << 20);
  try {
    upsweep::zeros({1 << 20});
  } catch (const upsweep::OutOfMemory& error) {
    std::cout << "as expected: " << error.what() << '\n';
  }
  upsweep::set_memory_limit(limit);
}

}  // namespace

int main() {
  std::cout << "upsweep " << upsweep::version() << '\n';
  transmittance();
  views();
  streams();
  shared_memory();
  errors();
}
