# The provider in one container:
#
#   docker build -t hilum .
#   docker run -d --name hilum -v hilum:/data -p 127.0.0.1:8080:8080 \
#     -e IDP_ISSUER=https://login.your-hospital.org \
#     -e IDP_TRUSTED_PROXIES=172.16.0.0/12 hilum
#   docker exec hilum idp setup-link
#
# A proxy in front adds TLS; or give IDP_TLS_CERT_FILE and IDP_TLS_KEY_FILE.
# Without FCM the program is little more than half as large: docker build --target slim -t hilum .

FROM golang:1.26-bookworm AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=development COMMIT= DATE=
ENV BUILD_FLAGS="-s -w -X main.version=${VERSION} -X main.commit=${COMMIT} -X main.date=${DATE}"

FROM source AS build
RUN go build -trimpath -buildvcs=false -ldflags "${BUILD_FLAGS}" -o /idp ./cmd/idp

FROM source AS build-slim
RUN go build -trimpath -buildvcs=false -tags nofcm -ldflags "${BUILD_FLAGS}" -o /idp ./cmd/idp

# SQLite needs a C library; signatures are three times as fast with libssl3.
FROM debian:bookworm-slim AS base
RUN apt-get update \
	&& apt-get install -y --no-install-recommends ca-certificates libssl3 tzdata \
	&& rm -rf /var/lib/apt/lists/* \
	&& useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin idp \
	&& install -d -o idp -g idp -m 0700 /data
COPY LICENSE NOTICE /usr/share/doc/hilum/
USER idp
WORKDIR /data
ENV IDP_DATA_DIR=/data IDP_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["idp", "healthcheck"]
ENTRYPOINT ["idp"]
CMD ["serve"]

FROM base AS slim
COPY --from=build-slim /idp /usr/local/bin/idp

FROM base
COPY --from=build /idp /usr/local/bin/idp
