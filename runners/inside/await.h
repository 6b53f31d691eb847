/* Wait until a server can be reached: it takes a connection, or answers a request with a page.
 *
 *     tcp ADDRESS PORT CAP_MS
 *     http ADDRESS PORT PATH CAP_MS
 *     unix PATH CAP_MS
 *     listens PORT CAP_MS
 *
 * `listens` makes no connection: it looks for the port among the sockets of this network namespace that listen.
 * The exit status is 0 once it can, and 1 if it could not within CAP_MS; then the standard error says what happened last. */

enum { AWAIT_PAUSE_NS = 2000000, LOOK_PAUSE_NS = 5000000, AF_UNIX_ = 1, SO_RCVTIMEO_ = 20, SO_SNDTIMEO_ = 21 };
enum { STATUS_BYTES = 12 /* "HTTP/1.1 200" */, REST_BYTES = 1 << 20, REST_PAUSE_NS = 5000000 };

struct path_address { /* struct sockaddr_un */
    u16 family;
    char path[108];
};

/* Take the rest of an answer, so that its server does not fail at sending it: until it ends, pauses or is long enough. */
static void take_rest(long fd)
{
    static char rest[1 << 16];
    for (u64 taken = 0; taken < REST_BYTES;) {
        struct pollfd one = {(int)fd, POLLIN, 0};
        if (sys_poll(&one, 1, REST_PAUSE_NS, 0) <= 0)
            return;
        long n = SYS(__NR_recvfrom, fd, rest, sizeof rest, 0, 0, 0);
        if (n <= 0)
            return;
        taken += (u64)n;
    }
}

/* Ask for the page; return 0 if the answer's status is 2xx or 3xx. Another one, or what is no HTTP, is put into SAID. */
static long ask_page(long fd, const char *path, char said[STATUS_BYTES + 1])
{
    char text[1200], *end = text + sizeof text;
    char *at = put_text(put_text(put_text(text, end, "GET "), end, path), end, " HTTP/1.0\r\nHost: localhost\r\n\r\n");
    long done = send_all(fd, text, (size_t)(at - text));
    if (done == 0)
        done = receive_all(fd, text, STATUS_BYTES);
    if (done < 0)
        return done;
    take_rest(fd);
    if (!memcmp(text, "HTTP/1.", 7) && text[8] == ' ' && (text[9] == '2' || text[9] == '3'))
        return 0;
    for (int i = 0; i < STATUS_BYTES; i++)
        said[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    return -EPROTO;
}

static int await(char **argv)
{
    struct address there;
    struct path_address local = {AF_UNIX_, {0}};
    int is_unix = equal(argv[0], "unix"), is_http = equal(argv[0], "http");
    const void *address = is_unix ? (const void *)&local : &there;
    u32 size = is_unix ? sizeof local : sizeof there;
    char said[STATUS_BYTES + 1] = {0};
    u64 limit = now_ns() + parse_number(argv[is_unix ? 2 : is_http ? 4 : 3], 0) * 1000000u;
    long error = 0;
    if (is_unix) {
        if (strlen(argv[1]) >= sizeof local.path)
            return failed(argv[1], -ENAMETOOLONG);
        memcpy(local.path, argv[1], strlen(argv[1]));
    } else if (!parse_address(argv[1], (u16)parse_number(argv[2], 0), &there))
        return failed(argv[1], -EINVAL);
    for (u64 now = now_ns(); now < limit; now = now_ns()) {
        long fd = sys_socket(is_unix ? AF_UNIX_ : AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
        if (fd < 0)
            return failed("socket", fd);
        u64 left[2] = {(limit - now) / 1000000000u, (limit - now) % 1000000000u / 1000 + 1}; /* struct timeval */
        SYS(__NR_setsockopt, fd, SOL_SOCKET_, SO_RCVTIMEO_, left, sizeof left);
        SYS(__NR_setsockopt, fd, SOL_SOCKET_, SO_SNDTIMEO_, left, sizeof left);
        error = SYS(__NR_connect, fd, address, size);
        if (error >= 0 && is_http)
            error = ask_page(fd, argv[3], said);
        sys_close((int)fd);
        if (error >= 0)
            return 0;
        sys_poll(0, 0, AWAIT_PAUSE_NS, 0);
    }
    if (*said && error == -EPROTO) {
        char line[1200], *end = line + sizeof line;
        char *at = put_text(put_text(put_text(line, end, "GET "), end, argv[3]), end, " is answered by ");
        at = put_text(put_text(at, end, said), end, "\n");
        sys_write(2, line, (size_t)(at - line));
        return 1;
    }
    return failed(is_http ? "asking" : "connecting", error);
}

static const char *behind(const char *at, char sought)
{
    while (*at && *at != sought)
        at++;
    return *at ? at + 1 : at;
}

static u64 parse_hexadecimal(const char *at)
{
    u64 value = 0;
    for (; (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'F'); at++)
        value = value << 4 | (u64)(*at <= '9' ? *at - '0' : *at - 'A' + 10);
    return value;
}

/* Look for a port in /proc/net/tcp or tcp6, whose lines begin "  0: ADDRESS:PORT ADDRESS:PORT STATE", all in hexadecimal;
 * those of state 0A listen, and come first. */
static long listens(const char *table, u64 port)
{
    static char text[1 << 17];
    long fd = sys_open(table, O_RDONLY), size = 0, n;
    if (fd < 0)
        return fd;
    while ((n = sys_read((int)fd, text + size, sizeof text - 1 - (size_t)size)) > 0)
        size += n;
    sys_close((int)fd);
    text[size] = 0;
    for (const char *line = behind(text, '\n'); *line; line = behind(line, '\n')) {
        const char *local = behind(behind(line, ':'), ':'), *state = behind(behind(local, ' '), ' ');
        if (parse_hexadecimal(local) == port && state[0] == '0' && state[1] == 'A')
            return 0;
    }
    return -ECONNREFUSED;
}

static int await_listening(char **argv)
{
    u64 port = parse_number(argv[0], 0), limit = now_ns() + parse_number(argv[1], 0) * 1000000u;
    long error = 0;
    while (now_ns() < limit) {
        error = listens("/proc/net/tcp", port);
        if (error < 0 && listens("/proc/net/tcp6", port) == 0)
            error = 0;
        if (error >= 0)
            return 0;
        sys_poll(0, 0, LOOK_PAUSE_NS, 0);
    }
    return failed("looking for who listens at the port", error);
}
