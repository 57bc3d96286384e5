package httpapi

import (
	"bytes"
	"io"
	"net"
	"strconv"
)

// strictConn watches the requests of one connection and refuses those about whose
// end two servers could differ, which is what request smuggling lives on: net/http
// takes some of them by a lenient reading (RFC 9112 §2.2, §5.2, §6.1). It knows only
// where a header block begins and ends, and the two fields that tell how long a
// body is. What it refuses, net/http answers with 400 and hangs up. Only Read
// touches its state, and net/http never calls that twice at once.
type strictConn struct {
	net.Conn
	head    headReader
	body    uint64 // octets left of the body
	pending int    // octets so far of a request that has not come to its end
	whole   int    // requests that have; a chunked one never, since its end is not seen
	opaque  bool   // a chunked body began: the last of the connection, see [Server.shield]
	refused bool
	rest    string // once refused: what is still to be handed out
}

// spoiler takes the place of the line feed that completed a line which is not
// acceptable: no line of a header block may hold NUL.
const spoiler = "\x00\r\n\r\n"

func (c *strictConn) Read(p []byte) (int, error) {
	if c.refused {
		return c.spoil(p)
	}
	n, err := c.Conn.Read(p)
	c.pending += n
	good := c.watch(p[:n])
	if good == n {
		return n, err
	}
	c.refused, c.rest = true, spoiler
	more, _ := c.spoil(p[good:n])
	return good + more, nil
}

func (c *strictConn) spoil(p []byte) (int, error) {
	if c.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// watch follows the requests through b and returns how much of it is acceptable:
// all, or what stands before the line feed of a line that is not.
func (c *strictConn) watch(b []byte) int {
	at := 0
	for at < len(b) && !c.opaque {
		if c.body > 0 {
			n := min(c.body, uint64(len(b)-at))
			c.body -= n
			at += int(n)
			if c.body == 0 {
				c.end(len(b) - at)
			}
			continue
		}
		length := bytes.IndexByte(b[at:], '\n')
		if length < 0 {
			c.head.keep(b[at:])
			return len(b)
		}
		c.head.keep(b[at : at+length])
		if !c.head.endLine() {
			return at + length
		}
		at += length + 1
		if c.head.ended {
			c.body, c.opaque = c.head.length, c.head.chunked
			c.head = headReader{line: c.head.spare()}
			if c.body == 0 && !c.opaque {
				c.end(len(b) - at)
			}
		}
	}
	return len(b)
}

// end notes that a request has come to its end, with so many octets of a next one behind it.
func (c *strictConn) end(behind int) {
	c.whole++
	c.pending = behind
}

// maxLine is how much of a line is looked at: no request that is answered has a
// longer request line, and no number or coding needs as much.
const maxLine = maxTarget + 64

// headReader reads one header block line by line.
type headReader struct {
	line    []byte // the line so far, at most maxLine octets of it
	cut     bool   // the line is longer
	last    byte   // of the line, also of one that is cut
	begun   bool   // the request line was seen
	http11  bool
	chunked bool
	counted bool // Content-Length was seen
	length  uint64
	ended   bool
}

func (h *headReader) keep(part []byte) {
	fits := min(len(part), maxLine-len(h.line))
	h.line = append(h.line, part[:fits]...)
	h.cut = h.cut || fits < len(part)
	if len(part) > 0 {
		h.last = part[len(part)-1]
	}
}

// spare is the space of the line, for the next request. What only a long line has needed is given back.
func (h *headReader) spare() []byte {
	const most = 1 << 10
	if cap(h.line) > most {
		return nil
	}
	return h.line[:0]
}

// endLine takes the line that a line feed has just ended and reports whether it is
// acceptable.
func (h *headReader) endLine() bool {
	crlf, cut := h.last == '\r', h.cut
	line := h.line
	if crlf && !cut {
		line = line[:len(line)-1]
	}
	h.line, h.cut, h.last = h.line[:0], false, 0
	switch {
	case !crlf: // RFC 9112 §2.2 lets a bare LF end a line, but not every server does
		return false
	case len(line) == 0:
		h.ended = h.begun // net/http too passes over an empty line before a request
		return true
	case !h.begun:
		h.begun, h.http11 = true, bytes.HasSuffix(line, []byte(" HTTP/1.1"))
		return cut || h.http11 || bytes.HasSuffix(line, []byte(" HTTP/1.0")) // no other version is spoken here
	}
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || len(bytes.TrimSpace(name)) != len(name) { // obs-fold (RFC 9112 §5.2), or space before the colon (§5.1)
		return false
	}
	return h.field(name, bytes.Trim(value, " \t"))
}

// field looks for the two fields of RFC 9112 §6: at most one of them may come, and
// once. HTTP/1.0 knows no chunks.
func (h *headReader) field(name, value []byte) bool {
	switch {
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		acceptable := h.http11 && !h.chunked && !h.counted && bytes.EqualFold(value, []byte("chunked"))
		h.chunked = true
		return acceptable
	case bytes.EqualFold(name, []byte("Content-Length")):
		length, err := strconv.ParseUint(string(value), 10, 63)
		acceptable := err == nil && !h.chunked && !h.counted
		h.counted, h.length = true, length
		return acceptable
	}
	return true
}
