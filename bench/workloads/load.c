/* tare-load: requests to a server over TCP, at a fixed rate or as fast as they are answered.
 *
 *     tare-load PROTOCOL ADDRESS PORT REQUEST RATE CONNECTIONS WARMUP_MS LOAD_MS DRAIN_MS
 *
 * PROTOCOL is http, resp (Redis) or memcached, and says where an answer ends and whether it is a good one. REQUEST is sent as
 * it stands.
 *
 * With RATE > 0 the load is open: request i is due at i / RATE, whether or not earlier ones have been answered. One that
 * finds all connections busy waits for the first free one, and its latency counts from when it was due, not from when it was
 * sent. A server that stalls is therefore charged for every request that was due meanwhile (coordinated omission; Tene 2013).
 * Requests that are not answered DRAIN_MS after the last was due count with the time that they have waited.
 *
 * With RATE 0 the load is closed: each connection sends its next request when the last one is answered, and latencies count
 * from the sending.
 *
 * An answer of HTTP that tells of an error of the server's (5xx) is counted as failed; any other bad answer ends the program.
 *
 * Latencies go to a histogram whose buckets are at most 1/256 wide relative to their value. */
#include "sys.h"

#include <linux/eventpoll.h>

enum { AF_INET_ = 2, SOCK_STREAM_ = 1, IPPROTO_TCP_ = 6, TCP_NODELAY_ = 1, MSG_NOSIGNAL_ = 0x4000 };
enum { CONNECTIONS_MAX = 1024, HEAD_MAX = 4096, EVENTS_MAX = 64, READ_BYTES = 65536, CONNECT_NS_MAX = 2000000000 };
enum { SUB_BITS = 8, SUB = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS + 1) * SUB };

struct address { /* struct sockaddr_in */
    u16 family;
    u8 port[2], host[4], rest[8];
};

enum protocol { HTTP, RESP, MEMCACHED };

struct connection {
    int fd, busy, counted, refused; /* refused: the answer is a 5xx */
    u64 due_ns; /* when its request was due */
    u64 body; /* bytes of the answer's body that are still to come */
    size_t used; /* bytes of the head so far */
    char head[HEAD_MAX];
};

static struct connection connections[CONNECTIONS_MAX];
static int idle[CONNECTIONS_MAX]; /* a ring, so that all connections take turns */
static size_t idle_first, idle_count;
static enum protocol protocol;
static const char *request;
static size_t request_bytes;
static u64 answered, counted_answers, failed_answers, bytes_read, last_ns;
static u64 counts_from_ns; /* closed load: answers from then on are counted; 0: those to counted requests */
static char problem[256];

/* ---- histograms ------------------------------------------------------------------------------------------------ */

struct histogram {
    u64 total, largest, counts[BUCKETS];
};

static struct histogram latencies, lags;

static size_t bucket_of(u64 value)
{
    if (value < SUB)
        return (size_t)value;
    int shift = 63 - __builtin_clzll(value) - SUB_BITS;
    return (size_t)(shift + 1) * SUB + (size_t)((value >> shift) - SUB);
}

/* The largest value of a bucket. */
static u64 top_of(size_t bucket)
{
    if (bucket < SUB)
        return bucket;
    int shift = (int)(bucket / SUB) - 1;
    return (((u64)(bucket % SUB) + SUB + 1) << shift) - 1;
}

static void note(struct histogram *histogram, u64 value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->largest)
        histogram->largest = value;
}

