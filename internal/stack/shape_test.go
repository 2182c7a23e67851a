package stack_test

import (
	"testing"
	"time"
)

// values of an alarm's metric that are trouble and that are none.
var badAndGood = map[string][2]float64{
	"TokenInDanger": {100, 40_000}, "RenewalOverdue": {1, 0}, "ConnectionsFailing": {1, 0}, "FallbackActive": {1, 0}, "AuthSlow": {1001, 100},
	"AuthFailing": {0, 1}, "DeadLetters": {1, 0}, "RotationFailed": {1, 0}, "Notices": {1, 0},
}

// shape evaluates an alarm over values that a test makes up, for each look back.
func shape(t *testing.T, id string, data []datum, until time.Duration, check func(changes []change)) {
	t.Helper()
	s := deploy(t, nil)
	for _, lookBack := range lookBacks {
		a := s.alarm(id)
		a.lookBack = lookBack
		check(a.changes(t, metrics{a.metric: data}, outset, outset.Add(until)))
	}
}

var outset = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// TestAtTheThresholdNothingRings: the good value for hours, and the greatest that is still good.
func TestAtTheThresholdNothingRings(t *testing.T) {
	atMost := map[string]float64{"TokenInDanger": 900, "AuthSlow": 1000}
	for id, v := range badAndGood {
		var data []datum
		for at := outset; at.Before(outset.Add(3 * time.Hour)); at = at.Add(5 * time.Minute) {
			data = append(data, datum{at, v[1]})
			if most, has := atMost[id]; has {
				data = append(data, datum{at, most})
			}
		}
		shape(t, id, data, 3*time.Hour, func(changes []change) {
			if at := rang(changes); len(at) > 0 {
				t.Errorf("%s rang %v", id, at)
			}
		})
	}
}

// TestOneBadValueOfAPeriodIsEnough: another run, another endpoint or another connection that is well does not hide it.
func TestOneBadValueOfAPeriodIsEnough(t *testing.T) {
	for id, v := range badAndGood {
		var data []datum
		for at := outset; at.Before(outset.Add(3 * time.Hour)); at = at.Add(5 * time.Minute) {
			data = append(data, datum{at, v[1]})
			if at.Sub(outset) >= time.Hour {
				data = append(data, datum{at.Add(time.Second), v[0]}, datum{at.Add(2 * time.Second), v[1]})
			}
		}
		shape(t, id, data, 3*time.Hour, func(changes []change) {
			if at := rang(changes); len(at) != 1 || at[0].Sub(outset) > 80*time.Minute {
				t.Errorf("%s rang %v", id, at)
			}
		})
	}
}

// TestALateRunEndsNothing: a run that takes most of its period leaves one without a value. A trouble that lasts is then one alarm and not two.
func TestALateRunEndsNothing(t *testing.T) {
	for _, id := range []string{"TokenInDanger", "RenewalOverdue", "ConnectionsFailing", "FallbackActive", "AuthSlow", "AuthFailing"} {
		v := badAndGood[id]
		var data []datum
		for i := range 36 {
			at := outset.Add(time.Duration(i) * 5 * time.Minute)
			if i%6 == 4 {
				at = at.Add(270 * time.Second)
			}
			data = append(data, datum{at, v[0]})
		}
		shape(t, id, data, 3*time.Hour, func(changes []change) {
			if at := rang(changes); len(at) != 1 || changes[len(changes)-1].to != "ALARM" {
				t.Errorf("%s changed %v", id, changes)
			}
		})
	}
}

// TestANoticeThatComesBackIsOneAlarm: with each token of Hotmart and Kiwify, that is twice a day, for a week.
func TestANoticeThatComesBackIsOneAlarm(t *testing.T) {
	var data []datum
	for i := range 7 * 288 {
		v := 0.0
		if i%(288*6/10) == 20 { // a token of a day is renewed after 60% of its life at the latest
			v = 1
		}
		data = append(data, datum{outset.Add(time.Duration(i) * 5 * time.Minute), v})
	}
	shape(t, "Notices", data, 7*24*time.Hour, func(changes []change) {
		if at := rang(changes); len(at) != 1 {
			t.Errorf("it rang %d times: %v", len(at), at)
		}
	})
}
