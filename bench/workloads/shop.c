/* tare-shop: a small application that can be one process or three, over HTTP.
 *
 *     tare-shop whole ADDRESS PORT
 *     tare-shop store ADDRESS PORT
 *     tare-shop worker ADDRESS PORT STORE_ADDRESS PORT
 *     tare-shop front ADDRESS PORT WORKER_ADDRESS PORT
 *     tare-shop ask ADDRESS PORT PATH CAP_MS
 *
 * The front takes an order, a worker computes its price from what the store knows. `whole` is all three in one process: the
 * same functions are called instead of asked for. Every role serves HTTP/1.1 and keeps connections open.
 *
 *     /item/N    the front's answer to an order; a worker's price; the store's basic price
 *     /hop/K     an empty answer from K services farther down, which tells the cost of a hop
 *     /served    number of orders that this process has answered with success
 *     /use/A:P   (front, worker) also ask the service at that address from now on; they take turns
 *     /drop/A:P  ask it no more; answered once it has answered all that it was asked
 *
 * Where the next service cannot be asked, or ends meanwhile, the answer is 502, so that whoever offers a load can count what
 * failed. `ask` prints the body of one answer, and its exit status is 0 for an answer of 2xx. */
#include "sys.h"

#include <linux/eventpoll.h>

enum { AF_INET_ = 2, SOCK_STREAM_ = 1, IPPROTO_TCP_ = 6, TCP_NODELAY_ = 1, MSG_NOSIGNAL_ = 0x4000 };
enum { SOL_SOCKET_ = 1, SO_REUSEADDR_ = 2, SO_RCVTIMEO_ = 20, SO_SNDTIMEO_ = 21, BACKLOG = 128 };
enum { CONNECTIONS_MAX = 256, TEXT_MAX = 1024, BODY_MAX = 256, BACKENDS_MAX = 8, EVENTS_MAX = 64, CONNECT_SECONDS = 2 };
enum { PRICES = 1 << 12, COMPUTING_ROUNDS = 2000 };

struct address { /* struct sockaddr_in */
    u16 family;
    u8 port[2], host[4], rest[8];
};

enum role { WHOLE, STORE, WORKER, FRONT };
enum kind { FREE, CLIENT, UPSTREAM };
enum question { ITEM, HOP };

struct connection {
    int fd, peer; /* peer: the other connection of a question under way; -1: none */
    enum kind kind;
    enum question question; /* of a client that waits */
    u64 number; /* of its item */
    size_t backend; /* of an upstream connection */
    size_t used;
    char text[TEXT_MAX];
};

struct backend {
    struct address there;
    int active, busy; /* busy: questions under way */
    int waiter; /* client that waits until it is idle; -1: none */
};

static struct connection connections[CONNECTIONS_MAX];
static struct backend backends[BACKENDS_MAX];
static size_t backend_count, next_backend;
static u32 prices[PRICES];
static enum role role;
static u64 served;
static int epoll;

static int failed(const char *what, long error)
{
    char line[128], *end = line + sizeof line;
    char *at = put_text(put_error(line, end, what, error), end, "\n");
    sys_write(2, line, (size_t)(at - line));
    return 1;
}

static int parse_address(const char *text, u16 port, struct address *made)
{
    *made = (struct address){AF_INET_, {(u8)(port >> 8), (u8)port}, {0}, {0}};
    for (int i = 0; i < 4; i++) {
        made->host[i] = (u8)parse_number(text, &text);
        if (i < 3 && *text++ != '.')
            return 0;
    }
    return *text == 0 || *text == ':';
}

