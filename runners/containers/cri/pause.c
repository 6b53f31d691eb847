/* First process of a pod: holds the namespaces, reaps orphans, and exits on SIGTERM or SIGINT. */
#include "sys.h"

int tare_main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    enum { TERM = 1 << (SIGTERM - 1), INT = 1 << (SIGINT - 1), CHLD = 1 << (SIGCHLD - 1) };
    u64 awaited = TERM | INT | CHLD;
    sys_sigmask(awaited);
    for (;;) {
        long signal = SYS(__NR_rt_sigtimedwait, &awaited, 0, 0, sizeof awaited);
        if (signal == SIGTERM || signal == SIGINT)
            return 0;
        while (sys_wait4(-1, 0, 1 /* WNOHANG */, 0) > 0)
            ;
    }
}
