/* The base of Tare's small programs: start, raw system calls, and the handful of functions C itself needs.
 *
 * Why no libc: a static glibc program executes dozens of `cpuid` before main, each a VM exit on a virtual host, and
 * sets up stdio, locale and TLS; that costs more than the launch to be measured. Only kernel uapi headers are used.
 *
 * A program includes this file once and defines
 *
 *     int tare_main(int argc, char **argv, char **envp);
 *
 * System calls return what the kernel returns: a value >= 0, or -errno. `born_ns` is the time of the first instruction.
 * With the single argument `--self-check`, every program prints `tare-native` and exits (see build.py).
 */
#ifndef TARE_SYS_H
#define TARE_SYS_H

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* Numbers shared by all architectures that older headers may lack. */
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif

/* ---- system calls ------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n" /* marks the outermost frame, as the ABI requires */
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call tare_start\n"
        "  ud2\n");

#elif defined(__aarch64__)

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  mov x29, xzr\n"
        "  mov x30, xzr\n"
        "  mov x0, sp\n"
        "  and sp, x0, #-16\n"
        "  bl tare_start\n"
        "  brk #1\n");

#else
#error "Tare's programs know x86-64 and aarch64 only"
#endif

/* SYS(number, args...): zero to six arguments of any integer or pointer type. */
#define SYS_PICK(n, a, b, c, d, e, f, ...) syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define SYS(...) SYS_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* clone(2) and clone3(2) with a stack for the child: the child runs `entry(argument)` there and exits with what it
 * returns. With CLONE_VM a child may not return into its parent's frame, so the call has to be made in assembly. */
#if defined(__x86_64__)
#define CLONE_THEN_CALL(number, a, b, result)                                                                        \
    __asm__ volatile("syscall\n"                                                                                     \
                     "test %%eax, %%eax\n"                                                                           \
                     "jnz 1f\n"                                                                                      \
                     "xor %%ebp, %%ebp\n"                                                                            \
                     "pop %%rax\n"                                                                                   \
                     "pop %%rdi\n"                                                                                   \
                     "call *%%rax\n"                                                                                 \
                     "mov %%eax, %%edi\n"                                                                            \
                     "mov $60, %%eax\n" /* exit */                                                                   \
                     "syscall\n"                                                                                     \
                     "ud2\n"                                                                                         \
                     "1:\n"                                                                                          \
                     : "=a"(result)                                                                                  \
                     : "a"((long)(number)), "D"((long)(a)), "S"((long)(b)), "d"(0L), "r"(zero4), "r"(zero5)          \
                     : "rcx", "r11", "memory")
#define CLONE_REGISTERS                                                                                              \
    register long zero4 __asm__("r10") = 0;                                                                          \
    register long zero5 __asm__("r8") = 0
#else
#define CLONE_THEN_CALL(number, a, b, result)                                                                        \
    do {                                                                                                             \
        x8 = (long)(number), x0 = (long)(a), x1 = (long)(b);                                                         \
        __asm__ volatile("svc #0\n"                                                                                  \
                         "cbnz x0, 1f\n"                                                                             \
                         "ldp x1, x0, [sp], #16\n"                                                                   \
                         "mov x29, xzr\n"                                                                            \
                         "mov x30, xzr\n"                                                                            \
                         "blr x1\n"                                                                                  \
                         "mov x8, #93\n" /* exit */                                                                  \
                         "svc #0\n"                                                                                  \
                         "brk #1\n"                                                                                  \
                         "1:\n"                                                                                      \
                         : "+r"(x0)                                                                                  \
                         : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)                                               \
                         : "memory");                                                                                \
        (result) = x0;                                                                                               \
    } while (0)
#define CLONE_REGISTERS                                                                                              \
    register long x8 __asm__("x8");                                                                                  \
    register long x0 __asm__("x0");                                                                                  \
    register long x1 __asm__("x1");                                                                                  \
    register long x2 __asm__("x2") = 0;                                                                              \
    register long x3 __asm__("x3") = 0;                                                                              \
    register long x4 __asm__("x4") = 0
#endif

typedef int child_entry(void *argument);

/* `stack_top` must be 16-byte aligned. Flags as for clone(2), without those that need further arguments. */
static __attribute__((noinline, unused)) long clone_call(u64 flags, void *stack_top, child_entry *entry, void *argument)
{
    void **top = stack_top;
    long result;
    CLONE_REGISTERS;
    *--top = argument;
    *--top = (void *)entry;
    CLONE_THEN_CALL(__NR_clone, flags, top, result);
    return result;
}

