/* Lay out a file for the disk workloads, so that no job has to.
 *
 *     layout FILE BYTES      write the file anew, of numbers without a pattern, and flush it to the disk
 *
 * File systems that compress or deduplicate would store zeros without touching the disk. */

static int layout(const char *path, u64 bytes)
{
    static u64 block[(1 << 20) / sizeof(u64)] __attribute__((aligned(4096)));
    u64 done = 0, number = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
    long fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("making the file", fd);
    while (done < bytes) {
        for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            block[i] = number;
        }
        size_t wanted = bytes - done < sizeof block ? (size_t)(bytes - done) : sizeof block;
        long n = sys_write((int)fd, block, wanted);
        if (n <= 0)
            return failed("writing the file", n);
        done += (u64)n;
    }
    long flushed = SYS(__NR_fdatasync, fd);
    return flushed < 0 ? failed("flushing the file", flushed) : 0;
}
