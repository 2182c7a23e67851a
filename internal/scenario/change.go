package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// changer changes the world; rest is what follows the verb, expanded.
type changer func(p *player, rest string) error

// changes are the lines that change the world. Those made of words get them split.
func changes() map[string]changer {
	return map[string]changer{
		"set":             byWords(0, changeSettings),
		"advance":         byWords(1, changeTime),
		"provider":        byWords(3, changeProvider),
		"behave":          byWords(2, changeBehaviour),
		"client":          byWords(2, changeClient),
		"remove-client":   byWords(2, changeRemove),
		"fault":           byWords(2, changeFault),
		"clear-faults":    byWords(1, changeClear),
		"connect":         changeConnect,
		"secret":          changeSecret,
		"binary":          byWords(1, changeBinary),
		"valueless":       byWords(1, changeValueless),
		"stage":           byWords(3, changeStage),
		"tag":             byWords(2, changeTag),
		"untag":           byWords(2, changeUntag),
		"delete-secret":   byWords(1, changeDelete),
		"drop-secret":     byWords(1, changeDrop),
		"restore-secret":  byWords(1, changeRestore),
		"backdate":        byWords(2, changeBackdate),
		"write":           changeWrite,
		"overwrite":       byWords(2, changeOverwrite),
		"drop":            byWords(2, changeDropParameter),
		"lag":             byWords(1, changeLag),
		"aws-fault":       byWords(3, changeAWSFault),
		"clear-aws":       byWords(0, changeClearAWS),
		"quota":           byWords(2, changeQuota),
		"many":            byWords(3, changeMany),
		"the-other-run":   changeOtherRun,
		"client-secret":   byWords(3, changeClientSecret),
		"aws-latency":     byWords(2, changeAWSLatency),
		"remove-clients":  byWords(1, changeRemoveAll),
		"restore-clients": byWords(1, changeRestoreAll),
	}
}

func (p *player) change(l line) error {
	if l.verb == "before" || l.verb == "after" { // what they do then is expanded then
		return p.hook(l)
	}
	do, ok := changes()[l.verb]
	if !ok {
		return l.errorf("there is no such directive")
	}
	text, err := p.expand(l.rest)
	if err == nil {
		err = do(p, text)
	}
	if err != nil {
		return l.errorf("%w", err)
	}
	return nil
}

// byWords is a change that is told in words, at least n.
func byWords(n int, do func(p *player, args []string) error) changer {
	return func(p *player, rest string) error {
		args, err := words(rest)
		if err != nil {
			return err
		}
		if _, _, err := split(args, n); err != nil {
			return err
		}
		return do(p, args)
	}
}

