package connection

import (
	"regexp"
	"slices"
	"strings"
)

// placeholderForms match example values: <your id>, {{client_id}}, ${SECRET}, a row of one character, your_client_id_here.
var placeholderForms = []*regexp.Regexp{
	regexp.MustCompile(`^<.*>$|^\{.*\}$|^\$\{?\w+\}?$|^\[.*\]$|^%\w+%$`),
	regexp.MustCompile(`^(x{3,}|\*+|\.{2,}|…+|•+|-+|_+|\?+)$`),
	regexp.MustCompile(`^x{3,}([-_ .]x+)+$`),
	regexp.MustCompile(`^(insert|paste|enter|replace|use|put|insira|cole|coloque)?(your|seu|sua)(hotmart|kiwify|app|application|api|oauth)?(client|id|secret|key|basic|token|credential)[a-z]*$`),
}

// placeholderWords are example values, lower case and without separators.
var placeholderWords = []string{
	"changeme", "changeit", "replaceme", "replacethis", "fillme", "fillmein", "placeholder", "todo", "tbd", "fixme", "example",
	"none", "null", "undefined", "redacted", "clientid", "clientsecret", "basictoken", "theclientid", "theclientsecret",
	"insertclientid", "insertclientsecret", "trocar", "troque", "mudar", "preencher", "exemplo",
}

// placeholder reports whether a credential is an example value.
func placeholder(s string) bool {
	lower := strings.ToLower(strings.TrimSpace(s))
	letters := strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_ .", r) {
			return -1
		}
		return r
	}, lower)
	if slices.Contains(placeholderWords, letters) {
		return true
	}
	return hasPlaceholderForm(lower) || letters != "" && hasPlaceholderForm(letters)
}

func hasPlaceholderForm(s string) bool {
	return slices.ContainsFunc(placeholderForms, func(form *regexp.Regexp) bool { return form.MatchString(s) })
}
