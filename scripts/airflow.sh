#!/usr/bin/env bash
# Airflow with the trading day's DAG: `scripts/airflow.sh standalone`, or any other command of Airflow's; `python …` for
# its Python. Its environment is made first where it is not there, or of other packages than requirements-airflow.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.cache/airflow
fingerprint=$(sha256sum requirements-airflow.txt)
if [ "$(cat $VENV/setup.stamp 2>/dev/null)" != "$fingerprint" ]; then
    [ -x .venv/bin/uv ] || { echo "airflow: run \`make setup\` first, which installs uv" >&2 && exit 1; }
    echo "airflow: its packages into $VENV …" >&2
    rm -rf $VENV
    .venv/bin/python -m venv --without-pip $VENV
    # uv: in a fifth of the time that pip takes.
    .venv/bin/uv pip install --quiet --python $VENV/bin/python --require-hashes --only-binary :all: \
        --requirements requirements-airflow.txt
    echo "$fingerprint" >$VENV/setup.stamp
fi

export PATH=$PWD/$VENV/bin:$PATH PYTHONPATH=$PWD
export AIRFLOW_HOME=${AIRFLOW_HOME:-$PWD/.cache/airflow-home}
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/orchestration/dags
export AIRFLOW__CORE__PLUGINS_FOLDER=$PWD/orchestration/plugins
export AIRFLOW__CORE__LOAD_EXAMPLES=false
[ "${1:-}" != python ] || exec "$@"
exec airflow "$@"
