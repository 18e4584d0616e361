# SPDX-License-Identifier: Apache-2.0
"""A daemon whose allocations fail on orders: the other side of tests/fault/fail_malloc.c."""
import mmap
import random
import struct
import subprocess

from fault_rig import Victim
from wardian import BUILD

LIBRARY = BUILD / "tests" / "libfail-malloc.so"
LAYOUT = struct.Struct("=qqqIIQ")  # calls, failed, left, mode, rate, seed
OFF, ONCE, ON, RATE = range(4)


def why_not():
    """Why allocations cannot be made to fail here, or None."""
    if not LIBRARY.exists():
        return "libfail-malloc.so is not built"
    if b"__asan_init" in subprocess.run(["nm", "-D", str(BUILD / "wardiand")], capture_output=True, check=False).stdout:
        return "the sanitizer has an allocator of its own"
    return None


class Hungry(Victim):
    """Its allocations fail as told by fail()."""

    def __init__(self, settings=(), **more):
        super().__init__(settings, **more)
        self.path = self.root / "orders"
        self.path.write_bytes(bytes(4096))
        self.path.chmod(0o666)
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(LIBRARY), "FAIL_MALLOC": str(self.path)}

    def fail(self, mode, left=0, rate=1):
        calls, failed, *_ = self.orders()
        self.map[:LAYOUT.size] = LAYOUT.pack(calls, failed, left, OFF, rate, random.getrandbits(63))
        struct.pack_into("=I", self.map, 24, mode)

    def orders(self):
        return LAYOUT.unpack(self.map[:LAYOUT.size])

    def calls(self):
        return self.orders()[0]

    def failed(self):
        return self.orders()[1]

    def destroy(self):
        self.fail(OFF)
        super().destroy()
        self.map.close()
        self.file.close()
