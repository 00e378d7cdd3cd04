package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/auth"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// Config is a loaded configuration: immutable.
type Config struct {
	File         string
	Snapshot     *proxy.Snapshot
	Drain        time.Duration    // how long a stop waits for what is in setup; 32s
	Transactions int              // server plus client transactions of the whole process; 200000
	Guard        auth.GuardConfig // bounds of what is remembered of credentials
	Log          slog.Level       // least level to log; info
	Store        string           // directory of what is kept, "" for none
	Domains      []string         // as configured
	Secret       SecretFrom       // where the keys come from
	Users        []Users          // by policy.Realm.ID
	Nonces       *auth.Keys       // what digest challenges are signed with
	// Streams are the settings of listeners, by flow.Listener; it may be shorter.
	Streams   []transport.Settings
	Admin     Admin
	Resolvers []netip.AddrPort // DNS servers to ask; nil: those of the system
	Warnings  Diagnostics      // what is allowed, and most likely not meant

	process []byte              // the secret of a process that has none configured
	keys    [][sha256.Size]byte // digests of the secrets
	tables  map[string]*table   // for the next reload
	said    []saying            // what is in the file, for Compare
	restart []string            // what it says and only a restart can do
}

// Options are what loading takes from its surroundings. The zero Options are
// those of a first start.
type Options struct {
	// Check means to look only: no key file is made.
	Check bool
	// Running is the configuration in force when this is a reload: sockets that stay
	// keep their place in the list, keys that live as long as the process stay, and
	// so does what only a restart can change.
	Running *Config

	ReadFile  func(path string) ([]byte, error) // os.ReadFile
	LookupEnv func(name string) (string, bool)  // os.LookupEnv
	Addresses func() ([]netip.Addr, error)      // the addresses of this machine's interfaces
}

// MaxFile is the largest configuration file, in bytes.
const MaxFile = 1 << 20

// Load reads and checks a file. Config is nil when there are diagnostics.
func Load(path string, opts Options) (*Config, Diagnostics) {
	opts.fill()
	src, err := opts.ReadFile(path)
	if err != nil {
		return nil, Diagnostics{{File: path, Message: "cannot be read: " + reason(err)}}
	}
	return Parse(path, src, opts)
}

// Parse is Load for a text that is there already. name is its file's name: it
// stands in diagnostics, and file("…") is relative to its directory.
func Parse(name string, src []byte, opts Options) (*Config, Diagnostics) {
	opts.fill()
	if len(src) > MaxFile {
		return nil, Diagnostics{{File: name, Message: "the file has more than 1 MiB"}}
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	l := newLoader(name, src, opts)
	body := l.parse()
	if body == nil {
		return nil, l.diags.sorted()
	}
	l.load(body)
	if len(l.diags) > 0 {
		return nil, l.diags.sorted()
	}
	return l.config, nil
}

func (o *Options) fill() {
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Addresses == nil {
		o.Addresses = interfaceAddresses
	}
}

func interfaceAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, ip)
			}
		}
	}
	return all, nil
}

// reason is the reason of a file error without the path, which stands elsewhere.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// loader reads one file.
type loader struct {
	name   string
	src    []byte
	opts   Options
	config *Config
	diags  Diagnostics

	// what the file names
	networks      map[string]*policy.Prefixes
	groups        map[string]*group
	tables        map[string]*table
	realms        map[string]*policy.Realm
	routes        map[string]int // index in routeBlocks
	routeBlocks   []*block
	listens       map[string]listen
	listenerNames []string
	streamBlocks  []streamBlock
	names         []string // of this server itself
	named         []netip.Prefix
	ours          *policy.Domains // domains and names
	stateless     bool            // the mode of listeners that name none

	// where the loader is
	lets    map[string]value // of the rule, once they are known; else nil
	inRoute int              // index in routeBlocks, -1 in the main route
	jumps   []jump

	// what was found on the way
	functions    []function
	reads        policy.Reads
	inputs       []saying     // what env and file gave
	laterIn      map[int]bool // blocks, by position, in which something is not supported yet
	secretRanges []hcl.Range
}

