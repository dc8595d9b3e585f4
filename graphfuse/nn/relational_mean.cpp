// Means per relation, forward and gradient: the loops of compiled_mean.py.
//
// Compiled once per IN, OUT (channels of nodes before and after) and machine. Rows go in blocks that stay in the first-level
// cache, from where BLAS multiplies them. Each row and each node belongs to one thread, which goes through its edges in order.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "blas.h"
#include "relay.h"
#include "threads.h"

namespace {

constexpr int64_t AHEAD = 8;  // edges by which rows are fetched before they are needed
constexpr int64_t LINE = 16;  // floats in a line of the cache
constexpr int64_t BLOCK = rows_in_block(IN, OUT);

constexpr float ZEROS[std::max(IN, OUT)] = {};

}  // namespace

struct Means {
    const Relay* relay;
    Product sgemm;               // of BLAS
    int64_t threads;
    int64_t num_types;           // of nodes
    const int64_t* nodes;        // first node of each type, and the end, [num_types + 1]
    const float* const* matrix;  // of each relation, then of each type, for what a node knows itself, [OUT, IN] each
    const float* const* bias;    // of each type, [OUT]
    const float* share;          // of each edge in the mean of its destination, [num_edges]
    const float* x;              // [num_nodes, IN]
    float* mean;                 // of each row at a destination, [num_rows, IN]
};

namespace {

// Add up rows of a table, [CHANNELS] each, along edges [first, last), to what is there; rows of edges before `end` may be fetched.
template <int64_t CHANNELS>
inline void gather(const float* table, const int32_t* rows, const int32_t* edges, const float* share, int64_t first, int64_t last,
                   int64_t end, const float* there, float* __restrict__ out) {
    float sum[CHANNELS];
    std::copy(there, there + CHANNELS, sum);
    for (int64_t step = first; step < last; ++step) {
        if (step + AHEAD < end)
            for (int64_t c = 0; c < CHANNELS; c += LINE) __builtin_prefetch(table + rows[step + AHEAD] * CHANNELS + c);
        const float* row = table + rows[step] * CHANNELS;
        const float factor = share[edges[step]];
        for (int64_t c = 0; c < CHANNELS; ++c) sum[c] += factor * row[c];
    }
    std::copy(sum, sum + CHANNELS, out);
}

// Return the rows of the near nodes of a block: where they lie if they lie side by side, else copied.
template <int64_t CHANNELS>
inline const float* nodes_of(const int32_t* near, int64_t rows, const float* table, float* copies) {
    if (near[rows - 1] - near[0] == rows - 1) return table + near[0] * CHANNELS;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < CHANNELS; ++c) copies[row * CHANNELS + c] = table[near[row] * CHANNELS + c];
    return copies;
}

// Multiply a block, and add its rows to those of its near nodes: a [rows, INNER], b [INNER, WIDTH], table [num_nodes, WIDTH].
template <int INNER, int WIDTH>
inline void add_to_nodes(const Means& means, const float* a, const float* b, const int32_t* near, float* table, int64_t rows) {
    if (near[rows - 1] - near[0] == rows - 1) return multiply<INNER, WIDTH>(means.sgemm, a, b, 1, table + int64_t(near[0]) * WIDTH, rows);
    float products[BLOCK * WIDTH];
    multiply<INNER, WIDTH>(means.sgemm, a, b, 0, products, rows);
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < WIDTH; ++c) table[int64_t(near[row]) * WIDTH + c] += products[row * WIDTH + c];
}

using Range = std::pair<int64_t, int64_t>;

// A thread's part of all nodes, and of the rows [first, last) of a relation: as many as other threads have, or those near to its nodes.
struct Part {
    const Relay& relay;
    int64_t number, threads;

