// What nodes knew and received, added and normalised, forward and gradient: the loops of compiled_residual.py.
//
// Compiled once per CHANNELS and machine. Each node belongs to one thread.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "threads.h"

struct Residual {
    int64_t num_types;
    int64_t threads;
    int64_t dropped;             // bytes below it drop a value
    float scale;                 // of values that stay
    float epsilon;               // of the norms
    const int64_t* nodes;        // first node of each type, and the end, [num_types + 1]
    const float* const* weight;  // of each type's norm, [CHANNELS]
    const float* const* bias;    // likewise
    const uint8_t* drawn;        // [num_nodes, CHANNELS], or null: nothing is dropped
    const float* received;       // [num_nodes, CHANNELS]
    float* normal;               // sums before the norm's weight and bias, [num_nodes, CHANNELS]
    float* inverse;              // of the deviation of each node's sums, [num_nodes]
};

namespace {

constexpr int64_t BLOCK = 64;  // nodes whose gradients of parameters are added up before they join the rest, which keeps digits

// Call work(type, first node, end) for blocks of the nodes of a thread.
template <typename Work>
void in_blocks(const Residual& residual, int64_t thread, Work work) {
    const int64_t all = residual.nodes[residual.num_types];
    const int64_t begin = all * thread / residual.threads, end = all * (thread + 1) / residual.threads;
    for (int64_t type = 0; type < residual.num_types; ++type) {
        const int64_t last = std::min(residual.nodes[type + 1], end);
        for (int64_t node = std::max(residual.nodes[type], begin); node < last; node += BLOCK) work(type, node, std::min(node + BLOCK, last));
    }
}

// Write what is left of each channel of a node after dropout: a factor.
inline void kept(const Residual& residual, int64_t node, float* factor) {
    std::fill(factor, factor + CHANNELS, 1.0f);
    if (!residual.drawn) return;
    const uint8_t *drawn = residual.drawn + node * CHANNELS, dropped = residual.dropped;
    const float scale = residual.scale;
#pragma omp simd
    for (int64_t c = 0; c < CHANNELS; ++c) factor[c] = drawn[c] < dropped ? 0 : scale;
}

}  // namespace

// Write norm(before + dropout(relu(received))): before and out [num_nodes, CHANNELS].
extern "C" void forward(const Residual& residual, const float* before, float* out) {
    in_threads(residual.threads, [&](int64_t thread) {
        in_blocks(residual, thread, [&](int64_t type, int64_t first, int64_t end) {
            const float *weight = residual.weight[type], *bias = residual.bias[type];
            for (int64_t node = first; node < end; ++node) {
                const float *knew = before + node * CHANNELS, *received = residual.received + node * CHANNELS;
                float* normal = residual.normal + node * CHANNELS;
                float sum[CHANNELS], factor[CHANNELS];
                kept(residual, node, factor);
                float mean = 0, variance = 0;
#pragma omp simd reduction(+ : mean)
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    sum[c] = knew[c] + (received[c] < 0 ? 0 : received[c]) * factor[c];  // keeps NaN
                    mean += sum[c];
                }
                mean /= CHANNELS;
#pragma omp simd reduction(+ : variance)
                for (int64_t c = 0; c < CHANNELS; ++c) variance += (sum[c] - mean) * (sum[c] - mean);
                const float inverse = 1 / std::sqrt(variance / CHANNELS + residual.epsilon);
                residual.inverse[node] = inverse;
#pragma omp simd
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    normal[c] = (sum[c] - mean) * inverse;
                    out[node * CHANNELS + c] = normal[c] * weight[c] + bias[c];
                }
            }
        });
    });
}

// Write the gradients of what nodes knew and received, [num_nodes, CHANNELS] each, and add those of weights and biases of the norms,
// [threads, num_types, CHANNELS] each.
extern "C" void backward(const Residual& residual, const float* gradient, float* of_before, float* of_received, float* of_weight,
                         float* of_bias) {
    in_threads(residual.threads, [&](int64_t thread) {
        in_blocks(residual, thread, [&](int64_t type, int64_t first, int64_t end) {
            const float* weight = residual.weight[type];
            float weights[CHANNELS] = {}, biases[CHANNELS] = {};
            for (int64_t node = first; node < end; ++node) {
                const float *arrived = gradient + node * CHANNELS, *received = residual.received + node * CHANNELS;
                const float* normal = residual.normal + node * CHANNELS;
                float *knew = of_before + node * CHANNELS, *into = of_received + node * CHANNELS;
                float factor[CHANNELS], of_normal[CHANNELS];
                kept(residual, node, factor);
                float mean = 0, along = 0;
#pragma omp simd reduction(+ : mean, along)
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    weights[c] += arrived[c] * normal[c];
                    biases[c] += arrived[c];
                    of_normal[c] = arrived[c] * weight[c];
                    mean += of_normal[c];
                    along += of_normal[c] * normal[c];
                }
                mean /= CHANNELS, along /= CHANNELS;
                const float inverse = residual.inverse[node];
#pragma omp simd
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    knew[c] = (of_normal[c] - mean - normal[c] * along) * inverse;
                    into[c] = received[c] <= 0 ? 0 : knew[c] * factor[c];
                }
            }
            const int64_t place = (thread * residual.num_types + type) * CHANNELS;
            for (int64_t c = 0; c < CHANNELS; ++c) of_weight[place + c] += weights[c], of_bias[place + c] += biases[c];
        });
    });
}
