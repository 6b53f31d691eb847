/* Tare's launcher: make the top process of every place, stamp its birth and its end, and exit with the suite.
 *
 * Usage: tare-launcher FD. FD is a SOCK_SEQPACKET socket. One request a packet, one reply a packet; numbers are u64 in
 * the machine's byte order, texts are u32 length (with the terminator) + bytes. The other half is protocol.py.
 *
 *   SPAWN   1, id, clone flags, option flags; numbers of: argv, environment, fds to place, program fds (0 or 1),
 *              v2 cgroups (0 or 1), v1 cgroups, folders to remove, instructions;
 *              texts: the program's path, argv, environment, names of the folders to remove;
 *              targets of the fds to place; the instructions.
 *              Fds come as SCM_RIGHTS: those to place, the program, the v2 cgroup, the `tasks` files of the v1 cgroups,
 *              the `tasks` files that lead back, the parents of the folders to remove.
 *   KILL    2, id, signal
 *   PING    3, 0
 *   SPAWNED 17, id, pid, requested, spawned
 *   PONG    20, 0
 *   FAILED  18, id, index of the step (-1: making the process, -2: starting its program, -3: entering cgroups), errno
 *   GONE    19, id, wait status, reaped, gone, errno of the first folder that could not be removed, 18 words of rusage
 *
 * A child is born in its cgroups: on v2 by CLONE_INTO_CGROUP; on v1 the launcher itself enters them before `requested`
 * and returns after `spawned`, so the cost of the migration is not in the timeline. `tasks` moves a single thread;
 * `cgroup.procs` would take the kernel's global thread-group lock for writing and make every fork and exit wait.
 *
 * The child executes its instructions (steps.h) between clone3(2) and execveat(2), so the measured path has no Python,
 * no shell and no libc.
 */
#include "sys.h"

#include "steps.h"

enum { SPAWN = 1, KILL = 2, PING = 3, SPAWNED = 17, FAILED = 18, GONE = 19, PONG = 20 };
enum {
    SWEEP = 1, /* option: kill the orphans that this process leaves behind */
    QUIET = 2  /* option: send SPAWNED only with the end, so that its reader does not wake up meanwhile */
};
enum { MAX_PACKET = 192 << 10, MAX_FDS = 64, MAX_ARGS = 8192, MAX_REMOVE = 12, MAX_CHILDREN = 1024 };
enum { FAILED_TO_CLONE = -1, FAILED_TO_EXEC = -2, FAILED_TO_ENTER = -3 };
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
enum { OPEN_FILES = 7, MOST_FILES = 1 << 16 };
enum { FIRST_SAFE_FD = 128 }; /* passed fds are moved up here first, out of the targets' way */

/* The part of the socket API that uapi headers leave to libc. */
struct message {
    void *name;
    int name_size;
    struct { void *at; size_t size; } *parts;
    size_t part_count;
    void *control;
    size_t control_size;
    int flags;
};
struct control {
    size_t size;
    int level, type;
};

struct child {
    u64 id;
    int pid; /* 0: a free slot */
    u32 options;
    u32 removals;
    int parents[MAX_REMOVE];
    char *names; /* a copy: the packet is overwritten by then */
    u64 requested, spawned;
    int64_t step, error; /* what failed before its program ran; written by the child */
};

struct request {
    u64 id, flags, options, argc, envc, targets, programs, born_in, enters, removals, instructions;
    const char *path;
    char **argv, **envp;
    u64 target[MAX_FDS];
    const u8 *body; /* the instructions */
    const u8 *end;
    int fds[MAX_FDS], fd_count;
    struct child *child;
    u64 spawned; /* written by the child */
};

static int control_fd;
static u64 users_files, hard_files; /* limits of open files: the soft one that processes get back, and the hard one */
static struct child children[MAX_CHILDREN];
static u8 packet[MAX_PACKET];
static char *pointers[MAX_ARGS];
static char removal_names[MAX_CHILDREN][1024];
static u8 stack[32 << 10] __attribute__((aligned(16)));

/* ---- the child ------------------------------------------------------------------------------------------------ */

/* Put the passed fds on their targets; `*program` is set to where the program's fd is then. */
static long place_fds(const struct request *request, int *program)
{
    int moved[MAX_FDS];
    for (u64 i = 0; i < request->targets + request->programs; i++) {
        long fd = sys_fcntl(request->fds[i], F_DUPFD_CLOEXEC, FIRST_SAFE_FD);
        if (fd < 0)
            return fd;
        moved[i] = (int)fd;
    }
    for (u64 i = 0; i < request->targets; i++) {
        long fd = sys_dup3(moved[i], (int)request->target[i], 0);
        if (fd < 0)
            return fd;
    }
    *program = moved[request->targets];
    return 0;
}

