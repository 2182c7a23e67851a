package ssmstore

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"chaveiro/internal/refresh"
)

// Lookup returns the token and failure parameters of the named connections as they are now, in the order of the connections, the
// token first. Existence, type and version come from GetParameters, which is consistent; the Description, which that call does not
// tell, from DescribeParameters, and only when both show the same version: an older one would be the record of another token.
//
// A failure wraps [refresh.ErrThrottled], [refresh.ErrAccessDenied] or [refresh.ErrUnavailable].
func (s *Store) Lookup(ctx context.Context, connections []string) ([]refresh.Parameter, error) {
	var names []string
	for _, c := range connections {
		for _, kind := range []refresh.Kind{refresh.KindToken, refresh.KindFailure} {
			// A name that SSM cannot hold has no parameter, and would make it refuse the other nine of the call.
			if name, ok := s.name(c, kind); ok {
				names = append(names, name)
			}
		}
	}
	found, err := s.get(ctx, distinct(names))
	if err != nil {
		return nil, err
	}
	if err := s.addDescriptions(ctx, found); err != nil {
		return nil, err
	}
	return found, nil
}

// get reads parameters by name without decryption and drops their values at once.
func (s *Store) get(ctx context.Context, names []string) ([]refresh.Parameter, error) {
	var found []refresh.Parameter
	for part := range slices.Chunk(names, namesPerGet) {
		got, err := s.getTen(ctx, part)
		if err != nil {
			return nil, err
		}
		found = append(found, got...)
	}
	order := make(map[string]int, len(names))
	for i, n := range names {
		order[n] = i
	}
	place := func(p refresh.Parameter) int {
		n, _ := s.name(p.Connection, p.Kind)
		return order[n]
	}
	slices.SortStableFunc(found, func(a, b refresh.Parameter) int { return place(a) - place(b) })
	return found, nil
}

func (s *Store) getTen(ctx context.Context, names []string) ([]refresh.Parameter, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(false)})
	if err != nil {
		return nil, callError("GetParameters", names[0], reads, err)
	}
	found := make([]refresh.Parameter, 0, len(out.Parameters))
	for i := range out.Parameters {
		p := &out.Parameters[i]
		p.Value = nil
		connection, kind, ok := s.parse(aws.ToString(p.Name))
		if !ok {
			continue
		}
		found = append(found, refresh.Parameter{
			Connection: connection,
			Kind:       kind,
			Type:       string(p.Type),
			Version:    p.Version,
			Modified:   aws.ToTime(p.LastModifiedDate).UTC(),
		})
	}
	return found, nil
}

// addDescriptions fills in the Description of those whose version the listing shows too.
func (s *Store) addDescriptions(ctx context.Context, found []refresh.Parameter) error {
	type id struct {
		refresh.Name
		version int64
	}
	described := make(map[id]string, len(found))
	for part := range slices.Chunk(found, namesPerQuery) {
		names := make([]string, len(part))
		for i, p := range part {
			names[i], _ = s.name(p.Connection, p.Kind)
		}
		got, err := s.describe(ctx, names[0], len(names), filter("Name", "Equals", names...))
		if err != nil {
			return err
		}
		for _, p := range got {
			described[id{refresh.Name{Connection: p.Connection, Kind: p.Kind}, p.Version}] = p.Description
		}
	}
	for i, p := range found {
		found[i].Description = described[id{refresh.Name{Connection: p.Connection, Kind: p.Kind}, p.Version}]
	}
	return nil
}

// Account returns the published account id of a connection, "" when there is none. A parameter of another type than String is
// [refresh.ErrTypeConflict]: what it holds cannot be compared, and a write would be refused.
func (s *Store) Account(ctx context.Context, connection string) (string, error) {
	name, ok := s.name(connection, refresh.KindAccount)
	if !ok {
		return "", nil
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(false)})
	if err != nil {
		err = callError("GetParameter", name, reads, err)
		if errors.Is(err, refresh.ErrNotFound) {
			return "", nil
		}
		return "", err
	}
	if out.Parameter == nil {
		return "", &Error{Op: "GetParameter", Subject: name, Message: "the answer holds no parameter", kind: refresh.ErrUnavailable}
	}
	if out.Parameter.Type != types.ParameterTypeString {
		return "", &Error{Op: "GetParameter", Subject: name, Message: "it is a " + string(out.Parameter.Type) + ", not a String", kind: refresh.ErrTypeConflict}
	}
	return aws.ToString(out.Parameter.Value), nil
}

// distinct keeps the first of each: SSM refuses a call that names a parameter twice.
func distinct(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		twice := seen[n]
		seen[n] = true
		return twice
	})
}
