"""Stands for `aws`, `eksctl`, `kubectl`, `docker`, `git` and `make`: notes its call, and answers as it was told to.

$STUB_FOLDER/answers.json: a list of [start of the call, standard output, exit code]; the first that fits counts, and an
empty answer with 0 where none does. $STUB_FAILS: the number of the call that fails. What `kubectl apply --kustomize`
would send is made by the real kubectl, $REAL_KUBECTL.
"""

import json
import os
import sys

CALLS = f"{os.environ['STUB_FOLDER']}/calls"
ANSWERS = f"{os.environ['STUB_FOLDER']}/answers.json"
READS_INPUT = ("--password-stdin", "--filename -")


def main() -> int:
    call = " ".join([sys.argv[0].rpartition("/")[2], *sys.argv[1:]])
    noted = {"call": call}
    if any(how in call for how in READS_INPUT):
        noted["input"] = sys.stdin.read()
    real = os.environ.get("REAL_KUBECTL")
    if real and call.startswith("kubectl apply --kustomize"):
        with os.popen(f"{real} kustomize {sys.argv[3]} 2>&1") as built:
            noted["manifests"] = built.read()
    with open(CALLS, "a+") as calls:  # noqa: PTH123 - pathlib takes as long to import as all of this
        calls.write(json.dumps(noted) + "\n")
        calls.seek(0)
        number = len(calls.readlines())
    if str(number) == os.environ.get("STUB_FAILS"):
        sys.stderr.write(f"{call.split()[0]}: this call fails\n")
        return 7
    with open(ANSWERS) as answers:  # noqa: PTH123
        for start, output, code in json.load(answers):
            if call.startswith(start):
                sys.stdout.write(output)
                return int(code)
    return 0


sys.exit(main())
