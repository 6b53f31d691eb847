/* Elementary operations of memory; see elementary.c. */

enum { ADVICE_HUGE = 14, ADVICE_NO_HUGE = 15, LINE_BYTES = 64, HUGE_BYTES = 2 << 20 };

/* Minor faults of this process so far. */
static u64 faults_so_far(void)
{
    struct rusage usage;
    SYS(__NR_getrusage, 0, &usage);
    return (u64)usage.ru_minflt;
}

/* Touch a byte in every page of a new mapping; only the touches are timed. */
static long touch(u64 bytes, u64 page, int advice, u64 *took_ns)
{
    long at = map_memory(bytes + HUGE_BYTES, 2);
    if (no_memory(at))
        return at;
    SYS(__NR_madvise, at, bytes + HUGE_BYTES, advice);
    volatile char *first = (char *)(((u64)at + HUGE_BYTES - 1) & ~(u64)(HUGE_BYTES - 1));
    u64 began = now_ns();
    for (u64 offset = 0; offset < bytes; offset += page)
        first[offset] = 1;
    *took_ns += now_ns() - began;
    return SYS(__NR_munmap, at, bytes + HUGE_BYTES);
}

static int touches(const char *name, u64 bytes, u64 passes, u64 page, int advice)
{
    u64 took = 0, done = 0, before = faults_so_far();
    while (done < passes && took < cap_ns) {
        long result = touch(bytes, page, advice, &took);
        if (result < 0)
            return failed(name, result);
        done++;
    }
    u64 pages = done * (bytes / page), seen = faults_so_far() - before;
    if (seen > pages + pages / 4 + 16)
        return lacking("a fault for each huge page was expected, and the kernel gave small ones");
    return report(name, pages, took);
}

static int faults(u64 bytes, u64 passes, u64 page) { return touches("fault", bytes, passes, page, ADVICE_NO_HUGE); }

static int huge_faults(u64 bytes, u64 passes, u64 page)
{
    if (page != 4096)
        return lacking("huge pages of 2 MiB need pages of 4 KiB");
    return touches("huge", bytes, passes, HUGE_BYTES, ADVICE_HUGE);
}

/* ---- latency -------------------------------------------------------------------------------------------------- */

/* Chase pointers through all lines of a buffer. Their order is that of a linear congruential generator with a full
 * period (Hull and Dobell 1962): no stride for a prefetcher to find, and it is laid out by sequential writes. Pages are
 * small ones, lest the answer depend on whether the kernel found a huge one. */
static int chase(u64 bytes, u64 steps)
{
    u64 lines = bytes / LINE_BYTES, began, took = 0, done = 0;
    long at = map_memory(bytes, 2);
    if (no_memory(at))
        return failed("mmap", at);
    SYS(__NR_madvise, at, bytes, ADVICE_NO_HUGE);
    char *first = (char *)at;
    for (u64 i = 0; i < lines; i++)
        *(char **)(first + i * LINE_BYTES) = first + ((i * 1664525 + 1013904223) & (lines - 1)) * LINE_BYTES;
    char *line = first;
    for (u64 i = 0; i < lines && i < steps; i++) /* once through: what fits into a cache is there afterwards */
        line = *(char *volatile *)line;
    began = now_ns();
    while (done < steps && took < cap_ns) {
        u64 portion = 1 << 14;
        done += portion;
        while (portion--)
            line = *(char *volatile *)line;
        took = now_ns() - began;
    }
    SYS(__NR_munmap, at, bytes);
    char name[32], *end = name + sizeof name;
    put_number(put_text(name, end, "chase-"), end, bytes);
    return report(name, done, took);
}

static int chases(char **pairs, u64 page)
{
    for (; pairs[0]; pairs += 2) {
        u64 bytes = parse_number(pairs[0], 0);
        if (bytes < page || (bytes & (bytes - 1)))
            return 2;
        int result = chase(bytes, parse_number(pairs[1], 0));
        if (result)
            return result;
    }
    return 0;
}

