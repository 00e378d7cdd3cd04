package kamailio

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/location"
)

// The same three rows, as each program writes them.
var dumps = map[string]string{
	"mysqldump": "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `subscriber` (\n `id` int(10) unsigned NOT NULL,\n `username` varchar(64) NOT NULL DEFAULT '',\n" +
		" `domain` varchar(64),\n `password` varchar(64),\n PRIMARY KEY (`id`),\n UNIQUE KEY `a` (`username`,`domain`)\n) ENGINE=InnoDB;\n" +
		"INSERT INTO `acc` VALUES (1,'x;y');\nINSERT INTO `subscriber` VALUES (1,'alice','a.example','it\\'s'),(2,'b\\\\ob','a.example',NULL),(3,'c''d','',_binary 'e,f)(\\n');\n",
	"pg_dump --inserts": "SET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n" +
		"CREATE TABLE public.subscriber (\n id integer NOT NULL,\n username character varying(64) DEFAULT ''::character varying NOT NULL,\n domain text, password text,\n CONSTRAINT x CHECK ((id > 0))\n);\n" +
		"INSERT INTO public.subscriber VALUES (1, 'alice', 'a.example', 'it''s');\nINSERT INTO public.subscriber VALUES (2, 'b\\ob', 'a.example', NULL);\n" +
		"INSERT INTO public.subscriber VALUES (3, 'c''d', '', E'e,f)(\\n');\n",
	"pg_dump": "COPY public.subscriber (id, username, domain, password) FROM stdin;\n1\talice\ta.example\tit's\n2\tb\\\\ob\ta.example\t\\N\n3\tc'd\t\te,f)(\\n\n\\.\nSELECT 1;\n",
	"sqlite3": "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE subscriber (id INTEGER PRIMARY KEY NOT NULL, username VARCHAR(64) DEFAULT '' NOT NULL, domain VARCHAR(64), password VARCHAR(64));\n" +
		"INSERT INTO subscriber VALUES(1,'alice','a.example','it''s');\nINSERT INTO subscriber VALUES(2,'b\\ob','a.example',NULL);\nINSERT INTO \"subscriber\" (username,password,domain) VALUES('c''d',X'652c6629280a','');\nCOMMIT;\n",
	"csv": "id,username,domain,password\r\n1,alice,a.example,it's\r\n2,b\\ob,a.example,\\N\r\n3,c'd,,\"e,f)(\n\"\r\n",
	"tsv": "\xef\xbb\xbf\"username\"\tdomain\tpassword\nalice\ta.example\tit's\nb\\ob\ta.example\tNULL\nc'd\t\t\"e,f)(\n\"\n",
}

