// Ways from edges to the slots of their ends, for loops over edges that are sorted by destination slot.
//
// Edges of a node stand together, and in it those of each slot. A block is a range of nodes [first, last), and arrays "of the block"
// begin with its first edge. Each node belongs to one thread, which goes through its edges in order: results do not depend on how
// threads are scheduled.
#pragma once

#include <algorithm>
#include <cstdint>

#include "threads.h"

// The edges of a plan, and the tables of slots that they join. A row of sources holds a value, and behind it a key where there is a
// product; a row of destinations ends with a query where there is a product.
struct Edges {
    int64_t num_edges;
    int64_t num_slots;              // of destinations
    int64_t source_stride;          // CHANNELS, or twice as many
    int64_t destination_stride;     // likewise
    const float* source;            // [num_source_slots, source_stride]
    const float* destination;       // [num_slots, destination_stride]
    const int64_t* from;            // source slot, [num_edges]
    const int64_t* to;              // destination slot, [num_edges]
    const int64_t* nodes;           // first edge of each node, [num_nodes + 1]

    const float* value(int64_t edge) const { return source + from[edge] * source_stride; }
    const float* key(int64_t edge) const { return value(edge) + CHANNELS; }
    const float* match(int64_t edge) const { return destination + to[edge] * destination_stride; }
    const float* query(int64_t edge) const { return match(edge) + destination_stride - CHANNELS; }
};

namespace {

constexpr int64_t AHEAD = 8;  // edges by which rows are fetched before they are needed
constexpr int64_t LINE = 16;  // floats in a line of the cache

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

// Have the row that an edge a little ahead finds in a table of sources, or in their gradients, brought into the cache: rows
// lie anywhere, and waiting for them took longer than all else.
template <int writing = 0>
inline void fetch(const Edges& edges, const float* table, int64_t edge) {
    const float* row = table + edges.from[edge] * edges.source_stride;
    for (int64_t c = 0; c < CHANNELS; c += LINE) __builtin_prefetch(row + c, writing);
}

inline float dot(const float* left, const float* right, int64_t size) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < size; ++c) sum += left[c] * right[c];
    return sum;
}

// Set the rows of a table of destination slots to zero that no edge before this one has touched, up to its own; behind the last
// edge all that are left.  Edges are sorted by slot, so each row is cleared once, just before it is needed.
inline void clear(const Edges& edges, float* table, int64_t edge) {
    const int64_t before = edge ? edges.to[edge - 1] : -1, end = edge + 1 == edges.num_edges ? edges.num_slots : edges.to[edge] + 1;
    if (before + 1 < end) std::fill(table + (before + 1) * edges.destination_stride, table + end * edges.destination_stride, 0.0f);
}

}  // namespace

// Multiply key and query of every edge of a block: pairs [block, CHANNELS].
extern "C" void pair(const Edges& edges, int64_t first, int64_t last, int64_t threads, float* pairs) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t e = edges.nodes[start]; e < edges.nodes[end]; ++e) {
            if (e + AHEAD < edges.nodes[end]) fetch(edges, edges.source + CHANNELS, e + AHEAD);
            const float *key = edges.key(e), *query = edges.query(e);
            for (int64_t c = 0; c < CHANNELS; ++c) pairs[(e - begin) * CHANNELS + c] = key[c] * query[c];
        }
    });
}

// Add the gradients of a block's keys and queries: of_pair [block, CHANNELS]. of_source: [num_source_slots, source_stride] with one
// thread; with several, which may share a source, [num_edges, source_stride]. of_destination like destination.
extern "C" void backward_pair(const Edges& edges, int64_t first, int64_t last, int64_t threads, const float* of_pair, float* of_source,
                              float* of_destination) {
    const int64_t begin = edges.nodes[first];
    in_parts(edges, first, last, threads, [&](int64_t start, int64_t end, int64_t) {
        for (int64_t e = edges.nodes[start]; e < edges.nodes[end]; ++e) {
            if (e + AHEAD < edges.nodes[end]) {
                fetch(edges, edges.source + CHANNELS, e + AHEAD);
                if (threads == 1) fetch<1>(edges, of_source + CHANNELS, e + AHEAD);
            }
            const float *key = edges.key(e), *query = edges.query(e), *found = of_pair + (e - begin) * CHANNELS;
            float* into_source = of_source + (threads == 1 ? edges.from[e] : e) * edges.source_stride + CHANNELS;
            float* into_destination = of_destination + (edges.to[e] + 1) * edges.destination_stride - CHANNELS;
#pragma omp simd
            for (int64_t c = 0; c < CHANNELS; ++c) {
                into_source[c] += found[c] * query[c];
                into_destination[c] += found[c] * key[c];
            }
        }
    });
}
