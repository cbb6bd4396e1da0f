// The GPU's kernels. What each one computes is said, and derived, where its NumPy twin stands:
// windows.py, normalization.py, ops/indexing.py, optim/optimizers.py and random.py.
//
// Every kernel is a loop over independent results, so how many threads share it changes no bit:
// sums are taken in an order that shapes alone decide, and nothing is added atomically. A host
// compiler takes the same file, where one thread does the whole loop.
//
// REAL is float or double; INDEX, which every integer argument is, int or, for arrays of 2^30
// elements and more, long long.

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define INLINE static __device__ inline
#define EACH(i, count)                                                              \
    for (INDEX i = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; i < (count);       \
         i += (INDEX)gridDim.x * blockDim.x)
#else
#include <cmath>
#define KERNEL extern "C" void
#define INLINE static inline
#define EACH(i, count) for (INDEX i = 0; i < (count); ++i)
#endif

typedef unsigned long long word;

// Windows

// Position (p, q) and tap (a, b) of a window meet (p * stride_y + a * dilation_y - top, ...).
#define WINDOW                                                                              \
    INDEX down, INDEX across, INDEX taps_y, INDEX taps_x, INDEX stride_y, INDEX stride_x,   \
        INDEX dilation_y, INDEX dilation_x, INDEX top, INDEX left

#define TAKEN                                                                               \
    down, across, taps_y, taps_x, stride_y, stride_x, dilation_y, dilation_x, top, left

// Four channels that lie together, which a GPU reads and writes at once.
struct alignas(16) Four {
    REAL part[4];
};

INLINE void add(REAL &sum, REAL x)
{
    sum += x;
}

INLINE void add(Four &sum, const Four &x)
{
    for (int k = 0; k < 4; ++k)
        sum.part[k] += x.part[k];
}

// columns[n, p, q, a, b, c]: what the taps of each window see of x, zero in the padding. x may
// have any strides, in items, and so many channels of them: an item is one number or four.
template <typename ITEM>
INLINE void columns_of(
    const ITEM *x, ITEM *result, INDEX count, INDEX stride_n, INDEX stride_h, INDEX stride_w,
    INDEX stride_c, INDEX height, INDEX width, INDEX channels, WINDOW)
{
    EACH(i, count)
    {
        INDEX rest = i;
        const INDEX c = rest % channels;
        rest /= channels;
        const INDEX b = rest % taps_x;
        rest /= taps_x;
        const INDEX a = rest % taps_y;
        rest /= taps_y;
        const INDEX q = rest % across;
        rest /= across;
        const INDEX p = rest % down;
        const INDEX n = rest / down;
        const INDEX row = p * stride_y + a * dilation_y - top;
        const INDEX col = q * stride_x + b * dilation_x - left;
        const bool inside = row >= 0 && row < height && col >= 0 && col < width;
        ITEM item = ITEM();
        if (inside)
            item = x[n * stride_n + row * stride_h + col * stride_w + c * stride_c];
        result[i] = item;
    }
}

#define COLUMNS(name, ITEM)                                                                 \
    KERNEL name(                                                                            \
        const ITEM *x, ITEM *result, INDEX count, INDEX stride_n, INDEX stride_h,           \
        INDEX stride_w, INDEX stride_c, INDEX height, INDEX width, INDEX channels, WINDOW)  \
    {                                                                                       \
        columns_of(x, result, count, stride_n, stride_h, stride_w, stride_c, height, width, \
                   channels, TAKEN);                                                        \
    }

COLUMNS(columns, REAL)
COLUMNS(columns_of_four, Four)

