#!/bin/bash
# Install what building, running or testing Bulkhead needs on Debian 12.
#
#   scripts/setup.sh build   compiler, libraries, work's kernel, the console font
#   scripts/setup.sh run     build + QEMU, firmware, GRUB, TPM emulator, minisign
#   scripts/setup.sh test    run + cmocka, Zydis, libcbor, GRUB for BIOS machines,
#                            other people's kernels
#
# Asks nothing. Needs root or sudo only while something is missing from the
# system; says nothing when all is there. Can be interrupted and run again: what
# is downloaded is unpacked aside and renamed into place when it is whole.
set -eu -o pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
cd "$(dirname "$0")/.."

BUILD=build
# The module roots that work loads; what they depend on is found in the modules.
KERNEL_META=linux-image-cloud-amd64
KERNEL_MODULES="virtio_pci virtio_net msr"
# Kernels that tests boot unchanged: Debian's for any PC, and a game.
FULL_KERNEL_META=linux-image-amd64
GAME_PACKAGE=grub-invaders
# Only one font of this package is used; installed, it would bring the system
# start-up services of a console with it.
FONT_PACKAGE=console-setup-linux
FONT=Lat15-VGA16.psf.gz

PACKAGES_build="gcc binutils libc6-dev python3 flex bison libsodium-dev busybox-static
                libssl-dev libjansson-dev libcbor-dev libtss2-dev"
PACKAGES_run="minisign qemu-system-x86 ovmf seabios swtpm swtpm-tools
              grub-common grub-efi-amd64-bin mtools"
PACKAGES_test="libcmocka-dev libzydis-dev grub-pc-bin clang-format git
               tpm2-tools openssl gnutls-bin python3-cbor2"

say() { echo "setup: $*"; }
die() {
    echo "setup: error: $*" >&2
    exit 1
}

phase=${1-}
case "$phase" in
build) wanted=$PACKAGES_build why="to build" ;;
run) wanted="$PACKAGES_build $PACKAGES_run" why="to build and to run under QEMU" ;;
test) wanted="$PACKAGES_build $PACKAGES_run $PACKAGES_test" why="to build, run and test" ;;
*) die "usage: scripts/setup.sh {build|run|test}" ;;
esac
wanted=$(echo $wanted)

for tool in apt-get apt-cache dpkg-query dpkg-deb; do
    command -v "$tool" >/dev/null ||
        die "$tool was not found: this set-up knows Debian 12 only. Install by hand what stands for: $wanted"
done

# as_root COMMAND...: run it with root's rights, or say what to do. sudo may ask
# for its password only where somebody sits in front of it.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        local ask=-n
        if [ -t 0 ]; then ask=; fi
        sudo $ask env LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
    else
        die "apt needs root's rights, but this is not root and there is no sudo. Run 'scripts/setup.sh $phase' as root once, then go on as yourself."
    fi
}

# run_logged WHAT COMMAND...: keep a command's output for the case that it fails.
run_logged() {
    local what=$1 status=0
    shift
    "$@" >>"$BUILD/setup.log" 2>&1 </dev/null || status=$?
    [ $status = 0 ] && return
    tail -n 12 "$BUILD/setup.log" >&2
    die "$what failed (exit $status; all of its output: $BUILD/setup.log). Check the network and /etc/apt/sources.list, then run this again."
}

apt_updated=
apt_update() {
    [ -n "$apt_updated" ] && return
    say "apt-get update (the lists of available packages)"
    get_root
    run_logged "apt-get update" as_root apt-get -q -o DPkg::Lock::Timeout=600 update
    apt_updated=1
}

# Have sudo ask its question, if it must, before output goes to the log.
get_root() {
    as_root true || die "sudo gave no root's rights. Run 'scripts/setup.sh $phase' as root once, then go on as yourself."
}

missing_packages() {
    local installed package
    installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' 2>/dev/null |
        sed -n 's/^.i *//p' | tr '\n' ' ')"
    for package in $wanted; do
        case "$installed" in *" $package "*) ;; *) printf '%s ' "$package" ;; esac
    done
}

install_packages() {
    local missing
    missing=$(missing_packages)
    missing=${missing% }
    [ -n "$missing" ] || return 0
    say "installing with apt, $why: $missing"
    get_root
    # An installation that was interrupted makes apt refuse every other one.
    if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
        run_logged "dpkg --configure -a" as_root dpkg --configure -a
    fi
    apt_update
    run_logged "apt-get install" as_root apt-get -q -y -o DPkg::Lock::Timeout=600 \
        install --no-install-recommends $missing
    missing=$(missing_packages)
    [ -z "$missing" ] || die "apt-get reported success, but these are still not installed: $missing"
}

# download DIRECTORY PACKAGE: PACKAGE.deb of the version that apt would install.
download() {
    # As root apt would otherwise warn that its user _apt can't write here.
    local options="-q"
    [ "$(id -u)" = 0 ] && options="$options -o APT::Sandbox::User=root"
    (cd "$1" && apt-get $options download "$2" >/dev/null 2>&1 && mv "$2"_*.deb "$2.deb")
}