static long connect_to(const struct address *there, u64 seconds)
{
    int on = 1;
    u64 limit[2] = {seconds, 0}; /* struct timeval */
    long fd = sys_socket(AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    SYS(__NR_setsockopt, fd, SOL_SOCKET_, SO_RCVTIMEO_, limit, sizeof limit);
    SYS(__NR_setsockopt, fd, SOL_SOCKET_, SO_SNDTIMEO_, limit, sizeof limit);
    SYS(__NR_setsockopt, fd, IPPROTO_TCP_, TCP_NODELAY_, &on, sizeof on);
    long done = SYS(__NR_connect, fd, there, sizeof *there);
    if (done < 0) {
        sys_close((int)fd);
        return done;
    }
    return fd;
}

/* ---- the work of each tier ------------------------------------------------------------------------------------- */

static void stock(void)
{
    u32 state = 2463534242u;
    for (size_t i = 0; i < PRICES; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        prices[i] = state % 10000;
    }
}

static u64 basic_price(u64 item) { return prices[item % PRICES]; }

static u64 price(u64 basic)
{
    u64 state = basic + 88172645463325252u;
    for (int i = 0; i < COMPUTING_ROUNDS; i++)
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return basic + state % 1000;
}

static void describe(char *body, u64 item, u64 cost)
{
    const char *end = body + BODY_MAX;
    char *at = put_number(put_text(body, end, "item "), end, item);
    put_text(put_number(put_text(at, end, " costs "), end, cost), end, "\n");
}

/* ---- connections ----------------------------------------------------------------------------------------------- */

static int take(long fd, enum kind kind)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *one = connections + i;
        if (one->kind != FREE)
            continue;
        struct epoll_event event = {.events = EPOLLIN, .data = i};
        if (SYS(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            break;
        sys_fcntl((int)fd, F_SETFL, O_NONBLOCK);
        one->fd = (int)fd, one->peer = -1, one->kind = kind, one->used = 0;
        return (int)i;
    }
    sys_close((int)fd);
    return -1;
}

static void release(size_t index);
static void send_answer(size_t client, const char *status, const char *body);

/* Note that a backend has answered, or that its connection is gone; when it is to be dropped and idle, tell who waits for it. */
static void settle(size_t index)
{
    struct backend *one = backends + index;
    one->busy--;
    if (one->active || one->busy)
        return;
    int waiter = one->waiter;
    one->waiter = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i].kind == UPSTREAM && connections[i].backend == index)
            release(i);
    if (waiter >= 0)
        send_answer((size_t)waiter, "200 OK", "dropped\n");
}

/* Close a connection; a client whose question was under way there gets a 502. */
static void release(size_t index)
{
    struct connection *one = connections + index;
    int peer = one->peer;
    enum kind kind = one->kind;
    if (kind == FREE)
        return;
    sys_close(one->fd);
    one->kind = FREE;
    one->peer = -1;
    for (size_t i = 0; i < backend_count; i++)
        if (kind == CLIENT && backends[i].waiter == (int)index)
            backends[i].waiter = -1;
    if (peer < 0)
        return;
    connections[peer].peer = -1;
    if (kind == UPSTREAM) {
        send_answer((size_t)peer, "502 Bad Gateway", "the next service is gone\n");
        settle(one->backend);
    } else
        release((size_t)peer), settle(connections[peer].backend); /* its answer would be nobody's */
}

static void send_answer(size_t client, const char *status, const char *body)
{
    char text[TEXT_MAX], *end = text + sizeof text;
    char *at = put_text(put_text(put_text(text, end, "HTTP/1.1 "), end, status), end, "\r\nContent-Length: ");
    at = put_text(put_text(put_number(at, end, strlen(body)), end, "\r\n\r\n"), end, body);
    long sent = SYS(__NR_sendto, connections[client].fd, text, at - text, MSG_NOSIGNAL_, 0, 0);
    if (sent != at - text)
        release(client);
}

static void answer_item(size_t client, const char *body)
{
    served++;
    send_answer(client, "200 OK", body);
}

/* ---- questions to the next tier -------------------------------------------------------------------------------- */

static int idle_connection(size_t backend)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i].kind == UPSTREAM && connections[i].backend == backend && connections[i].peer < 0)
            return (int)i;
    long fd = connect_to(&backends[backend].there, CONNECT_SECONDS);
    int made = fd < 0 ? -1 : take(fd, UPSTREAM);
    if (made >= 0)
        connections[made].backend = backend;
    return made;
}

static void ask_next(size_t client, const char *path, u64 number)
{
    size_t chosen = BACKENDS_MAX;
    for (size_t i = 0; i < backend_count && chosen == BACKENDS_MAX; i++) {
        size_t each = (next_backend + i) % backend_count;
        if (backends[each].active)
            chosen = each;
    }
    if (chosen == BACKENDS_MAX) {
        send_answer(client, "502 Bad Gateway", "there is no next service\n");
        return;
    }
    next_backend = chosen + 1;
    int upstream = idle_connection(chosen);
    if (upstream < 0) {
        send_answer(client, "502 Bad Gateway", "the next service takes no connection\n");
        return;
    }
    char text[128], *end = text + sizeof text;
    char *at = put_number(put_text(put_text(text, end, "GET "), end, path), end, number);
    at = put_text(at, end, " HTTP/1.1\r\nHost: next\r\n\r\n");
    backends[chosen].busy++;
    connections[client].peer = upstream;
    connections[upstream].peer = (int)client;
    connections[upstream].used = 0;
    if (SYS(__NR_sendto, connections[upstream].fd, text, at - text, MSG_NOSIGNAL_, 0, 0) != at - text)
        release((size_t)upstream);
}