// The adjoint of columns: each item of a map adds up the taps that saw it, in their order.
template <typename ITEM>
INLINE void scatter_of(
    const ITEM *pieces, ITEM *result, INDEX count, INDEX height, INDEX width, INDEX channels, WINDOW)
{
    EACH(i, count)
    {
        INDEX rest = i;
        const INDEX c = rest % channels;
        rest /= channels;
        const INDEX col = rest % width + left;
        rest /= width;
        const INDEX row = rest % height + top;
        const INDEX n = rest / height;
        ITEM sum = ITEM();
        for (INDEX a = 0; a < taps_y; ++a) {
            const INDEX y = row - a * dilation_y, p = y / stride_y;
            if (y < 0 || y % stride_y || p >= down)
                continue;
            for (INDEX b = 0; b < taps_x; ++b) {
                const INDEX x = col - b * dilation_x, q = x / stride_x;
                if (x < 0 || x % stride_x || q >= across)
                    continue;
                const INDEX position = (n * down + p) * across + q;
                add(sum, pieces[((position * taps_y + a) * taps_x + b) * channels + c]);
            }
        }
        result[i] = sum;
    }
}

#define SCATTER(name, ITEM)                                                                 \
    KERNEL name(                                                                            \
        const ITEM *pieces, ITEM *result, INDEX count, INDEX height, INDEX width,           \
        INDEX channels, WINDOW)                                                             \
    {                                                                                       \
        scatter_of(pieces, result, count, height, width, channels, TAKEN);                  \
    }

SCATTER(scatter, REAL)
SCATTER(scatter_of_four, Four)

// Adding at places that repeat

// The values of each place together, in their order: order sorts the places, stably. One thread
// takes a place, from where it first stands.
KERNEL add_at(
    const REAL *x, const long long *places, const long long *order, REAL *result, INDEX count)
{
    EACH(i, count)
    {
        const long long place = places[order[i]];
        if (i && places[order[i - 1]] == place)
            continue;
        REAL sum = 0;
        for (INDEX k = i; k < count && places[order[k]] == place; ++k)
            sum += x[order[k]];
        result[place] = sum;
    }
}

// Sums over the rows of a matrix (rows, channels), in two stages: of so many rows each, then of
// those parts, until one is left

// Of each part, its mean and the sum of its squared deviations, or of all rows the mean of these.
KERNEL moments(
    const REAL *x, REAL *means, REAL *squares, INDEX rows, INDEX channels, INDEX rows_in_part)
{
    const INDEX parts = (rows + rows_in_part - 1) / rows_in_part;
    EACH(i, parts * channels)
    {
        const INDEX first = i / channels * rows_in_part;
        const INDEX n = rows - first < rows_in_part ? rows - first : rows_in_part;
        const REAL *from = x + first * channels + i % channels;
        REAL sum = 0, square = 0;
        for (INDEX k = 0; k < n; ++k)
            sum += from[k * channels];
        const REAL mean = sum / n;
        for (INDEX k = 0; k < n; ++k) {
            const REAL difference = from[k * channels] - mean;
            square += difference * difference;
        }
        means[i] = mean;
        squares[i] = parts == 1 ? square / rows : square;
    }
}

// Of each so many parts, those of their rows together (Chan, Golub and LeVeque, 1979): with the
// difference d of two means, S = S1 + S2 + d^2 * n1 * n2 / n and m = m1 + d * n2 / n. Every part
// has rows_in_part rows, but the last one what is left. The last sum is divided by their number.
KERNEL merged_moments(
    const REAL *means, const REAL *squares, REAL *merged_means, REAL *merged_squares, INDEX rows,
    INDEX channels, INDEX rows_in_part, INDEX fan)
{
    const INDEX parts = (rows + rows_in_part - 1) / rows_in_part, merged = (parts + fan - 1) / fan;
    EACH(i, merged * channels)
    {
        const INDEX first = i / channels * fan;
        const INDEX last = first + fan < parts ? first + fan : parts;
        double n = 0, mean = 0, square = 0;
        for (INDEX k = first; k < last; ++k) {
            const INDEX left = rows - k * rows_in_part, j = k * channels + i % channels;
            const double more = left < rows_in_part ? left : rows_in_part;
            const double difference = means[j] - mean, share = more / (n + more);
            square += squares[j] + difference * difference * n * share;
            mean += difference * share;
            n += more;
        }
        merged_means[i] = (REAL)mean;
        merged_squares[i] = (REAL)(merged == 1 ? square / rows : square);
    }
}