/* `args->stack` and `args->stack_size` name the whole stack, 16-byte aligned; `size`: of the struct that is passed. */
static __attribute__((noinline, unused)) long clone3_call(const struct clone_args *args, size_t size,
                                                          child_entry *entry, void *argument)
{
    struct clone_args copy = *args;
    void **top = (void **)(uintptr_t)(copy.stack + copy.stack_size);
    long result;
    CLONE_REGISTERS;
    *--top = argument;
    *--top = (void *)entry;
    copy.stack_size -= 2 * sizeof(void *);
    CLONE_THEN_CALL(__NR_clone3, &copy, size, result);
    return result;
}

/* Wrappers, named as in section 2 of the manual; those that aarch64 lacks (open, dup2, pipe, …) use their successors. */
static inline long sys_read(int fd, void *to, size_t n) { return SYS(__NR_read, fd, to, n); }
static inline long sys_write(int fd, const void *from, size_t n) { return SYS(__NR_write, fd, from, n); }
static inline long sys_close(int fd) { return SYS(__NR_close, fd); }
static inline long sys_close_range(u32 first, u32 last, u32 flags) { return SYS(__NR_close_range, first, last, flags); }
static inline long sys_openat(int dir, const char *path, int flags, int mode) { return SYS(__NR_openat, dir, path, flags, mode); }
static inline long sys_open(const char *path, int flags) { return sys_openat(AT_FDCWD, path, flags | O_CLOEXEC, 0); }
static inline long sys_pipe2(int fds[2], int flags) { return SYS(__NR_pipe2, fds, flags); }
static inline long sys_dup3(int from, int to, int flags) { return SYS(__NR_dup3, from, to, flags); }
static inline long sys_fcntl(int fd, int command, long value) { return SYS(__NR_fcntl, fd, command, value); }
static inline long sys_ioctl(int fd, unsigned long request, void *value) { return SYS(__NR_ioctl, fd, request, value); }
static inline long sys_mkdir(const char *path, int mode) { return SYS(__NR_mkdirat, AT_FDCWD, path, mode); }
static inline long sys_umask(int mask) { return SYS(__NR_umask, mask); }
static inline long sys_chdir(const char *path) { return SYS(__NR_chdir, path); }
static inline long sys_chroot(const char *path) { return SYS(__NR_chroot, path); }
static inline long sys_getdents64(int fd, void *to, size_t n) { return SYS(__NR_getdents64, fd, to, n); }
static inline long sys_mount(const char *from, const char *to, const char *type, unsigned long flags, const char *options)
{
    return SYS(__NR_mount, from, to, type, flags, options);
}
static inline long sys_umount2(const char *path, int flags) { return SYS(__NR_umount2, path, flags); }
static inline long sys_sync(void) { return SYS(__NR_sync); }
static inline long sys_reboot(u32 command)
{
    return SYS(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, 0);
}
static inline long sys_finit_module(int fd, const char *parameters) { return SYS(__NR_finit_module, fd, parameters, 0); }
static inline long sys_execve(const char *path, char **argv, char **envp) { return SYS(__NR_execve, path, argv, envp); }
static inline long sys_getpid(void) { return SYS(__NR_getpid); }
static inline long sys_setsid(void) { return SYS(__NR_setsid); }
static inline long sys_kill(int pid, int signal) { return SYS(__NR_kill, pid, signal); }
static inline long sys_wait4(int pid, int *status, int options, struct rusage *usage)
{
    return SYS(__NR_wait4, pid, status, options, usage);
}
static inline long sys_prctl(int option, unsigned long a) { return SYS(__NR_prctl, option, a, 0, 0, 0); }
static inline long sys_socket(int family, int type, int protocol) { return SYS(__NR_socket, family, type, protocol); }
static inline __attribute__((noreturn)) void sys_exit(int status)
{
    for (;;)
        SYS(__NR_exit_group, status);
}

/* Kernel's, not libc's, layout of a signal action; only SIG_DFL and SIG_IGN are ever set, so there is no restorer. */
static inline long sys_signal(int signal, void (*handler)(int))
{
    struct {
        void (*handler)(int);
        unsigned long flags, restorer, mask;
    } action = {handler, 0, 0, 0};
    return SYS(__NR_rt_sigaction, signal, &action, 0, 8);
}

/* Set the mask of blocked signals (bit n-1: signal n). */
static inline long sys_sigmask(u64 mask) { return SYS(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8); }

/* Like poll(2), but in ns; timeout < 0: for ever. Signals that are not in `blocked` interrupt it. */
static inline long sys_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns, const u64 *blocked)
{
    struct __kernel_timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    return SYS(__NR_ppoll, fds, count, timeout_ns < 0 ? 0 : &timeout, blocked, 8);
}

