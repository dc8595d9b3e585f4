// Products of blocks of rows by BLAS, which takes columns for rows, and so the factors turned.
#pragma once

#include <algorithm>
#include <cstdint>

// BLAS's product of float32 matrices.
using Product = void (*)(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*, const float*,
                         const int*, const float*, float*, const int*);

// How many rows in a block, of so many channels before and after: so few that they stay in the first-level cache, and that BLAS neither
// packs nor shares out what it multiplies.
constexpr int64_t rows_in_block(int64_t before, int64_t after) { return std::clamp<int64_t>((1 << 18) / (before * after), 16, 128); }

// Multiply: out [rows, WIDTH] = before * out + a [rows, INNER] b [INNER, WIDTH].
template <int INNER, int WIDTH>
inline void multiply(Product sgemm, const float* a, const float* b, float before, float* out, int64_t rows) {
    const int width = WIDTH, inner = INNER, height = rows;
    const float one = 1;
    sgemm("N", "N", &width, &height, &inner, &one, b, &width, a, &inner, &before, out, &width);
}

// Add the gradient of a matrix: of_matrix [AFTER, BEFORE] += of_y [rows, AFTER]^T a [rows, BEFORE].
template <int BEFORE, int AFTER>
inline void add_gradient(Product sgemm, const float* of_y, const float* a, float* of_matrix, int64_t rows) {
    const int before = BEFORE, after = AFTER, inner = rows;
    const float one = 1;
    sgemm("N", "T", &before, &after, &inner, &one, a, &before, of_y, &after, &one, of_matrix, &before);
}

// Write a matrix [AFTER, BEFORE] with rows for columns, [BEFORE, AFTER]: BLAS is faster with those.
template <int BEFORE, int AFTER>
inline void turn(const float* matrix, float* turned) {
    for (int64_t i = 0; i < BEFORE; ++i)
        for (int64_t o = 0; o < AFTER; ++o) turned[i * AFTER + o] = matrix[o * BEFORE + i];
}
