package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"proscenium/assembly"
	"proscenium/catalog/table"
	"proscenium/configs"
	"proscenium/scenes/report"
)

// source is where configuration and catalog come from.
type source struct {
	// name is for people.
	name string
	// dir is the directory of the configuration; empty: built in.
	dir             string
	config, catalog fs.FS
	catalogName     string
}

// builtIn is the name of the configuration in the binary.
const builtIn = "the reference marketplace"

// openSource finds both, in the directories given or in the binary.
func openSource(configDir, catalogDir string) (*source, error) {
	s := &source{name: builtIn, config: configs.FS}
	if configDir != "" {
		if err := isDirectory("config", configDir); err != nil {
			return nil, err
		}
		s.name, s.dir, s.config = configDir, configDir, os.DirFS(configDir)
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
