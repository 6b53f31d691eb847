/* tare-agent: the first process of every place. It takes jobs over one channel, runs them and reports on them.
 *
 *     tare-agent RUN CHANNEL      a plain child, or PID 1 of a container; CHANNEL is "3" (both ways), "0,1", or the
 *                                 path of a listening UNIX socket, where only files can be handed in
 *     /init                       of a guest; the kernel's command line has tare.channel= and the rest (guest.h)
 *
 * Everything between its first instruction and its answer is part of every measurement. So the null job makes no
 * process, answers are gathered into one write while more input waits, and what only a real job needs is prepared when
 * the first one comes. One job runs at a time; services, such as a server that the job talks to, run beside it.
 * docs/wire-protocol.md describes the wire.
 */
#include "sys.h"

#include <asm/siginfo.h>
#include <asm/termbits.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/un.h>

#include "wire.h"
#include "processes.h"
#include "program.h"
#include "guest.h"

enum { JOB_MAX = 64 << 20, TERM_GRACE_NS = 200000000 };
enum { DONE_TIMED_OUT = 1, DONE_KILLED = 2 };
enum { HELLO_PID_1 = 1, HELLO_GUEST = 2 };

static int leaving; /* EXIT has come: exit after the job */
static int spoken_to = 1; /* 0: nobody may be listening yet, so the hello waits for input */
static u64 ready_ns;

/* ---- what runs: the job, and services beside it ------------------------------------------------------------- */

struct stream {
    int fd;
    u64 total, kept;
};

struct job {
    int running;
    struct child *child;
    u32 sequence;
    u64 limit, deadline_ns; /* deadline 0: none */
    u32 flags;
    long steal_ticks; /* when it began; -1: not counted here */
    struct stream streams[2];
    char failure[320]; /* why the program could not be started; empty if it was */
};

static struct job jobs[CHILDREN_MAX]; /* the job, then the services; each has the child of the same index */

static void start_job(struct job *job, struct start *start, u64 timeout_ns)
{
    static u8 stack[16384] __attribute__((aligned(16)));
    int ends[2] = {-1, -1};
    long error = start->stdin;
    for (int i = 0; i < 2; i++) {
        int pair[2] = {-1, -1};
        if (error >= 0)
            error = sys_pipe2(pair, O_CLOEXEC);
        job->streams[i] = (struct stream){above_stdio(pair[0]), 0, 0};
        ends[i] = above_stdio(pair[1]);
        sys_fcntl(job->streams[i].fd, F_SETFL, O_NONBLOCK);
    }
    start->stdout = ends[0];
    start->stderr = ends[1];
    job->steal_ticks = guest ? steal_ticks() : -1; /* before the clock: reading it is not part of the job */
    u64 started_ns = now_ns();
    if (error >= 0)
        error = clone_call(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof stack, start_program, start);
    sys_close(start->stdin);
    sys_close(ends[0]);
    sys_close(ends[1]);
    if (error < 0) {
        char why[128];
        put_error(why, why + sizeof why, "cannot make the job's process", error);
        sys_close(job->streams[0].fd);
        sys_close(job->streams[1].fd);
        job->streams[0].fd = job->streams[1].fd = -1;
        refuse(job->sequence, why);
        return;
    }
    job->child->pid = job->child->session = (int)error;
    job->child->orphans_us = 0;
    job->child->thread_known = 0;
    job->running = 1;
    job->deadline_ns = timeout_ns ? started_ns + timeout_ns : 0;
    begin(STARTED, job->sequence);
    number(TAG_CLOCK, started_ns, 8);
    end();
}

/* Read once; return 0 if there is nothing, now or at the end of the stream. */
static int take_output(struct job *job, int i)
{
    static u8 bytes[2 * OUTPUT_MAX];
    struct stream *stream = &job->streams[i];
    long n = sys_read(stream->fd, bytes, sizeof bytes);
    if (n <= 0) {
        if (n != -EAGAIN) {
            sys_close(stream->fd);
            stream->fd = -1;
        }
        return 0;
    }
    stream->total += (u64)n;
    for (u64 at = 0; at < (u64)n && stream->kept < job->limit;) {
        u64 part = (u64)n - at;
        if (part > OUTPUT_MAX)
            part = OUTPUT_MAX;
        if (part > job->limit - stream->kept)
            part = job->limit - stream->kept;
        begin(OUTPUT, job->sequence);
        number(TAG_STREAM, (u64)i + 1, 1);
        field(TAG_DATA, bytes + at, (u32)part);
        end();
        at += part;
        stream->kept += part;
    }
    return 1;
}