// A leaky ReLU. A slope of zero times infinity would be no number.
INLINE REAL bent(REAL x, REAL slope)
{
    return x > 0 ? x : slope != 0 || x != x ? slope * x : 0;
}

// Batch normalisation of a channel, and the slope of the leaky ReLU that follows.
struct Norm {
    REAL mean, inverse, scale, shift, slope;
};

#define NORM                                                                                \
    const REAL *gamma, const REAL *beta, const REAL *mean, const REAL *variance, REAL eps,  \
        REAL slope

INLINE Norm norm(INDEX c, NORM)
{
    const REAL inverse = 1 / sqrt(variance[c] + eps);
    const Norm found = {mean[c], inverse, gamma[c] * inverse, beta[c], slope};
    return found;
}

INLINE REAL normalized(Norm n, REAL x)
{
    return n.scale * (x - n.mean) + n.shift;
}

// The gradient of what the leaky ReLU takes.
INLINE REAL gated(Norm n, REAL g, REAL x)
{
    return normalized(n, x) > 0 ? g : n.slope * g;
}

// Of each part, the sums of g and of g * (x - mean): sums is (parts, 2, channels).
KERNEL gradient_sums(
    const REAL *g, const REAL *x, NORM, REAL *sums, INDEX rows, INDEX channels, INDEX rows_in_part)
{
    const INDEX parts = (rows + rows_in_part - 1) / rows_in_part;
    EACH(i, parts * channels)
    {
        const INDEX c = i % channels;
        const INDEX first = i / channels * rows_in_part;
        const INDEX n = rows - first < rows_in_part ? rows - first : rows_in_part;
        const Norm here = norm(c, gamma, beta, mean, variance, eps, slope);
        REAL of_g = 0, of_both = 0;
        for (INDEX k = 0; k < n; ++k) {
            const INDEX j = (first + k) * channels + c;
            const REAL slope_of_y = gated(here, g[j], x[j]);
            of_g += slope_of_y;
            of_both += slope_of_y * (x[j] - here.mean);
        }
        REAL *into = sums + i / channels * 2 * channels + c;
        into[0] = of_g;
        into[channels] = of_both;
    }
}

// The sums of each so many rows of a matrix.
KERNEL sums_of_rows(const REAL *x, REAL *sums, INDEX rows, INDEX columns, INDEX fan)
{
    EACH(i, (rows + fan - 1) / fan * columns)
    {
        const INDEX first = i / columns * fan, last = first + fan < rows ? first + fan : rows;
        REAL sum = 0;
        for (INDEX k = first; k < last; ++k)
            sum += x[k * columns + i % columns];
        sums[i] = sum;
    }
}

// Normalisation, of x (rows, channels) and numbers of each channel

KERNEL normalize(const REAL *x, NORM, REAL *result, INDEX count, INDEX channels)
{
    EACH(i, count)
    {
        const Norm here = norm(i % channels, gamma, beta, mean, variance, eps, slope);
        result[i] = bent(normalized(here, x[i]), slope);
    }
}

// Of x and of gamma, from gradient_sums.
KERNEL normalize_gradient(
    const REAL *g, const REAL *x, NORM, const REAL *sums, REAL *result, REAL *of_gamma, INDEX count,
    INDEX channels)
{
    const REAL rows = count / channels;
    EACH(i, count)
    {
        const INDEX c = i % channels;
        const Norm n = norm(c, gamma, beta, mean, variance, eps, slope);
        const REAL mean_g = sums[c] / rows, mean_gx = sums[channels + c] / rows;
        const REAL turn = n.inverse * n.inverse * mean_gx;
        result[i] = n.scale * (gated(n, g[i], x[i]) - mean_g - (x[i] - n.mean) * turn);
        if (i < channels)
            of_gamma[i] = n.inverse * sums[channels + i];
    }
}

