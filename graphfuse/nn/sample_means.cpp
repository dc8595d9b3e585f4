// Means of each sample's nodes per type, forward and gradient: the loops of compiled_sample_means.py.
//
// Compiled once per CHANNELS and machine. Nodes stand type after type, and within a type sample after sample.

#include <cstdint>
#include <vector>

#include "threads.h"

struct Samples {
    int64_t num_types;
    int64_t num_samples;
    int64_t threads;
    const int64_t* sizes;           // nodes of each type, [num_types]
    const int64_t* const* pointer;  // first node of each sample within its type, and the end, [num_types] of [num_samples + 1]
};

namespace {

bool all_within(const Samples& samples) {
    bool all = true;
    for (int64_t type = 0; type < samples.num_types; ++type) {
        const int64_t* pointer = samples.pointer[type];
        all &= pointer[0] == 0 && pointer[samples.num_samples] == samples.sizes[type];
        for (int64_t sample = 0; sample < samples.num_samples; ++sample) all &= pointer[sample] <= pointer[sample + 1];
    }
    return all;
}

// Call work(type and sample as one number, first node, number of nodes) for all samples and types, shared out among threads by samples.
template <typename Work>
void for_each(const Samples& samples, Work work) {
    in_threads(samples.threads, [&](int64_t number) {
        const int64_t begin = samples.num_samples * number / samples.threads, end = samples.num_samples * (number + 1) / samples.threads;
        int64_t first = 0;
        for (int64_t type = 0; type < samples.num_types; first += samples.sizes[type++])
            for (int64_t sample = begin; sample < end; ++sample) {
                const int64_t* at = samples.pointer[type] + sample;
                work(type * samples.num_samples + sample, first + at[0], at[1] - at[0]);
            }
    });
}

}  // namespace

// Write the mean of each type's nodes in each sample, 0 without nodes: x [num_nodes, CHANNELS] -> mean [num_types * num_samples, CHANNELS].
//
// Returns whether pointers ascend to the number of nodes; where they do not, nothing is written.
extern "C" int64_t forward(const Samples& samples, const float* x, float* mean) {
    if (!all_within(samples)) return 0;
    for_each(samples, [&](int64_t at, int64_t first, int64_t nodes) {
        float sum[CHANNELS] = {};
        for (int64_t node = first; node < first + nodes; ++node)
            for (int64_t c = 0; c < CHANNELS; ++c) sum[c] += x[node * CHANNELS + c];
        for (int64_t c = 0; c < CHANNELS; ++c) mean[at * CHANNELS + c] = nodes ? sum[c] / nodes : 0;
    });
    return 1;
}

// Write the gradient of x, [num_nodes, CHANNELS], from that of means.
extern "C" void backward(const Samples& samples, const float* of_mean, float* of_x) {
    for_each(samples, [&](int64_t at, int64_t first, int64_t nodes) {
        float share[CHANNELS];
        for (int64_t c = 0; c < CHANNELS; ++c) share[c] = nodes ? of_mean[at * CHANNELS + c] / nodes : 0;
        for (int64_t node = first; node < first + nodes; ++node)
            for (int64_t c = 0; c < CHANNELS; ++c) of_x[node * CHANNELS + c] = share[c];
    });
}
