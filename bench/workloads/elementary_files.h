/* Metadata of a file system; see elementary.c. */

struct names {
    const char *folder;
    char path[4096];
    u64 next;
};

static const char *next_name(struct names *names)
{
    char *end = names->path + sizeof names->path;
    put_number(put_text(put_text(names->path, end, names->folder), end, "/tare-"), end, names->next++);
    return names->path;
}

static long create_one(void *names)
{
    long fd = sys_openat(AT_FDCWD, next_name(names), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? fd : sys_close((int)fd);
}

static long look_up_one(void *names)
{
    u8 found[256]; /* struct statx */
    return SYS(__NR_statx, AT_FDCWD, next_name(names), 0, 0x7ff /* STATX_BASIC_STATS */, found);
}

static long unlink_one(void *names) { return SYS(__NR_unlinkat, AT_FDCWD, next_name(names), 0); }

/* Print "on MAGIC", by which statfs(2) knows the folder's file system. */
static int print_file_system(const char *folder)
{
    long found[32] = {0}; /* struct statfs begins with f_type */
    long result = SYS(__NR_statfs, folder, found);
    if (result < 0)
        return failed("statfs", result);
    char line[64], *end = line + sizeof line;
    char *at = put_text(put_number(put_text(line, end, "on "), end, (u64)found[0]), end, "\n");
    return sys_write(1, line, (size_t)(at - line)) != at - line;
}

static long append_one(void *descriptor)
{
    static u8 block[4096];
    block[0]++;
    long n = sys_write((int)(long)descriptor, block, sizeof block);
    return n < 0 ? n : SYS(__NR_fdatasync, descriptor);
}

static int appends(const char *folder, u64 count)
{
    static struct names names;
    names.folder = folder;
    long fd = sys_openat(AT_FDCWD, next_name(&names), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -EROFS)
        return lacking("the file system is read-only");
    if (fd < 0)
        return failed("making the file", fd);
    int result = print_file_system(folder);
    result = result ? result : repeat("append", count, append_one, (void *)fd);
    SYS(__NR_unlinkat, AT_FDCWD, names.path, 0);
    return result;
}

/* All three operations on as many files as were created before the cap. */
static int files(const char *folder, u64 count)
{
    static struct names names;
    names.folder = folder;
    if (SYS(__NR_faccessat, AT_FDCWD, folder, 2 /* W_OK */) == -EROFS)
        return lacking("the file system is read-only");
    int result = print_file_system(folder);
    result = result ? result : repeat("create", count, create_one, &names);
    u64 made = names.next, uncapped = ~(u64)0;
    cap_ns = uncapped;
    names.next = 0;
    if (!result)
        result = repeat("lookup", made, look_up_one, &names);
    names.next = 0;
    return result ? result : repeat("unlink", made, unlink_one, &names);
}
