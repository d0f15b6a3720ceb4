# multiprocessing's forkserver: measures what it reads from standard input, a line each: case, system, in flight, milliseconds, rate.
# Argument: megabytes resident.
import mmap
import multiprocessing
import os
import re
import signal
import sys
import time

# An interpreter that is interrupted would say where.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish():
    pass


def first(connection):
    connection.send_bytes(b"1")


def idle(connection):
    connection.send_bytes(b"%d %d" % (os.getpid(), os.getppid()))
    try:
        connection.recv_bytes()
    except EOFError:
        pass


def kib(path, pattern):
    with open(path) as file:
        return sum(int(found[1]) for found in map(re.compile(pattern).match, file) if found)


def fill(mib):
    size = (mib << 20) - (kib("/proc/self/status", r"VmRSS:\s*(\d+)") << 10)
    if size <= 0:
        return None
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        except OSError:
            pass  # A kernel without huge pages.
    for page in range(0, size, mmap.PAGESIZE):
        memory[page] = 1
    return memory


class Subject:
    def __init__(self):
        self.context = multiprocessing.get_context("forkserver")

    def start(self, target, *args):
        process = self.context.Process(target=target, args=args)
        process.start()
        return process

    def run(self, in_flight):
        # All end before the first is waited for, so the server has their statuses.
        for process in [self.start(finish) for _ in range(in_flight)]:
            process.join()

    def rate(self, length, in_flight):
        self.run(1)
        begin, count = time.perf_counter(), 0
        while count < 3 or time.perf_counter() - begin < length:
            self.run(in_flight)
            count += in_flight
        return "rate %f" % (count / (time.perf_counter() - begin))

    def first_byte(self):
        ours, theirs = self.context.Pipe()
        process = self.start(first, theirs)
        theirs.close()
        ours.recv_bytes()
        return process

    def memory(self):
        ours, theirs = self.context.Pipe()
        process = self.start(idle, theirs)
        theirs.close()
        pid, parent = ours.recv_bytes().split()
        figures = []
        for number in (parent.decode(), pid.decode()):
            path = "/proc/" + number + "/smaps_rollup"
            figures += [kib(path, r"Private_(?:Clean|Dirty):\s*(\d+)"), kib(path, r"Pss:\s*(\d+)")]
        ours.close()
        process.join()
        return "memory %d %d %d %d" % tuple(figures)

    def answer(self, case, in_flight, length, rate):
        if case == "run":
            return self.rate(length, in_flight)
        if case == "first-byte":
            return latencies(length, rate, self.first_byte)
        if case == "caller-blocked":
            return latencies(length, 0, lambda: self.start(finish))
        if case == "idle-memory":
            return self.memory()
        return "absent"


# One after another, or each due at its time, which runs from when it was due.
def latencies(length, rate, once):
    once().join()
    clock = time.perf_counter
    begin, times = clock(), []
    count = max(3, int(length * rate))
    while len(times) < count if rate > 0 else len(times) < 3 or clock() - begin < length:
        due = begin + len(times) / rate if rate > 0 else clock()
        left = due - clock() - 0.00015
        if left > 0:
            time.sleep(left)
        while clock() < due:
            pass
        process = once()
        times.append(int((clock() - due) * 1e9))
        process.join()
        if len(times) >= 3 and clock() - begin > 4 * length:
            break
    return " ".join(["latencies", str(len(times) / (clock() - begin))] + [str(each) for each in times])


def main():
    ballast = fill(int(sys.argv[1]))
    subject = Subject()
    # Without a buffer that waits to be full.
    for line in iter(sys.stdin.readline, ""):
        case, _, in_flight, milliseconds, rate = line.split()
        try:
            answer = subject.answer(case, int(in_flight), int(milliseconds) / 1000, float(rate))
        except Exception as error:
            answer = "failed %s" % error
        print(answer, flush=True)
    del ballast


if __name__ == "__main__":
    main()
