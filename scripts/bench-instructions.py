#!/usr/bin/env python3
"""Counts the instructions of a fixed set of work under callgrind, and shows the change against docs/instructions.tsv.

Usage: bench-instructions.py [--update]    --update writes the new figures
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs/instructions.tsv"
EXPLANATION = """\
# Instructions that one operation of the set takes, as callgrind counts them: all of the process, the cryptographic library
# included. What is set up once a process does not count. Buffers are reused; keys are wrapped by a raw AES keyring.
# The set is crates/envel/benches/instructions.rs; `make bench-instructions` compares, scripts/bench-instructions.py --update writes.
#
# Counts do not depend on the machine's load, so a change of a line of code shows. They are not times: callgrind shows programs a
# processor without AVX-512, so the library takes another path than on newer machines; waiting for memory costs nothing, and a
# long copy may count one instruction a byte. They depend on the compiler and on the library's version. Signatures are random and
# move their lines by a few percent; the other lines repeat to 0.01 %. The lines of aes-gcm are the library alone.
"""
# The mean of so many evens out what is random.
REPEATS = 10


def executable():
    """Builds the set, and says where it is."""
    command = ["cargo", "bench", "-p", "envel", "--bench", "instructions", "--no-run", "--message-format=json"]
    # Callgrind finds what to count by its name.
    named = {**os.environ, "CARGO_PROFILE_BENCH_STRIP": "none"}
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=named).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return next(
        message["executable"]
        for message in messages
        if message.get("executable") and message["target"]["name"] == "instructions"
    )


def count(program, name):
    """Instructions of one operation."""
    options = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*"]
    command = ["valgrind", *options, program, name, str(REPEATS)]
    outcome = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected : (\d+)", outcome.stderr)
    if outcome.returncode or not found or found[1] == "0":
        sys.exit(f"error: {' '.join(command)} failed:\n{outcome.stderr}")
    return int(found[1]) // REPEATS


def main():
    if not shutil.which("valgrind"):
        sys.exit("error: valgrind is not installed\nhelp: install it; no other tool counts instructions the same way")
    program = executable()
    names = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    committed = {}
    if FIGURES.exists():
        lines = [line for line in FIGURES.read_text().splitlines() if not line.startswith("#")]
        committed = {name: int(figure) for name, figure in (line.split("\t") for line in lines[1:])}
    figures = {}
    print(f"{'work':28} {'instructions':>14} {'committed':>14} {'change':>9}")
    for name in names:
        figure = figures[name] = count(program, name)
        before = committed.get(name)
        change = f"{(figure / before - 1) * 100:+.2f} %" if before else "new"
        print(f"{name:28} {figure:14,} {before or 0:14,} {change:>9}", flush=True)
    if "--update" in sys.argv[1:]:
        rows = "".join(f"{name}\t{figure}\n" for name, figure in figures.items())
        FIGURES.write_text(f"{EXPLANATION}name\tinstructions\n{rows}")


if __name__ == "__main__":
    main()
