/* Elementary services of the kernel; see elementary.c. */

static long call(void *with)
{
    (void)with;
    return SYS(__NR_getppid); /* no library keeps its result, and the kernel does next to nothing for it */
}

static long map_and_unmap(void *with)
{
    (void)with;
    enum { MAPPED_BYTES = 1 << 16 };
    long at = map_memory(MAPPED_BYTES, 2);
    return no_memory(at) ? at : SYS(__NR_munmap, at, MAPPED_BYTES);
}

static long spawn(void *program)
{
    char *arguments[] = {program, "nothing", 0}, *environment[] = {0};
    int status = 0;
    long pid = SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        sys_execve(program, arguments, environment);
        sys_exit(1);
    }
    if (pid < 0)
        return pid;
    long waited = sys_wait4((int)pid, &status, 0, 0);
    return waited < 0 ? waited : status ? -ENOEXEC : 0;
}

/* ---- signals ------------------------------------------------------------------------------------------------- */

static volatile u64 handled;

static void on_signal(int number)
{
    (void)number;
    handled++;
}

#if defined(__x86_64__)
__asm__("tare_restore:\n"
        "  mov $15, %eax\n" /* rt_sigreturn */
        "  syscall\n");
extern void tare_restore(void) __attribute__((visibility("hidden")));
enum { WITH_RESTORER = 0x04000000 }; /* SA_RESTORER */
#else
static void tare_restore(void) {} /* the kernel's vDSO has it */
enum { WITH_RESTORER = 0 };
#endif

static long signal_oneself(void *pid) { return sys_kill((int)(long)pid, SIGUSR1); }

static int signals(u64 count)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } action = {on_signal, WITH_RESTORER, tare_restore, 0};
    long set = SYS(__NR_rt_sigaction, SIGUSR1, &action, 0, 8);
    if (set < 0)
        return failed("sigaction", set);
    int result = repeat("signal", count, signal_oneself, (void *)sys_getpid());
    return handled ? result : failed("no signal was handled", 0);
}

/* ---- sleeping ------------------------------------------------------------------------------------------------- */

/* Sleep for PERIOD_NS again and again, and report how late we wake: median, 99th percentile and maximum. */
static int sleeps(u64 count, u64 period_ns)
{
    struct histogram late;
    long made = begin_histogram(&late);
    if (made < 0)
        return failed("mmap", made);
    u64 began = now_ns();
    while (late.count < count && now_ns() - began < cap_ns) {
        u64 due = now_ns() + period_ns;
        struct __kernel_timespec until = {(long long)(due / 1000000000), (long long)(due % 1000000000)};
        long result = SYS(__NR_clock_nanosleep, CLOCK_MONOTONIC, 1 /* TIMER_ABSTIME */, &until, 0);
        if (result < 0)
            return failed("clock_nanosleep", result);
        note(&late, now_ns() - due);
    }
    int result = report_share(&late, "late-50", 500);
    result = result ? result : report_share(&late, "late-99", 990);
    return result ? result : report("late-100", late.count, late.largest);
}

/* ---- two processes on one CPU ---------------------------------------------------------------------------------- */

/* Left alone the two are sometimes on two CPUs, where each message wakes an idle one: a quite different thing. */
static long pin(u64 cpu)
{
    u64 mask[16] = {0};
    if (cpu >= 64 * 16)
        return -EINVAL;
    mask[cpu / 64] = (u64)1 << cpu % 64;
    return SYS(__NR_sched_setaffinity, 0, sizeof mask, mask);
}

static long reap(long pid) { return sys_wait4((int)pid, 0, 0, 0); }

struct ends {
    int there[2], back[2];
};

static long one_byte(void *with)
{
    struct ends *ends = with;
    char byte = 'x';
    long n = sys_write(ends->there[1], &byte, 1);
    if (n == 1)
        n = sys_read(ends->back[0], &byte, 1);
    return n == 1 ? 0 : n < 0 ? n : -EPIPE;
}

static int pipes(u64 count, u64 cpu)
{
    struct ends ends;
    long made = pin(cpu);
    made = made < 0 ? made : sys_pipe2(ends.there, O_CLOEXEC);
    made = made < 0 ? made : sys_pipe2(ends.back, O_CLOEXEC);
    long pid = made < 0 ? made : SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid < 0)
        return failed("pipe", pid);
    if (pid == 0) {
        char byte;
        sys_close(ends.there[1]);
        while (sys_read(ends.there[0], &byte, 1) == 1 && sys_write(ends.back[1], &byte, 1) == 1)
            ;
        sys_exit(0);
    }
    sys_close(ends.there[0]);
    sys_close(ends.back[1]);
    int result = repeat("pipe", count, one_byte, &ends);
    sys_close(ends.there[1]); /* ends the child */
    reap(pid);
    return result;
}

enum { FUTEX_WAIT_OP = 0, FUTEX_WAKE_OP = 1 };
enum { OURS = 0, THEIRS = 1, ENDED = 2 };

static void hand_over(u32 *turn, u32 to)
{
    __atomic_store_n(turn, to, __ATOMIC_SEQ_CST);
    SYS(__NR_futex, turn, FUTEX_WAKE_OP, 1, 0, 0, 0);
}

/* Sleep until it is no longer the other's turn. */
static u32 await(u32 *turn, u32 others)
{
    u32 now;
    while ((now = __atomic_load_n(turn, __ATOMIC_SEQ_CST)) == others)
        SYS(__NR_futex, turn, FUTEX_WAIT_OP, others, 0, 0, 0);
    return now;
}

static long one_turn(void *turn)
{
    hand_over(turn, THEIRS);
    await(turn, THEIRS);
    return 0;
}

static int futexes(u64 count, u64 cpu)
{
    long shared = map_memory(4096, 1);
    if (no_memory(shared))
        return failed("mmap", shared);
    u32 *turn = (u32 *)shared;
    long pid = pin(cpu);
    pid = pid < 0 ? pid : SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid < 0)
        return failed("futex", pid);
    if (pid == 0) {
        while (await(turn, OURS) != ENDED)
            hand_over(turn, OURS);
        sys_exit(0);
    }
    int result = repeat("futex", count, one_turn, turn);
    hand_over(turn, ENDED);
    reap(pid);
    return result;
}
