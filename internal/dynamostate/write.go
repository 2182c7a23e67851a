package dynamostate

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// Claim takes the lease of a connection whose item has not changed since it was read, and returns the item with the lease.
//
// Otherwise the error wraps [store.ErrInFlight]. For an item of a newer schema it wraps [store.ErrNewer], and no call is made.
func (s *Store) Claim(ctx context.Context, read lifecycle.State, o lifecycle.Owner) (lifecycle.State, error) {
	if read.Newer {
		return read, newer(read.ID)
	}
	now := s.now()
	lease := lifecycle.Lease{Owner: o.ID, Since: now.UTC().Truncate(time.Second), Until: ceil(o.HardEnd.Add(lifecycle.LeaseMargin))}
	c := newChange(read.ID)
	c.ifFree(read, now)
	c.set(attrLease, leaseValue(lease))
	c.set(attrSchema, number(schema))
	c.set(attrRevision, number(read.Revision+1))
	item, err := s.update(ctx, c, types.ReturnValueAllNew)
	if err == nil {
		return Decode(item), nil
	}
	old, failed := conditionFailed(err)
	if !failed {
		return read, s.failed("UpdateItem", read.ID, err)
	}
	if is := Decode(old); is.Revision == read.Revision+1 && is.Lease != nil && same(*is.Lease, lease) {
		return is, nil // an earlier attempt of this call took the lease
	}
	return read, inFlight("claim", read.ID)
}

func same(a, b lifecycle.Lease) bool {
	return a.Owner == b.Owner && a.Since.Equal(b.Since) && a.Until.Equal(b.Until)
}

// Commit writes a state and ends its lease, which is next.Lease as Claim returned it. Without the lease the error wraps [store.ErrLeaseLost].
func (s *Store) Commit(ctx context.Context, next lifecycle.State) error {
	if next.Lease == nil {
		return leaseLost("commit", next.ID)
	}
	c := newChange(next.ID)
	c.ifMine(next)
	written := written(next)
	c.write(written)
	_, err := s.update(ctx, c, types.ReturnValueNone)
	if err == nil {
		return nil
	}
	old, failed := conditionFailed(err)
	switch {
	case !failed:
		return s.failed("UpdateItem", next.ID, err)
	case holds(old, written): // an earlier attempt of this call wrote it
		return nil
	}
	return leaseLost("commit", next.ID)
}

// Release ends a lease and changes nothing else. Without the lease the error wraps [store.ErrLeaseLost].
//
// A connection that had no item before its claim keeps one, with the revision and without a token. Deleting the item instead would let the
// revision begin again, while the caller counts on the next one, and the rotator would need the right to delete.
func (s *Store) Release(ctx context.Context, leased lifecycle.State) error {
	if leased.Lease == nil {
		return leaseLost("release", leased.ID)
	}
	c := newChange(leased.ID)
	c.ifMine(leased)
	c.remove(attrLease)
	c.set(attrRevision, number(leased.Revision+1))
	_, err := s.update(ctx, c, types.ReturnValueNone)
	if err == nil {
		return nil
	}
	old, failed := conditionFailed(err)
	if !failed {
		return s.failed("UpdateItem", leased.ID, err)
	}
	if is := Decode(old); is.Revision == leased.Revision+1 && is.Lease == nil { // an earlier attempt of this call ended the lease
		return nil
	}
	return leaseLost("release", leased.ID)
}

// Update writes a state whose item has not changed and has no live lease, and returns the state with its new revision.
//
// Otherwise the error wraps [store.ErrInFlight]. For an item of a newer schema it wraps [store.ErrNewer], and no call is made.
func (s *Store) Update(ctx context.Context, next lifecycle.State) (lifecycle.State, error) {
	if next.Newer {
		return next, newer(next.ID)
	}
	c := newChange(next.ID)
	c.ifFree(next, s.now())
	written := written(next)
	c.write(written)
	_, err := s.update(ctx, c, types.ReturnValueNone)
	if err == nil {
		return written, nil
	}
	old, failed := conditionFailed(err)
	switch {
	case !failed:
		return next, s.failed("UpdateItem", next.ID, err)
	case holds(old, written): // an earlier attempt of this call wrote it
		return written, nil
	}
	return next, inFlight("update", next.ID)
}

