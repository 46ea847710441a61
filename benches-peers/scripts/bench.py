#!/usr/bin/env python3
"""Measures envel beside other implementations in one run, and writes the tables into docs/PERFORMANCE.md.

Needs `cargo build --release` of this workspace and of envel-cli, and what install.sh and crates/testkit/peers/install.sh
install; an implementation that is missing is left out, and the tables say so.
"""

import argparse
import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import files
import report
from servers import Implementation, Server, Work, interleaved

HERE = Path(__file__).resolve().parent
BENCHES = HERE.parent
ROOT = BENCHES.parent
SERVER = BENCHES / "target/release/envel-benches-peers"
ENVEL = ROOT / "target/release/envel"
RAGE = BENCHES / "target/rage/bin"
PEERS = Path(os.environ.get("ENVEL_PEERS", ROOT / "target/peers"))
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# The sizes and the numbers of threads of AWS's own suite.
SIZES = [KIB, 5 * KIB, 10 * KIB, 100 * KIB, 500 * KIB, MIB, 10 * MIB, 50 * MIB, 100 * MIB]
THREADS = [1, 2, 4, 8, 16]
SUITES = ["0x0478", "0x0578"]
OPERATIONS = ["encrypt", "decrypt"]
STREAM_SIZES = [64 * MIB, 256 * MIB, GIB, 10 * GIB]


def say(text):
    """Says on stderr what is being done."""
    print(text, file=sys.stderr, flush=True)


def peers():
    """The SDKs of other languages that are installed, and which are not."""
    found, missing = [], []
    python = PEERS / "python/bin/python"
    if python.exists():
        found.append(Implementation("Python", Server([python, HERE / "python_sdk.py"]), "python"))
    else:
        missing.append("the Python SDK")
    if (PEERS / "node/node_modules").exists() and shutil.which("node"):
        found.append(Implementation("JavaScript", Server(["node", HERE / "js_sdk.mjs", PEERS / "node"]), "js"))
    else:
        missing.append("the JavaScript SDK")
    return found, missing


