package history

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"proscenium/scenes/source"
)

// View is a history as it was at one instant. It never changes; any goroutine may use it. The zero value is empty.
type View struct {
	entries []*entry
	store   *Store
	turn    int64
}

var (
	// ErrUnknown says that a version is not kept.
	ErrUnknown = errors.New("the version is not kept")
	// ErrPageToken says that a token is none that Page returned.
	ErrPageToken = errors.New("the page token is none of this list")
)

// Len is how many versions are kept.
func (v View) Len() int { return len(v.entries) }

// Versions are all that are kept, the one that served last first.
func (v View) Versions() []Version {
	all := make([]Version, len(v.entries))
	for i, e := range v.entries {
		all[i] = e.Version
	}
	return all
}

// Find returns a version that is kept.
func (v View) Find(version string) (Version, bool) {
	if e := v.find(version); e != nil {
		return e.Version, true
	}
	return Version{}, false
}

func (v View) find(version string) *entry {
	for _, e := range v.entries {
		if e.Version.Version == version {
			return e
		}
	}
	return nil
}

// Files are those of a version that is kept. They must not be changed. The error is ErrUnknown, or says why they cannot be read from disk.
func (v View) Files(version string) ([]source.File, error) {
	e := v.find(version)
	switch {
	case e == nil:
		return nil, ErrUnknown
	case e.files != nil || v.store == nil:
		return e.files, nil
	}
	_, files, err := v.store.read(version)
	return files, err
}

// Page is a part of the list of versions, and the token of the next; empty: there is none. The pages of a list are the versions as they
// stood when it began: one that begins to serve meanwhile keeps its place, and new ones are left out.
func (v View) Page(size int, token string) (page []Version, next string, err error) {
	asOf, below := v.turn, v.turn+1
	if token != "" {
		if asOf, below, err = parseToken(token); err != nil {
			return nil, "", err
		}
	}
	type place struct {
		version Version
		turn    int64
	}
	var list []place
	for _, e := range v.entries {
		at := int64(-1)
		for _, turn := range e.turns {
			if turn <= asOf {
				at = turn
			}
		}
		if at >= 0 && at < below {
			list = append(list, place{e.Version, at})
		}
	}
	slices.SortStableFunc(list, func(a, b place) int { return cmp.Compare(b.turn, a.turn) })
	for i, p := range list {
		if i == size {
			return page, pageToken(asOf, list[i-1].turn), nil
		}
		page = append(page, p.version)
	}
	return page, "", nil
}

// pageToken is opaque to those who hold it.
func pageToken(asOf, below int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "v%d.%d", asOf, below))
}

func parseToken(token string) (asOf, below int64, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, 0, ErrPageToken
	}
	if _, err := fmt.Sscanf(string(text), "v%d.%d", &asOf, &below); err != nil || pageToken(asOf, below) != token || asOf < 0 || below < 0 || below > asOf {
		return 0, 0, ErrPageToken
	}
	return asOf, below, nil
}
