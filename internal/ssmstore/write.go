package ssmstore

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Put writes one parameter and returns the version that SSM gave it. It asks once: PutParameter is the scarcest call there is, and
// retries of the SDK's would run outside the caller's pacing.
//
// A failure wraps [refresh.ErrThrottled], [refresh.ErrStoreRefuses], [refresh.ErrTypeConflict], [refresh.ErrRefusesValue] or
// [refresh.ErrUnavailable]; after the last one the write may have happened all the same.
func (s *Store) Put(ctx context.Context, w refresh.Write) (int64, error) {
	name, ok := s.name(w.Connection, w.Kind)
	if !ok {
		return 0, &Error{Op: "PutParameter", Subject: name, Message: "this is no name that a parameter can have", kind: refresh.ErrRefusesValue}
	}
	if w.Value.IsZero() {
		return 0, &Error{Op: "PutParameter", Subject: name, Message: "the value is empty", kind: refresh.ErrRefusesValue}
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.PutParameter(ctx, s.input(name, w), once)
	if err != nil {
		return 0, callError("PutParameter", name, writing(w.Value), err)
	}
	return out.Version, nil
}

func (s *Store) input(name string, w refresh.Write) *ssm.PutParameterInput {
	in := &ssm.PutParameterInput{
		Name:      &name,
		Value:     aws.String(w.Value.Reveal()),
		Type:      types.ParameterTypeString,
		Overwrite: aws.Bool(true),
		// Of every kind, not of tokens alone: beyond 10,000 parameters a String without it would meet ParameterLimitExceeded, and
		// one failure record would then look like a store that refuses writes.
		Tier: types.ParameterTierIntelligentTiering,
	}
	if w.Description != "" {
		in.Description = &w.Description
	}
	if w.Kind == refresh.KindToken {
		in.Type, in.KeyId = types.ParameterTypeSecureString, &s.keyID
	}
	return in
}

// once turns the SDK's retries off for a call.
func once(o *ssm.Options) { o.Retryer = aws.NopRetryer{} }

// Delete removes parameters, ten a call; one that does not exist is no error. When a call fails the others are made all the same, and
// the failures are reported together. Each wraps [refresh.ErrThrottled], [refresh.ErrStoreRefuses] or [refresh.ErrUnavailable].
func (s *Store) Delete(ctx context.Context, names []refresh.Name) error {
	var full []string
	for _, n := range names {
		if name, ok := s.name(n.Connection, n.Kind); ok {
			full = append(full, name)
		}
	}
	var faults []error
	for part := range slices.Chunk(distinct(full), namesPerDrop) {
		faults = append(faults, s.deleteTen(ctx, part))
	}
	return errors.Join(faults...)
}

func (s *Store) deleteTen(ctx context.Context, names []string) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	// InvalidParameters of the answer are those that do not exist.
	if _, err := s.client.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: names}); err != nil {
		return callError("DeleteParameters", names[0], writes, err)
	}
	return nil
}
