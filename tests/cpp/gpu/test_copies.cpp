// Launches of copies: they find each element of the result once, in any view,
// also where they are cut; and they divide exactly.
#include "gpu/copies.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace upsweep;

namespace {

CopyWork work_of(const Shape& shape, const Strides& strides) {
  return {merge_axes(shape, strides, contiguous_strides(shape)),
          int16,
          float32,
          1000,
          nullptr,
          nullptr};
}

// Where an index comes from, as metal/copy.h finds it.
int64_t find_source(const CopyParams& p, uint32_t index) {
  int64_t at = p.in_start;
  for (uint32_t i = 0; i + 1 < p.axes; ++i) {
    const CopyAxis& axis = p.axis[i];
    auto high = static_cast<uint32_t>(uint64_t{index} * axis.multiplier >> 32);
    uint32_t rest = high >> axis.shift;
    REQUIRE(rest == index / axis.extent);
    at += int64_t{index - rest * axis.extent} * axis.step;
    index = rest;
  }
  return at + int64_t{index} * p.axis[p.axes - 1].step;
}

// The sources of all elements by a loop over axes.
std::vector<int64_t> walk(const Shape& shape, const Strides& strides) {
  std::vector<int64_t> all{1000};
  for (size_t i = 0; i < shape.size(); ++i) {
    std::vector<int64_t> next;
    for (int64_t at : all) {
      for (int64_t k = 0; k < shape[i]; ++k)
        next.push_back(at + k * strides[i]);
    }
    all = std::move(next);
  }
  return all;
}

}  // namespace

TEST_CASE("copies find every element once") {
  std::vector<std::pair<Shape, Strides>> views{
      {{}, {}},
      {{0, 3}, {3, 1}},
      {{1}, {5}},
      {{7}, {-2}},
      {{3, 4, 5}, {20, 5, 1}},
      {{3, 4, 5}, {1, 3, 12}},
      {{3, 1, 5}, {0, 9, -7}},
      {{2, 2, 2, 2, 2, 2}, {1, 32, 2, 16, 4, 8}},
      {{13, 6}, {0, 0}}};
  for (const auto& [shape, strides] : views) {
    std::vector<int64_t> expected = walk(shape, strides);
    for (int64_t most : {1, 2, 3, 7, 16, 1000}) {
      std::map<int64_t, int64_t> found;
      for (const CopyParams& p : make_copies(work_of(shape, strides), most)) {
        CHECK(p.count >= 1);
        CHECK(p.count <= most);
        CHECK(p.axes >= 1);
        for (uint32_t i = 0; i < p.count; ++i) {
          CHECK(found.emplace(p.out_start + i, find_source(p, i)).second);
        }
      }
      REQUIRE(found.size() == expected.size());
      for (const auto& [to, from] : found) {
        CHECK(from == expected[static_cast<size_t>(to)]);
      }
    }
  }
}

TEST_CASE("copies of more elements than 32 bits count") {
  int64_t far = int64_t{1} << 30;  // every element still has a 64-bit address
  CopyWork work = work_of({int64_t{3} << 31, 5}, {-far, 2});
  int64_t next = 0;
  for (const CopyParams& p : make_copies(work)) {
    CHECK(p.out_start == next);
    CHECK(p.count <= kMaxCopyElements);
    CHECK(next % 5 == 0);
    CHECK(find_source(p, 0) == 1000 - next / 5 * far);
    int64_t last = p.count - 1;
    CHECK(find_source(p, static_cast<uint32_t>(last)) ==
          1000 - (next + last) / 5 * far + (next + last) % 5 * 2);
    next += p.count;
  }
  CHECK(next == (int64_t{3} << 31) * 5);
  // As many axes as there can be.
  Shape shape(31, 2);
  Strides strides(31, 1);
  std::vector<CopyParams> one = make_copies(work_of(shape, strides));
  REQUIRE(one.size() == 1);
  CHECK(one[0].axes == kMaxCopyAxes);
  CHECK(find_source(one[0], kMaxCopyElements - 1) == 1031);
}

TEST_CASE("copies divide exactly") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    auto extent = static_cast<int64_t>(2 + (random() >> (34 + random() % 29)));
    int64_t rest = (int64_t{1} << 31) / extent;
    if (rest < 2) continue;
    std::vector<CopyParams> all = make_copies(work_of({rest, extent}, {1, 0}));
    REQUIRE(all.size() == 1);
    for (int64_t multiple : {int64_t{1}, rest / 2, rest - 1, rest}) {
      for (int64_t index : {multiple * extent - 1, multiple * extent}) {
        if (index >= rest * extent) continue;
        CHECK(find_source(all[0], static_cast<uint32_t>(index)) ==
              1000 + index / extent);
      }
    }
  }
}

TEST_CASE("only conversions convert") {
  auto set = [](Dtype from, Dtype to) {
    CopyWork work{{{9, 1, 1}}, from, to, 0, nullptr, nullptr};
    Launch launch = to_launch(make_copies(work)[0], 2);
    CHECK(launch.kernels[0].groups == 2);
    CHECK(launch.params.size() == sizeof(CopyParams));
    return std::string(launch.kernels[0].set);
  };
  CHECK(set(int16, int16) == "bits");
  CHECK(set(complex64, complex64) == "bits");
  CHECK(set(bool_, bool_) == "numbers");
  CHECK(set(int16, uint16) == "numbers");
}
