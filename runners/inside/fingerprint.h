/* Print the environment as a job sees it, in items: "NAME LENGTH\n", so many bytes, and a newline. */

/* Enough for all items but a table of hundreds of mounts; an item of exactly this length was cut. */
enum { ITEM_MAX = 64 << 10 };
static char item[ITEM_MAX];

static void put(const char *name, const char *bytes, size_t n)
{
    static char head[8192]; /* names include paths of libraries */
    char *end = head + sizeof head;
    char *at = put_text(put_text(head, end, name), end, " ");
    at = put_text(put_number(at, end, n), end, "\n");
    sys_write(1, head, (size_t)(at - head));
    while (n) {
        long written = sys_write(1, bytes, n);
        if (written <= 0)
            sys_exit(1);
        bytes += written;
        n -= (size_t)written;
    }
    sys_write(1, "\n", 1);
}

static void put_string(const char *name, const char *text) { put(name, text, strlen(text)); }

static size_t read_all(int fd, char *to, size_t size)
{
    size_t n = 0;
    long got;
    while (n < size && (got = sys_read(fd, to + n, size - n)) > 0)
        n += (size_t)got;
    return n;
}

/* Print the content of a file; nothing if it cannot be read. */
static void put_file(const char *path)
{
    int fd = (int)sys_open(path, O_RDONLY);
    if (fd < 0)
        return;
    put(path, item, read_all(fd, item, sizeof item));
    sys_close(fd);
}

static void put_link(const char *path)
{
    long n = SYS(__NR_readlinkat, AT_FDCWD, path, item, sizeof item);
    if (n > 0)
        put(path, item, (size_t)n);
}

/* Print the number of CPUs that this process may run on, as nproc does. */
static void put_cpus(void)
{
    u64 mask[1024 / 8]; /* 8192 CPUs, the most that Linux can be built for */
    char text[24];
    long n = SYS(__NR_sched_getaffinity, 0, sizeof mask, mask);
    u64 count = 0;
    for (long i = 0; i < n / 8; i++)
        for (u64 bits = mask[i]; bits; bits &= bits - 1)
            count++;
    put_number(text, text + sizeof text, count);
    put_string("cpus", text);
}

/* Find the name that a C library has in its text: glibc "GNU C Library (…) stable release version 2.36.", musl "musl
 * libc (…)". Blocks overlap, so that a name on their border is found. */
static void put_libc(const char *path)
{
    static const char *const names[] = {"GNU C Library (", "musl libc ("};
    enum { OVERLAP = 128 };
    int fd = (int)sys_open(path, O_RDONLY);
    if (fd < 0)
        return;
    size_t kept = 0, got;
    while ((got = read_all(fd, item + kept, sizeof item - kept)) > 0) {
        size_t n = kept + got;
        for (size_t i = 0; i + OVERLAP <= n; i++)
            for (size_t which = 0; which < sizeof names / sizeof *names; which++)
                if (item[i] == *names[which] && !memcmp(item + i, names[which], strlen(names[which]))) {
                    size_t length = 0;
                    while (length < OVERLAP && item[i + length] && item[i + length] != '\n')
                        length++;
                    put(joined("libc:", path), item + i, length);
                    sys_close(fd);
                    return;
                }
        kept = n < OVERLAP ? n : OVERLAP;
        memmove(item, item + n - kept, kept);
    }
    put(joined("libc:", path), "", 0);
    sys_close(fd);
}

static int fingerprint(char **libraries)
{
    static const char *const files[] = {
        "/proc/self/status", "/proc/self/mountinfo", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/cgroup",
        "/proc/self/limits", "/proc/meminfo", "/proc/cpuinfo", "/proc/cmdline", "/proc/sys/kernel/random/boot_id",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        /* The limits of the visible root: of the cgroup namespace in containers, of the host elsewhere. */
        "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max",
        "/sys/kernel/security/lsm", "/proc/self/attr/current",
    };
    static const char *const links[] = {
        "/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/uts", "/proc/self/ns/ipc", "/proc/self/ns/user",
        "/proc/self/ns/net", "/proc/self/ns/cgroup", "/proc/self/ns/time",
    };
    struct new_utsname name;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put_file(files[i]);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        put_link(links[i]);
    if (SYS(__NR_uname, &name) == 0) {
        put_string("hostname", name.nodename);
        put_string("release", name.release);
        put_string("version", name.version);
        put_string("machine", name.machine);
    }
    put_cpus();
    /* A guest's clock starts at its own boot; on the host's kernel it is the host's. */
    char clock[24];
    put_number(clock, clock + sizeof clock, now_ns());
    put_string("monotonic", clock);
    for (; *libraries; libraries++)
        put_libc(*libraries);
    return 0;
}