static void tell_done(const struct job *job, u64 clock_ns, int status, const struct rusage *usage)
{
    begin(DONE, job->sequence);
    number(TAG_CLOCK, clock_ns, 8);
    number(TAG_STATUS, (u32)status, 4);
    number(TAG_FLAGS, job->flags, 4);
    number(TAG_STDOUT_TOTAL, job->streams[0].total, 8);
    number(TAG_STDERR_TOTAL, job->streams[1].total, 8);
    if (usage)
        field(TAG_USAGE, usage, sizeof *usage);
    if (usage && job->child->orphans_us)
        number(TAG_ORPHANS, job->child->orphans_us, 8);
    if (usage && job->child->thread_known)
        field(TAG_THREAD, job->child->thread_ns, sizeof job->child->thread_ns);
    long stolen = usage && job->steal_ticks >= 0 ? steal_ticks() - job->steal_ticks : -1;
    if (stolen >= 0)
        number(TAG_STEAL, (u64)stolen, 8);
    if (*job->failure)
        text(TAG_TEXT, job->failure);
    end();
}

/* Report the end of a job whose first process is reaped, or cannot be killed. */
static void finish_job(struct job *job)
{
    struct child *child = job->child;
    int clean = kill_all(child); /* before the pipes are read, so that nothing keeps filling them */
    for (int i = 0; i < 2; i++) {
        for (int reads = 0; reads < 64 && job->streams[i].fd >= 0 && take_output(job, i); reads++)
            ; /* bounded by what a pipe can hold, in case a writer has escaped */
        sys_close(job->streams[i].fd);
        job->streams[i].fd = -1;
    }
    if (child->pid) { /* it hangs in the kernel: report the SIGKILL */
        child->pid = 0;
        child->status = SIGKILL;
        child->reaped_ns = now_ns();
        memset(&child->usage, 0, sizeof child->usage);
    }
    if (!clean && !*job->failure)
        put_text(job->failure, job->failure + sizeof job->failure, "processes of the job did not die within 5 s of SIGKILL");
    tell_done(job, child->reaped_ns, child->status, &child->usage);
    job->running = 0;
}

/* Send SIGTERM at first, and SIGKILL when called again. */
static void end_job(struct job *job, u32 flag)
{
    int asked = job->flags & (DONE_TIMED_OUT | DONE_KILLED);
    job->flags |= asked ? 0 : flag;
    if (asked) {
        finish_job(job);
        return;
    }
    sys_kill(sys_getpid() == 1 && !count_others(job->child) ? -1 : -job->child->session, SIGTERM);
    job->deadline_ns = now_ns() + TERM_GRACE_NS;
}

/* ---- jobs from the wire ------------------------------------------------------------------------------------ */

/* A job too large for one frame is assembled here; untouched pages take no memory. */
static u8 *large;
static size_t large_used;
static u32 large_sequence;

static void drop_large(void)
{
    if (large)
        SYS(__NR_munmap, large, JOB_MAX);
    large = 0;
    large_used = 0;
}

/* Turn a field into a string, in place: move it over the field's head, which leaves room for the terminator. */
static char *string(u8 *field, u32 length)
{
    memmove(field, field + FIELD_HEAD, length);
    field[length] = 0;
    return (char *)field;
}

/* Read the fields and start the job; return why it is refused, or 0. */
static const char *take_job(struct job *job, u8 *bytes, size_t length, int spanned)
{
    static char *argv[STRINGS_MAX + 1], *environ[STRINGS_MAX + 1];
    struct start start = {.directory = "/", .argv = argv, .environ = environ};
    size_t arguments = 0, variables = 0;
    const u8 *input = 0;
    u64 input_length = 0, timeout_ns = 0, size = 0;
    for (size_t at = 0; at < length;) {
        u8 *here = bytes + at, tag = *here;
        u32 n;
        if (length - at < FIELD_HEAD)
            return "the job's last field is cut off";
        memcpy(&n, here + 1, 4);
        if (n > length - at - FIELD_HEAD)
            return "a field of the job is longer than the job";
        at += FIELD_HEAD + n;
        if (tag == TAG_ARGV || tag == TAG_ENVIRON) {
            if ((tag == TAG_ARGV ? arguments : variables) == STRINGS_MAX)
                return "the job has more than 8192 arguments or variables";
            if (tag == TAG_ARGV)
                argv[arguments++] = string(here, n);
            else
                environ[variables++] = string(here, n);
        } else if (tag == TAG_DIRECTORY)
            start.directory = string(here, n);
        else if (tag == TAG_STDIN)
            input = here + FIELD_HEAD, input_length = n;
        else if (tag == TAG_TIMEOUT)
            timeout_ns = read_number(here + FIELD_HEAD, n);
        else if (tag == TAG_OUTPUT_LIMIT)
            job->limit = read_number(here + FIELD_HEAD, n);
        else if (tag == TAG_SIZE)
            size = read_number(here + FIELD_HEAD, n);
    }
    if (spanned && size != length)
        return "frames of the job are missing";
    variables = inherit(environ, variables);
    argv[arguments] = environ[variables] = 0;
    if (!arguments) { /* the null job: without a process, only the cost of the place remains */
        u64 now = now_ns();
        begin(STARTED, job->sequence);
        number(TAG_CLOCK, now, 8);
        end();
        tell_done(job, now_ns(), 0, 0);
        return 0;
    }
    prepare_for_processes();
    start.stdin = open_stdin(input, input_length);
    start_job(job, &start, timeout_ns);
    char *end_of_failure = job->failure + sizeof job->failure;
    if (start.error < 0)
        put_error(put_text(job->failure, end_of_failure, start.failed), end_of_failure, start.path, start.error);
    return 0;
}

