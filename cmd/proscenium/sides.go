package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"proscenium/assembly"
	"proscenium/catalog"
	"proscenium/catalog/table"
	"proscenium/configs"
	"proscenium/impact/review"
	"proscenium/impact/revision"
	"proscenium/scenes"
	"proscenium/scenes/report"
	filesource "proscenium/scenes/source"
)

// configSide is one of two configurations that are compared.
type configSide struct {
	name string
	// files has the configuration, and maybe a folder catalog. It is nil for a single file.
	files fs.FS
	snap  *scenes.Snapshot
	close func() error
}

func (s *configSide) summary() review.Side {
	return review.Side{Name: s.name, Version: s.snap.Version, Scenes: len(s.snap.Scenes)}
}

// openSide loads a configuration: a directory, a single file, or a directory of a revision. Findings are written to w, and are errFindings.
func openSide(ctx context.Context, name string, now time.Time, w io.Writer) (*configSide, error) {
	s := &configSide{name: name, close: func() error { return nil }}
	var loaded scenes.Result
	if revision.Is(name) {
		dir, err := revision.Open(ctx, name)
		if err != nil {
			return nil, err
		}
		s.files, s.close = dir.FS, dir.Close
		loaded = scenes.Load(s.files, now)
	} else if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	} else if info.IsDir() {
		s.files = os.DirFS(name)
		loaded = scenes.Load(s.files, now)
	} else {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		loaded = scenes.LoadFiles([]filesource.File{{Name: filepath.Base(name), Data: data}}, now)
	}
	if s.snap = loaded.Snapshot; s.snap != nil {
		return s, nil
	}
	prefix := name + "/"
	if s.files == nil {
		prefix = filepath.ToSlash(filepath.Dir(name)) + "/"
	}
	return nil, errors.Join(report.Text{Color: coloured(w), Prefix: prefix}.Write(w, loaded.Diagnostics), s.close(), errFindings)
}

// catalogPair has the catalog that each of two configurations is priced over.
type catalogPair struct {
	old, new *catalog.Catalog
	note     string
}

// openCatalogs takes the directory that is named, else the folders catalog beside the configurations. One that both share is loaded once.
func openCatalogs(dir string, before, after *configSide, w io.Writer) (*catalogPair, error) {
	if dir != "" {
		if err := isDirectory("catalog", dir); err != nil {
			return nil, err
		}
		return sharedCatalog(os.DirFS(dir), dir, "", w)
	}
	oldFiles, newFiles := catalogOf(before), catalogOf(after)
	switch {
	case oldFiles == nil && newFiles == nil:
		return nil, fmt.Errorf("neither %s nor %s has a folder %s; name the directory of the catalog with --catalog", before.name, after.name, configs.CatalogDir)
	case newFiles == nil:
		return sharedCatalog(oldFiles, before.name+"/"+configs.CatalogDir, "both sides are priced over the catalog of "+before.name, w)
	case oldFiles == nil:
		return sharedCatalog(newFiles, after.name+"/"+configs.CatalogDir, "both sides are priced over the catalog of "+after.name, w)
	}
	same, err := sameFiles(oldFiles, newFiles)
	if err != nil {
		return nil, fmt.Errorf("compare one catalog with the other: %w", err)
	}
	if same {
		return sharedCatalog(newFiles, after.name+"/"+configs.CatalogDir, "", w)
	}
	c := &catalogPair{note: "each configuration has a catalog of its own, they differ, and each side is priced over its own: a difference may come from either; name one for both with --catalog"}
	if c.old, err = loadCatalog(oldFiles, before.name+"/"+configs.CatalogDir, w); err != nil {
		return nil, err
	}
	c.new, err = loadCatalog(newFiles, after.name+"/"+configs.CatalogDir, w)
	return c, err
}

// catalogOf is nil where there is none.
func catalogOf(s *configSide) fs.FS {
	if s.files == nil {
		return nil
	}
	if info, err := fs.Stat(s.files, configs.CatalogDir); err != nil || !info.IsDir() {
		return nil
	}
	sub, err := fs.Sub(s.files, configs.CatalogDir)
	if err != nil {
		return nil
	}
	return sub
}

func sharedCatalog(files fs.FS, name, note string, w io.Writer) (*catalogPair, error) {
	cat, err := loadCatalog(files, name, w)
	return &catalogPair{old: cat, new: cat, note: note}, err
}

// loadCatalog writes what is wrong in a catalog to w, and is errFindings then.
func loadCatalog(files fs.FS, name string, w io.Writer) (*catalog.Catalog, error) {
	cat, err := assembly.LoadCatalog(files)
	var faulty *table.Error
	if errors.As(err, &faulty) {
		return nil, errors.Join(report.Text{Color: coloured(w), Prefix: name + "/"}.Write(w, faulty.Findings), errFindings)
	}
	if err != nil {
		return nil, fmt.Errorf("load the catalog %s: %w", name, err)
	}
	return cat, nil
}

// sameFiles says whether two directories have the same files with the same content, as far as they may be tables.
func sameFiles(a, b fs.FS) (bool, error) {
	oldEntries, err := fs.ReadDir(a, ".")
	if err != nil {
		return false, err
	}
	newEntries, err := fs.ReadDir(b, ".")
	if err != nil || len(oldEntries) != len(newEntries) {
		return false, err
	}
	for i, entry := range newEntries {
		if entry.Name() != oldEntries[i].Name() {
			return false, nil
		}
		if entry.IsDir() {
			continue
		}
		was, err := fs.ReadFile(a, entry.Name())
		if err != nil {
			return false, err
		}
		is, err := fs.ReadFile(b, entry.Name())
		if err != nil || !bytes.Equal(was, is) {
			return false, err
		}
	}
	return true, nil
}
