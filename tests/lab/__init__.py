# SPDX-License-Identifier: Apache-2.0
"""A whole host to audit, on one small machine: a nested QEMU with two NUMA nodes, an IOMMU, an NVMe controller with
virtual functions, huge pages, vhost and KVM, in which strait, straitd and guests run. Nothing in it is simulated for
Strait's sake: what is broken in it is broken in a real kernel.

`machine` is the machine, `nested` the guests that run in it, `faults` what can be wrong with it.
`python3 -m lab` (from tests; make lab) logs in."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
