/* Look at a place from inside, and try what it lets its jobs do to the host. One static program for all places.
 *
 *     tare-inside fingerprint [LIBC…]          print files of /proc and /sys, namespaces, CPUs, C libraries
 *     tare-inside attempts KEY=VALUE…          try what is permitted: see attempts.h
 *     tare-inside limits PROBE…                try which limits are in force: see limits.h
 *     tare-inside layout FILE BYTES            write a file for the disk workloads, see layout.h
 *     tare-inside net-server ADDRESS [PORT CONNECTIONS]        be the serving end of a connection, see net.h
 *     tare-inside latency|out|in ADDRESS PORT COUNT CAP_MS     be the other end
 *     tare-inside net-loopback latency|out|in COUNT CAP_MS     be both ends
 *     tare-inside await tcp|http|unix|listens …    wait until a server can be reached: see await.h
 *     tare-inside decoy NAME                   wait until the standard input ends
 *
 * It judges nothing: the Python modules here read the answers and compare them with the host's. */

#include "sys.h"

#include <linux/utsname.h>

#include "attempts.h"
#include "fingerprint.h"
#include "net.h"

#include "await.h"
#include "layout.h"
#include "limits.h"

static int decoy(void)
{
    char waste[64];
    while (sys_read(0, waste, sizeof waste) > 0)
        ;
    return 0;
}

int tare_main(int argc, char **argv, char **envp)
{
    (void)envp;
    if (argc >= 2 && equal(argv[1], "fingerprint"))
        return fingerprint(argv + 2);
    if (argc >= 2 && equal(argv[1], "attempts"))
        return attempts(argv + 2);
    if (argc >= 3 && equal(argv[1], "limits"))
        return limits(argc - 2, argv + 2);
    if (argc == 4 && equal(argv[1], "layout"))
        return layout(argv[2], parse_number(argv[3], 0));
    if ((argc == 3 || argc == 5) && equal(argv[1], "net-server"))
        return net_server(argc - 2, argv + 2);
    if (argc == 5 && equal(argv[1], "net-loopback"))
        return net_loopback(argv + 2);
    if (argc == 6 && (equal(argv[1], "latency") || equal(argv[1], "out") || equal(argv[1], "in")))
        return net_client(argv + 1);
    if (argc >= 5 && equal(argv[1], "await") &&
        argc == (equal(argv[2], "unix") || equal(argv[2], "listens") ? 5 : equal(argv[2], "http") ? 7 : 6))
        return equal(argv[2], "listens") ? await_listening(argv + 3) : await(argv + 2);
    if (argc == 3 && equal(argv[1], "decoy"))
        return decoy();
    return 2;
}
