"""Whatever is wrong with what the loader hands over, or with the machine under it, core says what
and what helps, runs no domain, and halts for good."""
import dataclasses
import struct

import package
import policy_image
from machine import bulkhead
from policy_image import PolicyImage, minisign, policy_names, signed_again
from testing import Failure, cases

CORE_BASE = 0x11000000
ALTERED = r"module policy was altered after it was signed"


def edit(damage):
    """For bulkhead(change=): damage(image) done to the policy image, signature left as it is."""
    def change(parts, _):
        image = PolicyImage(parts.policy)
        damage(image)
        image.write(parts.policy)
        return parts
    return change


def edit_and_sign(damage):
    """The same, and the author signs the damaged image."""
    return lambda parts, directory: signed_again(edit(damage)(parts, directory), directory)


def refused(change, reason, **options):
    with bulkhead(change=change, **options) as machine:
        machine.expect_refusal(reason)


# The signature.

def no_signature(parts, _):
    class Unsigned(package.Package):
        def modules(self):
            return [module for module in super().modules() if module.name != "signature"]
    return Unsigned(**{f.name: getattr(parts, f.name) for f in dataclasses.fields(parts)})


def empty_signature(parts, _):
    parts.signature.write_text("")
    return parts


def cut_signature(parts, _):
    lines = parts.signature.read_text().splitlines(keepends=True)
    parts.signature.write_text("".join(lines[:2]))
    return parts


def other_comment(parts, _):
    lines = parts.signature.read_text().splitlines(keepends=True)
    lines[2] = "trusted comment: version 1000\n"
    parts.signature.write_text("".join(lines))
    return parts


def legacy_signature(parts, directory):
    return signed_again(parts, directory, "-l")


def signed_by_another(parts, directory):
    secret, _ = package.make_keys(directory, "stranger")
    minisign(secret, parts.policy, parts.signature)
    return parts


def trusts_another(parts, directory):
    return dataclasses.replace(parts, trusted_key=package.make_keys(directory, "stranger")[1])


def key_is_no_key(parts, _):
    return dataclasses.replace(parts, trusted_key=parts.signature)


@cases({
    "missing": (no_signature, r"missing module: name=signature"),
    "empty": (empty_signature, r"module signature is no minisign signature: line 1"),
    "cut": (cut_signature, r"module signature is no minisign signature: line 3"),
    "other-comment": (other_comment, r"module signature has an altered trusted comment"),
    "legacy": (legacy_signature, r"module signature has the legacy algorithm Ed"),
    "another-author": (signed_by_another, r"module signature is by another author's key: \w{16}, "
                                          r"trusted is \w{16}"),
    "another-key": (trusts_another, r"module signature is by another author's key"),
    "no-key": (key_is_no_key, r"module trust\.pub is no minisign public key: line 2"),
})
def test_signature(change, reason):
    """A policy that the trusted author didn't sign, in the one form that is taken, is refused."""
    refused(change, reason)


@cases({section: (section,)
        for section in ("header", *policy_image.SECTIONS, "iopm", "msrpm", "table")})
def test_altered(section):
    """One bit changed in any section of the signed image is noticed."""
    refused(edit(lambda image: image.flip(section)), ALTERED)


def shortened(size):
    def change(parts, _):
        parts.policy.write_bytes(parts.policy.read_bytes()[:size])
        return parts
    return change


def lengthened(size):
    def change(parts, directory):
        parts.policy.write_bytes(parts.policy.read_bytes().ljust(size, b"\0"))
        return signed_again(parts, directory)
    return change


def cut_and_signed(parts, directory):
    return signed_again(shortened(-4096)(parts, directory), directory)


@cases({
    "cut": (shortened(-1), ALTERED),
    "cut-and-signed": (cut_and_signed, r"the header tells another size than the image has"),
    "one-byte": (shortened(1), ALTERED),
    "oversized": (lengthened((4 << 20) + 4096), r"the image has a size that no policy image can "
                                                r"have: 401000"),
    "lengthened": (lengthened(4 << 20), r"the header tells another size than the image has"),
})
def test_size(change, reason):
    """A policy image that is cut, or longer than it says or may be, is refused."""
    refused(change, reason)


# Images that their author signed, but no policyc would write.

