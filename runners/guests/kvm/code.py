"""Hold the micro guest's machine code, byte by byte (x86-64, long mode, run at CPL 0 and at CPL 3).

Every routine is, or ends in, an instruction that exits to user space, so one ``KVM_RUN`` is one run of the routine.
Encodings: Intel SDM volume 2. Registers are set before each run: RCX or RSI to the count, RDI to an address.

At CPL 3 ``hlt`` is forbidden; ``out`` works there because the guest's RFLAGS have IOPL 3. So every loop ends with
``out`` to port 0x10, behind which there is nothing, and the loops at the two levels differ only in the level.
"""

Line = tuple[bytes, str]
"""Bytes of one instruction, and its assembly."""

ROUTINES: dict[str, tuple[Line, ...]] = {
    # From the first instruction to the first exit, and the cost of a HLT exit: KVM_RUN resumes after the hlt.
    "hlt": (
        (b"\xf4", "again: hlt"),
        (b"\xeb\xfd", "jmp again               ; -3"),
    ),
    # Cost of a port I/O exit.
    "out": (
        (b"\xe6\x10", "again: out 0x10, al"),
        (b"\xeb\xfc", "jmp again               ; -4"),
    ),
    # Cost of an MMIO exit: RDI points to guest-physical memory that no slot backs.
    "mmio": (
        (b"\x88\x07", "again: mov [rdi], al"),
        (b"\xeb\xfc", "jmp again               ; -4"),
    ),
    # CPUID always exits (VMX) or is intercepted (SVM), but KVM handles it in the kernel. It overwrites EAX, EBX, ECX
    # and EDX, so the count is in RSI.
    "cpuid": (
        (b"\x31\xc0", "again: xor eax, eax"),
        (b"\x0f\xa2", "cpuid"),
        (b"\x48\xff\xce", "dec rsi"),
        (b"\x75\xf7", "jnz again               ; -9"),
        (b"\xe6\x10", "out 0x10, al"),
    ),
    # The arithmetic loop: one dependent add and the counter.
    "arithmetic": (
        (b"\x48\x01\xc8", "again: add rax, rcx"),
        (b"\x48\xff\xc9", "dec rcx"),
        (b"\x75\xf8", "jnz again               ; -8"),
        (b"\xe6\x10", "out 0x10, al"),
    ),
    # One write to each 4 KiB page from RDI on.
    "touch": (
        (b"\x88\x07", "again: mov [rdi], al"),
        (b"\x48\x81\xc7\x00\x10\x00\x00", "add rdi, 4096"),
        (b"\x48\xff\xc9", "dec rcx"),
        (b"\x75\xf2", "jnz again               ; -14"),
        (b"\xe6\x10", "out 0x10, al"),
    ),
}

HOST_ARITHMETIC: tuple[Line, ...] = (
    (b"\x31\xc0", "xor eax, eax"),
    (b"\x48\x01\xf8", "again: add rax, rdi     ; the first C argument is the count"),
    (b"\x48\xff\xcf", "dec rdi"),
    (b"\x75\xf8", "jnz again               ; -8"),
    (b"\xc3", "ret"),
)
"""The arithmetic loop as a C function ``long f(long count)``, run on the host for comparison."""

HOST_TRIPS: tuple[Line, ...] = (
    (b"\x53", "push rbx"),
    (b"\x48\x89\xd3", "mov rbx, rdx            ; the third C argument is the count"),
    (b"\xb8\x10\x00\x00\x00", "again: mov eax, 16      ; ioctl(2); fd and request are where C has them"),
    (b"\x31\xd2", "xor edx, edx            ; its argument"),
    (b"\x0f\x05", "syscall"),
    (b"\x48\x85\xc0", "test rax, rax"),
    (b"\x78\x05", "js end                  ; +5: minus the errno"),
    (b"\x48\xff\xcb", "dec rbx"),
    (b"\x75\xed", "jnz again               ; -19"),
    (b"\x5b", "end: pop rbx"),
    (b"\xc3", "ret"),
)
"""``long f(long fd, long request, long count)``: ioctls without argument, one after the other. From Python the call
itself would take a fifth of a round trip into a guest."""

ROUTINE_SPACING = 64
"""Distance between routines in bytes, so that no two share a cache line."""


def assemble(lines: tuple[Line, ...]) -> bytes:
    """Join the bytes of one routine's instructions."""
    return b"".join(code for code, _ in lines)


def page() -> tuple[bytes, dict[str, int]]:
    """Lay out the code page, and tell the offset of each routine in it."""
    image = bytearray()
    offsets = {}
    for name, lines in ROUTINES.items():
        offsets[name] = len(image)
        image += assemble(lines).ljust(ROUTINE_SPACING, b"\xf4")  # hlt, for a guest that runs past the end
    return bytes(image), offsets
