SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := $(CURDIR)/.build/bin

.PHONY: run test servers etcd redis bench lint generate check-generated tools clean

# run: the reference marketplace on embedded parts, on http://127.0.0.1:8080; an edit under configs/ takes effect at once
run:
	go run ./cmd/proscenium serve --config configs

# test: all tests, with the race detector; installs and starts the servers that some need where it can, see servers
test:
	@$(MAKE) -s servers || true
	go vet ./...
	go test -race ./...
	@command -v etcd >/dev/null || echo "NOT RUN: the tests of configuration in etcd, for none is installed" >&2
	@command -v redis-server >/dev/null || echo "NOT RUN: the tests of a Redis that is killed, stalled or shared, for none is installed" >&2

# servers: what some tests run or ask. Without them they say that they did not run, and fail where CI=true
servers:
	@command -v etcd >/dev/null || $(MAKE) -s etcd
	@$(MAKE) -s redis

# etcd: some tests run etcd; here it is installed, by root on Debian. Without it they say that they did not run, and fail where CI=true
etcd:
	@command -v etcd || { [ "$$(id -u)" = 0 ] && apt-get update && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends etcd-server; } || \
	  { echo "etcd is not installed, and can't be from here; on Debian: apt-get install etcd-server" >&2; exit 1; }

# redis: tests share one on 127.0.0.1:6379 (or PROSCENIUM_TEST_REDIS), each below a prefix of its own, and run others themselves
redis:
	@command -v redis-server >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; } || \
	  { echo "redis-server is not installed, and can't be from here; on Debian: apt-get install redis-server" >&2; exit 1; }
	@[ -n "$${PROSCENIUM_TEST_REDIS:-}" ] || redis-cli -h 127.0.0.1 ping >/dev/null 2>&1 || \
	  redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save "" --appendonly no --dir /tmp >/dev/null

# bench: what prices and reloads cost, as ratios against a baseline of the same run; about four minutes
bench:
	go test -run '^$$' -bench . -benchtime 500ms ./bench

# lint: golangci-lint and buf lint, pinned in tools/go.mod
lint: tools protovalidate
	$(BIN)/golangci-lint run ./...
	$(BIN)/buf lint proto

# generate: everything that is generated and committed (gen/, the image of the configuration schema, and what is made from it)
generate: tools protovalidate
	rm -rf gen
	$(BIN)/buf generate --template buf.gen.yaml
	$(BIN)/buf generate --template buf.gen.vt.yaml
	$(BIN)/gofumpt -w gen
	$(BIN)/buf build . --path proto/proscenium/config --path proto/proscenium/scenetest --path proto/proscenium/pricing --as-file-descriptor-set --exclude-imports -o scenes/schema/config.binpb
	go test ./scenes/schema -run GeneratedFilesAreCurrent -update

# check-generated: fails when a committed generated file is not what `make generate` makes
GENERATED := gen scenes/schema/config.binpb docs/reference/configuration.md configs/bundle.schema.json configs/test.schema.json
check-generated: generate
	@if [ -n "$$(git status --porcelain -- $(GENERATED))" ]; then git status --short -- $(GENERATED); \
	  echo "generated files are not current: run 'make generate' and commit" >&2; exit 1; fi

tools: .build/bin/.made

.build/bin/.made: tools/go.mod tools/go.sum
	mkdir -p $(BIN)
	cd tools && go build -o $(BIN)/ tool
	touch $@

# The schema of the validation rules comes from the module cache, so that generation needs no registry of its own.
PROTOVALIDATE := github.com/bufbuild/protovalidate@v1.2.2
.PHONY: protovalidate
protovalidate:
	@dir=$$(go mod download -json $(PROTOVALIDATE) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p'); \
	  install -D -m 0644 "$$dir/proto/protovalidate/buf/validate/validate.proto" .build/protovalidate/buf/validate/validate.proto

clean:
	rm -rf .build