    Range nodes() const { return all_rows(0, relay.num_nodes); }
    Range all_rows(int64_t first, int64_t last) const {
        return {first + (last - first) * number / threads, first + (last - first) * (number + 1) / threads};
    }
    Range near_rows(int64_t first, int64_t last) const {
        const auto [begin, end] = nodes();
        const auto *from = relay.near + first, *to = relay.near + last;
        return {std::lower_bound(from, to, begin) - relay.near, std::lower_bound(from, to, end) - relay.near};
    }
};

// Call work(relation, first row, number of rows) for the blocks of a part's rows at one end: its `all_rows`, or its `near_rows`.
template <typename Rows, typename Work>
void in_blocks_of_rows(const Part& part, int64_t at_destination, Rows rows, Work work) {
    const Relay& relay = part.relay;
    for (int64_t r = 0; r < relay.num_relations; ++r) {
        if (relay.at_destination[r] != at_destination) continue;
        const auto [first, last] = (part.*rows)(relay.rows[r], relay.rows[r + 1]);
        for (int64_t row = first; row < last; row += BLOCK) work(r, row, std::min(BLOCK, last - row));
    }
}

// Call work(type, first node, number of nodes) for the blocks of a part's nodes.
template <typename Work>
void in_blocks_of_nodes(const Means& means, const Part& part, Work work) {
    const auto [begin, end] = part.nodes();
    for (int64_t type = 0; type < means.num_types; ++type) {
        const int64_t last = std::min(means.nodes[type + 1], end);
        for (int64_t node = std::max(means.nodes[type], begin); node < last; node += BLOCK) work(type, node, std::min(BLOCK, last - node));
    }
}

// Add up, for each far node of a block, the rows of a table along its edges: [num_rows, CHANNELS] -> [nodes, CHANNELS].
template <int64_t CHANNELS>
void gather_rows(const Means& means, int64_t at_destination, int64_t first, int64_t nodes, const float* table, const float* there,
                 float* out) {
    const Relay& relay = *means.relay;
    const int32_t* edges = relay.edges_of_node + at_destination * relay.num_nodes + first;
    for (int64_t node = 0; node < nodes; ++node)
        gather<CHANNELS>(table, relay.row, relay.edge_of_node, means.share, edges[node], edges[node + 1], edges[nodes], there,
                         out + node * CHANNELS);
}

// Add up, for each row of a block, the rows of its far nodes: [num_nodes, CHANNELS] -> [rows, CHANNELS].
template <int64_t CHANNELS>
void gather_nodes(const Means& means, int64_t first, int64_t rows, const float* table, float* out) {
    const Relay& relay = *means.relay;
    const int32_t* edges = relay.edges_of_row + first;
    for (int64_t row = 0; row < rows; ++row)
        gather<CHANNELS>(table, relay.far, relay.edge, means.share, edges[row], edges[row + 1], edges[rows], ZEROS, out + row * CHANNELS);
}

// Return all matrices with rows for columns, [num_matrices, IN, OUT].
std::vector<float> all_turned(const Means& means) {
    const int64_t num_matrices = means.relay->num_relations + means.num_types;
    std::vector<float> turned(num_matrices * IN * OUT);
    for (int64_t each = 0; each < num_matrices; ++each) turn<IN, OUT>(means.matrix[each], &turned[each * IN * OUT]);
    return turned;
}

}  // namespace

