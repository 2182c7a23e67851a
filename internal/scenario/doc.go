// Package scenario is the specification that runs: each file of testdata says in words which rule it is about and why it is one, sets
// up a world, and then, step by step, sends the refresher or the healthcheck an event or changes the world and says what must be true afterwards. What runs is
// the real use case over the real adapters and the real AWS SDK, against awstest and oauthtest in process, in virtual time.
//
// [World] is the same set-up for tests in Go, [Play] plays a file. TestCosts plays testdata/outage and prints what each outage costs.
//
// # The form of a scenario
//
// A scenario is a txtar archive. Its comment is for a person. The first section is "world", the others are the steps "1. …", "2. …". A line is
// one directive; # begins a comment. Words are separated by blanks; "…" (with \" in it) or `…` keeps a word with blanks together.
//
// A connection is named as in contract.md; a client is named freely, and its id and secret follow from the name. Tokens are named by client
// and number: a/2 is the second token that client a was handed out. Versions of a secret are v1, v2, … in the order of their creation.
// Instants are written T+9h30m, since the world began, everywhere: also in messages, records and reasons.
//
//	$id(client) $secret(client) $basic(client)    client_id, client_secret, Basic value
//	$long(9000)                                   a token of so many bytes
//	$at(1h) $version(connection,v1)               the instant as it is stored, the id of a version
//
// # Changes of the world
//
//	connect CONNECTION PROVIDER CLIENT [FIELDS]   a client, and a secret with its pair; FIELDS is more JSON: "scope":"sales"
//	many N PROVIDER PREFIX                        N of them: prefix1, prefix2, …
//	secret CONNECTION [LABEL] TEXT                a new version of the secret, whatever the text; LABEL is BACKUP or CANDIDATE
//	binary | valueless CONNECTION                 a secret with SecretBinary; one that was created without a value
//	stage CONNECTION STAGE vN|none                moves a label
//	tag CONNECTION k=v, untag CONNECTION k, backdate CONNECTION AGE
//	delete-secret | drop-secret | restore-secret CONNECTION
//	write CONNECTION KIND TYPE VALUE [RECORD]     a parameter by hand; KIND is token, account or failure
//	overwrite CONNECTION VALUE, drop CONNECTION KIND
//
//	provider NAME PROFILE HOST                    one more provider; hotmart, kiwify and generic are there
//	client PROVIDER CLIENT [scopes= account= lifetime= limit=CALLS/WINDOW]
//	remove-client PROVIDER CLIENT, client-secret PROVIDER CLIENT SECRET
//	remove-clients | restore-clients PROVIDER     everybody
//	behave PROVIDER [lifetime= same_token= evicts= revoke_on_remove= limit=]
//	fault PROVIDER KIND [client=] [times=N|always] KIND: hang, reset, refused, block-page, gzip, latency=D, too-many=D, redirect=URL,
//	                                              cut=N, huge=N, status=N [body= type= header=Name:value], resolves-to-loopback
//	clear-faults PROVIDER
//
//	aws-fault OPERATION NAME EFFECT [skip=N] [times=N]   NAME: *, secret:CONNECTION, token:CONNECTION, account:…, failure:…
//	aws-latency OPERATION D, quota writes PER-SECOND [others=SHARE], lag D, clear-aws
//	set [period= cache= timeout= concurrency= writes= loopback= lambda=]
//	advance D | T+D
//	before | after OPERATION NAME CHANGE          the change happens at the first such call of the step's run
//	the-other-run EVENT                           with before or after: another refresher, in between
//
// # Runs, one in a step
//
//	run [EVENT]                                   EVENT is JSON; without it a sweep
//	sweeps N every D                              N sweeps; calls and events are those of all, the result is the last one's
//	check [EVENT]                                 the healthcheck
//
// # What is wanted
//
// A condition is field=value, field!=value, field~part, field!~part, field>=value or field<=value. A field that does not exist is an error.
//
//	counts refreshed=1 …                          counts that are not named are 0
//	refreshed|fresh|reused|failed|deferred|plan CONNECTION conditions
//	orphaned CONNECTION…, order plan|failed|deferred|asked CONNECTION…, capacity conditions, health conditions
//	result JSON                                   the whole result
//	report conditions                             of a check: status, endpoints, attention, total, and counts, which are 0 when not named
//	endpoint HOST conditions, attention CONNECTION conditions
//	error TEXT                                    the function's error
//	event KIND conditions, none event KIND, notice NAME CONNECTION|- conditions
//	calls kiwify=2 …, calls none                  of token endpoints; those that are not named are 0
//	aws [only] PutParameter=1 …, read N           N secret values were given out
//	took seconds>=N
//	cost "case" calls=N writes=N                  a line of the table of TestCosts
//	token|account|failure CONNECTION conditions   fields of the record, and version, type, tier, key, description; is (a token's name), text
//	none token|account|failure CONNECTION
//	issued CLIENT=N …
//
// # What every run promises
//
// Without being asked: no error that is not wanted, no notice and no other event of that weight that is not wanted, no decryption of what was
// published, writes not faster than allowed, what is called refreshed is published with a record that speaks of it, no published token is lost,
// each connection is in exactly one list, and no secret in anything that came out: result, error, events, descriptions, open parameters.
package scenario
