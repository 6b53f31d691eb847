/* Be either end of a TCP connection between a place and its host. The first byte says what the connection is for:
 *
 *     'e'            the host returns every byte (round trips)
 *     's'            the host takes all bytes and answers with their number, u64 (place → host)
 *     'r', u64       the host sends so many bytes (host → place)
 *
 * The server prints "ADDRESS PORT" when it is listening. It takes one connection after the other: as many as it was told,
 * or until it is killed. The client tries again for some seconds where nobody listens yet. */

enum { CHUNK = 128 << 10, TRIPS_MAX = 1 << 17 };
enum { AF_INET_ = 2, SOCK_STREAM_ = 1, IPPROTO_TCP_ = 6, TCP_NODELAY_ = 1, MSG_NOSIGNAL_ = 0x4000 };
enum { SOL_SOCKET_ = 1, SO_REUSEADDR_ = 2 };
enum { CONNECT_NS_MAX = 2000000000, CONNECT_PAUSE_NS = 1000000 };

struct address { /* struct sockaddr_in */
    u16 family;
    u8 port[2], host[4], rest[8];
};

static u8 chunk[CHUNK];

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

static int failed(const char *what, long error)
{
    char line[128], *end = line + sizeof line;
    char *at = put_text(put_error(line, end, what, error), end, "\n");
    sys_write(2, line, (size_t)(at - line));
    return 1;
}

static long no_delay(long fd)
{
    int on = 1;
    return SYS(__NR_setsockopt, fd, IPPROTO_TCP_, TCP_NODELAY_, &on, sizeof on);
}