// scale * (x - centre) + shift
KERNEL standardize(
    const REAL *x, const REAL *centre, const REAL *scale, const REAL *shift, REAL *result,
    INDEX count, INDEX channels)
{
    EACH(i, count)
    {
        const INDEX c = i % channels;
        result[i] = scale[c] * (x[i] - centre[c]) + shift[c];
    }
}

// Element by element

KERNEL bend(const REAL *x, REAL *result, INDEX count, REAL slope)
{
    EACH(i, count)
    {
        result[i] = bent(x[i], slope);
    }
}

KERNEL gate(const REAL *g, const REAL *signs, REAL *result, INDEX count, REAL slope)
{
    EACH(i, count)
    {
        result[i] = signs[i] > 0 ? g[i] : slope * g[i];
    }
}

// Binary cross-entropy from logits, and its slope

KERNEL cross_entropy(const REAL *x, REAL *result, INDEX count, REAL target)
{
    EACH(i, count)
    {
        const REAL size = x[i] > 0 ? x[i] : -x[i], above = x[i] > 0 ? x[i] : 0;
        result[i] = above - target * x[i] + log1p(exp(-size));
    }
}

// (1 - t) * s(x) - t * s(-x), with e^-|x| so that nothing overflows.
KERNEL cross_entropy_slope(const REAL *x, REAL *result, INDEX count, REAL target)
{
    EACH(i, count)
    {
        const REAL e = exp(x[i] > 0 ? -x[i] : x[i]);
        const REAL large = 1 / (1 + e), small = e / (1 + e);
        const REAL here = x[i] > 0 ? large : small, there = x[i] > 0 ? small : large;
        result[i] = (1 - target) * here - target * there;
    }
}

// Optimisers, each of all parameters of a network at once. Their numbers lie in memory, as a
// captured launch has its arguments for good. Where go is given and zero, a gradient was not finite,
// and all stays as it is.

#define NUMBER(k) ((REAL)numbers[k])
#define EACH_IF(i, count)                                                           \
    if (!go || *go)                                                                 \
    EACH(i, count)

// Where a parameter lies. All are counted through, one after the other, and end is where it ends.
struct Part {
    word end;
    REAL *weight;
    const REAL *gradient;
    REAL *slots[3];
};

// One of its elements; slots that there are not are null.
struct Element {
    REAL *weight;
    REAL gradient;
    REAL *slots[3];
};

