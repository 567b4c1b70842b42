/* A plugin of qemu: how many instructions of which kind a program has executed, told at each mark.
 *
 *   gcc -shared -fPIC -O2 -o arm_counts.so arm_counts.c
 *   qemu-aarch64 -plugin ./arm_counts.so -cpu cortex-a72 PROGRAM
 *
 * A mark is the system call getpgid, which changes nothing. The kinds are those of the encoding (Arm Architecture
 * Reference Manual for A-profile, C4.1); one line on stderr has their totals in the order of `enum kind`.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* What is used of the interface for plugins, version 1 (qemu 6 to 8), of which Debian packages no header. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *sum, uint64_t);
extern void qemu_plugin_register_vcpu_syscall_cb(
    uint64_t id, void (*)(uint64_t, unsigned, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          uint64_t, uint64_t, uint64_t));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

enum { ADD = 0, GETPGID = 155 };
enum kind { INTEGER, BRANCH, LOAD, STORE, VECTOR, DOT_PRODUCT, KINDS };

/* Instructions that are executed one after the other. */
struct block {
    uint64_t executions, instructions[KINDS];
    struct block *before;
};
static struct block *last;

static int is_load(uint32_t word)
{
    int literal = (word & 0x3b000000) == 0x18000000;
    int sign_extended = (word & 0x3c800000) == 0x38800000;
    return literal || sign_extended || word >> 22 & 1;
}

static enum kind kind_of(uint32_t word)
{
    uint32_t group = word >> 25 & 15;
    if ((word & 0x9f20fc00) == 0x0e009400 || (word & 0x9f00f400) == 0x0f00e000)
        return DOT_PRODUCT; /* SDOT, UDOT: of vectors, of a vector and an element */
    if ((group & 5) == 4)
        return is_load(word) ? LOAD : STORE;
    if ((group & 14) == 10)
        return BRANCH;
    return (group & 7) == 7 ? VECTOR : INTEGER; /* scalar floating point is of the vector unit as well */
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        abort();
    for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++)
        block->instructions[kind_of(*(const uint32_t *)qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, k)))]++;
    block->before = __atomic_load_n(&last, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&last, &block->before, block, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &block->executions, 1);
}

static void called(uint64_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    uint64_t totals[KINDS] = {0};
    if (number != GETPGID)
        return;
    for (struct block *block = __atomic_load_n(&last, __ATOMIC_ACQUIRE); block; block = block->before)
        for (int kind = 0; kind < KINDS; kind++)
            totals[kind] += block->executions * block->instructions[kind];
    fprintf(stderr, "counts");
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(stderr, " %" PRIu64, totals[kind]);
    fputc('\n', stderr);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
