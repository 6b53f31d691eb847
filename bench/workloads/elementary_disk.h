/* Requests to one file, one at a time; see elementary.c. */

enum { SMALL_BYTES = 4096, LARGE_BYTES = 1 << 20, FLUSH_EVERY = 16 };

struct disk {
    int fd;
    u64 block_bytes, blocks, next, random;
    u8 *buffer;
};

static u64 next_random(u64 *state) /* xorshift64*, as in S. Vigna, doi:10.1145/2845077 */
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static long whole(long n, u64 wanted) { return n < 0 || (u64)n == wanted ? n : -EIO; }

/* The offset of the next block; from the end of the file to its beginning. */
static u64 next_offset(struct disk *disk) { return disk->next++ % disk->blocks * disk->block_bytes; }

static long read_at(struct disk *disk, u64 offset)
{
    return whole(SYS(__NR_pread64, disk->fd, disk->buffer, disk->block_bytes, offset), disk->block_bytes);
}

static long read_next(void *disk) { return read_at(disk, next_offset(disk)); }

static long read_random(void *with)
{
    struct disk *disk = with;
    return read_at(disk, next_random(&disk->random) % disk->blocks * disk->block_bytes);
}

static long overwrite_next(void *with)
{
    struct disk *disk = with;
    *(u64 *)(void *)disk->buffer = disk->next; /* no two blocks are alike */
    u64 offset = next_offset(disk);
    return whole(SYS(__NR_pwrite64, disk->fd, disk->buffer, disk->block_bytes, offset), disk->block_bytes);
}

static long flush(void *disk) { return SYS(__NR_fdatasync, ((struct disk *)disk)->fd); }

static long overwrite_and_sometimes_flush(void *with)
{
    struct disk *disk = with;
    long result = overwrite_next(disk);
    return result >= 0 && disk->next % FLUSH_EVERY == 0 ? flush(disk) : result;
}

/* Repeat STEP, and BEFORE without timing it, and report the time of all steps, its median and its 99th percentile. */
static int time_requests(const char *names[3], u64 count, operation *before, operation *step, struct disk *disk)
{
    struct histogram times;
    long made = begin_histogram(&times);
    if (made < 0)
        return failed("mmap", made);
    u64 sum = 0, began = now_ns(), ended = began;
    while (times.count < count && ended - began < cap_ns) {
        long result = before ? before(disk) : 0;
        u64 start = before ? now_ns() : ended;
        result = result < 0 ? result : step(disk);
        if (result < 0)
            return failed(names[0], result);
        ended = now_ns();
        note(&times, ended - start);
        sum += ended - start;
    }
    int result = report(names[0], times.count, sum);
    result = result ? result : report_share(&times, names[1], 500);
    return result ? result : report_share(&times, names[2], 990);
}

/* Open the file; DIRECT bypasses the page cache. */
static int open_disk(struct disk *disk, const char *path, int direct, u64 block_bytes)
{
    long fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0), 0);
    if (fd == -EINVAL && direct)
        return lacking("the file system refuses O_DIRECT");
    if (fd < 0)
        return failed("opening the file", fd);
    long bytes = SYS(__NR_lseek, fd, 0, 2 /* SEEK_END */);
    if (bytes < (long)block_bytes)
        return failed("the size of the file", bytes < 0 ? bytes : -EINVAL);
    long buffer = map_memory(block_bytes, 2);
    if (no_memory(buffer))
        return failed("mmap", buffer);
    *disk = (struct disk){(int)fd, block_bytes, (u64)bytes / block_bytes, 0, 88172645463325252u, (u8 *)buffer};
    u64 random = disk->random;
    for (u64 i = 0; i < block_bytes / sizeof(u64); i++) /* no file system can compress it */
        ((u64 *)(void *)disk->buffer)[i] = next_random(&random);
    return 0;
}

static int random_reads(const char *path, int direct, u64 count)
{
    const char *names[] = {"randread", "randread-50", "randread-99"};
    struct disk disk;
    int result = open_disk(&disk, path, direct, SMALL_BYTES);
    return result ? result : time_requests(names, count, 0, read_random, &disk);
}

static int flushes(const char *path, int direct, u64 count)
{
    const char *names[] = {"fsync", "fsync-50", "fsync-99"};
    struct disk disk;
    int result = open_disk(&disk, path, direct, SMALL_BYTES);
    return result ? result : time_requests(names, count, overwrite_next, flush, &disk);
}

/* Write so many MiB, flushing every 16 MiB, and then read as many. */
static int sequences(const char *path, int direct, u64 count)
{
    const char *write[] = {"write", "write-50", "write-99"}, *read[] = {"read", "read-50", "read-99"};
    struct disk disk;
    int result = open_disk(&disk, path, direct, LARGE_BYTES);
    result = result ? result : time_requests(write, count, 0, overwrite_and_sometimes_flush, &disk);
    disk.next = 0;
    return result ? result : time_requests(read, count, 0, read_next, &disk);
}
