/* Be /init of a guest: set it up, and end it. Failures end the guest, too: see fail() in agent.c. */

enum { DEVICE_WAIT_SECONDS = 10 };

static int guest;
static char **inherited; /* the kernel makes init's environment from unknown words of its command line */
static char command_line[4096];

__attribute__((noreturn)) static void fail(const char *what, long error);

/* Find the value of `key` ("tare.root=") on the kernel's command line, or 0. */
static const char *option(const char *key)
{
    for (char *word = command_line; word < command_line + sizeof command_line - 1; word += strlen(word) + 1)
        if (starts_with(word, key))
            return word + strlen(key);
    return 0;
}

static void read_command_line(void)
{
    int fd = (int)sys_open("/proc/cmdline", O_RDONLY);
    long n = sys_read(fd, command_line, sizeof command_line - 1);
    sys_close(fd);
    if (n < 0)
        fail("read /proc/cmdline", n);
    for (char *c = command_line; c < command_line + n; c++)
        if (*c == ' ' || *c == '\n')
            *c = 0;
}

static void mount_or_fail(const char *from, const char *to, const char *type, unsigned long flags)
{
    sys_mkdir(to, 0755);
    long error = sys_mount(from, to, type, flags, 0);
    if (error < 0 && error != -EBUSY) /* EBUSY: the kernel has mounted /dev already */
        fail(to, error);
}

/* Load the module with the first name after `last`, and store its name there; return 0 if there is none. */
static int load_next_module(int folder, char *last)
{
    static char entries[16384];
    char next[256] = "", path[300];
    SYS(__NR_lseek, folder, 0, SEEK_SET);
    for (long n; (n = sys_getdents64(folder, entries, sizeof entries)) > 0;)
        for (long at = 0; at < n; at += *(u16 *)(entries + at + 16)) {
            const char *name = entries + at + 19;
            if (*name != '.' && compare(name, last) > 0 && (!*next || compare(name, next) < 0))
                put_text(next, next + sizeof next, name);
        }
    if (!*next)
        return 0;
    put_text(last, last + 256, next);
    put_text(put_text(path, path + sizeof path, "/modules/"), path + sizeof path, next);
    int fd = (int)sys_open(path, O_RDONLY);
    long error = sys_finit_module(fd, "");
    sys_close(fd);
    if (error < 0 && error != -EEXIST && error != -ENODEV) /* it is built in; its device does not exist */
        fail(path, error);
    return 1;
}

/* Wait a moment for a device, which appears when its driver has probed it; return 0 when time is up. */
static int wait_more(u64 since)
{
    sys_poll(0, 0, 1000000, 0);
    return now_ns() - since < DEVICE_WAIT_SECONDS * 1000000000ull;
}

static int open_device(const char *path)
{
    u64 since = now_ns();
    long fd;
    while ((fd = sys_open(path, O_RDWR | O_NOCTTY)) < 0 && wait_more(since))
        ;
    if (fd < 0)
        fail(path, fd);
    struct termios terminal;
    if (!sys_ioctl((int)fd, TCGETS, &terminal)) { /* a serial port or hvc: switch it from lines to bytes */
        terminal.c_iflag = terminal.c_oflag = terminal.c_lflag = 0;
        terminal.c_cflag = (terminal.c_cflag & CBAUD) | CS8 | CREAD | CLOCAL;
        terminal.c_cc[VMIN] = 1;
        terminal.c_cc[VTIME] = 0;
        sys_ioctl((int)fd, TCSETS, &terminal);
    }
    return (int)fd;
}

static void mount_disk(const char *device, const char *to, unsigned long flags)
{
    u64 since = now_ns();
    long error;
    do {
        error = sys_mount(device, to, "ext4", flags, 0);
        if (error < 0 && flags & MS_RDONLY && !sys_mount(device, to, "erofs", flags, 0))
            return;
    } while (error < 0 && error != -EINVAL && wait_more(since)); /* EINVAL: it is another file system */
    if (error < 0)
        fail(device, error);
}

static void switch_root(const char *device)
{
    static const char *const moved[] = {"dev", "proc", "sys", "tmp", "run"};
    char from[16], to[32];
    sys_mkdir("/root-image", 0755);
    mount_disk(device, "/root-image", MS_RDONLY);
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
        put_text(put_text(from, from + sizeof from, "/"), from + sizeof from, moved[i]);
        put_text(put_text(to, to + sizeof to, "/root-image"), to + sizeof to, from);
        long error = sys_mount(from, to, 0, MS_MOVE, 0);
        if (error < 0)
            fail(to, error);
    }
    sys_chdir("/root-image");
    long error = sys_mount(".", "/", 0, MS_MOVE, 0);
    if (error < 0)
        fail("move /root-image to /", error);
    sys_chroot(".");
    sys_chdir("/");
}

/* Read the steal time in ticks of 10 ms as the guest's kernel counts it; -1 if it cannot be read. Without a steal clock
 * it is always 0. */