func newLoader(name string, src []byte, opts Options) *loader {
	return &loader{
		name: name, src: src, opts: opts,
		config:   &Config{File: name, Log: defaultLog, Snapshot: &proxy.Snapshot{Program: &policy.Program{}}},
		networks: map[string]*policy.Prefixes{}, groups: map[string]*group{}, tables: map[string]*table{}, realms: map[string]*policy.Realm{}, routes: map[string]int{}, listens: map[string]listen{},
		functions: functions(), laterIn: map[int]bool{},
	}
}

// load checks the parsed file and fills the configuration. Names are read
// before what refers to them, so that their order in the file does not matter.
func (l *loader) load(body *hclsyntax.Body) {
	l.hideSecrets(body)
	start := hcl.Range{Filename: l.name, Start: hcl.InitialPos, End: hcl.InitialPos}
	file := l.check(body, fileSpec, start)
	server := file.first(serverSpec)
	s := l.config.Snapshot

	l.config.Domains = l.domainsAndName(server)
	l.modeOf(server, &l.stateless)
	l.listeners(file)
	own := l.ownNames(file)
	s.Domains, s.Names = policy.NewDomains(l.config.Domains...), policy.NewDomains(own...)
	l.ours = policy.NewDomains(append(own, l.config.Domains...)...)
	l.readUsers(file, server)
	l.readTables(file)
	l.readNetworks(file)
	l.streams()
	l.readGroups(file)

	l.server(server)
	l.admin(file.first(adminSpec))
	l.rules(file)
	l.destinations(file.first(destinationsSpec))
	if len(l.diags) == 0 {
		l.unreachable(file)
		l.suitStateless(file)
		l.doubts(file)
	}
	if l.opts.Running != nil {
		l.stay(l.opts.Running)
	}
	l.keys(server) // last: a file that is refused makes no key file
	if len(l.diags) == 0 {
		l.record(body)
	}
}

// At is c with its listeners as they are bound: what a reload gives as
// Options.Running, since the places of listeners that were closed are free.
func (c *Config) At(listeners []proxy.Listener) *Config {
	at, s := *c, *c.Snapshot
	s.Listeners = listeners
	at.Snapshot = &s
	return &at
}

// destinations reads who may be spoken to. What the file names is allowed: the
// addresses of its targets and networks.
func (l *loader) destinations(b *block) {
	d := &l.config.Snapshot.Destinations
	allow := append(l.networkList(b.attr("allow")).All(), l.named...)
	d.Allow = policy.NewPrefixes(allow...)
	d.Deny = l.networkList(b.attr("deny"))
	d.LoopbackOnly = loopbackOnly(l.config.Snapshot.Listeners)
}

// Bind lists the listeners that must have a socket, by their place in Snapshot.Listeners.
func (c *Config) Bind() []flow.Listener {
	var list []flow.Listener
	for i, x := range c.Snapshot.Listeners {
		if x.Protocol != flow.None && !x.Gone {
			list = append(list, flow.Listener(i))
		}
	}
	return list
}

// Summary says in a few lines what the configuration makes of the program, for
// the start and for a successful check.
func (c *Config) Summary() []string {
	var names []string
	for _, i := range c.Bind() {
		names = append(names, c.Snapshot.Listeners[i].Name)
	}
	lines := []string{"listening on " + strings.Join(names, ", ")}
	if len(c.Domains) > 0 {
		lines = append(lines, "serving "+strings.Join(c.Domains, ", "))
	}
	if n := len(c.Snapshot.Program.Rules); n == 1 {
		lines = append(lines, "1 rule")
	} else {
		lines = append(lines, strconv.Itoa(n)+" rules")
	}
	return append(lines, c.Secret.String())
}
