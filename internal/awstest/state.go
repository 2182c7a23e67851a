package awstest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// SecretState is a copy of one secret.
type SecretState struct {
	Name, ARN, Description, KeyID string
	Created, Changed              time.Time
	DeleteAt                      time.Time // when a scheduled deletion takes effect; zero if none is
	Tags                          map[string]string
	Stages                        map[string]string // staging label -> version id
	Versions                      []SecretVersion   // by creation, those without a label too
	RotationLambda                string            // empty until RotateSecret was called
	RotationsAbandoned            int
	LastRotated                   time.Time
}

// SecretVersion is a copy of one version.
type SecretVersion struct {
	ID      string
	Stages  []string // sorted; none: deprecated, and no longer listed
	Created time.Time
	Value   oauth.Secret // zero: the empty AWSPENDING version that RotateSecret makes
	Binary  bool         // Value is base64 of SecretBinary
}

// Version returns the version that holds a staging label; the zero version if none does.
func (s SecretState) Version(stage string) SecretVersion {
	for _, v := range s.Versions {
		if v.ID == s.Stages[stage] {
			return v
		}
	}
	return SecretVersion{}
}

// Secret returns a secret by name or ARN and whether there is one. One scheduled for deletion is there.
func (w *World) Secret(name string) (SecretState, bool) {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return SecretState{}, false
	}
	return s.state(), true
}

func (s *secret) state() SecretState {
	out := SecretState{
		Name: s.name, ARN: s.arn, Description: s.description, KeyID: s.keyID, Created: s.made, Changed: s.changed, DeleteAt: s.deleteAt,
		Tags: tagMap(s.tags), Stages: maps.Clone(s.stages),
	}
	for _, v := range s.versions {
		out.Versions = append(out.Versions, SecretVersion{ID: v.id, Stages: s.labels(v.id), Created: v.made, Value: v.value, Binary: v.binary})
	}
	if s.rotation != nil {
		out.RotationLambda, out.RotationsAbandoned, out.LastRotated = s.rotation.lambda, s.rotation.abandoned, s.rotation.last
	}
	return out
}

// SecretNames returns the names of all secrets, sorted.
func (w *World) SecretNames() []string {
	defer w.lock()()
	return slices.Sorted(maps.Keys(w.secrets))
}

// ParameterState is a copy of one version of a parameter.
type ParameterState struct {
	Name, Type, Description, Tier, KeyID string
	Version                              int64
	Value                                oauth.Secret
	Modified                             time.Time
	History                              []ParameterState // the versions before this one that are kept, oldest first
}

// Parameter returns a parameter by name and whether there is one.
func (w *World) Parameter(name string) (ParameterState, bool) {
	defer w.lock()()
	p := w.parameters[name]
	if p == nil {
		return ParameterState{}, false
	}
	out := p.latest().state()
	for _, v := range p.versions[:len(p.versions)-1] {
		out.History = append(out.History, v.state())
	}
	return out, true
}

func (v *parameterVersion) state() ParameterState {
	return ParameterState{
		Name: v.name, Type: v.typ, Description: v.description, Tier: v.tier, KeyID: v.keyID,
		Version: v.version, Value: v.value, Modified: v.modified,
	}
}

// ParameterNames returns the names of all parameters, sorted.
func (w *World) ParameterNames() []string {
	defer w.lock()()
	return slices.Sorted(maps.Keys(w.parameters))
}

// Values returns every value that the World holds, old versions too: the canaries of a test that looks for leaks.
func (w *World) Values() []oauth.Secret {
	defer w.lock()()
	var out []oauth.Secret
	for _, name := range slices.Sorted(maps.Keys(w.secrets)) {
		for _, v := range w.secrets[name].versions {
			out = append(out, v.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.parameters)) {
		for _, v := range w.parameters[name].versions {
			out = append(out, v.value)
		}
	}
	return out
}

// Snapshot is the stores and the state table as text, sorted, for comparing and reading: names, labels, versions, descriptions, items.
// Versions of a secret are numbered by creation, since their ids differ from run to run. Values are "[redacted]" unless reveal is true.
func (w *World) Snapshot(reveal bool) string {
	var b strings.Builder
	for _, name := range w.SecretNames() {
		if s, ok := w.Secret(name); ok {
			s.dump(&b, reveal)
		}
	}
	for _, name := range w.ParameterNames() {
		if p, ok := w.Parameter(name); ok {
			p.dump(&b, reveal)
		}
	}
	for _, key := range w.ItemKeys() {
		if attributes, ok := w.Item(key); ok {
			_, _ = fmt.Fprintf(&b, "item %s %s\n", key, encode(attributes))
		}
	}
	return b.String()
}

func (s SecretState) dump(b *strings.Builder, reveal bool) {
	_, _ = fmt.Fprintf(b, "secret %s\n", s.Name)
	if !s.DeleteAt.IsZero() {
		_, _ = fmt.Fprintf(b, "  deleted at %s\n", s.DeleteAt.UTC().Format(time.RFC3339))
	}
	for _, t := range tagList(s.Tags) {
		_, _ = fmt.Fprintf(b, "  tag %s=%s\n", t.Key, t.Value)
	}
	for i, v := range s.Versions {
		if len(v.Stages) > 0 {
			_, _ = fmt.Fprintf(b, "  version %d %s %s\n", i+1, strings.Join(v.Stages, ","), shownValue(v.Value, reveal))
		}
	}
}

func (p ParameterState) dump(b *strings.Builder, reveal bool) {
	_, _ = fmt.Fprintf(b, "parameter %s\n  %s version %d %s %s\n", p.Name, p.Type, p.Version, p.Tier, shownValue(p.Value, reveal))
	if p.Description != "" {
		_, _ = fmt.Fprintf(b, "  description %s\n", p.Description)
	}
}

func shownValue(v oauth.Secret, reveal bool) string {
	switch {
	case v.IsZero():
		return "(empty)"
	case reveal:
		return strconv.Quote(v.Reveal())
	default:
		return v.String()
	}
}

// encodeBinary is how SecretBinary is kept.
func encodeBinary(b []byte) oauth.Secret {
	return oauth.NewSecret(base64.StdEncoding.EncodeToString(b))
}
