"""Runs a program beside a file system (FUSE) that answers nothing: whoever looks up a name in it cannot be killed.

Usage: unanswered.py FOLDER PROGRAM ARGUMENTS…, in a mount namespace of its own. Status 77: it cannot be mounted here.
When the program has ended, the server is killed, upon which the kernel wakes those that wait, and they are waited for;
when this one is killed, the server goes by itself.
"""
import ctypes, os, signal, struct, subprocess, sys

INIT, NOSUID_NODEV, DETACH = 26, 6, 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
libc = ctypes.CDLL(None, use_errno=True)
folder = sys.argv[1].encode()
try:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=%d,group_id=%d" % (device, os.getuid(), os.getgid())
    if libc.mount(b"unanswered", folder, b"fuse", NOSUID_NODEV, options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "mount")
except OSError as error:
    print("no file system in user space:", error, file=sys.stderr)
    sys.exit(77)

server = os.fork()
if server == 0:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    while True:
        request = os.read(device, 1 << 20)
        _, opcode, number = struct.unpack_from("=IIQ", request)
        if opcode == INIT:
            answer = struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 1 << 16, 1, 0, 0, 0)
            os.write(device, struct.pack("=IiQ", 16 + len(answer), 0, number) + answer)

os.close(device)
libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
try:
    status = subprocess.run(sys.argv[2:]).returncode
finally:
    os.kill(server, signal.SIGKILL)
    libc.umount2(folder, DETACH)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
sys.exit(status if status >= 0 else 128 - status)
