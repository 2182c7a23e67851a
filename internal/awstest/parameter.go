package awstest

import (
	"encoding/base64"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// What Parameter Store allows.
const (
	maxParameterName    = 1011 // characters of a name: 2,048 with the ARN around it
	maxParameterLevels  = 15
	maxDescription      = 1024 // characters
	maxStandardValue    = 4096 // bytes
	maxAdvancedValue    = 8192 // bytes
	maxParameterHistory = 100
	standardParameters  = 10000
	advancedParameters  = 100000
	maxNames            = 10 // of GetParameters and DeleteParameters
)

// Types and tiers of parameters.
const (
	typeString     = "String"
	typeStringList = "StringList"
	typeSecure     = "SecureString"
	tierStandard   = "Standard"
	tierAdvanced   = "Advanced"
	tierPicks      = "Intelligent-Tiering"
	defaultKey     = "alias/aws/ssm"
)

// parameter is all versions of one parameter, oldest first; never none.
type parameter struct{ versions []*parameterVersion }

func (p *parameter) latest() *parameterVersion { return p.versions[len(p.versions)-1] }

// parameterVersion never changes once it is stored, but for the encoded form that it keeps.
type parameterVersion struct {
	name, typ, description, tier, keyID string
	version                             int64
	value                               oauth.Secret
	modified                            time.Time

	listed []byte // its entry in DescribeParameters, once made; guarded by World.mu
}

func parameterARN(name string) string {
	return "arn:aws:ssm:" + Region + ":" + Account + ":parameter/" + strings.TrimPrefix(name, "/")
}

func parameterLimit() *apiError {
	return refuse("ParameterLimitExceeded", "You have exceeded the number of parameters for this AWS account. Delete one or more parameters and try again.")
}

// ciphertext stands for what KMS made of a SecureString: it begins as KMS's does, differs from version to version and tells nothing of the value.
func (v *parameterVersion) ciphertext() string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(v.name + "|" + strconv.FormatInt(v.version, 10)))
	return "AQICAHh" + base64.StdEncoding.EncodeToString(slices.Repeat(h.Sum(nil), 6))
}

type putParameterInput struct {
	Name           string
	Value          sealed
	Type           string
	Description    *string
	KeyID          string `json:"KeyId"`
	Tier           string
	Overwrite      bool
	AllowedPattern string
	DataType       string
	Policies       string
	Tags           []tag
}

func (in *putParameterInput) names() []string { return []string{in.Name} }

type putParameterOutput struct {
	Version int64
	Tier    string
}

func (in *putParameterInput) run(w *World) (any, *apiError) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	old := w.parameters[in.Name]
	if err := in.fits(old); err != nil {
		return nil, err
	}
	tier, err := w.pickTier(in, old)
	if err != nil {
		return nil, err
	}
	v := in.next(old)
	v.tier, v.modified = tier, w.now()
	w.storeParameter(v)
	return putParameterOutput{Version: v.version, Tier: v.tier}, nil
}

