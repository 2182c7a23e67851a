package ssmstore

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Get returns the named parameters as they are now, in the order of the names, each once. A parameter that does not exist is left out. Ten
// names are read in a call, without decryption.
//
// A failure wraps [store.ErrThrottled], [store.ErrAccessDenied] or [store.ErrUnavailable], and then no parameter is returned.
func (s *Store) Get(ctx context.Context, names []store.Name) ([]store.Parameter, error) {
	full, byName := s.fullNames(names)
	found := make(map[string]store.Parameter, len(full))
	for part := range slices.Chunk(full, namesPerGet) {
		out, err := s.getParameters(ctx, part)
		if err != nil {
			return nil, err
		}
		for i := range out.Parameters {
			p := &out.Parameters[i]
			name := aws.ToString(p.Name)
			if n, wanted := byName[name]; wanted {
				found[name] = parameter(n, p)
			}
			p.Value = nil
		}
	}
	parameters := make([]store.Parameter, 0, len(found))
	for _, name := range full {
		if p, exists := found[name]; exists {
			parameters = append(parameters, p)
		}
	}
	return parameters, nil
}

func (s *Store) getParameters(ctx context.Context, names []string) (*ssm.GetParametersOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(false)})
	if err != nil {
		return nil, awserr.New("GetParameters", names[0], err, readTable)
	}
	return out, nil
}

func parameter(n store.Name, p *types.Parameter) store.Parameter {
	out := store.Parameter{Name: n, Type: string(p.Type), Version: p.Version, Modified: aws.ToTime(p.LastModifiedDate).UTC()}
	// An access_token that somebody wrote as a String may hold a token.
	if p.Type == types.ParameterTypeString && n.Kind != store.KindToken {
		out.Text = aws.ToString(p.Value)
	}
	return out
}