static int child_main(void *argument)
{
    struct request *request = argument;
    const u8 *at = request->body;
    long done = 0;
    int program = -1;
    request->spawned = now_ns();
    /* Not a session: autogrouping would make each place a scheduling group of its own, and a new group gets its first
     * CPU time late where others run. */
    SYS(__NR_setpgid, 0, 0);
    for (u64 n = 0; n < request->instructions; n++) {
        const char *text[MAX_TEXTS] = {"", "", "", ""};
        u64 size[MAX_TEXTS] = {0, 0, 0, 0};
        u64 op = take(&at, request->end), step = take(&at, request->end);
        u64 a = take(&at, request->end), b = take(&at, request->end), c = take(&at, request->end);
        u64 texts = take(&at, request->end);
        for (u64 i = 0; i < texts && i < MAX_TEXTS; i++)
            text[i] = take_text(&at, request->end, &size[i]);
        done = execute(op, a, b, c, text, size);
        if (done < 0) {
            request->child->step = (int64_t)step;
            goto fail;
        }
    }
    request->child->step = FAILED_TO_EXEC;
    done = place_fds(request, &program);
    if (done < 0)
        goto fail;
    if (users_files) {
        u64 files[2] = {users_files < hard_files ? users_files : hard_files, hard_files};
        SYS(__NR_prlimit64, 0, OPEN_FILES, files, 0);
    }
    sys_sigmask(0);
    /* Last, because a change of credentials clears it. It covers the case that the launcher itself is killed. */
    sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (request->programs)
        done = SYS(__NR_execveat, program, "", request->argv, request->envp, AT_EMPTY_PATH);
    else
        done = sys_execve(request->path, request->argv, request->envp);
fail:
    request->child->error = -done;
    sys_exit(127);
}

/* ---- the parent ----------------------------------------------------------------------------------------------- */

static void reply(const u64 *words, unsigned count)
{
    /* Errors are ignored: the peer is gone, and receive() will see that. */
    SYS(__NR_sendto, control_fd, words, count * 8, 0x4000 /* MSG_NOSIGNAL */, 0, 0);
}

static void failed(u64 id, int64_t step, int64_t error)
{
    u64 words[] = {FAILED, id, (u64)step, (u64)error};
    reply(words, 4);
}

static int parse(struct request *request, const u8 *at, const u8 *end, struct child *slot, char *names)
{
    u64 *numbers[] = {&request->id, &request->flags, &request->options, &request->argc, &request->envc, &request->targets,
                      &request->programs, &request->born_in, &request->enters, &request->removals, &request->instructions};
    u64 size, count, used = 0;
    for (count = 0; count < sizeof numbers / sizeof numbers[0]; count++)
        *numbers[count] = take(&at, end);
    if (request->argc + request->envc + 2 > MAX_ARGS || request->removals > MAX_REMOVE || request->programs > 1
        || request->born_in > 1)
        return -E2BIG;
    if (request->targets + request->programs + request->born_in + 2 * request->enters + request->removals != (u64)request->fd_count)
        return -EBADF;
    request->path = take_text(&at, end, &size);
    request->argv = pointers;
    request->envp = pointers + request->argc + 1;
    for (count = 0; count < request->argc; count++)
        request->argv[count] = (char *)take_text(&at, end, &size);
    request->argv[count] = 0;
    for (count = 0; count < request->envc; count++)
        request->envp[count] = (char *)take_text(&at, end, &size);
    request->envp[count] = 0;
    for (count = 0; count < request->removals; count++) {
        const char *text = take_text(&at, end, &size);
        if (used + size > sizeof removal_names[0])
            return -E2BIG;
        memcpy(names + used, text, size);
        used += size;
    }
    for (count = 0; count < request->targets; count++)
        request->target[count] = take(&at, end);
    request->body = at;
    request->end = end;
    slot->options = (u32)request->options;
    slot->removals = (u32)request->removals;
    slot->names = names;
    return 0;
}

/* Move the launcher into cgroups: "0" means the writing process. Return the first error. */
static long enter(const int *files, u64 count)
{
    long first = 0;
    for (u64 i = 0; i < count; i++) {
        long done = sys_write(files[i], "0", 1);
        if (done < 0 && !first)
            first = done;
    }
    return first;
}

