/* Reap processes, and kill all that a job has left, fork bombs included. */

struct child {
    int pid; /* 0: not running, or reaped */
    int session;
    int status;
    struct rusage usage;
    u64 reaped_ns;
    u64 orphans_us;    /* CPU time of other processes reaped since it started */
    u64 thread_ns[2];  /* its first thread: on a CPU, waiting for one */
    int thread_known;
};

enum { SERVICES_MAX = 8, CHILDREN_MAX = 1 + SERVICES_MAX };
static struct child children[CHILDREN_MAX]; /* first processes: of the job, then of the services beside it */

static struct child *find_child(int pid)
{
    for (struct child *child = children; child < children + CHILDREN_MAX; child++)
        if (child->pid == pid)
            return child;
    return 0;
}

/* Count the children besides one that are still running. */
static int count_others(const struct child *one)
{
    int count = 0;
    for (struct child *child = children; child < children + CHILDREN_MAX; child++)
        count += child != one && child->pid;
    return count;
}

static u64 cpu_us(const struct rusage *usage)
{
    return (u64)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
           (u64)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* Read the account of the job's first thread, which has ended: a zombie keeps it until it is reaped. */
static void look_at_child(struct child *child)
{
    char path[64], line[96];
    char *end = path + sizeof path, *at = put_number(put_text(path, end, "/proc/"), end, (u64)child->pid);
    put_text(at, end, "/schedstat");
    int fd = (int)sys_open(path, O_RDONLY);
    long n = fd < 0 ? 0 : sys_read(fd, line, sizeof line - 1);
    sys_close(fd);
    line[n > 0 ? n : 0] = 0;
    const char *next = line;
    child->thread_ns[0] = parse_number(next, &next);
    child->thread_known = *next == ' ';
    child->thread_ns[1] = child->thread_known ? parse_number(next + 1, 0) : 0;
}

/* Reap whatever has ended, orphans included; return 0 if this process has no children left. */
static int reap(void)
{
    siginfo_t ended = {0};
    long error;
    while ((error = SYS(__NR_waitid, P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT | __WALL, 0)) >= 0 && ended.si_pid) {
        int status = 0, pid = ended.si_pid;
        struct rusage usage = {0};
        struct child *child = find_child(pid);
        if (child) {
            child->reaped_ns = now_ns(); /* before reading, which is not part of the job */
            look_at_child(child);
        }
        sys_wait4(pid, &status, WNOHANG | __WALL, &usage);
        if (child) {
            child->pid = 0;
            child->status = status;
            child->usage = usage;
        } else
            children[0].orphans_us += cpu_us(&usage);
        ended.si_pid = 0;
    }
    return error >= 0;
}

/* All processes, in the ascending order in which /proc lists them. */
enum { PROCESSES_MAX = 32768 };
static struct process {
    int pid, parent, session;
    u8 running, ours;
} processes[PROCESSES_MAX];
static int process_count;

/* Parse "1234 (comm) S 1 …" from the end: the command may hold anything, parentheses and spaces included. */
static void add_process(const char *pid)
{
    char path[64], stat[512];
    char *end = path + sizeof path, *at = put_text(put_text(path, end, "/proc/"), end, pid);
    put_text(at, end, "/stat");
    int fd = (int)sys_open(path, O_RDONLY);
    long n = fd < 0 ? 0 : sys_read(fd, stat, sizeof stat - 1);
    sys_close(fd);
    stat[n > 0 ? n : 0] = 0;
    while (n > 0 && stat[n] != ')')
        n--;
    if (n <= 0 || process_count == PROCESSES_MAX)
        return;
    char state = stat[n + 2];
    if (state == 'Z' || state == 'X')
        return;
    const char *next = stat + n + 4;
    int parent = (int)parse_number(next, &next);
    if (*next == ' ')
        parse_number(next + 1, &next); /* its group */
    int session = *next == ' ' ? (int)parse_number(next + 1, 0) : 0;
    processes[process_count++] =
        (struct process){(int)parse_number(pid, 0), parent, session, state != 'T' && state != 't', 0};
}

static struct process *find_process(int pid)
{
    int low = 0, high = process_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (processes[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < process_count && processes[low].pid == pid ? &processes[low] : 0;
}

/* Tell whether a process is another child's first one, or an orphan of its session. */
static int is_spared(const struct process *p, const struct child *ended, int me)
{
    for (struct child *child = children; child < children + CHILDREN_MAX; child++)
        if (child != ended && child->pid && (p->pid == child->pid || (p->parent == me && p->session == child->session)))
            return 1;
    return 0;
}

/* Send a signal to all descendants of this process, which is the child subreaper of every orphan, but not to what
 * belongs to children that still run besides `ended`; count those that got it, and return how many of them were neither
 * stopped nor dead. Without /proc (in a bare chroot) it finds none. */
static int signal_descendants(int signal, const struct child *ended, int *signalled)
{
    static char entries[32768];
    process_count = 0;
    int proc = (int)sys_open("/proc", O_RDONLY | O_DIRECTORY);
    for (long n; proc >= 0 && (n = sys_getdents64(proc, entries, sizeof entries)) > 0;)
        for (long at = 0; at < n; at += *(u16 *)(entries + at + 16)) {
            const char *name = entries + at + 19; /* struct linux_dirent64: ino, offset, length (16), type, name (19) */
            if (*name >= '1' && *name <= '9')
                add_process(name);
        }
    sys_close(proc);
    int me = (int)sys_getpid(), found = 1, running = 0;
    while (found) { /* two rounds, mostly: a parent's pid is lower, unless pids have wrapped around */
        found = 0;
        for (struct process *p = processes; p < processes + process_count; p++) {
            struct process *parent = find_process(p->parent);
            if (!p->ours && (p->parent == me || (parent && parent->ours)) && !is_spared(p, ended, me))
                p->ours = found = 1;
        }
    }
    *signalled = 0;
    for (struct process *p = processes; p < processes + process_count; p++)
        if (p->ours && !sys_kill(p->pid, signal)) {
            running += p->running;
            ++*signalled;
        }
    return running;
}

/* Kill and reap all processes that a child has left, and those of nobody; return 0 if some did not die within five
 * seconds. Children that still run besides it keep theirs. */
static int kill_all(const struct child *ended)
{
    int others = count_others(ended), signalled = 0;
    if (!reap())
        return 1;
    /* Among thousands of processes we would get a thousandth of the CPU. It is fine if real time is not permitted. */
    int priority = 1, none = 0, alone = sys_getpid() == 1 && !others, clean = 0;
    SYS(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
    u64 limit = now_ns() + 5000000000u;
    while (!(clean = !reap()) && now_ns() < limit) {
        if (alone)
            sys_kill(-1, SIGKILL); /* atomic in the kernel: no fork escapes it */
        else {
            /* A fork bomb outruns SIGKILL; so stop its processes first, until none is running. */
            while (signal_descendants(SIGSTOP, ended, &signalled) > 0 && now_ns() < limit)
                ;
            signal_descendants(SIGKILL, ended, &signalled);
            if (!process_count) /* no /proc to look in */
                sys_kill(-ended->session, SIGKILL);
            if (others && !signalled && !ended->pid) { /* what is left belongs to them */
                clean = 1;
                break;
            }
        }
        sys_poll(0, 0, 1000000, 0);
    }
    SYS(__NR_sched_setscheduler, 0, SCHED_NORMAL, &none);
    return clean || !reap();
}

/* Kill and reap all processes below this one. */
static void kill_everything(void)
{
    for (struct child *child = children + 1; child < children + CHILDREN_MAX; child++) {
        if (child->pid)
            sys_kill(-child->session, SIGKILL);
        child->pid = 0;
    }
    kill_all(children);
}
