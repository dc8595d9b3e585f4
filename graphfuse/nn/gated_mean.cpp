// Means of gated messages, forward and gradient: the loops of compiled_gated_mean.py.
//
// Compiled once per CHANNELS and machine, and called with plain pointers to contiguous arrays.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "edges.h"

// What does not change from block to block.
struct Gates : Edges {
    float bias;               // of the gate
    const float* weight;      // of the gate, [CHANNELS]
    const float* share;       // of each edge in the mean of its slot, [num_edges]
    float* gate;              // [num_edges]
};

// Write the gates of a block, and what its nodes receive: product [block, CHANNELS], out [num_nodes, CHANNELS].
extern "C" void forward(const Gates& edges, int64_t first, int64_t last, int64_t threads, const float* product, float* out) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t node = start; node < end; ++node) {
            float received[CHANNELS] = {};
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                if (e + AHEAD < edges.nodes[end]) fetch(edges, edges.source, e + AHEAD);
                const float *value = edges.value(e), *more = product + (e - begin) * CHANNELS;
                const float gate = 1 / (1 + std::exp(-(dot(more, edges.weight, CHANNELS) + edges.bias)));
                const float factor = gate * edges.share[e];
                for (int64_t c = 0; c < CHANNELS; ++c) received[c] += factor * (value[c] + more[c]);
                edges.gate[e] = gate;
            }
            std::copy(received, received + CHANNELS, out + node * CHANNELS);
        }
    });
}

// Add up the gradients of a block, all but those that pass through the pairs.
//
// gradient [num_nodes, CHANNELS] of what nodes receive. of_source: [num_source_slots, source_stride] with one thread; with several,
// which may share a source, [num_edges, source_stride]. of_destination like destination is only cleared here; of_share [num_edges] or
// null, of_score [num_edges] that went into the gate, of_product [block, CHANNELS] (before the rectifier).
extern "C" void backward(const Gates& edges, int64_t first, int64_t last, int64_t threads, const float* product, const float* gradient,
                         float* of_source, float* of_destination, float* of_share, float* of_score, float* of_product) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [=, &edges](int64_t start, int64_t end, int64_t) {
        for (int64_t node = start; node < end; ++node) {
            const float* arrived = gradient + node * CHANNELS;
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                if (e + AHEAD < edges.nodes[end]) {
                    fetch(edges, edges.source, e + AHEAD);
                    if (threads == 1) fetch<1>(edges, of_source, e + AHEAD);
                }
                const float *value = edges.value(e), *more = product + (e - begin) * CHANNELS, gate = edges.gate[e];
                float* into_source = of_source + (threads == 1 ? edges.from[e] : e) * edges.source_stride;
                float* into_product = of_product + (e - begin) * CHANNELS;
                clear(edges, of_destination, e);
                float message[CHANNELS];
                for (int64_t c = 0; c < CHANNELS; ++c) message[c] = value[c] + more[c];
                const float of_factor = dot(arrived, message, CHANNELS), factor = gate * edges.share[e];
                const float score = of_factor * factor * (1 - gate);
                if (of_share) of_share[e] = of_factor * gate;
                of_score[e] = score;
                const float* weight = edges.weight;
#pragma omp simd
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    const float of_message = arrived[c] * factor;
                    into_source[c] += of_message;
                    into_product[c] = more[c] <= 0 ? 0 : of_message + score * weight[c];
                }
            }
        }
    });
}