# download_retrying DIRECTORY PACKAGE: also where apt's lists are missing or old.
download_retrying() {
    download "$1" "$2" && return
    apt_update
    download "$1" "$2" ||
        die "apt-get download $2 failed. Check the network and that /etc/apt/sources.list names Debian 12's main archive, then run this again."
}

# kernel_depended_on META: the package that the meta-package stands for today
# (linux-image-6.1.0-NN-cloud-amd64).
kernel_depended_on() {
    apt-cache depends --important "$1" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# kernel_package META: likewise, also where apt's lists are missing.
kernel_package() {
    local package
    package=$(kernel_depended_on "$1")
    if [ -z "$package" ]; then
        apt_update >&2
        package=$(kernel_depended_on "$1")
        [ -n "$package" ] || die "apt knows no $1. Check that /etc/apt/sources.list names Debian 12's main archive."
    fi
    echo "$package"
}

# module_file TREE NAME: the module's path, whether its file spells - or _.
module_file() {
    find "$1" -name "$(echo "$2" | sed 's/[-_]/[-_]/g').ko" -print -quit
}

# modules_in_order TREE NAME...: the modules and what they depend on, each once,
# dependencies first. Debian's package brings no modules.dep (depmod writes it
# when the package is installed), so the modules' own .modinfo is read.
modules_in_order() {
    local tree=$1 name file
    shift
    for name; do
        case " $ordered " in *" $name "*) continue ;; esac
        file=$(module_file "$tree" "$name")
        if [ -z "$file" ]; then
            sed 's/-/_/g' "$tree/modules.builtin" | grep -q "/$name\.ko$" && continue
            die "the kernel package has no module $name"
        fi
        # shellcheck disable=SC2046 # the names are to be split
        modules_in_order "$tree" $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' ')
        ordered="$ordered $name"
    done
}

# build/kernel/: vmlinuz, version, modules/*.ko, modules.load (names in loading order)
unpack_kernel() {
    local temporary=$BUILD/kernel.new package tree name ordered=
    [ -e "$BUILD/kernel/version" ] && [ -e "$BUILD/kernel/vmlinuz" ] && return
    rm -rf "$temporary" "$BUILD/kernel"
    mkdir -p "$temporary/modules"
    package=$(kernel_package "$KERNEL_META")
    say "downloading $package for the Linux domain (unpacked into $BUILD/kernel, not installed)"
    download_retrying "$temporary" "$package"
    dpkg-deb -x "$temporary/$package.deb" "$temporary/root"
    tree=$(echo "$temporary"/root/lib/modules/*)
    modules_in_order "$tree" $KERNEL_MODULES
    for name in $ordered; do
        cp "$(module_file "$tree" "$name")" "$temporary/modules/$name.ko"
        echo "$name"
    done >"$temporary/modules.load"
    cp "$temporary"/root/boot/vmlinuz-* "$temporary/vmlinuz"
    basename "$tree" >"$temporary/version"
    rm -rf "$temporary/root" "$temporary/$package.deb"
    mv "$temporary" "$BUILD/kernel"
}

# unpack_file DIRECTORY FILE PACKAGE PATTERN PURPOSE: build/DIRECTORY/FILE, the package's first
# file of that pattern. Nothing else is unpacked: the full kernel's package has 70 MB.
unpack_file() {
    local directory=$BUILD/$1 file=$2 package=$3 pattern=$4 temporary=$BUILD/$1.new
    [ -e "$directory/$file" ] && return
    rm -rf "$temporary" "$directory"
    mkdir -p "$temporary"
    say "downloading $package for $5 ($file goes to $directory, nothing is installed)"
    download_retrying "$temporary" "$package"
    # tar ends behind the file, and so cuts dpkg-deb short.
    { dpkg-deb --fsys-tarfile "$temporary/$package.deb" 2>/dev/null || true; } |
        tar -xO --wildcards --occurrence=1 "./$pattern" >"$temporary/$file" ||
        die "no whole $pattern in $package. Remove $temporary, then run this again."
    rm "$temporary/$package.deb"
    mv "$temporary" "$directory"
}

mkdir -p "$BUILD"
exec 9>"$BUILD/setup.lock"
flock 9
: >"$BUILD/setup.log"
install_packages
unpack_kernel
unpack_file fonts "$FONT" "$FONT_PACKAGE" "usr/share/consolefonts/$FONT" "the console"
if [ "$phase" = test ]; then
    full_kernel=
    [ -e "$BUILD/full-kernel/vmlinuz" ] || full_kernel=$(kernel_package "$FULL_KERNEL_META")
    unpack_file full-kernel vmlinuz "$full_kernel" 'boot/vmlinuz-*' tests
    unpack_file game invaders.exec "$GAME_PACKAGE" boot/invaders.exec tests
fi
