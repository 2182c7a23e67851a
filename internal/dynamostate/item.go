package dynamostate

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// schema is the number of the form of items that this program writes.
const schema = 1

// Attributes of an item (contract.md section 2).
const (
	attrConnection    = "connection"
	attrSchema        = "schema"
	attrRevision      = "revision"
	attrCurrent       = "current"
	attrChangedAt     = "changed_at"
	attrPaused        = "paused"
	attrConfiguration = "configuration"
	attrNotice        = "notice"
	attrDeleteAt      = "delete_at"
	attrProvider      = "provider"
	attrEndpoint      = "endpoint"
	attrIssuedAt      = "issued_at"
	attrExpiresAt     = "expires_at"
	attrRenewAt       = "renew_at"
	attrScope         = "scope"
	attrJTI           = "jti"
	attrAccount       = "account"
	attrAccountID     = "account_id"
	attrTokenID       = "token_id"
	attrShape         = "shape"
	attrCredential    = "credential"
	attrStage         = "stage"
	attrSince         = "since"
	attrVersion       = "parameter_version"
	attrFailure       = "failure"
	attrLease         = "lease"
	attrTold          = "told"
)

// attributes are all but the key.
func attributes() []string {
	return []string{attrSchema, attrRevision, attrCurrent, attrChangedAt, attrPaused, attrConfiguration, attrNotice, attrDeleteAt,
		attrProvider, attrEndpoint, attrIssuedAt, attrExpiresAt, attrRenewAt, attrScope, attrJTI, attrAccount, attrAccountID, attrTokenID, attrShape,
		attrCredential, attrStage, attrSince, attrVersion, attrFailure, attrLease, attrTold}
}

// fields are the attributes of an item, or of a map in one.
type fields map[string]types.AttributeValue

func (f fields) text(name, value string) {
	if value != "" {
		f[name] = &types.AttributeValueMemberS{Value: value}
	}
}

func (f fields) number(name string, n int64) {
	if n != 0 {
		f[name] = number(n)
	}
}

func (f fields) instant(name string, t time.Time) {
	if !t.IsZero() {
		f.text(name, t.UTC().Format(time.RFC3339))
	}
}

// encode makes the item of a state.
func encode(s lifecycle.State) map[string]types.AttributeValue {
	f := fields(key(s.ID))
	f.number(attrSchema, schema)
	f.number(attrRevision, s.Revision)
	f.text(attrCurrent, s.Current)
	f.instant(attrChangedAt, s.ChangedAt)
	if s.Paused {
		f[attrPaused] = &types.AttributeValueMemberBOOL{Value: true}
	}
	f.text(attrConfiguration, s.Configuration)
	f.text(attrNotice, s.Notice)
	if !s.DeleteAt.IsZero() {
		f.number(attrDeleteAt, s.DeleteAt.Unix())
	}
	if s.Token != nil {
		f.token(s.Token)
	}
	if s.Failure != nil {
		f[attrFailure] = failureValue(s.Failure)
	}
	if s.Lease != nil {
		f[attrLease] = leaseValue(*s.Lease)
	}
	if len(s.Told) > 0 {
		told := fields{}
		for notice, key := range s.Told {
			told.text(notice, key)
		}
		f[attrTold] = &types.AttributeValueMemberM{Value: told}
	}
	return f
}

func (f fields) token(t *lifecycle.Token) {
	f.text(attrProvider, t.Provider)
	f.text(attrEndpoint, t.Endpoint)
	f.instant(attrIssuedAt, t.IssuedAt)
	f.instant(attrExpiresAt, t.ExpiresAt)
	f.instant(attrRenewAt, t.RenewAt)
	f.text(attrScope, t.Scope)
	f.text(attrJTI, t.JTI)
	f.text(attrAccount, t.Account)
	f.text(attrAccountID, t.AccountID)
	f.text(attrTokenID, t.TokenID)
	f.text(attrShape, t.Shape)
	f.text(attrCredential, t.Credential)
	f.text(attrStage, t.Stage)
	f.instant(attrSince, t.Since)
	f.number(attrVersion, t.Version)
}

func failureValue(failure *lifecycle.Failure) types.AttributeValue {
	f := fields{}
	f.text("class", string(failure.Class))
	f.text("code", failure.Code)
	f.text("provider", failure.Provider)
	f.text("endpoint", failure.Endpoint)
	f.number("http_status", int64(failure.HTTPStatus))
	f.number("attempts", int64(failure.Attempts))
	f.instant("first_at", failure.FirstAt)
	f.instant("last_at", failure.LastAt)
	f.instant("next_at", failure.NextAt)
	f.instant("retry_at", failure.RetryAt)
	f.text("current", failure.Current)
	f.text("message", failure.Message)
	if len(failure.RejectedStandbys) > 0 {
		list := make([]types.AttributeValue, len(failure.RejectedStandbys))
		for i, id := range failure.RejectedStandbys {
			list[i] = &types.AttributeValueMemberS{Value: id}
		}
		f["rejected_standbys"] = &types.AttributeValueMemberL{Value: list}
	}
	return &types.AttributeValueMemberM{Value: f}
}

