#!/usr/bin/env bash
# Unpacks MySQL into .cache/mysql, for `make mysql` and `python -m benchmarks --mysql`: Debian 12 itself has MariaDB
# only, Debian's unstable has MySQL's newest release. Nothing is installed, and nobody has to be root: apt fetches the
# packages (signed, as ever) with lists and a status of its own, and the server runs with the C library that came along.
# Nothing is done where it is there; what an interrupted run leaves behind is not taken for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MYSQL=$PWD/.cache/mysql
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
[ ! -e "$MYSQL/version" ] || exit 0

fail() {
    echo "setup: MySQL: $*" >&2
    exit 1
}

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || fail "only for Debian on amd64, as tests/servers.py starts it"
[ -e "$KEYS" ] || fail "$KEYS is missing: install debian-archive-keyring"
echo "setup: MySQL (90 MB to fetch) …"

mkdir -p .cache
work=$(mktemp -d)
unpacked=$(mktemp -d "$PWD/.cache/mysql.XXXXXX")
trap 'rm -rf "$work" "$unpacked"' EXIT
mkdir -p "$work"/{lists,archives}/partial
touch "$work/status"
# The mirror that this machine uses for Debian itself, also before its first `apt-get update` (--no-release-info); awk
# reads to the end, so that apt-get does not write in vain.
mirror=$(apt-get indextargets --no-release-info --format '$(SITE)' 'Created-By: Packages' |
    awk '/\/debian\/?$/ && !found++')
echo "deb [signed-by=$KEYS] ${mirror:-http://deb.debian.org/debian} sid main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
APT::Install-Recommends "0";
APT::Sandbox::User "root";
END
export APT_CONFIG=$work/apt.conf
apt-get -qq -o APT::Update::Error-Mode=any update || fail "no lists of Debian's unstable from ${mirror:-deb.debian.org}"
apt-get -qq --yes --download-only install mysql-server-core >"$work/log" 2>&1 || {
    tail -n 25 "$work/log" >&2
    fail "its packages could not be fetched"
}
for package in "$work"/archives/*.deb; do
    case $package in
        */perl* | */libperl* | */libgdbm*) ;; # for scripts that nothing here runs
        *) dpkg-deb --extract "$package" "$unpacked" ;;
    esac
done
(cd "$work/archives" && ls mysql-server-core*) >"$unpacked/version"
chmod 755 "$unpacked"
rm -rf "$MYSQL"
mv -T "$unpacked" "$MYSQL"
echo "setup: MySQL: $(cat "$MYSQL/version")"
