package awstest

import (
	"math"
	"time"
)

// Group is a set of operations that share one quota of calls.
type Group string

// The groups of operations.
const (
	ParameterWrites   Group = "parameter writes"   // PutParameter
	ParameterReads    Group = "parameter reads"    // GetParameter, GetParameters, GetParameterHistory
	ParameterListings Group = "parameter listings" // DescribeParameters
	ParameterDeletes  Group = "parameter deletes"  // DeleteParameter, DeleteParameters
	SecretWrites      Group = "secret writes"      // everything that changes a secret
	SecretReads       Group = "secret reads"       // GetSecretValue, DescribeSecret
	SecretBatches     Group = "secret batches"     // BatchGetSecretValue
	SecretListings    Group = "secret listings"    // ListSecrets
	StateWrites       Group = "state writes"       // UpdateItem, DeleteItem
	StateReads        Group = "state reads"        // GetItem, BatchGetItem, Scan, DescribeTable
)

// Quota is a token bucket. The zero Quota does not throttle.
type Quota struct {
	PerSecond float64 // calls a second
	Burst     float64 // calls at once after a pause; zero means one second's worth, and never less than one call
	Others    float64 // share of PerSecond that other programs of the account use, 0 to 1
}

// AWSQuotas are the default quotas of an account (Parameter Store and Secrets Manager quota pages, 2026-11). AWS publishes none for the
// deletions, which are left out, and none for DescribeParameters: users report less than one call a second, throttled after about twenty
// (segmentio/chamber#34 and #76, boto/boto3#1079). A DynamoDB table on demand has no quota that this program could meet.
func AWSQuotas() map[Group]Quota {
	return map[Group]Quota{
		ParameterWrites:   {PerSecond: 3},
		ParameterReads:    {PerSecond: 40},
		ParameterListings: {PerSecond: 1, Burst: 20},
		SecretWrites:      {PerSecond: 50},
		SecretReads:       {PerSecond: 10000},
		SecretBatches:     {PerSecond: 100},
		SecretListings:    {PerSecond: 100},
	}
}

// SetQuota gives a group a full bucket of the given size. The zero Quota ends throttling.
func (w *World) SetQuota(g Group, q Quota) {
	defer w.lock()()
	if q == (Quota{}) {
		delete(w.buckets, g)
		return
	}
	b := &bucket{rate: q.PerSecond * (1 - q.Others), size: q.Burst, at: w.now()}
	if b.size == 0 {
		b.size = b.rate
	}
	b.size = math.Max(b.size, 1)
	b.level = b.size
	w.buckets[g] = b
}

// SetQuotas calls SetQuota for each group: w.SetQuotas(awstest.AWSQuotas()).
func (w *World) SetQuotas(quotas map[Group]Quota) {
	for g, q := range quotas {
		w.SetQuota(g, q)
	}
}

type bucket struct {
	rate, size, level float64
	at                time.Time
}

// admit takes one call from the group's bucket, or reports that it is empty. w.mu is held.
func (w *World) admit(g Group) bool {
	b := w.buckets[g]
	if b == nil {
		return true
	}
	now := w.now()
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.level = math.Min(b.size, b.level+d*b.rate)
		b.at = now
	}
	if b.level < 1-1e-9 { // sums of fractions such as 1/3 must not cost a call
		return false
	}
	b.level--
	return true
}
