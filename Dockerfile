# SPDX-License-Identifier: Apache-2.0
# Two stages on Debian 12.  The spawner needs privileges at run time (README, "In a container"); the API
# process drops to the user wardian before it listens.
ARG BASE=debian:12-slim
FROM ${BASE} AS build
COPY deploy/packages deploy/install-packages /src/deploy/
RUN /src/deploy/install-packages build
COPY CMakeLists.txt CMakePresets.json LICENSE /src/
COPY src /src/src
COPY include /src/include
COPY migrations /src/migrations
COPY deploy /src/deploy
RUN cd /src && cmake --preset release -DCMAKE_INSTALL_PREFIX=/usr && cmake --build --preset release \
    && DESTDIR=/out cmake --install build/release --strip

FROM ${BASE}
COPY deploy/packages deploy/install-packages deploy/make-user /opt/wardian/
RUN /opt/wardian/install-packages runtime run demo simulators && /opt/wardian/make-user \
    && rm -rf /var/lib/apt/lists/* /opt/wardian
COPY --from=build /out /
VOLUME /var/lib/wardian
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["wardian", "status"]
ENTRYPOINT ["/usr/bin/wardiand"]
CMD ["serve"]
