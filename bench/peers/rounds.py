"""Answers a bench that asks for rounds: each line read is `case steps`, each line written milliseconds a step, of the clock and of processors."""
import sys
import time


def serve(title, cases):
    """Says its name, then runs rounds. Of the cases, which are functions that make a step, only the last asked for is kept."""
    print(title, flush=True)
    made = {}
    for line in sys.stdin:
        name, count = line.split()
        if name not in made:
            made.clear()
            made[name] = cases[name]()
            for _ in range(3):
                made[name]()
        begun, cpu_begun = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            made[name]()
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu_begun
        print(wall / int(count) * 1e3, cpu / int(count) * 1e3, flush=True)
