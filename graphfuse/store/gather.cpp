// The nodes and edges of a batch, from where they lie in shards: the loops of compiled_gather.py.
//
// Each number is read once and written once: float16 is widened on the way, and the ends of edges get the first node of their sample.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

// Stretches are samples that follow one another in a shard; see stretches.py
struct Stretches {
    int64_t num_stretches;
    int64_t num_samples;           // of the batch
    int64_t num_node_types;
    int64_t num_edge_types;
    const int64_t* shard;          // of each stretch, [num_stretches]
    const int64_t* samples;        // of each stretch, [num_stretches]
    const int64_t* starts;         // first row in the shard's column of each node type, [num_node_types, num_stretches]
    const int64_t* rows;           // number of rows, [num_node_types, num_stretches]
    const int64_t* first_end;      // first number in the shard's edges, [num_stretches]
    const int64_t* columns;        // addresses of each shard's column of each node type, and of its edges, [num_shards, num_node_types + 1]
    const int64_t* row_bytes;      // of each node type in shards, [num_node_types]
    const int64_t* narrow;         // 1 where shards hold float16, [num_node_types]
    const int64_t* edge_counts;    // [num_edge_types, num_samples]
    const int64_t* node_pointers;  // first node of each sample in the batch, and the end, [num_node_types, num_samples + 1]
    const int64_t* ends;           // node types of sources, then of destinations, [2, num_edge_types]
};

namespace {

constexpr int64_t AHEAD = 2048;  // bytes of the next stretch that are fetched while this one is copied
constexpr int64_t LINE = 64;     // bytes in a line of the cache

// Where the rows of a stretch begin, and how many bytes they take.
struct Rows {
    const char* begin;
    int64_t bytes;

    Rows(const Stretches& found, int64_t type, int64_t stretch) {
        const int64_t place = type * found.num_stretches + stretch;
        const int64_t column = found.columns[found.shard[stretch] * (found.num_node_types + 1) + type];
        begin = reinterpret_cast<const char*>(column) + found.starts[place] * found.row_bytes[type];
        bytes = found.rows[place] * found.row_bytes[type];
    }

    void fetch() const {
        for (int64_t byte = 0; byte < std::min(bytes, AHEAD); byte += LINE) __builtin_prefetch(begin + byte);
    }
};

// Write numbers of float16 as float32.  Multiplying by 2^112 moves the middle of exponents from 15 to 127, and makes what lies below
// the normal numbers of the one normal in the other
void widen(const char* from, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) {
        uint16_t half;
        std::memcpy(&half, from + 2 * i, 2);
        const uint32_t size = uint32_t(half & 0x7fff) << 13, sign = uint32_t(half & 0x8000) << 16;
        const uint32_t endless = size >= 0x0f800000 ? 0x7f800000 : 0;  // infinities, and what is no number
        float value;
        std::memcpy(&value, &size, 4);
        value *= 0x1p112f;
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        bits |= sign | endless;
        std::memcpy(out + i, &bits, 4);
    }
}

}  // namespace

// Write the nodes of each type, features as float32 and all else as it is: addresses nodes [num_node_types].
extern "C" void take_nodes(const Stretches& found, const int64_t* nodes) {
    for (int64_t type = 0; type < found.num_node_types; ++type) {
        char* out = reinterpret_cast<char*>(nodes[type]);
        for (int64_t stretch = 0; stretch < found.num_stretches; ++stretch) {
            const Rows rows(found, type, stretch);
            if (stretch + 1 < found.num_stretches) Rows(found, type, stretch + 1).fetch();
            if (found.narrow[type]) {
                widen(rows.begin, rows.bytes / 2, reinterpret_cast<float*>(out));
                out += 2 * rows.bytes;
            } else {
                std::memcpy(out, rows.begin, rows.bytes);
                out += rows.bytes;
            }
        }
    }
}

// Write the edges of all types, one after the other: out [2 * edges of each type, sources before destinations].
extern "C" void take_edges(const Stretches& found, int64_t* out) {
    std::vector<int64_t*> next(2 * found.num_edge_types);  // where the sources and the destinations of each type go on
    for (int64_t type = 0; type < found.num_edge_types; ++type)
        for (int64_t end = 0; end < 2; ++end) {
            next[2 * type + end] = out;
            for (int64_t sample = 0; sample < found.num_samples; ++sample) out += found.edge_counts[type * found.num_samples + sample];
        }
    int64_t sample = 0;
    for (int64_t stretch = 0; stretch < found.num_stretches; ++stretch) {
        const int64_t column = found.columns[found.shard[stretch] * (found.num_node_types + 1) + found.num_node_types];
        const int32_t* local = reinterpret_cast<const int32_t*>(column) + found.first_end[stretch];
        for (const int64_t last = sample + found.samples[stretch]; sample < last; ++sample)
            for (int64_t type = 0; type < found.num_edge_types; ++type) {
                const int64_t count = found.edge_counts[type * found.num_samples + sample];
                for (int64_t end = 0; end < 2; ++end) {
                    const int64_t node_type = found.ends[end * found.num_edge_types + type];
                    const int64_t first = found.node_pointers[node_type * (found.num_samples + 1) + sample];
                    int64_t*& into = next[2 * type + end];
                    for (int64_t edge = 0; edge < count; ++edge) into[edge] = first + local[edge];
                    into += count;
                    local += count;
                }
            }
    }
}
