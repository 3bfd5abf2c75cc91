// Layouts of tiles of all small extents, steps and directions: each element has
// its own position in threadgroup memory, and that position leads back to its
// index in device memory.
#include <doctest/doctest.h>

#include <set>

#include "../../../metal/layout.h"

using namespace upsweep;

namespace {

constexpr uint32_t kPerVector = 4;
constexpr uint32_t kRound = 8;

// The offset of the element at a position from the first one in memory.
int64_t address(const TileLayout& tile, int64_t place) {
  int64_t runs = place / tile.n0;
  return place % tile.n0 * tile.m0 + runs % tile.n1 * tile.m1 +
         runs / tile.n1 * tile.m2;
}

void check(const int64_t (&extents)[3], const int64_t (&steps)[3],
           const TileAxis (&axes)[3]) {
  TileLayout tile = tile_layout(axes[0], axes[1], axes[2], kPerVector, kRound);
  REQUIRE(tile.count == extents[0] * extents[1] * extents[2]);
  std::set<int64_t> places;
  for (int64_t column = 0; column < extents[0]; ++column) {
    for (int64_t at = 0; at < extents[1]; ++at) {
      for (int64_t batch = 0; batch < extents[2]; ++batch) {
        int64_t place = tile.first + column * tile.column + at * tile.length +
                        batch * tile.batch;
        places.insert(place);
        REQUIRE(place >= 0);
        REQUIRE(place < tile.count);
        REQUIRE(address(tile, place) - tile.origin_offset ==
                column * steps[0] + at * steps[1] + batch * steps[2]);
      }
    }
  }
  REQUIRE(places.size() == tile.count);
  for (int64_t i = 0; tile.round != 0 && i + kRound < tile.count; ++i) {
    REQUIRE(address(tile, i + kRound) - address(tile, i) == tile.round);
  }
  // Vectors start at multiples of their size, in both memories.
  for (int64_t i = 0; tile.vectors != kNoVectors && i < tile.count; ++i) {
    if (i + 1 < tile.count && i % kPerVector != kPerVector - 1) {
      REQUIRE(address(tile, i + 1) == address(tile, i) + 1);
    }
    if (tile.vectors == kAlignedVectors) {
      REQUIRE(address(tile, i) % kPerVector == i % kPerVector);
    }
  }
}

void check(const int64_t (&extents)[3], const int64_t (&steps)[3]) {
  TileAxis axes[3];
  for (uint32_t i = 0; i < 3; ++i) axes[i] = tile_axis(i, extents[i], steps[i]);
  check(extents, steps, axes);
}

// Without the steps of some axes, as where an array is broadcast.
void check_broadcast(const int64_t (&extents)[3], const int64_t (&out_steps)[3],
                     int broadcast) {
  int64_t steps[3];
  TileAxis axes[3], out_axes[3];
  for (uint32_t i = 0; i < 3; ++i) {
    steps[i] = broadcast >> i & 1 ? 0 : out_steps[i];
    axes[i] = tile_axis(i, extents[i], steps[i], out_steps[i]);
    out_axes[i] = tile_axis(i, extents[i], out_steps[i]);
  }
  check(extents, steps, axes);
  TileLayout tile = tile_layout(axes[0], axes[1], axes[2], kPerVector, kRound);
  TileLayout out =
      tile_layout(out_axes[0], out_axes[1], out_axes[2], kPerVector, kRound);
  REQUIRE(tile.first == out.first);
  REQUIRE(tile.column == out.column);
  REQUIRE(tile.length == out.length);
  REQUIRE(tile.batch == out.batch);
}

}  // namespace

TEST_CASE("each element of a tile has a place of its own") {
  const int64_t sizes[]{1, 2, 3, 4, 8};
  // The nesting order of the axes, and the padding between them.
  const int orders[][3]{{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (int64_t a : sizes) {
    for (int64_t b : sizes) {
      for (int64_t c : sizes) {
        for (const auto& order : orders) {
          for (int64_t gap : {0, 1, 4}) {
            for (int reversed = 0; reversed < 8; ++reversed) {
              const int64_t extents[3]{a, b, c};
              int64_t steps[3], step = 1;
              for (int i : order) {
                steps[i] = reversed >> i & 1 ? -step : step;
                step = step * extents[i] + gap;
              }
              check(extents, steps);
              check_broadcast(extents, steps, reversed);
            }
          }
        }
      }
    }
  }
}