// options reads name=value words and gives each to the function of its name.
func options(args []string, known map[string]func(string) error) error {
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		set, there := known[name]
		if !ok || !there {
			return fmt.Errorf("%q is no option; there are %s", a, strings.Join(sortedKeys(known), ", "))
		}
		if err := set(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func parsed[T any](parse func(string) (T, error), into *T) func(string) error {
	return func(s string) (err error) {
		*into, err = parse(s)
		return err
	}
}

func float(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func changeSettings(p *player, args []string) error {
	if len(args) == 0 {
		return errors.New("wants name=value")
	}
	s := &p.w.Settings
	return options(args, map[string]func(string) error{
		"period": parsed(duration, &s.Period), "cache": parsed(duration, &s.ReaderCache), "timeout": parsed(duration, &s.TokenTimeout),
		"concurrency": parsed(strconv.Atoi, &s.MaxConcurrency), "writes": parsed(float, &s.MaxWritesPerSecond),
		"loopback": parsed(strconv.ParseBool, &s.AllowLoopback), "lambda": parsed(duration, &s.Lambda),
	})
}

// changeTime: advance DURATION or T+DURATION.
func changeTime(p *player, args []string) error {
	text, absolute := strings.CutPrefix(args[0], "T")
	d, err := duration(text)
	if err != nil {
		return err
	}
	if absolute {
		d -= p.w.Since(p.w.Now())
	}
	if d <= 0 {
		return fmt.Errorf("time does not go back (%v)", d)
	}
	p.w.Advance(d)
	return nil
}

func changeProvider(p *player, args []string) error {
	return p.w.AddProvider(args[0], args[1], args[2])
}

func (p *player) provider(name string) (*oauthtest.Provider, error) {
	if found := p.w.Provider(name); found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("there is no provider %q", name)
}

// changeBehaviour: behave PROVIDER name=value...
func changeBehaviour(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	prov.Configure(func(s *oauthtest.Settings) {
		err = options(args[1:], map[string]func(string) error{
			"lifetime": parsed(duration, &s.Lifetime), "same_token": parsed(strconv.ParseBool, &s.SameToken),
			"evicts": parsed(strconv.ParseBool, &s.Evicts), "revoke_on_remove": parsed(strconv.ParseBool, &s.RevokeOnRemove),
			"limit": func(v string) (err error) { s.Limit, err = limit(v, true); return err },
		})
	})
	return err
}

// limit reads CALLS/WINDOW.
func limit(v string, shared bool) (oauthtest.Limit, error) {
	calls, window, _ := strings.Cut(v, "/")
	n, err := strconv.Atoi(calls)
	if err != nil {
		return oauthtest.Limit{}, fmt.Errorf("%q is not CALLS/WINDOW", v)
	}
	d, err := duration(window)
	return oauthtest.Limit{Calls: n, Window: d, Shared: shared}, err
}

// changeClient: client PROVIDER CLIENT name=value..., new or changed.
func changeClient(p *player, args []string) error {
	var fault error
	err := p.w.AddClient(args[0], args[1], func(c *oauthtest.Client) {
		fault = options(args[2:], map[string]func(string) error{
			"scopes":   func(v string) error { c.Scopes = strings.Fields(v); return nil },
			"account":  func(v string) error { c.AccountID = v; return nil },
			"lifetime": parsed(duration, &c.Lifetime),
			"limit":    func(v string) (err error) { c.Limit, err = limit(v, false); return err },
		})
	})
	return errors.Join(err, fault)
}

func changeRemove(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	if !prov.Remove(p.w.ClientID(args[1])) {
		return fmt.Errorf("%s has no client %q", args[0], args[1])
	}
	return nil
}

// changeClientSecret: client-secret PROVIDER CLIENT SECRET gives a client another secret, as a person does in the panel.
func changeClientSecret(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	if !prov.Update(p.w.ClientID(args[1]), func(c *oauthtest.Client) { c.Secret = oauth.NewSecret(args[2]) }) {
		return fmt.Errorf("%s has no client %q", args[0], args[1])
	}
	return nil
}

// changeRemoveAll and changeRestoreAll: every client of a provider is refused, and known again.
func changeRemoveAll(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	n := 0
	for _, id := range sortedKeys(p.w.clients) {
		if c, ok := prov.Lookup(id); ok && prov.Remove(id) {
			p.w.removed[args[0]] = append(p.w.removed[args[0]], c)
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("%s has no client", args[0])
	}
	return nil
}

func changeRestoreAll(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	if len(p.w.removed[args[0]]) == 0 {
		return errors.New("no client was removed")
	}
	for _, c := range p.w.removed[args[0]] {
		prov.Add(c)
	}
	delete(p.w.removed, args[0])
	return nil
}

// changeFault: fault PROVIDER [client=NAME] KIND[=value] [times=N|always] [body=TEXT] [type=CONTENT-TYPE] [header=Name:value].
func changeFault(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	var (
		f      oauthtest.Fault
		client string
		body   string
		given  bool
		status int
		header = http.Header{"Content-Type": {"application/json"}}
		times  = 1
		always bool
	)
	simple := func(make func() oauthtest.Fault) func(string) error {
		return func(string) error { f, given = make(), true; return nil }
	}
	timed := func(make func(time.Duration) oauthtest.Fault) func(string) error {
		return func(v string) error {
			d, err := duration(v)
			f, given = make(d), true
			return err
		}
	}
	words := args[1:]
	for i, w := range words {
		if !strings.Contains(w, "=") {
			words[i] = w + "="
		}
	}
	err = options(words, map[string]func(string) error{
		"hang": simple(oauthtest.Hang), "reset": simple(oauthtest.Reset), "block-page": simple(oauthtest.BlockPage), "gzip": simple(oauthtest.Gzip),
		"refused": simple(func() oauthtest.Fault { return oauthtest.Fail(oauthtest.Refused()) }),
		"resolves-to-loopback": simple(func() oauthtest.Fault {
			return oauthtest.Fail(&oauth.Error{Class: oauth.Configuration, Code: oauth.CodeEndpointRefused, Description: "the token endpoint is a loopback address"})
		}),
		"latency": timed(oauthtest.Latency), "too-many": timed(oauthtest.TooMany),
		"redirect": func(v string) error { f, given = oauthtest.Redirect(v), true; return nil },
		"status": func(v string) (err error) {
			status, err = strconv.Atoi(v)
			f, given = oauthtest.Status(status), true
			return err
		},
		"cut": func(v string) error { n, err := strconv.Atoi(v); f, given = oauthtest.CutBody(n), true; return err },
		"huge": func(v string) error {
			n, err := strconv.Atoi(v)
			f, given = oauthtest.HugeBody(int64(n)), true
			return err
		},
		"body": func(v string) error { body = v; return nil },
		"type": func(v string) error { header.Set("Content-Type", v); return nil },
		"header": func(v string) error {
			name, value, ok := strings.Cut(v, ":")
			if !ok {
				return errors.New("wants Name:value")
			}
			header.Set(name, value)
			return nil
		},
		"client": func(v string) error { client = p.w.ClientID(v); return nil },
		"times":  parsed(strconv.Atoi, &times),
		"always": func(string) error { always = true; return nil },
	})
	if err != nil {
		return err
	}
	if !given {
		return errors.New("wants a kind of fault")
	}
	if body != "" {
		if status == 0 {
			return errors.New("a body needs a status")
		}
		f = oauthtest.Respond(status, header, body)
	}
	f = f.Times(times)
	if always {
		f = f.Always()
	}
	if client == "" {
		prov.Inject(f)
	} else {
		prov.InjectFor(client, f)
	}
	return nil
}

func changeClear(p *player, args []string) error {
	prov, err := p.provider(args[0])
	if err != nil {
		return err
	}
	prov.ClearFaults()
	return nil
}

// changeConnect: connect CONNECTION PROVIDER CLIENT [FIELDS], where FIELDS are further fields of the document as JSON without its braces.
func changeConnect(p *player, rest string) error {
	args := strings.SplitN(rest, " ", 4)
	if len(args) < 3 {
		return errors.New("wants: connect CONNECTION PROVIDER CLIENT [FIELDS]")
	}
	fields := ""
	if len(args) == 4 {
		fields = strings.TrimSpace(args[3])
		if !json.Valid([]byte("{" + fields + "}")) {
			return errors.New("the fields are no JSON")
		}
	}
	return p.w.Connect(args[0], args[1], args[2], fields)
}

// changeSecret: secret CONNECTION [LABEL] TEXT. The text is whatever stands there; a label is in capitals.
func changeSecret(p *player, rest string) error {
	connection, text, _ := strings.Cut(rest, " ")
	label, after, more := strings.Cut(text, " ")
	if !more || label == "" || strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		label = ""
	} else {
		text = after
	}
	if text == "" {
		return errors.New("wants: secret CONNECTION [LABEL] TEXT")
	}
	return p.w.PutSecret(connection, label, text)
}

func changeBinary(p *player, args []string) error {
	id, err := p.w.AWS.PutSecretBinary(SecretPrefix+args[0], []byte(p.w.ClientSecret("binary")))
	if err != nil {
		return err
	}
	p.w.noteVersion(args[0], id)
	return nil
}

// changeValueless: a secret that was created without a value.
func changeValueless(p *player, args []string) error {
	if err := p.w.AWS.CreateWithoutValue(SecretPrefix + args[0]); err != nil {
		return err
	}
	p.w.noteVersion(args[0], "")
	return nil
}

// changeStage: stage CONNECTION LABEL vN, or none to take the label off.
func changeStage(p *player, args []string) error {
	id := ""
	if args[2] != "none" {
		var err error
		if id, err = p.w.version(args[0], args[2]); err != nil {
			return err
		}
	}
	return p.w.AWS.MoveStage(SecretPrefix+args[0], args[1], id)
}

func changeTag(p *player, args []string) error {
	key, value, ok := strings.Cut(args[1], "=")
	if !ok {
		return errors.New("wants key=value")
	}
	return p.w.AWS.TagSecret(SecretPrefix+args[0], key, value)
}

func changeUntag(p *player, args []string) error {
	return p.w.AWS.UntagSecret(SecretPrefix+args[0], args[1])
}
func changeDelete(p *player, args []string) error {
	return p.w.AWS.ScheduleDeletion(SecretPrefix + args[0])
}
func changeDrop(p *player, args []string) error { return p.w.AWS.DropSecret(SecretPrefix + args[0]) }
func changeRestore(p *player, args []string) error {
	return p.w.AWS.RestoreSecret(SecretPrefix + args[0])
}

// changeBackdate: backdate CONNECTION AGE.
func changeBackdate(p *player, args []string) error {
	age, err := duration(args[1])
	if err != nil {
		return err
	}
	return p.w.AWS.BackdateSecret(SecretPrefix+args[0], p.w.Now().Add(-age))
}

func kindOf(name string) (store.Kind, error) {
	switch name {
	case "token":
		return store.KindToken, nil
	case "account":
		return store.KindAccount, nil
	case "failure":
		return store.KindFailure, nil
	}
	return "", fmt.Errorf("%q is no kind of parameter: token, account or failure", name)
}

// changeWrite: write CONNECTION KIND TYPE VALUE [DESCRIPTION]: a person writes a parameter.
func changeWrite(p *player, rest string) error {
	args := strings.SplitN(rest, " ", 5)
	if len(args) < 4 {
		return errors.New("wants: write CONNECTION KIND TYPE VALUE [DESCRIPTION]")
	}
	kind, err := kindOf(args[1])
	if err != nil {
		return err
	}
	pw := awstest.ParameterWrite{Type: args[2], Value: args[3]}
	if len(args) == 5 {
		pw.Description = args[4]
	}
	p.w.hear(args[0])
	_, err = p.w.AWS.WriteParameter(ParameterName(args[0], kind), pw)
	return err
}

// changeOverwrite: overwrite CONNECTION VALUE: a person puts another value into the token's parameter and leaves the rest.
func changeOverwrite(p *player, args []string) error {
	_, err := p.w.AWS.ChangeParameter(ParameterName(args[0], store.KindToken), args[1])
	return err
}

func changeDropParameter(p *player, args []string) error {
	kind, err := kindOf(args[1])
	if err != nil {
		return err
	}
	return p.w.AWS.DropParameter(ParameterName(args[0], kind))
}

func changeLag(p *player, args []string) (err error) {
	p.w.AWS.ListLag, err = duration(args[0])
	return err
}

// awsName is the full name of what a scenario calls secret:CONNECTION, token:CONNECTION, account:CONNECTION, failure:CONNECTION or *.
func awsName(s string) (string, error) {
	kind, connection, ok := strings.Cut(s, ":")
	switch {
	case s == "*":
		return "", nil
	case ok && kind == "secret":
		return SecretPrefix + connection, nil
	case !ok:
		return "", fmt.Errorf("%q is neither * nor kind:connection", s)
	}
	k, err := kindOf(kind)
	return ParameterName(connection, k), err
}

// changeAWSFault: aws-fault OPERATION NAME EFFECT [skip=N] [times=N].
func changeAWSFault(p *player, args []string) error {
	effect, ok := map[string]awstest.Effect{
		"AccessDenied": awstest.AccessDenied, "KMSAccessDenied": awstest.KMSAccessDenied, "DecryptionFailure": awstest.DecryptionFailure,
		"InternalError": awstest.InternalError, "Throttled": awstest.Throttled, "TooManyUpdates": awstest.TooManyUpdates,
		"ParameterLimit": awstest.ParameterLimit, "ParameterVersionLimit": awstest.ParameterVersionLimit, "Hang": awstest.Hang,
		"ConnectionReset": awstest.ConnectionReset, "LostResponse": awstest.LostResponse,
	}[args[2]]
	if !ok {
		return fmt.Errorf("there is no effect %q", args[2])
	}
	name, err := awsName(args[1])
	if err != nil {
		return err
	}
	f := awstest.Fault{Op: awstest.Op(args[0]), Name: name, Effect: effect}
	if err := knownOp(f.Op); err != nil {
		return err
	}
	if err := options(args[3:], map[string]func(string) error{"skip": parsed(strconv.Atoi, &f.Skip), "times": parsed(strconv.Atoi, &f.Times)}); err != nil {
		return err
	}
	p.w.AWS.Inject(f)
	return nil
}

func changeClearAWS(p *player, _ []string) error {
	p.w.AWS.ClearFaults()
	p.w.AWS.SetQuota(awstest.ParameterWrites, awstest.Quota{})
	p.w.AWS.Latency = nil
	return nil
}

// changeAWSLatency: aws-latency OPERATION DURATION.
func changeAWSLatency(p *player, args []string) error {
	if err := knownOp(awstest.Op(args[0])); err != nil {
		return err
	}
	d, err := duration(args[1])
	p.w.AWS.Latency = func(op awstest.Op, _ string) time.Duration {
		if string(op) == args[0] {
			return d
		}
		return 0
	}
	return err
}

// changeQuota: quota writes PER-SECOND [others=SHARE].
func changeQuota(p *player, args []string) error {
	if args[0] != "writes" {
		return errors.New("wants: quota writes PER-SECOND [others=SHARE]")
	}
	var q awstest.Quota
	var err error
	if q.PerSecond, err = float(args[1]); err != nil {
		return err
	}
	if err := options(args[2:], map[string]func(string) error{"others": parsed(float, &q.Others)}); err != nil {
		return err
	}
	p.w.AWS.SetQuota(awstest.ParameterWrites, q)
	return nil
}

// changeMany: many N PROVIDER PREFIX makes connections PREFIX1 to PREFIXN, each with a client of its own.
func changeMany(p *player, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number", args[0])
	}
	return p.w.ConnectMany(n, args[1], args[2])
}

func changeOtherRun(p *player, event string) error {
	in := p.w.Run(p.ctx, event)
	if len(in.Broken) > 0 {
		return errors.New(strings.Join(in.Broken, "; "))
	}
	return in.Err
}

// hook is a change that happens at the first call of an operation on something, in the run that follows.
type hook struct {
	op   awstest.Op
	name string // "" for any
	line line
	then line
	did  *bool
}

// hook: before|after OPERATION NAME CHANGE.
func (p *player) hook(l line) error {
	args := strings.SplitN(l.rest, " ", 4)
	if len(args) < 3 {
		return l.errorf("wants: %s OPERATION NAME CHANGE", l.verb)
	}
	h := hook{op: awstest.Op(args[0]), line: l, then: line{at: l.at, text: l.text, verb: args[2]}, did: new(bool)}
	if err := knownOp(h.op); err != nil {
		return l.errorf("%w", err)
	}
	var err error
	if h.name, err = awsName(args[1]); err != nil {
		return l.errorf("%w", err)
	}
	if len(args) == 4 {
		h.then.rest = args[3]
	}
	p.mu.Lock()
	p.hooks = append(p.hooks, h)
	p.mu.Unlock()
	return nil
}

// called is told of every call, before and after it, and does what is promised for it.
func (p *player) called(when string) func(awstest.Op, string) {
	return func(op awstest.Op, on string) {
		p.mu.Lock()
		var due []hook
		for _, h := range p.hooks {
			if h.line.verb == when && h.op == op && (h.name == "" || h.name == on) && !*h.did {
				*h.did = true
				due = append(due, h)
			}
		}
		p.mu.Unlock()
		for _, h := range due {
			if err := p.change(h.then); err != nil {
				p.fail(err)
			}
		}
	}
}

func knownOp(op awstest.Op) error {
	for _, o := range operations() {
		if o == op {
			return nil
		}
	}
	return fmt.Errorf("there is no operation %q", op)
}