func TestRowsOfEveryDump(t *testing.T) {
	t.Parallel()
	want := []string{"alice|a.example|it's", `b\ob|a.example|`, "c'd||e,f)(\n"}
	for name, dump := range dumps {
		var got []string
		err := Rows(strings.NewReader(dump), SubscriberTable, func(r *Row) error {
			got = append(got, r.Get("username")+"|"+r.Get("domain")+"|"+r.Get("password")+r.Get("nothing"))
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestDumpsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"INSERT INTO subscriber VALUES (1,'a');":                                        errColumn,
		"INSERT INTO subscriber (a) VALUES (1,'a":                                       io.ErrUnexpectedEOF,
		"INSERT INTO subscriber (a) VALUES (1,":                                         io.ErrUnexpectedEOF,
		"COPY subscriber (a) FROM stdin;\n1\n":                                          io.ErrUnexpectedEOF,
		"INSERT INTO subscriber (a) VALUES ('" + strings.Repeat("x", maxValue+1) + "')": errValue,
		"INSERT INTO subscriber (a) VALUES (" + strings.Repeat("1,", maxColumns+1):      errColumns,
		"username\n\"" + strings.Repeat("x\n", maxRecord):                               errRecord,
	} {
		if err := Rows(strings.NewReader(text), SubscriberTable, func(*Row) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%.60q: got %v, want %v", text, err, want)
		}
	}
	stop := errors.New("stop")
	if err := Rows(strings.NewReader(dumps["csv"]), SubscriberTable, func(*Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func row(columns ...string) *Row {
	r := &Row{columns: map[string]int{}}
	for i := 0; i < len(columns); i += 2 {
		r.columns[columns[i]] = i / 2
		r.values = append(r.values, columns[i+1])
	}
	return r
}

func sum(text string) string {
	h := md5.Sum([]byte(text))
	return hex.EncodeToString(h[:])
}

func TestUser(t *testing.T) {
	t.Parallel()
	ours, theirs := sum("alice:a.example:secret"), sum("alice:old:secret")
	for _, x := range []struct {
		name          string
		realms        Realms
		password, ha1 string
		why           Reason
		ok            bool
	}{
		{"a password gives all digests", Realms{}, "secret", "", "", true},
		{"a password in another realm", Realms{Here: "b.example"}, "secret", ours, "", true},
		{"ha1 alone is MD5", Realms{}, "", strings.ToUpper(ours), OnlyMD5, true},
		{"ha1 alone in another realm", Realms{Here: "b.example"}, "", ours, OtherRealm, false},
		{"ha1 of the realm that is named", Realms{Here: "old", Dumps: "old"}, "", theirs, OnlyMD5, true},
		{"password and ha1 of two realms", Realms{}, "secret", theirs, Disagree, false},
		{"nothing", Realms{}, "", "", NoSecret, false},
		{"no digest", Realms{}, "secret", "xyz", BadHA1, false},
	} {
		u, why, ok := x.realms.User(row("username", "alice", "domain", "a.example", "password", x.password, "ha1", x.ha1))
		if why != x.why || ok != x.ok {
			t.Errorf("%s: got %q, %v", x.name, why, ok)
			continue
		}
		if !ok {
			continue
		}
		realm := first(x.realms.Here, "a.example")
		want := auth.NewHA1("alice", realm, "secret", auth.MD5, auth.SHA256)
		if u.Realm != realm || string(u.HA1.Get(auth.MD5)) != string(want.Get(auth.MD5)) {
			t.Errorf("%s: another digest, realm %q", x.name, u.Realm)
		}
		if got := u.HA1.Get(auth.SHA256); why == "" && string(got) != string(want.Get(auth.SHA256)) || why == OnlyMD5 && got != nil {
			t.Errorf("%s: got %x for SHA-256", x.name, got)
		}
	}
	if _, why, _ := (Realms{}).User(row("username", "alice", "password", "x")); why != NoDomain {
		t.Errorf("no domain: got %q", why)
	}
	if _, why, _ := (Realms{}).User(row("username", "a:b", "domain", "d", "password", "x")); why != BadName {
		t.Errorf("a colon: got %q", why)
	}
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func contacts() *Contacts { return &Contacts{Zone: time.UTC, Now: now} }

// plain is a row of a phone that is where its Contact says, with changes.
func plain(changes ...string) *Row {
	r := row("username", "alice", "domain", "A.example", "contact", "sip:alice@192.0.2.7:5062", "received", "", "path", "",
		"expires", "2026-11-24 12:30:00", "q", "-1.00", "callid", "1@h", "cseq", "17", "last_modified", "2026-11-24 11:30:00",
		"user_agent", "n/a", "socket", "udp:192.0.2.1:5060", "instance", "", "reg_id", "0")
	for i := 0; i < len(changes); i += 2 {
		r.values[r.columns[changes[i]]] = changes[i+1]
	}
	return r
}

func TestContact(t *testing.T) {
	t.Parallel()
	got, why, ok := contacts().Row(plain("received", "sip:198.51.100.9:1024", "instance", `"<urn:uuid:1>"`, "reg_id", "2", "q", "0.5", "user_agent", "Phone 1"))
	if !ok {
		t.Fatal(why)
	}
	b := &got.Binding
	text := fmt.Sprintf("%s %s %d %d %s %d %d %s %d %s %d", got.AOR, b.Contact, (got.EndsAt-now.UnixMilli())/1000, (now.UnixMilli()-got.UpdatedAt)/1000,
		b.CallID, b.CSeq, b.Q, b.Instance, b.RegID, b.UserAgent, b.Flags)
	want := fmt.Sprintf("sip:alice@a.example sip:alice@192.0.2.7:5062 1800 1800 1@h 17 500 urn:uuid:1 2 Phone 1 %d", location.NAT|location.Keepalive)
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if b.Flow.Remote != netip.MustParseAddrPort("198.51.100.9:1024") || b.Flow.Local != netip.MustParseAddrPort("192.0.2.1:5060") {
		t.Errorf("got flow %+v", b.Flow)
	}
}

func TestContactsThatStayBehind(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		why     Reason
		changes []string
	}{
		{"", nil},
		{"", []string{"path", `<sip:p1.example;lr>, "x,y" <sip:p2.example;lr>`}},
		{"", []string{"expires", "1795525200"}},
		{NoAOR, []string{"domain", ""}},
		{NoAOR, []string{"username", "a@b"}},
		{BadContact, []string{"contact", "<sip:x"}},
		{Expired, []string{"expires", "2026-11-24 12:00:00"}},
		{Permanent, []string{"expires", "0000-00-00 00:00:00"}},
		{Permanent, []string{"expires", "1970-01-01 00:00:00"}},
		{BadTime, []string{"expires", "soon"}},
		{BadPath, []string{"path", "sip:p1.example;lr"}},
		{BadPath, []string{"path", "<sip:p1.example;lr>,<"}},
		{NoConnection, []string{"received", "sip:198.51.100.9:1024;transport=tcp"}},
		{NoConnection, []string{"contact", "sip:x@abc.invalid;transport=ws"}},
		{NoSocket, []string{"received", "sip:198.51.100.9:1024", "socket", ""}},
		{ControlsInRow, []string{"callid", "a\r\nb"}},
		{TooLong, []string{"user_agent", strings.Repeat("x", maxField+1)}},
	} {
		if _, why, ok := contacts().Row(plain(x.changes...)); why != x.why || ok != (x.why == "") {
			t.Errorf("%q: got %q, want %q", x.changes, why, x.why)
		}
	}
}

func FuzzRows(f *testing.F) {
	for _, dump := range dumps {
		f.Add(dump)
	}
	f.Fuzz(func(t *testing.T, dump string) {
		rows := 0
		_ = Rows(strings.NewReader(dump), SubscriberTable, func(r *Row) error { // errors are allowed, panics and endless rows are not
			if rows++; rows > len(dump) {
				t.Fatalf("more rows than bytes")
			}
			if len(r.values) > maxColumns {
				t.Fatalf("%d columns", len(r.values))
			}
			_, _, _ = Realms{Here: "r"}.User(r)
			if got, _, ok := contacts().Row(r); ok && (len(got.AOR) == 0 || got.EndsAt <= now.UnixMilli()) {
				t.Fatalf("taken: %+v", got)
			}
			return nil
		})
	})
}
