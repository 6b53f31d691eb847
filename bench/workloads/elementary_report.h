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
