/* Work of known amount, for calibration: tare-work ITERATIONS. Integer arithmetic alone, so that twice the iterations
 * are twice the work; beside them there is only the process' own start, which without a libc is some 0.2 ms. */
#include "sys.h"

int tare_main(int argc, char **argv, char **envp)
{
    (void)envp;
    if (argc != 2)
        return 2;
    u64 left = parse_number(argv[1], 0), x = 88172645463325252ULL;
    volatile u64 sink;
    while (left--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    sink = x;
    (void)sink;
    return 0;
}
