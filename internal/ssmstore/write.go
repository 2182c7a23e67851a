package ssmstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Put writes one parameter and returns the version that SSM gave it. It makes one attempt: PutParameter has the lowest rate of all calls
// (3 a second), and retries of the SDK would run outside the caller's pacing.
//
// A failure wraps [store.ErrThrottled], [store.ErrUnwritable], [store.ErrTypeConflict], [store.ErrInvalidWrite] or [store.ErrUnavailable].
// After ErrUnavailable the write may have happened all the same.
func (s *Store) Put(ctx context.Context, w store.Write) (version int64, err error) {
	name, ok := s.fullName(w.Name)
	if !ok {
		return 0, awserr.Local("PutParameter", name, store.ErrInvalidWrite, "a parameter cannot have this name")
	}
	if w.Value.IsZero() {
		return 0, awserr.Local("PutParameter", name, store.ErrInvalidWrite, "the value is empty")
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.PutParameter(ctx, s.input(name, w), once)
	if err != nil {
		return 0, awserr.New("PutParameter", name, err, writeTable, w.Value)
	}
	return out.Version, nil
}

func (s *Store) input(name string, w store.Write) *ssm.PutParameterInput {
	in := &ssm.PutParameterInput{
		Name:      &name,
		Value:     aws.String(w.Value.Reveal()),
		Type:      types.ParameterTypeString,
		Overwrite: aws.Bool(true),
		// Set the tier on every parameter: beyond 10,000, writes without it fail with ParameterLimitExceeded.
		Tier: types.ParameterTierIntelligentTiering,
	}
	if w.Description != "" {
		in.Description = &w.Description
	}
	switch w.Kind {
	case store.KindToken:
		in.Type = types.ParameterTypeSecureString
		if s.keyID != "" {
			in.KeyId = &s.keyID
		}
	case store.KindFailure:
		in.Value = aws.String(writable(w.Value.Reveal()))
	case store.KindAccount: // byte for byte: a changed account id would be a wrong one
	}
	return in
}

// maxSentence is the highest number of bytes of a parameter of the standard tier. A longer sentence would make the parameter advanced,
// which costs money and cannot be undone.
const maxSentence = 4096

// writable returns a sentence that SSM accepts, whatever a provider wrote into it. SSM refuses values with "{{…}}" (API reference of
// PutParameter, Value), so a space goes between equal braces.
func writable(sentence string) string {
	var out strings.Builder
	var last rune
	for _, r := range sentence {
		next := string(r)
		if r == last && (r == '{' || r == '}') {
			next = " " + next
		}
		if out.Len()+len(next) > maxSentence-utf8.UTFMax {
			out.WriteString("…")
			break
		}
		out.WriteString(next)
		last = r
	}
	return out.String()
}

// once turns the SDK's retries off for a call.
func once(o *ssm.Options) { o.Retryer = aws.NopRetryer{} }

// Delete removes parameters, ten a call; one that does not exist is no error. When a call fails the others are made all the same, and
// the failures are returned together. Each wraps [store.ErrThrottled], [store.ErrUnwritable] or [store.ErrUnavailable].
func (s *Store) Delete(ctx context.Context, names []store.Name) error {
	full, _ := s.fullNames(names)
	var faults []error
	for part := range slices.Chunk(full, namesPerDelete) {
		faults = append(faults, s.deleteParameters(ctx, part))
	}
	return errors.Join(faults...)
}

func (s *Store) deleteParameters(ctx context.Context, names []string) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	// InvalidParameters of the response are those that do not exist.
	if _, err := s.client.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: names}); err != nil {
		return awserr.New("DeleteParameters", names[0], err, writeTable)
	}
	return nil
}
