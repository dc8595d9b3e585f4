// Dropout by bytes drawn before: the loop of compiled_dropout.py.

#include <cstdint>

#include "threads.h"

struct Dropout {
    int64_t size;          // values
    int64_t threads;
    int64_t dropped;       // bytes below it drop a value
    float scale;           // of values that stay
    const uint8_t* drawn;  // [size]
};

// Write values, [size], 0 where they are dropped and scaled elsewhere; a factor of 0 keeps what is no number.
extern "C" void drop(const Dropout& dropout, const float* values, float* out) {
    in_threads(dropout.threads, [&](int64_t thread) {
        // registers, without which compilers do not vectorise
        const uint8_t *drawn = dropout.drawn, dropped = dropout.dropped;
        const float scale = dropout.scale;
        const int64_t end = dropout.size * (thread + 1) / dropout.threads;
#pragma omp simd
        for (int64_t i = dropout.size * thread / dropout.threads; i < end; ++i) out[i] = values[i] * (drawn[i] < dropped ? 0 : scale);
    });
}
