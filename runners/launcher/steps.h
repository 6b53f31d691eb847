/* Read and execute the instructions of the launcher's child, between clone3(2) and execveat(2).
 *
 * An instruction is: opcode, step index, a, b, c, number of texts (all u64), texts (u32 length with terminator, bytes).
 * The Python package `steps` encodes and explains them. Included once, by launcher.c, after sys.h.
 */
#ifndef TARE_STEPS_H
#define TARE_STEPS_H

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

enum { MAX_TEXTS = 4 };

enum {
    OP_MOUNT = 1, OP_UNMOUNT, OP_PIVOT_ROOT, OP_CHROOT, OP_CHDIR, OP_MKDIR, OP_HOSTNAME, OP_WRITE,
    OP_KEEP_CAPABILITIES, OP_NO_NEW_PRIVILEGES, OP_SECCOMP, OP_LIMIT, OP_LINK_UP, OP_UNSHARE, OP_ENTER,
    OP_KEEP_NETLINK, OP_NETLINK, OP_SPIN
};

/* ---- reading packets: every read is checked; past the end, reads yield zeros and empty texts ------------------ */

static u64 take(const u8 **at, const u8 *end)
{
    u64 value = 0;
    if (end - *at < 8) {
        *at = end;
        return 0;
    }
    memcpy(&value, *at, 8);
    *at += 8;
    return value;
}

static const char *take_text(const u8 **at, const u8 *end, u64 *size)
{
    u32 length = 0;
    const u8 *text;
    if (end - *at >= 4)
        memcpy(&length, *at, 4);
    if (!length || end - *at < 4 + (int64_t)length) {
        *at = end;
        *size = 0;
        return "";
    }
    text = *at + 4;
    *at = text + length;
    *size = length;
    return (const char *)text;
}

/* ---- executing ----------------------------------------------------------------------------------------------- */

static long write_file(const char *path, const char *text, size_t size)
{
    long fd = sys_open(path, O_WRONLY), done;
    if (fd < 0)
        return fd;
    done = sys_write((int)fd, text, size);
    sys_close((int)fd);
    return done < 0 ? done : 0;
}

static long keep_capabilities(u64 keep)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    for (int bit = 0; bit < 64; bit++)
        if (!(keep >> bit & 1)) {
            long done = sys_prctl(PR_CAPBSET_DROP, (unsigned long)bit);
            if (done == -EINVAL)
                break; /* past the kernel's last capability */
            if (done < 0)
                return done;
        }
    sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
    long done = SYS(__NR_capget, &header, data);
    if (done < 0)
        return done;
    u64 now = (data[0].permitted | (u64)data[1].permitted << 32) & keep;
    data[0].permitted = data[0].effective = (u32)now;
    data[1].permitted = data[1].effective = (u32)(now >> 32);
    data[0].inheritable = data[1].inheritable = 0;
    return SYS(__NR_capset, &header, data);
}

static long link_up(const char *name)
{
    struct { char name[16]; short flags; char rest[22]; } wish = {{0}, 1 /* IFF_UP */, {0}}; /* struct ifreq */
    long fd = sys_socket(2 /* AF_INET */, 2 /* SOCK_DGRAM */ | O_CLOEXEC, 0), done;
    if (fd < 0)
        return fd;
    put_text(wish.name, wish.name + sizeof wish.name, name);
    done = sys_ioctl((int)fd, 0x8914 /* SIOCSIFFLAGS */, &wish);
    sys_close((int)fd);
    return done;
}

/* A netlink socket stays in the net namespace in which it was made, whatever its owner enters later. */
static long open_netlink(u64 protocol) { return sys_socket(16 /* AF_NETLINK */, 3 /* SOCK_RAW */ | O_CLOEXEC, (int)protocol); }

/* Send a request that asks for an acknowledgement; return the error in the acknowledgement, or 0. */
static long ask_netlink(int fd, const char *message, size_t size)
{
    struct { u32 length; u16 type, flags; u32 sequence, port; int error; u8 rest[1024]; } answer;
    long done = sys_write(fd, message, size);
    if (done >= 0)
        done = sys_read(fd, &answer, sizeof answer);
    if (done < 0)
        return done;
    return done < 20 || answer.type != 2 /* NLMSG_ERROR */ ? -EBADMSG : answer.error;
}

static long netlink(long fd, const char *message, size_t size)
{
    long done = fd < 0 ? fd : ask_netlink((int)fd, message, size);
    if (fd >= 0)
        sys_close((int)fd); /* also a kept one: it is used once */
    return done;
}

static long enter_namespace(const char *path, u64 kind)
{
    long fd = sys_open(path, O_RDONLY), done;
    if (fd < 0)
        return fd;
    done = SYS(__NR_setns, fd, kind);
    sys_close((int)fd);
    return done;
}

static int kept_netlink; /* socket in the net namespace that is about to be left */

static long seccomp(const char *program, u64 size)
{
    struct sock_fprog filter = {(u16)(size / sizeof(struct sock_filter)), (struct sock_filter *)program};
    return SYS(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

/* Keep the CPU busy for a time, as work would. */
static long spin(u64 ns)
{
    u64 end = now_ns() + ns;
    while (now_ns() < end)
        ;
    return 0;
}

static long existing_is_fine(long done) { return done == -EEXIST ? 0 : done; }

static long execute(u64 op, u64 a, u64 b, u64 c, const char *text[MAX_TEXTS], const u64 size[MAX_TEXTS])
{
    switch (op) {
    case OP_MOUNT: return sys_mount(text[0], text[1], text[2], a, text[3]);
    case OP_UNMOUNT: return sys_umount2(text[0], (int)a);
    case OP_PIVOT_ROOT: return SYS(__NR_pivot_root, text[0], text[1]);
    case OP_CHROOT: return sys_chroot(text[0]);
    case OP_CHDIR: return sys_chdir(text[0]);
    case OP_MKDIR: {
        /* The mode is a place's own: a root that the user's umask closes would lock out everybody but root in it. */
        int mask = (int)sys_umask(0);
        long made = sys_mkdir(text[0], (int)a);
        sys_umask(mask);
        return existing_is_fine(made);
    }
    case OP_HOSTNAME: return SYS(__NR_sethostname, text[0], size[0] - 1);
    case OP_WRITE: return write_file(text[0], text[1], size[1] - 1);
    case OP_KEEP_CAPABILITIES: return keep_capabilities(a);
    case OP_NO_NEW_PRIVILEGES: return sys_prctl(PR_SET_NO_NEW_PRIVS, 1);
    case OP_SECCOMP: return seccomp(text[0], size[0]);
    case OP_LIMIT: {
        u64 limit[2] = {b, c};
        return SYS(__NR_prlimit64, 0, a, limit, 0);
    }
    case OP_LINK_UP: return link_up(text[0]);
    case OP_UNSHARE: return SYS(__NR_unshare, a);
    case OP_ENTER: return enter_namespace(text[0], a);
    case OP_KEEP_NETLINK: {
        long fd = open_netlink(0 /* NETLINK_ROUTE */);
        kept_netlink = (int)fd;
        return fd;
    }
    case OP_NETLINK: return netlink(a ? kept_netlink : open_netlink(b), text[0], size[0]);
    case OP_SPIN: return spin(a);
    default: return -ENOSYS;
    }
}

#endif
