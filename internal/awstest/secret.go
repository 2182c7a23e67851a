package awstest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Staging labels that Secrets Manager moves by itself.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

// What Secrets Manager allows.
const (
	maxSecretName  = 512
	maxSecretValue = 65536 // bytes
	maxStages      = 20    // labels of one secret
	minToken       = 32    // characters of a client request token
	maxToken       = 64
	keptUnlabelled = 100 // versions without a label that are kept at least
	keptFor        = 24 * time.Hour
)

// secret is one secret. stages is the truth about labels: a label is on one version only.
type secret struct {
	name, arn, description, keyID string
	made, changed                 time.Time
	deleteAt                      time.Time // when a scheduled deletion takes effect; zero if none is
	tags                          []tag
	versions                      []*secretVersion  // by creation
	stages                        map[string]string // label -> version id
	rotation                      *rotation         // nil until RotateSecret was called
}

// secretVersion is one version; it has no value while it is an AWSPENDING version that RotateSecret made.
type secretVersion struct {
	id     string
	made   time.Time
	value  oauth.Secret
	binary bool // value is the base64 form of SecretBinary
}

func (v *secretVersion) empty() bool { return v.value.IsZero() }

type tag struct {
	Key   string
	Value string
}

func (s *secret) version(id string) *secretVersion {
	for _, v := range s.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// labels are the labels of a version, sorted.
func (s *secret) labels(id string) []string {
	labels := []string{}
	for label, holder := range s.stages {
		if holder == id {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// versionsToStages are the versions that have a label: one without is deprecated and not shown.
func (s *secret) versionsToStages() map[string][]string {
	out := make(map[string][]string, 3)
	for label, id := range s.stages {
		out[id] = append(out[id], label)
	}
	for _, labels := range out {
		slices.Sort(labels)
	}
	return out
}

// attach puts labels on a version, off any other. AWSCURRENT takes AWSPREVIOUS along to the version that it leaves.
func (s *secret) attach(id string, labels ...string) {
	for _, label := range labels {
		old := s.stages[label]
		s.stages[label] = id
		if label == stageCurrent && old != "" && old != id {
			s.stages[stagePrevious] = old
		}
	}
}

// prune forgets versions without a label that AWS may have deleted too: beyond the last hundred and older than a day.
func (s *secret) prune(now time.Time) {
	if len(s.versions) <= 2*keptUnlabelled {
		return
	}
	labelled := make(map[string]bool, len(s.stages))
	for _, id := range s.stages {
		labelled[id] = true
	}
	newest := len(s.versions) - keptUnlabelled
	i := 0
	s.versions = slices.DeleteFunc(s.versions, func(v *secretVersion) bool {
		i++
		return i <= newest && !labelled[v.id] && now.Sub(v.made) > keptFor
	})
}

// secretARN makes an ARN with six characters of its own; n makes it another one when a name is used again.
func secretARN(name string, n int) string {
	sum := sha256.Sum256([]byte(name + "|" + strconv.Itoa(n)))
	return secretARNPrefix + name + "-" + base32.StdEncoding.EncodeToString(sum[:])[:6]
}

const secretARNPrefix = "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:"

// plainID makes a version id in the form of a UUID from what it is made for, so that what is stored by hand has the same id in every run.
func plainID(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return formatID(sum[:16])
}

func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return formatID(b[:])
}

func formatID(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

// findSecret finds a secret by name, ARN, or ARN without its last six characters; nil if there is none. One whose scheduled deletion
// has come due is removed. w.mu is held.
func (w *World) findSecret(id string) *secret {
	s := w.secretByARN[id]
	if s == nil {
		s = w.secrets[strings.TrimPrefix(id, secretARNPrefix)]
	}
	if s != nil && !s.deleteAt.IsZero() && !w.now().Before(s.deleteAt) {
		w.removeSecret(s)
		return nil
	}
	return s
}

func (w *World) removeSecret(s *secret) {
	delete(w.secrets, s.name)
	delete(w.secretByARN, s.arn)
	w.secretList.set(s.name, nil, w.now(), w.ListLag)
}

func secretNotFound() *apiError {
	return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

// liveSecret is findSecret for operations that a secret scheduled for deletion refuses.
func (w *World) liveSecret(id string) (*secret, *apiError) {
	s := w.findSecret(id)
	if s == nil {
		return nil, secretNotFound()
	}
	if !s.deleteAt.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return s, nil
}

// touch records a change for the listings. w.mu is held.
func (w *World) touch(s *secret) {
	s.changed = w.now()
	s.prune(s.changed)
	w.secretList.set(s.name, s.view(), s.changed, w.ListLag)
}

// secretView is a secret as a listing shows it; it never changes.
type secretView struct {
	fields   secretFields
	deleted  bool
	listed   []byte // the encoded entry, once made; guarded by World.mu
	byStages map[string][]string
}

func (s *secret) view() *secretView {
	return &secretView{fields: s.fields(), deleted: !s.deleteAt.IsZero(), byStages: s.versionsToStages()}
}

// secretFields is what DescribeSecret and ListSecrets have in common.
type secretFields struct {
	ARN               string
	Name              string
	Description       string `json:",omitempty"`
	KmsKeyID          string `json:"KmsKeyId,omitempty"`
	RotationEnabled   *bool  `json:",omitempty"`
	RotationLambdaARN string `json:",omitempty"`
	RotationRules     *rules `json:",omitempty"`
	LastRotatedDate   epoch  `json:",omitzero"`
	LastChangedDate   epoch
	DeletedDate       epoch `json:",omitzero"`
	CreatedDate       epoch
	Tags              []tag `json:",omitempty"`
}

func (s *secret) fields() secretFields {
	f := secretFields{
		ARN: s.arn, Name: s.name, Description: s.description, KmsKeyID: s.keyID, LastChangedDate: epoch(s.changed),
		CreatedDate: epoch(s.made), DeletedDate: epoch(s.deleteAt), Tags: slices.Clone(s.tags),
	}
	if s.rotation != nil {
		enabled, r := true, s.rotation.rules
		f.RotationEnabled, f.RotationLambdaARN, f.RotationRules = &enabled, s.rotation.lambda, &r
		f.LastRotatedDate = epoch(s.rotation.last)
	}
	return f
}

// entry is the encoded entry in ListSecrets. w.mu is held.
func (v *secretView) entry() []byte {
	if v.listed == nil {
		v.listed = encode(struct {
			secretFields

			SecretVersionsToStages map[string][]string `json:",omitempty"`
		}{v.fields, v.byStages})
	}
	return v.listed
}

// tagged returns tags with some set; the argument stays as it is.
func tagged(tags, added []tag) []tag {
	out := slices.Clone(tags)
	for _, t := range added {
		if i := slices.IndexFunc(out, func(o tag) bool { return o.Key == t.Key }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

func untagged(tags []tag, keys []string) []tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t tag) bool { return slices.Contains(keys, t.Key) })
}

func tagMap(tags []tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

func tagList(m map[string]string) []tag {
	out := make([]tag, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, tag{Key: k, Value: m[k]})
	}
	return out
}

// byLabel is the version that holds a label, nil if none does.
func (s *secret) byLabel(label string) *secretVersion {
	return s.version(s.stages[cmp.Or(label, stageCurrent)])
}
