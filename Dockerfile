# Two images: the product (every service and the command quadrille), and with it the sandbox gateway.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY shared shared
COPY services services
COPY cli cli
RUN python -m venv /opt/quadrille \
    && /opt/quadrille/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
    && rm -rf /opt/quadrille/lib/python3.13/site-packages/pip*

FROM python:3.13-slim AS product
COPY --from=build /opt/quadrille /opt/quadrille
ENV PATH=/opt/quadrille/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN mkdir -p /var/lib/quadrille && chown 10001:10001 /var/lib/quadrille
USER 10001:10001
WORKDIR /var/lib/quadrille
CMD ["quadrille", "--help"]

FROM product AS sandbox
COPY devstack/__init__.py /opt/sandbox/devstack/
COPY devstack/sandbox /opt/sandbox/devstack/sandbox
ENV PYTHONPATH=/opt/sandbox
CMD ["python", "-m", "devstack.sandbox", "--help"]

FROM product