// Write what nodes receive and know themselves, out [num_nodes, OUT], and the means of rows at destinations.
//
// at_sources [num_rows, OUT] is for what rows send.
extern "C" void forward(const Means& means, float* at_sources, float* out) {
    const Relay& relay = *means.relay;
    const auto turned = all_turned(means);
    // 1. Rows at sources
    in_threads(means.threads, [&](int64_t number) {
        const Part part{relay, number, means.threads};
        in_blocks_of_rows(part, 0, &Part::all_rows, [&](int64_t r, int64_t first, int64_t rows) {
            float copies[BLOCK * IN];
            const float* x = nodes_of<IN>(relay.near + first, rows, means.x, copies);
            multiply<IN, OUT>(means.sgemm, x, &turned[r * IN * OUT], 0, at_sources + first * OUT, rows);
        });
    });
    // 2. What they send, what nodes know, and rows at destinations
    in_threads(means.threads, [&](int64_t number) {
        const Part part{relay, number, means.threads};
        in_blocks_of_nodes(means, part, [&](int64_t type, int64_t first, int64_t nodes) {
            const float* root = &turned[(relay.num_relations + type) * IN * OUT];
            gather_rows<OUT>(means, 0, first, nodes, at_sources, means.bias[type], out + first * OUT);
            multiply<IN, OUT>(means.sgemm, means.x + first * IN, root, 1, out + first * OUT, nodes);
        });
        in_blocks_of_rows(part, 1, &Part::near_rows, [&](int64_t r, int64_t first, int64_t rows) {
            float* mean = means.mean + first * IN;
            gather_nodes<IN>(means, first, rows, means.x, mean);
            add_to_nodes<IN, OUT>(means, mean, &turned[r * IN * OUT], relay.near + first, out, rows);
        });
    });
}

// Write the gradient of x, [num_nodes, IN], and add those of matrices and biases.
//
// gradient [num_nodes, OUT] of what was written; of_matrix [threads][num_relations + num_types] of [OUT, IN];
// of_bias [threads][num_types] of [OUT]. at_destinations [num_rows, IN] is for the gradients of means.
extern "C" void backward(const Means& means, const float* gradient, float* at_destinations, float* of_x, float* const* of_matrix,
                         float* const* of_bias) {
    const Relay& relay = *means.relay;
    // 1. Rows at destinations
    in_threads(means.threads, [&](int64_t number) {
        const Part part{relay, number, means.threads};
        float* const* own = of_matrix + number * (relay.num_relations + means.num_types);
        in_blocks_of_rows(part, 1, &Part::all_rows, [&](int64_t r, int64_t first, int64_t rows) {
            float copies[BLOCK * OUT];
            const float* of_y = nodes_of<OUT>(relay.near + first, rows, gradient, copies);
            add_gradient<IN, OUT>(means.sgemm, of_y, means.mean + first * IN, own[r], rows);
            multiply<OUT, IN>(means.sgemm, of_y, means.matrix[r], 0, at_destinations + first * IN, rows);
        });
    });
    // 2. What came to them, what nodes knew, and rows at sources
    in_threads(means.threads, [&](int64_t number) {
        const Part part{relay, number, means.threads};
        float* const* own = of_matrix + number * (relay.num_relations + means.num_types);
        in_blocks_of_nodes(means, part, [&](int64_t type, int64_t first, int64_t nodes) {
            const int64_t root = relay.num_relations + type;
            const float* of_out = gradient + first * OUT;
            gather_rows<IN>(means, 1, first, nodes, at_destinations, ZEROS, of_x + first * IN);
            multiply<OUT, IN>(means.sgemm, of_out, means.matrix[root], 1, of_x + first * IN, nodes);
            add_gradient<IN, OUT>(means.sgemm, of_out, means.x + first * IN, own[root], nodes);
            float* sum = of_bias[number * means.num_types + type];
            for (int64_t node = 0; node < nodes; ++node)
                for (int64_t o = 0; o < OUT; ++o) sum[o] += of_out[node * OUT + o];
        });
        in_blocks_of_rows(part, 0, &Part::near_rows, [&](int64_t r, int64_t first, int64_t rows) {
            float received[BLOCK * OUT], copies[BLOCK * IN];
            gather_nodes<OUT>(means, first, rows, gradient, received);
            add_gradient<IN, OUT>(means.sgemm, received, nodes_of<IN>(relay.near + first, rows, means.x, copies), own[r], rows);
            add_to_nodes<OUT, IN>(means, received, means.matrix[r], relay.near + first, of_x, rows);
        });
    });
}
