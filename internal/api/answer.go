package api

import (
	"net/http"
	"strconv"
)

const (
	// smallAnswer is what the kernel takes at once: nobody waits for its reader.
	smallAnswer = 16 << 10
	// unreadBytes is how much memory the larger answers may have, all together,
	// that their clients have not read yet.
	unreadBytes = 128 << 20
)

// writeAnswer writes a whole answer, and gives up on a client that takes nothing
// of it for stall_timeout. Clients that do not read cost no more than
// unreadBytes (P6): whoever comes then is told to come back.
func (s *Server) writeAnswer(w http.ResponseWriter, status int, b []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if len(b) <= smallAnswer {
		w.WriteHeader(status)
		w.Write(b)
		return nil
	}
	size := int64(len(b))
	defer s.unread.Add(-size)
	if s.unread.Add(size) > max(unreadBytes, size) {
		w.Header().Del("Content-Length")
		return tooManyAnswers.with("%d MiB of answers wait for those who asked for them", unreadBytes>>20)
	}
	w.WriteHeader(status)
	s.output(w).send(b) // who is gone needs no answer, and the connection ends
	return nil
}
