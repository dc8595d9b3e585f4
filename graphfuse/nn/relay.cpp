// Lay the edges of all relations out by relay rows: see relay.h.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "relay.h"

// The edges of a relation, and the types that they join.
struct Relation {
    int64_t num_edges;
    int64_t num_nodes[2];       // of the types of sources and destinations
    int64_t first[2];           // first node of these types, counted over all types
    const int64_t* ends[2];     // source and destination of each edge within its type, [num_edges]
};

namespace {

// What the nodes at one end of a relation have.
struct Counts {
    std::vector<int32_t> edges;  // of each node, [num_nodes]
    int64_t nodes = 0;           // that have an edge

    Counts(const Relation& relation, int end) : edges(relation.num_nodes[end]) {
        for (int64_t e = 0; e < relation.num_edges; ++e) nodes += edges[relation.ends[end][e]]++ == 0;
    }
};

bool ends_exist(const Relation& relation) {
    bool all = true;
    for (int end : {0, 1})
        for (int64_t e = 0; e < relation.num_edges; ++e) all &= uint64_t(relation.ends[end][e]) < uint64_t(relation.num_nodes[end]);
    return all;
}

}  // namespace

// Fill the arrays of a relay from its relations, and return the number of rows, or -1 if an edge ends at a node that is not there.
extern "C" int64_t lay_out(const Relay& relay, const Relation* relations) {
    int64_t num_rows = 0, before = 0;
    std::vector<int32_t> place;
    std::fill(relay.edges_of_node, relay.edges_of_node + 2 * relay.num_nodes + 1, 0);
    relay.edges_of_row[0] = 0;
    // 1. Relation after relation: rows, and the edges of each
    for (int64_t r = 0; r < relay.num_relations; ++r) {
        const Relation& relation = relations[r];
        if (!ends_exist(relation)) return -1;
        const Counts counts[2] = {Counts(relation, 0), Counts(relation, 1)};
        const int near = counts[1].nodes < counts[0].nodes, far = 1 - near;
        const int64_t *nears = relation.ends[near], *fars = relation.ends[far];
        relay.at_destination[r] = near;
        relay.rows[r] = num_rows;
        int32_t filled = before;
        place.assign(relation.num_nodes[near], 0);
        for (int64_t node = 0; node < relation.num_nodes[near]; ++node) {
            place[node] = filled;
            if (!counts[near].edges[node]) continue;
            filled += counts[near].edges[node];
            relay.near[num_rows] = relation.first[near] + node;
            relay.edges_of_row[++num_rows] = filled;
        }
        int32_t* of_node = relay.edges_of_node + near * relay.num_nodes + relation.first[far] + 1;
        for (int64_t node = 0; node < relation.num_nodes[far]; ++node) of_node[node] += counts[far].edges[node];
        for (int64_t e = 0; e < relation.num_edges; ++e) {
            const int32_t to = place[nears[e]]++;
            relay.far[to] = relation.first[far] + fars[e];
            relay.edge[to] = before + e;
            relay.share[before + e] = 1.0f / counts[1].edges[relation.ends[1][e]];
        }
        before += relation.num_edges;
    }
    relay.rows[relay.num_relations] = num_rows;
    // 2. The other way round: far nodes, and the edges of each
    for (int64_t node = 0; node < 2 * relay.num_nodes; ++node) relay.edges_of_node[node + 1] += relay.edges_of_node[node];
    place.assign(relay.edges_of_node, relay.edges_of_node + 2 * relay.num_nodes);
    for (int64_t r = 0; r < relay.num_relations; ++r)
        for (int64_t row = relay.rows[r]; row < relay.rows[r + 1]; ++row)
            for (int32_t step = relay.edges_of_row[row]; step < relay.edges_of_row[row + 1]; ++step) {
                const int32_t to = place[relay.at_destination[r] * relay.num_nodes + relay.far[step]]++;
                relay.row[to] = row;
                relay.edge_of_node[to] = relay.edge[step];
            }
    return num_rows;
}
