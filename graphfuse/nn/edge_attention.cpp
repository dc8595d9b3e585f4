// Attention over edges, forward and gradient: the loops of edge_attention.py without a tensor per step.
//
// Compiled once per HEADS, CHANNELS (all heads together) and machine. Edges with a product term go in blocks that stay in the cache,
// from where BLAS multiplies it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "edges.h"

namespace {

constexpr int64_t WIDTH = CHANNELS / HEADS;
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

}  // namespace

struct Attention : Edges {
    int64_t across_relations;    // 1: all edges of a node compete; 0: those of a slot
    float slope;                 // of the leaky rectifier
    float largest_exponent;      // bound for edges of weight 0, which do not count for the largest score
    const float* attention;      // [num_relations, CHANNELS]
    const float* product_score;  // [HEADS, CHANNELS], or null without a product
    const float* weight;         // [num_edges], or null
    const int64_t* relation;     // [num_edges]
    float* share;                // [num_edges, HEADS]
    float* unit;                 // share that an edge would have if its weight alone were 1, [num_edges, HEADS], or null
};

namespace {

// Call work(first edge, end) for each group of edges of a node that compete.
template <typename Work>
inline void by_group(const Attention& edges, int64_t node, Work work) {
    const int64_t end = edges.nodes[node + 1];
    for (int64_t first = edges.nodes[node], next; first < end; first = next) {
        next = end;
        if (!edges.across_relations)
            for (next = first + 1; next < end && edges.to[next] == edges.to[first];) ++next;
        work(first, next);
    }
}

// Write the scores of an edge, [HEADS]; product [CHANNELS] or null.
inline void score(const Attention& edges, int64_t edge, const float* product, float* out) {
    const float* value = edges.value(edge);
    const float* match = edges.match(edge);
    const float* attention = edges.attention + edges.relation[edge] * CHANNELS;
    const float slope = edges.slope;  // a register, without which compilers do not vectorise
    float bent[CHANNELS];
    for (int64_t c = 0; c < CHANNELS; ++c) {
        const float joint = value[c] + match[c];
        bent[c] = joint * (joint > 0 ? 1.0f : slope);
    }
    for (int64_t h = 0; h < HEADS; ++h) {
        out[h] = dot(bent + h * WIDTH, attention + h * WIDTH, WIDTH);
        if (product) out[h] += dot(product, edges.product_score + h * CHANNELS, CHANNELS);
    }
}

// Turn the scores of competing edges [first, last) into shares.
void softmax(const Attention& edges, int64_t first, int64_t last) {
    float peak[HEADS], sum[HEADS] = {};
    std::fill(peak, peak + HEADS, NOTHING);
    for (int64_t e = first; e < last; ++e)
        if (!edges.weight || edges.weight[e] != 0)
            for (int64_t h = 0; h < HEADS; ++h) peak[h] = std::max(peak[h], edges.share[e * HEADS + h]);
    for (float& each : peak) each = each == NOTHING ? 0 : each;
    for (int64_t e = first; e < last; ++e)
        for (int64_t h = 0; h < HEADS; ++h) {
            float& share = edges.share[e * HEADS + h];
            const float above = share - peak[h];
            share = std::exp(above > edges.largest_exponent ? edges.largest_exponent : above);  // keeps NaN
            if (edges.unit) edges.unit[e * HEADS + h] = share;
            if (edges.weight) share *= edges.weight[e];
            sum[h] += share;
        }
    for (float& each : sum) each = each == 0 ? 1 : each;
    for (int64_t e = first; e < last; ++e)
        for (int64_t h = 0; h < HEADS; ++h) {
            edges.share[e * HEADS + h] /= sum[h];
            if (edges.unit) edges.unit[e * HEADS + h] /= sum[h];
        }
}

// Add the gradients of an edge's additive score and message: arrived [CHANNELS] at its node, found [HEADS] of its scores.
void backward_of_sum(const Attention& edges, int64_t edge, const float* arrived, const float* found, float* __restrict__ of_attention,
                     float* __restrict__ of_source, float* __restrict__ of_destination) {
    const float* value = edges.value(edge);
    const float* match = edges.match(edge);
    const float* attention = edges.attention + edges.relation[edge] * CHANNELS;
    const float* share = edges.share + edge * HEADS;
    const float slope = edges.slope;
    for (int64_t h = 0; h < HEADS; ++h)
        for (int64_t w = 0; w < WIDTH; ++w) {
            const int64_t c = h * WIDTH + w;
            const float joint = value[c] + match[c], bend = joint > 0 ? 1.0f : slope;
            const float of_joint = attention[c] * found[h] * bend;
            of_attention[c] += joint * bend * found[h];
            of_source[c] += arrived[c] * share[h] + of_joint;
            of_destination[c] += of_joint;
        }
}

}  // namespace

