"""Tests of the trading day, in Airflow's environment: `make airflow`."""
