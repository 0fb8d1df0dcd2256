"""The trading day as a DAG of Airflow 3: `dags/market_day.py`. Its environment is one of its own: `make airflow`."""
