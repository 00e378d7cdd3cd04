package transport

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"viaduct/internal/clock"
)

const (
	maxServed  = 32 << 20         // bytes of a file
	servedTime = 30 * time.Second // for all of it
)

// serveFile answers a request for a file beside the WebSocket: the pages of a
// phone in the browser, and nothing more ambitious. One connection brings one
// file. The answer of errServed is that there was one, whatever it said.
func (c *Conn) serveFile(w net.Conn, use *WebSocket, rq *http.Request) error {
	if use.Files == "" {
		return refuseHTTP(w, http.StatusUpgradeRequired, "", RefusedRequest, "no request for a WebSocket")
	}
	if rq.Method != http.MethodGet && rq.Method != http.MethodHead {
		return c.say(w, http.StatusMethodNotAllowed, "Allow: GET, HEAD\r\n")
	}
	select {
	case c.s.files <- struct{}{}:
		defer func() { <-c.s.files }()
	default:
		return c.say(w, http.StatusServiceUnavailable, "Retry-After: 2\r\n")
	}
	f, info, kind, err := openFile(use.Files, rq.URL.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.say(w, http.StatusNotFound, "")
	case err != nil:
		return c.say(w, http.StatusForbidden, "")
	}
	defer f.Close() // it was read from only
	if err := c.allow(clock.Wall(clock.Now()).Add(servedTime)); err != nil {
		return err
	}
	extra := "Cache-Control: no-cache\r\nLast-Modified: " + info.ModTime().UTC().Format(http.TimeFormat) + "\r\n"
	if _, err := io.WriteString(w, responseHead(http.StatusOK, kind, info.Size(), extra)+"\r\n"); err != nil {
		return err
	}
	c.to.counters.files.Add(1)
	if rq.Method == http.MethodGet {
		_, err = io.CopyN(w, f, info.Size())
	}
	return errors.Join(errServed, err)
}

// say answers without a file.
func (c *Conn) say(w io.Writer, status int, extra string) error {
	_, err := io.WriteString(w, responseHead(status, "", 0, extra)+"\r\n")
	return errors.Join(errServed, err)
}

var errUnserved = errors.New("transport: no file to be served")

// openFile opens what a path of a URL names below dir; of a directory it is its
// index.html. os.Root lets no name and no link out of dir.
func openFile(dir, name string) (f *os.File, info fs.FileInfo, kind string, err error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		name = "index.html"
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, "", err
	}
	defer root.Close() // what it has opened stays open
	if info, err = root.Stat(name); err == nil && info.IsDir() {
		name = path.Join(name, "index.html")
		info, err = root.Stat(name)
	}
	switch {
	case err != nil:
		return nil, nil, "", err
	case !info.Mode().IsRegular() || info.Size() > maxServed:
		return nil, nil, "", errUnserved // a pipe would be waited for when it is opened
	}
	if f, err = root.Open(name); err != nil {
		return nil, nil, "", err
	}
	if kind = mime.TypeByExtension(path.Ext(name)); kind == "" {
		kind = "application/octet-stream"
	}
	return f, info, kind, nil
}
