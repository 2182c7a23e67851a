package awserr

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	redacted = "[redacted]"
	// A message and a value share shorter runs by coincidence: words of a validation message also occur in failure sentences.
	sharedRun = 8
	// A message is far shorter. The limit keeps the comparison with a secret of 64 kB fast.
	maxCompared = 8192
)

// redact removes from text what it shares with the secrets. Validation messages quote the value that was sent: whole, cut or escaped.
func redact(text string, secrets []oauth.Secret) string {
	text = text[:min(len(text), maxCompared)]
	for _, secret := range secrets {
		value := secret.Reveal()
		if value == "" {
			continue
		}
		for _, form := range []string{
			value,
			url.QueryEscape(value),
			url.PathEscape(value),
			base64.StdEncoding.EncodeToString([]byte(value)),
			base64.URLEncoding.EncodeToString([]byte(value)),
		} {
			text = redactShared(text, form)
		}
	}
	return text
}

// redactShared replaces each run of at least sharedRun bytes (or all of a shorter form) that text shares with form.
func redactShared(text, form string) string {
	least := min(sharedRun, len(form))
	var out strings.Builder
	for i := 0; i < len(text); {
		n := 0
		for l := least; i+l <= len(text) && strings.Contains(form, text[i:i+l]); l++ {
			n = l
		}
		if n == 0 {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString(redacted)
		i += n
	}
	return out.String()
}
