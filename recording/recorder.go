package recording

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// Observer counts, for metrics. It is called by many goroutines at once.
type Observer interface {
	// RequestsRecorded is called when lines are in a file, with their number and size.
	RequestsRecorded(requests, bytes int)
	// RequestDropped is called for each sampled request that was not recorded because too many were waiting.
	RequestDropped()
	// RecordingFailed is called for each error of files, with the number of requests that it cost, which may be 0.
	RecordingFailed(requests int)
}

// Options say what is recorded, and where.
type Options struct {
	// SampleRatio is the share of requests that are recorded, above 0 and at most 1.
	SampleRatio float64
	// Directory takes the files; it is made where it is missing, for the owner alone.
	Directory string
	// MaxBytes bounds the files of the directory together, also those of earlier processes: the oldest are deleted. Processes that share a
	// directory may be above it, each by RotateBytes.
	MaxBytes int64
	// RotateBytes bounds one file, and so the longest line; at most half of MaxBytes.
	RotateBytes int64
	// MaxAge is how long a line is kept at most; 0: for ever.
	MaxAge time.Duration
	// Pseudonyms stand for the users.
	Pseudonyms *Pseudonyms
	// Random draws 64 random bits; it is called by many goroutines at once.
	Random   func() uint64
	Now      func() time.Time
	Log      *slog.Logger
	Observer Observer
}

func (o *Options) check() error {
	switch {
	case !(o.SampleRatio > 0 && o.SampleRatio <= 1):
		return fmt.Errorf("sample ratio %v is not above 0 and at most 1", o.SampleRatio)
	case o.RotateBytes <= 0 || o.MaxBytes/2 < o.RotateBytes:
		return fmt.Errorf("files of %d bytes do not fit twice into %d bytes", o.RotateBytes, o.MaxBytes)
	case o.MaxAge < 0:
		return fmt.Errorf("the age of %v is negative", o.MaxAge)
	}
	return nil
}

// What may wait for the writer: enough for a pause of the disk of some tenths of a second at full load, and little memory.
const (
	maxWaiting      = 8192
	maxWaitingBytes = 16 << 20
)

// Recorder records a sample of requests. It is safe for concurrent use. A request never waits for it.
type Recorder struct {
	// threshold is the highest random number that is sampled.
	threshold uint64
	random    func() uint64
	observer  Observer

	queue   chan sample
	waiting atomic.Int64 // bytes in the queue
	dropped atomic.Int64

	ending sync.Once
	end    chan struct{} // closed when no more is to be recorded
	writer *writer
	over   chan struct{} // closed when the writer takes no more
	ended  chan struct{} // closed when the writer has ended
	err    error         // of the end; read it after ended
}

// sample is a request that waits to be written: encoded, so that it does not change and its size is known.
type sample struct {
	at      time.Time
	client  string
	request []byte
}

// Start makes the directory, checks that files can be made in it, and starts the goroutine that writes them. Close ends it.
func Start(opts Options) (*Recorder, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("record requests: %w", err)
	}
	if err := prepare(opts.Directory); err != nil {
		return nil, fmt.Errorf("record requests: %w", err)
	}
	r := &Recorder{
		threshold: threshold(opts.SampleRatio), random: opts.Random, observer: opts.Observer,
		queue: make(chan sample, maxWaiting), end: make(chan struct{}), over: make(chan struct{}), ended: make(chan struct{}),
		writer: newWriter(opts),
	}
	go r.run()
	return r, nil
}

// prepare makes the directory and a file in it, which tells of what is wrong before the first request.
func prepare(directory string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(directory, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func threshold(ratio float64) uint64 {
	if ratio >= 1 {
		return math.MaxUint64
	}
	return uint64(math.Ldexp(ratio, 64))
}

// Sample decides whether a request is recorded, each for itself: so every request stands for as many others, whoever sent it.
func (r *Recorder) Sample() bool { return r.random() <= r.threshold }

// Record takes a copy of a valid request of a client, empty where access is open, that was priced at an instant. Where too many are waiting,
// or the recorder has ended, the request is dropped and counted.
func (r *Recorder) Record(at time.Time, client string, req *pricingv1.GetPromotionInfoRequest) {
	size := int64(req.SizeVT())
	if r.waiting.Add(size) > maxWaitingBytes {
		r.drop(size)
		return
	}
	request, err := req.MarshalVT()
	if err != nil {
		r.drop(size) // what came in can be encoded; whatever this is, it is none of the request's business
		return
	}
	select {
	case <-r.end:
		r.drop(size)
		return
	default:
	}
	r.enqueue(sample{at, client, request})
}

// enqueue hands a sample to the writer, which may have ended since Record asked.
func (r *Recorder) enqueue(s sample) {
	select {
	case r.queue <- s:
		select {
		case <-r.over:
			r.dropWaiting()
		default: // the writer takes it, or drops it when it ends
		}
	default:
		r.drop(int64(len(s.request)))
	}
}

// dropWaiting drops what nobody will write.
func (r *Recorder) dropWaiting() {
	for {
		select {
		case s := <-r.queue:
			r.drop(int64(len(s.request)))
		default:
			return
		}
	}
}

func (r *Recorder) drop(size int64) {
	r.waiting.Add(-size)
	r.dropped.Add(1)
	r.observer.RequestDropped()
}

// Close writes what is waiting and ends the writer. Its error is that of the last lines.
func (r *Recorder) Close() error {
	r.ending.Do(func() { close(r.end) })
	<-r.ended
	return r.err
}

// flushEvery is how long a line waits in memory at most: what a crash loses.
const flushEvery = time.Second

// run writes what comes until the end.
func (r *Recorder) run() {
	defer func() {
		close(r.over)
		r.dropWaiting() // what came after the last look; later ones are dropped by who brings them
		close(r.ended)
	}()
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case s := <-r.queue:
			r.write(s)
		case <-ticker.C:
			_ = r.writer.flush() // counted and logged there
			r.writer.keepHouse(r.dropped.Load())
		case <-r.end:
			for {
				select {
				case s := <-r.queue:
					r.write(s)
					continue
				default:
				}
				r.err = r.writer.close()
				return
			}
		}
	}
}

func (r *Recorder) write(s sample) {
	r.waiting.Add(-int64(len(s.request)))
	r.writer.add(s)
}
