/* Scores a recording with an edgeae artifact, as `edgeae run` does, without Python.
 *
 *     python3 contrib/c/constants.py machine.onnx machine.bin      once, where edgeae is installed
 *     ./score machine.onnx machine.bin recording.wav               on the device
 *
 * It prints a line for each window: seconds, score, threshold, and 1 if the window is anomalous.
 * The exit code is 0, or 2 for a file that cannot be used or written, or 3 if the self-test fails.
 *
 *     samples -> log-mel frames -> patches -> network -> sums of a window -> features -> score
 *
 * docs/artifact.md describes each step. What depends on the artifact alone (the linear algebra of
 * the scoring head) is computed by constants.py. To compile:
 *
 *     cc -O2 -std=c11 -I INCLUDE score.c -L LIB -lonnxruntime -lm -o score
 *
 * INCLUDE holds onnxruntime_c_api.h and LIB libonnxruntime.so, both of ONNX Runtime's release for
 * C and C++. The processor must be little-endian.
 */
#include <math.h>
#include <onnxruntime_c_api.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_VERSION 17 /* of ONNX Runtime 1.17: later ones have it, too */
#define EPSILON 0.02   /* standard deviations, added to each spread and change */
#define MAX_BYTES (512L << 20)

static const double PI = 3.14159265358979323846;

/* The head of the file of constants.py. */
typedef struct {
    char magic[8];
    char sha256[64]; /* of the artifact */
    uint32_t sample_rate, n_fft, hop, n_mels, is_htk;
    uint32_t patch_frames, window_patches;
    uint32_t n_features, n_identity, n_views; /* no view: the score is the energy */
    uint32_t seed, reserved;
    double f_min, f_max, floor_db, threshold;
    double energy, score, tolerance; /* of the self-test */
} Constants;

typedef struct {
    uint32_t first, n_source, n_view, reserved; /* the features of its source; columns */
    double weight;
} ViewHead;

typedef struct {
    ViewHead head;
    const double *projection; /* n_source rows, n_view columns */
} View;

/* The sums of a patch: two sources (input, residual) in each row of n_mels. */
typedef struct {
    float *sums;     /* [3][2][n_mels]: of values, of squares, of squared changes */
    float *identity; /* [n_identity] */
} Patch;

typedef struct {
    Constants c;
    const double *mean; /* [n_features] */
    View *views;
    float *filters;   /* [n_mels][n_fft / 2 + 1] */
    double *cosines;  /* [n_mels / 4][n_mels] */
    Patch *window;    /* the last window_patches patches */
    uint32_t n_patches;
    double *features;
    OrtSession *session;
} Scorer;

static const OrtApi *ort;

static void fail(int code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("score: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(code);
}

static void check(OrtStatus *status) {
    if (status) fail(2, "onnxruntime: %s", ort->GetErrorMessage(status));
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail(2, "no memory is left");
    return memory;
}

/* The bytes of a file; the caller keeps them until the end. */
static uint8_t *read_file(const char *path, size_t *n_bytes) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(2, "%s: cannot be read", path);
    long size = ftell(file);
    if (size < 0 || size > MAX_BYTES) fail(2, "%s: is no file of at most 512 MiB", path);
    rewind(file);
    uint8_t *bytes = allocate((size_t)size, 1);
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size) fail(2, "%s: cannot be read", path);
    fclose(file);
    *n_bytes = (size_t)size;
    return bytes;
}

/* ---- Constants ---- */

static double hz_to_mel(double hz, int is_htk) {
    if (is_htk) return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) * 27 / log(6.4);
}

