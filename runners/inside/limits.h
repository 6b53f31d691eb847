/* Try a job's limits. Each probe is a job of its own, as the kernel or the suite may kill it, and prints its findings
 * in lines "NAME VALUE". All probes are bounded: without limits, they must not harm the host.
 *
 *     limits see                       print CPUs, memory and cgroup files, as programs see them
 *     limits memory BYTES              touch so much in a child: "reached_bytes", and how that ended
 *     limits pids COUNT                fork so many that wait: "reached", and why it stopped
 *     limits cpu COUNT MS              spin in so many children: CPU time and wall time
 *     limits io FOLDER BYTES MS        write through to the disk: bytes and time */

enum { SEEN_CPUS_MAX = 8192, PIDS_MAX = 8192, HELD_NS = 600000000, PIDS_NS = 1000000000 };
enum { STRIDE = 1 << 20, PAGE_LEAST = 4096 };

static long map(size_t bytes, int shared)
{
    return SYS(__NR_mmap, 0, bytes, 3 /* read, write */, shared ? 0x21 : 0x22 /* anonymous */, -1, 0);
}

static int is_error(long value) { return value < 0 && value > -4096; }

static long fork_one(void) { return SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0); }

/* Print "NAME text" without the file's last newline; nothing if it cannot be read. */
static void say_file(const char *path)
{
    char line[512], *end = line + sizeof line;
    char *at = put_text(put_text(line, end, path), end, " ");
    int fd = (int)sys_open(path, O_RDONLY);
    if (fd < 0)
        return;
    size_t n = read_all(fd, at, (size_t)(end - at) - 1);
    sys_close(fd);
    for (size_t i = 0; i < n; i++)
        if (at[i] == '\n') {
            n = i;
            break;
        }
    at[n] = '\n';
    sys_write(1, line, (size_t)(at - line) + n + 1);
}

static int limits_see(void)
{
    static const char *const files[] = {
        "/sys/devices/system/cpu/online", "/proc/meminfo", /* its first line is MemTotal */
        "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max",
        "/sys/fs/cgroup/cpuset.cpus.effective", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/pids/pids.max",
        "/sys/fs/cgroup/cpuset/cpuset.cpus",
    };
    u64 mask[SEEN_CPUS_MAX / 64];
    long n = SYS(__NR_sched_getaffinity, 0, sizeof mask, mask);
    for (long cpu = 0; cpu < n * 8; cpu++)
        if (mask[cpu / 64] >> (cpu % 64) & 1)
            say("cpu", (u64)cpu);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        say_file(files[i]);
    return 0;
}

/* Touch memory in a child, so that this process can report its end. */
static int limits_memory(u64 bytes)
{
    long shared = map(PAGE_LEAST, 1);
    int status = 0;
    if (is_error(shared))
        return failed("shared page", shared);
    volatile u64 *reached = (volatile u64 *)shared;
    long pid = fork_one();
    if (pid == 0) {
        for (; *reached < bytes; *reached += STRIDE) {
            long more = map(STRIDE, 0);
            if (is_error(more))
                sys_exit(1);
            for (size_t at = 0; at < STRIDE; at += PAGE_LEAST)
                ((volatile u8 *)more)[at] = 1;
        }
        sys_poll(0, 0, HELD_NS, 0); /* long enough for a watcher that looks every quarter of a second */
        sys_exit(0);
    }
    if (pid < 0)
        return failed("fork", pid);
    sys_wait4((int)pid, &status, 0, 0);
    say("reached_bytes", *reached);
    say(status & 0x7f ? "killed" : status ? "refused" : "held", 1);
    return 0;
}

static int limits_pids(u64 count)
{
    static int pids[PIDS_MAX];
    size_t n = 0;
    long pid = 0;
    u64 began = now_ns();
    while (n < count && n < PIDS_MAX && now_ns() - began < PIDS_NS) {
        pid = fork_one();
        if (pid == 0) {
            sys_poll(0, 0, -1, 0);
            sys_exit(0);
        }
        if (pid < 0)
            break;
        pids[n++] = (int)pid;
    }
    for (size_t i = 0; i < n; i++)
        sys_kill(pids[i], SIGKILL);
    for (size_t i = 0; i < n; i++)
        sys_wait4(pids[i], 0, 0, 0);
    say("reached", n);
    say(pid < 0 ? "refused" : n < count ? "slow" : "held", 1);
    return 0;
}

static int limits_cpu(u64 count, u64 wall_ms)
{
    static int pids[PIDS_MAX];
    u64 cpu_us = 0, began = now_ns(), until = began + wall_ms * 1000000u;
    size_t n = 0;
    while (n < count && n < PIDS_MAX) {
        long pid = fork_one();
        if (pid == 0) {
            while (now_ns() < until)
                ;
            sys_exit(0);
        }
        if (pid < 0)
            break;
        pids[n++] = (int)pid;
    }
    for (size_t i = 0; i < n; i++) {
        struct rusage usage;
        if (sys_wait4(pids[i], 0, 0, &usage) > 0)
            cpu_us += (u64)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u
                      + (u64)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    say("cpu_ns", cpu_us * 1000u);
    say("wall_ns", now_ns() - began);
    return 0;
}

static int limits_io(const char *folder, u64 bytes, u64 cap_ms)
{
    static u8 block[64 << 10] __attribute__((aligned(4096)));
    const char *path = joined(folder, "/tare-limits");
    u64 done = 0, began = now_ns();
    long fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("opening a file without cache", fd);
    long n = 1;
    while (done < bytes && n > 0 && now_ns() - began < cap_ms * 1000000u) {
        n = sys_write((int)fd, block, sizeof block);
        done += n > 0 ? (u64)n : 0;
    }
    u64 elapsed = now_ns() - began;
    sys_close((int)fd);
    SYS(__NR_unlinkat, AT_FDCWD, path, 0);
    if (n <= 0)
        return failed("writing without cache", n);
    say("written_bytes", done);
    say("elapsed_ns", elapsed);
    return 0;
}

static int limits(int argc, char **argv)
{
    if (argc == 1 && equal(argv[0], "see"))
        return limits_see();
    if (argc == 2 && equal(argv[0], "memory"))
        return limits_memory(parse_number(argv[1], 0));
    if (argc == 2 && equal(argv[0], "pids"))
        return limits_pids(parse_number(argv[1], 0));
    if (argc == 3 && equal(argv[0], "cpu"))
        return limits_cpu(parse_number(argv[1], 0), parse_number(argv[2], 0));
    if (argc == 4 && equal(argv[0], "io"))
        return limits_io(argv[1], parse_number(argv[2], 0), parse_number(argv[3], 0));
    return 2;
}