static void report_birth(const struct child *child)
{
    u64 words[] = {SPAWNED, child->id, (u64)child->pid, child->requested, child->spawned};
    reply(words, 5);
}

static void spawn(struct request *request, const u8 *at, const u8 *end)
{
    const u8 *first = at;
    struct clone_args args = {0};
    unsigned index = 0;
    u64 id = take(&first, end), requested;
    long pid;
    while (index < MAX_CHILDREN && children[index].pid)
        index++;
    if (index == MAX_CHILDREN) {
        failed(id, FAILED_TO_CLONE, EAGAIN);
        return;
    }
    struct child *slot = &children[index];
    int bad = parse(request, at, end, slot, removal_names[index]);
    if (bad) {
        failed(id, FAILED_TO_CLONE, -bad);
        return;
    }
    request->child = slot;
    slot->error = 0;
    /* As vfork(2): nothing is copied, and the child's few writes are seen here. One stack suffices, as it is free again
     * when clone3 returns. The child stamps its own birth: a stamp after clone3 would be later than the agent's first. */
    args.flags = request->flags | CLONE_VM | CLONE_VFORK;
    args.exit_signal = SIGCHLD;
    args.stack = (u64)(uintptr_t)stack;
    args.stack_size = sizeof stack;
    const int *born_in = request->fds + request->targets + request->programs;
    const int *enters = born_in + request->born_in, *homes = enters + request->enters;
    if (request->born_in) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (u64)*born_in;
    }
    pid = enter(enters, request->enters);
    int stage = pid < 0 ? FAILED_TO_ENTER : FAILED_TO_CLONE;
    requested = now_ns();
    if (pid >= 0)
        pid = clone3_call(&args, sizeof args, child_main, request);
    enter(homes, request->enters);
    if (pid < 0) {
        failed(id, stage, -pid);
        return;
    }
    for (u64 i = 0; i < request->removals; i++) {
        slot->parents[i] = homes[request->enters + i];
        request->fds[homes + request->enters + i - request->fds] = -1; /* kept */
    }
    slot->id = id;
    slot->pid = (int)pid;
    slot->requested = requested;
    slot->spawned = request->spawned;
    if (!(slot->options & QUIET))
        report_birth(slot);
}

static struct child *child_by_pid(long pid)
{
    for (unsigned i = 0; i < MAX_CHILDREN; i++)
        if (children[i].pid == pid)
            return &children[i];
    return 0;
}

/* Kill our children: all of them, or only the orphans that we adopted as a child subreaper. Return whether there were
 * any. */
static int kill_children(int all)
{
    static char list[4096];
    long fd, size, found = 0;
    for (unsigned i = 0; all && i < MAX_CHILDREN; i++)
        if (children[i].pid)
            sys_kill(children[i].pid, SIGKILL);
    fd = sys_open("/proc/thread-self/children", O_RDONLY);
    if (fd < 0) /* an inner launcher has no /proc; its processes have pid namespaces of their own */
        return 0;
    size = sys_read((int)fd, list, sizeof list - 1);
    sys_close((int)fd);
    if (size <= 0)
        return 0;
    list[size] = 0;
    for (const char *at = list; *at >= '0' && *at <= '9';) {
        long pid = (long)parse_number(at, &at);
        if (*at == 0 && size == sizeof list - 1)
            break; /* the list is longer than the buffer, and its last number may be cut; the next round gets it */
        if (all || !child_by_pid(pid)) {
            sys_kill((int)pid, SIGKILL);
            found = 1;
        }
        while (*at == ' ')
            at++;
    }
    return (int)found;
}

static int64_t remove_folders(const struct child *child)
{
    const char *name = child->names;
    int64_t first = 0;
    for (u32 i = 0; i < child->removals; i++) {
        long done = SYS(__NR_unlinkat, child->parents[i], name, 0x200 /* AT_REMOVEDIR */);
        sys_close(child->parents[i]);
        if (done < 0 && done != -ENOENT && !first)
            first = -done;
        name += strlen(name) + 1;
    }
    return first;
}

static void report(struct child *child, int status, const struct rusage *usage)
{
    u64 words[6 + sizeof(struct rusage) / 8];
    u64 reaped = now_ns(), left = (u64)remove_folders(child), gone = now_ns();
    if (child->options & QUIET)
        report_birth(child);
    words[0] = GONE;
    words[1] = child->id;
    words[2] = (u32)status;
    words[3] = reaped;
    words[4] = gone;
    words[5] = left;
    memcpy(words + 6, usage, sizeof *usage);
    child->pid = 0;
    if (child->error) {
        failed(child->id, child->step, child->error);
        return;
    }
    reply(words, sizeof words / sizeof words[0]);
}

