SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := $(CURDIR)/.build/bin

.PHONY: run test bench lint generate check-generated tools clean

# run: the reference marketplace on embedded parts, on http://127.0.0.1:8080
run:
	go run ./cmd/proscenium serve

# test: all tests, with the race detector
test:
	go vet ./...
	go test -race ./...

# lint: golangci-lint and buf lint, pinned in tools/go.mod
lint: tools protovalidate
	$(BIN)/golangci-lint run ./...
	$(BIN)/buf lint proto

# generate: everything that is generated and committed (gen/)
generate: tools protovalidate
	rm -rf gen
	$(BIN)/buf generate --template buf.gen.yaml
	$(BIN)/buf generate --template buf.gen.vt.yaml
	$(BIN)/gofumpt -w gen

# check-generated: fails when a committed generated file is not what `make generate` makes
check-generated: generate
	@if [ -n "$$(git status --porcelain -- gen)" ]; then git status --short -- gen; \
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