/* Take the answer of the next tier, which is whole, and answer the client that waits for it. */
static void pass_on(size_t upstream, const char *body)
{
    struct connection *one = connections + upstream;
    size_t client = (size_t)one->peer;
    char made[BODY_MAX];
    int good = one->text[9] == '2';
    connections[client].peer = -1;
    one->peer = -1;
    one->used = 0;
    if (!good)
        send_answer(client, "502 Bad Gateway", "the next service failed\n");
    else if (connections[client].question == HOP)
        send_answer(client, "200 OK", "\n");
    else if (role == WORKER) {
        put_text(put_number(made, made + BODY_MAX, price(parse_number(body, 0))), made + BODY_MAX, "\n");
        answer_item(client, made);
    } else {
        describe(made, connections[client].number, parse_number(body, 0));
        answer_item(client, made);
    }
    settle(one->backend);
}

/* ---- questions of clients -------------------------------------------------------------------------------------- */

static void use_backend(size_t client, const char *text)
{
    const char *port = text;
    while (*port && *port != ':')
        port++;
    struct backend made = {.active = 1, .waiter = -1};
    size_t at = 0;
    while (at < backend_count && (backends[at].active || backends[at].busy))
        at++;
    if (*port != ':' || at == BACKENDS_MAX || !parse_address(text, (u16)parse_number(port + 1, 0), &made.there)) {
        send_answer(client, "400 Bad Request", "no such address, or no room\n");
        return;
    }
    backends[at] = made;
    backend_count += at == backend_count;
    send_answer(client, "200 OK", "used\n");
}

static void drop_backend(size_t client, const char *text)
{
    const char *port = text;
    struct address there;
    while (*port && *port != ':')
        port++;
    if (*port == ':' && parse_address(text, (u16)parse_number(port + 1, 0), &there))
        for (size_t i = 0; i < backend_count; i++)
            if (backends[i].active && !memcmp(&backends[i].there, &there, sizeof there)) {
                backends[i].active = 0;
                backends[i].waiter = (int)client;
                backends[i].busy++; /* so that it is settled here if it is idle */
                settle(i);
                return;
            }
    send_answer(client, "404 Not Found", "not in use\n");
}

static void respond(size_t client, const char *path)
{
    char body[BODY_MAX];
    struct connection *one = connections + client;
    if (starts_with(path, "/item/")) {
        u64 item = parse_number(path + 6, 0);
        one->question = ITEM, one->number = item;
        if (role == WHOLE)
            describe(body, item, price(basic_price(item)));
        else if (role == STORE)
            put_text(put_number(body, body + BODY_MAX, basic_price(item)), body + BODY_MAX, "\n");
        else {
            ask_next(client, "/item/", item);
            return;
        }
        answer_item(client, body);
    } else if (starts_with(path, "/hop/")) {
        u64 hops = parse_number(path + 5, 0);
        one->question = HOP;
        if (!hops || role == WHOLE || role == STORE)
            send_answer(client, "200 OK", "\n");
        else
            ask_next(client, "/hop/", hops - 1);
    } else if (starts_with(path, "/served")) {
        put_text(put_number(body, body + BODY_MAX, served), body + BODY_MAX, "\n");
        send_answer(client, "200 OK", body);
    } else if (starts_with(path, "/use/") && role >= WORKER)
        use_backend(client, path + 5);
    else if (starts_with(path, "/drop/") && role >= WORKER)
        drop_backend(client, path + 6);
    else
        send_answer(client, "404 Not Found", "no such path\n");
}

/* Find the end of a head; return the text behind it, or 0. */
static char *behind_head(char *text, size_t n)
{
    for (size_t i = 3; i < n; i++)
        if (text[i] == '\n' && !memcmp(text + i - 3, "\r\n\r\n", 4))
            return text + i + 1;
    return 0;
}

