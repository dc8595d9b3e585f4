// Ways from edges to the slots of their ends, for loops over edges that are sorted by destination slot.
//
// Edges of a node stand together, and in it those of each slot. Each node belongs to one thread, which goes through its edges in
// order: results do not depend on how threads are scheduled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "blas.h"
#include "threads.h"

// The edges of a plan, and the tables of slots that they join. A row of sources holds a value, and behind it a key where there is a
// product; a row of destinations ends with a query where there is a product.
struct Edges {
    int64_t num_nodes;
    int64_t num_edges;
    int64_t num_slots;              // of destinations
    int64_t source_stride;          // CHANNELS, or twice as many
    int64_t destination_stride;     // likewise
    int64_t threads;
    Product sgemm;                  // of BLAS
    const float* source;            // [num_source_slots, source_stride]
    const float* destination;       // [num_slots, destination_stride]
    const int64_t* from;            // source slot, [num_edges]
    const int64_t* to;              // destination slot, [num_edges]
    const int64_t* nodes;           // first edge of each node, [num_nodes + 1]
    const float* mix;               // of the product term `relu(mix (key * query) + mix_bias)`, [CHANNELS, CHANNELS], or null without one
    const float* mix_bias;          // [CHANNELS], or null

    const float* value(int64_t edge) const { return source + from[edge] * source_stride; }
    const float* key(int64_t edge) const { return value(edge) + CHANNELS; }
    const float* match(int64_t edge) const { return destination + to[edge] * destination_stride; }
    const float* query(int64_t edge) const { return match(edge) + destination_stride - CHANNELS; }
    // Row of an edge in the gradient of sources, which is like the table with one thread; with several, which may share a source, each
    // edge has a row, [num_edges, source_stride]
    int64_t row_of_source(int64_t edge) const { return threads == 1 ? from[edge] : edge; }
};

namespace {

constexpr int64_t AHEAD = 8;  // edges by which rows are fetched before they are needed
constexpr int64_t LINE = 16;  // floats in a line of the cache
constexpr int64_t BLOCK = rows_in_block(CHANNELS, CHANNELS);

// Call work(first node, end, number of the thread) for parts of all nodes with about as many edges each.
template <typename Work>
void in_parts(const Edges& edges, Work work) {
    const auto bound = [&](int64_t part) {
        const int64_t* end = edges.nodes + edges.num_nodes;
        if (part == edges.threads) return edges.num_nodes;
        return int64_t(std::lower_bound(edges.nodes, end, edges.num_edges * part / edges.threads) - edges.nodes);
    };
    in_threads(edges.threads, [&](int64_t number) { work(bound(number), bound(number + 1), number); });
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

// The product terms of some edges at a time, for one thread, and their gradients.
class ProductTerm {
   public:
    explicit ProductTerm(const Edges& edges) : edges_(edges) {
        if (!edges.mix) return;
        turned_.resize(CHANNELS * CHANNELS);
        turn<CHANNELS, CHANNELS>(edges.mix, turned_.data());
    }

    // Compute the terms of edges [first, last), if there is a product.
    void compute(int64_t first, int64_t last) {
        if (!edges_.mix) return;
        first_ = first, last_ = last;
        const size_t size = (last - first) * CHANNELS;
        if (terms_.size() < size)
            for (auto* each : {&pairs_, &terms_, &of_terms_}) each->resize(size);
        for (int64_t e = first; e < last; ++e) {
            if (e + AHEAD < edges_.num_edges)
                for (int64_t half : {0, CHANNELS}) fetch(edges_, edges_.source + half, e + AHEAD);
            const float *key = edges_.key(e), *query = edges_.query(e);
            float *pair = &pairs_[(e - first) * CHANNELS], *term = &terms_[(e - first) * CHANNELS];
            for (int64_t c = 0; c < CHANNELS; ++c) pair[c] = key[c] * query[c];
            std::copy(edges_.mix_bias, edges_.mix_bias + CHANNELS, term);
        }
        in_rows([&](int64_t begin, int64_t rows) {
            float* terms = &terms_[begin];
            multiply<CHANNELS, CHANNELS>(edges_.sgemm, &pairs_[begin], turned_.data(), 1, terms, rows);
            for (int64_t i = 0; i < rows * CHANNELS; ++i) terms[i] = terms[i] < 0 ? 0 : terms[i];  // keeps NaN
        });
    }

    // Return the term of one of these edges, [CHANNELS], or null without a product.
    const float* of(int64_t edge) const { return edges_.mix ? &terms_[(edge - first_) * CHANNELS] : nullptr; }

    // Return where the gradient of one of these terms (before the rectifier) is to be written, [CHANNELS].
    float* gradient(int64_t edge) { return &of_terms_[(edge - first_) * CHANNELS]; }

    // Add what follows from these: the gradients of mix [CHANNELS, CHANNELS], its bias [CHANNELS], keys and queries.
    //
    // of_source [rows of `row_of_source`, source_stride], of_destination like destination.
    void backward(float* of_mix, float* of_bias, float* of_source, float* of_destination) {
        in_rows([&](int64_t begin, int64_t rows) {
            const float* of_terms = &of_terms_[begin];
            add_gradient<CHANNELS, CHANNELS>(edges_.sgemm, of_terms, &pairs_[begin], of_mix, rows);
            float sum[CHANNELS] = {};
            for (int64_t row = 0; row < rows; ++row)
                for (int64_t c = 0; c < CHANNELS; ++c) sum[c] += of_terms[row * CHANNELS + c];
            for (int64_t c = 0; c < CHANNELS; ++c) of_bias[c] += sum[c];
            multiply<CHANNELS, CHANNELS>(edges_.sgemm, of_terms, edges_.mix, 0, &pairs_[begin], rows);
        });
        for (int64_t e = first_; e < last_; ++e) {
            if (edges_.threads == 1 && e + AHEAD < edges_.num_edges) fetch<1>(edges_, of_source + CHANNELS, e + AHEAD);
            const float *key = edges_.key(e), *query = edges_.query(e), *of_pair = &pairs_[(e - first_) * CHANNELS];
            float* into_source = of_source + edges_.row_of_source(e) * edges_.source_stride + CHANNELS;
            float* into_destination = of_destination + (edges_.to[e] + 1) * edges_.destination_stride - CHANNELS;
#pragma omp simd
            for (int64_t c = 0; c < CHANNELS; ++c) {
                into_source[c] += of_pair[c] * query[c];
                into_destination[c] += of_pair[c] * key[c];
            }
        }
    }

   private:
    // Call work(first number, number of rows) for rows that BLAS multiplies at once.
    template <typename Work>
    void in_rows(Work work) {
        for (int64_t row = 0; row < last_ - first_; row += BLOCK) work(row * CHANNELS, std::min(BLOCK, last_ - first_ - row));
    }

    const Edges& edges_;
    int64_t first_ = 0, last_ = 0;
    std::vector<float> turned_, pairs_, terms_, of_terms_;
};

// Call work(first node, end, their product terms, number of the thread) for nodes that have a block of edges together, or one that has
// more; for all nodes of a thread at once if no edge has a product.
template <typename Work>
void in_blocks(const Edges& edges, Work work) {
    in_parts(edges, [&](int64_t start, int64_t end, int64_t thread) {
        ProductTerm term(edges);
        for (int64_t first = start, last; first < end; first = last) {
            last = edges.mix ? first + 1 : end;
            while (last < end && edges.nodes[last + 1] - edges.nodes[first] <= BLOCK) ++last;
            term.compute(edges.nodes[first], edges.nodes[last]);
            work(first, last, term, thread);
        }
    });
}

}  // namespace
