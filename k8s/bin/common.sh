# shellcheck shell=bash
# What every script here begins with: settings, output, and a last line that says how to go on where something failed.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

: "${CLUSTER:=Spark}" "${STACK:=bank-stream}" "${AWS_DEFAULT_REGION:=us-east-1}"
: "${MYSQL_SECRET_ID:=bank/stream}" "${MIGRATION_SECRET_ID:=bank/stream-migration}"
: "${OPERATOR_SECRET_ID:=bank/stream-operator}"
export AWS_DEFAULT_REGION MYSQL_SECRET_ID
NAMESPACE=bank-stream
# shellcheck disable=SC2034 # for the scripts that read this
RENDERED=k8s/rendered DRIVER=deployment/bank-stream
GO_ON="mend what the lines above name, and run it again"

say() { echo "${0##*/}: $*"; }

# hint TEXT: what to do should something fail from here on.
hint() { GO_ON=$*; }

# leaving: what has to be done in any case before a script ends early; one that has something makes its own.
leaving() { :; }

# stop TEXT: nothing more is done; TEXT says why.
stop() {
    leaving
    say "$*" >&2
    say "to go on: $GO_ON" >&2
    exit 1
}

failed() {
    local code=$?
    [ "$BASH_SUBSHELL" = 0 ] || exit "$code" # its caller says so
    leaving
    say "failed with exit code $code" >&2
    say "to go on: $GO_ON" >&2
    exit 1
}
trap failed ERR

# A build that is aborted: Jenkins ends what the script waits for as well, and only then the shell comes to this.
interrupted() {
    trap '' INT TERM HUP
    trap - ERR
    leaving
    say "interrupted by SIG$1" >&2
    say "to go on: $GO_ON" >&2
    exit 143
}
for signal in INT TERM HUP; do
    # shellcheck disable=SC2064 # its name is known now
    trap "interrupted $signal" "$signal"
done

# need NAME...: variables that have no default.
need() {
    local name
    for name in "$@"; do
        [ -n "${!name:-}" ] || stop "$name is not set (docs/operations.md, Deploying)"
    done
}

# without_login: stops where MYSQL_LOC holds a login.
without_login() {
    hint "the login belongs into the secret that MYSQL_SECRET_ID names; nothing was changed"
    [[ "$MYSQL_LOC" != *@* && "$MYSQL_LOC" != *password* ]] || stop "MYSQL_LOC holds a login, and settings are no place for one"
}

kube() { kubectl --namespace "$NAMESPACE" "$@"; }

# connect: kubectl talks to the cluster from here on.
connect() { aws eks update-kubeconfig --name "$CLUSTER" >/dev/null; }

# revision: the number of the version that is deployed; nothing where there is none.
revision() {
    kube get "$DRIVER" --ignore-not-found --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
}

# versions: a line for each version that the cluster still knows: the hash of its pods, which stays, and its number, which
# a rollback changes.
versions() {
    kube get replicasets --selector app.kubernetes.io/component=driver \
        --output 'jsonpath={range .items[*]}{.metadata.labels.pod-template-hash} {.metadata.annotations.deployment\.kubernetes\.io/revision}{"\n"}{end}'
}

# proven: the number of the version that was last seen to work; nothing where none was.
proven() {
    local hash
    hash=$(kube get configmap proven --ignore-not-found --output 'jsonpath={.data.version}')
    [ -z "$hash" ] || versions | sed -n "s/^$hash //p"
}

# prove: the version that is deployed was seen to work. It is noted in the cluster, as a workspace may go any time.
prove() {
    local hash now
    now=$(revision)
    hash=$(versions | sed -n "s/ $now\$//p")
    [ -n "$hash" ] || stop "the cluster does not say what is deployed"
    kube create configmap proven --from-literal "version=$hash" --dry-run=client --output yaml | kube apply --filename -
}

# outputs NAME...: reads what the stack says into OUTPUT; stops where one of these is missing.
declare -A OUTPUT
outputs() {
    local said name value
    said=$(aws cloudformation describe-stacks --stack-name "$STACK" \
        --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output text)
    while read -r name value; do OUTPUT[$name]=$value; done <<<"$said"
    for name in "$@"; do
        [ -n "${OUTPUT[$name]:-}" ] || stop "stack $STACK says no $name: run k8s/bin/infrastructure"
    done
}

# has_cluster: whether there is a cluster of that name; stops where that cannot be known.
has_cluster() {
    local names
    names=$(aws eks list-clusters --query 'clusters[]' --output text) || stop "aws does not say what clusters there are"
    [[ " ${names//[[:space:]]/ } " == *" $CLUSTER "* ]]
}

# commit: TAG is what the image is called after, the commit that is checked out; on another Spark than the Dockerfile's,
# which is another image, after that as well.
commit() {
    local spark
    if [ -z "${TAG:-}" ]; then
        spark=$(sed -n 's/^ARG SPARK_VERSION=//p' Dockerfile)
        TAG=$(git rev-parse HEAD)
        [ "${SPARK_VERSION:-$spark}" = "$spark" ] || TAG+=-spark-$SPARK_VERSION
    fi
    export TAG
}
