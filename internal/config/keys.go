package config

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/auth"
	"viaduct/internal/proxy"
	"viaduct/internal/registrar"
)

// SecretFrom tells where the keys come from that sign Route cookies.
type SecretFrom uint8

const (
	FromProcess SecretFrom = iota // drawn at start: calls do not survive a restart
	FromStore                     // the key file in the store
	FromConfig                    // server { secret }
)

// String says what follows from it for the operator.
func (s SecretFrom) String() string {
	switch s {
	case FromStore:
		return "keys from the store"
	case FromConfig:
		return "keys from the configured secret"
	}
	return "no store and no secret: calls in progress will not survive a restart"
}

// keyFile is the name of the key file in the store. It holds one key of keySize
// random bytes behind the other: the first signs, all verify. A new one is put in
// front by the operator, who thereby decides how long the old ones are good.
const (
	keyFile = "viaduct.key"
	keySize = 32
	maxKeys = 16
)

// keys reads secret and store.
func (l *loader) keys(server *block) {
	a := server.attr("store")
	store, rng, _ := l.constant(a)
	if a != nil && store == "" && rng.Filename != "" {
		l.report(rng, `as in "/var/lib/viaduct"`, "store needs a directory")
	}
	store = l.storeInForce(store)
	l.config.Store = store
	secrets := l.secrets(server.attr("secret"))
	switch {
	case server.attr("secret") != nil:
		l.config.Secret = FromConfig
	case store != "":
		l.config.Secret = FromStore
		var err error
		if secrets, err = l.storeKeys(store); err != nil {
			l.report(rng, "", "%v", err)
			return
		}
	default:
		l.config.process = l.processKey()
		secrets = [][]byte{l.config.process}
	}
	if len(secrets) == 0 {
		return
	}
	keys, err := proxy.NewKeys(secrets...)
	if err != nil { // each was measured before
		l.report(server.attr("secret").Expr.Range(), "", "%v", err)
	}
	l.config.Snapshot.Keys = keys
	// Each package derives keys of its own; what is too short was refused above.
	l.config.Snapshot.GRUUs, _ = registrar.NewKeys(secrets...)
	l.config.Nonces, _ = auth.NewKeys(secrets...)
	for _, secret := range secrets {
		l.config.keys = append(l.config.keys, sha256.Sum256(secret))
	}
}

// storeInForce is the store of the running configuration as long as it runs.
func (l *loader) storeInForce(store string) string {
	r := l.opts.Running
	if r == nil || r.Store == store {
		return store
	}
	l.config.restart = append(l.config.restart, fmt.Sprintf("server.store = %q, which stays %q until then", store, r.Store))
	return r.Store
}

// secrets reads the configured secrets: the first signs, all verify.
func (l *loader) secrets(a *hclsyntax.Attribute) (list [][]byte) {
	for _, v := range l.texts(a) {
		if len(v.str) < proxy.MinSecret {
			l.report(v.rng, "openssl rand -base64 32 makes a good one", "a secret needs at least %d characters", proxy.MinSecret)
			continue
		}
		list = append(list, []byte(v.str))
	}
	if a != nil && list == nil && len(l.diags) == 0 {
		l.report(a.Expr.Range(), "", "secret is empty")
	}
	return list
}

// hideSecrets notes what `secret` and `token` say, before anything is reported.
func (l *loader) hideSecrets(body *hclsyntax.Body) {
	for _, b := range body.Blocks {
		for _, name := range []string{"secret", "token"} {
			if a := b.Body.Attributes[name]; a != nil {
				l.secretRanges = append(l.secretRanges, a.Expr.Range())
			}
		}
		l.hideSecrets(b.Body)
	}
}

// isSecret reports whether rng is within what a secret attribute says.
func (l *loader) isSecret(rng hcl.Range) bool {
	for _, s := range l.secretRanges {
		if s.Start.Byte <= rng.Start.Byte && rng.End.Byte <= s.End.Byte {
			return true
		}
	}
	return false
}

// secretText finds what a secret attribute says in a file that cannot be parsed.
var secretText = regexp.MustCompile(`\b(?:secret|token)\s*=\s*(\[[^\]]*|[^\n]*)`)

// hideSecretText is hideSecrets for a file that cannot be parsed.
func (l *loader) hideSecretText() {
	for _, m := range secretText.FindAllSubmatchIndex(l.src, -1) {
		l.secretRanges = append(l.secretRanges, hcl.Range{Start: hcl.Pos{Byte: m[2]}, End: hcl.Pos{Byte: m[3]}})
	}
}

// processKey is the running configuration's, or a new one.
func (l *loader) processKey() []byte {
	if r := l.opts.Running; r != nil && r.process != nil {
		return r.process
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	return key
}

// storeKeys reads the key file, and makes it at the first start.
func (l *loader) storeKeys(dir string) ([][]byte, error) {
	path := filepath.Join(dir, keyFile)
	keys, err := readKeys(path)
	if r := l.opts.Running; !errors.Is(err, fs.ErrNotExist) || r != nil && r.Secret == FromStore {
		return keys, err // a key file that has vanished is not replaced: all calls would be strangers
	}
	if l.opts.Check || len(l.diags) > 0 {
		return [][]byte{make([]byte, keySize)}, nil // stands for what a start would make; nothing is signed with it
	}
	if err := makeKey(dir, path); err != nil {
		return nil, err
	}
	return readKeys(path)
}

// readKeys reads a key file. Nobody but its owner may be able to.
func readKeys(path string) ([][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the key file: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s must be readable by its owner only: chmod 600", path)
	}
	all, err := os.ReadFile(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the key file: %w", err)
	case len(all) == 0 || len(all)%keySize != 0 || len(all) > maxKeys*keySize:
		return nil, fmt.Errorf("the key file %s has %d bytes: it holds up to %d keys of %d bytes", path, len(all), maxKeys, keySize)
	}
	return slices.Collect(slices.Chunk(all, keySize)), nil
}

// makeKey writes a new key beside path and links it there: the file is whole
// whenever it exists, and the first of several starts wins.
func makeKey(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	f, err := os.CreateTemp(dir, keyFile+".") // made with mode 0600
	if err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	defer os.Remove(f.Name())
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the key file: %w", err)
	}
	return nil
}