// validate checks what can be checked without knowing the parameter.
func (in *putParameterInput) validate() *apiError {
	if err := validateParameterName(in.Name); err != nil {
		return err
	}
	if in.Value.IsZero() {
		return tooShort("value", 1)
	}
	if in.Description != nil && utf8.RuneCountInString(*in.Description) > maxDescription {
		return tooLong("description", maxDescription)
	}
	if in.Type != "" && !knownType(in.Type) {
		return invalid("type", "Member must satisfy enum value set: [SecureString, StringList, String]")
	}
	if in.Tier != "" && in.Tier != tierStandard && in.Tier != tierAdvanced && in.Tier != tierPicks {
		return invalid("tier", "Member must satisfy enum value set: [Advanced, Intelligent-Tiering, Standard]")
	}
	if in.Overwrite && len(in.Tags) > 0 {
		return refuse("ValidationException", "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. "+
			"To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	if nestsParameter(in.Value.Reveal()) {
		return refuse("ValidationException", `Parameter value can't nest another parameter. Do not use "{{}}" in the value.`)
	}
	return nil
}

func knownType(t string) bool { return t == typeString || t == typeStringList || t == typeSecure }

// nestsParameter reports whether the value holds "{{…}}", which AWS refuses (PutParameter, Value: "You can't include values wrapped in
// double brackets {{}}").
func nestsParameter(value string) bool {
	_, rest, found := strings.Cut(value, "{{")
	return found && strings.Contains(rest, "}}")
}

// validateParameterName holds a name against the rules of PutParameter.
func validateParameterName(name string) *apiError {
	if name == "" {
		return tooShort("name", 1)
	}
	if len(name) > maxParameterName {
		return tooLong("name", maxParameterName)
	}
	const rule = `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; ` +
		`each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	if strings.HasPrefix(bare, "aws") {
		if strings.HasPrefix(name, "/") && strings.Contains(bare, "/") {
			return refuse("AccessDeniedException", "No access to reserved parameter name: "+name+".")
		}
		return refuse("ValidationException", `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	}
	if strings.HasPrefix(bare, "ssm") || !wellFormedPath(name) {
		return refuse("ValidationException", rule)
	}
	if strings.HasPrefix(name, "/") && strings.Count(name, "/") > maxParameterLevels {
		return refuse("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
	}
	return nil
}

// wellFormedPath reports whether a name is one segment, or a path that begins with a slash and has no empty segment.
func wellFormedPath(name string) bool {
	if strings.Contains(name, "//") || strings.HasSuffix(name, "/") || strings.Contains(name, "/") && name[0] != '/' {
		return false
	}
	return onlyLettersDigitsAnd(name, "/._-")
}

// onlyLettersDigitsAnd reports whether a name consists of ASCII letters, digits and the symbols.
func onlyLettersDigitsAnd(name, symbols string) bool {
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(symbols, r) {
			return false
		}
	}
	return true
}

