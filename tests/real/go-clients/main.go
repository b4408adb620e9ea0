// Clients of Kafka in Go on one broker: every codec, produced and consumed in a group, and their admin clients.
// Arguments: franz-go or sarama, HOST:PORT, PREFIX; or load and what it asks for.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

const (
	// partitions of each topic, and records of each codec.
	partitions = 3
	records    = 200
	// limit is for one client's whole work.
	limit = 150 * time.Second
	// patience is for one answer to become the wanted one; a group waits 45 seconds for a member that it lost.
	patience = 60 * time.Second
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "load" {
		if err := load(os.Args[2:]); err != nil {
			fail(err)
		}
		return
	}
	if len(os.Args) != 4 {
		fail(fmt.Errorf("want a client, HOST:PORT and PREFIX; got %q", os.Args[1:]))
	}
	client, broker, prefix := os.Args[1], os.Args[2], os.Args[3]
	time.AfterFunc(limit, func() { fail(fmt.Errorf("not done after %s", limit)) })
	var err error
	switch client {
	case "franz-go":
		err = franz(broker, prefix)
	case "sarama":
		err = saramas(broker, prefix)
	default:
		err = fmt.Errorf("no client %q", client)
	}
	if err != nil {
		fail(err)
	}
	fmt.Printf("every codec passed with %s\n", version(client))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// version is that of the client's module, as it was built in.
func version(client string) string {
	path := map[string]string{"franz-go": "github.com/twmb/franz-go", "sarama": "github.com/IBM/sarama"}[client]
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	return "unknown"
}

func key(number int) string {
	return fmt.Sprintf("key %d", number)
}

func value(codec string, number int) string {
	return fmt.Sprintf("%s value %d", codec, number)
}

// seen is what was consumed, to be compared with what was produced.
type seen map[string]bool

// add takes a record of the topic of one codec, whose header says the codec.
func (s seen) add(topic, prefix, key, value, header string) error {
	place := topic + " " + key
	if s[place] {
		return fmt.Errorf("%s came twice", place)
	}
	s[place] = true
	var number int
	if _, err := fmt.Sscanf(key, "key %d", &number); err != nil {
		return fmt.Errorf("key %q of %s: %w", key, topic, err)
	}
	codec := topic[len(prefix)+1:]
	if wanted := fmt.Sprintf("%s value %d", codec, number); value != wanted || header != codec {
		return fmt.Errorf("%s: want value %q, header %q; got %q, %q", place, wanted, codec, value, header)
	}
	return nil
}

// all says whether every record has come.
func (s seen) all() bool {
	return len(s) == records*len(codecs)
}

// eventually asks again until all is as wanted: Apache Kafka answers what changes topics and configs before its broker, which
// is asked about them, has heard of it.
func eventually(check func() error) error {
	end := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %s: %w", patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func same[T comparable](what string, got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%s: want %v; got %v", what, wanted, got)
	}
	return nil
}
