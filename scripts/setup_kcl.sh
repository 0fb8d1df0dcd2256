#!/usr/bin/env bash
# Installs AWS' Kinesis Client Library into .cache/kcl, for `make soak`: Python packages by hash (pip), and the JARs that
# its package fetches from Maven Central while it is built, by hash as well. Nothing is done where it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

KCL=.cache/kcl
LISTS=(requirements-build.txt requirements-kcl.txt tests/interop/jars.sha256)
fingerprint=$(sha256sum "${LISTS[@]}" | sha256sum)
[ "$(cat $KCL/setup.stamp 2>/dev/null)" != "$fingerprint" ] || exit 0

rm -rf $KCL
.venv/bin/python -m venv $KCL
pip=("$KCL/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes)
"${pip[@]}" -r requirements-build.txt
# Not cached, as a wheel holds whatever JARs could be had when it was made.
"${pip[@]}" --no-build-isolation --no-cache-dir -r requirements-kcl.txt
jars=("$PWD/$KCL"/lib/python*/site-packages/amazon_kclpy/jars)
(cd "${jars[0]}" && sha256sum --check --quiet --strict "$OLDPWD/tests/interop/jars.sha256")
echo "$fingerprint" >$KCL/setup.stamp
