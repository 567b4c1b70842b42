/* What contrib/c/score.c calls of ONNX Runtime's C interface, for computers without its header.
 *
 * ONNX Runtime never changes the place of a function in the table OrtApi; a new version only adds
 * functions at its end. So a part of the table is enough. Programs use the header of ONNX Runtime's
 * release: this one holds nothing else.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct OrtAllocator OrtAllocator;
typedef struct OrtEnv OrtEnv;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtModelMetadata OrtModelMetadata;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtStatus OrtStatus;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtValue OrtValue;

enum { ORT_LOGGING_LEVEL_ERROR = 3 };
enum { OrtArenaAllocator = 1 };
enum { OrtMemTypeDefault = 0 };
enum { ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1 };

typedef void *Unused;

typedef struct {
    Unused before_2[2];
    const char *(*GetErrorMessage)(const OrtStatus *); /* place 2 */
    OrtStatus *(*CreateEnv)(int level, const char *name, OrtEnv **);
    Unused before_7[3];
    OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *,
                                OrtSession **);
    Unused before_9[1];
    OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names,
                      const OrtValue *const *inputs, size_t n_inputs,
                      const char *const *output_names, size_t n_outputs, OrtValue **outputs);
    OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
    Unused before_24[13];
    OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int);
    Unused before_49[24];
    OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *values,
                                                 size_t n_bytes, const int64_t *shape,
                                                 size_t n_dimensions, int type, OrtValue **);
    Unused before_51[1];
    OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
    Unused before_64[12];
    OrtStatus *(*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo *, size_t *);
    OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
    Unused before_69[3];
    OrtStatus *(*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo **);
    Unused before_76[6];
    OrtStatus *(*AllocatorFree)(OrtAllocator *, void *);
    Unused before_78[1];
    OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **);
    Unused before_94[15];
    void (*ReleaseMemoryInfo)(OrtMemoryInfo *);
    Unused before_96[1];
    void (*ReleaseValue)(OrtValue *);
    Unused before_99[2];
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
    void (*ReleaseSessionOptions)(OrtSessionOptions *);
    Unused before_111[10];
    OrtStatus *(*SessionGetModelMetadata)(const OrtSession *, OrtModelMetadata **);
    Unused before_116[4];
    OrtStatus *(*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *, OrtAllocator *,
                                                       const char *key, char **);
    Unused before_118[1];
    void (*ReleaseModelMetadata)(OrtModelMetadata *);
} OrtApi;

typedef struct {
    const OrtApi *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} OrtApiBase;

const OrtApiBase *OrtGetApiBase(void);
