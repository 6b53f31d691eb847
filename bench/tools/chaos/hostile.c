/* One hostile job: hostile KIND [spare-bare]. Every kind ends by itself within HARD_SECONDS unless it is stopped or ended before.
 * Refuses to run as root of the first PID namespace that has a service manager: it belongs into a contained place. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define HARD_SECONDS 40
#define SHORT_SECONDS 3

static time_t born;

static time_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec;
}

static int old(int seconds) { return now() - born >= seconds; }

static void idle(int seconds)
{
    while (!old(seconds))
        usleep(20000);
}

static int fork_bomb(void)
{
    while (!old(SHORT_SECONDS))
        if (fork() < 0)
            usleep(1000);
    return 0;
}

static int memory_hog(void)
{
    for (size_t got = 0; got < (size_t)4 << 30 && !old(10); got += 1 << 20) {
        char *more = malloc(1 << 20);
        if (!more)
            return 65;
        memset(more, 1, 1 << 20);
    }
    return 65;
}

static int output_flood(void)
{
    static char block[65536];
    memset(block, 'x', sizeof block);
    while (!old(SHORT_SECONDS))
        if (write(1, block, sizeof block) < 0 || write(2, block, sizeof block) < 0)
            return 65;
    return 0;
}

static int deaf(void)
{
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    idle(HARD_SECONDS);
    return 0;
}

static int daemonizes(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            prctl(PR_SET_NAME, "kworker/0:0");
            clearenv();
            idle(HARD_SECONDS);
        }
        _exit(0);
    }
    usleep(100000);
    return 0;
}

static int closes_pipes(void)
{
    for (int fd = 0; fd < 256; fd++)
        close(fd);
    idle(1);
    return 0;
}

static int fills_scratch(void)
{
    static char block[1 << 20];
    int file = open("fill", O_WRONLY | O_CREAT, 0600);
    if (file < 0)
        return 66;
    for (int written = 0; written < 2048 && !old(10); written++)
        if (write(file, block, sizeof block) < 0)
            return 65;
    return 0;
}

static int stops_itself(void)
{
    raise(SIGSTOP);
    idle(HARD_SECONDS);
    return 0;
}

static int can_write(const char *path)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    int kept = open(path, O_PATH | O_CLOEXEC);
    char again[64];
    int wrote = 0;
    if (file >= 0) {
        wrote = write(file, "x", 1) == 1;
        close(file);
    }
    if (kept >= 0) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", kept);
        file = open(again, O_WRONLY | O_CLOEXEC);
        if (file >= 0) {
            wrote |= write(file, "x", 1) == 1;
            close(file);
        }
        close(kept);
    }
    return wrote;
}

static int writes_agent(void)
{
    char parent[64];
    snprintf(parent, sizeof parent, "/proc/%d/exe", getppid());
    return can_write("/proc/1/exe") || can_write(parent) ? 66 : 0;
}

static int ptraces_agent(void)
{
    for (int tries = 0; tries < 20; tries++) {
        if (ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0) {
            ptrace(PTRACE_DETACH, getppid(), 0, 0);
            return 66;
        }
        usleep(10000);
    }
    return 77; /* must never become a success */
}

static int kills_all(void)
{
    kill(-1, SIGKILL);
    usleep(200000);
    return 67;
}

static int digs_deep(void)
{
    for (int level = 0; level < 3000 && !old(10); level++)
        if (mkdir("nested-folder", 0700) || chdir("nested-folder"))
            return level < 100 ? 66 : 0;
    return 0;
}

static int changes_settings(void)
{
    struct rlimit none = {0, 0};
    struct termios terminal;
    struct sched_param idlest = {0};
    int number;
    for (number = 0; number < 16; number++)
        setrlimit((__rlimit_resource_t)number, &none);
    prlimit(getppid(), RLIMIT_NOFILE, &none, NULL);
    prlimit(getppid(), RLIMIT_CPU, &none, NULL);
    sched_setscheduler(getppid(), SCHED_IDLE, &idlest);
    setpriority(PRIO_PROCESS, (id_t)getppid(), 19);
    for (number = 0; number < 3; number++) {
        if (tcgetattr(number, &terminal) == 0)
            tcsetattr(number, TCSANOW, &terminal);
        ioctl(number, TIOCSTI, "x");
        ioctl(number, TIOCNOTTY);
    }
    setsid();
    umask(0777);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} kinds[] = {
    {"fork-bomb", fork_bomb},           {"memory-hog", memory_hog},       {"output-flood", output_flood},
    {"deaf", deaf},                     {"daemonizes", daemonizes},       {"closes-pipes", closes_pipes},
    {"fills-scratch", fills_scratch},   {"stops-itself", stops_itself},   {"writes-agent", writes_agent},
    {"ptraces-agent", ptraces_agent},   {"kills-all", kills_all},         {"digs-deep", digs_deep},
    {"changes-settings", changes_settings},
};

/* The session's places have a user of their own, a cgroup of their own or a kernel of their own. On a host's own service
 * manager's side of things this program does nothing. */
static int on_a_host(void)
{
    char name[32] = "";
    int file = open("/proc/1/comm", O_RDONLY);
    if (file < 0)
        return 0;
    ssize_t got = read(file, name, sizeof name - 1);
    close(file);
    return got > 0 && (strncmp(name, "systemd", 7) == 0 || strncmp(name, "init", 4) == 0) && geteuid() == 0 &&
           access("/etc/machine-id", F_OK) == 0;
}

/* Bare metal inside of the contained place: PID 1 is the Python of inner.py there. */
static int on_bare(void)
{
    char name[32] = "";
    int file = open("/proc/1/comm", O_RDONLY);
    if (file >= 0) {
        read(file, name, sizeof name - 1) < 0 ? name[0] = 0 : 0;
        close(file);
    }
    return strncmp(name, "python", 6) == 0;
}

int main(int count, char **words)
{
    born = now();
    if (count < 2 || on_a_host())
        return 99;
    if (count > 2 && strcmp(words[2], "spare-bare") == 0 && on_bare())
        return 0;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(words[1], kinds[i].name) == 0)
            return kinds[i].run();
    return 98;
}