def measure_sizes(rust, others, rounds):
    """Every size, both suites, both operations, one thread."""
    huge = Server([SERVER], {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
    everyone = [
        Implementation("envel", rust, "envel"),
        Implementation("envel, reused", rust, "envel-reused"),
        Implementation("aws-esdk", rust, "aws-esdk"),
        *others,
        Implementation("limit", rust, "limit"),
    ]
    results = {}
    for suite in SUITES:
        for operation in OPERATIONS:
            for size in SIZES:
                work = Work(operation, suite, size)
                say(f"{work}")
                present = list(everyone)
                if size >= 10 * MIB:
                    present.insert(2, Implementation("envel, 2 threads", rust, "envel-two-threads"))
                    present.insert(3, Implementation("envel, huge pages", huge, "envel"))
                if suite == "0x0478":
                    present.insert(-1, Implementation("tink", rust, "tink"))
                results[work] = interleaved(present, work, rounds if size <= MIB else max(3, rounds // 2))
    huge.close()
    return results


def measure_concurrency(rust, rounds):
    """Many threads, each with messages of its own."""
    everyone = [
        Implementation("envel", rust, "envel"),
        Implementation("envel, reused", rust, "envel-reused"),
        Implementation("aws-esdk", rust, "aws-esdk"),
        Implementation("limit", rust, "limit"),
    ]
    results = {}
    for suite in SUITES:
        for operation in OPERATIONS:
            for size in [10 * KIB, MIB, 10 * MIB]:
                for threads in THREADS:
                    work = Work(operation, suite, size, threads)
                    say(f"{work}")
                    results[work] = interleaved(everyone, work, max(3, rounds // 2))
    return results


def measure_small(rust, rounds):
    """Messages of 1 KiB: whoever can reuse a data key does."""
    everyone = [
        Implementation("envel, data key reused", rust, "envel-cached"),
        Implementation("envel", rust, "envel-reused"),
        Implementation("aws-esdk", rust, "aws-esdk"),
        Implementation("tink", rust, "tink"),
        Implementation("limit", rust, "limit"),
    ]
    batch = Implementation("envel, batch", rust, "envel-batch")
    results = {}
    for suite in SUITES:
        for operation in OPERATIONS:
            work = Work(operation, suite, KIB)
            say(f"{work}")
            present = [batch, *everyone] if operation == "encrypt" else everyone
            results[work] = interleaved(present, work, 2 * rounds)
    return results


def measure_streams(rounds):
    """Seconds and memory by length: each length in a process of its own, all lengths in turn."""
    servers = {size: Server([SERVER]) for size in STREAM_SIZES}
    results = {}
    for operation in OPERATIONS:
        for size in STREAM_SIZES:
            results[operation, size] = {"seconds": [], "memory": 0}
        for number in range(rounds + 1):
            for size, server in servers.items():
                say(f"stream, {operation}, {size} bytes")
                repeats = max(1, GIB // 4 // size)
                seconds = server.ask(f"envel-stream {operation} 0x0478 {size} 1 {repeats}") / repeats
                if number > 0:
                    results[operation, size]["seconds"].append(seconds)
        for size, server in servers.items():
            results[operation, size]["memory"] = server.ask("peak-memory")
    for server in servers.values():
        server.close()
    return results


def measure_files(rounds):
    """Whole processes in memory and on disk, or why not."""
    rage = RAGE if (RAGE / "rage").exists() else None
    results = {}
    for name, parent in [("tmpfs", Path("/dev/shm")), ("disk", BENCHES / "target")]:
        say(f"files on {name}")
        try:
            results[name] = files.measure(parent, ENVEL, rage if name == "tmpfs" else None, rounds)
        except OSError as error:
            results[name] = f"Not measured: {error}."
    return results


def library_table(bench):
    """What a bench of the library itself prints."""
    command = ["cargo", "bench", "--quiet", "-p", "envel", "--all-features", "--bench", bench]
    say(" ".join(command))
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def machine():
    """What was measured, on what, when."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    rustc = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
    ).stdout
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cpu": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "rustc": rustc.split()[1],
        "commit": commit.strip(),
        "load": os.getloadavg()[0],
    }


def versions(missing):
    """Which releases are compared, as their lists pin them."""
    manifest = (BENCHES / "Cargo.toml").read_text()
    pinned = dict(re.findall(r'^([\w-]+) = "=([\d.]+)"', manifest, re.M))
    lists = ROOT / "crates/testkit/peers"
    python = re.search(r"^aws-encryption-sdk==(.*)$", (lists / "requirements.txt").read_text(), re.M)
    script = re.search(r'client-node": "(.*)"', (lists / "package.json").read_text())
    rage = re.search(r"^version=(.*)$", (HERE / "install.sh").read_text(), re.M)
    text = (
        f"aws-esdk {pinned['aws-esdk']} (Rust), aws-encryption-sdk {python[1]} (Python), "
        f"@aws-crypto/client-node {script[1]} (JavaScript), tink-aead {pinned['tink-aead']} (Rust), rage {rage[1]}"
    )
    return text + (f"; missing: {', '.join(missing)}" if missing else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    sections = ["throughput", "ranges", "sizes", "concurrency", "small", "streams", "files"]
    parser.add_argument("--only", choices=sections, action="append", help="measure this section (may be repeated)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of a measurement of ordinary length")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the markers of FILE")
    parser.add_argument("--note", help="a remark to stand above the tables")
    arguments = parser.parse_args()
    wanted = arguments.only or sections
    rounds = arguments.rounds

    facts = machine()
    others, missing = peers()
    if not (RAGE / "rage").exists():
        missing.append("rage")
    rust = Server([SERVER])
    results = {}
    for bench in ["throughput", "ranges"]:
        if bench in wanted:
            results[bench] = library_table(bench)
    if "small" in wanted:
        results["small"] = measure_small(rust, rounds)
    if "sizes" in wanted:
        results["sizes"] = measure_sizes(rust, others, rounds)
    if "concurrency" in wanted:
        results["concurrency"] = measure_concurrency(rust, rounds)
    for server in [rust, *(other.server for other in others)]:
        server.close()
    if "streams" in wanted:
        results["streams"] = measure_streams(max(3, rounds // 3))
    if "files" in wanted:
        results["files"] = measure_files(max(3, rounds // 2))

    text = report.markdown(facts, versions(missing), results, arguments.note)
    print(text)
    if arguments.write:
        document = arguments.write.read_text()
        before, rest = document.split(BEGIN, maxsplit=1)
        _, after = rest.split(END, maxsplit=1)
        arguments.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