static long steal_ticks(void)
{
    char line[256];
    int fd = (int)sys_open("/proc/stat", O_RDONLY);
    long n = sys_read(fd, line, sizeof line - 1), ticks = 0;
    sys_close(fd);
    if (n <= 0)
        return -1;
    line[n] = 0;
    int column = 0; /* "cpu  user nice system idle iowait irq softirq steal …" */
    for (char *c = line; *c && *c != '\n' && column <= 8; c++)
        if (*c == ' ')
            column += c[-1] != ' ';
        else if (column == 8)
            ticks = ticks * 10 + (*c - '0');
    return column >= 8 ? ticks : -1;
}

/* The part of struct ifreq that IPv4 needs. */
struct interface {
    char name[16];
    u16 word; /* flags, or the address family */
    u8 bytes[22]; /* of an address: port (2), IPv4 address (4); of a card: MAC address (6) */
};

static void set_up_interface(int net, unsigned long request, const u8 *address)
{
    struct interface eth = {"eth0", 2 /* AF_INET */, {0}};
    memcpy(eth.bytes + 2, address, 4);
    long error = sys_ioctl(net, request, &eth);
    if (error < 0)
        fail("set the network's address", error);
}

/* The last four bytes of the card's MAC address are the guest's IPv4 address, so that all command lines are equal. */
static void set_up_network(const char *bits)
{
    u64 since = now_ns();
    struct interface eth = {"eth0", 0, {0}};
    int net = (int)sys_socket(2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0);
    long error;
    while ((error = sys_ioctl(net, 0x8927 /* SIOCGIFHWADDR */, &eth)) < 0 && wait_more(since))
        ;
    if (error < 0)
        fail("find the network card eth0", error);
    u32 ones = ~0u << (32 - parse_number(bits, 0));
    u8 mask[4] = {(u8)(ones >> 24), (u8)(ones >> 16), (u8)(ones >> 8), (u8)ones};
    set_up_interface(net, 0x8916 /* SIOCSIFADDR */, eth.bytes + 2);
    set_up_interface(net, 0x891c /* SIOCSIFNETMASK */, mask);
    eth.word = 1 | 0x40; /* IFF_UP, IFF_RUNNING */
    error = sys_ioctl(net, 0x8914 /* SIOCSIFFLAGS */, &eth);
    if (error < 0)
        fail("turn on the network card", error);
    sys_close(net);
}

/* Mount everything, open the channel and switch to the image's root. */
static void become_init(char **envp)
{
    inherited = envp;
    mount_or_fail("dev", "/dev", "devtmpfs", 0); /* first: from here on failures reach the console */
    mount_or_fail("proc", "/proc", "proc", 0);
    mount_or_fail("sys", "/sys", "sysfs", 0);
    mount_or_fail("tmp", "/tmp", "tmpfs", 0);
    mount_or_fail("run", "/run", "tmpfs", 0);
    read_command_line();
    char module[256] = "";
    int modules = (int)sys_open("/modules", O_RDONLY | O_DIRECTORY);
    while (modules >= 0 && load_next_module(modules, module))
        ;
    sys_close(modules);
    const char *channel = option("tare.channel="), *root = option("tare.root="), *scratch = option("tare.scratch=");
    if (!channel)
        fail("tare.channel= is missing on the kernel's command line", -EINVAL);
    channel_in = channel_out = open_device(channel);
    if (option("tare.net="))
        set_up_network(option("tare.net="));
    if (root)
        switch_root(root);
    else
        sys_mkdir("/scratch", 0755);
    if (scratch)
        mount_disk(scratch, "/scratch", 0);
}

/* Tell whether a job's own variables have one of the same name. */
static int overridden(const char *entry, char **environ, size_t count)
{
    size_t name = 0;
    while (entry[name] && entry[name] != '=')
        name++;
    for (size_t i = 0; i < count; i++)
        if (strlen(environ[i]) > name && environ[i][name] == '=' && !memcmp(entry, environ[i], name))
            return 1;
    return 0;
}

/* Add the guest's own variables to a job's, such as GLIBC_TUNABLES; return how many there are then. */
static size_t inherit(char **environ, size_t count)
{
    size_t own = count;
    for (char **entry = inherited; entry && *entry && count < STRINGS_MAX; entry++)
        if (!overridden(*entry, environ, own))
            environ[count++] = *entry;
    return count;
}

/* End the guest. A machine without ACPI cannot power off, but its VMM can take a reboot for the end. */
__attribute__((noreturn)) static void end_guest(void)
{
    const char *way = option("tare.exit=");
    sys_ioctl(channel_out, TCSBRK, (void *)1); /* a serial port: wait until the last frame is sent */
    sys_sync();
    sys_umount2("/scratch", 0);
    sys_reboot(way && equal(way, "reboot") ? LINUX_REBOOT_CMD_RESTART : LINUX_REBOOT_CMD_POWER_OFF);
    for (;;) /* PID 1 must not return */
        sys_poll(0, 0, -1, 0);
}
