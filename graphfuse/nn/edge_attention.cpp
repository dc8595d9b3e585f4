// Attention over edges, forward and gradient: the loops of edge_attention.py without a tensor per step.
//
// Compiled once per HEADS, CHANNELS (all heads together) and machine, and called with plain pointers to contiguous arrays.
// Edges are sorted by destination slot, so those of a node stand together, and in it those of each slot. A block is a range of
// nodes [first, last), and arrays "of the block" begin with its first edge. Each node belongs to one thread, which goes through
// its edges in order: results do not depend on how threads are scheduled.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "threads.h"

namespace {

constexpr int64_t WIDTH = CHANNELS / HEADS;
constexpr int64_t AHEAD = 8;  // edges by which rows are fetched before they are needed
constexpr int64_t LINE = 16;  // floats in a line of the cache
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

}  // namespace

// What does not change from block to block.  `stride` is CHANNELS, or twice as many where keys and queries stand behind
struct Edges {
    int64_t stride;
    int64_t across_relations;    // 1: all edges of a node compete; 0: those of a slot
    int64_t num_edges;
    int64_t num_slots;           // of destinations
    float slope;                 // of the leaky rectifier
    float largest_exponent;      // bound for edges of weight 0, which do not count for the largest score
    const float* source;         // [num_source_slots, stride]
    const float* destination;    // [num_destination_slots, stride]
    const float* attention;      // [num_relations, CHANNELS]
    const float* product_score;  // [HEADS, CHANNELS], or null without a product
    const float* weight;         // [num_edges], or null
    const int64_t* from;         // source slot, [num_edges]
    const int64_t* to;           // destination slot, [num_edges]
    const int64_t* relation;     // [num_edges]
    const int64_t* nodes;        // first edge of each node, [num_nodes + 1]
    float* share;                // [num_edges, HEADS]
    float* unit;                 // share that an edge would have if its weight alone were 1, [num_edges, HEADS], or null
};

namespace {

// Call work(first node, end, number of the thread) for parts of a range with about as many edges each.
template <typename Work>
void in_parts(const Edges& edges, int64_t first, int64_t last, int64_t threads, Work work) {
    const int64_t begin = edges.nodes[first], count = edges.nodes[last] - begin;
    const auto bound = [&](int64_t part) {
        if (part == threads) return last;
        return int64_t(std::lower_bound(edges.nodes + first, edges.nodes + last, begin + count * part / threads) - edges.nodes);
    };
    in_threads(threads, [&](int64_t number) { work(bound(number), bound(number + 1), number); });
}

// Call work(first edge, end) for each group of edges of a node that compete.
template <typename Work>
inline void by_group(const Edges& edges, int64_t node, Work work) {
    const int64_t end = edges.nodes[node + 1];
    for (int64_t first = edges.nodes[node], next; first < end; first = next) {
        next = end;
        if (!edges.across_relations)
            for (next = first + 1; next < end && edges.to[next] == edges.to[first];) ++next;
        work(first, next);
    }
}

// Have the row that an edge a little ahead finds in a table of sources, or in their gradients, brought into the cache: rows
// lie anywhere, and waiting for them took longer than all else.
template <int writing = 0>
inline void fetch(const Edges& edges, const float* table, int64_t edge) {
    const float* row = table + edges.from[edge] * edges.stride;
    for (int64_t c = 0; c < CHANNELS; c += LINE) __builtin_prefetch(row + c, writing);
}

inline float dot(const float* left, const float* right, int64_t size) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < size; ++c) sum += left[c] * right[c];
    return sum;
}

// Write the scores of an edge, [HEADS]; product [CHANNELS] or null.
inline void score(const Edges& edges, int64_t edge, const float* product, float* out) {
    const float* value = edges.source + edges.from[edge] * edges.stride;
    const float* match = edges.destination + edges.to[edge] * edges.stride;
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
void softmax(const Edges& edges, int64_t first, int64_t last) {
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

// Set the rows of a table of destination slots to zero that no edge before this one has touched, up to its own; behind the last
// edge all that are left.  Edges are sorted by slot, so each row is cleared once, just before it is needed.
inline void clear(const Edges& edges, float* table, int64_t edge) {
    const int64_t before = edge ? edges.to[edge - 1] : -1, end = edge + 1 == edges.num_edges ? edges.num_slots : edges.to[edge] + 1;
    if (before + 1 < end) std::fill(table + (before + 1) * edges.stride, table + end * edges.stride, 0.0f);
}

// Add the gradients of an edge's additive score and message: arrived [CHANNELS] at its node, found [HEADS] of its scores.
void backward_of_sum(const Edges& edges, int64_t edge, const float* arrived, const float* found, float* __restrict__ of_attention,
                     float* __restrict__ of_source, float* __restrict__ of_destination) {
    const float* value = edges.source + edges.from[edge] * edges.stride;
    const float* match = edges.destination + edges.to[edge] * edges.stride;
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

// Multiply key and query of every edge of a block: pairs [block, CHANNELS].
extern "C" void pair(const Edges& edges, int64_t first, int64_t last, int64_t threads, float* pairs) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t e = edges.nodes[start]; e < edges.nodes[end]; ++e) {
            if (e + AHEAD < edges.nodes[end]) fetch(edges, edges.source + CHANNELS, e + AHEAD);
            const float* key = edges.source + edges.from[e] * edges.stride + CHANNELS;
            const float* query = edges.destination + edges.to[e] * edges.stride + CHANNELS;
            for (int64_t c = 0; c < CHANNELS; ++c) pairs[(e - begin) * CHANNELS + c] = key[c] * query[c];
        }
    });
}

