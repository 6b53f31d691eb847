/* Try what a place can do to its host. Each attempt must be harmless if it succeeds, even as root on bare metal, where
 * all do. Therefore files are opened and not written to (except for a marker file made for that), system calls get
 * arguments that the kernel refuses *after* its permission check, and what would change this process is done in a child
 * that exits at once. The comment at each attempt says why nothing happens.
 *
 * Answers, one a line: NAME, "done", "refused" or "absent", the errno's name, what was tried; separated by tabs.
 * "done" does not mean that the host is open: a guest may load modules into its own kernel. The suite judges that.
 *
 * Arguments, all optional: marker=PATH, a file of the host that may be appended to · nonce=TEXT, in the command line of a
 * process of the host · disk=MAJOR:MINOR, a block device of the host · hierarchy=OPTIONS, a cgroup v1 hierarchy that is
 * mounted on the host · folder=PATH, an existing folder to make device nodes in. */

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>
#include <linux/timex.h>

enum { DONE = 0, ABSENT = -100000 };
enum { FAMILY_INET = 2, FAMILY_PACKET = 17, TYPE_DATAGRAM = 2, TYPE_RAW = 3, PROTOCOL_ICMP = 1 };

static struct {
    const char *marker, *nonce, *folder, *hierarchy;
    int has_disk;
    u32 disk;
} given;

static char path_of[4096]; /* the path that was assembled last */

static const char *joined(const char *front, const char *back)
{
    char *end = path_of + sizeof path_of;
    put_text(put_text(path_of, end, front), end, back);
    return path_of;
}

static void answer(const char *name, long result, const char *tried)
{
    static char line[8192];
    char *end = line + sizeof line;
    char *at = put_text(put_text(line, end, name), end, "\t");
    at = put_text(at, end, result == ABSENT ? "absent" : result < 0 ? "refused" : "done");
    at = put_text(at, end, "\t");
    if (result < 0 && result != ABSENT) {
        const char *known = errno_name(result);
        at = *known ? put_text(at, end, known) : put_number(at, end, (u64)-result);
    }
    at = put_text(put_text(put_text(at, end, "\t"), end, tried), end, "\n");
    sys_write(1, line, (size_t)(at - line));
}

/* Turn the expected complaint into success: the kernel makes it after its permission check. */
static long permitted(long result, int complaint) { return result == -complaint ? DONE : result; }

/* Close a descriptor and return 0, or return the error. */
static long closed(long fd)
{
    if (fd < 0)
        return fd;
    sys_close((int)fd);
    return DONE;
}

/* Run an attempt in a child, whose end undoes what it did to itself; its exit status is the errno, always below 256. */
static long in_child(long (*attempt)(void))
{
    int status;
    long pid = SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        long result = attempt();
        sys_exit(result < 0 ? (int)-result : 0);
    }
    if (pid < 0)
        return pid;
    if (sys_wait4((int)pid, &status, __WALL, 0) < 0 || (status & 0x7f))
        return -EIO;
    return -(long)((status >> 8) & 0xff);
}

/* ---- the host's files -------------------------------------------------------------------------------------- */

/* Append one letter, by which the host recognises the way that was taken. */
static long append(const char *path, char letter)
{
    int fd = (int)sys_openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    long result = sys_write(fd, &letter, 1);
    sys_close(fd);
    return result < 0 ? result : DONE;
}

/* Leave a chroot: a second chroot leaves the working directory outside, and `..` leads up from there. */
static long leave_chroot(void)
{
    int here = (int)sys_openat(AT_FDCWD, given.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (here < 0)
        return here;
    sys_mkdir(joined(given.folder, "/tare-chroot"), 0700);
    long result = sys_chroot(path_of);
    if (result < 0)
        return result;
    SYS(__NR_fchdir, here);
    for (int i = 0; i < 64; i++)
        sys_chdir("..");
    sys_chroot(".");
    return append(given.marker, 'c');
}

static void try_files(void)
{
    if (!given.marker)
        return;
    answer("write-host-file", append(given.marker, 'd'), given.marker);
    answer("write-through-proc", append(joined("/proc/1/root", given.marker), 'p'), path_of);
    if (given.folder) {
        answer("leave-chroot", in_child(leave_chroot), "chroot below, `..` upwards, then the host's file");
        SYS(__NR_unlinkat, AT_FDCWD, joined(given.folder, "/tare-chroot"), AT_REMOVEDIR);
    }
}

/* ---- the host's processes ---------------------------------------------------------------------------------- */

static int contains(const char *text, size_t n, const char *part)
{
    size_t length = strlen(part);
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp(text + i, part, length))
            return 1;
    return 0;
}

