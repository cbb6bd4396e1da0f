// What of cuBLAS the engine calls, on the processor, after NVIDIA's description: matrices by
// columns, widths that must be large enough, a stream that makes the workspace forgotten. What is
// wrong is answered with a status that is not 0.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

struct Handle {
    void *stream = nullptr;
    void *workspace = nullptr;
};

static int alive = 0;  // handles

enum { INVALID_VALUE = 7, NOT_INITIALIZED = 1 };
enum { REAL = 0, DOUBLE = 1 };
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, FAST_16BF = 75, FAST_TF32 = 77 };

// The nearest number of so many bits of mantissa, ties to even.
static float rounded(float x, int bits)
{
    uint32_t word;
    std::memcpy(&word, &x, 4);
    const int cut = 23 - bits;
    word += (1u << (cut - 1)) - 1 + (word >> cut & 1);
    word &= ~((1u << cut) - 1);
    std::memcpy(&x, &word, 4);
    return x;
}

// Every sum goes over l in order; the loop over i is inside, as its numbers lie side by side.
template <class T>
static void multiply(
    int m, int n, int k, T alpha, const T *a, int a_row, int a_column, const T *b, int b_row,
    int b_column, T beta, T *c, int width, int bits)
{
    const auto factor = [bits](T x) { return bits ? (T)rounded((float)x, bits) : x; };
    std::vector<T> left((size_t)m * k), sums(m);
    for (int i = 0; i < m; ++i)
        for (int l = 0; l < k; ++l)
            left[(size_t)l * m + i] = factor(a[(size_t)i * a_row + (size_t)l * a_column]);
    for (int j = 0; j < n; ++j) {
        std::fill(sums.begin(), sums.end(), (T)0);
        for (int l = 0; l < k; ++l) {
            const T right = factor(b[(size_t)l * b_row + (size_t)j * b_column]);
            const T *column = left.data() + (size_t)l * m;
            for (int i = 0; i < m; ++i)
                sums[i] += column[i] * right;
        }
        T *into = c + (size_t)j * width;
        for (int i = 0; i < m; ++i)
            into[i] = alpha * sums[i] + (beta ? beta * into[i] : 0);
    }
}

extern "C" {

int cublasCreate_v2(Handle **handle)
{
    *handle = new Handle;
    ++alive;
    return 0;
}

int cublasDestroy_v2(Handle *handle)
{
    delete handle;
    --alive;
    return 0;
}

// Not of cuBLAS: how many handles there are.
int handles()
{
    return alive;
}

int cublasSetStream_v2(Handle *handle, void *stream)
{
    if (!handle)
        return NOT_INITIALIZED;
    *handle = {stream, nullptr};
    return 0;
}

int cublasSetWorkspace_v2(Handle *handle, void *workspace, size_t bytes)
{
    if (!handle || !workspace || bytes < 1 << 20)
        return INVALID_VALUE;
    handle->workspace = workspace;
    return 0;
}

int cublasGemmEx(
    Handle *handle, int turn_a, int turn_b, int m, int n, int k, const void *alpha, const void *a,
    int a_type, int a_width, const void *b, int b_type, int b_width, const void *beta, void *c,
    int c_type, int c_width, int compute, int algorithm)
{
    if (!handle || !handle->workspace)
        return NOT_INITIALIZED;
    if (m < 0 || n < 0 || k < 0 || turn_a < 0 || turn_a > 1 || turn_b < 0 || turn_b > 1)
        return INVALID_VALUE;
    if (a_width < (turn_a ? k : m) || b_width < (turn_b ? n : k) || c_width < m || algorithm != -1)
        return INVALID_VALUE;
    if (a_type != b_type || a_type != c_type)
        return INVALID_VALUE;
    const int a_row = turn_a ? a_width : 1, a_column = turn_a ? 1 : a_width;
    const int b_row = turn_b ? b_width : 1, b_column = turn_b ? 1 : b_width;
    if (a_type == DOUBLE && compute == COMPUTE_64F) {
        multiply<double>(
            m, n, k, *(const double *)alpha, (const double *)a, a_row, a_column, (const double *)b,
            b_row, b_column, *(const double *)beta, (double *)c, c_width, 0);
        return 0;
    }
    const int bits = compute == FAST_TF32 ? 10 : compute == FAST_16BF ? 7 : 0;
    if (a_type != REAL || (!bits && compute != COMPUTE_32F))
        return INVALID_VALUE;
    multiply<float>(
        m, n, k, *(const float *)alpha, (const float *)a, a_row, a_column, (const float *)b, b_row,
        b_column, *(const float *)beta, (float *)c, c_width, bits);
    return 0;
}

int cublasGemmStridedBatchedEx(
    Handle *handle, int turn_a, int turn_b, int m, int n, int k, const void *alpha, const void *a,
    int a_type, int a_width, long long a_stride, const void *b, int b_type, int b_width,
    long long b_stride, const void *beta, void *c, int c_type, int c_width, long long c_stride,
    int count, int compute, int algorithm)
{
    if (count < 0)
        return INVALID_VALUE;
    const long long bytes = a_type == DOUBLE ? 8 : 4;
    for (int i = 0; i < count; ++i) {
        const int status = cublasGemmEx(
            handle, turn_a, turn_b, m, n, k, alpha, (const char *)a + i * bytes * a_stride, a_type,
            a_width, (const char *)b + i * bytes * b_stride, b_type, b_width, beta,
            (char *)c + i * bytes * c_stride, c_type, c_width, compute, algorithm);
        if (status)
            return status;
    }
    return 0;
}
}
