"""What was measured, as Markdown."""

import statistics

import files
from servers import Work, ratio

KIB, MIB = 1 << 10, 1 << 20


def length(count):
    """A length as people say it."""
    for unit, name in [(1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")]:
        if count >= unit:
            return f"{count / unit:g} {name}"
    return f"{count} B"


def speed(bytes_a_second):
    """MB/s (10^6 bytes)."""
    megabytes = bytes_a_second / 1e6
    return f"{megabytes:,.0f}" if megabytes >= 100 else f"{megabytes:.1f}"


def times(value):
    """A ratio."""
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 3 else f"{value:.2f}"


def table(titles, rows):
    """A table of which the first column is text and the others are numbers."""
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def ratio_or_dash(speeds, name, other):
    """A ratio where both were measured."""
    return times(ratio(speeds, name, other)) if name in speeds and other in speeds else "–"


def sizes(results):
    """A table for each suite and operation."""
    columns = ["envel", "envel, reused", "envel, 2 threads", "envel, huge pages", "aws-esdk", "Python", "JavaScript", "tink", "limit"]
    parts = []
    for suite, operation in dict.fromkeys((work.suite, work.operation) for work in results):
        chosen = {work: speeds for work, speeds in results.items() if (work.suite, work.operation) == (suite, operation)}
        present = [name for name in columns if any(name in speeds for speeds in chosen.values())]
        rows = [
            [
                length(work.message_len),
                *(speed(statistics.median(speeds[name])) if name in speeds else "–" for name in present),
                ratio_or_dash(speeds, "envel", "aws-esdk"),
                ratio_or_dash(speeds, "envel, reused", "aws-esdk"),
                ratio_or_dash(speeds, "envel, reused", "limit"),
            ]
            for work, speeds in chosen.items()
        ]
        titles = ["MB/s", *present, "envel / aws-esdk", "reused / aws-esdk", "reused / limit"]
        parts.append(f"#### {suite}, {operation}\n\n{table(titles, rows)}")
    return "\n\n".join(parts)


def concurrency(results):
    """A table for each suite and operation."""
    parts = []
    for suite, operation in dict.fromkeys((work.suite, work.operation) for work in results):
        rows = []
        for work, speeds in results.items():
            if (work.suite, work.operation) != (suite, operation):
                continue
            one = results[Work(operation, suite, work.message_len)]
            gain = statistics.median(speeds["envel, reused"]) / statistics.median(one["envel, reused"])
            rows.append(
                [
                    f"{length(work.message_len)}, {work.threads}",
                    *(speed(statistics.median(speeds[name])) for name in speeds),
                    times(gain),
                    ratio_or_dash(speeds, "envel", "aws-esdk"),
                    ratio_or_dash(speeds, "envel, reused", "aws-esdk"),
                    ratio_or_dash(speeds, "envel, reused", "limit"),
                ]
            )
        names = list(next(iter(results.values())))
        titles = [
            "MB/s by message and threads", *names,
            "reused / one thread", "envel / aws-esdk", "reused / aws-esdk", "reused / limit",
        ]  # fmt: skip
        parts.append(f"#### {suite}, {operation}\n\n{table(titles, rows)}")
    return "\n\n".join(parts)


def small(results):
    """Messages a second."""
    names = list(dict.fromkeys(name for speeds in results.values() for name in speeds))
    rows = [
        [
            f"{work.suite}, {work.operation}",
            *(
                f"{statistics.median(speeds[name]) / work.message_len:,.0f}" if name in speeds else "–"
                for name in names
            ),
            ratio_or_dash(speeds, "envel, data key reused", "aws-esdk"),
            ratio_or_dash(speeds, "envel", "aws-esdk"),
        ]
        for work, speeds in results.items()
    ]
    return table(["messages a second", *names, "data key reused / aws-esdk", "envel / aws-esdk"], rows)


def shortest_of(results):
    """The shortest length among streams."""
    return min(size for _, size in results)


def time_a_byte(results, operation, size):
    """The median of the time a byte of a length, against that of the shortest in the same round."""
    shortest = shortest_of(results)
    pairs = zip(results[operation, size]["seconds"], results[operation, shortest]["seconds"], strict=True)
    return statistics.median((a / size) / (b / shortest) for a, b in pairs)


def streams(results):
    """Time a byte against that of the shortest."""
    rows = [
        [
            f"{operation}, {length(size)}",
            speed(size / statistics.median(found["seconds"])),
            f"{time_a_byte(results, operation, size):.2f}",
            f"{found['memory'] / KIB:.1f}",
        ]
        for (operation, size), found in results.items()
    ]
    shortest = length(shortest_of(results))
    return table(["stream", "MB/s", f"time a byte / that of {shortest}", "peak memory, MiB"], rows)


def programs(results):
    """Whole processes."""
    parts = []
    for place, found in results.items():
        if isinstance(found, str):
            parts.append(f"#### 1 GiB on {place}\n\n{found}")
            continue
        rows = []
        for program in found:
            rage = files.ratio(found, program.name, "rage -d" if "decrypt" in program.name else "rage -e")
            rows.append(
                [
                    program.name,
                    f"{statistics.median(program.seconds):.2f}",
                    f"{files.ratio(found, program.name, '`cp A B`'):.2f}",
                    f"{files.ratio(found, program.name, '`cp A B && sync B`'):.2f}",
                    times(1 / rage) if rage and program.name.startswith("envel") else "–",
                    f"{program.peak_kib / KIB:.1f}" if program.peak_kib else "–",
                ]
            )
        titles = ["process", "seconds", "/ `cp`", "/ `cp && sync`", "times faster than rage", "peak memory, MiB"]
        parts.append(f"#### 1 GiB on {place}\n\n{table(titles, rows)}")
    return "\n\n".join(parts)


def summary(results):
    """What is asked of the project, beside what was measured."""
    rows = []

    def row(work, asked, value, meets):
        rows.append([work, asked, value, "yes" if meets else "no"])

    found = results.get("sizes", {})
    for operation, least in [("encrypt", 0.62), ("decrypt", 0.90)]:
        if speeds := found.get(Work(operation, "0x0478", MIB)):
            value = ratio(speeds, "envel, reused", "limit")
            work = f"0x0478 {operation}, 1 MiB reused / AES-256-GCM"
            row(work, f"≥ {least:.2f}", f"{value:.2f}", value >= least)
    for operation in ["encrypt", "decrypt"]:
        if speeds := found.get(Work(operation, "0x0478", 100 * MIB)):
            for name, least in [("envel, reused", 20), ("envel", 8), ("envel, huge pages", 12)]:
                value = ratio(speeds, name, "aws-esdk")
                row(f"0x0478 {operation}, 100 MiB: {name} / aws-esdk", f"≥ {least}", times(value), value >= least)
            value = ratio(speeds, "envel, 2 threads", "envel, reused")
            row(f"0x0478 {operation}, 100 MiB: 2 threads / 1 thread", "≥ 1.7", f"{value:.2f}", value >= 1.7)
    for operation in ["encrypt", "decrypt"]:
        if speeds := found.get(Work(operation, "0x0578", 100 * MIB)):
            value = ratio(speeds, "envel, reused", "limit")
            row(f"0x0578 {operation}, 100 MiB / SHA-384", "≥ 0.90", f"{value:.2f}", value >= 0.9)
    for work, speeds in results.get("small", {}).items():
        if work.suite == "0x0478":
            value = ratio(speeds, "envel, data key reused", "aws-esdk")
            row(f"1 KiB {work.operation}, data key reused / aws-esdk", "≥ 30", times(value), value >= 30)
            value = statistics.median(speeds["envel, data key reused"]) / KIB
            row(f"1 KiB {work.operation}, data key reused, a second", "≥ 220,000", f"{value:,.0f}", value >= 220_000)
    flows = results.get("streams", {})
    for operation, size in flows:
        if size != shortest_of(flows):
            value = time_a_byte(flows, operation, size)
            work = f"stream, {operation}: time a byte of {length(size)} / of {length(shortest_of(flows))}"
            row(work, "0.90 to 1.10", f"{value:.2f}", 0.9 <= value <= 1.1)
    for place, (other, most) in {"tmpfs": ("`cp A B`", 1.6), "disk": ("`cp A B && sync B`", 1.2)}.items():
        measured = results.get("files", {}).get(place, "")
        if isinstance(measured, str):
            continue
        for name in ["envel encrypt", "envel decrypt"]:
            value = files.ratio(measured, name, other)
            row(f"{name}, 1 GiB on {place} / {other}", f"≤ {most}", f"{value:.2f}", value <= most)
            rage = files.ratio(measured, name, "rage -d" if "decrypt" in name else "rage -e")
            if rage:
                row(f"{name}, 1 GiB on {place}: times faster than rage", "≥ 3", times(1 / rage), rage <= 1 / 3)
            peak = next(program.peak_kib for program in measured if program.name == name) / KIB
            if peak:
                row(f"{name}, 1 GiB on {place}: peak memory, MiB", "< 48", f"{peak:.1f}", peak < 48)
    return table(["work", "asked", "measured", "reached"], rows) if rows else ""


def drift(results):
    """How much the limit itself moved: the error bar of everything else."""
    limits = [
        speeds["limit"] for work, speeds in results.get("sizes", {}).items()
        if work.suite == "0x0478" and work.message_len >= 100 * KIB
    ]  # fmt: skip
    if not limits:
        return ""
    spread = [max(found) / min(found) for found in limits]
    return (
        f"The limit, AES-256-GCM of aws-lc-rs, moved within a measurement by {statistics.median(spread):.2f} in the median "
        f"and by {max(spread):.2f} at worst: differences smaller than that mean nothing."
    )


def markdown(facts, versions, results, note):
    """The whole measured section."""
    parts = [
        f"Measured on {facts['date']} at {facts['commit']}: {facts['cpu']}; {facts['system']}; rustc {facts['rustc']}; "
        f"load average at the start {facts['load']:.1f}. Command: `make bench`.\n\nCompared with {versions}."
    ]
    if note:
        parts.append(f"**{note}**")
    for title, text in [
        ("", drift(results)),
        ("### What is asked, and what was measured", summary(results)),
        ("### The library beside its limit", results.get("throughput", "")),
        ("### 1 KiB out of a long message", results.get("ranges", "")),
        ("### Messages of 1 KiB, one thread", small(results["small"]) if "small" in results else ""),
        ("### By size, one thread", sizes(results.get("sizes", {}))),
        ("### By number of threads, each with its own messages", concurrency(results.get("concurrency", {}))),
        ("### Streams", streams(results["streams"]) if "streams" in results else ""),
        ("### Whole processes on files", programs(results.get("files", {}))),
    ]:
        if text:
            parts.append(f"{title}\n\n{text}".strip())
    return "\n\n".join(parts)