static inline u64 now_ns(void)
{
    struct __kernel_timespec now = {0, 0};
    SYS(__NR_clock_gettime, CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

/* ---- what the compiler may call by itself ------------------------------------------------------------------ */

/* The empty asm keeps the compiler from turning a loop into a call of the very function it is in. */
__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
#if defined(__x86_64__)
    void *cursor = to;
    __asm__ volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(n) : : "memory");
#else
    for (size_t i = 0; i < n; i++) {
        ((u8 *)to)[i] = ((const u8 *)from)[i];
        __asm__ volatile("" : : : "memory");
    }
#endif
    return to;
}

__attribute__((used)) void *memmove(void *to, const void *from, size_t n)
{
    if (to <= from || (const u8 *)to >= (const u8 *)from + n)
        return memcpy(to, from, n); /* both of ours copy upwards */
    while (n--) {
        ((u8 *)to)[n] = ((const u8 *)from)[n];
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

__attribute__((used)) void *memset(void *to, int value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((u8 *)to)[i] = (u8)value;
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

__attribute__((used)) int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const u8 *)a)[i] != ((const u8 *)b)[i])
            return ((const u8 *)a)[i] - ((const u8 *)b)[i];
    return 0;
}

__attribute__((used)) size_t strlen(const char *text)
{
    size_t n = 0;
    while (text[n]) {
        n++;
        __asm__ volatile("" : : : "memory");
    }
    return n;
}

/* ---- text -------------------------------------------------------------------------------------------------- */

/* Like strcmp(3): below, equal to, or above 0. */
static inline int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

static inline int equal(const char *a, const char *b) { return !compare(a, b); }

static inline int starts_with(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return 0;
    return 1;
}

/* Read a decimal number up to the first other character; `*end`, if given, is set to that. */
static inline u64 parse_number(const char *text, const char **end)
{
    u64 value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (u64)(*text++ - '0');
    if (end)
        *end = text;
    return value;
}

/* Append a text, or a decimal number, at `at` in a buffer that ends at `end`; always terminate it, never overrun it.
 * Return the position of the terminator, so that calls chain. */
static inline char *put_text(char *at, const char *end, const char *text)
{
    while (*text && at + 1 < end)
        *at++ = *text++;
    *at = 0;
    return at;
}

static inline char *put_number(char *at, const char *end, u64 value)
{
    char digits[21], *first = digits + 20;
    *first = 0;
    do
        *--first = (char)('0' + value % 10);
    while (value /= 10);
    return put_text(at, end, first);
}

/* "ENOENT" for 2 or -2; "" for an error that is not listed. */
static inline const char *errno_name(long error)
{
#define NAME(e) case e: return #e;
    switch (error < 0 ? -error : error) {
        NAME(EPERM) NAME(ENOENT) NAME(ESRCH) NAME(EINTR) NAME(EIO) NAME(ENXIO) NAME(E2BIG) NAME(ENOEXEC)
        NAME(EBADF) NAME(ECHILD) NAME(EAGAIN) NAME(ENOMEM) NAME(EACCES) NAME(EFAULT) NAME(ENOTBLK) NAME(EBUSY)
        NAME(EEXIST) NAME(EXDEV) NAME(ENODEV) NAME(ENOTDIR) NAME(EISDIR) NAME(EINVAL) NAME(ENFILE) NAME(EMFILE)
        NAME(ENOTTY) NAME(ETXTBSY) NAME(EFBIG) NAME(ENOSPC) NAME(ESPIPE) NAME(EROFS) NAME(EMLINK) NAME(EPIPE)
        NAME(ERANGE) NAME(ENAMETOOLONG) NAME(ENOSYS) NAME(ENOTEMPTY) NAME(ELOOP) NAME(EOVERFLOW) NAME(EUSERS)
        NAME(EUCLEAN) NAME(EBADMSG) NAME(EOPNOTSUPP) NAME(ELIBBAD) NAME(ENOKEY) NAME(ETIMEDOUT) NAME(ECONNRESET) NAME(EADDRNOTAVAIL)
        NAME(ECONNREFUSED) NAME(ENETUNREACH) NAME(EHOSTUNREACH) NAME(EADDRINUSE)
    }
#undef NAME
    return "";
}

/* "<what>: ENOENT", or "<what>: errno 299"; same rules as put_text. */
static inline char *put_error(char *at, const char *end, const char *what, long error)
{
    const char *name = errno_name(error);
    at = put_text(put_text(at, end, what), end, ": ");
    if (*name)
        return put_text(at, end, name);
    return put_number(put_text(at, end, "errno "), end, (u64)(error < 0 ? -error : error));
}

/* ---- start ------------------------------------------------------------------------------------------------- */

int tare_main(int argc, char **argv, char **envp);

static u64 born_ns;

__attribute__((used, noreturn)) void tare_start(long *stack)
{
    born_ns = now_ns();
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    if (argc == 2 && equal(argv[1], "--self-check"))
        sys_exit(sys_write(1, "tare-native\n", 12) != 12);
    sys_exit(tare_main(argc, argv, argv + argc + 1));
}

#endif
