package ssmstore

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
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
	byName := make(map[string]refresh.Parameter, len(found))
	for _, p := range found {
		name, _ := s.name(p.Connection, p.Kind)
		byName[name] = p
	}
	ordered := found[:0]
	for _, name := range names {
		if p, there := byName[name]; there {
			ordered = append(ordered, p)
		}
	}
	return ordered, nil
}

func (s *Store) getTen(ctx context.Context, names []string) ([]refresh.Parameter, error) {
	out, err := s.getParameters(ctx, names)
	if err != nil {
		return nil, err
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

// Accounts returns the published account ids of the named connections, by connection; one that has none is left out. A parameter of another
// type than String is [refresh.ErrTypeConflict]: what it holds cannot be compared, and a write would be refused.
//
// A failure wraps [refresh.ErrThrottled], [refresh.ErrAccessDenied] or [refresh.ErrUnavailable], and then nothing is returned.
func (s *Store) Accounts(ctx context.Context, connections []string) (map[string]refresh.Account, error) {
	found := make(map[string]refresh.Account, len(connections))
	err := s.values(ctx, connections, refresh.KindAccount, func(connection string, p *types.Parameter) { found[connection] = accountOf(p) })
	if err != nil {
		return nil, err
	}
	return found, nil
}

func accountOf(p *types.Parameter) refresh.Account {
	if p.Type != types.ParameterTypeString {
		return refresh.Account{Err: &Error{Op: "GetParameters", Subject: aws.ToString(p.Name),
			Message: "it is a " + string(p.Type) + ", not a String", kind: refresh.ErrTypeConflict}}
	}
	return refresh.Account{ID: aws.ToString(p.Value)}
}

// getParameters reads up to ten parameters by name without decryption. One that does not exist is left out.
func (s *Store) getParameters(ctx context.Context, names []string) (*ssm.GetParametersOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(false)})
	if err != nil {
		return nil, callError("GetParameters", names[0], reads, err)
	}
	return out, nil
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