// Write the shares of a block, and add to what its nodes receive: product [block, CHANNELS] or null, out [num_nodes, CHANNELS].
extern "C" void forward(const Edges& edges, int64_t first, int64_t last, int64_t threads, const float* product, float* out) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t node = start; node < end; ++node) {
            float received[CHANNELS] = {};
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                if (e + AHEAD < edges.nodes[end]) fetch(edges, edges.source, e + AHEAD);
                score(edges, e, product ? product + (e - begin) * CHANNELS : nullptr, edges.share + e * HEADS);
            }
            by_group(edges, node, [&](int64_t from, int64_t to) { softmax(edges, from, to); });
            for (int64_t e = edges.nodes[node]; e < edges.nodes[node + 1]; ++e) {
                const float* value = edges.source + edges.from[e] * edges.stride;
                const float* more = product ? product + (e - begin) * CHANNELS : nullptr;
                for (int64_t h = 0; h < HEADS; ++h)
                    for (int64_t c = h * WIDTH; c < (h + 1) * WIDTH; ++c)
                        received[c] += edges.share[e * HEADS + h] * (more ? value[c] + more[c] : value[c]);
            }
            std::copy(received, received + CHANNELS, out + node * CHANNELS);
        }
    });
}

// Add up the gradients of a block, all but those that pass through the pairs.
//
// gradient [num_nodes, CHANNELS] of what nodes receive. of_source: [num_source_slots, stride] with one thread; with several,
// which may share a source, [num_edges, stride]. of_destination like destination, and cleared here; of_attention
// [threads, num_relations, CHANNELS], of_score [num_edges, HEADS], of_weight [num_edges] or null, of_product [block, CHANNELS]
// (before the rectifier) or null.
extern "C" void backward(const Edges& edges, int64_t first, int64_t last, int64_t threads, const float* product, const float* gradient,
                         int64_t num_relations, float* of_source, float* of_destination, float* of_attention, float* of_score,
                         float* of_weight, float* of_product) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [=, &edges](int64_t start, int64_t end, int64_t thread) {
        float* own = of_attention + thread * num_relations * CHANNELS;
        for (int64_t node = start; node < end; ++node) {
            const float* arrived = gradient + node * CHANNELS;
            // 1. The softmax: how much each edge's gradient is above its group's mean, times its share
            by_group(edges, node, [&](int64_t from, int64_t to) {
                float mean[HEADS] = {};
                for (int64_t e = from; e < to; ++e) {
                    if (e + AHEAD < edges.nodes[end]) {
                        fetch(edges, edges.source, e + AHEAD);
                        if (threads == 1) fetch<1>(edges, of_source, e + AHEAD);
                    }
                    const float* value = edges.source + edges.from[e] * edges.stride;
                    const float* more = product ? product + (e - begin) * CHANNELS : nullptr;
                    float message[CHANNELS];
                    for (int64_t c = 0; c < CHANNELS; ++c) message[c] = more ? value[c] + more[c] : value[c];
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
                float* into_source = of_source + (threads == 1 ? edges.from[e] : e) * edges.stride;
                float* into_destination = of_destination + edges.to[e] * edges.stride;
                clear(edges, of_destination, e);
                backward_of_sum(edges, e, arrived, of_score + e * HEADS, own + edges.relation[e] * CHANNELS, into_source, into_destination);
                if (!product) continue;
                // 3. The product, through the message and through the score
                const float* more = product + (e - begin) * CHANNELS;
                float* into_product = of_product + (e - begin) * CHANNELS;
                float through[CHANNELS] = {};
                for (int64_t h = 0; h < HEADS; ++h) {
                    for (int64_t c = 0; c < CHANNELS; ++c) through[c] += of_score[e * HEADS + h] * edges.product_score[h * CHANNELS + c];
                    for (int64_t c = h * WIDTH; c < (h + 1) * WIDTH; ++c) through[c] += arrived[c] * edges.share[e * HEADS + h];
                }
                for (int64_t c = 0; c < CHANNELS; ++c) into_product[c] = more[c] <= 0 ? 0 : through[c];
            }
        }
    });
}

// Add the gradients of a block's keys and queries: of_pair [block, CHANNELS], others as in backward.
extern "C" void backward_pair(const Edges& edges, int64_t first, int64_t last, int64_t threads, const float* of_pair, float* of_source,
                              float* of_destination) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t e = edges.nodes[start]; e < edges.nodes[end]; ++e) {
            if (e + AHEAD < edges.nodes[end]) {
                fetch(edges, edges.source + CHANNELS, e + AHEAD);
                if (threads == 1) fetch<1>(edges, of_source + CHANNELS, e + AHEAD);
            }
            const float* key = edges.source + edges.from[e] * edges.stride + CHANNELS;
            const float* query = edges.destination + edges.to[e] * edges.stride + CHANNELS;
            const float* found = of_pair + (e - begin) * CHANNELS;
            float* into_source = of_source + (threads == 1 ? edges.from[e] : e) * edges.stride + CHANNELS;
            float* into_destination = of_destination + edges.to[e] * edges.stride + CHANNELS;
#pragma omp simd
            for (int64_t c = 0; c < CHANNELS; ++c) {
                into_source[c] += found[c] * query[c];
                into_destination[c] += found[c] * key[c];
            }
        }
    });
}
