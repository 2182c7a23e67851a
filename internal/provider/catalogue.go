package provider

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

//go:embed data/*.json errors.json
var data embed.FS

// sharedErrors is the file of the rules that the dialect of every provider ends with.
const sharedErrors = "errors.json"

// Catalogue holds the providers that a connection may name. The zero value is empty.
type Catalogue struct {
	byID map[string]Provider
	ids  []string // sorted
}

// Load reads and validates every embedded file. The error joins all faults, each with its file and field.
func Load() (Catalogue, error) { return load(data, "data") }

// files is the part of an embed.FS that is used. Tests bring files of their own.
type files interface {
	ReadDir(name string) ([]fs.DirEntry, error)
	ReadFile(name string) ([]byte, error)
}

// load reads every file of a directory, in the order of their names.
func load(from files, dir string) (Catalogue, error) {
	entries, err := from.ReadDir(dir)
	if err != nil {
		return Catalogue{}, fmt.Errorf("list catalogue: %w", err)
	}
	if len(entries) == 0 {
		return Catalogue{}, errors.New("list catalogue: no data files")
	}
	c := Catalogue{byID: make(map[string]Provider, len(entries))}
	var faults []error
	shared, err := loadShared(from)
	if err != nil {
		faults = append(faults, err)
	}
	for _, entry := range entries {
		p, err := loadFile(from, dir, entry.Name(), shared)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.byID[p.ID] = p
		c.ids = append(c.ids, p.ID)
	}
	if err := errors.Join(faults...); err != nil {
		return Catalogue{}, err
	}
	slices.Sort(c.ids)
	return c, nil
}

// loadShared reads the rules that every dialect ends with.
func loadShared(from files) (oauth.Dialect, error) {
	raw, err := from.ReadFile(sharedErrors)
	if err != nil {
		return oauth.Dialect{}, fmt.Errorf("read catalogue: %w", err)
	}
	var vendors []vendorErrors
	if err := decode(raw, &vendors); err != nil {
		return oauth.Dialect{}, fmt.Errorf("%s: %w", sharedErrors, err)
	}
	var rules []oauth.ErrorRule
	for _, v := range vendors {
		rules = append(rules, errorRules(v.Errors)...)
	}
	shared, err := oauth.Dialect{Errors: rules}.Checked() // here, once for all files
	if err != nil {
		return oauth.Dialect{}, fmt.Errorf("%s: %w", sharedErrors, err)
	}
	return shared, nil
}

// loadFile reads one file; every fault in it is named with the file. The shared rules come after the provider's own.
func loadFile(from files, dir, base string, shared oauth.Dialect) (Provider, error) {
	raw, err := from.ReadFile(dir + "/" + base)
	if err != nil {
		return Provider{}, fmt.Errorf("read catalogue: %w", err)
	}
	var f file
	if err := decode(raw, &f); err != nil {
		return Provider{}, fmt.Errorf("%s: %w", base, err)
	}
	p := f.provider()
	faults := p.faults() // including those of its own rules
	if checked, err := p.Dialect.Checked(); err == nil {
		p.Dialect = checked
	}
	p.Dialect = p.Dialect.Then(shared)
	if p.ID != strings.TrimSuffix(base, ".json") {
		faults = append(faults, fmt.Errorf("id: %q is not the file's name", p.ID))
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("%s: %w", base, fault)
	}
	return p, errors.Join(faults...)
}

// Get returns the provider with this id.
func (c Catalogue) Get(id string) (Provider, bool) {
	p, ok := c.byID[id]
	return p, ok
}

// IDs returns the ids of all providers, sorted. The caller may change the slice.
func (c Catalogue) IDs() []string { return slices.Clone(c.ids) }

// Nearest returns the id that a person who wrote id probably meant, "" for none.
func (c Catalogue) Nearest(id string) string { return Closest(id, c.ids) }

// WrongHost reports whether host (without port) is known not to be a token endpoint, for any provider. It returns the token endpoint to use
// instead, and why.
func (c Catalogue) WrongHost(host string) (use, why string, wrong bool) {
	for _, id := range c.ids {
		p := c.byID[id]
		if why, wrong := p.WrongHosts[strings.ToLower(host)]; wrong {
			return p.TokenEndpoint, why, true
		}
	}
	return "", "", false
}
