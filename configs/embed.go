// Package configs holds the reference marketplace: the configuration and the catalog that a server has when it is given none.
package configs

import "embed"

// CatalogDir is the directory of the catalog within FS.
const CatalogDir = "catalog"

// FS holds the configuration at its root, as YAML files, and the catalog in CatalogDir.
//
//go:embed *.yaml scenarios scenes catalog
var FS embed.FS