static long send_all(long fd, const void *bytes, size_t n)
{
    const u8 *at = bytes;
    while (n) {
        long sent = SYS(__NR_sendto, fd, at, n, MSG_NOSIGNAL_, 0, 0);
        if (sent < 0)
            return sent;
        at += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static long receive_all(long fd, void *bytes, size_t n)
{
    u8 *at = bytes;
    while (n) {
        long got = sys_read((int)fd, at, n);
        if (got <= 0)
            return got < 0 ? got : -ECONNRESET;
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

/* ---- the host's end -------------------------------------------------------------------------------------------- */

static void serve(long fd)
{
    u8 kind = 0;
    u64 count = 0;
    long got;
    no_delay(fd);
    if (receive_all(fd, &kind, 1) < 0)
        return;
    if (kind == 'e') {
        while ((got = sys_read((int)fd, chunk, sizeof chunk)) > 0)
            if (send_all(fd, chunk, (size_t)got) < 0)
                return;
    } else if (kind == 's') {
        while ((got = sys_read((int)fd, chunk, sizeof chunk)) > 0)
            count += (u64)got;
        send_all(fd, &count, sizeof count);
    } else if (kind == 'r' && receive_all(fd, &count, sizeof count) == 0) {
        while (count) {
            size_t n = count < sizeof chunk ? (size_t)count : sizeof chunk;
            if (send_all(fd, chunk, n) < 0)
                return;
            count -= n;
        }
    }
}

/* Listen at an address, and set `mine` to it with the port that it got; return the socket, or -1 when it was told why not. */
static long listen_at(const char *where, u16 port, struct address *got)
{
    static const char local[] = "127.0.0.1";
    struct address mine;
    int on = 1;
    u32 size = sizeof mine;
    long fd = sys_socket(AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
    if (fd < 0 || !parse_address(where, port, &mine)) {
        failed("server's socket", fd);
        return -1;
    }
    SYS(__NR_setsockopt, fd, SOL_SOCKET_, SO_REUSEADDR_, &on, sizeof on);
    long done = SYS(__NR_bind, fd, &mine, sizeof mine);
    if (done == -EADDRNOTAVAIL) { /* the place's network translates this address */
        parse_address(local, port, &mine);
        done = SYS(__NR_bind, fd, &mine, sizeof mine);
    }
    if (done >= 0)
        done = SYS(__NR_listen, fd, 8);
    if (done >= 0)
        done = SYS(__NR_getsockname, fd, &mine, &size);
    if (done < 0) {
        failed("listening", done);
        return -1;
    }
    *got = mine;
    return fd;
}

/* Serve so many connections; 0: all that come. */
static int serve_all(long fd, u64 connections)
{
    for (u64 served = 0; !connections || served < connections; served++) {
        long peer = SYS(__NR_accept4, fd, 0, 0, O_CLOEXEC);
        if (peer < 0)
            return failed("accepting", peer);
        serve(peer);
        sys_close((int)peer);
    }
    return 0;
}

static char *put_address(char *at, char *end, const struct address *address)
{
    for (int i = 0; i < 4; i++)
        at = put_text(put_number(at, end, address->host[i]), end, i < 3 ? "." : " ");
    return put_number(at, end, (u64)address->port[0] << 8 | address->port[1]);
}

/* ADDRESS [PORT CONNECTIONS] */
static int net_server(int argc, char **argv)
{
    struct address mine;
    char line[64], *end = line + sizeof line;
    long fd = listen_at(argv[0], argc > 1 ? (u16)parse_number(argv[1], 0) : 0, &mine);
    if (fd < 0)
        return 1;
    char *at = put_text(put_address(line, end, &mine), end, "\n");
    sys_write(1, line, (size_t)(at - line));
    return serve_all(fd, argc > 2 ? parse_number(argv[2], 0) : 0);
}

/* ---- the place's end ------------------------------------------------------------------------------------------- */

static void say(const char *name, u64 value)
{
    char line[64], *end = line + sizeof line;
    char *at = put_text(put_number(put_text(put_text(line, end, name), end, " "), end, value), end, "\n");
    sys_write(1, line, (size_t)(at - line));
}

/* Sort ascending: Shell's sort with Ciura's gaps, enough for TRIPS_MAX. */
static void sort(u64 *values, size_t n)
{
    static const size_t gaps[] = {33936, 15391, 6980, 3165, 1435, 651, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (size_t i = gaps[g]; i < n; i++) {
            u64 value = values[i];
            size_t j = i;
            for (; j >= gaps[g] && values[j - gaps[g]] > value; j -= gaps[g])
                values[j] = values[j - gaps[g]];
            values[j] = value;
        }
}

/* Find the value that a share (in thousandths) of all does not exceed: nearest rank. */
static u64 rank(const u64 *sorted, size_t n, size_t thousandths)
{
    size_t at = (n * thousandths + 999) / 1000;
    return sorted[at ? at - 1 : 0];
}

static int round_trips(long fd, u64 wanted, u64 cap_ns)
{
    static u64 trips[TRIPS_MAX];
    size_t n = 0;
    u8 byte = 'e';
    long done = send_all(fd, &byte, 1);
    u64 began = now_ns(), last = began;
    while (done == 0 && n < wanted && n < TRIPS_MAX && last - began < cap_ns) {
        done = send_all(fd, &byte, 1);
        if (done == 0)
            done = receive_all(fd, &byte, 1);
        u64 now = now_ns();
        trips[n++] = now - last;
        last = now;
    }
    if (done < 0 || !n)
        return failed("round trip", done);
    sort(trips, n);
    say("round_trips", n);
    say("elapsed_ns", last - began);
    say("p50_ns", rank(trips, n, 500));
    say("p99_ns", rank(trips, n, 990));
    say("p999_ns", rank(trips, n, 999));
    say("max_ns", trips[n - 1]);
    return 0;
}

static int stream_out(long fd, u64 wanted, u64 cap_ns)
{
    u8 kind = 's';
    u64 sent = 0, arrived = 0, began = now_ns();
    long done = send_all(fd, &kind, 1);
    while (done == 0 && sent < wanted && now_ns() - began < cap_ns) {
        done = send_all(fd, chunk, sizeof chunk);
        sent += sizeof chunk;
    }
    if (done == 0)
        done = SYS(__NR_shutdown, fd, 1 /* SHUT_WR */);
    if (done == 0)
        done = receive_all(fd, &arrived, sizeof arrived);
    u64 elapsed = now_ns() - began;
    if (done < 0)
        return failed("sending", done);
    say("sent_bytes", sent);
    say("arrived_bytes", arrived);
    say("elapsed_ns", elapsed);
    return 0;
}

static int stream_in(long fd, u64 wanted, u64 cap_ns)
{
    u8 kind = 'r';
    u64 arrived = 0, began = now_ns();
    long got = send_all(fd, &kind, 1);
    if (got == 0)
        got = send_all(fd, &wanted, sizeof wanted);
    while (got >= 0 && arrived < wanted && now_ns() - began < cap_ns) {
        got = sys_read((int)fd, chunk, sizeof chunk);
        if (got == 0)
            got = -ECONNRESET;
        arrived += got > 0 ? (u64)got : 0;
    }
    u64 elapsed = now_ns() - began;
    if (got < 0)
        return failed("receiving", got);
    say("arrived_bytes", arrived);
    say("elapsed_ns", elapsed);
    return 0;
}

/* Connect, and try again while nobody listens there: the server may be a job that starts at the same time. */
static long connect_to(const char *address, u64 port)
{
    struct address there;
    struct __kernel_timespec pause = {0, CONNECT_PAUSE_NS};
    u64 began = now_ns();
    for (;;) {
        long fd = sys_socket(AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
        if (fd < 0 || !parse_address(address, (u16)port, &there)) {
            failed("client's socket", fd);
            return -1;
        }
        long done = SYS(__NR_connect, fd, &there, sizeof there);
        if (done >= 0) {
            no_delay(fd);
            return fd;
        }
        sys_close((int)fd);
        if (done != -ECONNREFUSED || now_ns() - began > CONNECT_NS_MAX) {
            failed("connecting", done);
            return -1;
        }
        SYS(__NR_nanosleep, &pause, 0);
    }
}

/* KIND ADDRESS PORT COUNT CAP_MS */
static int net_client(char **argv)
{
    u64 count = parse_number(argv[3], 0), cap_ns = parse_number(argv[4], 0) * 1000000u;
    long fd = connect_to(argv[1], parse_number(argv[2], 0));
    if (fd < 0)
        return 1;
    if (equal(argv[0], "latency"))
        return round_trips(fd, count, cap_ns);
    return equal(argv[0], "out") ? stream_out(fd, count, cap_ns) : stream_in(fd, count, cap_ns);
}

/* Be both ends, on the place's own loopback interface: KIND COUNT CAP_MS */
static int net_loopback(char **argv)
{
    struct address mine;
    char port[24];
    long fd = listen_at("127.0.0.1", 0, &mine);
    if (fd < 0)
        return 1;
    long pid = SYS(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid < 0)
        return failed("server's process", pid);
    if (pid == 0)
        sys_exit(serve_all(fd, 1));
    sys_close((int)fd);
    *put_number(port, port + sizeof port - 1, (u64)mine.port[0] << 8 | mine.port[1]) = 0;
    char *client[] = {argv[0], "127.0.0.1", port, argv[1], argv[2], 0};
    int done = net_client(client);
    sys_kill((int)pid, SIGKILL);
    sys_wait4((int)pid, 0, 0, 0);
    return done;
}
