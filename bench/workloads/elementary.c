/* Elementary operations of the kernel, of memory and of file systems, each repeated and timed by the place's monotonic clock.
 *
 *     tare-elementary CAP_MS call|signal|map COUNT          system call, signal to oneself, mmap + munmap
 *     tare-elementary CAP_MS pipe|futex COUNT CPU           round trips between two processes on one CPU
 *     tare-elementary CAP_MS spawn COUNT                    fork, exec of this program, exit, wait
 *     tare-elementary CAP_MS sleep COUNT PERIOD_NS          lateness of waking, in place of a duration: median, 99 %, largest
 *     tare-elementary CAP_MS fault|huge BYTES PASSES        first touch of every page of a mapping
 *     tare-elementary CAP_MS chase BYTES STEPS …            dependent loads, one size after the other
 *     tare-elementary CAP_MS stream BYTES PASSES WORKERS    copy, scale, add, triad over three arrays of BYTES
 *     tare-elementary CAP_MS files FOLDER COUNT             create, look up and unlink empty files
 *     tare-elementary CAP_MS append FOLDER COUNT            append 4 KiB to a file, and fdatasync
 *     tare-elementary CAP_MS randread FILE COUNT direct|cached   random reads of 4 KiB: sum, and in place of a duration median and 99 %
 *     tare-elementary CAP_MS fsync FILE COUNT direct|cached      overwrite 4 KiB (not timed) and fdatasync: the same
 *     tare-elementary CAP_MS seq FILE COUNT direct|cached        overwrite MiBs, fdatasync every 16, then read them: the same
 *     tare-elementary nothing                               exit
 *
 * One line for everything that was timed: NAME COUNT NANOSECONDS. Work is done in portions, and ends after the portion in
 * which CAP_MS have passed, so that slow places do less of the same. Exit status 75: the place lacks what is needed, which
 * is the text on stdout. */

#include "sys.h"

#include "elementary_report.h"

#include "elementary_files.h"
#include "elementary_kernel.h"

#include "elementary_disk.h"
#include "elementary_memory.h"

static u64 page_size(char **envp)
{
    while (*envp++)
        ;
    for (u64 *entry = (u64 *)envp; entry[0]; entry += 2) /* the auxiliary vector lies behind the environment */
        if (entry[0] == 6 /* AT_PAGESZ */)
            return entry[1];
    return 4096;
}

int tare_main(int argc, char **argv, char **envp)
{
    if (argc == 2 && equal(argv[1], "nothing"))
        return 0;
    if (argc < 4)
        return 2;
    cap_ns = parse_number(argv[1], 0) * 1000000;
    const char *what = argv[2];
    u64 first = parse_number(argv[3], 0), second = argc > 4 ? parse_number(argv[4], 0) : 0;
    if (equal(what, "call") && argc == 4)
        return repeat("call", first, call, 0);
    if (equal(what, "signal") && argc == 4)
        return signals(first);
    if (equal(what, "map") && argc == 4)
        return repeat("map", first, map_and_unmap, 0);
    if (equal(what, "spawn") && argc == 4)
        return repeat("spawn", first, spawn, argv[0]);
    if (equal(what, "pipe") && argc == 5)
        return pipes(first, second);
    if (equal(what, "futex") && argc == 5)
        return futexes(first, second);
    if (equal(what, "sleep") && argc == 5)
        return sleeps(first, second);
    if (equal(what, "fault") && argc == 5)
        return faults(first, second, page_size(envp));
    if (equal(what, "huge") && argc == 5)
        return huge_faults(first, second, page_size(envp));
    if (equal(what, "chase") && argc % 2 == 1)
        return chases(argv + 3, page_size(envp));
    if (equal(what, "stream") && argc == 6)
        return streams(first, second, parse_number(argv[5], 0));
    if (equal(what, "files") && argc == 5)
        return files(argv[3], second);
    if (equal(what, "append") && argc == 5)
        return appends(argv[3], second);
    if (argc == 6) {
        int direct = equal(argv[5], "direct");
        if (equal(what, "randread"))
            return random_reads(argv[3], direct, second);
        if (equal(what, "fsync"))
            return flushes(argv[3], direct, second);
        if (equal(what, "seq"))
            return sequences(argv[3], direct, second);
    }
    return 2;
}