static double mel_to_hz(double mel, int is_htk) {
    if (is_htk) return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* Triangles of area 1: band i rises from edge i to i + 1 and falls to edge i + 2. */
static float *make_filters(const Constants *c) {
    uint32_t n_bins = c->n_fft / 2 + 1;
    float *filters = allocate((size_t)c->n_mels * n_bins, sizeof(float));
    double low = hz_to_mel(c->f_min, c->is_htk), high = hz_to_mel(c->f_max, c->is_htk);
    for (uint32_t band = 0; band < c->n_mels; band++) {
        double edge[3];
        for (uint32_t k = 0; k < 3; k++)
            edge[k] = mel_to_hz(low + (high - low) * (band + k) / (c->n_mels + 1), c->is_htk);
        for (uint32_t bin = 0; bin < n_bins; bin++) {
            double hz = (double)bin * c->sample_rate / c->n_fft;
            double rising = (hz - edge[0]) / (edge[1] - edge[0]);
            double falling = (edge[2] - hz) / (edge[2] - edge[1]);
            double height = fmax(0, fmin(rising, falling));
            filters[band * n_bins + bin] = (float)(height * 2 / (edge[2] - edge[0]));
        }
    }
    return filters;
}

/* The first cosines over the bands, orthonormal (DCT-II). */
static double *make_cosines(uint32_t n_mels) {
    double *cosines = allocate((size_t)(n_mels / 4) * n_mels, sizeof(double));
    for (uint32_t order = 0; order < n_mels / 4; order++)
        for (uint32_t band = 0; band < n_mels; band++)
            cosines[order * n_mels + band] =
                cos(PI * (band + 0.5) * order / n_mels) * sqrt((order ? 2.0 : 1.0) / n_mels);
    return cosines;
}

static void read_constants(Scorer *s, const char *path) {
    size_t n_bytes, at = sizeof(Constants);
    uint8_t *bytes = read_file(path, &n_bytes);
    if (n_bytes < at || memcmp(bytes, "edgeaeC1", 8))
        fail(2, "%s: is no file of constants.py", path);
    memcpy(&s->c, bytes, sizeof(Constants));
    const Constants *c = &s->c;
    if (c->n_fft < 32 || c->n_fft > 16384 || c->n_fft & (c->n_fft - 1))
        fail(2, "%s: n_fft is %u; this program computes powers of 2", path, c->n_fft);
    if (c->n_mels < 4 || c->n_mels > 512 || c->n_identity > 128 || c->n_views > 16 ||
        c->n_features != 1 + 2 * (c->n_mels + 2 * (c->n_mels / 4)) + c->n_identity ||
        c->sample_rate < 4000 || c->sample_rate > 384000 || c->hop < 8 || c->hop > c->n_fft ||
        c->patch_frames < 2 || c->patch_frames > 1024 || !c->window_patches ||
        c->window_patches > 4096)
        fail(2, "%s: is damaged", path);
    s->mean = (const double *)(bytes + at);
    at += c->n_features * sizeof(double);
    s->views = allocate(c->n_views, sizeof(View));
    for (uint32_t k = 0; k < c->n_views; k++) {
        ViewHead *head = &s->views[k].head;
        if (at + sizeof(ViewHead) > n_bytes) fail(2, "%s: is damaged", path);
        memcpy(head, bytes + at, sizeof(ViewHead));
        at += sizeof(ViewHead);
        if ((uint64_t)head->first + head->n_source > c->n_features || !head->n_view ||
            head->n_view > head->n_source)
            fail(2, "%s: is damaged", path);
        s->views[k].projection = (const double *)(bytes + at);
        at += sizeof(double) * head->n_source * head->n_view;
    }
    if (at != n_bytes) fail(2, "%s: is damaged", path);
    s->filters = make_filters(c);
    s->cosines = make_cosines(c->n_mels);
    s->features = allocate(c->n_features, sizeof(double));
    s->window = allocate(c->window_patches, sizeof(Patch));
    for (uint32_t k = 0; k < c->window_patches; k++) {
        s->window[k].sums = allocate(6 * c->n_mels, sizeof(float));
        s->window[k].identity = allocate(c->n_identity, sizeof(float));
    }
}

/* ---- Network ---- */

/* Refuses the constants of another artifact. */
static void check_same_artifact(const Scorer *s, const char *path) {
    OrtModelMetadata *metadata;
    OrtAllocator *allocator;
    char *sha256 = NULL;
    check(ort->SessionGetModelMetadata(s->session, &metadata));
    check(ort->GetAllocatorWithDefaultOptions(&allocator));
    check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "edgeae.sha256", &sha256));
    if (!sha256) fail(2, "%s: is no artifact of edgeae", path);
    if (strlen(sha256) != 64 || memcmp(sha256, s->c.sha256, 64))
        fail(2, "%s: the constants are of another artifact; run constants.py again", path);
    check(ort->AllocatorFree(allocator, sha256));
    ort->ReleaseModelMetadata(metadata);
}

