package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"proscenium/scenes/source"
)

// marker is a key below the prefix, which is no file: the version that was published last. Every publication writes it, so that of two at once
// one fails, and it shows where a configuration begins.
const marker = ".version"

// write is how long a publication may take.
const write = 10 * time.Second

// ErrConflict says that somebody else wrote to the configuration between plan and publication. Nothing was written.
var ErrConflict = errors.New("somebody else changed the configuration in etcd meanwhile; nothing was written: look at what is there, and publish again")

// Publisher writes configurations to etcd, each whole, or not at all.
type Publisher struct {
	address Address
	client  *clientv3.Client
}

// NewPublisher makes a Publisher for an address. It does not connect yet.
func NewPublisher(a Address) (*Publisher, error) {
	client, err := newClient(a)
	if err != nil {
		return nil, err
	}
	return &Publisher{address: a, client: client}, nil
}

// Close ends the connection.
func (p *Publisher) Close() error { return p.client.Close() }

// Plan is what a publication changes.
type Plan struct {
	// Before are the files that are there, Marked is the version that was published last, if any was.
	Before []source.File
	Marked string
	// Added, Changed and Removed are names of files, in order.
	Added, Changed, Removed []string

	files    []source.File
	revision int64 // at which this was read
}

// Empty says that what is there is what there should be.
func (p *Plan) Empty() bool { return len(p.Added)+len(p.Changed)+len(p.Removed) == 0 }

// Plan reads what is there, and says what files change if those given take its place.
func (p *Publisher) Plan(ctx context.Context, files []source.File) (*Plan, error) {
	read, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	prefix := p.address.Prefix
	there, err := p.client.Get(read, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, p.failed(ctx, "read what is there", err)
	}
	plan := &Plan{files: files, revision: there.Header.GetRevision()}
	before := make(map[string]string)
	for _, kv := range there.Kvs {
		name := strings.TrimPrefix(string(kv.Key), prefix)
		switch {
		case name == marker:
			plan.Marked = string(kv.Value)
		case strings.HasSuffix(name, "/"+marker):
			return nil, fmt.Errorf("below %s there is another configuration, at %s; one can't hold another: choose a prefix beside it",
				prefix, strings.TrimSuffix(string(kv.Key), marker))
		case source.IsPart(name):
			before[name] = string(kv.Value)
			plan.Before = append(plan.Before, source.File{Name: name, Data: kv.Value})
		}
	}
	if err := p.free(read); err != nil {
		return nil, err
	}
	for _, f := range files {
		value, is := before[f.Name]
		switch {
		case !is:
			plan.Added = append(plan.Added, f.Name)
		case value != string(f.Data):
			plan.Changed = append(plan.Changed, f.Name)
		}
		delete(before, f.Name)
	}
	for name := range before {
		plan.Removed = append(plan.Removed, name)
	}
	for _, names := range [][]string{plan.Added, plan.Changed, plan.Removed} {
		slices.Sort(names)
	}
	return plan, nil
}

// free refuses a prefix inside another configuration, whose readers would read both as one.
func (p *Publisher) free(ctx context.Context) error {
	outer := strings.TrimSuffix(p.address.Prefix, "/")
	for {
		outer = outer[:strings.LastIndexByte(outer, '/')+1]
		found, err := p.client.Get(ctx, outer+marker, clientv3.WithCountOnly())
		switch {
		case err != nil:
			return p.failed(ctx, "read what is there", err)
		case found.Count > 0:
			return fmt.Errorf("%s is inside another configuration, at %s; one can't hold another: choose a prefix beside it", p.address.Prefix, outer)
		case outer == "/":
			return nil
		}
		outer = strings.TrimSuffix(outer, "/")
	}
}

// Publish writes what the plan says in one transaction, under the name of version, if nobody wrote there since; or ErrConflict. It returns etcd's
// revision of it. Readers find what was there before, or all of this. An empty plan writes nothing.
func (p *Publisher) Publish(ctx context.Context, plan *Plan, version string) (revision int64, err error) {
	if plan.Empty() {
		return plan.revision, nil
	}
	ops, size := p.operations(plan, version)
	ctx, cancel := context.WithTimeout(ctx, write)
	defer cancel()
	done, err := p.client.Txn(ctx).
		// Every key below the prefix is as old as it was: also one that was not there.
		If(clientv3.Compare(clientv3.ModRevision(p.address.Prefix), "<", plan.revision+1).WithPrefix()).
		Then(ops...).
		Commit()
	switch {
	case err != nil:
		return 0, p.refused(ctx, err, len(ops), size)
	case !done.Succeeded:
		return 0, ErrConflict
	}
	stored := done.Responses[len(done.Responses)-1].GetResponseRange().GetKvs()
	return done.Header.GetRevision(), complete(stored, p.address.Prefix, plan)
}

// operations are the writes, and last a look at the names of what is there then.
func (p *Publisher) operations(plan *Plan, version string) (ops []clientv3.Op, size int) {
	prefix := p.address.Prefix
	put := func(name, text string) {
		ops = append(ops, clientv3.OpPut(prefix+name, text))
		size += len(prefix) + len(name) + len(text)
	}
	for _, f := range plan.files {
		_, added := slices.BinarySearch(plan.Added, f.Name)
		_, changed := slices.BinarySearch(plan.Changed, f.Name)
		if added || changed {
			put(f.Name, string(f.Data))
		}
	}
	for _, name := range plan.Removed {
		ops = append(ops, clientv3.OpDelete(prefix+name))
	}
	put(marker, version)
	return append(ops, clientv3.OpGet(prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())), size
}

// complete finds files that were deleted since the plan: a deletion leaves nothing that the condition of the transaction could see.
func complete(stored []*mvccpb.KeyValue, prefix string, plan *Plan) error {
	there := make(map[string]bool, len(stored))
	for _, kv := range stored {
		there[strings.TrimPrefix(string(kv.Key), prefix)] = true
	}
	var lost []string
	for _, f := range plan.files {
		if !there[f.Name] {
			lost = append(lost, f.Name)
		}
	}
	if lost != nil {
		return fmt.Errorf("published, but somebody deleted %s meanwhile; publish again to put it back", strings.Join(lost, ", "))
	}
	return nil
}

// refused words why a transaction was not done.
func (p *Publisher) refused(ctx context.Context, err error, ops, size int) error {
	code := codeOf(err)
	switch {
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("nothing was written: this takes %d operations in one transaction, more than this etcd allows; start it with --max-txn-ops=%d or more "+
			"(its default is 128), or join files: a bundle may have few and large ones", ops, ops)
	case errors.Is(err, rpctypes.ErrRequestTooLarge), code == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max"):
		return fmt.Errorf("nothing was written: this takes a transaction of %d bytes and more, larger than this etcd allows; start it with a larger "+
			"--max-request-bytes (its default is 1572864)", size)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return errors.New("nothing was written: etcd is full; compact and defragment it, or raise --quota-backend-bytes")
	case ctx.Err() != nil, away(err, code):
		return fmt.Errorf("it is not known whether this was written: %w; publish again, which writes nothing if it was", p.failed(ctx, "publish", err))
	}
	return fmt.Errorf("nothing was written: %w", p.failed(ctx, "publish", err))
}

func (p *Publisher) failed(ctx context.Context, what string, err error) error {
	message, hint := p.address.explain(context.WithoutCancel(ctx), err)
	if hint != "" {
		message += " (" + hint + ")"
	}
	return fmt.Errorf("%s: %s: %s", p.address, what, message)
}
