"""Whole processes: `envel` and rage on files, beside `cp`."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FILE_LEN = 1 << 30
COPY_AND_SYNC = 'cp "$1" "$2" && sync "$2"'
# What a program that never shows half a file must do at the least.
REPLACE = 'cp "$1" "$2.new" && mv "$2.new" "$2"'


def gnu_time():
    """The program that tells the most memory a process had, where it is installed; the shell's own word does not."""
    time_program = shutil.which("gtime") or shutil.which("time")
    if not time_program:
        return None
    version = subprocess.run([time_program, "--version"], check=False, capture_output=True, text=True)
    return time_program if "GNU" in version.stdout + version.stderr else None



@dataclass
class Program:
    """A command to measure, and what came out."""

    name: str
    command: list
    seconds: list
    peak_kib: int = 0


def programs(directory, envel, rage):
    """What is run in `directory`, in this order: each decryption reads what the encryption before it wrote."""
    key = directory / "wrapping.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    plaintext, copy = directory / "plaintext", directory / "copy"
    with plaintext.open("wb") as file:
        piece = os.urandom(1 << 20)
        for _ in range(FILE_LEN // len(piece)):
            file.write(piece)
    keyed = ["-q", "-k", f"raw-aes:bench/key={key}", "--force"]
    message, signed, opened = directory / "message.envel", directory / "signed.envel", directory / "opened"
    found = [
        Program("`cp A B`", ["cp", plaintext, copy], []),
        Program("`cp A B && sync B`", ["sh", "-c", COPY_AND_SYNC, "sh", plaintext, copy], []),
        Program("`cp A B.new && mv B.new B`", ["sh", "-c", REPLACE, "sh", plaintext, copy], []),
        Program("envel encrypt", [envel, "encrypt", *keyed, plaintext, "-o", message], []),
        Program("envel decrypt", [envel, "decrypt", *keyed, message, "-o", opened], []),
        Program("envel encrypt --sign", [envel, "encrypt", "--sign", *keyed, plaintext, "-o", signed], []),
        Program("envel decrypt, signed", [envel, "decrypt", *keyed, signed, "-o", opened], []),
    ]
    if rage:
        identity, aged = directory / "identity", directory / "message.age"
        identity.unlink(missing_ok=True)
        subprocess.run([rage / "rage-keygen", "-o", identity], check=True, stderr=subprocess.DEVNULL)
        recipient = next(
            line.split()[-1] for line in identity.read_text().splitlines() if "public key" in line
        )
        rage = rage / "rage"
        found += [
            Program("rage -e", [rage, "-e", "-r", recipient, "-o", aged, plaintext], []),
            Program("rage -d", [rage, "-d", "-i", identity, "-o", opened, aged], []),
        ]
    return found


def measure(parent, envel, rage, rounds):
    """Runs each program `rounds` times for the record, all in turn, on files below `parent`.

    Each is run once just before, so that it finds the memory that its last output had: on virtual machines, memory that
    was free for seconds is the host's again, and costs more to get back than anything that is measured here.
    """
    if shutil.disk_usage(parent).free < 8 * FILE_LEN:
        raise OSError(f"{parent} has less than {8 * FILE_LEN >> 30} GiB to spare")
    with tempfile.TemporaryDirectory(dir=parent, prefix="envel-bench-") as directory:
        directory = Path(directory)
        found = programs(directory, envel, rage)
        peak, time_program = directory / "peak", gnu_time()
        for _ in range(rounds):
            for program in found:
                command = [str(word) for word in program.command]
                subprocess.run(command, check=True)
                # What others left to be written must not be on this one's account.
                os.sync()
                if time_program:
                    command = [time_program, "-f", "%M", "-o", str(peak), *command]
                start = time.perf_counter()
                subprocess.run(command, check=True)
                seconds = time.perf_counter() - start
                program.seconds.append(seconds)
                if time_program:
                    program.peak_kib = max(program.peak_kib, int(peak.read_text()))
        if subprocess.run(["cmp", directory / "plaintext", directory / "opened"], check=False).returncode:
            raise RuntimeError("what was decrypted last is not what was encrypted")
        return found


def ratio(found, name, other):
    """The median of how much longer `name` took than `other` in the same round; None if `other` was not measured."""
    times = {program.name: program.seconds for program in found}
    if other not in times:
        return None
    return statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))