// Delete removes an item under the condition and with the errors of Update. An item that does not exist is no error.
func (s *Store) Delete(ctx context.Context, state lifecycle.State) error {
	if state.Newer {
		return newer(state.ID)
	}
	c := newChange(state.ID)
	c.ifFree(state, s.now())
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: key(state.ID), ConditionExpression: &c.condition,
		ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return nil
	}
	old, failed := conditionFailed(err)
	switch {
	case !failed:
		return s.failed("DeleteItem", state.ID, err)
	case len(old) == 0:
		return nil
	}
	return inFlight("delete", state.ID)
}

// update makes the UpdateItem of a change.
func (s *Store) update(ctx context.Context, c *change, returned types.ReturnValue) (map[string]types.AttributeValue, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	expression := c.expression()
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: key(c.connection), ConditionExpression: &c.condition, UpdateExpression: &expression,
		ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		ReturnValues: returned, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// written is a state as Commit and Update write it.
func written(next lifecycle.State) lifecycle.State {
	next.Revision++
	next.Lease = nil
	return next
}

// holds reports whether an item is a state as it was written. Attributes that this program does not know are left alone and do not count.
func holds(item map[string]types.AttributeValue, written lifecycle.State) bool {
	want := encode(written)
	for _, name := range attributes() {
		if !reflect.DeepEqual(item[name], want[name]) {
			return false
		}
	}
	return true
}

// ceil rounds an instant up to whole seconds.
func ceil(t time.Time) time.Time { return t.Add(time.Second - 1).UTC().Truncate(time.Second) }

// change is a conditional write that is being put together. Every attribute has a placeholder, because many are reserved words of DynamoDB.
type change struct {
	connection    string
	condition     string
	sets, removes []string
	names         map[string]string
	values        map[string]types.AttributeValue
}

func newChange(connection string) *change {
	return &change{connection: connection, names: map[string]string{}, values: map[string]types.AttributeValue{}}
}

// ifFree allows the write only if the item is as it was read and has no live lease.
//
// What somebody edited into something that Decode cannot read must not keep the connection from being claimed: a revision that is no number
// or below 1 is revision 0, and a lease whose end is no number or after lastYear is no lease.
func (c *change) ifFree(read lifecycle.State, now time.Time) {
	c.name(attrRevision, attrLease, "until")
	c.values[":number"] = text("N")
	c.values[":now"] = number(now.Unix())
	c.values[":last"] = number(lastEpoch())
	unchanged := "#revision = :was"
	if read.Revision == 0 {
		unchanged = "(NOT attribute_type(#revision, :number) OR #revision < :was)"
	}
	c.values[":was"] = number(max(1, read.Revision))
	c.condition = unchanged + " AND (NOT attribute_type(#lease.#until, :number) OR #lease.#until < :now OR #lease.#until > :last)"
}

// ifMine allows the write only if the item is as it was claimed and still has the lease. The lease may be over: nobody else took it.
func (c *change) ifMine(leased lifecycle.State) {
	c.name(attrRevision, attrLease, "owner")
	c.values[":was"] = number(leased.Revision)
	c.values[":owner"] = text(leased.Lease.Owner)
	c.condition = "#lease.#owner = :owner AND #revision = :was"
}

func (c *change) name(names ...string) {
	for _, name := range names {
		c.names["#"+name] = name
	}
}

func (c *change) set(name string, v types.AttributeValue) {
	c.name(name)
	c.sets = append(c.sets, "#"+name+" = :"+name)
	c.values[":"+name] = v
}

func (c *change) remove(name string) {
	c.name(name)
	c.removes = append(c.removes, "#"+name)
}

// write sets every attribute that a state has, and removes the others.
func (c *change) write(state lifecycle.State) {
	item := encode(state)
	for _, name := range attributes() {
		if v, ok := item[name]; ok {
			c.set(name, v)
		} else {
			c.remove(name)
		}
	}
}

func (c *change) expression() string {
	text := "SET " + strings.Join(c.sets, ", ")
	if len(c.removes) > 0 {
		text += " REMOVE " + strings.Join(c.removes, ", ")
	}
	return text
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func key(connection string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrConnection: text(connection)}
}