static void receive(size_t index)
{
    struct connection *one = connections + index;
    long n = sys_read(one->fd, one->text + one->used, TEXT_MAX - 1 - one->used);
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        release(index);
        return;
    }
    one->used += (size_t)n;
    one->text[one->used] = 0;
    char *body = behind_head(one->text, one->used);
    if (one->kind == UPSTREAM) {
        if (one->peer < 0 || (!body && one->used == TEXT_MAX - 1)) /* an answer to nothing, or one that never ends */
            release(index);
        else if (body && one->text[one->used - 1] == '\n' && body[0]) /* bodies are single lines */
            pass_on(index, body);
        return;
    }
    if (!body) {
        if (one->used == TEXT_MAX - 1)
            release(index);
        return;
    }
    if (!starts_with(one->text, "GET /") || *body || one->peer >= 0) { /* no bodies, and one question at a time */
        release(index);
        return;
    }
    char path[128];
    size_t length = 0;
    for (const char *at = one->text + 4; *at > ' ' && length + 1 < sizeof path; at++)
        path[length++] = *at;
    path[length] = 0;
    one->used = 0;
    respond(index, path);
}

static int serve(const char *where, u16 port)
{
    struct address mine;
    struct epoll_event events[EVENTS_MAX], event = {.events = EPOLLIN, .data = CONNECTIONS_MAX};
    int on = 1;
    if (!parse_address(where, port, &mine))
        return 2;
    long listener = sys_socket(AF_INET_, SOCK_STREAM_ | O_CLOEXEC, 0);
    if (listener < 0)
        return failed("socket", listener);
    sys_fcntl((int)listener, F_SETFL, O_NONBLOCK);
    SYS(__NR_setsockopt, listener, SOL_SOCKET_, SO_REUSEADDR_, &on, sizeof on);
    long done = SYS(__NR_bind, listener, &mine, sizeof mine);
    if (done >= 0)
        done = SYS(__NR_listen, listener, BACKLOG);
    if (done >= 0)
        done = SYS(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, listener, &event);
    if (done < 0)
        return failed("listening", done);
    for (;;) {
        long n = SYS(__NR_epoll_pwait, epoll, events, EVENTS_MAX, -1, 0, 8);
        if (n < 0 && n != -EINTR)
            return failed("waiting", n);
        for (long i = 0; i < n; i++) {
            if (events[i].data < CONNECTIONS_MAX) {
                if (connections[events[i].data].kind != FREE)
                    receive((size_t)events[i].data);
                continue;
            }
            long fd = SYS(__NR_accept4, listener, 0, 0, O_CLOEXEC);
            if (fd < 0)
                continue;
            SYS(__NR_setsockopt, fd, IPPROTO_TCP_, TCP_NODELAY_, &on, sizeof on);
            take(fd, CLIENT);
        }
    }
}

static int ask(const char *where, u16 port, const char *path, u64 cap_ms)
{
    struct address there;
    char text[TEXT_MAX], *end = text + sizeof text;
    if (!parse_address(where, port, &there))
        return 2;
    long fd = connect_to(&there, cap_ms / 1000 + 1);
    if (fd < 0)
        return failed("connecting", fd);
    char *at = put_text(put_text(put_text(text, end, "GET "), end, path), end, " HTTP/1.1\r\nHost: shop\r\n\r\n");
    long n = SYS(__NR_sendto, fd, text, at - text, MSG_NOSIGNAL_, 0, 0);
    size_t used = 0;
    char *body = 0;
    while (n > 0 && !(body && *body)) {
        n = sys_read((int)fd, text + used, TEXT_MAX - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        text[used] = 0;
        body = behind_head(text, used);
    }
    if (n <= 0)
        return failed("asking", n ? n : -ECONNRESET);
    sys_write(text[9] == '2' ? 1 : 2, body, strlen(body));
    return text[9] != '2';
}

int tare_main(int argc, char **argv, char **envp)
{
    static const char *const names[] = {"whole", "store", "worker", "front"};
    int known = -1;
    (void)envp;
    if (argc == 6 && equal(argv[1], "ask"))
        return ask(argv[2], (u16)parse_number(argv[3], 0), argv[4], parse_number(argv[5], 0));
    for (int i = 0; i < 4; i++)
        if (argc > 1 && equal(argv[1], names[i]))
            known = i;
    if (known < 0 || argc != (known >= WORKER ? 6 : 4))
        return 2;
    role = (enum role)known;
    if (role >= WORKER) {
        backends[0] = (struct backend){.active = 1, .waiter = -1};
        if (!parse_address(argv[4], (u16)parse_number(argv[5], 0), &backends[0].there))
            return 2;
        backend_count = 1;
    }
    stock();
    long made = SYS(__NR_epoll_create1, EPOLL_CLOEXEC);
    if (made < 0)
        return failed("epoll", made);
    epoll = (int)made;
    return serve(argv[2], (u16)parse_number(argv[3], 0));
}
