# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench is made of.

    judge      medians, ratios, limits and verdicts: no machine in it
    loads      one run of `strait bench` or of fio, and what it found
    backends   straitd, qemu-storage-daemon and peers that somebody else serves
    session    the back ends of one run, and runs of them in turns
    report     lines, progress, JSON
    figures    the table "Figures of merit" of the design
    life       idle, memory, connecting, restarting
    costs      notifications, system calls and instructions an I/O
    polling    the polling policies against each other
    placement  one worker or several, on free and on crowded CPUs
    curves     latency against IOPS, and drawings
    cli        what is asked for
"""
