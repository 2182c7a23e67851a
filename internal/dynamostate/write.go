package dynamostate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Conditions of writes. A connection without an item has revision 0, and so has an item that somebody wrote by hand without a revision.
const (
	unchanged = "#revision = :was"
	unwritten = "attribute_not_exists(#revision)"
	unleased  = "(attribute_not_exists(#lease.#until) OR #lease.#until < :now)"
	mine      = "#lease.#owner = :owner AND " + unchanged
)

// Claim takes the lease of a connection whose item has not changed since it was read, and returns the item with the lease. Otherwise the error wraps
// store.ErrInFlight; for an item of a newer schema it wraps store.ErrNewer.
func (s *Store) Claim(ctx context.Context, read lifecycle.State, o lifecycle.Owner) (lifecycle.State, error) {
	if read.Newer {
		return read, s.newer(read.ID)
	}
	now := s.now()
	lease := lifecycle.Lease{Owner: o.ID, Since: now.UTC().Truncate(time.Second), Until: ceil(o.HardEnd.Add(lifecycle.LeaseMargin))}
	u := newChange(read.ID)
	u.condition(freely(read), read)
	u.number(":now", now.Unix())
	u.set(attrLease, leaseValue(lease))
	u.set(attrSchema, number(schema))
	u.set(attrRevision, number(read.Revision+1))
	out, err := s.write(ctx, u, types.ReturnValueAllNew)
	if err == nil {
		return Decode(out), nil
	}
	if old, lost := conditionFailed(err); lost {
		// The response to the first attempt may be lost: then the second one finds its own lease.
		if is := Decode(old); is.Revision == read.Revision+1 && is.Lease != nil && *is.Lease == lease {
			return is, nil
		}
		return read, s.inFlight("Claim", read.ID)
	}
	return read, s.failed("UpdateItem", read.ID, err)
}

// Commit writes a state and ends its lease, which is next.Lease. Without the lease the error wraps store.ErrLeaseLost.
func (s *Store) Commit(ctx context.Context, next lifecycle.State) error {
	written := next
	written.Revision, written.Lease = next.Revision+1, nil
	err := s.finish(ctx, next, written)
	if err != nil && errors.Is(err, store.ErrLeaseLost) {
		return fmt.Errorf("commit %s: %w", next.ID, err)
	}
	return err
}

// Release ends a lease and changes nothing else. A connection that had no item keeps one without a token.
func (s *Store) Release(ctx context.Context, leased lifecycle.State) error {
	u := newChange(leased.ID)
	u.condition(mine, leased)
	u.text(":owner", leased.Lease.Owner)
	u.remove(attrLease)
	u.set(attrRevision, number(leased.Revision+1))
	_, err := s.write(ctx, u, types.ReturnValueNone)
	if err == nil {
		return nil
	}
	old, lost := conditionFailed(err)
	if !lost {
		return s.failed("UpdateItem", leased.ID, err)
	}
	if is := Decode(old); is.Revision == leased.Revision+1 && is.Lease == nil { // the response to an earlier attempt was lost
		return nil
	}
	return fmt.Errorf("release %s: %w", leased.ID, store.ErrLeaseLost)
}

// finish is the write of Commit.
func (s *Store) finish(ctx context.Context, leased, written lifecycle.State) error {
	u := newChange(leased.ID)
	u.condition(mine, leased)
	u.text(":owner", leased.Lease.Owner)
	u.whole(written)
	_, err := s.write(ctx, u, types.ReturnValueNone)
	if err == nil {
		return nil
	}
	old, lost := conditionFailed(err)
	if !lost {
		return s.failed("UpdateItem", leased.ID, err)
	}
	if maps.EqualFunc(old, encode(written), equal) { // the response to an earlier attempt was lost
		return nil
	}
	return store.ErrLeaseLost
}

// Update writes a state whose item has not changed and has no live lease, and returns it as written. Otherwise the error wraps store.ErrInFlight.
func (s *Store) Update(ctx context.Context, next lifecycle.State) (lifecycle.State, error) {
	if next.Newer {
		return next, s.newer(next.ID)
	}
	written := next
	written.Revision, written.Lease = next.Revision+1, nil
	u := newChange(next.ID)
	u.condition(freely(next), next)
	u.number(":now", s.now().Unix())
	u.whole(written)
	_, err := s.write(ctx, u, types.ReturnValueNone)
	if err == nil {
		return written, nil
	}
	old, lost := conditionFailed(err)
	if !lost {
		return next, s.failed("UpdateItem", next.ID, err)
	}
	if maps.EqualFunc(old, encode(written), equal) {
		return written, nil
	}
	return next, s.inFlight("Update", next.ID)
}

