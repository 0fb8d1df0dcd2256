#!/usr/bin/env bash
# Unpacks MySQL into .cache/mysql, for `make mysql` and `python -m benchmarks --mysql`: Debian 12 itself has MariaDB only,
# Debian's unstable has MySQL's newest release. Nothing is installed: apt fetches the packages (signed, as ever) with lists
# and a status of its own, and the server runs with the C library that came along. Nothing is done where it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MYSQL=$PWD/.cache/mysql
[ ! -e "$MYSQL/version" ] || exit 0
echo "setup: MySQL …"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$MYSQL"
touch "$work/status"
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep --max-count=1 -E '/debian/?$')
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror sid main" >"$work/sources.list"
cat >"$work/apt.conf" <<EOF
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
APT::Install-Recommends "0";
APT::Sandbox::User "root";
EOF
export APT_CONFIG=$work/apt.conf
apt-get -qq update
apt-get -qq --yes --download-only install mysql-server-core >/dev/null
for package in "$work"/archives/*.deb; do
    case $package in
        */perl* | */libperl* | */libgdbm*) ;; # for scripts that nothing here runs
        *) dpkg-deb --extract "$package" "$MYSQL" ;;
    esac
done
(cd "$work/archives" && ls mysql-server-core*) >"$MYSQL/version"
echo "setup: MySQL: $(cat "$MYSQL/version")"
