// The columns of a batch, from where they lie in shards: the loops of compiled_gather.py.
//
// Each number is read once and written once: float16 is widened on the way, and the ends of edges get the first node of their sample.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

// Which samples, and where they lie. Types are node types, edge types, and last the samples themselves, of which each has one row.
struct Batch {
    int64_t num_samples;
    int64_t num_node_types;
    int64_t num_edge_types;
    int64_t num_columns;
    const int64_t* shard;      // of each sample, [num_samples]
    const int64_t* local;      // its place in the shard, [num_samples]
    const int64_t* memory;     // addresses, then bytes, of a shard's pointers, edges and columns, [num_shards, 2, 2 + num_columns]
    const int64_t* ends;       // node types of sources, then of destinations, [2, num_edge_types]
    const int64_t* kinds;      // of each column the type whose rows it has, bytes of a row in shards, 1 where they are float16, [3, num_columns]
    int64_t* starts;           // first row of each sample in its shard, [num_types, num_samples]
    int64_t* counts;           // rows of each sample, [num_types, num_samples]
    int64_t* node_pointers;    // first node of each sample in the batch, and the end, [num_node_types, num_samples + 1]
    int64_t* rows;             // of all samples, [num_types]

    int64_t num_pointers() const { return num_node_types + num_edge_types; }
    const int64_t* addresses(int64_t sample) const { return memory + shard[sample] * 2 * (2 + num_columns); }
    const int64_t* bytes(int64_t sample) const { return addresses(sample) + 2 + num_columns; }
    int64_t type(int64_t column) const { return kinds[column]; }
    int64_t row_bytes(int64_t column) const { return kinds[num_columns + column]; }
    bool narrow(int64_t column) const { return kinds[2 * num_columns + column]; }
};

namespace {

constexpr int64_t AHEAD = 2048;  // bytes of the next sample that are fetched while this one is copied
constexpr int64_t LINE = 64;     // bytes in a line of the cache

// Write where a sample's rows begin, and how many it has of each type; return whether they lie in its shard.
bool find_sample(const Batch& batch, int64_t sample) {
    const int64_t num_pointers = batch.num_pointers(), local = batch.local[sample], *bytes = batch.bytes(sample);
    const int64_t num_rows = bytes[0] / int64_t(num_pointers * sizeof(int64_t)), num_edges = bytes[1] / int64_t(2 * sizeof(int32_t));
    if (local < 0 || local + 1 >= num_rows) return false;
    const int64_t* pointers = reinterpret_cast<const int64_t*>(batch.addresses(sample)[0]) + local * num_pointers;
    int64_t *starts = batch.starts + sample, *counts = batch.counts + sample;
    bool inside = true;
    int64_t last_edge = 0;
    for (int64_t type = 0; type < num_pointers; ++type) {
        const int64_t start = pointers[type], stop = pointers[num_pointers + type];
        const bool is_edge = type >= batch.num_node_types;
        inside &= start >= 0 && start <= stop && (!is_edge || stop <= num_edges);
        last_edge += is_edge && inside ? stop : 0;
        starts[type * batch.num_samples] = start;
        counts[type * batch.num_samples] = stop - start;
    }
    starts[num_pointers * batch.num_samples] = local;
    counts[num_pointers * batch.num_samples] = 1;
    for (int64_t column = 0; column < batch.num_columns; ++column) {
        const int64_t place = batch.type(column) * batch.num_samples;
        const int64_t row_bytes = batch.row_bytes(column);  // 0 where rows hold nothing
        inside &= !row_bytes || starts[place] + counts[place] <= bytes[2 + column] / row_bytes;
    }
    return inside && last_edge <= num_edges;
}

// Where the rows of a sample begin in a column, and how many bytes they take.
struct Rows {
    const char* begin;
    int64_t bytes;

    Rows(const Batch& batch, int64_t column, int64_t sample) {
        const int64_t place = batch.type(column) * batch.num_samples + sample;
        begin = reinterpret_cast<const char*>(batch.addresses(sample)[2 + column]) + batch.starts[place] * batch.row_bytes(column);
        bytes = batch.counts[place] * batch.row_bytes(column);
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

// Write a column, float16 as float32 and all else as it is.
void take_column(const Batch& batch, int64_t column, char* out) {
    for (int64_t sample = 0; sample < batch.num_samples; ++sample) {
        const Rows rows(batch, column, sample);
        if (sample + 1 < batch.num_samples) Rows(batch, column, sample + 1).fetch();
        if (batch.narrow(column)) {
            widen(rows.begin, rows.bytes / 2, reinterpret_cast<float*>(out));
            out += 2 * rows.bytes;
        } else {
            std::memcpy(out, rows.begin, rows.bytes);
            out += rows.bytes;
        }
    }
}

// Write the edges of all types, one after the other: [2 * edges of each type, sources before destinations].
void take_edges(const Batch& batch, int64_t* out) {
    const int64_t num_samples = batch.num_samples, *starts = batch.starts + batch.num_node_types * num_samples;
    const int64_t* counts = batch.counts + batch.num_node_types * num_samples;
    std::vector<int64_t*> next(2 * batch.num_edge_types);  // where the sources and the destinations of each type go on
    for (int64_t type = 0; type < batch.num_edge_types; ++type)
        for (int64_t end = 0; end < 2; ++end) {
            next[2 * type + end] = out;
            for (int64_t sample = 0; sample < num_samples; ++sample) out += counts[type * num_samples + sample];
        }
    for (int64_t sample = 0; sample < num_samples; ++sample) {
        const int32_t* local = reinterpret_cast<const int32_t*>(batch.addresses(sample)[1]);
        for (int64_t type = 0; type < batch.num_edge_types; ++type) local += 2 * starts[type * num_samples + sample];
        for (int64_t type = 0; type < batch.num_edge_types; ++type)
            for (int64_t end = 0; end < 2; ++end) {
                const int64_t count = counts[type * num_samples + sample];
                const int64_t first = batch.node_pointers[batch.ends[end * batch.num_edge_types + type] * (num_samples + 1) + sample];
                int64_t*& into = next[2 * type + end];
                for (int64_t edge = 0; edge < count; ++edge) into[edge] = first + local[edge];
                into += count;
                local += count;
            }
    }
}

}  // namespace

// Write starts, counts, node pointers and rows, and return 1, or 0 where a sample does not lie in its shard.
extern "C" int64_t find(const Batch& batch) {
    for (int64_t sample = 0; sample < batch.num_samples; ++sample)
        if (!find_sample(batch, sample)) return 0;
    for (int64_t type = 0; type <= batch.num_pointers(); ++type) {
        const int64_t* counts = batch.counts + type * batch.num_samples;
        batch.rows[type] = std::accumulate(counts, counts + batch.num_samples, int64_t(0));
        if (type >= batch.num_node_types) continue;
        int64_t* pointers = batch.node_pointers + type * (batch.num_samples + 1);
        pointers[0] = 0;
        std::partial_sum(counts, counts + batch.num_samples, pointers + 1);
    }
    return 1;
}

// Write each column to its address, columns [num_columns], and to rest the sample of each node, type after type, and then the edges.
extern "C" void take(const Batch& batch, const int64_t* columns, int64_t* rest) {
    for (int64_t column = 0; column < batch.num_columns; ++column) take_column(batch, column, reinterpret_cast<char*>(columns[column]));
    for (int64_t type = 0; type < batch.num_node_types; ++type)
        for (int64_t sample = 0; sample < batch.num_samples; ++sample)
            rest = std::fill_n(rest, batch.counts[type * batch.num_samples + sample], sample);
    take_edges(batch, rest);
}
