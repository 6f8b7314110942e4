# A replica of the causal store, as the course's tests start it:
#
#   docker build -t clocklab .
#   docker run -p 8090:8090 -e SOCKET_ADDRESS=10.10.0.2:8090 -e VIEW=10.10.0.2:8090,10.10.0.3:8090 --net … clocklab
#   docker run -p 8081:8081 -e NODE_IDENTIFIER=0 --net … clocklab
#
# The course's tests know no secrets, so it runs with --insecure, and says so: whoever reaches its port may read, write
# and join. Mount a volume on /data for data that outlive the container.
FROM rust:1-slim-bookworm AS build
WORKDIR /clocklab
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
RUN cargo build --release --locked --bin clocklab

FROM debian:bookworm-slim
COPY --from=build /clocklab/target/release/clocklab /usr/local/bin/clocklab
VOLUME /data
EXPOSE 8090 8081
ENTRYPOINT ["clocklab", "kv", "replica", "--insecure", "--data", "/data"]
