/* spin: user-mode arithmetic in 500 chunks, each timed by the processor's own counter. Prints the median chunk and all. */
#include "sys.h"

enum { CHUNKS = 500, ITERATIONS = 200000 };

static u64 counter(void)
{
#ifdef __x86_64__
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
#else
    u64 value;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
    return value;
#endif
}

static u64 chunk(u64 *state)
{
    u64 began = counter(), x = *state;
    for (int i = 0; i < ITERATIONS; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        __asm__ volatile("" : "+r"(x)); /* the compiler must not see through it */
    }
    *state = x;
    return counter() - began;
}

int tare_main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    static u64 took[CHUNKS];
    u64 state = 1, began = counter();
    for (int i = 0; i < CHUNKS; i++)
        took[i] = chunk(&state);
    u64 all = counter() - began;
    for (int i = 1; i < CHUNKS; i++) /* insertion sort: it is after the measurement */
        for (int j = i; j > 0 && took[j - 1] > took[j]; j--) {
            u64 swap = took[j];
            took[j] = took[j - 1], took[j - 1] = swap;
        }
    char line[80], *end = line + sizeof line, *at = put_number(line, end, took[CHUNKS / 2]);
    at = put_text(put_number(put_text(at, end, " "), end, all), end, "\n");
    sys_write(1, line, (size_t)(at - line));
    return 0;
}
