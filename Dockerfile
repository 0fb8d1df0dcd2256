# The driver, and the executors that it starts: Spark from its official image on the Python that the tests run on
# (Spark's own image has Ubuntu 22.04's 3.10, and the service needs 3.11).

ARG SPARK_VERSION=4.1.4

FROM apache/spark:${SPARK_VERSION}-scala2.13-java17-python3-ubuntu AS spark

FROM python:3.11.14-slim-bookworm AS packages
COPY requirements-image.txt /
RUN python3 -m venv --without-pip /opt/venv \
    && python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: -r /requirements-image.txt
COPY --from=spark /opt/spark/python /opt/spark/python
# PySpark and py4j are the ones that belong to Spark's JARs, not others of PyPI.
RUN printf '%s\n' /opt/spark/python /opt/spark/python/lib/py4j-*-src.zip \
        > /opt/venv/lib/python3.11/site-packages/spark.pth

FROM python:3.11.14-slim-bookworm
RUN groupadd --system --gid 185 spark \
    && useradd --system --uid 185 --gid spark --no-create-home --home-dir /nonexistent spark \
    && apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless=17.* procps=2:4.* tini=0.19.* \
    && rm -rf /var/lib/apt/lists/* \
    && rm -rf /usr/local/lib/python3.11/site-packages/* /usr/local/bin/pip* /usr/local/bin/wheel
COPY --from=spark /opt/spark/jars /opt/spark/jars
COPY --from=spark /opt/spark/bin /opt/spark/bin
COPY --from=spark /opt/spark/python /opt/spark/python
COPY --from=spark /opt/spark/RELEASE /opt/spark/RELEASE
COPY --from=spark /opt/entrypoint.sh /opt/
COPY --from=packages /opt/venv /opt/venv
COPY . /app
# The root is read-only where it runs: what Python would compile then is compiled now.
RUN /opt/venv/bin/python -m compileall -q /app /opt/spark/python
ENV PATH=/opt/venv/bin:/opt/spark/bin:$PATH \
    SPARK_HOME=/opt/spark \
    PYSPARK_PYTHON=/opt/venv/bin/python \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 185:185
# Executors are started with the argument `executor`. Anything else is run as it is, and SIGTERM goes to Python alone.
ENTRYPOINT ["/opt/entrypoint.sh"]
CMD ["/usr/bin/tini", "--", "python", "stream_consumer.py"]
