/* Start a job's program: prepare for it, and act between clone and execve. */

static int child_events = -1; /* signalfd: SIGCHLD */

/* Order for the new process; it shares our memory until execve, so its failures come back in here. */
struct start {
    const char *directory;
    char **argv, **environ;
    int stdin, stdout, stderr;
    const char *failed, *path;
    long error;
};

static int start_program(void *argument)
{
    struct start *start = argument;
    sys_setsid();
    /* The OOM killer shall prefer jobs to the agent. It is fine if that is not permitted. */
    int score = (int)sys_open("/proc/self/oom_score_adj", O_WRONLY);
    if (score >= 0)
        sys_write(score, "1000", 4);
    sys_dup3(start->stdin, 0, 0);
    sys_dup3(start->stdout, 1, 0);
    sys_dup3(start->stderr, 2, 0);
    if (sys_close_range(3, ~0u, 0) < 0) /* Linux < 5.9 */
        for (int fd = 3; fd < 4096; fd++)
            sys_close(fd);
    sys_sigmask(0);
    start->failed = "cannot enter ";
    start->path = start->directory;
    start->error = sys_chdir(start->directory);
    if (start->error < 0)
        return 127;
    start->failed = "cannot execute ";
    start->path = start->argv[0];
    start->error = sys_execve(start->argv[0], start->argv, start->environ);
    return 127;
}

/* Prepare once, before the first job that makes a process. */
static void prepare_for_processes(void)
{
    if (child_events >= 0)
        return;
    /* A signal that our parent ignores would be ignored by jobs, too: SIGPIPE, SIGINT, … */
    for (int signal = 1; signal <= 64; signal++)
        sys_signal(signal, SIG_DFL);
    u64 child_signal = 1ull << (SIGCHLD - 1);
    child_events = (int)SYS(__NR_signalfd4, -1, &child_signal, 8, O_CLOEXEC | O_NONBLOCK);
    sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (sys_getpid() != 1)
        return;
    /* The loopback of a new network namespace is down. Elsewhere it is up, and this changes nothing. */
    struct {
        char name[16];
        u16 flags;
        u8 rest[22];
    } lo = {"lo", 0, {0}};
    int net = (int)sys_socket(2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0);
    if (!sys_ioctl(net, 0x8913 /* SIOCGIFFLAGS */, &lo) && !(lo.flags & 1 /* IFF_UP */)) {
        lo.flags |= 1;
        sys_ioctl(net, 0x8914 /* SIOCSIFFLAGS */, &lo);
    }
    sys_close(net);
}

/* Move a descriptor above the three that the child's dup3 calls overwrite. */
static int above_stdio(long fd)
{
    if (fd < 0 || fd > 2)
        return (int)fd;
    int high = (int)sys_fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
    sys_close((int)fd);
    return high;
}

/* Open the job's input: a file in memory, not a pipe, so that it is complete before the job starts. */
static int open_stdin(const u8 *bytes, size_t length)
{
    int fd = length ? -1 : above_stdio(sys_open("/dev/null", O_RDONLY));
    if (fd < 0) /* also in a bare chroot, which has no /dev */
        fd = above_stdio(SYS(__NR_memfd_create, "stdin", MFD_CLOEXEC));
    for (size_t at = 0; fd >= 0 && at < length;) {
        long n = sys_write(fd, bytes + at, length - at);
        if (n <= 0) {
            sys_close(fd);
            return n ? (int)n : -ENOSPC;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        SYS(__NR_lseek, fd, 0, SEEK_SET);
    return fd;
}
