package ssmstore

import (
	"context"
	"errors"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// List returns the tokens and failures under the prefix, in the order in which SSM tells them. The listing is a hint: SSM answers on a
// best-effort basis and may be behind. Any error means that it is not complete, and then nothing is returned.
//
// A failure wraps [refresh.ErrThrottled], [refresh.ErrAccessDenied] or [refresh.ErrUnavailable].
func (s *Store) List(ctx context.Context) ([]refresh.Parameter, error) {
	path := filter("Path", "Recursive", s.prefix)
	// Account ids would double the pages. Path and Contains are each documented for DescribeParameters, their combination is not
	// shown anywhere; so where it is refused, Path alone serves, with more pages. The values have no leading slash, since whether
	// Contains sees a name with or without one is not documented either; what it finds too much is dropped by parse.
	kinds := filter("Name", "Contains", string(refresh.KindToken), string(refresh.KindFailure))
	found, err := s.describe(ctx, s.prefix, everything, path, kinds)
	if refusesFilter(err) {
		found, err = s.describe(ctx, s.prefix, everything, path)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// everything asks describe for every page.
const everything = math.MaxInt

// describe pages through DescribeParameters and keeps what is ours, until it has most of them: a question by name needs no look at the
// pages after the last name. subject names the question in errors.
func (s *Store) describe(ctx context.Context, subject string, most int, filters ...types.ParameterStringFilter) ([]refresh.Parameter, error) {
	var found []refresh.Parameter
	at := map[refresh.Name]int{} // index in found: pages are not a snapshot, so a parameter that moved may be told twice
	tokens := map[string]bool{}
	in := &ssm.DescribeParametersInput{MaxResults: aws.Int32(pageSize), ParameterFilters: filters}
	for {
		out, err := s.describePage(ctx, in)
		if err != nil {
			return nil, callError("DescribeParameters", subject, reads, err)
		}
		for i := range out.Parameters {
			p, ok := s.parameter(&out.Parameters[i])
			if !ok {
				continue
			}
			name := refresh.Name{Connection: p.Connection, Kind: p.Kind}
			if j, twice := at[name]; !twice {
				at[name] = len(found)
				found = append(found, p)
			} else if p.Version > found[j].Version {
				found[j] = p
			}
		}
		next := aws.ToString(out.NextToken)
		if next == "" || len(found) >= most {
			return found, nil
		}
		if tokens[next] {
			return nil, &Error{Op: "DescribeParameters", Subject: subject, Message: "the same NextToken came twice; the listing would never end", kind: refresh.ErrUnavailable}
		}
		tokens[next] = true
		in.NextToken = &next
	}
}

func (s *Store) describePage(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.DescribeParameters(ctx, in)
}

func (s *Store) parameter(m *types.ParameterMetadata) (refresh.Parameter, bool) {
	connection, kind, ok := s.parse(aws.ToString(m.Name))
	if !ok || !listed(kind) {
		return refresh.Parameter{}, false
	}
	return refresh.Parameter{
		Connection:  connection,
		Kind:        kind,
		Type:        string(m.Type),
		Version:     m.Version,
		Description: aws.ToString(m.Description),
		Modified:    aws.ToTime(m.LastModifiedDate).UTC(),
	}, true
}

func filter(key, option string, values ...string) types.ParameterStringFilter {
	return types.ParameterStringFilter{Key: &key, Option: &option, Values: values}
}

// refusesFilter tells whether SSM refused the question itself.
func refusesFilter(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "ValidationException",
		(&types.InvalidFilterKey{}).ErrorCode(),
		(&types.InvalidFilterOption{}).ErrorCode(),
		(&types.InvalidFilterValue{}).ErrorCode():
		return true
	}
	return false
}
