package assembly_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// keysOf writes down every key below a prefix, with its value and what is left of its life. It leaves out:
//
//   - the texts of epochs and marks of caches, which are random, wherever they stand, with the checksums over them;
//   - the ids of messages, and who sent them;
//   - unless exact, times: Redis has a clock of its own. Counts are then given as they stand; windows are so long that none changes with time.
func keysOf(ctx context.Context, address, prefix string, exact bool) ([]string, error) {
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	keys, err := client.Keys(ctx, prefix+"*").Result()
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	out := make([]string, len(keys))
	for i, key := range keys {
		left, err := client.PTTL(ctx, key).Result()
		if err != nil {
			return nil, err
		}
		if !exact {
			left = left.Round(time.Hour)
		}
		value, err := valueOf(ctx, client, key, strings.TrimPrefix(key, prefix), exact)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out[i] = fmt.Sprintf("key %q for %v: %s", strings.TrimPrefix(key, prefix), left, value)
	}
	return out, nil
}

func valueOf(ctx context.Context, client *redis.Client, full, key string, exact bool) (string, error) {
	kind, err := client.Type(ctx, full).Result()
	if err != nil {
		return "", err
	}
	switch kind {
	case "string":
		text, err := client.Get(ctx, full).Result()
		switch {
		case err != nil:
			return "", err
		case key == "prices:epoch" || strings.HasPrefix(key, "prices:purged:"):
			return "a text of its own", nil
		case strings.HasPrefix(key, "prices:"):
			return cachedValue([]byte(text), exact)
		}
		return timeless(text, exact), nil
	case "list":
		entries, err := client.LRange(ctx, full, 0, -1).Result()
		return listValue(entries, exact), err
	case "hash":
		fields, err := client.HGetAll(ctx, full).Result()
		return fmt.Sprintf("%q", fields), err
	case "stream":
		messages, err := client.XRange(ctx, full, "-", "+").Result()
		if err != nil {
			return "", err
		}
		var b strings.Builder
		for _, m := range messages {
			delete(m.Values, "from")
			fmt.Fprint(&b, m.Values, " ")
		}
		return b.String(), nil
	}
	return "", errors.New("a key of type " + kind)
}

var instant = regexp.MustCompile(`\b\d{15,}\b`)

// timeless is a text without its times, which are microseconds. Of GCRA, whose levels are grains that time takes away, whole requests are told.
func timeless(text string, exact bool) string {
	if exact {
		return text
	}
	const grain = 1 << 20
	words := strings.Fields(instant.ReplaceAllString(text, "T"))
	if len(words) == 3 && words[2] == "T" {
		for i := range 2 {
			if n, err := strconv.ParseInt(words[i], 10, 64); err == nil {
				words[i] = fmt.Sprint((n+grain-1)/grain, " requests")
			}
		}
	}
	return strings.Join(words, " ")
}

// listValue is the entries of a sliding window; without times, how many requests they are: those near one another are one entry.
func listValue(entries []string, exact bool) string {
	if exact {
		return strings.Join(entries, ", ")
	}
	total := int64(0)
	for _, e := range entries {
		n, err := strconv.ParseInt(e[strings.LastIndexByte(e, ' ')+1:], 10, 64)
		if err != nil {
			return "no sliding window: " + e
		}
		total += n
	}
	return fmt.Sprint(total, " requests")
}

// cachedValue is an entry of a cache: an encoding, a checksum, when it was loaded, the epoch and the mark, and the models.
func cachedValue(b []byte, exact bool) (string, error) {
	const head = 9
	if len(b) < head {
		return "", errors.New("it is short")
	}
	b = b[head:]
	loaded, n := binary.Varint(b)
	b = b[max(n, 0):]
	marked := false
	for i := range 2 {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return "", errors.New("it is no entry of a cache")
		}
		b, marked = b[n+int(length):], i == 1 && length > 0
	}
	if !exact {
		loaded = 0
	}
	return fmt.Sprintf("loaded %d marked %v %x", loaded, marked, b), nil
}