/* Find the value that so many ten-thousandths of all do not exceed (nearest rank). */
static u64 rank(const struct histogram *histogram, u64 share)
{
    u64 wanted = (histogram->total * share + 9999) / 10000, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen) {
            u64 top = top_of(i);
            return top < histogram->largest ? top : histogram->largest;
        }
    }
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static int refuse(const char *what, const char *said)
{
    if (!*problem)
        put_text(put_text(put_text(problem, problem + sizeof problem, what), problem + sizeof problem, ": "),
                 problem + sizeof problem, said);
    return -1;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Find the line of a head that begins with a lower-case name; return what follows, or 0. */
static const char *header(const char *head, const char *name)
{
    for (const char *line = head; *line;) {
        const char *at = line, *want = name;
        while (*want && lower(*at) == *want)
            at++, want++;
        if (!*want) {
            while (*at == ' ')
                at++;
            return at;
        }
        while (*line && *line != '\n')
            line++;
        line += *line == '\n';
    }
    return 0;
}

/* Look at the head so far, which is terminated by a zero. Return 1 if it is complete and `body` is set, 0 if more has to
 * come, -1 if the answer is bad. */
static int parse(struct connection *one)
{
    const char *head = one->head;
    size_t n = one->used;
    one->body = 0;
    if (protocol == HTTP) {
        if (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4))
            return 0;
        if (!starts_with(head, "HTTP/1.") || n < 12 || (head[9] != '2' && head[9] != '5'))
            return refuse("bad answer", head);
        one->refused = head[9] == '5';
        const char *length = header(head, "content-length:");
        if (!length)
            return refuse("answer without Content-Length", head);
        one->body = parse_number(length, 0);
        return 1;
    }
    if (n < 2 || memcmp(head + n - 2, "\r\n", 2))
        return 0;
    if (protocol == RESP) {
        if (*head == '-' || starts_with(head, "$-1") || (*head != '+' && *head != ':' && *head != '$'))
            return refuse("bad answer", head);
        one->body = *head == '$' ? parse_number(head + 1, 0) + 2 : 0;
        return 1;
    }
    if (starts_with(head, "VALUE ")) { /* VALUE key flags bytes, then the bytes, then END */
        const char *at = head;
        for (int spaces = 0; *at && spaces < 3; at++)
            spaces += *at == ' ';
        one->body = parse_number(at, 0) + 2 + 5;
        return 1;
    }
    return starts_with(head, "STORED") ? 1 : refuse("bad answer", head);
}

/* Take bytes of the answer of a connection; return 1 when it is complete, 0 if more has to come, -1 if it is bad. */
static int take(struct connection *one, const u8 *bytes, size_t n)
{
    size_t at = 0;
    while (at < n) {
        if (one->body) {
            u64 part = n - at < one->body ? n - at : one->body;
            one->body -= part;
            at += part;
            if (!one->body)
                return at == n ? 1 : refuse("more than one answer", "");
            continue;
        }
        if (one->used + 1 >= HEAD_MAX)
            return refuse("the head of an answer is too long", "");
        one->head[one->used++] = (char)bytes[at++];
        one->head[one->used] = 0;
        if (one->head[one->used - 1] != '\n')
            continue;
        int done = parse(one);
        if (done < 0)
            return -1;
        if (done && !one->body)
            return at == n ? 1 : refuse("more than one answer", "");
    }
    return 0;
}

/* ---- connections ----------------------------------------------------------------------------------------------- */

static int failed(const char *what, long error)
{
    char line[400], *end = line + sizeof line;
    char *at = error ? put_error(line, end, what, error) : put_text(line, end, what);
    at = put_text(at, end, "\n");
    sys_write(2, line, (size_t)(at - line));
    return 1;
}

static void make_idle(size_t index) { idle[(idle_first + idle_count++) % CONNECTIONS_MAX] = (int)index; }

static size_t take_idle(void)
{
    size_t index = (size_t)idle[idle_first];
    idle_first = (idle_first + 1) % CONNECTIONS_MAX;
    idle_count--;
    return index;
}