/* ---- bandwidth, as STREAM (McCalpin 1995) counts it ------------------------------------------------------------------ */

typedef double pair __attribute__((vector_size(16))); /* what both architectures have for sure */

enum { KERNELS = 4 };
static const char *const kernel_names[KERNELS] = {"copy", "scale", "add", "triad"};
static const u64 arrays_moved[KERNELS] = {2, 2, 3, 3};

struct shared {
    u32 arrived, failed, ended;
    u64 passes, took_ns[KERNELS];
};

static void pass(int kernel, pair *restrict a, pair *restrict b, pair *restrict c, u64 n)
{
    const pair three = {3.0, 3.0};
    for (u64 i = 0; i < n; i++) {
        if (kernel == 0)
            c[i] = a[i];
        else if (kernel == 1)
            b[i] = three * c[i];
        else if (kernel == 2)
            c[i] = a[i] + b[i];
        else
            a[i] = b[i] + three * c[i];
    }
}

/* Wait until all workers have come here for the ROUND-th time. */
static void meet(struct shared *shared, u32 workers, u32 round)
{
    __atomic_add_fetch(&shared->arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&shared->arrived, __ATOMIC_SEQ_CST) < workers * round)
        SYS(__NR_sched_yield);
}

/* One worker's part. Only the first reads the clock, between meetings, so that the slowest one counts. */
static void stream_worker(struct shared *shared, int first, u64 bytes, u64 passes, u32 workers)
{
    u64 n = bytes / workers / sizeof(pair);
    long at = map_memory(3 * n * sizeof(pair), 2);
    if (no_memory(at)) {
        __atomic_store_n(&shared->failed, (u32)-at, __ATOMIC_SEQ_CST);
        n = 0;
    }
    pair *a = (pair *)at, *b = a + n, *c = b + n;
    for (u64 i = 0; i < n; i++) {
        a[i] = (pair){1.0, 1.0};
        b[i] = (pair){2.0, 2.0};
        c[i] = (pair){0.0, 0.0};
    }
    u32 round = 0;
    u64 start = now_ns();
    for (u64 done = 0; done < passes && !__atomic_load_n(&shared->ended, __ATOMIC_SEQ_CST); done++) {
        for (int kernel = 0; kernel < KERNELS; kernel++) {
            meet(shared, workers, ++round);
            u64 began = now_ns();
            pass(kernel, a, b, c, n);
            meet(shared, workers, ++round);
            if (first)
                shared->took_ns[kernel] += now_ns() - began;
        }
        if (first) {
            shared->passes = done + 1;
            __atomic_store_n(&shared->ended, now_ns() - start >= cap_ns, __ATOMIC_SEQ_CST);
        }
        meet(shared, workers, ++round);
    }
}

static int streams(u64 bytes, u64 passes, u64 workers)
{
    long page = map_memory(4096, 1);
    if (no_memory(page) || workers < 1 || workers > 4096)
        return failed("stream", no_memory(page) ? page : -EINVAL);
    struct shared *shared = (struct shared *)page;
    long pids[4096];
    for (u64 i = 1; i < workers; i++) {
        pids[i] = SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
        if (pids[i] == 0) {
            stream_worker(shared, 0, bytes, passes, (u32)workers);
            sys_exit(0);
        }
        if (pids[i] < 0) {
            while (--i)
                sys_kill((int)pids[i], SIGKILL);
            return failed("fork", pids[i]);
        }
    }
    stream_worker(shared, 1, bytes, passes, (u32)workers);
    for (u64 i = 1; i < workers; i++)
        reap(pids[i]);
    if (shared->failed)
        return failed("mmap", -(long)shared->failed);
    u64 moved = bytes / workers / sizeof(pair) * workers * sizeof(pair) * shared->passes;
    int result = 0;
    for (int kernel = 0; kernel < KERNELS && !result; kernel++)
        result = report(kernel_names[kernel], moved * arrays_moved[kernel], shared->took_ns[kernel]);
    return result;
}
