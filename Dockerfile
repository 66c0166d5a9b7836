# One image for every service, the sandbox gateway and the command quadrille.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY shared shared
COPY services services
COPY sandbox sandbox
COPY simulation simulation
COPY stack stack
COPY cli cli
RUN python -m venv /opt/quadrille \
    && /opt/quadrille/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
    && rm -rf /opt/quadrille/lib/python3.13/site-packages/pip*

FROM python:3.13-slim
COPY --from=build /opt/quadrille /opt/quadrille
ENV PATH=/opt/quadrille/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN mkdir -p /var/lib/quadrille && chown 10001:10001 /var/lib/quadrille
USER 10001:10001
WORKDIR /var/lib/quadrille
CMD ["quadrille", "--help"]