/* Find the place of a service, or of the job, that does not run; return 0 if there is none. */
static struct job *find_idle(int service)
{
    if (!service)
        return jobs[0].running ? 0 : jobs;
    for (struct job *job = jobs + 1; job < jobs + CHILDREN_MAX; job++)
        if (!job->running)
            return job;
    return 0;
}

static void take_job_frame(struct frame *frame)
{
    const char *refused = 0;
    if (large && frame->sequence != large_sequence)
        drop_large();
    int more = frame->flags & FLAG_MORE, service = frame->flags & FLAG_SERVICE;
    struct job *job = find_idle(service);
    if (!job || leaving)
        refused = job ? "the agent is leaving" : service ? "eight services are running" : "another job is running";
    else if (more || large) {
        if (!large) {
            long made = SYS(__NR_mmap, 0, JOB_MAX, 3 /* read, write */, 0x4022 /* private, anonymous, noreserve */, -1, 0);
            large = made < 0 && made > -4096 ? 0 : (u8 *)made;
            large_sequence = frame->sequence;
        }
        if (!large || large_used + frame->length > JOB_MAX)
            refused = "the job is larger than 64 MiB, or than what is left of memory";
        else {
            memcpy(large + large_used, frame->payload, frame->length);
            large_used += frame->length;
        }
    }
    if (!refused && !more) {
        memset(job, 0, sizeof *job);
        job->child = children + (job - jobs);
        job->streams[0].fd = job->streams[1].fd = -1;
        job->sequence = frame->sequence;
        refused = large ? take_job(job, large, large_used, 1) : take_job(job, frame->payload, frame->length, 0);
    }
    if (refused)
        refuse(frame->sequence, refused);
    if (refused || !more)
        drop_large();
}

/* End the service that was started by a frame with this sequence, or else the job. */
static void take_kill(u32 sequence)
{
    struct job *job = jobs;
    for (struct job *one = jobs + 1; one < jobs + CHILDREN_MAX; one++)
        if (one->running && one->sequence == sequence)
            job = one;
    if (job->running && !(job->flags & DONE_KILLED))
        end_job(job, DONE_KILLED);
}

static void take_frame(struct frame *frame)
{
    if (frame->type >= HELLO) /* an echo of our own frame; an answer would be echoed, too */
        skipped += sizeof *frame + frame->length;
    else if (frame->version != WIRE_VERSION)
        refuse(frame->sequence, "the agent speaks version 1 of the wire only");
    else if (frame->type == PING) {
        begin(PONG, frame->sequence);
        number(TAG_CLOCK, now_ns(), 8);
        number(TAG_SKIPPED, skipped, 8);
        end();
    } else if (frame->type == JOB)
        take_job_frame(frame);
    else if (frame->type == KILL)
        take_kill(frame->sequence);
    else if (frame->type == EXIT)
        leaving = 1;
    else
        refuse(frame->sequence, "the agent does not know this type of frame");
}

/* ---- the life of the agent --------------------------------------------------------------------------------- */

/* Give up: tell the host over the channel, if it is open, and people on the console. */
__attribute__((noreturn)) static void fail(const char *what, long error)
{
    char why[320], line[360];
    put_error(why, why + sizeof why, what, error);
    char *end_of_line = put_text(put_text(line, line + sizeof line, "tare-agent: "), line + sizeof line, why);
    end_of_line = put_text(end_of_line, line + sizeof line, "\n");
    sys_write(guest ? (int)sys_open("/dev/kmsg", O_WRONLY) : 2, line, (size_t)(end_of_line - line));
    if (channel_out >= 0) {
        refuse(0, why);
        flush();
    }
    if (guest)
        end_guest();
    sys_exit(1);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = 1 /* AF_UNIX */};
    char *end = put_text(address.sun_path, address.sun_path + sizeof address.sun_path, path);
    if (end == address.sun_path + sizeof address.sun_path - 1)
        fail(path, -ENAMETOOLONG);
    int fd = (int)sys_socket(address.sun_family, 1 /* SOCK_STREAM */ | O_CLOEXEC, 0);
    long error = fd < 0 ? fd : SYS(__NR_connect, fd, &address, sizeof address);
    if (error < 0)
        fail(path, error);
    return fd;
}