// Delete removes an item under the condition of Update. An item that does not exist is no error.
func (s *Store) Delete(ctx context.Context, state lifecycle.State) error {
	if state.Newer {
		return s.newer(state.ID)
	}
	u := newChange(state.ID)
	u.condition(freely(state), state)
	u.number(":now", s.now().Unix())
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: key(state.ID), ConditionExpression: &u.conditionText,
		ExpressionAttributeNames: u.names, ExpressionAttributeValues: u.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return nil
	}
	old, lost := conditionFailed(err)
	switch {
	case !lost:
		return s.failed("DeleteItem", state.ID, err)
	case len(old) == 0:
		return nil
	}
	return s.inFlight("Delete", state.ID)
}

func (s *Store) inFlight(what, connection string) error {
	return fmt.Errorf("%s %s: %w", strings.ToLower(what), connection, store.ErrInFlight)
}

func (s *Store) newer(connection string) error {
	return fmt.Errorf("item of %s: %w; update this function", connection, store.ErrNewer)
}

// freely is the condition of a write that needs no lease.
func freely(read lifecycle.State) string {
	if read.Revision == 0 {
		return unwritten + " AND " + unleased
	}
	return unchanged + " AND " + unleased
}

// conditionFailed reports whether a condition failed, and returns the item that is there.
func conditionFailed(err error) (map[string]types.AttributeValue, bool) {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return nil, false
	}
	return failed.Item, true
}

// ceil rounds an instant up to whole seconds.
func ceil(t time.Time) time.Time { return t.Add(time.Second - 1).UTC().Truncate(time.Second) }

// change is one UpdateItem being put together.
type change struct {
	connection    string
	conditionText string
	sets, removes []string
	names         map[string]string
	values        map[string]types.AttributeValue
}

func newChange(connection string) *change {
	return &change{connection: connection, names: map[string]string{}, values: map[string]types.AttributeValue{}}
}

// condition sets the condition, with the placeholders that it names.
func (u *change) condition(text string, read lifecycle.State) {
	u.conditionText = text
	for _, name := range []string{attrRevision, attrLease, "until", "owner"} {
		if strings.Contains(text, "#"+name) {
			u.name(name)
		}
	}
	if strings.Contains(text, ":was") {
		u.number(":was", read.Revision)
	}
}

func (u *change) name(names ...string) {
	for _, name := range names {
		u.names["#"+name] = name
	}
}

func (u *change) number(placeholder string, n int64) { u.values[placeholder] = number(n) }

func (u *change) text(placeholder, text string) {
	u.values[placeholder] = &types.AttributeValueMemberS{Value: text}
}

func (u *change) set(name string, v types.AttributeValue) {
	u.name(name)
	u.sets = append(u.sets, "#"+name+" = :"+name)
	u.values[":"+name] = v
}

func (u *change) remove(name string) {
	u.name(name)
	u.removes = append(u.removes, "#"+name)
}

// whole sets every attribute that a state has, and removes the others.
func (u *change) whole(state lifecycle.State) {
	item := encode(state)
	for _, name := range attributes() {
		if v, ok := item[name]; ok {
			u.set(name, v)
		} else {
			u.remove(name)
		}
	}
}

func (u *change) expression() string {
	text := "SET " + strings.Join(u.sets, ", ")
	if len(u.removes) > 0 {
		text += " REMOVE " + strings.Join(u.removes, ", ")
	}
	return text
}

// write makes the UpdateItem.
func (s *Store) write(ctx context.Context, u *change, returned types.ReturnValue) (map[string]types.AttributeValue, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	text := u.expression()
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: key(u.connection), ConditionExpression: &u.conditionText, UpdateExpression: &text,
		ExpressionAttributeNames: u.names, ExpressionAttributeValues: u.values,
		ReturnValues: returned, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func key(connection string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrConnection: &types.AttributeValueMemberS{Value: connection}}
}