/* Reap what has ended; return 0 when no child of any kind is left. */
static int reap(void)
{
    struct rusage usage;
    int status;
    for (;;) {
        long pid = sys_wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0)
            return pid != -ECHILD;
        struct child *child = child_by_pid(pid);
        if (!child)
            continue; /* an orphan */
        u32 options = child->options;
        report(child, status, &usage);
        if (options & SWEEP)
            kill_children(0);
    }
}

/* Handle one request; return 0 when the peer has closed its end. */
static int receive(void)
{
    static struct request request;
    struct { struct control head; int fds[MAX_FDS]; } passed;
    struct { void *at; size_t size; } part = {packet, sizeof packet};
    struct message message = {0, 0, (void *)&part, 1, &passed, sizeof passed, 0};
    long size = SYS(__NR_recvmsg, control_fd, &message, 0x40000000 /* MSG_CMSG_CLOEXEC */);
    const u8 *at = packet, *end = packet + size;
    if (size == -EINTR)
        return 1;
    if (size <= 0)
        return 0;
    request.fd_count = 0;
    if (message.control_size >= sizeof passed.head) {
        request.fd_count = (int)((passed.head.size - sizeof passed.head) / sizeof(int));
        memcpy(request.fds, passed.fds, (size_t)request.fd_count * sizeof(int));
    }
    switch (take(&at, end)) {
    case SPAWN:
        if (message.flags & 0x28 /* MSG_TRUNC | MSG_CTRUNC */)
            failed(take(&at, end), FAILED_TO_CLONE, E2BIG);
        else
            spawn(&request, at, end);
        break;
    case PING: {
        u64 words[] = {PONG, 0};
        reply(words, 2);
        break;
    }
    case KILL: {
        u64 id = take(&at, end), signal = take(&at, end);
        for (unsigned i = 0; i < MAX_CHILDREN; i++)
            if (children[i].pid && children[i].id == id)
                sys_kill(children[i].pid, (int)signal);
        break;
    }
    }
    for (int i = 0; i < request.fd_count; i++)
        if (request.fds[i] >= 0)
            sys_close(request.fds[i]);
    return 1;
}

/* The peer is gone. Agents see the end of their channels and exit; after half a second the rest is killed. */
static void leave(struct pollfd *signals)
{
    u64 deadline = now_ns() + 500000000u;
    u8 info[128];
    while (reap()) {
        int64_t left = (int64_t)(deadline - now_ns());
        if (left <= 0)
            kill_children(1);
        sys_poll(signals, 1, left > 0 ? left : 10000000, 0);
        if (signals->revents & POLLIN)
            sys_read(signals->fd, info, sizeof info);
    }
}

int tare_main(int argc, char **argv, char **envp)
{
    u64 mask = ~0ull;
    u8 info[128];
    (void)envp;
    if (argc != 3)
        return 2;
    control_fd = (int)parse_number(argv[1], 0);
    users_files = parse_number(argv[2], 0);
    u64 files[2]; /* struct rlimit64: soft, hard */
    if (SYS(__NR_prlimit64, 0, OPEN_FILES, 0, files) < 0)
        return 1;
    hard_files = files[1];
    files[0] = files[1] < MOST_FILES ? files[1] : MOST_FILES;
    SYS(__NR_prlimit64, 0, OPEN_FILES, files, 0);
    sys_prctl(PR_SET_NAME, (unsigned long)"tare-launcher");
    sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
    sys_sigmask(mask);
    u64 interesting = 1ull << (SIGCHLD - 1);
    long signals = SYS(__NR_signalfd4, -1, &interesting, 8, O_CLOEXEC | O_NONBLOCK);
    if (signals < 0 || sys_fcntl(control_fd, F_SETFD, FD_CLOEXEC) < 0)
        return 1;
    struct pollfd fds[2] = {{control_fd, POLLIN, 0}, {(int)signals, POLLIN, 0}};
    for (;;) {
        sys_poll(fds, 2, -1, 0);
        if (fds[1].revents) {
            reap(); /* before the signal is read: one system call less before the stamp */
            sys_read((int)signals, info, sizeof info);
            reap();
        }
        if (fds[0].revents && !receive())
            break;
    }
    leave(&fds[1]);
    return 0;
}