static long connect_one(const struct address *there, u64 give_up_ns)
{
    struct __kernel_timespec pause = {0, 1000000};
    int on = 1;
    for (;;) {
        long fd = sys_socket(AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
        if (fd < 0)
            return fd;
        long done = SYS(__NR_connect, fd, there, sizeof *there);
        if (done >= 0) {
            SYS(__NR_setsockopt, fd, IPPROTO_TCP_, TCP_NODELAY_, &on, sizeof on);
            sys_fcntl((int)fd, F_SETFL, O_NONBLOCK);
            return fd;
        }
        sys_close((int)fd);
        if (done != -ECONNREFUSED || now_ns() > give_up_ns)
            return done;
        SYS(__NR_nanosleep, &pause, 0);
    }
}

static int send_request(size_t index, u64 due_ns, int counted)
{
    struct connection *one = connections + index;
    long sent = SYS(__NR_sendto, one->fd, request, request_bytes, MSG_NOSIGNAL_, 0, 0);
    if (sent != (long)request_bytes)
        return failed("sending a request", sent < 0 ? sent : -EAGAIN);
    one->busy = 1;
    one->counted = counted;
    one->due_ns = due_ns;
    one->used = 0;
    one->body = 0;
    return 0;
}

static int receive(size_t index)
{
    static u8 bytes[READ_BYTES];
    struct connection *one = connections + index;
    long n = sys_read(one->fd, bytes, sizeof bytes);
    if (n == -EAGAIN)
        return 0;
    if (n <= 0)
        return failed("the server closed a connection", n);
    bytes_read += (u64)n;
    if (!one->busy)
        return failed("an answer to no request", 0);
    int done = take(one, bytes, (size_t)n);
    if (done < 0)
        return failed(problem, 0);
    if (!done)
        return 0;
    last_ns = now_ns();
    one->busy = 0;
    answered++;
    failed_answers += (u64)one->refused;
    one->refused = 0;
    if (one->counted)
        note(&latencies, last_ns - one->due_ns);
    counted_answers += counts_from_ns ? last_ns >= counts_from_ns : one->counted;
    make_idle(index);
    return 0;
}

/* Wait until an answer comes or the time is over (ns; < 0: none), and take what has come. */
static int wait_for_answers(int epoll, int64_t ns)
{
    struct epoll_event events[EVENTS_MAX];
    struct pollfd ready = {epoll, POLLIN, 0};
    if (ns != 0)
        sys_poll(&ready, 1, ns, 0); /* epoll's own time-out has whole milliseconds */
    long n = SYS(__NR_epoll_pwait, epoll, events, EVENTS_MAX, 0, 0, 8);
    for (long i = 0; i < n; i++)
        if (receive((size_t)events[i].data))
            return 1;
    return 0;
}

/* ---- the load -------------------------------------------------------------------------------------------------- */

struct load {
    u64 rate, connections, warmup_ns, load_ns, drain_ns;
};

static u64 elapsed_ns, unanswered;

/* Charge the requests that were due and have no answer with the time that they have waited so far. */
static void charge(const struct load *load, u64 began, u64 sent, u64 first, u64 total)
{
    u64 now = now_ns();
    for (size_t i = 0; i < load->connections; i++)
        if (connections[i].busy && connections[i].counted) {
            unanswered++;
            note(&latencies, now - connections[i].due_ns);
        }
    for (u64 i = sent > first ? sent : first; i < total; i++) {
        unanswered++;
        note(&latencies, now - (began + i * 1000000000 / load->rate));
    }
}

static int open_load(int epoll, const struct load *load)
{
    u64 first = load->warmup_ns / 1000 * load->rate / 1000000; /* requests before this one are not counted */
    u64 total = first + load->load_ns / 1000 * load->rate / 1000000, sent = 0;
    u64 began = now_ns(), ends = began + load->warmup_ns + load->load_ns + load->drain_ns;
    while (answered < total) {
        u64 now = now_ns(), due = began + sent * 1000000000 / load->rate;
        while (sent < total && due <= now && idle_count) {
            size_t index = take_idle();
            if (sent >= first && due > last_ns)
                note(&lags, now - due); /* a connection was free when it was due, so this is the client's own delay */
            if (send_request(index, due, sent >= first))
                return 1;
            sent++;
            due = began + sent * 1000000000 / load->rate;
        }
        now = now_ns();
        if (now >= ends)
            break;
        int64_t wait = (int64_t)(ends - now);
        if (sent < total && idle_count)
            wait = due > now ? (int64_t)(due - now) : 0;
        if (wait_for_answers(epoll, wait))
            return 1;
    }
    elapsed_ns = now_ns() - (began + first * 1000000000 / load->rate);
    charge(load, began, sent, first, total);
    return 0;
}

static int closed_load(int epoll, const struct load *load)
{
    u64 began = now_ns(), counts = began + load->warmup_ns, ends = counts + load->load_ns, now = began;
    counts_from_ns = counts;
    while (now < ends) {
        while (idle_count) {
            u64 sends = now_ns();
            if (send_request(take_idle(), sends, sends >= counts))
                return 1;
        }
        if (wait_for_answers(epoll, (int64_t)(ends - now)))
            return 1;
        now = now_ns();
    }
    elapsed_ns = now - counts;
    return 0;
}

static void say(const char *name, u64 value)
{
    char line[64], *end = line + sizeof line;
    char *at = put_text(put_number(put_text(put_text(line, end, name), end, " "), end, value), end, "\n");
    sys_write(1, line, (size_t)(at - line));
}

static int report(void)
{
    if (!latencies.total)
        return failed("no request was answered", 0);
    say("answered", counted_answers);
    say("unanswered", unanswered);
    say("failed", failed_answers);
    say("elapsed_ns", elapsed_ns);
    say("bytes", bytes_read);
    say("p50_ns", rank(&latencies, 5000));
    say("p90_ns", rank(&latencies, 9000));
    say("p99_ns", rank(&latencies, 9900));
    say("p999_ns", rank(&latencies, 9990));
    say("max_ns", latencies.largest);
    say("lag_p50_ns", rank(&lags, 5000));
    say("lag_p99_ns", rank(&lags, 9900));
    return 0;
}

static int parse_address(const char *text, u16 port, struct address *made)
{
    *made = (struct address){AF_INET_, {(u8)(port >> 8), (u8)port}, {0}, {0}};
    for (int i = 0; i < 4; i++) {
        made->host[i] = (u8)parse_number(text, &text);
        if (*text != (i < 3 ? '.' : 0))
            return 0;
        text++;
    }
    return 1;
}

int tare_main(int argc, char **argv, char **envp)
{
    (void)envp;
    struct address there;
    if (argc != 10 || !parse_address(argv[2], (u16)parse_number(argv[3], 0), &there))
        return 2;
    protocol = equal(argv[1], "http") ? HTTP : equal(argv[1], "resp") ? RESP : MEMCACHED;
    request = argv[4];
    request_bytes = strlen(request);
    struct load load = {parse_number(argv[5], 0), parse_number(argv[6], 0), parse_number(argv[7], 0) * 1000000,
                        parse_number(argv[8], 0) * 1000000, parse_number(argv[9], 0) * 1000000};
    if (!load.connections || load.connections > CONNECTIONS_MAX)
        return 2;
    sys_prctl(PR_SET_TIMERSLACK, 1); /* 50 us otherwise, by which every request would be late */
    long epoll = SYS(__NR_epoll_create1, EPOLL_CLOEXEC);
    if (epoll < 0)
        return failed("epoll", epoll);
    for (size_t i = 0; i < load.connections; i++) {
        long fd = connect_one(&there, now_ns() + CONNECT_NS_MAX);
        if (fd < 0)
            return failed("connecting", fd);
        connections[i].fd = (int)fd;
        struct epoll_event event = {.events = EPOLLIN, .data = i};
        long done = SYS(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event);
        if (done < 0)
            return failed("epoll", done);
        make_idle(i);
    }
    if (load.rate ? open_load((int)epoll, &load) : closed_load((int)epoll, &load))
        return 1;
    return report();
}
