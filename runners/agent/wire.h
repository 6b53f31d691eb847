/* Read and write frames. docs/wire-protocol.md describes the format; wire.py is the host's half. Numbers are little-endian,
 * as both supported architectures are. */

enum { PING = 1, JOB = 2, KILL = 3, EXIT = 4, HELLO = 64, PONG = 65, STARTED = 66, OUTPUT = 67, DONE = 68, REFUSED = 69 };
enum {
    TAG_ARGV = 1, TAG_ENVIRON, TAG_DIRECTORY, TAG_STDIN, TAG_TIMEOUT, TAG_OUTPUT_LIMIT, TAG_SIZE,
    TAG_CLOCK = 16, TAG_READY, TAG_PID, TAG_FLAGS, TAG_SKIPPED, TAG_STREAM, TAG_DATA, TAG_STATUS, TAG_USAGE,
    TAG_STDOUT_TOTAL, TAG_STDERR_TOTAL, TAG_TEXT, TAG_STEAL, TAG_ORPHANS, TAG_THREAD,
};
enum { WIRE_VERSION = 1, FLAG_MORE = 1, FLAG_SERVICE = 2, PAYLOAD_MAX = 65536, FIELD_HEAD = 5, OUTPUT_MAX = 32768 };
enum { STRINGS_MAX = 8192 }; /* largest number of a job's arguments, and of its variables */

/* Packed: frames lie back to back, at any address. */
struct __attribute__((packed)) frame {
    char magic[4];
    u8 version, type;
    u16 flags;
    u32 sequence, length, payload_crc, header_crc;
    u8 payload[];
};

static int channel_in = -1, channel_out = -1;
static int lost;    /* the host is gone: end of file or a failed write */
static u64 skipped; /* bytes received that were not part of a frame */
static u8 inbox[2 * (sizeof(struct frame) + PAYLOAD_MAX)];
static size_t inbox_used;
static u8 outbox[4 * OUTPUT_MAX];
static size_t outbox_used;

/* CRC-32 as in IEEE 802.3 and zlib. Four bits at a time: the table is 64 bytes and needs no set-up at start. */
static u32 crc32(const u8 *bytes, size_t n)
{
    static const u32 table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    u32 crc = ~0u;
    while (n--) {
        crc ^= *bytes++;
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static u64 read_number(const u8 *at, u32 length)
{
    u64 value = 0;
    memcpy(&value, at, length < 8 ? length : 8);
    return value;
}

/* Send all that waits, and block for it: a host that does not read has deadlines of its own. Tried after the end of the
 * input as well: if the channel is two pipes, the host may still be listening. */
static void flush(void)
{
    for (size_t sent = 0; sent < outbox_used;) {
        long n = sys_write(channel_out, outbox + sent, outbox_used - sent);
        if (n == -EAGAIN) {
            struct pollfd writable = {channel_out, POLLOUT, 0};
            sys_poll(&writable, 1, -1, 0);
        } else if (n <= 0) {
            lost = 1;
            break;
        } else
            sent += (size_t)n;
    }
    outbox_used = 0;
}

/* A frame is built in the outbox: begin, fields, end. */
static struct frame *building;

static void begin(u8 type, u32 sequence)
{
    if (outbox_used + sizeof(struct frame) + 2 * OUTPUT_MAX > sizeof outbox)
        flush();
    building = (struct frame *)(outbox + outbox_used);
    *building = (struct frame){{'T', 'A', 'R', 'E'}, WIRE_VERSION, type, 0, sequence, 0, 0, 0};
}

static void field(u8 tag, const void *bytes, u32 length)
{
    u8 *at = building->payload + building->length;
    at[0] = tag;
    memcpy(at + 1, &length, 4);
    memcpy(at + FIELD_HEAD, bytes, length);
    building->length += FIELD_HEAD + length;
}

static void number(u8 tag, u64 value, u32 bytes) { field(tag, &value, bytes); }
static void text(u8 tag, const char *value) { field(tag, value, (u32)strlen(value)); }

static void end(void)
{
    building->payload_crc = crc32(building->payload, building->length);
    building->header_crc = crc32((u8 *)building, offsetof(struct frame, header_crc));
    outbox_used += sizeof(struct frame) + building->length;
}

static void refuse(u32 sequence, const char *why)
{
    begin(REFUSED, sequence);
    text(TAG_TEXT, why);
    end();
}

/* Hand each complete frame of the inbox to `handle` and keep the unfinished rest. Other bytes are skipped one by one
 * and counted, so that noise costs only the frames it hits. */
static void take_frames(void (*handle)(struct frame *))
{
    size_t at = 0;
    while (inbox_used - at >= sizeof(struct frame)) {
        struct frame *frame = (struct frame *)(inbox + at);
        if (memcmp(frame->magic, "TARE", 4) || frame->length > PAYLOAD_MAX ||
            frame->header_crc != crc32(inbox + at, offsetof(struct frame, header_crc))) {
            at++, skipped++;
            continue;
        }
        if (inbox_used - at < sizeof(struct frame) + frame->length)
            break;
        if (frame->payload_crc != crc32(frame->payload, frame->length)) {
            at++, skipped++;
            continue;
        }
        at += sizeof(struct frame) + frame->length;
        handle(frame);
    }
    inbox_used -= at;
    memmove(inbox, inbox + at, inbox_used);
}
