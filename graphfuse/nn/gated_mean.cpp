// Means of gated messages, forward and gradient: the loops of compiled_gated_mean.py.
//
// Compiled once per CHANNELS and machine. Edges go in blocks that stay in the cache, from where BLAS multiplies their product terms.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "edges.h"

struct Gates : Edges {
    float gate_bias;
    const float* weight;      // of the gate, [CHANNELS]
    const float* share;       // of each edge in the mean of its slot, [num_edges]
    float* gate;              // [num_edges]
};

// Write the gates, and what nodes receive: out [num_nodes, CHANNELS].
extern "C" void forward(const Gates& edges, float* out) {
    in_blocks(edges, [&](int64_t first, int64_t last, const ProductTerm& term, int64_t) {
        for (int64_t node = first; node < last; ++node) {
            float received[CHANNELS] = {};
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                const float *value = edges.value(e), *product = term.of(e);
                const float gate = 1 / (1 + std::exp(-(dot(product, edges.weight, CHANNELS) + edges.gate_bias)));
                const float factor = gate * edges.share[e];
                for (int64_t c = 0; c < CHANNELS; ++c) received[c] += factor * (value[c] + product[c]);
                edges.gate[e] = gate;
            }
            std::copy(received, received + CHANNELS, out + node * CHANNELS);
        }
    });
}

// Add up the gradients of all but the parameters of the gate.
//
// gradient [num_nodes, CHANNELS] of what nodes receive. of_source [rows of `row_of_source`, source_stride]; of_destination like
// destination, and cleared here; of_mix [threads, CHANNELS, CHANNELS], of_mix_bias and of_weight [threads, CHANNELS]; of_share
// [num_edges] or null; of_score [num_edges], which is that of the gate's bias as well.
extern "C" void backward(const Gates& edges, const float* gradient, float* of_source, float* of_destination, float* of_mix,
                         float* of_mix_bias, float* of_weight, float* of_share, float* of_score) {
    in_blocks(edges, [=, &edges](int64_t first, int64_t last, ProductTerm& term, int64_t thread) {
        float through[CHANNELS] = {};  // the gate
        for (int64_t node = first; node < last; ++node) {
            const float* arrived = gradient + node * CHANNELS;
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                if (edges.threads == 1 && e + AHEAD < edges.num_edges) fetch<1>(edges, of_source, e + AHEAD);
                const float *value = edges.value(e), *product = term.of(e), gate = edges.gate[e];
                float* into_source = of_source + edges.row_of_source(e) * edges.source_stride;
                float* into_product = term.gradient(e);
                clear(edges, of_destination, e);
                float message[CHANNELS];
                for (int64_t c = 0; c < CHANNELS; ++c) message[c] = value[c] + product[c];
                const float of_factor = dot(arrived, message, CHANNELS), factor = gate * edges.share[e];
                const float score = of_factor * factor * (1 - gate);
                if (of_share) of_share[e] = of_factor * gate;
                of_score[e] = score;
                const float* weight = edges.weight;
#pragma omp simd
                for (int64_t c = 0; c < CHANNELS; ++c) {
                    const float of_message = arrived[c] * factor;
                    into_source[c] += of_message;
                    into_product[c] = product[c] <= 0 ? 0 : of_message + score * weight[c];
                    through[c] += score * product[c];
                }
            }
        }
        for (int64_t c = 0; c < CHANNELS; ++c) of_weight[thread * CHANNELS + c] += through[c];
        term.backward(of_mix + thread * CHANNELS * CHANNELS, of_mix_bias + thread * CHANNELS, of_source, of_destination);
    });
}
