// Products of blocks of rows by BLAS, which takes columns for rows, and so the factors turned.
#pragma once

#include <algorithm>
#include <cstdint>

// BLAS's product of float32 matrices.
using Product = void (*)(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*, const float*,
                         const int*, const float*, float*, const int*);

// Rows and channels that are multiplied at once: so few that they stay in the first-level cache, and that BLAS neither packs nor shares
// out among threads of its own what it multiplies.
constexpr int TILE = 64;

// How many rows in a block, of so many channels before and after; few channels leave room for more.
constexpr int64_t rows_in_block(int64_t before, int64_t after) { return std::clamp<int64_t>(TILE * TILE * TILE / (before * after), TILE, 128); }

// Call work(first, number) for stretches of channels: all of them where rows times both kinds of channels are few enough, else TILE at a
// time.
template <typename Work>
inline void in_tiles(int channels, bool few, Work work) {
    const int size = few ? channels : TILE;
    for (int first = 0; first < channels; first += size) work(first, std::min(size, channels - first));
}

// Multiply: out [rows, WIDTH] = before * out + a [rows, INNER] b [INNER, WIDTH].
template <int INNER, int WIDTH>
inline void multiply(Product sgemm, const float* a, const float* b, float before, float* out, int64_t rows) {
    const int width = WIDTH, inner = INNER, height = rows;
    const bool few = rows * INNER * WIDTH <= TILE * TILE * TILE;
    const float one = 1;
    in_tiles(WIDTH, few, [&](int w, int some_width) {
        in_tiles(INNER, few, [&](int i, int some_inner) {
            sgemm("N", "N", &some_width, &height, &some_inner, &one, b + i * WIDTH + w, &width, a + i, &inner, i ? &one : &before, out + w,
                  &width);
        });
    });
}

// Add the gradient of a matrix: of_matrix [AFTER, BEFORE] += of_y [rows, AFTER]^T a [rows, BEFORE].
template <int BEFORE, int AFTER>
inline void add_gradient(Product sgemm, const float* of_y, const float* a, float* of_matrix, int64_t rows) {
    const int before = BEFORE, after = AFTER, inner = rows;
    const bool few = rows * BEFORE * AFTER <= TILE * TILE * TILE;
    const float one = 1;
    in_tiles(AFTER, few, [&](int o, int some_after) {
        in_tiles(BEFORE, few, [&](int i, int some_before) {
            sgemm("N", "T", &some_before, &some_after, &inner, &one, a + i, &before, of_y + o, &after, &one, of_matrix + o * BEFORE + i,
                  &before);
        });
    });
}

// Write a matrix [AFTER, BEFORE] with rows for columns, [BEFORE, AFTER]: BLAS is faster with those.
template <int BEFORE, int AFTER>
inline void turn(const float* matrix, float* turned) {
    for (int64_t i = 0; i < BEFORE; ++i)
        for (int64_t o = 0; o < AFTER; ++o) turned[i * AFTER + o] = matrix[o * BEFORE + i];
}
