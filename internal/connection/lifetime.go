package connection

import "time"

// unknownLifetime is the lifetime of a token when neither the response nor the catalogue states one.
const unknownLifetime = 55 * time.Minute

// Lifetime is how long an issued token counts as valid: what the response states, else the catalogue's default, at most MaxLifetime.
func (c Connection) Lifetime(stated time.Duration) time.Duration {
	if stated <= 0 {
		stated = c.Provider.DefaultLifetime
	}
	if stated <= 0 {
		stated = unknownLifetime
	}
	if c.MaxLifetime > 0 {
		stated = min(stated, c.MaxLifetime)
	}
	return stated
}
