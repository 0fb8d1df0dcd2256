#!/usr/bin/env bash
# Stands for aws, eksctl, kubectl, docker, git and make: notes its call, and answers as it was told to.
#
# $STUB_FOLDER/answers: start of the call, standard output and exit code, of which the first that fits counts; without
# one it answers nothing and 0. $STUB_FAILS: the number of the call that fails, $STUB_HANGS: of the one that does not end. What
# kubectl apply --kustomize would send is made by the real one, $REAL_KUBECTL; what is applied is a revision more than
# before, the 7th. Fields end with the unit separator, records with the record separator.
set -u

call="${0##*/} $*" input='' manifests=''
case $call in
*--password-stdin* | *"--filename -"*) input=$(cat) ;;
"kubectl apply --kustomize"*) [ -z "$REAL_KUBECTL" ] || manifests=$("$REAL_KUBECTL" kustomize "$3" 2>&1) ;;
esac
printf '%s\x1f%s\x1f%s\x1e' "$call" "$input" "$manifests" >>"$STUB_FOLDER/calls"
printf . >>"$STUB_FOLDER/count"
if [ "$(wc -c <"$STUB_FOLDER/count")" = "${STUB_FAILS:-}" ]; then
    echo "${call%% *}: this call fails" >&2
    exit 7
fi
if [ "$(wc -c <"$STUB_FOLDER/count")" = "${STUB_HANGS:-}" ]; then
    touch "$STUB_FOLDER/hangs"
    exec sleep 60
fi
while IFS=$'\x1f' read -r -d $'\x1e' start output code; do
    if [[ "$call" == "$start"* ]]; then
        printf '%s' "$output"
        exit "$code"
    fi
done <"$STUB_FOLDER/answers"
case $call in
*kubernetes\\.io/revision*)
    applied=$(tr '\036' '\n' <"$STUB_FOLDER/calls" | grep --count $'^kubectl apply --kustomize k8s/rendered\x1f')
    revision=$((7 + applied))
    if [[ "$call" == *" get replicasets "* ]]; then
        for ((number = 1; number <= revision; number++)); do echo "hash-$number $number"; done
    else
        echo "$revision"
    fi
    ;;
esac