static void open_network(Scorer *s, const char *path) {
    OrtEnv *env;
    OrtSessionOptions *options;
    ort = OrtGetApiBase()->GetApi(API_VERSION);
    if (!ort) fail(2, "onnxruntime is older than 1.17");
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "score", &env));
    check(ort->CreateSessionOptions(&options));
    check(ort->SetIntraOpNumThreads(options, 1));
    check(ort->CreateSession(env, path, options, &s->session));
    ort->ReleaseSessionOptions(options);
    check_same_artifact(s, path);
}

static void copy_output(OrtValue *value, float *target, size_t count) {
    OrtTensorTypeAndShapeInfo *shape;
    size_t n_values;
    void *values;
    check(ort->GetTensorTypeAndShape(value, &shape));
    check(ort->GetTensorShapeElementCount(shape, &n_values));
    ort->ReleaseTensorTypeAndShapeInfo(shape);
    if (n_values != count) fail(2, "the network has %zu outputs, not %zu", n_values, count);
    check(ort->GetTensorMutableData(value, &values));
    memcpy(target, values, count * sizeof(float));
    ort->ReleaseValue(value);
}

static void run_network(const Scorer *s, float *frames, Patch *patch) {
    const Constants *c = &s->c;
    const char *input_names[] = {"log_mel"}, *output_names[] = {"statistics", "identity"};
    const int64_t shape[] = {1, c->patch_frames, c->n_mels};
    size_t n_bytes = sizeof(float) * c->patch_frames * c->n_mels;
    OrtMemoryInfo *memory;
    OrtValue *input = NULL, *outputs[] = {NULL, NULL};
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(ort->CreateTensorWithDataAsOrtValue(memory, frames, n_bytes, shape, 3,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
    check(ort->Run(s->session, NULL, input_names, (const OrtValue *const *)&input, 1, output_names,
                   c->n_identity ? 2 : 1, outputs));
    copy_output(outputs[0], patch->sums, 6 * c->n_mels);
    if (c->n_identity) copy_output(outputs[1], patch->identity, c->n_identity);
    ort->ReleaseValue(input);
    ort->ReleaseMemoryInfo(memory);
}

/* ---- Features of the sound ---- */

/* The discrete Fourier transform in place, radix 2 (Cooley and Tukey, 1965). */
static void transform(double *re, double *im, uint32_t n) {
    for (uint32_t i = 1, j = 0; i < n; i++) {
        uint32_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j |= bit;
        if (i < j) {
            double swap = re[i];
            re[i] = re[j];
            re[j] = swap; /* im is 0 before the first step */
        }
    }
    for (uint32_t size = 2; size <= n; size *= 2)
        for (uint32_t k = 0; k < size / 2; k++) {
            double wr = cos(2 * PI * k / size), wi = -sin(2 * PI * k / size);
            for (uint32_t a = k; a < n; a += size) {
                uint32_t b = a + size / 2;
                double tr = re[b] * wr - im[b] * wi, ti = re[b] * wi + im[b] * wr;
                re[b] = re[a] - tr;
                im[b] = im[a] - ti;
                re[a] += tr;
                im[a] += ti;
            }
        }
}

/* Writes the n_mels values of a frame, dB. */
static void log_mel_frame(const Scorer *s, const float *samples, float *frame) {
    const Constants *c = &s->c;
    uint32_t n_bins = c->n_fft / 2 + 1;
    double *re = allocate(c->n_fft, sizeof(double)), *im = allocate(c->n_fft, sizeof(double));
    for (uint32_t k = 0; k < c->n_fft; k++)
        re[k] = samples[k] * (0.5 - 0.5 * cos(2 * PI * k / c->n_fft)); /* periodic Hann window */
    transform(re, im, c->n_fft);
    for (uint32_t band = 0; band < c->n_mels; band++) {
        const float *filter = s->filters + band * n_bins;
        double power = 0;
        for (uint32_t bin = 0; bin < n_bins; bin++)
            power += filter[bin] * (re[bin] * re[bin] + im[bin] * im[bin]);
        frame[band] = (float)fmax(10 * log10(fmax(power, 1e-300)), c->floor_db);
    }
    free(re);
    free(im);
}

/* Writes the features of the window: energy; of input and residual: mean, spread, change. */
static void window_features(const Scorer *s) {
    const Constants *c = &s->c;
    uint32_t n_mels = c->n_mels, n_smooth = n_mels / 4;
    double n_frames = (double)s->n_patches * c->patch_frames, *to = s->features + 1, energy = 0;
    for (uint32_t source = 0; source < 2; source++, to += n_mels + 2 * n_smooth) {
        memset(to + n_mels, 0, 2 * n_smooth * sizeof(double));
        for (uint32_t band = 0; band < n_mels; band++) {
            double sum[3] = {0, 0, 0};
            for (uint32_t p = 0; p < s->n_patches; p++)
                for (uint32_t row = 0; row < 3; row++)
                    sum[row] += s->window[p].sums[(row * 2 + source) * n_mels + band];
            double mean = sum[0] / n_frames, square = sum[1] / n_frames;
            double spread = log(sqrt(fmax(square - mean * mean, 0)) + EPSILON);
            double change = log(sqrt(sum[2] / (n_frames - s->n_patches)) + EPSILON);
            if (source == 1) energy += square / n_mels;
            to[band] = mean;
            for (uint32_t order = 0; order < n_smooth; order++) {
                double cosine = s->cosines[order * n_mels + band];
                to[n_mels + order] += spread * cosine;
                to[n_mels + n_smooth + order] += change * cosine;
            }
        }
    }
    s->features[0] = log(energy + 1e-12);
    for (uint32_t k = 0; k < c->n_identity; k++) {
        double sum = 0;
        for (uint32_t p = 0; p < s->n_patches; p++) sum += s->window[p].identity[k];
        to[k] = sum / s->n_patches;
    }
}

/* ---- Score ---- */

static double score_window(const Scorer *s) {
    window_features(s);
    double score = s->c.n_views ? 0 : s->features[0];
    for (uint32_t k = 0; k < s->c.n_views; k++) {
        const ViewHead *view = &s->views[k].head;
        double squares = 0;
        for (uint32_t column = 0; column < view->n_view; column++) {
            double projected = 0;
            for (uint32_t row = 0; row < view->n_source; row++)
                projected += (s->features[view->first + row] - s->mean[view->first + row]) *
                             s->views[k].projection[row * view->n_view + column];
            squares += projected * projected;
        }
        score += view->weight * log(squares / view->n_view + 1e-12);
    }
    return score;
}

static void push_patch(Scorer *s, float *frames) {
    if (s->n_patches == s->c.window_patches) { /* the oldest patch makes room */
        Patch oldest = s->window[0];
        memmove(s->window, s->window + 1, (s->n_patches - 1) * sizeof(Patch));
        s->window[--s->n_patches] = oldest;
    }
    run_network(s, frames, &s->window[s->n_patches++]);
}

static double print_score(const Scorer *s, uint64_t n_frames, int is_quiet) {
    double score = score_window(s), seconds = (double)n_frames * s->c.hop / s->c.sample_rate;
    if (!is_quiet)
        printf("%.3f %.6f %.6f %d\n", seconds, score, s->c.threshold, score > s->c.threshold);
    return score;
}

/* Scores a whole recording and returns the score of its last window. */
static double score_recording(Scorer *s, const float *samples, size_t n_samples, int is_quiet) {
    const Constants *c = &s->c;
    uint64_t n_frames = n_samples < c->n_fft ? 0 : (n_samples - c->n_fft) / c->hop + 1;
    if (n_frames < c->patch_frames) fail(2, "the recording is shorter than one patch");
    float *frames = allocate((size_t)c->patch_frames * c->n_mels, sizeof(float));
    double score = 0;
    s->n_patches = 0;
    for (uint64_t frame = 0; frame < n_frames; frame++) {
        if (frame >= c->patch_frames) /* the last patch may overlap the one before */
            memmove(frames, frames + c->n_mels,
                    (size_t)(c->patch_frames - 1) * c->n_mels * sizeof(float));
        uint64_t row = frame < c->patch_frames ? frame : c->patch_frames - 1;
        log_mel_frame(s, samples + frame * c->hop, frames + row * c->n_mels);
        int is_patch = (frame + 1) % c->patch_frames == 0, is_last = frame + 1 == n_frames;
        if (is_patch || is_last) push_patch(s, frames);
        if (is_last || (is_patch && s->n_patches == c->window_patches))
            score = print_score(s, frame + 1, is_quiet);
    }
    free(frames);
    return score;
}

/* The self-test of the artifact: the score of noise that is the same everywhere. */
static void self_test(Scorer *s) {
    const Constants *c = &s->c;
    size_t n = 3 * (size_t)c->sample_rate, two_patches = 2 * (size_t)c->patch_frames * c->hop;
    if (n < two_patches) n = two_patches;
    float *noise = allocate(n, sizeof(float));
    uint32_t state = c->seed;
    for (size_t k = 0; k < n; k++) {
        state = 1664525u * state + 1013904223u;
        noise[k] = (float)((int32_t)(state >> 16) - 32768) * (float)(0.1 * sqrt(3) / 32768);
    }
    double error = fabs(score_recording(s, noise, n, 1) - c->score);
    double energy_error = fabs(s->features[0] - c->energy);
    free(noise);
    if (!(fmax(error, energy_error) <= c->tolerance))
        fail(3, "self-test failed: the score is off by %g, allowed is %g", error, c->tolerance);
}

/* ---- WAV ---- */

static uint32_t number(const uint8_t *bytes, int n) {
    uint32_t value = 0;
    for (int k = 0; k < n; k++) value |= (uint32_t)bytes[k] << 8 * k;
    return value;
}

/* The samples of a WAV of one channel and 16 bits, full scale 1. */
static float *read_wav(const char *path, uint32_t sample_rate, size_t *n_samples) {
    size_t n_bytes, at = 12;
    uint8_t *bytes = read_file(path, &n_bytes);
    const uint8_t *format = NULL;
    if (n_bytes < 12 || memcmp(bytes, "RIFF", 4) || memcmp(bytes + 8, "WAVE", 4))
        fail(2, "%s: is no WAV", path);
    while (at + 8 <= n_bytes && memcmp(bytes + at, "data", 4)) {
        size_t size = number(bytes + at + 4, 4);
        if (!memcmp(bytes + at, "fmt ", 4) && size >= 16 && at + 24 <= n_bytes)
            format = bytes + at + 8;
        at += 8 + size + size % 2;
    }
    if (!format || at + 8 > n_bytes) fail(2, "%s: the WAV is cut off", path);
    if ((number(format, 2) != 1 && number(format, 2) != 0xFFFE) || number(format + 14, 2) != 16 ||
        number(format + 2, 2) != 1 || number(format + 4, 4) != sample_rate)
        fail(2, "%s: needed are one channel, 16 bits and %u Hz", path, sample_rate);
    size_t size = number(bytes + at + 4, 4), left = n_bytes - at - 8;
    *n_samples = (size < left ? size : left) / 2;
    float *samples = allocate(*n_samples, sizeof(float));
    for (size_t k = 0; k < *n_samples; k++)
        samples[k] = (float)(int16_t)number(bytes + at + 8 + 2 * k, 2) / 32768;
    free(bytes);
    return samples;
}

int main(int argc, char **argv) {
    Scorer scorer = {0};
    size_t n_samples;
    if (argc != 4) fail(2, "usage: score machine.onnx machine.bin recording.wav");
    read_constants(&scorer, argv[2]);
    open_network(&scorer, argv[1]);
    self_test(&scorer);
    float *samples = read_wav(argv[3], scorer.c.sample_rate, &n_samples);
    score_recording(&scorer, samples, n_samples, 0);
    free(samples);
    if (fflush(stdout) || ferror(stdout)) fail(2, "the scores cannot be written");
    return 0;
}