INLINE Element element(const Part *parts, INDEX count, INDEX k)
{
    INDEX low = 0, high = count - 1;  // the first part that ends after k
    while (low < high) {
        const INDEX middle = (low + high) / 2;
        if ((word)k < parts[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    const Part &p = parts[low];
    const word i = low ? k - parts[low - 1].end : k;
    Element e = {p.weight + i, p.gradient[i], {0, 0, 0}};
    for (int s = 0; s < 3; ++s)
        e.slots[s] = p.slots[s] ? p.slots[s] + i : 0;
    return e;
}

#define PARAMETERS                                                                  \
    const Part *parts, INDEX count, INDEX total, const double *numbers, const double *go

KERNEL sgd(PARAMETERS)
{
    const REAL lr = NUMBER(0), momentum = NUMBER(1), nesterov = NUMBER(2);
    const REAL weight_decay = NUMBER(3);
    EACH_IF(k, total)
    {
        const Element e = element(parts, count, k);
        REAL *velocity = e.slots[0];
        const REAL g = e.gradient + weight_decay * *e.weight;
        REAL change = g;
        if (velocity) {
            *velocity = momentum * *velocity + g;
            change = nesterov ? g + momentum * *velocity : *velocity;
        }
        *e.weight -= lr * change;
    }
}

KERNEL rmsprop(PARAMETERS)
{
    const REAL lr = NUMBER(0), rho = NUMBER(1), rest = NUMBER(2), eps = NUMBER(3);
    const REAL momentum = NUMBER(4);
    EACH_IF(k, total)
    {
        const Element e = element(parts, count, k);
        REAL *square = e.slots[0], *velocity = e.slots[1];
        const REAL g = e.gradient;
        *square = rho * *square + rest * g * g;
        REAL change = g / (sqrt(*square) + eps);
        if (velocity)
            change = *velocity = momentum * *velocity + change;
        *e.weight -= lr * change;
    }
}

KERNEL adam(PARAMETERS)
{
    const REAL beta1 = NUMBER(0), rest1 = NUMBER(1), beta2 = NUMBER(2), rest2 = NUMBER(3);
    const REAL eps = NUMBER(4), kept = NUMBER(5), rate = NUMBER(6);
    EACH_IF(k, total)
    {
        const Element e = element(parts, count, k);
        REAL *mean = e.slots[0], *square = e.slots[1], *largest = e.slots[2];
        const REAL g = e.gradient;
        *mean = beta1 * *mean + rest1 * g;
        *square = beta2 * *square + rest2 * g * g;
        REAL under = *square;
        if (largest) {
            const REAL before = *largest;
            const bool stays = before > under || before != before;  // as a NaN does
            under = *largest = stays ? before : under;
        }
        *e.weight = kept * *e.weight - rate * (*mean / (sqrt(under) + eps));
    }
}

// A moving average: average + share * (weight - average).
KERNEL follow(
    REAL *average, const REAL *weight, INDEX count, const double *share, const double *go)
{
    const REAL s = (REAL)*share;
    EACH_IF(i, count)
    {
        average[i] += (weight[i] - average[i]) * s;
    }
}

// A copy, which stays that of what was there while go was not zero yet.
KERNEL keep(REAL *copy, const REAL *array, INDEX count, const double *go)
{
    EACH_IF(i, count)
    {
        copy[i] = array[i];
    }
}

KERNEL go_if_finite(const REAL *sums, INDEX count, double *go)
{
    EACH(one, 1)
    {
        for (INDEX i = one; i < count; ++i)
            if (sums[i] - sums[i] != 0)  // infinite or NaN
                *go = 0;
    }
}

// Random numbers

#ifdef __CUDACC__
#define HIGH(a, b) __umul64hi(a, b)
#else
#define HIGH(a, b) (word)((unsigned __int128)(a) * (b) >> 64)
#endif

// Philox4x64-10 (Salmon et al., 2011): block k of four words is ten rounds of the counter
// (k + 1, draw, step, 0), as numpy.random.Philox counts before it draws.
// later, if given, is where the step stands.
KERNEL philox(
    word *words, INDEX count, word key0, word key1, word draw, word step, const double *later)
{
    if (later)
        step = (word)*later;
    EACH(k, (count + 3) / 4)
    {
        word a = (word)k + 1, b = draw, c = step, d = 0, x = key0, y = key1;
        for (int round = 0; round < 10; ++round) {
            const word low0 = 0xD2E7470EE14C6C93ULL * a, high0 = HIGH(0xD2E7470EE14C6C93ULL, a);
            const word low1 = 0xCA5A826395121157ULL * c, high1 = HIGH(0xCA5A826395121157ULL, c);
            a = high1 ^ b ^ x;
            b = low1;
            c = high0 ^ d ^ y;
            d = low0;
            x += 0x9E3779B97F4A7C15ULL;
            y += 0xBB67AE8584CAA73BULL;
        }
        const word four[4] = {a, b, c, d};
        for (int j = 0; j < 4 && 4 * k + j < count; ++j)
            words[4 * k + j] = four[j];
    }
}