// Write the shares, and what nodes receive: out [num_nodes, CHANNELS].
extern "C" void forward(const Attention& edges, float* out) {
    in_blocks(edges, [&](int64_t first, int64_t last, const ProductTerm& term, int64_t) {
        for (int64_t node = first; node < last; ++node) {
            float received[CHANNELS] = {};
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                if (!edges.mix && e + AHEAD < edges.num_edges) fetch(edges, edges.source, e + AHEAD);
                score(edges, e, term.of(e), edges.share + e * HEADS);
            }
            by_group(edges, node, [&](int64_t from, int64_t to) { softmax(edges, from, to); });
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                const float *value = edges.value(e), *product = term.of(e);
                for (int64_t h = 0; h < HEADS; ++h)
                    for (int64_t c = h * WIDTH; c < (h + 1) * WIDTH; ++c)
                        received[c] += edges.share[e * HEADS + h] * (product ? value[c] + product[c] : value[c]);
            }
            std::copy(received, received + CHANNELS, out + node * CHANNELS);
        }
    });
}

// Add up all gradients.
//
// gradient [num_nodes, CHANNELS] of what nodes receive. of_source [rows of `row_of_source`, source_stride]; of_destination like
// destination, and cleared here; of_attention [threads, num_relations, CHANNELS]; of_mix [threads, CHANNELS, CHANNELS], of_mix_bias
// [threads, CHANNELS] and of_product_score [threads, HEADS, CHANNELS], or null; of_weight [num_edges] or null. of_score [num_edges,
// HEADS] is for the gradients of scores.
extern "C" void backward(const Attention& edges, const float* gradient, int64_t num_relations, float* of_source, float* of_destination,
                         float* of_attention, float* of_mix, float* of_mix_bias, float* of_product_score, float* of_weight,
                         float* of_score) {
    in_blocks(edges, [=, &edges](int64_t first, int64_t last, ProductTerm& term, int64_t thread) {
        float* own = of_attention + thread * num_relations * CHANNELS;
        for (int64_t node = first; node < last; ++node) {
            const float* arrived = gradient + node * CHANNELS;
            // 1. The softmax: how much each edge's gradient is above its group's mean, times its share
            by_group(edges, node, [&](int64_t from, int64_t to) {
                float mean[HEADS] = {};
                for (int64_t e = from; e < to; ++e) {
                    if (e + AHEAD < edges.num_edges) {
                        if (!edges.mix) fetch(edges, edges.source, e + AHEAD);
                        if (edges.threads == 1) fetch<1>(edges, of_source, e + AHEAD);
                    }
                    const float *value = edges.value(e), *product = term.of(e);
                    float message[CHANNELS];
                    for (int64_t c = 0; c < CHANNELS; ++c) message[c] = product ? value[c] + product[c] : value[c];
                    for (int64_t h = 0; h < HEADS; ++h) {
                        of_score[e * HEADS + h] = dot(arrived + h * WIDTH, message + h * WIDTH, WIDTH);
                        mean[h] += of_score[e * HEADS + h] * edges.share[e * HEADS + h];
                    }
                }
                for (int64_t e = from; e < to; ++e) {
                    float sum = 0;
                    for (int64_t h = 0; h < HEADS; ++h) {
                        const float apart = of_score[e * HEADS + h] - mean[h];
                        if (of_weight) sum += edges.unit[e * HEADS + h] * apart;
                        of_score[e * HEADS + h] = edges.share[e * HEADS + h] * apart;
                    }
                    if (of_weight) of_weight[e] = sum;
                }
            });
            // 2. The additive score and the message
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                float* into_source = of_source + edges.row_of_source(e) * edges.source_stride;
                float* into_destination = of_destination + edges.to[e] * edges.destination_stride;
                clear(edges, of_destination, e);
                backward_of_sum(edges, e, arrived, of_score + e * HEADS, own + edges.relation[e] * CHANNELS, into_source, into_destination);
                if (!edges.mix) continue;
                // 3. The product, through the message and through the score
                const float* product = term.of(e);
                float* into_product = term.gradient(e);
                float through[CHANNELS] = {};
                for (int64_t h = 0; h < HEADS; ++h) {
                    for (int64_t c = 0; c < CHANNELS; ++c) through[c] += of_score[e * HEADS + h] * edges.product_score[h * CHANNELS + c];
                    for (int64_t c = h * WIDTH; c < (h + 1) * WIDTH; ++c) through[c] += arrived[c] * edges.share[e * HEADS + h];
                }
                for (int64_t c = 0; c < CHANNELS; ++c) into_product[c] = product[c] <= 0 ? 0 : through[c];
            }
        }
        if (!edges.mix) return;
        const int64_t stop = edges.nodes[last];
        float* of_own_score = of_product_score + thread * HEADS * CHANNELS;
        for (int64_t e = edges.nodes[first]; e < stop; e += BLOCK)
            add_gradient<CHANNELS, HEADS>(edges.sgemm, of_score + e * HEADS, term.of(e), of_own_score, std::min(BLOCK, stop - e));
        term.backward(of_mix + thread * CHANNELS * CHANNELS, of_mix_bias + thread * CHANNELS, of_source, of_destination);
    });
}