/* Find the pid of another process that has the nonce in its command line; 0 if there is none. */
static int find_decoy(void)
{
    static char names[32768], line[4096];
    int folder = (int)sys_open("/proc", O_RDONLY | O_DIRECTORY), found = 0;
    long n;
    while (!found && (n = sys_getdents64(folder, names, sizeof names)) > 0)
        for (long at = 0; at < n && !found;) {
            u16 length;
            memcpy(&length, names + at + 16, sizeof length); /* struct linux_dirent64: ino, off, reclen, type, name */
            const char *name = names + at + 19;
            at += length;
            if (*name < '1' || *name > '9' || (int)parse_number(name, 0) == sys_getpid())
                continue;
            int fd = (int)sys_open(joined(joined("/proc/", name), "/cmdline"), O_RDONLY);
            long got = fd < 0 ? 0 : sys_read(fd, line, sizeof line);
            sys_close(fd);
            if (got > 0 && contains(line, (size_t)got, "decoy") && contains(line, (size_t)got, given.nonce))
                found = (int)parse_number(name, 0);
        }
    sys_close(folder);
    return found;
}

static int decoy_pid;

static const char *of_decoy(const char *file)
{
    static char path[128];
    char *end = path + sizeof path;
    put_text(put_text(put_number(put_text(path, end, "/proc/"), end, (u64)decoy_pid), end, "/"), end, file);
    return path;
}

/* PTRACE_SEIZE does not stop the process, and the end of the tracer detaches it. */
static long trace_decoy(void) { return SYS(__NR_ptrace, PTRACE_SEIZE, decoy_pid, 0, 0); }

static long enter_decoy(void)
{
    int fd = (int)sys_open(of_decoy("ns/mnt"), O_RDONLY);
    return fd < 0 ? fd : SYS(__NR_setns, fd, CLONE_NEWNS);
}

static void try_processes(void)
{
    static const char invisible[] = "no process of the host's is seen";
    if (!given.nonce)
        return;
    decoy_pid = find_decoy();
    int seen = decoy_pid > 0;
    answer("see-host-process", seen ? DONE : -ESRCH, "look for it by its command line in /proc");
    answer("signal-host-process", seen ? sys_kill(decoy_pid, 0) : -ESRCH, seen ? "signal 0" : invisible);
    answer("trace-host-process", seen ? in_child(trace_decoy) : -ESRCH, seen ? "PTRACE_SEIZE" : invisible);
    answer("enter-host-namespace", seen ? in_child(enter_decoy) : -ESRCH, seen ? "setns into its mounts" : invisible);
}

/* ---- the kernel -------------------------------------------------------------------------------------------- */

/* An absurd tick is refused, but only after the check of CAP_SYS_TIME. A time with 2 s of nanoseconds is refused before
 * it, which only tells whether a filter lets the call pass. Setting the clock to its own time would restart NTP. */
static long set_time(void)
{
    struct timex change = {.modes = ADJ_TICK, .tick = 1};
    struct __kernel_timespec nonsense = {0, 2000000000};
    long result = permitted(SYS(__NR_adjtimex, &change), EINVAL);
    return result < 0 ? result : permitted(SYS(__NR_clock_settime, CLOCK_REALTIME, &nonsense), EINVAL);
}

/* Listing what is loaded changes nothing, and requires the right to load. */
static long use_bpf(void)
{
    union bpf_attr request;
    memset(&request, 0, sizeof request);
    return permitted(SYS(__NR_bpf, BPF_PROG_GET_NEXT_ID, &request, 64), ENOENT);
}

/* The counter is opened disabled, and closed. */
static long watch_all(void)
{
    struct perf_event_attr event;
    memset(&event, 0, sizeof event);
    event.type = PERF_TYPE_SOFTWARE;
    event.size = PERF_ATTR_SIZE_VER0;
    event.disabled = 1;
    return closed(SYS(__NR_perf_event_open, &event, -1, 0, -1, 0));
}

static long raise_priority(void) { return SYS(__NR_setpriority, 0, 0, -1); }

/* Open the first of several files that exists for writing, and close it. */
static void open_first(const char *name, const char *const *paths)
{
    for (; *paths; paths++) {
        long result = closed(sys_open(*paths, O_WRONLY));
        if (result == -ENOENT)
            continue;
        answer(name, result, *paths);
        return;
    }
    answer(name, ABSENT, "no such file here");
}

