package awstest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// read is a parameter as GetParameter and GetParameters return it.
type read struct {
	Name             string
	Type             string
	Value            string // ciphertext unless the call asked for the value in clear
	Version          int64
	Selector         string `json:",omitempty"`
	LastModifiedDate epoch
	ARN              string
	DataType         string
}

// read returns the version, its value in clear if asked, and counts that. w.mu is held.
func (v *parameterVersion) read(w *World, op Op, decrypt bool, selector string) read {
	return read{
		Name: v.name, Type: v.typ, Value: v.text(w, op, decrypt), Version: v.version, Selector: selector,
		LastModifiedDate: epoch(v.modified), ARN: parameterARN(v.name), DataType: "text",
	}
}

func (v *parameterVersion) text(w *World, op Op, decrypt bool) string {
	if v.typ != typeSecure {
		return v.value.Reveal()
	}
	if !decrypt {
		return v.ciphertext()
	}
	w.counter(op).Decrypted++
	return v.value.Reveal()
}

// findParameter finds what a name, with or without ":version", stands for.
func (w *World) findParameter(id string) (v *parameterVersion, selector string, err *apiError) {
	name, wanted, selected := strings.Cut(id, ":")
	p := w.parameters[name]
	if p == nil {
		return nil, "", refuse("ParameterNotFound", "")
	}
	if !selected {
		return p.latest(), "", nil
	}
	for _, v := range p.versions {
		if strconv.FormatInt(v.version, 10) == wanted {
			return v, ":" + wanted, nil
		}
	}
	return nil, "", refuse("ParameterVersionNotFound", "Systems Manager could not find version "+wanted+" of "+name+". Verify the version and try again.")
}

type getParameterInput struct {
	Name           string
	WithDecryption bool
}

func (in *getParameterInput) names() []string { return []string{in.Name} }
func (in *getParameterInput) decrypts() bool  { return in.WithDecryption }

type getParameterOutput struct{ Parameter read }

func (in *getParameterInput) run(w *World) (any, *apiError) {
	v, selector, err := w.findParameter(in.Name)
	if err != nil {
		return nil, err
	}
	return getParameterOutput{Parameter: v.read(w, GetParameter, in.WithDecryption, selector)}, nil
}

type getParametersInput struct {
	Names          []string
	WithDecryption bool
}

func (in *getParametersInput) names() []string { return in.Names }
func (in *getParametersInput) decrypts() bool  { return in.WithDecryption }

type getParametersOutput struct {
	Parameters        []read
	InvalidParameters []string
}

// run answers in alphabetical order, as the API reference says, not in the order of the request.
func (in *getParametersInput) run(w *World) (any, *apiError) {
	if err := validateNames(in.Names); err != nil {
		return nil, err
	}
	out := getParametersOutput{Parameters: make([]read, 0, len(in.Names)), InvalidParameters: []string{}}
	for _, name := range in.Names {
		v, selector, err := w.findParameter(name)
		if err != nil {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		out.Parameters = append(out.Parameters, v.read(w, GetParameters, in.WithDecryption, selector))
	}
	slices.SortFunc(out.Parameters, func(a, b read) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// maxHistoryPage is the largest page of GetParameterHistory, and the size of one when none is asked for.
const maxHistoryPage = 50

type getParameterHistoryInput struct {
	Name           string
	WithDecryption bool
	MaxResults     int
	NextToken      string
}

func (in *getParameterHistoryInput) names() []string { return []string{in.Name} }
func (in *getParameterHistoryInput) decrypts() bool  { return in.WithDecryption }

type historyEntry struct {
	metadata

	Value  string
	Labels []string
}

type getParameterHistoryOutput struct {
	Parameters []historyEntry
	NextToken  string `json:",omitempty"`
}

func (in *getParameterHistoryInput) run(w *World) (any, *apiError) {
	p := w.parameters[in.Name]
	if p == nil {
		return nil, refuse("ParameterNotFound", "")
	}
	if in.MaxResults > maxHistoryPage {
		return nil, invalid("maxResults", "Member must have value less than or equal to 50")
	}
	position, ok := decodeToken(historyToken, in.NextToken)
	from, err := strconv.ParseInt(cmp.Or(position, "0"), 10, 64)
	if !ok || err != nil {
		return nil, refuse("InvalidNextToken", "The specified token isn't valid.")
	}
	size := cmp.Or(in.MaxResults, maxHistoryPage)
	out := getParameterHistoryOutput{Parameters: []historyEntry{}}
	for _, v := range p.versions {
		if v.version <= from {
			continue
		}
		if len(out.Parameters) == size {
			out.NextToken = encodeToken(historyToken, strconv.FormatInt(from, 10))
			break
		}
		from = v.version
		out.Parameters = append(out.Parameters, historyEntry{metadata: v.metadata(), Value: v.text(w, GetParameterHistory, in.WithDecryption), Labels: []string{}})
	}
	return out, nil
}
