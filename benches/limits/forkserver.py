# multiprocessing's forkserver with numpy preloaded: from Process.start until the first byte. Arguments: how many, how many in flight (1).
# Prints creations per second.
import multiprocessing
import sys
import time


def first(connection):
    connection.send_bytes(b"1")


def once(context):
    ours, theirs = context.Pipe()
    process = context.Process(target=first, args=(theirs,))
    process.start()
    ours.recv_bytes()
    return process


def main():
    count = int(sys.argv[1])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy"])
    once(context).join()
    spent = 0.0
    for _ in range(count):
        start = time.perf_counter()
        process = once(context)
        spent += time.perf_counter() - start
        # Not a part of it.
        process.join()
    print(round(count / spent))


if __name__ == "__main__":
    main()
