package awstest

import (
	"cmp"
	"slices"
	"strings"
)

type getSecretValueInput struct {
	SecretID     string `json:"SecretId"`
	VersionID    string `json:"VersionId"`
	VersionStage string
}

func (in *getSecretValueInput) names() []string { return []string{in.SecretID} }
func (in *getSecretValueInput) decrypts() bool  { return true }

// secretValue is one version with its value, as GetSecretValue and BatchGetSecretValue return it.
type secretValue struct {
	ARN           string
	Name          string
	VersionID     string  `json:"VersionId"`
	SecretString  *sealed `json:",omitempty"`
	SecretBinary  *sealed `json:",omitempty"`
	VersionStages []string
	CreatedDate   epoch
}

func (in *getSecretValueInput) run(w *World) (any, *apiError) {
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	v, err := s.find(in.VersionID, in.VersionStage)
	if err != nil {
		return nil, err
	}
	return s.reveal(w, GetSecretValue, v), nil
}

// find is the version with a value that an id, a label, both or neither (AWSCURRENT) stand for.
func (s *secret) find(id, label string) (*secretVersion, *apiError) {
	const missing = "Secrets Manager can't find the specified secret value for "
	v := s.version(id)
	switch {
	case id != "" && v == nil:
		return nil, refuse("ResourceNotFoundException", missing+"VersionId: "+id)
	case id != "" && label != "" && s.stages[label] != id:
		return nil, refuse("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	case id == "":
		v = s.byLabel(label)
	}
	if v == nil || v.empty() {
		return nil, refuse("ResourceNotFoundException", missing+"staging label: "+cmp.Or(label, stageCurrent))
	}
	return v, nil
}

// reveal returns a version with its value and counts that. w.mu is held.
func (s *secret) reveal(w *World, op Op, v *secretVersion) secretValue {
	w.counter(op).Decrypted++
	out := secretValue{ARN: s.arn, Name: s.name, VersionID: v.id, VersionStages: s.labels(v.id), CreatedDate: epoch(v.made)}
	if v.binary {
		out.SecretBinary = &sealed{v.value}
	} else {
		out.SecretString = &sealed{v.value}
	}
	return out
}

// maxBatch is how many secrets one BatchGetSecretValue reads.
const maxBatch = 20

type batchGetSecretValueInput struct {
	SecretIDList []string `json:"SecretIdList"`
	Filters      []secretFilter
}

func (in *batchGetSecretValueInput) names() []string { return slices.Clone(in.SecretIDList) }
func (in *batchGetSecretValueInput) decrypts() bool  { return true }

type batchError struct {
	SecretID  string `json:"SecretId"`
	ErrorCode string
	Message   string
}

type batchGetSecretValueOutput struct {
	SecretValues []secretValue
	Errors       []batchError
}

// run reads AWSCURRENT of each secret. The values come by name, not in the order of the request, which AWS does not promise.
func (in *batchGetSecretValueInput) run(w *World) (any, *apiError) {
	switch {
	case len(in.Filters) > 0 && len(in.SecretIDList) > 0:
		return nil, refuse("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(in.SecretIDList) == 0:
		return nil, refuse("InvalidParameterException", "'SecretIdList' must be provided; 'Filters' is not supported here.")
	case len(in.SecretIDList) > maxBatch:
		return nil, tooLong("secretIdList", maxBatch)
	}
	out := batchGetSecretValueOutput{SecretValues: make([]secretValue, 0, len(in.SecretIDList)), Errors: []batchError{}}
	for _, id := range in.SecretIDList {
		value, err := w.readForBatch(id)
		if err != nil {
			out.Errors = append(out.Errors, batchError{SecretID: id, ErrorCode: err.code, Message: err.message})
			continue
		}
		out.SecretValues = append(out.SecretValues, value)
	}
	slices.SortFunc(out.SecretValues, func(a, b secretValue) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (w *World) readForBatch(id string) (secretValue, *apiError) {
	s, err := w.liveSecret(id)
	name := id
	if s != nil {
		name = s.name
	}
	if effect := w.takeSecretFault(name); effect != none {
		return secretValue{}, effect.failure(GetSecretValue, name)
	}
	if err != nil {
		return secretValue{}, err
	}
	v, err := s.find("", stageCurrent)
	if err != nil {
		return secretValue{}, err
	}
	return s.reveal(w, BatchGetSecretValue, v), nil
}

type describeSecretInput struct {
	SecretID string `json:"SecretId"`
}

func (in *describeSecretInput) names() []string { return []string{in.SecretID} }

// run also describes a secret that is scheduled for deletion.
func (in *describeSecretInput) run(w *World) (any, *apiError) {
	s := w.findSecret(in.SecretID)
	if s == nil {
		return nil, secretNotFound()
	}
	return struct {
		secretFields

		VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
	}{s.fields(), s.versionsToStages()}, nil
}

// maxSecretPage is the largest page of ListSecrets, and the size of one when none is asked for.
const maxSecretPage = 100

type listSecretsInput struct {
	Filters                []secretFilter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
}

func (in *listSecretsInput) names() []string { return nil }

func (in *listSecretsInput) run(w *World) (any, *apiError) {
	size := maxSecretPage
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	switch {
	case size < 1:
		return nil, invalid("maxResults", "Member must have value greater than or equal to 1")
	case size > maxSecretPage:
		return nil, invalid("maxResults", "Member must have value less than or equal to 100")
	}
	for _, f := range in.Filters {
		if err := f.validate(); err != nil {
			return nil, err
		}
	}
	after, ok := decodeToken(secretToken, in.NextToken)
	if !ok {
		return nil, refuse("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	views, next := w.secretList.page(query[secretView]{
		after: after, want: size, scan: w.ScanLimit, now: w.now(), lag: w.ListLag,
		match: func(v *secretView) bool {
			if v.deleted && !in.IncludePlannedDeletion {
				return false
			}
			return !slices.ContainsFunc(in.Filters, func(f secretFilter) bool { return !f.matches(v) })
		},
	})
	list := jsonList{key: "SecretList", next: encodeToken(secretToken, next), entries: make([][]byte, len(views))}
	for i, v := range views {
		list.entries[i] = v.entry()
	}
	return list, nil
}

// secretFilter is one filter of ListSecrets: its values are ORed, filters ANDed, and a value that begins with "!" is negated.
type secretFilter struct {
	Key    string
	Values []string
}

func (f secretFilter) validate() *apiError {
	switch f.Key {
	case "name", "description", "tag-key", "tag-value":
	default:
		return invalid("filters.1.member.key", "Member must satisfy enum value set: [all, name, tag-key, description, tag-value, primary-region, owning-service]")
	}
	if len(f.Values) == 0 {
		return refuse("InvalidParameterException", "Invalid filter values for key: "+f.Key)
	}
	return nil
}

func (f secretFilter) matches(v *secretView) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool {
		wanted, negated := strings.CutPrefix(value, "!")
		return f.hasPrefix(v, wanted) != negated
	})
}

func (f secretFilter) hasPrefix(v *secretView, prefix string) bool {
	switch f.Key {
	case "name":
		return strings.HasPrefix(v.fields.Name, prefix)
	case "description":
		return strings.HasPrefix(strings.ToLower(v.fields.Description), strings.ToLower(prefix))
	case "tag-key":
		return slices.ContainsFunc(v.fields.Tags, func(t tag) bool { return strings.HasPrefix(t.Key, prefix) })
	default: // tag-value: validate lets no other through
		return slices.ContainsFunc(v.fields.Tags, func(t tag) bool { return strings.HasPrefix(t.Value, prefix) })
	}
}
