"""Domains whose addresses core translates by shadow tables, on a CPU without nested paging."""
import contextlib
import hashlib
import pathlib
import re
import stat
import sys
import tempfile

import machine as bulkhead
import package
import standin
import test_kernels as kernels
from testing import cases, equal, limit

sys.path.insert(0, str(package.ROOT / "domains/work"))
import initramfs

NO_NESTED = "EPYC,-npt"
POOLS = {"work": "4 MiB", "vault": "256 KiB"}


@contextlib.contextmanager
def shadow_policy(kind="shadow", pools=None):
    """The path of the stand-in's policy with both domains on shadow tables."""
    pools = pools or POOLS
    text = standin.POLICY.read_text()
    text = text.replace('machine "../..', f'machine "{package.ROOT}')
    text = text.replace("memory rest", f"memory rest\n        paging {kind} {pools['work']}")
    text = text.replace("memory 2 MiB", f"memory 2 MiB\n        paging {kind} {pools['vault']}")
    equal(text.count("paging"), 2, "domains with shadow tables")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "shadow.policy")
        path.write_text(text)
        yield path


@contextlib.contextmanager
def shadow_machine(cpu=NO_NESTED, **options):
    """The stand-in and vault, both on shadow tables."""
    with shadow_policy(**options) as policy, \
         standin.watched(standin.Standin, policy=policy, files=standin.FILES, edu=True,
                         cpu=cpu) as machine:
        yield machine


# What the page tables, and nothing else, stand before: attacks that leave the domain running.
ATTACKS = ("vault-memory", "core-memory", "policy-image", "device-table", "platform-registers",
           "foreign-read", "foreign-write", "foreign-execute", "straddle", "rom", "apic-registers",
           "ioapic", "mode-orders", "lme-without-pae", "reserved-bits", "msr-efer", "msr-reads",
           "msr-writes", "debug-registers", "general-registers", "dma-write", "dma-read")


@limit(120)
@cases({"shadow": ("shadow", ATTACKS), "any": ("any", ("mode-orders", "straddle"))})
def test_attacks(kind, attacks):
    """Without nested paging attacks on memory, modes and MSRs are refused as with it; vault, core
    and all rights stay intact."""
    with shadow_machine(kind=kind) as machine:
        for attack in attacks:
            machine.attack(attack)
        machine.expect_vault()
        machine.expect_intact()
        machine.expect_no_secret()


@cases({
    **{name: (name, r"its page tables lie in memory that it may not reach")
       for name in ("root-core", "root-policy", "root-iommu", "root-rom", "root-nowhere")},
    "foreign-stack": ("foreign-stack", r"not by a plain move"),
    "foreign-idt": ("foreign-idt", r"not by a plain move"),
    "triple-fault": ("triple-fault", r"shutdown \(triple fault\)"),
})
def test_ends(attack, why):
    """What core can't answer stops the attacker's domain, and no other, as with nested paging."""
    with shadow_machine() as machine:
        said = machine.attack_to_its_end(attack)
        equal(bool(re.search(why, said)), True, f"why the domain has stopped, {said!r}")
        machine.expect_waiting_vault()
        machine.expect_intact()


def test_nested_is_needed():
    """A policy that says `paging nested` is refused on such a CPU; the message has the remedy."""
    with bulkhead.bulkhead(policy=standin.POLICY, files=standin.FILES, edu=True,
                           cpu=NO_NESTED) as machine:
        refusal = machine.expect_refusal(r"lacks nested paging, which the policy requires")
        equal("paging any" in refusal["remedy"], True, f"a remedy, in {refusal['remedy']!r}")


# What busybox makes of itself: hashes, processes that share pages until they write, files, pipes. No
# line hangs on time, on the machine or on what ran before.
WORKLOAD = b"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
cd /tmp
{
    seq 1 30000 | tee numbers | sha256sum
    sort -rn numbers | gzip | gunzip | md5sum
    dd if=/dev/zero bs=64k count=64 2>/dev/null | sha1sum
    for child in 1 2 3 4 5 6 7 8 9 10; do
        (set -- $(seq 1 500); shift $child; echo "$# $1" >part.$child) &
    done
    wait
    cat part.1 part.2 part.3 part.4 part.5 part.6 part.7 part.8 part.9 part.10
    n=0; while [ $n -lt 60 ]; do n=$((n + 1)); /bin/busybox true || echo "false at $n"; done
    cp -r /tmp/numbers /tmp/copy; cmp numbers copy && echo same
    awk 'BEGIN { for (i = 0; i < 20000; i++) a[i % 997] += i; print a[1], a[996] }'
    tar c numbers | tar t
} >result 2>&1
echo "workload: $(wc -l <result) lines, $(sha256sum <result)"
cat result
poweroff -f
"""
RESULT = r"^workload: (\d+ lines, \w+) "
NUMBERS = "".join(f"{n}\n" for n in range(1, 30001)).encode()
FIRST_LINES = [hashlib.sha256(NUMBERS).hexdigest(),
               hashlib.md5(b"".join(reversed(NUMBERS.splitlines(keepends=True)))).hexdigest(),
               hashlib.sha1(bytes(64 << 16)).hexdigest(),
               *(f"{500 - child} {child + 1}" for child in range(1, 11)), "same"]


def workload(cpu, paging):
    """What the workload says on Debian's kernel, with that CPU and the policy's words for paging."""
    text = kernels.POLICY.read_text()
    text = text.replace('machine "../..', f'machine "{package.ROOT}')
    text = text.replace("memory rest", f"memory rest\n        {paging}")
    archive = initramfs.Archive()
    for name in ("bin", "dev"):
        archive.directory(name)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    archive.add("dev/zero", stat.S_IFCHR | 0o666, device=(1, 5))
    archive.file("bin/busybox", initramfs.BUSYBOX, 0o755)
    archive.add("init", stat.S_IFREG | 0o755, WORKLOAD)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        policy, initrd = directory / "linux.policy", directory / "initrd"
        policy.write_text(text)
        initrd.write_bytes(archive.finished())
        files = {"work.kernel": kernels.CLOUD_KERNEL, "work.initrd": initrd}
        with bulkhead.bulkhead(policy=policy, files=files, cpus=1, network=False,
                               cpu=cpu) as machine:
            said = machine.work.expect(RESULT, 90, unless=bulkhead.TROUBLE)[1]
            for line in FIRST_LINES:
                machine.work.expect(rf"^{line}( +-)?\r?$", 10, unless=bulkhead.TROUBLE)
            return said


@limit(240)
def test_linux():
    """Debian's kernel, unchanged, does the same without nested paging as with it: a workload of
    hashes, processes, copy on write and files brings the same lines, and the right ones."""
    equal(workload(NO_NESTED, "paging any 8 MiB"), workload("EPYC", "paging any 8 MiB"),
          "lines and hash of the workload")