func leaseValue(l lifecycle.Lease) types.AttributeValue {
	f := fields{}
	f.text("owner", l.Owner)
	f.instant("since", l.Since)
	f["until"] = number(l.Until.Unix())
	return &types.AttributeValueMemberM{Value: f}
}

// Decode makes the state of an item. What cannot be read, because somebody edited the item, counts as absent; without a readable token the
// connection is renewed.
func Decode(item map[string]types.AttributeValue) lifecycle.State {
	f := fields(item)
	s := lifecycle.State{ID: f.getText(attrConnection), Revision: max(0, f.getNumber(attrRevision))}
	if f.getNumber(attrSchema) > schema {
		s.Newer = true
		return s
	}
	s.Current, s.ChangedAt = f.getText(attrCurrent), f.getInstant(attrChangedAt)
	if paused, ok := f[attrPaused].(*types.AttributeValueMemberBOOL); ok {
		s.Paused = paused.Value
	}
	s.Configuration, s.Notice, s.DeleteAt = f.getText(attrConfiguration), f.getText(attrNotice), f.getEpoch(attrDeleteAt)
	s.Token, s.Failure, s.Lease = f.getToken(), f.getMap(attrFailure).getFailure(), f.getMap(attrLease).getLease()
	told := f.getMap(attrTold)
	for notice := range told {
		if text := told.getText(notice); text != "" {
			if s.Told == nil {
				s.Told = make(map[string]string, len(told))
			}
			s.Told[notice] = text
		}
	}
	return s
}

func (f fields) getText(name string) string {
	if v, ok := f[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (f fields) getNumber(name string) int64 {
	v, ok := f[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// No instant of an item is outside these years. Somebody typed it, and it could not be calculated with.
const (
	firstYear = 1990
	lastYear  = 2999
)

// lastEpoch is the last second of lastYear.
func lastEpoch() int64 { return time.Date(lastYear+1, 1, 1, 0, 0, -1, 0, time.UTC).Unix() }

// getInstant is the zero time for what is no instant.
func (f fields) getInstant(name string) time.Time {
	t, err := time.Parse(time.RFC3339, f.getText(name))
	if err != nil {
		return time.Time{}
	}
	if t = t.UTC().Truncate(time.Second); t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}
	}
	return t
}

// getEpoch is getInstant for a number of seconds.
func (f fields) getEpoch(name string) time.Time {
	n := f.getNumber(name)
	if n > lastEpoch() {
		return time.Time{}
	}
	if t := time.Unix(n, 0).UTC(); t.Year() >= firstYear {
		return t
	}
	return time.Time{}
}

func (f fields) getMap(name string) fields {
	if v, ok := f[name].(*types.AttributeValueMemberM); ok {
		return v.Value
	}
	return nil
}

// getToken is nil without a usable token: an item of a connection that never had one, or one that somebody edited.
func (f fields) getToken() *lifecycle.Token {
	t := lifecycle.Token{
		Provider: f.getText(attrProvider), Endpoint: f.getText(attrEndpoint),
		IssuedAt: f.getInstant(attrIssuedAt), ExpiresAt: f.getInstant(attrExpiresAt), RenewAt: f.getInstant(attrRenewAt),
		Scope: f.getText(attrScope), JTI: f.getText(attrJTI), Account: f.getText(attrAccount), AccountID: f.getText(attrAccountID),
		TokenID: f.getText(attrTokenID), Shape: f.getText(attrShape), Credential: f.getText(attrCredential), Stage: f.getText(attrStage),
		Since: f.getInstant(attrSince), Version: f.getNumber(attrVersion),
	}
	if t.IssuedAt.IsZero() || t.RenewAt.IsZero() || !t.ExpiresAt.After(t.IssuedAt) || t.Version <= 0 {
		return nil
	}
	return &t
}

func (f fields) getFailure() *lifecycle.Failure {
	failure := lifecycle.Failure{
		Class: lifecycle.Class(f.getText("class")), Code: f.getText("code"), Provider: f.getText("provider"), Endpoint: f.getText("endpoint"),
		HTTPStatus: int(f.getNumber("http_status")), Attempts: int(f.getNumber("attempts")),
		FirstAt: f.getInstant("first_at"), LastAt: f.getInstant("last_at"), NextAt: f.getInstant("next_at"), RetryAt: f.getInstant("retry_at"),
		Current: f.getText("current"), Message: f.getText("message"),
	}
	if list, ok := f["rejected_standbys"].(*types.AttributeValueMemberL); ok {
		for _, v := range list.Value {
			if id, ok := v.(*types.AttributeValueMemberS); ok {
				failure.RejectedStandbys = append(failure.RejectedStandbys, id.Value)
			}
		}
	}
	if failure.Class == "" || failure.FirstAt.IsZero() || failure.LastAt.IsZero() {
		return nil
	}
	return &failure
}

// getLease is nil where the condition of a claim finds no lease either, whatever else is in the map.
func (f fields) getLease() *lifecycle.Lease {
	until := f.getEpoch("until")
	if until.IsZero() {
		return nil
	}
	return &lifecycle.Lease{Owner: f.getText("owner"), Since: f.getInstant("since"), Until: until}
}
