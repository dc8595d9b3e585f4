// Cosines of the rows of two tables within each sample: the loop of _compiled_nearest.py.
//
// Rows are widened to float64 where they are used, and stay in the cache until all products with them are done. Sums go in an order of
// their own; what depends on it is decided by the caller.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

using Number = std::conditional_t<BYTES == 4, float, double>;  // as rows lie in both tables

// Samples of two tables whose rows are multiplied.
struct Pairs {
    const Number* left;     // rows of the first table, [num_left, channels]
    const Number* right;    // rows of the second, [num_right, channels]
    int64_t channels;
    int64_t num_items;
    const int64_t* items;   // of each sample first row and number of rows on the left, then on the right, [num_items, 4]
    double scale;           // of rows of length 1
    double shortest;        // rows below this length count as zeros
    double* cosines;        // sample by sample, [rows on the left, rows on the right] each
};

namespace {

typedef double Lanes __attribute__((vector_size(64)));
constexpr int64_t LANES = sizeof(Lanes) / sizeof(double);
constexpr int64_t TALL = 4, WIDE = 4;          // rows of which all products are added up in registers
constexpr int64_t IN_CACHE = 32768;            // numbers of rows on the right that wait there

// Rows as float64, each filled up with zeros to whole lanes, and 1 / length of each.
class Wide {
  public:
    Wide(int64_t channels) : channels(channels), lanes((channels + LANES - 1) / LANES) {}

    // Take some rows; missing ones up to a multiple of `step` are zeros.
    void take(const Number* rows, int64_t count, int64_t step, double scale, double shortest) {
        const int64_t whole = (count + step - 1) / step * step;
        if (int64_t(numbers.size()) < whole * lanes) numbers.resize(whole * lanes);
        if (int64_t(scales.size()) < whole) scales.resize(whole);
        for (int64_t row = 0; row < whole; ++row) {
            double* out = reinterpret_cast<double*>(numbers.data() + row * lanes);
            const int64_t filled = row < count ? channels : 0;
            std::copy(rows + row * channels, rows + row * channels + filled, out);
            std::fill(out + filled, out + lanes * LANES, 0.0);
            Lanes sum = {};
            for (int64_t lane = 0; lane < lanes; ++lane) sum += at(row)[lane] * at(row)[lane];
            const double length = std::sqrt(total(sum));
            scales[row] = length > shortest ? scale / length : 0.0;
        }
    }

    const Lanes* at(int64_t row) const { return numbers.data() + row * lanes; }
    double scale(int64_t row) const { return scales[row]; }

    static double total(const Lanes& sum) {
        typedef double Half __attribute__((vector_size(sizeof(Lanes) / 2)));
        Half halves[2];
        std::memcpy(halves, &sum, sizeof(Lanes));
        const Half half = halves[0] + halves[1];
        return (half[0] + half[2]) + (half[1] + half[3]);
    }

    const int64_t channels, lanes;

  private:
    std::vector<Lanes> numbers;
    std::vector<double> scales;
};

// Multiply TALL rows by WIDE rows, and write the cosines of those that there are.
void multiply(const Wide& left, int64_t top, int64_t down, const Wide& right, int64_t first, int64_t end, double* out, int64_t stride) {
    Lanes sums[TALL][WIDE] = {};
    const int64_t lanes = left.lanes;
    const Lanes *x = left.at(top), *y = right.at(first);
    for (int64_t lane = 0; lane < lanes; ++lane)
        for (int64_t row = 0; row < TALL; ++row)
            for (int64_t column = 0; column < WIDE; ++column) sums[row][column] += x[row * lanes + lane] * y[column * lanes + lane];
    for (int64_t row = 0; row < std::min(TALL, down - top); ++row)
        for (int64_t column = 0; column < std::min(WIDE, end - first); ++column)
            out[row * stride + column] = Wide::total(sums[row][column]) * left.scale(top + row) * right.scale(first + column);
}

}  // namespace

extern "C" void cosines(const Pairs* pairs) {
    const int64_t channels = pairs->channels;
    Wide left(channels), right(channels);
    const int64_t at_once = std::max(WIDE, IN_CACHE / std::max<int64_t>(channels, 1) / WIDE * WIDE);
    double* out = pairs->cosines;
    for (int64_t item = 0; item < pairs->num_items; ++item) {
        const int64_t *place = pairs->items + 4 * item, height = place[1], width = place[3];
        for (int64_t first = 0; first < width; first += at_once) {
            const int64_t some = std::min(at_once, width - first);
            right.take(pairs->right + (place[2] + first) * channels, some, WIDE, pairs->scale, pairs->shortest);
            for (int64_t top = 0; top < height; top += TALL) {
                left.take(pairs->left + (place[0] + top) * channels, std::min(TALL, height - top), TALL, pairs->scale, pairs->shortest);
                for (int64_t column = 0; column < some; column += WIDE)
                    multiply(left, 0, std::min(TALL, height - top), right, column, some, out + top * width + first + column, width);
            }
        }
        out += height * width;
    }
}
