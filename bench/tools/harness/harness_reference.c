/* The harness's reference: what a C program needs to launch the same program, with libc and nothing else.
 *
 * Usage: reference PROGRAM ROOT [ARGUMENT]. For each byte read it launches `PROGRAM [ARGUMENT]` once and prints the
 * nanoseconds from before the launch until after the wait:
 *   s   posix_spawn + waitpid
 *   c   clone3 with new mount, pid, net, uts, ipc and cgroup namespaces, chroot to ROOT, execveat, waitpid
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int isolated(int program, const char *root, char **argv)
{
    struct clone_args args = {0};
    args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    args.exit_signal = SIGCHLD;
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        if (chroot(root) || chdir("/"))
            _exit(126);
        syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
        _exit(127);
    }
    return (int)pid;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    char *program_argv[] = {argv[1], argv[3], 0};
    int program = open(argv[1], O_PATH | O_CLOEXEC);
    int report = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char mode;
    if (program < 0 || report < 0 || null < 0 || dup2(null, 1) < 0) /* what the program prints goes nowhere */
        return 1;
    while (read(0, &mode, 1) == 1) {
        pid_t pid = -1;
        int status = 0, error = 0;
        long long begin = now();
        if (mode == 's')
            error = posix_spawn(&pid, argv[1], 0, 0, program_argv, environ);
        else
            error = (pid = isolated(program, argv[2], program_argv)) < 0 ? errno : 0;
        if (error || waitpid(pid, &status, 0) != pid) {
            dprintf(report, "error %s\n", strerror(error ? error : errno));
            continue;
        }
        long long end = now();
        if (status)
            dprintf(report, "error wait status %d\n", status);
        else
            dprintf(report, "%lld\n", end - begin);
    }
    return 0;
}