// fits checks the call against the parameter that is there.
func (in *putParameterInput) fits(old *parameter) *apiError {
	if old == nil {
		if in.Type == "" {
			return refuse("ValidationException", "A parameter type is required when you create a parameter.")
		}
		return in.matchesPattern()
	}
	if !in.Overwrite {
		return refuse("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	}
	if in.Type != "" && in.Type != old.latest().typ {
		return refuse("HierarchyTypeMismatchException", "Parameter Store does not support changing a parameter type in a hierarchy. "+
			"For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")
	}
	return in.matchesPattern()
}

func (in *putParameterInput) matchesPattern() *apiError {
	if in.AllowedPattern == "" {
		return nil
	}
	re, err := regexp.Compile(in.AllowedPattern)
	if err != nil {
		return refuse("InvalidAllowedPatternException", "The request does not meet the regular expression requirement.")
	}
	if !re.MatchString(in.Value.Reveal()) {
		return refuse("ParameterPatternMismatchException", "The parameter value doesn't match the allowed pattern.")
	}
	return nil
}

// pickTier settles the tier: what was asked, what Intelligent-Tiering makes of it, never back from advanced to standard.
func (w *World) pickTier(in *putParameterInput, old *parameter) (string, *apiError) {
	size := len(in.Value.Reveal())
	if size > maxAdvancedValue {
		return "", refuse("ValidationException", "Advanced tier parameters support a maximum parameter value of 8192 characters.")
	}
	advanced := old != nil && old.latest().tier == tierAdvanced
	if advanced && in.Tier == tierStandard {
		return "", refuse("ValidationException", "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. "+
			"If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	}
	limit := w.StandardLimit
	if limit == 0 {
		limit = standardParameters
	}
	full := old == nil && w.standardCount >= limit
	if advanced || in.Tier == tierAdvanced || in.Tier == tierPicks && (size > maxStandardValue || full) {
		if old == nil && len(w.parameters)-w.standardCount >= advancedParameters {
			return "", parameterLimit()
		}
		return tierAdvanced, nil
	}
	if size > maxStandardValue {
		return "", refuse("ValidationException", "Standard tier parameters support a maximum parameter value of 4096 characters. "+
			"To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. "+
			"For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html")
	}
	if full {
		return "", parameterLimit()
	}
	return tierStandard, nil
}

// next is the version that the call makes, but for tier and date. An omitted description stays (unverified); an omitted key means the
// account's default key, also when the version before had another (API reference of PutParameter, KeyId).
func (in *putParameterInput) next(old *parameter) *parameterVersion {
	v := &parameterVersion{name: in.Name, typ: in.Type, version: 1, value: in.Value.Secret}
	if old != nil {
		v.typ, v.version, v.description = old.latest().typ, old.latest().version+1, old.latest().description
	}
	if in.Description != nil {
		v.description = *in.Description
	}
	if v.typ == typeSecure {
		v.keyID = in.KeyID
		if v.keyID == "" {
			v.keyID = defaultKey
		}
	}
	return v
}

// storeParameter makes v the latest version. w.mu is held.
func (w *World) storeParameter(v *parameterVersion) {
	p := w.parameters[v.name]
	if p == nil {
		p = new(parameter)
		w.parameters[v.name] = p
	} else if p.latest().tier == tierStandard {
		w.standardCount--
	}
	if v.tier == tierStandard {
		w.standardCount++
	}
	limit := w.HistoryLimit
	if limit <= 0 {
		limit = maxParameterHistory
	}
	if excess := len(p.versions) - limit + 1; excess > 0 {
		p.versions = slices.Delete(p.versions, 0, excess)
	}
	p.versions = append(p.versions, v)
	w.parameterList.set(v.name, v, v.modified, w.ListLag)
}

// removeParameter deletes a parameter and reports whether there was one. w.mu is held.
func (w *World) removeParameter(name string) bool {
	p := w.parameters[name]
	if p == nil {
		return false
	}
	if p.latest().tier == tierStandard {
		w.standardCount--
	}
	delete(w.parameters, name)
	w.parameterList.set(name, nil, w.now(), w.ListLag)
	return true
}

type deleteParameterInput struct{ Name string }

func (in *deleteParameterInput) names() []string { return []string{in.Name} }

func (in *deleteParameterInput) run(w *World) (any, *apiError) {
	if !w.removeParameter(in.Name) {
		return nil, refuse("ParameterNotFound", "")
	}
	return struct{}{}, nil
}

type deleteParametersInput struct{ Names []string }

func (in *deleteParametersInput) names() []string { return in.Names }

type deleteParametersOutput struct {
	DeletedParameters []string
	InvalidParameters []string
}

func (in *deleteParametersInput) run(w *World) (any, *apiError) {
	if err := validateNames(in.Names); err != nil {
		return nil, err
	}
	out := deleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		if w.removeParameter(name) {
			out.DeletedParameters = append(out.DeletedParameters, name)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

func validateNames(names []string) *apiError {
	if len(names) == 0 {
		return tooShort("names", 1)
	}
	if len(names) > maxNames {
		return tooLong("names", maxNames)
	}
	return nil
}

// metadata is a parameter in DescribeParameters: never its value.
type metadata struct {
	Name             string
	ARN              string
	Type             string
	KeyID            string `json:"KeyId,omitempty"`
	LastModifiedDate epoch
	LastModifiedUser string
	Description      string `json:",omitempty"`
	Version          int64
	Tier             string
	Policies         []struct{}
	DataType         string
}

// entry is the version's encoded entry in DescribeParameters. w.mu is held.
func (v *parameterVersion) entry() []byte {
	if v.listed == nil {
		v.listed = encode(v.metadata())
	}
	return v.listed
}

func (v *parameterVersion) metadata() metadata {
	return metadata{
		Name: v.name, ARN: parameterARN(v.name), Type: v.typ, KeyID: v.keyID, LastModifiedDate: epoch(v.modified),
		LastModifiedUser: "arn:aws:sts::" + Account + ":assumed-role/role/session", Description: v.description,
		Version: v.version, Tier: v.tier, Policies: []struct{}{}, DataType: "text",
	}
}
