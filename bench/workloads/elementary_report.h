/* Repeat an operation and report how long it took; see elementary.c. */

enum { LACKING = 75 }; /* EX_TEMPFAIL of sysexits.h: nothing is wrong with the program */
enum { PORTIONS = 64 };

static u64 cap_ns;

/* Print NAME COUNT NANOSECONDS. */
static int report(const char *name, u64 count, u64 took_ns)
{
    char line[128], *end = line + sizeof line;
    char *at = put_text(put_text(line, end, name), end, " ");
    at = put_number(put_text(put_number(at, end, count), end, " "), end, took_ns);
    at = put_text(at, end, "\n");
    return sys_write(1, line, (size_t)(at - line)) != at - line;
}

static int failed(const char *what, long error)
{
    char line[256], *end = line + sizeof line;
    char *at = put_text(put_error(line, end, what, error), end, "\n");
    sys_write(2, line, (size_t)(at - line));
    return 1;
}

static int lacking(const char *what)
{
    sys_write(1, what, strlen(what));
    sys_write(1, "\n", 1);
    return LACKING;
}

typedef long operation(void *with);

/* Repeat an operation COUNT times, or until the cap; it returns a negative errno if it failed. */
static int repeat(const char *name, u64 count, operation *step, void *with)
{
    u64 done = 0, took = 0, began = now_ns();
    u64 portion = count / PORTIONS + 1;
    while (done < count && took < cap_ns) {
        u64 left = count - done < portion ? count - done : portion;
        done += left;
        while (left--) {
            long result = step(with);
            if (result < 0)
                return failed(name, result);
        }
        took = now_ns() - began;
    }
    return report(name, done, took);
}

/* Map anonymous memory; a negative errno if there is none. MAP_PRIVATE is 2, MAP_SHARED 1, MAP_ANONYMOUS 0x20. */
static long map_memory(u64 bytes, int sharing)
{
    return SYS(__NR_mmap, 0, bytes, 3 /* PROT_READ | PROT_WRITE */, sharing | 0x20, -1, 0);
}

static int no_memory(long result) { return result < 0 && result > -4096; }

/* ---- how long each of many took ---------------------------------------------------------------------------------- */

enum { BIN_NS = 100, BINS = 1 << 20 };

struct histogram {
    u32 *bins;
    u64 count, largest;
};

/* Make an empty histogram; a negative errno if there is no memory for it. */
static long begin_histogram(struct histogram *made)
{
    long at = map_memory(BINS * sizeof(u32), 2);
    if (no_memory(at))
        return at;
    *made = (struct histogram){(u32 *)at, 0, 1};
    return 0;
}

static void note(struct histogram *of, u64 took_ns)
{
    u64 bin = took_ns / BIN_NS;
    of->bins[bin < BINS ? bin : BINS - 1]++;
    of->largest = took_ns > of->largest ? took_ns : of->largest;
    of->count++;
}

/* Print NAME COUNT NANOSECONDS: the middle of the bin by which a share is reached; above all bins, the largest value. */
static int report_share(const struct histogram *of, const char *name, u64 thousandths)
{
    u64 sum = 0;
    for (u64 i = 0; i < BINS; i++)
        if ((sum += of->bins[i]) * 1000 >= of->count * thousandths)
            return report(name, of->count, i * BIN_NS + BIN_NS / 2);
    return report(name, of->count, of->largest);
}
