package rotate

import "context"

// set is the step in which credentials are made at the provider. Here a person has made them, so there is nothing to set; but a version without
// a value must not pass.
//
//	the version is AWSCURRENT   nothing to do
//	it has no value             ERR_PENDING_EMPTY
//	else                        nothing to do, and no request is made
func (s *step) set(ctx context.Context, live bool) error {
	if live {
		return nil
	}
	_, empty, err := s.readPending(ctx)
	if err == nil && empty {
		return s.pendingEmpty()
	}
	return err
}
