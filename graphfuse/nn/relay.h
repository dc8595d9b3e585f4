// How the edges of all relations run by way of relay rows, laid out for loops.
#pragma once

#include <cstdint>

// A relation's relay rows stand at the end of its edges where fewer nodes have one, a row per such node; that node is *near* to the
// row, the nodes at the other ends of its edges are *far*. Arrays are written by lay_out.
struct Relay {
    int64_t num_relations;
    int64_t num_nodes;            // of all types
    int32_t* at_destination;      // 1 where a relation's rows stand at destinations, else 0, [num_relations]
    int32_t* rows;                // first row of each relation, and the end, [num_relations + 1]
    int32_t* near;                // node of each row, ascending within a relation, [num_rows]
    int32_t* edges_of_row;        // where each row's edges begin, and the end, [num_rows + 1]
    int32_t* far;                 // node at the far end, row after row, [num_edges]
    int32_t* edge;                // number of that edge, [num_edges]
    int32_t* edges_of_node;       // where the edges to each far node begin: of rows at sources, then at destinations, [2 * num_nodes + 1]
    int32_t* row;                 // row at the near end, far node after far node, [num_edges]
    int32_t* edge_of_node;        // number of that edge, [num_edges]
    float* share;                 // of each edge in the mean of its destination, [num_edges]
};
