package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"proscenium/assembly"
	"proscenium/catalog/table"
	"proscenium/configs"
	"proscenium/scenes"
	"proscenium/scenes/reload"
	"proscenium/scenes/remote"
	"proscenium/scenes/remote/etcd"
	"proscenium/scenes/report"
)

// source is where configuration and catalog come from.
type source struct {
	// name is for people.
	name string
	// dir is the directory of the configuration, and remote is where else it is; neither: built in.
	dir    string
	remote *remote.Source
	// config has the files of the configuration, unless that is remote.
	config, catalog fs.FS
	catalogName     string
}

// builtIn is the name of the configuration in the binary.
const builtIn = "the reference marketplace"

// openSource finds both: the configuration in a directory, at an address or in the binary, the catalog in a directory or with the configuration.
func openSource(config, catalogDir string) (*source, error) {
	s := &source{name: builtIn, config: configs.FS}
	switch {
	case etcd.IsAddress(config):
		address, err := etcd.ParseAddress(config)
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		s.name = address.String()
		if s.remote, err = etcd.NewSource(address); err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		if catalogDir == "" {
			return nil, fmt.Errorf("%s has no catalog: a catalog is a directory; name it with --catalog", s.name)
		}
	case config != "":
		if err := isDirectory("config", config); err != nil {
			return nil, err
		}
		s.name, s.dir, s.config = config, config, os.DirFS(config)
	}
	if catalogDir != "" {
		if err := isDirectory("catalog", catalogDir); err != nil {
			return nil, err
		}
		s.catalog, s.catalogName = os.DirFS(catalogDir), catalogDir
		return s, nil
	}
	if _, err := fs.Stat(s.config, "catalog"); err != nil {
		return nil, fmt.Errorf("%s has no folder catalog; name the directory of the catalog with --catalog", s.name)
	}
	catalog, err := fs.Sub(s.config, "catalog")
	s.catalog, s.catalogName = catalog, "catalog"
	return s, err
}

// load reads and checks the configuration, once.
func (s *source) load(ctx context.Context, now time.Time) scenes.Result {
	if s.remote == nil {
		return scenes.Load(s.config, now)
	}
	files, unread := s.remote.Read(ctx)
	if len(unread) > 0 {
		return scenes.Result{Diagnostics: unread}
	}
	return scenes.LoadFiles(files, now)
}

// follow is the configuration as it changes.
func (s *source) follow() reload.Source {
	switch {
	case s.remote != nil:
		return s.remote
	case s.dir != "":
		return reload.NewDirectory(s.dir)
	}
	return still{s.config}
}

// prefix comes before the names of files, for people to find them.
func (s *source) prefix() string {
	switch {
	case s.remote != nil:
		return s.name + "/"
	case s.dir != "":
		return slashed(s.dir)
	}
	return ""
}

// slashed is a directory as it stands before the names of its files.
func slashed(dir string) string { return filepath.ToSlash(filepath.Clean(dir)) + "/" }

func isDirectory(flag, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("--%s: %s is a file; name the directory that it is in", flag, dir)
	}
	return nil
}

// openSystem loads the catalog. What is wrong in it is written to w, and is errFindings.
func openSystem(s *source, opts assembly.Options, w io.Writer) (*assembly.System, error) {
	opts.Catalog = s.catalog
	system, err := assembly.Open(opts)
	var faulty *table.Error
	if errors.As(err, &faulty) {
		if err := (report.Text{Color: coloured(w), Prefix: s.catalogName + "/"}).Write(w, faulty.Findings); err != nil {
			return nil, err
		}
		return nil, errFindings
	}
	if err != nil {
		return nil, fmt.Errorf("load the catalog: %w", err)
	}
	return system, nil
}
