package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Store names an engine.
type Store string

// The engines.
const (
	SQLite Store = "sqlite" // durable, on an embedded SQLite file
	Memory Store = "memory" // gone with the process
)

// Access says who may do something with a feed. Empty is what a rule left out:
// anyone may read, and only clients with a credential may publish.
type Access string

// The kinds of access.
const (
	Anyone Access = "anyone" // no credential is needed
	Token  Access = "token"  // a credential that allows it is needed
)

// Level is the least level of a record that is logged.
type Level string

// The levels.
const (
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
)

// Slog returns the level as log/slog takes it.
func (l Level) Slog() slog.Level {
	switch l {
	case LevelDebug:
		return slog.LevelDebug
	case LevelWarn:
		return slog.LevelWarn
	case LevelError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Format is how a log record is written.
type Format string

// The formats.
const (
	Text Format = "text" // key=value, for people
	JSON Format = "json" // one object a line, for machines
)

// The words are leaves of the settings: texts that are read as one of a few.

func (s *Store) UnmarshalText(text []byte) error  { return setWord(s, text, SQLite, Memory) }
func (a *Access) UnmarshalText(text []byte) error { return setWord(a, text, Anyone, Token) }
func (l *Level) UnmarshalText(text []byte) error {
	return setWord(l, text, LevelDebug, LevelInfo, LevelWarn, LevelError)
}
func (f *Format) UnmarshalText(text []byte) error { return setWord(f, text, Text, JSON) }

func setWord[T ~string](dst *T, text []byte, words ...T) error {
	if slices.Contains(words, T(text)) {
		*dst = T(text)
		return nil
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return fmt.Errorf("%q is none of %s", text, strings.Join(names, ", "))
}

// Secret is a credential. It is not shown when it is printed or logged;
// string(s) gives it.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
