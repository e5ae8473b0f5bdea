"""laptop.policy on several machines: both domains run, vault signs, the network works."""
import json
import pathlib
import re
import secrets
import subprocess
import tempfile

import package
from machine import bulkhead
from nonce_server import NonceServer
from testing import Failure, cases, contains, equal, limit

LOADERS_MEMORY_CPUS = [  # all pairs of loader, memory and CPUs
    ("kernel", 1024, 2), ("kernel", 2048, 4), ("bios", 1024, 4), ("bios", 2048, 2),
    ("uefi", 1024, 2), ("uefi", 2048, 4)]


def minisign_accepts(content, signature, key):
    """Whether minisign takes the signature for one of `content` by that key."""
    with tempfile.TemporaryDirectory() as directory:
        file, signature_file = pathlib.Path(directory, "file"), pathlib.Path(directory, "signature")
        file.write_bytes(content)
        signature_file.write_text(signature + "\n")
        done = subprocess.run(["minisign", "-V", "-P", key, "-m", file, "-x", signature_file],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        contains(done.stdout, "Signature and comment signature verified", "what minisign says")
    else:  # for any other reason than the signature it must not refuse
        contains(done.stderr, "Signature verification failed", "what minisign says")
    return done.returncode == 0


def check_signing(work, key):
    """vault signs random bytes for work; minisign accepts the signature for them alone."""
    content = secrets.token_bytes(1000)
    for start in range(0, len(content), 200):
        text = "".join(f"\\x{byte:02x}" for byte in content[start:start + 200])
        work.output(f"printf '{text}' >>/tmp/file")
    signature = work.output("vault sign /tmp/file")
    equal(minisign_accepts(content, signature, key), True, "minisign accepts what was signed")
    flipped = bytearray(content)
    flipped[secrets.randbelow(len(content))] ^= 1 << secrets.randbelow(8)
    equal(minisign_accepts(flipped, signature, key), False, "minisign accepts a flipped bit")


def hole():
    """First address and end of what lies in the middle of work's memory without being its: the
    policy's pool, the device table, core."""
    with tempfile.TemporaryDirectory() as directory:
        image = package.build(pathlib.Path(directory)).policy
        regions = json.loads(package.must_run(package.POLICYC, "dump", "--json", image))["regions"]
    return (min(region["base"] for region in regions),
            max(region["base"] + region["size"] for region in regions))


def check_reserved(start, end, lines, pattern, word):
    """The map that these lines show must call all from start to end `word`, without a gap."""
    at = start
    for match in filter(None, (re.search(pattern, line) for line in lines)):
        first, last = int(match["first"], 16), int(match["last"], 16)
        if last < start or first >= end:
            continue
        equal(match["type"].strip(), word, f"type of {match[0]!r}")
        if first <= at:
            at = max(at, last + 1)
    if at < end:
        raise Failure(f"{at:x} of {start:x}-{end:x} is missing in the map:\n" + "\n".join(lines))


E820 = r"BIOS-e820: \[mem (?P<first>\w+)-(?P<last>\w+)\] (?P<type>.*)$"
EFI = r"efi: mem\d+: \[(?P<type>[^|]+)\|.*range=\[(?P<first>\w+)-(?P<last>\w+)\]"


def check_view(work, cpus_of_machine):
    """What work sees of the machine: its memory, its CPU, its devices, and nothing else."""
    messages = work.output("dmesg").splitlines()
    check_reserved(*hole(), messages, E820, "reserved")
    tables = {match[1] for line in messages
              if (match := re.search(r"\] ACPI: (\w{4}) 0x[0-9A-F]{16} [0-9A-F]{6} ", line))}
    equal(tables, {"RSDP", "XSDT", "APIC"}, "work's ACPI tables")
    equal(work.output("grep -c ^processor /proc/cpuinfo"), "1",
          f"work's CPUs of the machine's {cpus_of_machine}")
    contains("\n".join(messages), "smpboot: Allowing 1 CPUs, 0 hotplug CPUs", "work's messages")
    flags = work.output("grep ^flags /proc/cpuinfo").split()
    contains(flags, "hypervisor", "the CPU's flags")
    equal("svm" in flags, False, "the CPU's flags name svm")
    equal(work.output("ls /sys/bus/pci/devices").split(), ["0000:00:00.0", "0000:00:03.0"],
          "work's PCI functions")


@limit(240)
@cases({f"{loader}-{memory}-{cpus}": (loader, memory, cpus)
        for loader, memory, cpus in LOADERS_MEMORY_CPUS})
def test_both_domains(loader, memory, cpus):
    """The same policy runs on QEMU's loader, BIOS and UEFI, with 1 and 2 GiB, 2 and 4 CPUs: work
    reaches its shell and the network, vault signs, and work sees its part of the machine alone."""
    with bulkhead(loader, memory_mib=memory, cpus=cpus, screen=loader != "kernel",
                  time_limit=230) as machine, NonceServer() as server:
        key = machine.vault_key()
        work = machine.shell()
        equal(work.output(f"wget -q -O - {server.url}"), server.nonce, "what work fetched")
        check_signing(work, key)
        check_view(work, cpus)


@limit(240)
def test_efi_map():
    """The EFI memory map that Linux gets reserves the hole: where its decompressor puts the
    kernel it learns from this map alone."""
    with tempfile.TemporaryDirectory() as directory:
        text = package.LAPTOP_POLICY.read_text()
        changed = text.replace("efi=noruntime", "efi=debug")  # with noruntime it shows none
        changed = changed.replace('machine "', f'machine "{package.LAPTOP_POLICY.parent}/')
        if changed.count("efi=debug") != 1:
            raise Failure("laptop.policy has not exactly one efi=noruntime to change")
        policy = pathlib.Path(directory, "laptop.policy")
        policy.write_text(changed)
        with bulkhead("uefi", policy=policy, time_limit=230) as machine:
            messages = machine.shell().output("dmesg").splitlines()
    # Linux shows the map again when it has left firmware, without what it freed: take the first.
    first = next(i for i, line in enumerate(messages) if "efi: mem00:" in line)
    end = next(i for i in range(first, len(messages)) if "efi: mem" not in messages[i])
    check_reserved(*hole(), messages[first:end], EFI, "Reserved")


def test_reproducible():
    """The policy image is a function of its inputs: another build, signed by another key, gives
    the same bytes."""
    images = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as directory:
            images.append(package.build(pathlib.Path(directory)).policy.read_bytes())
    equal(images[0] == images[1], True, "the two images are the same")
