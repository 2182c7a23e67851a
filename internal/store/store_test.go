package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestAScheduledDeletionIsAlsoNotFound(t *testing.T) {
	err := fmt.Errorf("describe secret: %w", ErrDeleted)
	if !errors.Is(err, ErrDeleted) || !errors.Is(err, ErrNotFound) {
		t.Errorf("%v must match both ErrDeleted and ErrNotFound", err)
	}
	if errors.Is(ErrNotFound, ErrDeleted) {
		t.Error("a secret that does not exist is not scheduled for deletion")
	}
}

func TestWhichVersionHasAStage(t *testing.T) {
	s := Secret{Versions: map[string][]string{"v3": {StageCurrent}, "v2": {StagePrevious, StageBackup}, "v1": {StageBackup}}}
	tests := map[string]struct {
		stage   string
		holder  string
		holders []string
	}{
		"one version":                        {StageCurrent, "v3", []string{"v3"}},
		"two versions: the smaller id comes": {StageBackup, "v1", []string{"v1", "v2"}},
		"none":                               {StageCandidate, "", nil},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got := s.Holder(tt.stage); got != tt.holder {
				t.Errorf("Holder = %q, want %q", got, tt.holder)
			}
			if got := s.Holders(tt.stage); !slices.Equal(got, tt.holders) {
				t.Errorf("Holders = %v, want %v", got, tt.holders)
			}
		})
	}
	if !s.Has("v2", StageBackup) || s.Has("v3", StageBackup) || s.Has("v9", StageCurrent) {
		t.Error("Has must report the stages of the given version only")
	}
}