static void try_kernel(void)
{
    static const char *const sysctls[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", 0};
    static const char *const keys[] = {"/proc/sysrq-trigger", 0};
    static const char *const knobs[] = {
        "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
        "/sys/kernel/profiling", 0,
    };
    static char log[256];
    answer("set-time", set_time(), "adjtimex and clock_settime with impossible values");
    /* An empty module is ENOEXEC, after the check of CAP_SYS_MODULE. */
    long result = permitted(SYS(__NR_init_module, log, 0, ""), ENOEXEC);
    answer("load-module", result == -ENOSYS ? ABSENT : result, "init_module with an empty image");
    /* Wrong magic numbers are EINVAL, after the check of CAP_SYS_BOOT. */
    answer("reboot", permitted(SYS(__NR_reboot, 0, 0, 0, 0), EINVAL), "reboot with wrong magic numbers");
    answer("read-kernel-log", SYS(__NR_syslog, 3, log, sizeof log), "syslog(SYSLOG_ACTION_READ_ALL)");
    answer("use-bpf", use_bpf(), "bpf(BPF_PROG_GET_NEXT_ID)");
    answer("watch-all-processes", watch_all(), "perf_event_open for all processes on a CPU");
    answer("raise-priority", in_child(raise_priority), "setpriority to -1");
    open_first("write-sysctl", sysctls);
    open_first("trigger-sysrq", keys);
    open_first("write-sysfs", knobs);
}

/* ---- host name, network ------------------------------------------------------------------------------------ */

/* Set the host name to what it is. */
static long set_hostname(void)
{
    struct new_utsname name;
    long result = SYS(__NR_uname, &name);
    return result < 0 ? result : SYS(__NR_sethostname, name.nodename, strlen(name.nodename));
}

/* Set the loopback's flags to what they are. */
static long configure_network(void)
{
    struct {
        char name[16];
        short flags;
        char rest[22];
    } request = {.name = "lo"}; /* struct ifreq; its header is libc's */
    int fd = (int)sys_socket(FAMILY_INET, TYPE_DATAGRAM, 0);
    if (fd < 0)
        return fd;
    long result = sys_ioctl(fd, 0x8913, &request); /* SIOCGIFFLAGS */
    if (result >= 0)
        result = sys_ioctl(fd, 0x8914, &request); /* SIOCSIFFLAGS */
    sys_close(fd);
    return result;
}

static void try_names_and_network(void)
{
    answer("set-hostname", set_hostname(), "sethostname to what it is");
    answer("configure-network", configure_network(), "set the flags of lo to what they are");
    answer("raw-socket", closed(sys_socket(FAMILY_INET, TYPE_RAW, PROTOCOL_ICMP)), "socket(AF_INET, SOCK_RAW, ICMP)");
    answer("packet-socket", closed(sys_socket(FAMILY_PACKET, TYPE_RAW, 0)), "socket(AF_PACKET, SOCK_RAW)");
}

/* ---- mounts and devices ------------------------------------------------------------------------------------ */

/* Make a device node, open it for reading, read nothing, and remove it. */
static void try_device(const char *name, const char *file, int kind, u32 device, const char *tried)
{
    joined(given.folder, file);
    long result = SYS(__NR_mknodat, AT_FDCWD, path_of, kind | 0600, device);
    if (result >= 0) {
        result = closed(sys_open(path_of, O_RDONLY));
        SYS(__NR_unlinkat, AT_FDCWD, path_of, 0);
    }
    answer(name, result == -ENXIO || result == -ENODEV ? ABSENT : result, tried);
}

/* Mount a hierarchy that the host has mounted, which joins it, in a mount namespace that ends with the child; its file
 * is opened and not written to. */
static long open_release_agent(void)
{
    long result = SYS(__NR_unshare, CLONE_NEWNS);
    if (result >= 0)
        result = sys_mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
    if (result >= 0)
        result = sys_mount("tare", given.folder, "cgroup", 0, given.hierarchy);
    return result < 0 ? result : closed(sys_open(joined(given.folder, "/release_agent"), O_WRONLY));
}

static void try_mounts_and_devices(void)
{
    if (!given.folder)
        return;
    /* The path is no mount point, which is EINVAL, after the check of CAP_SYS_ADMIN over the mount namespace. */
    sys_mkdir(joined(given.folder, "/tare-mount"), 0700);
    answer("mount", permitted(sys_umount2(path_of, 0), EINVAL), "umount of what is not mounted");
    SYS(__NR_unlinkat, AT_FDCWD, path_of, AT_REMOVEDIR);
    if (given.has_disk)
        try_device("open-host-disk", "/tare-disk", S_IFBLK, given.disk, "mknod of the host's disk, open for reading");
    else
        answer("open-host-disk", ABSENT, "the host's file system is on no block device");
    try_device("open-host-memory", "/tare-memory", S_IFCHR, 1 << 8 | 1, "mknod of /dev/mem, open for reading");
    if (given.hierarchy)
        answer("cgroup-release-agent", in_child(open_release_agent), "mount a cgroup v1 hierarchy, open release_agent");
    else
        answer("cgroup-release-agent", ABSENT, "the host has no cgroup v1 hierarchy");
}

static int attempts(char **words)
{
    for (; *words; words++) {
        const char *word = *words;
        if (starts_with(word, "marker="))
            given.marker = word + 7;
        else if (starts_with(word, "nonce="))
            given.nonce = word + 6;
        else if (starts_with(word, "folder="))
            given.folder = word + 7;
        else if (starts_with(word, "hierarchy="))
            given.hierarchy = word + 10;
        else if (starts_with(word, "disk=")) {
            const char *rest;
            u32 major = (u32)parse_number(word + 5, &rest), minor = (u32)parse_number(rest + 1, 0);
            given.disk = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
            given.has_disk = 1;
        } else
            return 2;
    }
    try_files();
    try_processes();
    try_kernel();
    try_names_and_network();
    try_mounts_and_devices();
    return 0;
}
