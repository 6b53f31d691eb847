/* Jobs that behave badly, for the integration tests: runaway fork | memory | fill FILE | many FOLDER [FILES] | deaf | try | agent. */
#include "sys.h"

static int try_all(void)
{
    char line[160], *end = line + sizeof line;
    static const struct { const char *name; long number, a, b, c; } calls[] = {
        {"mount", __NR_mount, 0, 0, 0},
        {"reboot", __NR_reboot, 0, 0, 0},
        {"init_module", __NR_init_module, 0, 0, 0},
        {"keyctl", __NR_keyctl, 0, 0, 0},
        {"unshare", __NR_unshare, CLONE_NEWUTS, 0, 0},
        {"clone", __NR_clone, CLONE_NEWIPC | SIGCHLD, 0, 0},
        {"clone3", __NR_clone3, 0, 0, 0},
        {"mknod", __NR_mknodat, AT_FDCWD, (long)"/tmp/node", 0060600},
        {"getpid", __NR_getpid, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        long done = SYS(calls[i].number, calls[i].a, calls[i].b, calls[i].c);
        char *at = put_text(put_text(line, end, calls[i].name), end, " ");
        at = put_text(at, end, done < 0 ? *errno_name(done) ? errno_name(done) : "error" : "ok");
        at = put_text(at, end, "\n");
        sys_write(1, line, (size_t)(at - line));
    }
    return 0;
}

/* What a job can do to the agent, its parent: one line each, "ok" or the error's name. */
static int reach_agent(void)
{
    static const char *const files[] = {"exe", "mem", "fd/3", "environ"};
    u64 parent = (u64)SYS(__NR_getppid);
    char line[160], *end = line + sizeof line;
    for (unsigned i = 0; i <= sizeof files / sizeof files[0]; i++) {
        char path[80], *stop = path + sizeof path;
        long done;
        const char *name = "ptrace";
        if (i < sizeof files / sizeof files[0]) {
            name = files[i];
            put_text(put_text(put_number(put_text(path, stop, "/proc/"), stop, parent), stop, "/"), stop, name);
            done = sys_open(path, equal(name, "environ") ? O_RDONLY : O_RDWR);
        } else
            done = SYS(__NR_ptrace, 0x4206 /* PTRACE_SEIZE */, (long)parent, 0, 0);
        char *at = put_text(put_text(line, end, name), end, " ");
        at = put_text(at, end, done < 0 ? *errno_name(done) ? errno_name(done) : "error" : "ok");
        at = put_text(at, end, "\n");
        sys_write(1, line, (size_t)(at - line));
    }
    return 0;
}

static int show(const char *path)
{
    char some[4096];
    long fd = sys_open(path, O_RDONLY), n;
    if (fd < 0)
        return 1;
    while ((n = sys_read((int)fd, some, sizeof some)) > 0)
        sys_write(1, some, (size_t)n);
    return 0;
}

static int child_sleeps(void *argument)
{
    (void)argument;
    sys_setsid(); /* out of the job's session and process group */
    sys_poll(0, 0, -1, 0);
    return 0;
}

int tare_main(int argc, char **argv, char **envp)
{
    static char block[1 << 20];
    static char stack[4096] __attribute__((aligned(16)));
    const char *what = argc > 1 ? argv[1] : "";
    (void)envp;
    if (equal(what, "fork"))
        for (;;)
            clone_call(SIGCHLD, stack + sizeof stack, child_sleeps, 0);
    if (equal(what, "memory"))
        for (;;) {
            char *more = (char *)SYS(__NR_mmap, 0, sizeof block, 3, 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);
            if ((long)more < 0 && (long)more > -4096)
                continue;
            for (unsigned i = 0; i < sizeof block; i += 4096)
                more[i] = 1;
        }
    if (equal(what, "fill") && argc > 2) {
        long fd = sys_openat(AT_FDCWD, argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (sys_write((int)fd, block, sizeof block) > 0)
            ;
        return 3;
    }
    if (equal(what, "many") && argc > 2) {
        u64 most = argc > 3 ? parse_number(argv[3], 0) : ~0ull;
        for (u64 number = 0; number < most; number++) {
            char path[256], *end = path + sizeof path;
            put_number(put_text(put_text(path, end, argv[2]), end, "/file-"), end, number);
            long fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            sys_write((int)fd, block, sizeof block);
            sys_close((int)fd);
        }
        return 0;
    }
    if (equal(what, "deaf")) {
        sys_sigmask(~0ull);
        for (;;)
            sys_poll(0, 0, -1, 0);
    }
    if (equal(what, "agent"))
        return reach_agent();
    if (equal(what, "show") && argc > 2)
        return show(argv[2]);
    return equal(what, "try") ? try_all() : 2;
}