def open_port(image):
    image.data[image.table_place(0, policy_image.IOPM) + 0xcf9 // 8] &= ~(1 << 0xcf9 % 8)


def map_core(image):
    """One page of work's memory leads to core."""
    place = image.leaf(0, 0x5000)
    entry, = struct.unpack_from("<Q", image.data, place)
    struct.pack_into("<Q", image.data, place, entry & ~0xffffffffff000 | CORE_BASE)


def share_page(image):
    """One page of vault's memory is one of work's."""
    place = image.leaf(1, 0x5000)
    entry, = struct.unpack_from("<Q", image.data, place)
    struct.pack_into("<Q", image.data, place, entry & ~0xffffffffff000 | 0x5000)


@cases({
    "port": (open_port, r"a domain opens a port that is never given away: row 0, cf9"),
    "intercept": (lambda image: image.set("domains", 0, "I", 60 + 4 * 4, 0),
                  r"a domain lacks an intercept of the floor"),
    "maps-core": (map_core, r"a page table maps core, .*: domain 0, address 11000000"),
    "shared-page": (share_page, r"a page table shares a page that one can write .*: "
                                r"domain 1, address 5000"),
    "dma": (lambda image: image.set("dtes", 0, "Q", 8, 3 | 7 << 61),
            r"a device-table entry lets requests pass"),
    "format": (lambda image: image.set_header("I", 8, 1),
               r"the header has a format that this core doesn't know: 1"),
    "attest": (lambda image: image.set_header("I", policy_image.ATTEST, 0),
               r"the header says neither that attestation is required nor that it is optional: 0"),
    "base": (lambda image: image.set_header("Q", 24, 0xf0000),
             r"the image has no region, or two, that holds the image at its base: f0000"),
    "not-ram": (lambda image: image.set("regions", image.runs["regions"][1] - 1, "Q", 8, 1 << 40),
                r"a region isn't all usable memory on this machine: row \d, 11000000"),
})
def test_forged(damage, reason):
    """An image that would give away what nobody may have is refused, though its author signed."""
    refused(edit_and_sign(damage), reason)


# The domains' files.

def without(name):
    def change(parts, _):
        return dataclasses.replace(
            parts, files={n: path for n, path in parts.files.items() if n != name})
    return change


def replaced(name, make):
    """The file `name` becomes what make(its bytes) returns."""
    def change(parts, directory):
        path = directory / name
        path.write_bytes(make(parts.files[name].read_bytes()))
        return dataclasses.replace(parts, files={**parts.files, name: path})
    return change


def one_bit(data):
    return data[:-1] + bytes([data[-1] ^ 0x80])


@cases({
    "kernel-altered": (replaced("work.kernel", one_bit), "isn't the one that the policy names: "
                                                         "work, work.kernel"),
    "initrd-altered": (replaced("work.initrd", one_bit), "isn't the one that the policy names: "
                                                         "work, work.initrd"),
    "vault-altered": (replaced("vault.image", one_bit), "isn't the one that the policy names: "
                                                        "vault, vault.image"),
    "vault-longer": (replaced("vault.image", lambda data: data + b"\0"),
                     "has another size than the policy says: vault, vault.image"),
    "vault-missing": (without("vault.image"), "missing module: name=vault.image"),
    "kernel-missing": (without("work.kernel"), "missing module: name=work.kernel"),
})
def test_domain_file(change, reason):
    """A domain's file that isn't just the one that the policy names is refused."""
    refused(change, reason)


def test_domain_file_says_hashes():
    """The refusal of an altered file shows both hashes, as sha256sum would."""
    with bulkhead(change=replaced("vault.image", one_bit)) as machine:
        got = machine.core.expect(r"^bulkhead: vault: module vault\.image has SHA-256 (\w{64})$", 60)
        said = machine.core.expect(r"^bulkhead: vault: the policy says +SHA-256 (\w{64})$")
        machine.expect_refusal("vault.image")
        right = package.must_run("sha256sum", package.LAPTOP_FILES["vault.image"]).split()[0]
    if said[1] != right or got[1] == right:
        raise Failure(f"hashes on the console\n  policy: {said[1]}\n  file:   {right}\n"
                      f"  altered file: {got[1]}")


def test_kernel_that_is_none():
    """A file of the right hash that is no Linux kernel is refused."""
    refused(policy_names("work.kernel", package.LAPTOP_FILES["vault.image"]),
            r"the kernel is no bzImage: work")


# The machine.

OTHER_DEVICE = ("-device", "e1000,addr=03.0,romfile=")
# Without MSI-X, BAR 1 isn't there.
OTHER_BARS = ("-device", "virtio-net-pci,addr=03.0,disable-legacy=on,iommu_platform=on,vectors=0,"
              "romfile=")


@cases({
    "no-iommu": ({"iommu": False}, r"IVRS"),
    "one-cpu": ({"cpus": 1}, r"a domain has a core that this machine lacks: row 1, 1"),
    "no-rdrand": ({"cpu": "EPYC,+svm,-rdrand"}, r"the CPU lacks RDRAND"),
    "no-device": ({"network": False}, r"a PCI function isn't that device on this machine: "
                                      r"row \d+, ffffffff"),
    "other-device": ({"network": False, "extra": OTHER_DEVICE},
                     r"a PCI function isn't that device on this machine: row \d+, 100e8086"),
    "other-bars": ({"network": False, "extra": OTHER_BARS}, r"a BAR is of another size or kind.*BAR 1"),
    "no-memory-for-core": ({"memory_mib": 274}, r"core's place is not usable memory"),
    "no-memory-for-modules": ({"memory_mib": 280}, r"a module lies outside usable memory"),
})
def test_other_machine(options, reason):
    """A machine that isn't what the policy was built for is refused."""
    refused(None, reason, **options)
