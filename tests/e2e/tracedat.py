# SPDX-License-Identifier: Apache-2.0
"""Writes a trace.dat (trace-cmd.dat.v6(5)) with the events kvm_exit and kvm_entry, as a kernel would have recorded them."""

import struct

PAGE = 4096
HEADER_PAGE = """\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
"""
HEADER_EVENT = """# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
"""
COMMON = """\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

"""
EXIT, ENTRY = 103, 102
FORMATS = (f"""name: kvm_exit
ID: {EXIT}
format:
{COMMON}\tfield:unsigned int exit_reason;\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned long guest_rip;\toffset:16;\tsize:8;\tsigned:0;
\tfield:u32 isa;\toffset:24;\tsize:4;\tsigned:0;
\tfield:u64 info1;\toffset:32;\tsize:8;\tsigned:0;
\tfield:u64 info2;\toffset:40;\tsize:8;\tsigned:0;
\tfield:unsigned int vcpu_id;\toffset:48;\tsize:4;\tsigned:0;

print fmt: "vcpu %u reason %s rip 0x%lx info1 0x%016llx info2 0x%016llx", REC->vcpu_id, (REC->isa == 1) ? """
           """__print_symbolic(REC->exit_reason & 0xffff, { 12, "HLT" }, { 48, "EPT_VIOLATION" }) : """
           """__print_symbolic(REC->exit_reason, { 0x078, "hlt" }, { 0x07b, "io" }, { 0x400, "npf" }), """
           """REC->guest_rip, REC->info1, REC->info2
""", f"""name: kvm_entry
ID: {ENTRY}
format:
{COMMON}\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned long rip;\toffset:16;\tsize:8;\tsigned:0;

print fmt: "vcpu %u, rip 0x%lx", REC->vcpu_id, REC->rip
""")


def exit_record(tid, reason, isa, info1=0):
    return struct.pack("<HBBiI4xQI4xQQI4x", EXIT, 0, 0, tid, reason, 0xfff0, isa, info1, 0, 0)


def entry_record(tid):
    return struct.pack("<HBBiI4xQ", ENTRY, 0, 0, tid, 0, 0xfff0)


def _pages(events, lost):
    """What a CPU recorded, (ns, record) in order of time, in pages of its buffer. Before the second page some were lost."""
    pages, body, start, before = [], b"", None, None

    def close():
        # Of events that were lost: how many stands behind the others.
        flags, number = (3 << 30, struct.pack("<q", lost)) if lost and len(pages) == 1 else (0, b"")
        pages.append((struct.pack("<QQ", start, len(body) | flags) + body + number).ljust(PAGE, b"\0"))

    for ns, record in events:
        if start is not None and len(body) + 16 + len(record) > PAGE - 64:
            close()
            body, start = b"", None
        if start is None:
            start = before = ns
        delta = ns - before
        if delta >> 27:
            body += struct.pack("<II", 30 | (delta & 0x7ffffff) << 5, delta >> 27)
            delta = 0
        body += struct.pack("<I", delta << 5 | len(record) // 4) + record
        before = ns
    close()
    return b"".join(pages)


def trace_dat(cpus, lost=0):
    """The file's bytes; cpus: for each, its (ns, record)."""
    def sized(size, text):
        return struct.pack(size, len(text)) + text.encode()

    head = b"\x17\x08\x44tracing6\0" + bytes([0, 8]) + struct.pack("<I", PAGE)
    head += b"header_page\0" + sized("<Q", HEADER_PAGE) + b"header_event\0" + sized("<Q", HEADER_EVENT)
    head += struct.pack("<II", 0, 1) + b"kvm\0" + struct.pack("<I", len(FORMATS))
    head += b"".join(sized("<Q", text) for text in FORMATS)
    head += struct.pack("<II", 0, 0) + sized("<Q", "4711 CPU 0/KVM\n4712 CPU 1/KVM\n") + struct.pack("<I", len(cpus))
    head += b"options  \0" + struct.pack("<H", 0) + b"flyrecord\0"
    data = [_pages(events, lost) for events in cpus]
    where = -(-(len(head) + 16 * len(data)) // PAGE) * PAGE
    for pages in data:
        head += struct.pack("<QQ", where, len(pages))
        where += len(pages)
    return head.ljust(-(-len(head) // PAGE) * PAGE, b"\0") + b"".join(data)
