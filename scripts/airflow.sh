#!/usr/bin/env bash
# Airflow with the trading day's DAG: `scripts/airflow.sh standalone`, or any other command of Airflow's; `python …` for
# its Python. Its environment is made first where it is not there, or of other packages than requirements-airflow.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.cache/airflow
LISTS=(requirements-build.txt requirements-airflow.txt)
fingerprint=$(sha256sum "${LISTS[@]}" | sha256sum)
if [ "$(cat $VENV/setup.stamp 2>/dev/null)" != "$fingerprint" ]; then
    echo "airflow: its packages into $VENV …" >&2
    rm -rf $VENV
    .venv/bin/python -m venv $VENV
    pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes)
    "${pip[@]}" -r requirements-build.txt
    "${pip[@]}" --only-binary :all: -r requirements-airflow.txt
    echo "$fingerprint" >$VENV/setup.stamp
fi

export PATH=$PWD/$VENV/bin:$PATH PYTHONPATH=$PWD
export AIRFLOW_HOME=${AIRFLOW_HOME:-$PWD/.cache/airflow-home}
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/orchestration/dags
export AIRFLOW__CORE__PLUGINS_FOLDER=$PWD/orchestration/plugins
export AIRFLOW__CORE__LOAD_EXAMPLES=false
[ "${1:-}" != python ] || exec "$@"
exec airflow "$@"
