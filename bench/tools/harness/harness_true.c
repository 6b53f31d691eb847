/* What launch floors are measured with: a static program that does nothing, with the libc that C programs have. */
int main(void) { return 0; }
