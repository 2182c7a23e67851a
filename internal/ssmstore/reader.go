package ssmstore

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Reader is a Store as the healthcheck sees it: [probe.Parameters].
type Reader struct{ store *Store }

var _ probe.Parameters = Reader{}

// Reader returns the Store as the healthcheck sees it.
func (s *Store) Reader() Reader { return Reader{s} }

// List is [Store.List].
func (r Reader) List(ctx context.Context) ([]probe.Parameter, error) {
	listed, err := r.store.List(ctx)
	if err != nil {
		return nil, err
	}
	parameters := make([]probe.Parameter, len(listed))
	for i, p := range listed {
		parameters[i] = probe.Parameter{
			Connection: p.Connection, Failure: p.Kind == refresh.KindFailure,
			Type: p.Type, Version: p.Version, Description: p.Description, Modified: p.Modified,
		}
	}
	return parameters, nil
}

// Failures returns the values of the refresh_failure parameters of the named connections, by connection: sentences for a person, which are
// stored in the open. One that does not exist, or is no String, is left out.
//
// A failure wraps [refresh.ErrThrottled], [refresh.ErrAccessDenied] or [refresh.ErrUnavailable], and then nothing is returned.
func (r Reader) Failures(ctx context.Context, connections []string) (map[string]string, error) {
	sentences := map[string]string{}
	err := r.store.values(ctx, connections, refresh.KindFailure, func(connection string, p *types.Parameter) {
		if p.Type == types.ParameterTypeString {
			sentences[connection] = aws.ToString(p.Value)
		}
	})
	if err != nil {
		return nil, err
	}
	return sentences, nil
}

// values reads one kind of parameter of the named connections without decryption, ten a call, and gives each that exists to take.
func (s *Store) values(ctx context.Context, connections []string, kind refresh.Kind, take func(connection string, p *types.Parameter)) error {
	var names []string
	for _, c := range connections {
		if name, ok := s.name(c, kind); ok {
			names = append(names, name)
		}
	}
	for part := range slices.Chunk(distinct(names), namesPerGet) {
		out, err := s.getParameters(ctx, part)
		if err != nil {
			return err
		}
		for i := range out.Parameters {
			p := &out.Parameters[i]
			if connection, found, ok := s.parse(aws.ToString(p.Name)); ok && found == kind {
				take(connection, p)
			}
		}
	}
	return nil
}