static void open_channel(const char *argument)
{
    sys_prctl(PR_SET_NAME, (unsigned long)"tare-agent");
    /* Jobs run as the same user. A process that may not be dumped cannot be traced, nor can its memory or its
     * descriptors be reached through /proc; see ptrace(2). Where it is not PID 1 of a namespace it stays open to the
     * host's user, who reads its memory's size; jobs on bare metal are not held by anything in any case. */
    if (SYS(__NR_getpid) == 1)
        sys_prctl(PR_SET_DUMPABLE, 0);
    if (*argument == '/') {
        channel_in = channel_out = connect_to(argument);
        return;
    }
    channel_in = channel_out = (int)parse_number(argument, &argument);
    if (*argument == ',')
        channel_out = (int)parse_number(argument + 1, &argument);
    spoken_to = *argument != '?';
}

static void say_hello(void)
{
    u32 pid = (u32)sys_getpid();
    begin(HELLO, 0);
    number(TAG_CLOCK, born_ns, 8);
    number(TAG_READY, ready_ns, 8);
    number(TAG_PID, pid, 4);
    number(TAG_FLAGS, (pid == 1 ? HELLO_PID_1 : 0) | (guest ? HELLO_GUEST : 0), 4);
    number(TAG_SKIPPED, skipped, 8);
    end();
}

/* Read what there is. A guest's virtio port reads as ended until the host's side is connected. */
static void receive(void)
{
    static u64 first_try_ns;
    static int heard;
    long n = sys_read(channel_in, inbox + inbox_used, sizeof inbox - inbox_used);
    if (n > 0) {
        heard = 1;
        inbox_used += (size_t)n;
        take_frames(take_frame);
    } else if (n != -EAGAIN && n != -EINTR) {
        first_try_ns = first_try_ns ? first_try_ns : now_ns();
        lost = !guest || heard || !wait_more(first_try_ns);
    }
}

int tare_main(int argc, char **argv, char **envp)
{
    sys_sigmask(~0ull); /* no signal interrupts: signalfd tells of children, EPIPE of a closed channel */
    guest = equal(argv[0], "/init");
    if (guest) {
        become_init(envp);
    } else if (argc == 3)
        open_channel(argv[2]);
    else
        fail("usage: tare-agent RUN CHANNEL", -EINVAL);
    ready_ns = now_ns();
    if (spoken_to)
        say_hello();
    for (;;) {
        /* Only what runs is polled, so an agent without services does what one that knows none would do. */
        struct pollfd fds[2 + 2 * CHILDREN_MAX] = {{channel_in, POLLIN, 0}, {child_events, POLLIN, 0}};
        struct job *running[CHILDREN_MAX];
        unsigned count = 0;
        u64 now = now_ns(), deadline = 0;
        for (struct job *job = jobs; job < jobs + CHILDREN_MAX; job++) {
            if (!job->running)
                continue;
            fds[2 + 2 * count] = (struct pollfd){job->streams[0].fd, POLLIN, 0};
            fds[3 + 2 * count] = (struct pollfd){job->streams[1].fd, POLLIN, 0};
            if (job->deadline_ns && (!deadline || job->deadline_ns < deadline))
                deadline = job->deadline_ns;
            running[count++] = job;
        }
        int64_t wait = outbox_used || (deadline && deadline <= now) ? 0 : deadline ? (int64_t)(deadline - now) : -1;
        sys_poll(fds, 2 + 2 * count, wait, 0);
        if (fds[0].revents) {
            if (!spoken_to) {
                spoken_to = 1;
                say_hello();
            }
            receive();
        } else
            flush(); /* no input is left, so the answers are complete */
        for (unsigned i = 0; i < 2 * count; i++)
            if (running[i / 2]->running && fds[2 + i].revents)
                take_output(running[i / 2], (int)(i % 2));
        if (fds[1].revents) {
            u8 events[128 * 8];
            sys_read(child_events, events, sizeof events);
            reap();
        }
        for (struct job *job = jobs; job < jobs + CHILDREN_MAX; job++) {
            if (job->running && !job->child->pid)
                finish_job(job);
            else if (job->running && job->deadline_ns && now_ns() >= job->deadline_ns)
                end_job(job, DONE_TIMED_OUT);
        }
        if (lost || (leaving && !jobs[0].running)) {
            if (child_events >= 0)
                kill_everything();
            flush();
            if (guest)
                end_guest();
            sys_exit(0);
        }
    }
}
