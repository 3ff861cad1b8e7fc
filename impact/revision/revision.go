// Package revision reads a directory as it is at a revision of a Git repository, with the git command.
package revision

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
)

// prefix begins the names of revisions.
const prefix = "git:"

// maxBytes bounds what is unpacked.
const maxBytes = 1 << 30

// Is says whether a name is that of a revision: git:REV or git:REV:PATH, with PATH as git has it, from the root of the repository.
func Is(name string) bool { return strings.HasPrefix(name, prefix) }

// Directory is a directory of a revision, unpacked to a temporary place.
type Directory struct {
	FS fs.FS
	at string
}

// Close removes it.
func (d *Directory) Close() error { return os.RemoveAll(d.at) }

// Open unpacks a directory of a revision of the repository that the working directory is in. A file is a directory that has only it.
func Open(ctx context.Context, name string) (*Directory, error) {
	rev, dir, hasDir := strings.Cut(strings.TrimPrefix(name, prefix), ":")
	if rev == "" || strings.HasPrefix(rev, "-") {
		return nil, fmt.Errorf("%s: name a revision, as in git:main or git:main:configs", name)
	}
	tree := rev + "^{tree}"
	if dir = strings.Trim(path.Clean("/"+dir), "/"); hasDir && dir != "" {
		tree = rev + ":" + dir
	}
	// The contents of a tree stand at the root of its archive.
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", tree) //nolint:gosec // it is no option, and no shell reads it
	cmd.Dir = top(ctx)
	var archive, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &bounded{buffer: &archive}, &problem
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(problem.String()); text != "" {
			err = errors.New(text)
		}
		return nil, fmt.Errorf("%s: git: %w", name, err)
	}
	at, err := os.MkdirTemp("", "proscenium-diff-")
	if err != nil {
		return nil, err
	}
	d := &Directory{FS: os.DirFS(at), at: at}
	if err := unpack(at, tar.NewReader(&archive)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), d.Close())
	}
	return d, nil
}

// top is the way to the root of the working tree, below which git archives no more than the directory that it runs in; empty: it is here, or
// there is none, as in a bare repository.
func top(ctx context.Context) string {
	way, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-cdup").Output()
	if err != nil {
		return "" // the archive says what is wrong
	}
	return strings.TrimSuffix(string(way), "\n")
}

// bounded refuses what is too much.
type bounded struct{ buffer *bytes.Buffer }

func (b *bounded) Write(data []byte) (int, error) {
	if b.buffer.Len()+len(data) > maxBytes {
		return 0, fmt.Errorf("the directory has more than %d bytes: name the one of the configuration, as in git:main:configs", maxBytes)
	}
	return b.buffer.Write(data)
}

// unpack writes folders and files below a directory, and nothing outside of it.
func unpack(at string, archive *tar.Reader) error {
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing was written through it itself
	for {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(entry.Name, "/")
		switch entry.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o700)
		case tar.TypeReg:
			err = write(root, name, archive)
		case tar.TypeSymlink:
			err = errors.New("it is a symbolic link, whose target may be no part of the revision")
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
}

func write(root *os.Root, name string, content io.Reader) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
